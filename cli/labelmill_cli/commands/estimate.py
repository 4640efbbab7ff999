"""`labelmill estimate`: what a file of items would cost, before anything is paid."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from labelmill.prices import load_prices, local_models, packaged_prices, priced
from labelmill.projects import load_project

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.errors import CliError
from labelmill_cli.estimating import (
    ROUGHLY,
    CountTokens,
    Estimate,
    HumanShare,
    Texts,
    roughly,
    worked_out,
)
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, out, table, usd
from labelmill_cli.policy_words import free_of_charge
from labelmill_cli.sources import lines_of, opened, progress_bar, size_of

_EVERY_LINES: Final = 500


def estimate(
    project_file: Annotated[Path, typer.Argument(help="The project's YAML file.")],
    items_file: Annotated[
        str, typer.Argument(help="NDJSON or CSV file with a header; - reads NDJSON from standard input.")
    ],
    *,
    id_name: Annotated[str | None, typer.Option("--id", help="Field or column with the id.")] = None,
    text_name: Annotated[str | None, typer.Option("--text", help="Field or column with the text.")] = None,
    human_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the items that go to people, audits not counted."),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Take that share, and the time of a decision, from this project.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="The model's tokenizer.json, to count tokens exactly.")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="Price file; otherwise list prices.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as one JSON document.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say what labelling a file would cost at most: tokens, money, and people's time. Nothing is asked."""
    known = load_prices(prices.read_bytes()) if prices else packaged_prices()
    spec = load_project(project_file.read_bytes())
    filled = priced(spec, known)
    count, counted_by = _counter(tokenizer)
    human = _share_of_people(human_share, like, home)
    texts = Texts(count)
    with opened(items_file) as source, progress_bar() as progress:
        task = progress.add_task("reading", total=size_of(source), counts="")
        read = 0
        for number, line in lines_of(items_file, source, id_name, text_name):
            texts.add(line)
            read += len(line) + 1
            if number % _EVERY_LINES == 0:
                progress.update(task, completed=read, counts=f"{texts.items:,} items")
    found = worked_out(filled.spec, texts, count, counted_by=counted_by, human=human)
    assumptions = [*found.assumptions, *free_of_charge(local_models(spec, known))]
    found = msgspec.structs.replace(found, warnings=filled.warnings, assumptions=assumptions)
    if as_json:
        out.print(msgspec.json.encode(found).decode(), soft_wrap=True)
    else:
        _show(found)


def _counter(file: Path | None) -> tuple[CountTokens, str]:
    if file is None:
        return roughly, ROUGHLY
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - heavy, and wanted by few
    except ImportError as error:
        raise CliError(
            "exact counts need the package tokenizers: install it, or leave --tokenizer"
        ) from error
    try:
        made = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain exceptions
        raise CliError(f"{file} is no tokenizer.json: {error}") from error

    def count(text: str) -> float:
        return float(len(made.encode(text, add_special_tokens=False).ids))

    return count, f"{file.name}, exactly, and 4 for each message of the chat"


def _share_of_people(share: float | None, like: str | None, home: Path) -> HumanShare:
    if share is not None:
        return HumanShare(share=share, source=f"given: {share:.0%} of the items go to people before audits")
    if like is None:
        return HumanShare()
    with review_api(connection.find(home)) as api:
        status = api.status(like)
    if not status.get("items"):
        raise CliError(f"project {like} has no items yet: give --human-share")
    # What was withdrawn nobody had to do after all.
    asked = status["requested"] - status.get("withdrawn", 0)
    measured = min(1.0, asked / status["items"])
    minutes = status["human_seconds"] / status["decided"] / 60 if status.get("decided") else None
    said = f"measured on {like}: {measured:.1%} of its {status['items']:,} items, audits among them"
    return HumanShare(share=measured, source=said, is_measured=True, minutes_per_decision=minutes)


def _show(found: Estimate) -> None:
    out.print(f"{found.items:,} items, {found.distinct_texts:,} texts that differ")
    if found.unreadable:
        out.print(f"{found.unreadable:,} lines are no items and were left out")
    rows = table("voter", "model", "calls", "tokens in", "tokens out", "live", "batch")
    for voter in found.voters:
        chosen = " *" if voter.mode == "batch" else ""
        rows.add_row(
            voter.voter,
            voter.model,
            f"{voter.calls:,}",
            f"{voter.input_tokens:,}",
            f"{voter.output_tokens:,}",
            usd(voter.usd_live),
            usd(voter.usd_batch) + chosen,
        )
    people = found.people
    rows.add_row(
        "people", f"{people.share:.1%} of items", f"{people.decisions:,}", "", "", usd(people.usd), ""
    )
    rows.add_row("in all", "", "", "", "", usd(found.usd_live), usd(found.usd_batch))
    out.print(rows)
    hours = f"{people.minutes / 60:,.1f} hours" if people.minutes >= 120 else f"{people.minutes:,.0f} minutes"
    out.print(f"as the project is: {usd(found.usd)}, with {hours} of people's time", soft_wrap=True)
    out.print(f"people alone, one decision an item: {usd(people.usd_alone)}", soft_wrap=True)
    if found.days_under_cap is not None:
        out.print(f"under the project's daily cap it takes {found.days_under_cap:,.1f} days", soft_wrap=True)
    err.print(f"tokens: {found.tokens_counted_by}", soft_wrap=True)
    for line in found.assumptions:
        err.print(line, soft_wrap=True)
    for warning in found.warnings:
        err.print(f"warning: {warning}", soft_wrap=True)
