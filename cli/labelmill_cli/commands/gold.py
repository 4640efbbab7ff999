"""`labelmill gold`: items whose true label is known, by which reviewers are checked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.errors import CliError
from labelmill_cli.options import DEFAULT_HOME, Home, Project
from labelmill_cli.output import err, out, table

app = typer.Typer(
    help="Items whose true label is known: they check and train reviewers.", no_args_is_help=True
)

_MOST_BYTES: Final = 512 * 1024
_EXCERPT: Final = 60


@app.command()
def add(
    project: Project,
    file: Annotated[
        Path,
        typer.Argument(
            help="NDJSON: label, with item_id of an item or content of a text; explanation, skill.",
            exists=True,
            dir_okay=False,
        ),
    ],
    home: Home = DEFAULT_HOME,
) -> None:
    """Mark items as gold. The same file again changes nothing; another label corrects the one there was."""
    added = changed = refused = first = 0
    with review_api(connection.find(home)) as api:
        for lines in _parts(file.read_bytes()):
            done = api.put_gold(project, b"\n".join(lines))
            added, changed, refused = (
                added + done["added"],
                changed + done["changed"],
                refused + done["refused_count"],
            )
            for one in done["refused"]:
                err.print(f"line {first + one['line']}: {one['detail']}", soft_wrap=True)
            first += len(lines)
    err.print(f"{added:,} gold items added, {changed:,} there already, {refused:,} refused")
    if refused:
        raise CliError("some lines could not be used: correct them and send the file again")


@app.command("list")
def show(project: Project, home: Home = DEFAULT_HOME) -> None:
    """List the gold, with the share of people who answered it right."""
    with review_api(connection.find(home)) as api:
        found = api.gold(project)
    rows = table("item", "label", "skill", "answered", "right", "text")
    for one in found["gold"]:
        rows.add_row(*_row(one))
    out.print(rows)
    if found["shortage"]:
        err.print(f"warning: {found['shortage']}", soft_wrap=True)


@app.command()
def retire(
    project: Project,
    item_id: Annotated[str, typer.Argument(help="The gold item.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Hand a gold item out no more. What was answered still counts."""
    with review_api(connection.find(home)) as api:
        api.retire_gold(project, item_id)
    err.print(f"{item_id} is retired", soft_wrap=True)


def _parts(body: bytes) -> Iterator[list[bytes]]:
    """Yield the lines in parts that a request can hold, empty ones too, so that line numbers stay right."""
    part: list[bytes] = []
    size = 0
    for line in body.split(b"\n"):
        if part and size + len(line) > _MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part


def _row(one: dict[str, Any]) -> Iterator[str]:
    yield one["item_id"] + (" (retired)" if one["retired"] else "")
    yield str(one["label"])
    yield one["skill"] or ""
    yield f"{one['answers']:,}"
    yield f"{one['correct'] / one['answers']:.0%}" if one["answers"] else ""
    text = " ".join(one["content"].split())
    yield text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
