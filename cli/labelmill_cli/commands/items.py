"""`labelmill ingest` and `export`: items in, labels out."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from labelmill_cli import connection
from labelmill_cli.api import Rejected, review_api
from labelmill_cli.manifest import Described, write_manifest
from labelmill_cli.options import DEFAULT_HOME, Home, Project
from labelmill_cli.output import err, table
from labelmill_cli.reading import chunks
from labelmill_cli.sources import lines_of, opened, progress_bar, size_of

_SHOWN_REJECTIONS = 20
_LABEL_COLUMNS = [
    "item_id",
    "label",
    "source",
    "confidence",
    "reasons",
    "release",
    "guideline_version",
    "decided_at",
]
_WITHHELD_COLUMN = "withheld"
_PROVENANCE_COLUMNS = {"owner": "owner", "licence": "licence", "item_source": "source", "consent": "consent"}
"""Column to field: `source` is who gave the label."""


class Format(StrEnum):
    """How labels are written."""

    JSONL = "jsonl"
    CSV = "csv"


def ingest(
    file: Annotated[
        str, typer.Argument(help="NDJSON or CSV file with a header; - reads NDJSON from standard input.")
    ],
    project: Project,
    id_name: Annotated[
        str | None, typer.Option("--id", help="Field or column with the id; otherwise item_id or id.")
    ] = None,
    text_name: Annotated[
        str | None, typer.Option("--text", help="Field or column with the text; otherwise content or text.")
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Send items to be labelled. Sending the same items again changes nothing."""
    rejected: list[Rejected] = []
    counts = {"accepted": 0, "duplicates": 0, "rejected": 0}
    with review_api(connection.find(home)) as api, opened(file) as source, progress_bar() as progress:
        task = progress.add_task("ingesting", total=size_of(source), counts="")
        for chunk in chunks(lines_of(file, source, id_name, text_name)):
            answer = api.ingest(
                project, chunk.body, lambda s: progress.update(task, counts=f"server busy, waiting {s:.0f} s")
            )
            counts["accepted"] += answer.accepted
            counts["duplicates"] += answer.duplicates
            counts["rejected"] += answer.rejected_count
            rejected += [msgspec.structs.replace(r, line=chunk.numbers[r.line - 1]) for r in answer.rejected]
            progress.update(task, advance=chunk.size, counts=_in_words(counts))
    err.print(_in_words(counts))
    _show_rejected(rejected[:_SHOWN_REJECTIONS], counts["rejected"])
    if counts["rejected"]:
        raise typer.Exit(1)


def export(
    *,
    project: Project,
    format: Annotated[Format, typer.Option(help="How labels are written.")] = Format.JSONL,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, which appears once it is complete; otherwise standard output.",
        ),
    ] = None,
    content: Annotated[bool, typer.Option("--content", help="With the items' texts.")] = False,
    owners: Annotated[bool, typer.Option("--owners", help="With the names of the items' owners.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Write the final labels, and beside a file its manifest, FILE.manifest.json."""
    with review_api(connection.find(home)) as api:
        labels = Described(api.labels(project, content=content, owners=owners, manifest=True))
        lines = labels if format is Format.JSONL else _csv(labels, content)
        count = _write(lines, output)
    if output is not None:
        write_manifest(output, labels.manifest)
    _tell_withheld(labels.manifest)
    # CSV has a header besides the labels.
    where = f" to {output}" if output else ""
    err.print(f"{count - (format is Format.CSV):,} labels written{where}", soft_wrap=True)


def _tell_withheld(manifest: dict[str, Any]) -> None:
    withheld = manifest.get("by_decider", {}).get("withheld", 0)
    if withheld:
        err.print(
            f"{withheld:,} of the labels are held back: you may be asked about their items in a blind check; "
            "an account that does not review is given all",
            soft_wrap=True,
        )


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def _show_rejected(rejected: list[Rejected], count: int) -> None:
    if not rejected:
        return
    rows = table("line", "item", "reason", "detail")
    for r in rejected:
        rows.add_row(str(r.line), r.item_id or "", r.reason, r.detail)
    err.print(rows)
    if count > len(rejected):
        err.print(f"and {count - len(rejected):,} more")


def columns_of(*, content: bool) -> list[str]:
    """Return the columns of an export as CSV, in their order; `withheld` is empty where a label is told."""
    return [*_LABEL_COLUMNS, *_PROVENANCE_COLUMNS, *(["content"] if content else []), _WITHHELD_COLUMN]


def _csv(labels: Iterable[bytes], content: bool) -> Iterator[bytes]:
    columns = columns_of(content=content)
    yield _csv_row(columns)
    for line in labels:
        row = msgspec.json.decode(line)
        found = row.get("provenance", {})
        row |= {column: found.get(field) for column, field in _PROVENANCE_COLUMNS.items()}
        yield _csv_row([_cell(row.get(column)) for column in columns])


def _csv_row(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _write(lines: Iterable[bytes], output: Path | None) -> int:
    if output is None:
        return _write_to(sys.stdout.buffer, lines)
    scratch = output.with_name(output.name + ".part")
    with scratch.open("wb") as file:
        count = _write_to(file, lines)
    scratch.replace(output)
    return count


def _write_to(file: BinaryIO, lines: Iterable[bytes]) -> int:
    count = 0
    for line in lines:
        file.write(line + b"\n")
        count += 1
    file.flush()
    return count
