"""Reading NDJSON as it arrives: packed bytes to bytes, bytes to lines. Pure; memory is bounded."""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_LINE_BYTES: Final = 3 * 1024 * 1024
"""Longest line that is looked at: the longest content with every character escaped, and the metadata."""

_PIECE_BYTES = 256 * 1024


class Line(NamedTuple):
    """A line and its number, from 1; `text` is None if the line was too long to keep."""

    number: int
    text: bytes | None


class LineSplitter:
    """Cuts chunks into lines. It holds one unfinished line, and of one that is too long nothing."""

    def __init__(self, most_bytes: int = MOST_LINE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._rest = b""
        self._number = 0
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that `chunk` completes; empty lines are counted and left out."""
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        lines = [line for text in ended if (line := self._line(text))]
        if len(self._rest) > self._most_bytes:
            self._too_long = True
            self._rest = b""
        return lines

    def close(self) -> list[Line]:
        """Return the last line, if it did not end with a newline."""
        line = self._line(self._rest)
        self._rest = b""
        return [line] if line else []

    def _line(self, text: bytes) -> Line | None:
        self._number += 1
        if self._too_long or len(text) > self._most_bytes:
            self._too_long = False
            return Line(self._number, None)
        return Line(self._number, text) if text and not text.isspace() else None


class Gunzip:
    """Unpacks gzip as it arrives, in pieces of bounded size, however small the packed form is."""

    def __init__(self) -> None:
        self._member = _member()
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what `chunk` unpacks to. Raises zlib.error if it is not gzip."""
        while chunk:
            if self._member.eof:
                self._member = _member()
            piece = self._member.decompress(chunk, _PIECE_BYTES)
            chunk = self._member.unconsumed_tail or self._member.unused_data
            self._begun = True
            if piece:
                yield piece

    def close(self) -> None:
        """Raise zlib.error if the packed form broke off."""
        if self._begun and not self._member.eof:
            raise zlib.error("the data ends in the middle")


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(zlib.MAX_WBITS | 16)
