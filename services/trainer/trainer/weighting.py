"""Undoing the selection: which decisions exist depends on the policy, and their weights say how."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MIN_PROPENSITY = 0.05
"""Propensities below this count as this: one audited item weighs as much as at most 20 reviewed ones."""


def inverse_propensity(propensities: Sequence[float]) -> NDArray[np.float64]:
    """Return weights with mean 1, proportional to 1/propensity, clipped.

    Items that were likely to reach a person (unsure ones) are over-represented among decisions, audited
    ones (sure ones) under-represented; with these weights sums over decisions estimate sums over all
    items (Horvitz and Thompson 1952). The clip trades a little bias for much variance (Ionides 2008).
    """
    weights = 1.0 / np.clip(np.asarray(propensities, np.float64), MIN_PROPENSITY, 1.0)
    return weights / weights.mean() if len(weights) else weights


def effective_size(weights: NDArray[np.float64]) -> float:
    """Return how many equally weighted observations carry as much information (Kish 1965)."""
    total = float(weights.sum())
    return total * total / float((weights * weights).sum()) if total else 0.0
