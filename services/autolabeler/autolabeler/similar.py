"""Decided items that are near an item, to be shown to an LLM as examples. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from labelmill.projects import Example
from labelmill.releases import Release
from labelmill.student import Floats
from numpy.typing import NDArray

_SPARE = 8
"""Neighbours looked at beyond those wanted, in case the nearest are the item itself."""
_SAME_COSINE = 0.97
_SAME_WORDS = 0.8
"""A neighbour is taken for the item itself from this cosine, or share of common words, on."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False, slots=True)
class Shots:
    """A release's shots: `vectors`, float32 of shape (shots, dimensions), rows of unit length."""

    examples: tuple[Example, ...]
    vectors: NDArray[np.float32]
    embedder: str

    def near(self, texts: Sequence[str], vectors: Floats, count: int) -> list[tuple[Example, ...]]:
        """Return the `count` examples nearest to each text, the nearest first.

        `vectors`, of shape (texts, dimensions), are the texts' own. An example that is the text itself, or
        nearly, is left out: its label would be the answer.
        """
        cosines = vectors @ self.vectors.T
        kept = min(count + _SPARE, len(self.examples))
        nearest = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
        return [
            self._others(text, row, numbers, count)
            for text, row, numbers in zip(texts, cosines, nearest, strict=True)
        ]

    def _others(
        self, text: str, cosines: NDArray[np.floating], numbers: NDArray[np.intp], count: int
    ) -> tuple[Example, ...]:
        found: list[Example] = []
        words = _words(text)
        for number in sorted(numbers, key=lambda number: -cosines[number]):
            example = self.examples[number]
            if cosines[number] < _SAME_COSINE and not _are_near(words, _words(example.content)):
                found.append(example)
            if len(found) == count:
                break
        return tuple(found)


def shots_of(release: Release | None, labels: Sequence[str]) -> Shots | None:
    """Return the release's shots whose labels the project still has; None if there are none."""
    shots = [shot for shot in release.shots if shot.example.label in labels] if release else []
    sizes = {len(shot.vector) for shot in shots}
    if release is None or len(sizes) != 1:
        return None
    vectors = np.frombuffer(b"".join(shot.vector for shot in shots), np.dtype("<f4"))
    return Shots(tuple(shot.example for shot in shots), vectors.reshape(len(shots), -1), release.embedder)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold())) or frozenset([text.strip()])


def _are_near(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SAME_WORDS * len(one | other)
