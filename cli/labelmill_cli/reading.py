"""Reading items from NDJSON and CSV, streamed, in chunks that fit one request."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec
from labelmill import provenance

from labelmill_cli.errors import CliError

_ID_NAMES, _TEXT_NAMES = ("item_id", "id"), ("content", "text")

Line = tuple[int, bytes]
"""Number of the source line (from 1) and the item as one line of JSON."""


@dataclass
class Chunk:
    """Lines of one request. `numbers` are their line numbers in the source."""

    lines: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, line: Line) -> None:
        self.numbers.append(line[0])
        self.lines.append(line[1])
        self.size += len(line[1]) + 1

    @property
    def body(self) -> bytes:
        return b"\n".join(self.lines) + b"\n"


def chunks(
    lines: Iterable[Line], most_lines: int = 5000, most_bytes: int = 4 * 1024 * 1024
) -> Iterator[Chunk]:
    """Yield the lines in chunks that pass neither bound (a longer single line comes alone)."""
    chunk = Chunk()
    for line in lines:
        if chunk.lines and (len(chunk.lines) >= most_lines or chunk.size + len(line[1]) >= most_bytes):
            yield chunk
            chunk = Chunk()
        chunk.add(line)
    if chunk.lines:
        yield chunk


def ndjson_lines(source: BinaryIO, id_name: str | None, text_name: str | None) -> Iterator[Line]:
    """Yield the lines that are not blank, as they are; renamed if a field has another name.

    As with the header of a CSV file, the first line tells which of the usual names the fields have where
    none is given. A line that is no JSON object passes through: the server rejects it with its reason.
    """
    is_first = True
    for number, line in enumerate(source, 1):
        stripped = line.strip()
        if not stripped:
            continue
        if is_first:
            id_name, text_name = _other_names(stripped, id_name, text_name)
            is_first = False
        yield number, _renamed(stripped, id_name, text_name) if id_name or text_name else stripped


def _other_names(line: bytes, id_name: str | None, text_name: str | None) -> tuple[str | None, str | None]:
    """Return what the fields of the id and the text are called, each None where it has its own name."""
    try:
        document = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return id_name, text_name
    known = document if isinstance(document, dict) else {}
    return id_name or _other_name(known, *_ID_NAMES), text_name or _other_name(known, *_TEXT_NAMES)


def _other_name(document: dict[str, Any], own: str, other: str) -> str | None:
    return other if other in document and own not in document else None


def _renamed(line: bytes, id_name: str | None, text_name: str | None) -> bytes:
    try:
        document = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return line
    if not isinstance(document, dict):
        return line
    for old, new in ((id_name, "item_id"), (text_name, "content")):
        if old and old in document:
            document[new] = document.pop(old)
    if isinstance(document.get("item_id"), int):
        document["item_id"] = str(document["item_id"])
    return msgspec.json.encode(document)


def csv_lines(source: BinaryIO, id_name: str | None, text_name: str | None) -> Iterator[Line]:
    """Yield the rows of a CSV file with a header; `owner`, `licence`, `source` and `consent` tell where an
    item comes from, all other columns besides id and text become metadata.

    Raises CliError if a column is missing, a row is broken or the file is not UTF-8.
    """
    csv.field_size_limit(sys.maxsize)
    reader = csv.DictReader(io.TextIOWrapper(source, encoding="utf-8-sig", newline=""))
    try:
        names = list(reader.fieldnames or [])
        id_column = _column(names, id_name, _ID_NAMES, "--id")
        text_column = _column(names, text_name, _TEXT_NAMES, "--text")
        for row in reader:
            yield reader.line_num, _item(row, id_column, text_column)
    except UnicodeDecodeError as error:
        raise CliError(f"the CSV is not UTF-8 near line {reader.line_num + 1}: save it as UTF-8") from error
    except csv.Error as error:
        raise CliError(f"the CSV is broken near line {reader.line_num}: {error}") from error


def _column(names: list[str], wanted: str | None, usual: tuple[str, ...], option: str) -> str:
    for name in (wanted,) if wanted else usual:
        if name in names:
            return name
    looked_for = wanted or " or ".join(usual)
    raise CliError(f"the CSV has no column {looked_for} (it has {', '.join(names)}): name one with {option}")


def _item(row: dict[Any, Any], id_column: str, text_column: str) -> bytes:
    others = {
        name: value
        for name, value in row.items()
        if isinstance(name, str) and isinstance(value, str) and value and name not in (id_column, text_column)
    }
    item: dict[str, Any] = {"item_id": row[id_column] or "", "content": row[text_column] or ""}
    item |= {name: others.pop(name) for name in provenance.FIELDS if name in others}
    return msgspec.json.encode(item | ({"metadata": others} if others else {}))
