"""Files of items, opened and read under a progress bar."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from labelmill_cli.output import err
from labelmill_cli.reading import Line, csv_lines, ndjson_lines


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a file of items; - is standard input."""
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as source:
        yield source


def size_of(source: BinaryIO) -> int | None:
    """Return how many bytes there are to read, or None if that cannot be told."""
    if source is sys.stdin.buffer or not source.seekable():
        return None
    end = source.seek(0, io.SEEK_END)
    source.seek(0)
    return end


def lines_of(file: str, source: BinaryIO, id_name: str | None, text_name: str | None) -> Iterator[Line]:
    """Yield the items of a file, a line of JSON each; by its name it is CSV or NDJSON."""
    read = csv_lines if file.lower().endswith(".csv") else ndjson_lines
    return read(source, id_name, text_name)


def progress_bar() -> Progress:
    """Return a bar that shows `counts` besides; nothing is drawn where nobody looks."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}", markup=False),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
