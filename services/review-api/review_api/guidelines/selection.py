"""Which items a change of the guideline affects, and in which order they are taken. Pure."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

MOST_TEXTS: Final = 50
"""Texts that may mark a boundary."""

By = Literal["labels", "boundary", "all"]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is affected.

    `labels`: items whose final label is one of `labels`. `boundary`: of the items whose final label is one of
    `labels` (any, if none is named) those near the boundary: the machine's two best labels were at most
    `margin` apart (and were the two of `labels`, if two are named), or the text is at least `similarity`
    alike (cosine of its embedding) one of `texts`. `all`: every item.
    """

    by: By
    labels: list[str] = []
    texts: list[str] = []
    margin: float = 0.3
    similarity: float = 0.5

    @property
    def pair(self) -> tuple[str, str] | None:
        return (self.labels[0], self.labels[1]) if len(self.labels) == 2 else None


class Labelled(NamedTuple):
    """An item with its final label and what the machine thought of it, `probabilities` by label."""

    item_id: str
    label: str
    by_people: bool
    probabilities: Mapping[str, float]


class Affected(NamedTuple):
    """An item to be looked at again. `place`: the lowest first, from 0 (on the boundary) to 1."""

    item_id: str
    place: float
    people: bool


class Candidate(NamedTuple):
    """An item of which the distance to a boundary is known, as far as its labels tell."""

    margin: float
    item_id: str
    people: bool


def problem_of(selection: Selection, labels: Iterable[str]) -> str | None:
    """Return what is wrong with a selection as a sentence, or None. `labels` are all that the project has or
    had."""
    unknown = sorted(set(selection.labels) - set(labels))
    if unknown:
        return f"no version of the guideline has a label {unknown[0]!r}"
    if selection.by == "labels" and not selection.labels:
        return "name the labels whose items are affected"
    if len(selection.texts) > MOST_TEXTS:
        return f"name at most {MOST_TEXTS} texts"
    if any(not text.strip() for text in selection.texts):
        return "a text that marks the boundary is empty"
    if not (0.0 <= selection.margin <= 1.0 and 0.0 <= selection.similarity <= 1.0):
        return "margin and similarity lie between 0 and 1"
    return None


def margin(probabilities: Mapping[str, float], pair: tuple[str, str] | None = None) -> float:
    """Return how far the machine's two best labels are apart, 0 to 1; 1 if they are not the `pair` asked
    about, or there is only one."""
    best = heapq.nlargest(2, probabilities.items(), key=lambda each: each[1])
    if len(best) < 2 or (pair is not None and {best[0][0], best[1][0]} != set(pair)):
        return 1.0
    return min(1.0, best[0][1] - best[1][1])


def takes(selection: Selection, label: str) -> bool:
    """Return whether items with a final label may be affected."""
    return selection.by == "all" or not selection.labels or label in selection.labels


def simply_affected(selection: Selection, items: Iterable[Labelled], *, all_people: bool) -> list[Affected]:
    """Return those of `items` that a selection by labels, or of all, affects, by how unsure the machine was.

    People decide again what people had decided; with `all_people` they decide everything.
    """
    return [
        Affected(item.item_id, margin(item.probabilities), all_people or item.by_people)
        for item in items
        if takes(selection, item.label)
    ]


class Nearest:
    """Keeps the candidates with the smallest margin, of any number that pass by."""

    def __init__(self, selection: Selection, most: int, *, all_people: bool) -> None:
        self._selection = selection
        self._most = most
        self._all_people = all_people
        self._kept: list[tuple[float, int, Candidate]] = []
        self.passed = 0
        """How many could have been affected."""

    def add(self, items: Iterable[Labelled]) -> None:
        for item in items:
            if not takes(self._selection, item.label):
                continue
            self.passed += 1
            away = margin(item.probabilities, self._selection.pair)
            found = Candidate(away, item.item_id, self._all_people or item.by_people)
            # The heap's first is the one to give up: the largest margin, of equal ones the last that came.
            entry = (-away, -self.passed, found)
            if len(self._kept) < self._most:
                heapq.heappush(self._kept, entry)
            elif entry > self._kept[0]:
                heapq.heapreplace(self._kept, entry)

    def kept(self) -> list[Candidate]:
        """Return the candidates, the smallest margin first."""
        return sorted(each for _, _, each in self._kept)


def near(
    selection: Selection, candidates: Sequence[Candidate], similarities: Sequence[float]
) -> list[Affected]:
    """Return the candidates that lie near the boundary by their margin or by their similarity to a text.

    Each distance is divided by the largest that still counts as near, so that both are of one measure, and
    the smaller of the two is the item's place.
    """
    found = []
    for candidate, similarity in zip(candidates, similarities, strict=True):
        place = min(
            _share(candidate.margin, selection.margin), _share(1.0 - similarity, 1.0 - selection.similarity)
        )
        if place <= 1.0:
            found.append(Affected(candidate.item_id, place, candidate.people))
    return found


def likeness(vectors: NDArray[np.float32], texts: NDArray[np.float32]) -> list[float]:
    """Return how alike each vector is to the nearest of `texts`: the cosine, 0 at least. Both hold unit
    vectors, shapes (items, dimensions) and (texts, dimensions)."""
    found: list[float] = np.clip((vectors @ texts.T).max(axis=1), 0.0, 1.0).tolist()
    return found


def standing_label(
    label: str, probabilities: Mapping[str, float], names: Sequence[str]
) -> tuple[str, float | None]:
    """Return the machine's label as far as the guideline still knows it, with its probability if it was
    chosen here: where the label is gone, the likeliest of those that are left."""
    if label in names:
        return label, None
    best = max(names, key=lambda name: probabilities.get(name, 0.0))
    return best, probabilities.get(best, 0.0)


def _share(distance: float, most: float) -> float:
    if most <= 0.0:
        return 0.0 if distance <= 0.0 else float("inf")
    return max(0.0, distance) / most
