"""Distances between labels, for Krippendorff's alpha: matrices (labels, labels), 0 for the same label."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from labelmill.agreement.ratings import Floats, Ratings
from labelmill.kinds import Kind


def of_kind(kind: Kind, labels: Sequence[Any]) -> Floats:
    """Return the kind's own distance between all pairs of `labels`."""
    return np.asarray([[kind.distance(one, other) for other in labels] for one in labels], np.float64)


def interval(values: ArrayLike) -> Floats:
    """Return squared differences: labels are numbers whose differences mean something (Krippendorff 2011)."""
    numbers = np.asarray(values, np.float64)
    return np.square(numbers[:, None] - numbers[None, :])


def ordinal(ratings: Ratings) -> Floats:
    """Return distances between labels of which only the order means something (Krippendorff 2011).

    Two labels are as far apart as ratings lie between them, half of their own included. An interval
    takes the distances of the whole sample as given.
    """
    rated = ratings.per_item >= 2
    totals = ratings.weights[rated] @ ratings.counts[rated]
    middles = np.cumsum(totals) - totals / 2.0
    return interval(middles)
