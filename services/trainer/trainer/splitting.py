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
from collections.abc import Iterable, Sequence
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
MOST_A_BAND = 100
"""Texts of one band that another is compared with at most; see `place_all`."""

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


def similarities(one: bytes, others: Sequence[bytes]) -> list[float]:
    """Return the estimated Jaccard similarity of one signature to others (standard error at most 0.063)."""
    rows = np.frombuffer(b"".join(others), "<u4").reshape(-1, _PERMUTATIONS)
    likenesses: list[float] = (rows == np.frombuffer(one, "<u4")).mean(axis=1).tolist()
    return likenesses


def place(text: Sketch, neighbours: Iterable[Placed], draw: float, holdout_share: float) -> Placed:
    """Return the side and group of a text among other texts that were placed before it.

    `neighbours` are placed texts that share a band with it. `draw` is the text's fixed draw in [0, 1).
    """
    others = [other for other in neighbours if other.side is not Side.LEFT_OUT]
    likenesses = similarities(text.signature, [other.sketch.signature for other in others])
    near = [pair for pair in zip(likenesses, others, strict=True) if pair[0] >= SIMILARITY]
    if not near:
        return Placed(text, text.key, Side.HOLDOUT if draw < holdout_share else Side.TRAIN)
    if len({other.side for _, other in near}) > 1:
        return Placed(text, text.key, Side.LEFT_OUT)
    nearest = max(near, key=lambda pair: pair[0])[1]
    return Placed(text, nearest.group, nearest.side)


def place_all(texts: Iterable[tuple[Sketch, float]], placed: Iterable[Placed], share: float) -> list[Placed]:
    """Place texts (with their draws) in order among those of `placed` and one another; see `place`.

    Of each band a text is compared with the first `MOST_A_BAND` only. Thousands of texts made from one
    template share their bands, and the first of them stand for all: the others were placed beside those.
    What is lost is a text that in all its bands resembles none of the first and yet one of the later ones.
    Equal texts are told by their key, whatever their number.
    """
    index = _Index()
    for other in placed:
        index.add(other)
    results = []
    for text, draw in texts:
        same = index.by_key.get(text.key)
        if same is not None:
            results.append(Placed(text, same.group, same.side))
            continue
        result = place(text, index.neighbours(text), draw, share)
        index.add(result)
        results.append(result)
    return results


class _Index:
    """Placed texts by key, and by band as far as they are compared."""

    def __init__(self) -> None:
        self.by_key: dict[str, Placed] = {}
        self._by_band: dict[int, list[Placed]] = {}

    def add(self, text: Placed) -> None:
        if text.sketch.key in self.by_key:
            return
        self.by_key[text.sketch.key] = text
        for band in text.sketch.bands:
            known = self._by_band.setdefault(band, [])
            if len(known) < MOST_A_BAND:
                known.append(text)

    def neighbours(self, text: Sketch) -> Iterable[Placed]:
        found = {other.sketch.key: other for band in text.bands for other in self._by_band.get(band, ())}
        return found.values()


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
