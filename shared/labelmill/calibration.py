"""From the pooled confidence to the probability of being right: a release's calibrators, applied. Pure.

The trainer fits them (`trainer/calibrating.py`); the autolabeler applies one an item.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelmill.events import Vote
from labelmill.pooling import voter_set
from labelmill.releases import Calibrator

LEAST: Final = 1e-6
"""Confidences are read, and probabilities told, as lying between this and 1 less this."""

Floats = NDArray[np.float64]


def logit(probability: float) -> float:
    """Return the log-odds of a probability, which is kept `LEAST` away from 0 and 1."""
    kept = min(max(probability, LEAST), 1.0 - LEAST)
    return math.log(kept / (1.0 - kept))


def sigmoid(log_odds: float) -> float:
    """Return the probability of log-odds, without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


class Calibrations:
    """A release's calibrators by the set of voters that each is for."""

    def __init__(self, calibrators: Sequence[Calibrator]) -> None:
        self._by_voters = {tuple(calibrator.voters): calibrator for calibrator in calibrators}

    def __call__(self, votes: Sequence[Vote], label: str, confidence: float) -> tuple[float, bool]:
        """Return the probability that `label` is right, and whether it is calibrated.

        Without a calibrator for those who voted the confidence stays as it is, uncalibrated.
        """
        calibrator = self._by_voters.get(voter_set(votes)) if self._by_voters else None
        if calibrator is None:
            return confidence, False
        return calibrated(calibrator, label, confidence), True


def calibrated(calibrator: Calibrator, label: str, confidence: float) -> float:
    """Return the probability that `label`, pooled with `confidence`, is right; never falling with it."""
    if calibrator.kind == "platt":
        log_odds = calibrator.slope * logit(confidence) + calibrator.offset
    else:
        log_odds = logit(_between(calibrator.x, calibrator.y, confidence))
    return sigmoid(log_odds + calibrator.offsets.get(label, 0.0))


def calibrated_all(calibrator: Calibrator, labels: Sequence[str], confidences: Floats) -> Floats:
    """Return `calibrated` for many items at once, shape (items,)."""
    if calibrator.kind == "platt":
        log_odds = calibrator.slope * logits(confidences) + calibrator.offset
    else:
        log_odds = logits(np.interp(confidences, calibrator.x, calibrator.y))
    offsets = np.array([calibrator.offsets.get(label, 0.0) for label in labels], np.float64)
    return sigmoids(log_odds + offsets)


def logits(probabilities: Floats) -> Floats:
    """Return `logit` of each."""
    kept = np.clip(probabilities, LEAST, 1.0 - LEAST)
    odds: Floats = np.log(kept / (1.0 - kept))
    return odds


def sigmoids(log_odds: Floats) -> Floats:
    """Return `sigmoid` of each."""
    least = np.exp(-np.abs(log_odds))
    shares: Floats = np.where(log_odds >= 0, 1.0, least) / (1.0 + least)
    return shares


def _between(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """Return the value at `at` of the line through the knots, level beyond the first and the last."""
    right = bisect_right(x, at)
    if right == 0:
        return y[0]
    if right == len(x):
        return y[-1]
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    return y[right - 1] + share * (y[right] - y[right - 1])
