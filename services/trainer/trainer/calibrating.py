"""Fitting calibrators: from pooled confidences to the probability of being right. Pure.

One calibrator a set of voters. Platt's line on the log-odds (Platt 1999) or an isotonic curve (Zadrozny and
Elkan 2002), with or without an offset a label, whichever cross-validation prefers; the simplest within a
standard error of the best (Breiman et al. 1984). A line is fitted together with its offsets: a label that the
voters name too often and too surely would else flatten the line for all the others. A set with fewer than
`MIN_DECISIONS` gets none: its scores then count as uncalibrated, and a promise accepts none of them.

Which decisions: the training side's, with out-of-fold probabilities of the student. The student was fitted on
these decisions, so in sample it is surer than it will be on new items; and the held-out side is the evidence
for the promise, so nothing may be fitted on it. Where the pool is corrected, a decision counts as corrected
by those of other folds (see `correcting`), for the same reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from labelmill.calibration import LEAST, calibrated_all, logits, sigmoids
from labelmill.releases import Calibrator
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize, minimize_scalar

from trainer import crossing
from trainer.weighting import effective_size

MIN_DECISIONS: Final = 50
"""Decisions (Kish's effective size) from which a set of voters is calibrated."""
MIN_ISOTONIC: Final = 150
"""The same for an isotonic curve, which has more to learn than a line."""
MIN_LABEL: Final = 20
"""The same for a label's offset."""

_OFFSET_DEVIATION = 1.0
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
    decisions: int


def fit(voters: Sequence[str], outcomes: Outcomes) -> Calibrator | None:
    """Return the calibrator of a set of voters (`pooling.voter_set`), or None if decisions are too few."""
    size = effective_size(outcomes.weights)
    if size < MIN_DECISIONS:
        return None
    shapes = [shape for shape in _SHAPES if size >= shape.decisions]
    folds = list(crossing.folds(outcomes.groups))
    losses = [_losses(shape, outcomes, folds) for shape in shapes]
    chosen = shapes[crossing.simplest(losses, outcomes.weights)]
    return replace(chosen.fit(outcomes), voters=list(voters), decisions=len(outcomes.labels))


def platt(outcomes: Outcomes, ridge: float = _RIDGE) -> Calibrator:
    """Return the line of least weighted log loss, never falling; `ridge` pulls it to "as stated"."""
    return _line(outcomes, (), ridge)


def platt_by_label(outcomes: Outcomes, ridge: float = _RIDGE) -> Calibrator:
    """Return the line and the offsets, shrunk towards 0, of the labels with enough decisions that together
    lose least."""
    return _line(outcomes, _frequent(outcomes), ridge)


def _line(outcomes: Outcomes, labels: Sequence[str], ridge: float) -> Calibrator:
    weights, right = outcomes.weights, outcomes.right.astype(np.float64)
    named = np.array(outcomes.labels)[:, None] == np.array(labels, np.str_)[None, :]
    columns = np.column_stack([logits(outcomes.confidences), np.ones(len(right)), named])
    as_stated = np.append([1.0, 0.0], np.zeros(len(labels)))
    pulls = np.append([ridge, ridge], np.full(len(labels), 1.0 / _OFFSET_DEVIATION**2))

    def loss(line: Floats) -> tuple[float, Floats]:
        scores, pulled = columns @ line, pulls * (line - as_stated)
        value = weights @ (np.logaddexp(0.0, scores) - right * scores) + (line - as_stated) @ pulled / 2
        return float(value), columns.T @ (weights * (sigmoids(scores) - right)) + pulled

    bounds = [(0.0, None)] + [(None, None)] * (len(as_stated) - 1)
    slope, offset, *rest = minimize(loss, as_stated, jac=True, bounds=bounds).x.tolist()
    return Calibrator(
        voters=[], kind="platt", slope=slope, offset=offset, offsets=dict(zip(labels, rest, strict=True))
    )


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


def isotonic_by_label(outcomes: Outcomes) -> Calibrator:
    """Return the isotonic curve with the offsets that then lose least."""
    found = isotonic(outcomes)
    return replace(found, offsets=offsets(found, outcomes))


def offsets(calibrator: Calibrator, outcomes: Outcomes) -> dict[str, float]:
    """Return what is added to the log-odds for each label that has enough decisions, shrunk towards 0."""
    before = logits(calibrated_all(calibrator, outcomes.labels, outcomes.confidences))
    right = outcomes.right.astype(np.float64)
    labels = np.array(outcomes.labels)
    rows = {label: np.flatnonzero(labels == label) for label in _frequent(outcomes)}
    return {label: _offset(before[own], right[own], outcomes.weights[own]) for label, own in rows.items()}


def _frequent(outcomes: Outcomes) -> list[str]:
    """Return the labels that have enough decisions for an offset, sorted."""
    labels = np.array(outcomes.labels)
    return [
        label
        for label in sorted(set(outcomes.labels))
        if effective_size(outcomes.weights[labels == label]) >= MIN_LABEL
    ]


def _offset(before: Floats, right: Floats, weights: Floats) -> float:
    def loss(offset: float) -> float:
        scores = before + offset
        data = weights @ (np.logaddexp(0.0, scores) - right * scores)
        return float(data + offset * offset / (2 * _OFFSET_DEVIATION**2))

    return float(minimize_scalar(loss, bounds=(-_MOST_OFFSET, _MOST_OFFSET), method="bounded").x)


def _losses(shape: _Shape, outcomes: Outcomes, folds: Sequence[tuple[Integers, Integers]]) -> Floats:
    """Return the log loss of each decision (nats), told by those of the other folds."""
    losses = np.zeros(len(outcomes.labels))
    for rest, fold in folds:
        tested = outcomes.rows(fold)
        shares = calibrated_all(shape.fit(outcomes.rows(rest)), tested.labels, tested.confidences)
        losses[fold] = -np.log(np.maximum(np.where(tested.right, shares, 1.0 - shares), LEAST))
    return losses


_SHAPES: Final = (
    _Shape(platt, MIN_DECISIONS),
    _Shape(platt_by_label, MIN_DECISIONS),
    _Shape(isotonic, MIN_ISOTONIC),
    _Shape(isotonic_by_label, MIN_ISOTONIC),
)
"""The simplest first."""
