"""Undoing the selection: which decisions exist depends on the policy, and their weights say how. Pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

FIT_RATIO: Final = 2.0
"""Most that one decision may outweigh another in a fit. A few audits of propensity 0.03 at full weight drown
the rest: on the tweets (550 decisions and 39 audits, 8 draws) a student's accuracy was 0.857 without weights,
0.858 at 2, 0.854 at 5, 0.840 at 10 and 0.819 at 20."""

JUDGE_RATIO: Final = 5.0
"""The same in an evaluation, where nothing is fitted and only the variance grows."""


def inverse_propensity(propensities: Sequence[float], ratio: float) -> NDArray[np.float64]:
    """Return weights with mean 1, proportional to 1/propensity as far as the largest stays within `ratio`.

    Items that were likely to reach a person (unsure ones) are over-represented among decisions, audited
    ones (sure ones) under-represented; with these weights sums over decisions estimate sums over all
    items (Horvitz and Thompson 1952). The clip trades bias for variance (Ionides 2008); what bias is left
    counts the unsure items too much, which is the safe side.
    """
    weights = 1.0 / np.clip(np.asarray(propensities, np.float64), 1.0 / ratio, 1.0)
    return weights / weights.mean() if len(weights) else weights


def effective_size(weights: NDArray[np.float64]) -> float:
    """Return how many equally weighted observations carry as much information (Kish 1965)."""
    total = float(weights.sum())
    return total * total / float((weights * weights).sum()) if total else 0.0
