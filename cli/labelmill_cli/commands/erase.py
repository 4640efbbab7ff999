"""`labelmill erase`: take items out everywhere, and show that they are gone."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from labelmill_cli import connection, searching
from labelmill_cli.api import Api, review_api
from labelmill_cli.errors import CliError
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, local_time, out, table
from labelmill_cli.searching import Sought

app = typer.Typer(help="Erase items everywhere, for good, and show that they are gone.", no_args_is_help=True)

_EVERY_SECONDS: Final = 0.5

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT")]
ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")]


@app.command()
def item(project: ProjectName, item_id: ItemId, yes: Yes = False, home: Home = DEFAULT_HOME) -> None:
    """Erase an item: content, votes, labels, decisions, and what was learned from it."""
    with review_api(connection.find(home)) as api:
        subject = {"project": project, "item_id": item_id}
        known = api.erase(subject, dry_run=True)
        if known["erasure_id"] is not None:
            # It was asked for before; the erasure shows how far that is.
            sought = Sought(project, item_id)
        else:
            sought = searching.remembered(api, project, item_id)
            _confirm(f"Erase item {item_id} of {project}, for good?", yes)
        erasure_id = int(api.erase(subject)["erasure_id"])
        _show(_seen_through(api, erasure_id))
        _tell_of_figures()
        left = _show_found(dict(searching.by_api(api, sought)))
    _tell_of_kafka(f"labelmill erase search {project} {item_id}")
    if left:
        raise typer.Exit(1)


@app.command()
def owner(
    name: Annotated[str, typer.Argument(metavar="OWNER", help="As the items say it.")],
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Only in this project; otherwise in all.")
    ] = None,
    yes: Yes = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Erase all items that an owner has now, not those that come later."""
    with review_api(connection.find(home)) as api:
        subject = {"owner": name} | ({"project": project} if project else {})
        items = api.erase(subject, dry_run=True)["items"]
        counts = ", ".join(f"{count:,} of {where}" for where, count in items.items())
        _confirm(f"Erase {sum(items.values()):,} items ({counts}), for good?", yes)
        _show(_seen_through(api, int(api.erase(subject)["erasure_id"])))
        _tell_of_figures()
        left = _still_owned(api, subject)
    err.print(f"the owner has {left:,} items" if left else "the owner has no items any more")
    _tell_of_kafka("labelmill erase search PROJECT ITEM")
    if left:
        raise typer.Exit(1)


@app.command()
def show(erasure_id: Annotated[int, typer.Argument(metavar="ID")], home: Home = DEFAULT_HOME) -> None:
    """Show how far an erasure is, and what it has taken out."""
    with review_api(connection.find(home)) as api:
        _show(api.erasure(erasure_id))


@app.command()
def search(
    project: ProjectName,
    item_id: ItemId,
    text: Annotated[str, typer.Option("--text", help="A piece of its text to look for as well.")] = "",
    home: Home = DEFAULT_HOME,
) -> None:
    """Look for an item in the lineage, in the exports and in all of Kafka; status 1 if anything is left."""
    sought = Sought(project, item_id, sample=text)
    with review_api(connection.find(home)) as api:
        found = dict(searching.by_api(api, sought))
    found |= asyncio.run(_in_kafka(home, sought))
    if _show_found(found):
        err.print("Kafka drops what is erased within about a day; dead letters within two weeks")
        raise typer.Exit(1)


async def _in_kafka(home: Path, sought: Sought) -> dict[str, int]:
    counts = await searching.in_kafka(connection.kafka_settings(home), sought)
    return {f"Kafka: {topic}": count for topic, count in counts.items()}


def _confirm(question: str, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise CliError("nothing was erased")


def _seen_through(api: Api, erasure_id: int) -> dict[str, Any]:
    """Wait until an erasure is done, telling of its progress."""
    told = ""
    while (shown := api.erasure(erasure_id))["state"] != "done":
        progress = f"{shown['items']:,} items out of the ledger, {shown['unconfirmed']:,} not confirmed yet"
        if progress != told:
            err.print(f"erasure {erasure_id}: {progress}", soft_wrap=True)
            told = progress
        time.sleep(_EVERY_SECONDS)
    return shown


def _show(shown: dict[str, Any]) -> None:
    when = f", done {local_time(shown['done_at'])}" if shown["done_at"] else ""
    out.print(f"erasure {shown['erasure_id']}: {shown['state']}, {shown['items']:,} items{when}")
    rows = table("service", "table", "rows taken out or blanked")
    for service, counts in shown["removed"].items():
        for name, count in sorted(counts.items()):
            rows.add_row(service, name, f"{count:,}")
    out.print(rows)
    for guideline in shown["quoted"]:
        err.print(f"project {guideline} shows it as an example: edit the guideline", soft_wrap=True)


def _show_found(found: dict[str, int]) -> int:
    rows = table("searched", "found")
    for place, count in found.items():
        rows.add_row(place, f"{count:,}" if count else "nothing")
    out.print(rows)
    return sum(found.values())


def _still_owned(api: Api, subject: dict[str, str]) -> int:
    return sum(api.owned(subject).values())


def _tell_of_figures() -> None:
    err.print(
        "`labelmill status` takes what is erased off items and labels; decisions, people's time and money "
        "are still all that there were",
        soft_wrap=True,
    )


def _tell_of_kafka(command: str) -> None:
    err.print(f"Kafka drops what is erased within about a day: `{command}` looks", soft_wrap=True)
