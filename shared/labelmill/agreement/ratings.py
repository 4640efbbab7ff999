"""Ratings counted by item: all that a coefficient needs. Items that got the same labels share a row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_CODE = 2**62


@dataclass(frozen=True)
class Ratings:
    """`counts[i, c]`: how many raters gave label `c` to each of the `weights[i]` items of row `i`.

    `crossed[a, b]`: items that the first rater labelled `a` and the second `b`; None unless there are exactly
    two raters.
    """

    counts: Ints
    weights: Ints
    raters: int
    crossed: Ints | None = None

    @property
    def per_item(self) -> Ints:
        """Return the number of ratings of an item, by row."""
        return self.counts.sum(axis=1)

    @property
    def items(self) -> int:
        """Return the number of items with two ratings or more: those on which raters can agree."""
        return int(self.weights[self.per_item >= 2].sum())

    @property
    def pairs(self) -> int:
        """Return the number of pairs of ratings of the same item."""
        number = self.per_item
        return int((self.weights * (number * (number - 1) // 2)).sum())

    def against_rest(self, label: int) -> "Ratings":
        """Return the ratings with two labels: the given one (1) and all others (0)."""
        chosen = self.counts[:, label]
        counts = np.stack([self.per_item - chosen, chosen], axis=1)
        return Ratings(*_merged(counts, self.weights), self.raters)


def tabulate(items: ArrayLike, raters: ArrayLike, labels: ArrayLike, options: int) -> Ratings:
    """Return the counts of ratings given one by one: three integers each, item, rater and label.

    Items and raters may have any numbers; labels are numbered from 0 to `options` - 1.

    Raises:
        ValueError: a rater has rated an item twice, or a label is out of range.
    """
    _, rows = np.unique(np.asarray(items, np.int64), return_inverse=True)
    names, columns = np.unique(np.asarray(raters, np.int64), return_inverse=True)
    given = np.asarray(labels, np.int64)
    if given.size and not 0 <= given.min() <= given.max() < options:
        raise ValueError(f"labels are numbered from 0 to {options - 1}")
    if np.unique(rows * max(1, names.size) + columns).size < rows.size:
        raise ValueError("a rater has rated an item twice")
    number = int(rows.max(initial=-1)) + 1
    counts = np.bincount(rows * options + given, minlength=number * options).reshape(number, options)
    crossed = _crossed(rows, columns, given, options) if names.size == 2 else None
    return Ratings(*_merged(counts, np.ones(number, np.int64)), int(names.size), crossed)


def _merged(counts: Ints, weights: Ints) -> tuple[Ints, Ints]:
    """Return the different rows with the sums of their weights.

    A row is told by one number, its counts being the digits. Where that is too large, rows seldom coincide,
    and all are kept.
    """
    base = int(counts.max(initial=0)) + 1
    options = counts.shape[1]
    if base**options > _MOST_CODE:
        return counts, weights
    codes = counts @ (base ** np.arange(options, dtype=np.int64))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return counts[first], np.bincount(inverse, weights).astype(np.int64)


def _crossed(rows: Ints, columns: Ints, given: Ints, options: int) -> Ints:
    number = int(rows.max()) + 1
    labels = np.full((number, 2), -1, np.int64)
    labels[rows, columns] = given
    both = labels[(labels >= 0).all(axis=1)]
    cells = np.bincount(both[:, 0] * options + both[:, 1], minlength=options * options)
    return cells.reshape(options, options)
