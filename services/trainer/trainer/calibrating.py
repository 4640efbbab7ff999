"""Fitting calibrators: from pooled confidences to the probability of being right. Pure.

One calibrator a set of voters. Platt's line on the log-odds (Platt 1999) or an isotonic curve (Zadrozny and
Elkan 2002), with or without an offset a label, whichever cross-validation prefers; the simplest within a
standard error of the best (Breiman et al. 1984). A set with fewer than `MIN_DECISIONS` gets none: its scores
then count as uncalibrated, and a promise accepts none of them.

Which decisions: the training side's, with out-of-fold probabilities of the student. The student was fitted on
these decisions, so in sample it is surer than it will be on new items; and the held-out side is the evidence
for the promise, so nothing may be fitted on it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from labelmill import ids
from labelmill.calibration import LEAST, calibrated_all, logits, sigmoids
from labelmill.releases import Calibrator
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize, minimize_scalar

from trainer.weighting import effective_size

MIN_DECISIONS: Final = 50
"""Decisions (Kish's effective size) from which a set of voters is calibrated."""
MIN_ISOTONIC: Final = 150
"""The same for an isotonic curve, which has more to learn than a line."""
MIN_LABEL: Final = 20
"""The same for a label's offset."""

_FOLDS = 5
_OFFSET_DEVIATION = 0.5
"""Standard deviation of the offsets before anything is seen: what shrinks them to the global fit."""
_MOST_OFFSET = 4.0
_RIDGE = 1.0
"""Pull of Platt's line towards "as stated" (slope 1, offset 0), in decisions' worth."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """What a set of voters pooled to on decided items, and whether it was right."""

    labels: Sequence[str]
    confidences: Floats
    right: NDArray[np.bool_]
    weights: Floats
    """Inverse propensities: the decisions stand for all items."""
    groups: Sequence[str]
    """Near duplicates share a group, and a group never straddles two folds."""

    def rows(self, rows: Integers) -> "Outcomes":
        """Return the outcomes of these row numbers."""
        return Outcomes(
            labels=[self.labels[row] for row in rows],
            confidences=self.confidences[rows],
            right=self.right[rows],
            weights=self.weights[rows],
            groups=[self.groups[row] for row in rows],
        )


class _Shape(NamedTuple):
    fit: Callable[[Outcomes], Calibrator]
    has_offsets: bool
    decisions: int


def fit(voters: Sequence[str], outcomes: Outcomes) -> Calibrator | None:
    """Return the calibrator of a set of voters (`pooling.voter_set`), or None if decisions are too few."""
    size = effective_size(outcomes.weights)
    if size < MIN_DECISIONS:
        return None
    shapes = [shape for shape in _SHAPES if size >= shape.decisions]
    folds = list(_folds(outcomes.groups))
    losses = [_losses(shape, outcomes, folds) for shape in shapes]
    chosen = shapes[_simplest(losses, outcomes.weights)]
    found = _fitted(chosen, outcomes)
    return Calibrator(
        voters=list(voters),
        kind=found.kind,
        slope=found.slope,
        offset=found.offset,
        x=found.x,
        y=found.y,
        offsets=found.offsets,
        decisions=len(outcomes.labels),
    )


def platt(outcomes: Outcomes, ridge: float = _RIDGE) -> Calibrator:
    """Return the line of least weighted log loss, never falling; `ridge` pulls it to "as stated"."""
    stated, weights = logits(outcomes.confidences), outcomes.weights
    right = outcomes.right.astype(np.float64)

    def loss(line: Floats) -> tuple[float, Floats]:
        scores = line[0] * stated + line[1]
        pull = line - np.array([1.0, 0.0])
        value = weights @ (np.logaddexp(0.0, scores) - right * scores) + ridge / 2 * pull @ pull
        slopes = weights * (sigmoids(scores) - right)
        return float(value), np.array([slopes @ stated, slopes.sum()]) + ridge * pull

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0.0, None), (None, None)])
    return Calibrator(voters=[], kind="platt", slope=float(found.x[0]), offset=float(found.x[1]))


def isotonic(outcomes: Outcomes) -> Calibrator:
    """Return a never falling curve through the centres of the steps of `steps`.

    Centring (Oron and Flournoy 2017) makes it rise between them, so that confidences stay apart. Each step is
    told as if it held half a right and half a wrong decision more: few decisions are no certainty.
    """
    centres, sizes, shares = steps(outcomes)
    heights = isotonic_regression((sizes * shares + 0.5) / (sizes + 1.0), weights=sizes).x
    return Calibrator(voters=[], kind="isotonic", x=centres.tolist(), y=heights.tolist())


def steps(outcomes: Outcomes) -> tuple[Floats, Floats, Floats]:
    """Return (centre, weight, share that is right) of each step of the isotonic regression (Barlow et al.
    1972): the never falling step function of least weighted squared error."""
    x, inverse = np.unique(outcomes.confidences, return_inverse=True)
    weights = np.bincount(inverse, outcomes.weights)
    shares = np.bincount(inverse, outcomes.weights * outcomes.right) / weights
    fitted = isotonic_regression(shares, weights=weights)
    starts = fitted.blocks[:-1]
    sizes = np.add.reduceat(weights, starts)
    return np.add.reduceat(weights * x, starts) / sizes, sizes, fitted.x[starts]


def offsets(calibrator: Calibrator, outcomes: Outcomes) -> dict[str, float]:
    """Return what is added to the log-odds for each label that has enough decisions, shrunk towards 0."""
    before = logits(calibrated_all(calibrator, outcomes.labels, outcomes.confidences))
    right = outcomes.right.astype(np.float64)
    labels = np.array(outcomes.labels)
    found = {}
    for label in sorted(set(outcomes.labels)):
        rows = np.flatnonzero(labels == label)
        if effective_size(outcomes.weights[rows]) >= MIN_LABEL:
            found[label] = _offset(before[rows], right[rows], outcomes.weights[rows])
    return found


def _offset(before: Floats, right: Floats, weights: Floats) -> float:
    def loss(offset: float) -> float:
        scores = before + offset
        data = weights @ (np.logaddexp(0.0, scores) - right * scores)
        return float(data + offset * offset / (2 * _OFFSET_DEVIATION**2))

    return float(minimize_scalar(loss, bounds=(-_MOST_OFFSET, _MOST_OFFSET), method="bounded").x)


def _fitted(shape: _Shape, outcomes: Outcomes) -> Calibrator:
    found = shape.fit(outcomes)
    if not shape.has_offsets:
        return found
    return Calibrator(
        voters=[],
        kind=found.kind,
        slope=found.slope,
        offset=found.offset,
        x=found.x,
        y=found.y,
        offsets=offsets(found, outcomes),
    )


def _losses(shape: _Shape, outcomes: Outcomes, folds: Sequence[tuple[Integers, Integers]]) -> Floats:
    """Return the log loss of each decision (nats), told by those of the other folds."""
    losses = np.zeros(len(outcomes.labels))
    for rest, fold in folds:
        tested = outcomes.rows(fold)
        shares = calibrated_all(_fitted(shape, outcomes.rows(rest)), tested.labels, tested.confidences)
        losses[fold] = -np.log(np.maximum(np.where(tested.right, shares, 1.0 - shares), LEAST))
    return losses


def _simplest(losses: Sequence[Floats], weights: Floats) -> int:
    """Return the first whose loss exceeds the least by no more than the standard error of the difference."""
    best = min(losses, key=lambda each: float(weights @ each))
    size = effective_size(weights)
    for number, each in enumerate(losses):
        excess = each - best
        mean = float(np.average(excess, weights=weights))
        error = float(np.sqrt(np.average((excess - mean) ** 2, weights=weights) / size))
        if mean <= error:
            return number
    raise AssertionError("the best exceeds itself by nothing")


def _folds(groups: Sequence[str]) -> Iterator[tuple[Integers, Integers]]:
    """Yield (the others, the fold) for each fold, drawn by group: the same whatever else is there."""
    drawn = np.array([int(ids.uniform("calibrating", group) * _FOLDS) for group in groups], np.int64)
    for fold in range(_FOLDS):
        rest, tested = np.flatnonzero(drawn != fold), np.flatnonzero(drawn == fold)
        if len(rest) and len(tested):
            yield rest, tested


_SHAPES: Final = (
    _Shape(platt, has_offsets=False, decisions=MIN_DECISIONS),
    _Shape(platt, has_offsets=True, decisions=MIN_DECISIONS),
    _Shape(isotonic, has_offsets=False, decisions=MIN_ISOTONIC),
    _Shape(isotonic, has_offsets=True, decisions=MIN_ISOTONIC),
)
"""The simplest first."""
