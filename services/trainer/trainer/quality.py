"""How good the machine's labels are, on decisions that served no training. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from labelmill.quality import ReliabilityBin, RiskPoint
from numpy.typing import NDArray
from scipy.stats import beta

from trainer.weighting import effective_size

_BINS = 10
_LEAST_A_BIN = 10
_POINTS = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """The machine's confidences with whether it was right; `weights` have mean 1 and stand for all items."""

    confidences: Floats
    right: NDArray[np.bool_]
    weights: Floats


def accuracy(judged: Judged) -> float:
    """Return the share that is right; 0 of nothing."""
    return float(np.average(judged.right, weights=judged.weights)) if len(judged.right) else 0.0


def reliability(judged: Judged, bins: int = _BINS) -> list[ReliabilityBin]:
    """Return bins of as many decisions each, from low confidence to high; fewer where decisions are few."""
    order = np.argsort(judged.confidences, kind="stable")
    count = max(1, min(bins, len(order) // _LEAST_A_BIN))
    return [_bin(judged, rows) for rows in np.array_split(order, count) if len(rows)]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error: the mean gap of the bins' accuracy to their confidence."""
    total = sum(each.decisions for each in bins)
    gaps = sum(each.decisions * abs(each.accuracy - each.confidence) for each in bins)
    return gaps / total if total else 0.0


def risk_coverage(judged: Judged, points: int = _POINTS) -> list[RiskPoint]:
    """Return what accepting everything from a confidence up would mean, from strict to lax."""
    order = np.argsort(-judged.confidences, kind="stable")
    if not len(order):
        return []
    confidences, weights = judged.confidences[order], judged.weights[order]
    wrong = np.cumsum(weights * ~judged.right[order])
    total, squares = np.cumsum(weights), np.cumsum(weights * weights)
    ends = np.flatnonzero(np.append(confidences[1:] < confidences[:-1], True))
    wanted = np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).astype(np.int64))
    return [
        RiskPoint(
            confidence=float(confidences[end]),
            coverage=float(total[end] / total[-1]),
            error=float(wrong[end] / total[end]),
            error_bound=upper(float(wrong[end] / total[end]), float(total[end] ** 2 / squares[end]), 0.95),
        )
        for end in ends[wanted]
    ]


def upper(share: float, trials: float, confidence: float) -> float:
    """Return the upper end of the one-sided exact interval (Clopper and Pearson 1934) for a share."""
    hits = share * trials
    return 1.0 if hits >= trials else float(beta.ppf(confidence, hits + 1, trials - hits))


def lower(share: float, trials: float, confidence: float) -> float:
    """Return the lower end of it."""
    return 1.0 - upper(1.0 - share, trials, confidence)


def _bin(judged: Judged, rows: NDArray[np.int64]) -> ReliabilityBin:
    weights = judged.weights[rows]
    share, size = float(np.average(judged.right[rows], weights=weights)), effective_size(weights)
    return ReliabilityBin(
        confidence=float(np.average(judged.confidences[rows], weights=weights)),
        accuracy=share,
        low=lower(share, size, 0.975),
        high=upper(share, size, 0.975),
        decisions=len(rows),
    )
