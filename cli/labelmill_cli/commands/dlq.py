"""`labelmill dlq`: look at dead letters and send them back."""

import asyncio
from typing import Annotated

import msgspec
import typer
from aiokafka import ConsumerRecord
from labelmill.runtime.dlq import PREFIX
from labelmill.runtime.settings import KafkaSettings

from labelmill_cli import connection, dlq_store
from labelmill_cli.errors import CliError
from labelmill_cli.letters import Letter
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import data_size, err, local_time, out, table

app = typer.Typer(help="Look at records that could not be used, and send them back.", no_args_is_help=True)

Topic = Annotated[str | None, typer.Option("--topic", help="Only what comes from this topic.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only letters with this reason.")]


@app.command("list")
def list_letters(
    topic: Topic = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(help="Most letters to show, the newest of each topic.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, without a limit.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """List the dead letters that wait, with reason and origin."""
    found = asyncio.run(dlq_store.list_letters(connection.kafka_settings(home), topic))
    letters = [letter for letter in found if reason in (None, letter.reason)]
    if as_json:
        for letter in letters:
            out.print(msgspec.json.encode(letter._asdict()).decode(), soft_wrap=True)
        return
    if not letters:
        err.print("no dead letters")
        return
    rows = table("id", "reason", "service", "at", "size", "detail")
    for letter in letters[-limit:]:
        size, at = data_size(letter.size), local_time(letter.at)
        rows.add_row(letter.id, letter.reason, letter.service, at, size, letter.detail)
    out.print(rows)
    if len(letters) > limit:
        err.print(f"{len(letters) - limit:,} older ones are not shown: see --limit")


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The letter's id: topic/partition/offset.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Print a dead letter: why it failed, its key, headers and value."""
    letter, record = asyncio.run(dlq_store.read_letter(connection.kafka_settings(home), letter_id))
    rows = table("", "")
    for name, value in _facts(letter, record):
        rows.add_row(name, value)
    out.print(rows)
    out.print()
    out.print(_readable(record.value), soft_wrap=True)


@app.command()
def retry(
    letter_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Letters to send back.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="All letters with this reason.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All letters.")] = False,
    topic: Topic = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Send dead letters back to the topic they came from, once the cause is mended."""
    settings = connection.kafka_settings(home)
    count = asyncio.run(_retry(settings, letter_ids or [], reason, everything, topic))
    err.print(f"{count:,} sent back" if count else "no dead letters to send back")


async def _retry(
    settings: KafkaSettings,
    ids: list[str],
    reason: str | None,
    everything: bool,
    topic: str | None,
) -> int:
    if sum([bool(ids), reason is not None, everything]) != 1:
        raise CliError("say which: ids, or --reason REASON, or --all")
    letters = await dlq_store.list_letters(settings, topic)
    if ids:
        missing = set(ids) - {letter.id for letter in letters}
        if missing:
            raise CliError(
                f"no dead letter waits under {', '.join(sorted(missing))}: see `labelmill dlq list`"
            )
        letters = [letter for letter in letters if letter.id in ids]
    elif reason is not None:
        letters = [letter for letter in letters if letter.reason == reason]
    return await dlq_store.retry_letters(settings, letters)


def _facts(letter: Letter, record: ConsumerRecord) -> list[tuple[str, str]]:
    headers = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    return [
        ("id", letter.id),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("refused by", letter.service),
        ("at", local_time(letter.at)),
        ("key", _readable(record.key)),
        *((f"header {name}", _readable(value)) for name, value in headers),
        ("size", data_size(letter.size)),
    ]


def _readable(value: bytes | None) -> str:
    """Return bytes as indented JSON, else as text, else as Python writes bytes."""
    if value is None:
        return "(no value)"
    try:
        return msgspec.json.format(value).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return value.decode()
    except UnicodeDecodeError:
        return repr(value)
