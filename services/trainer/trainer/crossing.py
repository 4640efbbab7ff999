"""Cross-validation of what is fitted on decisions: folds, and which of several fits is taken. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from labelmill import ids
from numpy.typing import NDArray

from trainer.weighting import effective_size

_FOLDS: Final = 5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def folds(groups: Sequence[str]) -> Iterator[tuple[Integers, Integers]]:
    """Yield (the others, the fold) for each fold, drawn by group: the same whatever else is there."""
    drawn = np.array([int(ids.uniform("calibrating", group) * _FOLDS) for group in groups], np.int64)
    for fold in range(_FOLDS):
        rest, tested = np.flatnonzero(drawn != fold), np.flatnonzero(drawn == fold)
        if len(rest) and len(tested):
            yield rest, tested


def simplest(losses: Sequence[Floats], weights: Floats) -> int:
    """Return the first whose loss exceeds the least by no more than the standard error of the difference
    (Breiman et al. 1984); each is told decision by decision, the simplest fit first."""
    best = min(losses, key=lambda each: float(weights @ each))
    size = effective_size(weights)
    for number, each in enumerate(losses):
        excess = each - best
        mean = float(np.average(excess, weights=weights))
        error = float(np.sqrt(np.average((excess - mean) ** 2, weights=weights) / size))
        if mean <= error:
            return number
    raise AssertionError("the best exceeds itself by nothing")
