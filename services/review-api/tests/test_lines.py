"""Chunks to lines: any cutting gives the same lines, and memory is bounded."""

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_api.items.lines import Gunzip, Line, LineSplitter


def split(chunks: list[bytes], most_bytes: int = 10) -> list[Line]:
    splitter = LineSplitter(most_bytes)
    return [*(line for chunk in chunks for line in splitter.feed(chunk)), *splitter.close()]


def cut(text: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


def unpack(packed: bytes) -> bytes:
    gunzip = Gunzip()
    data = b"".join(gunzip.feed(packed))
    gunzip.close()
    return data


def expected(text: bytes, most_bytes: int) -> list[Line]:
    numbered = enumerate(text.split(b"\n"), 1)
    return [
        Line(number, line if len(line) <= most_bytes else None)
        for number, line in numbered
        if len(line) > most_bytes or line.strip()
    ]


@given(st.lists(st.sampled_from([b"a", b"\n", b" ", b"bcdefg", b"h" * 11])), st.lists(st.integers(0, 10_000)))
def test_any_cutting_gives_the_same_lines(parts: list[bytes], places: list[int]) -> None:
    text = b"".join(parts)
    assert split(cut(text, places)) == expected(text, 10)


def test_of_a_line_that_is_too_long_nothing_is_kept() -> None:
    splitter = LineSplitter(most_bytes=100)
    for _ in range(1000):
        assert splitter.feed(b"x" * 60) == []
        assert len(splitter._rest) <= 100
    assert splitter.feed(b"x\nnext\n") == [Line(1, None), Line(2, b"next")]


@given(st.binary(max_size=2000), st.lists(st.integers(0, 10_000)), st.integers(1, 3))
def test_gzip_is_unpacked_however_it_is_cut(data: bytes, places: list[int], members: int) -> None:
    gunzip = Gunzip()
    packed = gzip.compress(data) * members
    assert b"".join(piece for chunk in cut(packed, places) for piece in gunzip.feed(chunk)) == data * members
    gunzip.close()


def test_a_gzip_bomb_comes_in_small_pieces() -> None:
    packed = gzip.compress(b"\0" * 50_000_000)
    assert len(packed) < 60_000
    gunzip = Gunzip()
    sizes = [len(piece) for piece in gunzip.feed(packed)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize(
    "packed",
    [b"plain text", gzip.compress(b"abc" * 1000)[:-4]],
    ids=["plain text", "cut short"],
)
def test_broken_gzip_is_an_error(packed: bytes) -> None:
    with pytest.raises(zlib.error):
        unpack(packed)


def test_an_empty_body_is_no_error() -> None:
    Gunzip().close()
    assert split([]) == []
