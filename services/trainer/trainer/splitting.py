"""Which side of the split a decision belongs to, so that no text is on both, not even nearly.

The side is drawn once, by a keyed hash of the normalised text, and stored: an item never changes sides
and equal texts always share one. A near duplicate (MinHash, Broder 1997; banding as in Leskovec et al.,
Mining of Massive Datasets, ch. 3) follows the texts it resembles. One that resembles texts of both
sides is left out of both.
"""

import hashlib
import re
import struct
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from labelmill import ids
from numpy.typing import NDArray

SIMILARITY = 0.7
"""Estimated Jaccard similarity of character shingles from which two texts are near duplicates."""

_PERMUTATIONS = 64
_ROWS_A_BAND = 4
"""16 bands of 4: texts of similarity 0.7 share a band with probability 0.99, unrelated ones hardly ever."""
_SHINGLE_CHARS = 5
_MAX_CHARS = 20_000
"""Longer texts are compared by their beginning: hashing is linear in the length, memory 64 times that."""

_LINKS_AND_NAMES = re.compile(r"https?://\S+|www\.\S+|@\w+")
_NOT_WORDS = re.compile(r"[\W_]+")


class Side(StrEnum):
    """Where a decision serves."""

    TRAIN = "train"
    HOLDOUT = "holdout"
    LEFT_OUT = "left_out"


class Sketch(NamedTuple):
    """What is compared of a text: its exact key, its MinHash, and the MinHash's bands as 64-bit keys."""

    key: str
    signature: bytes
    bands: list[int]


class Placed(NamedTuple):
    """A sketched text with its side; `group` is the key of the text it was first found to resemble."""

    sketch: Sketch
    group: str
    side: Side


def normalised(text: str) -> str:
    """Return `text` without what copies differ in: case, links, @names, punctuation, spacing."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _NOT_WORDS.sub(" ", _LINKS_AND_NAMES.sub(" ", folded)).strip()
    return words or " ".join(folded.split())


def sketch(project: str, text: str) -> Sketch:
    """Return the sketch of `text`; sketches of different projects share no band."""
    plain = normalised(text)
    key = ids.event_id(plain)
    plain = plain[:_MAX_CHARS]
    shingles = {plain[at : at + _SHINGLE_CHARS] for at in range(max(1, len(plain) - _SHINGLE_CHARS + 1))}
    signature = _minhash(shingles)
    return Sketch(key, signature, _bands(project, signature))


def similarity(one: bytes, other: bytes) -> float:
    """Return the estimated Jaccard similarity of two signatures (standard error at most 0.063)."""
    return float(np.mean(np.frombuffer(one, "<u4") == np.frombuffer(other, "<u4")))


def place(text: Sketch, neighbours: Iterable[Placed], draw: float, holdout_share: float) -> Placed:
    """Return the side and group of a text among those placed before it.

    `neighbours` are placed texts that share a band or the key. `draw` is the text's fixed draw in [0, 1).
    """
    near = []
    for other in neighbours:
        if other.sketch.key == text.key:
            return Placed(text, other.group, other.side)
        likeness = similarity(text.signature, other.sketch.signature)
        if likeness >= SIMILARITY and other.side is not Side.LEFT_OUT:
            near.append((likeness, other))
    if not near:
        return Placed(text, text.key, Side.HOLDOUT if draw < holdout_share else Side.TRAIN)
    if len({other.side for _, other in near}) > 1:
        return Placed(text, text.key, Side.LEFT_OUT)
    nearest = max(near, key=lambda pair: pair[0])[1]
    return Placed(text, nearest.group, nearest.side)


def place_all(texts: Iterable[tuple[Sketch, float]], placed: Iterable[Placed], share: float) -> list[Placed]:
    """Place texts (with their draws) in order among those of `placed` and one another; see `place`."""
    by_band: dict[int, list[Placed]] = {}
    for other in placed:
        _index(by_band, other)
    results = []
    for text, draw in texts:
        neighbours = {id(other): other for band in text.bands for other in by_band.get(band, ())}
        result = place(text, neighbours.values(), draw, share)
        if all(other.sketch.key != text.key for other in neighbours.values()):
            _index(by_band, result)
        results.append(result)
    return results


def _index(by_band: dict[int, list[Placed]], text: Placed) -> None:
    for band in text.sketch.bands:
        by_band.setdefault(band, []).append(text)


def _minhash(shingles: Iterable[str]) -> bytes:
    """Return the least hash under each permutation, as little-endian uint32.

    Signatures are stored and compared for years, so nothing here may depend on a library's defaults (that
    datasketch changed its own with version 2 is why it is not used). The hashes are multiply-shift
    (Dietzfelbinger et al. 1997) of a 64-bit BLAKE2b.
    """
    digests = b"".join(hashlib.blake2b(shingle.encode(), digest_size=8).digest() for shingle in shingles)
    multiplier, addend = _permutations()
    hashes = np.frombuffer(digests, "<u8") * multiplier[:, None] + addend[:, None]
    return (hashes.min(axis=1) >> np.uint64(32)).astype("<u4").tobytes()


@cache
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    digests = b"".join(
        hashlib.blake2b(f"permutation {number}".encode(), digest_size=16).digest()
        for number in range(_PERMUTATIONS)
    )
    drawn = np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 2)
    return drawn[:, 0] | np.uint64(1), drawn[:, 1]


def _bands(project: str, signature: bytes) -> list[int]:
    width = _ROWS_A_BAND * 4
    keys = []
    for at in range(0, len(signature), width):
        material = b"%s\x1f%d\x1f%s" % (project.encode(), at, signature[at : at + width])
        keys.append(struct.unpack("<q", hashlib.blake2b(material, digest_size=8).digest())[0])
    return keys
