"""Decisions that are likely wrong, by confident learning (Northcutt et al. 2021). Pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from labelmill.quality import Suspect
from numpy.typing import NDArray

MOST: Final = 50
"""Suspects in one look, the likeliest first."""


def suspects(
    item_ids: Sequence[str],
    given: Sequence[str],
    labels: Sequence[str],
    shares: NDArray[np.float64],
    eligible: NDArray[np.bool_],
) -> list[Suspect]:
    """Return the decisions that were given one label and confidently have another.

    `shares`, shape (decisions, labels), are probabilities of voters that were not taught these decisions. A
    decision confidently has a label if its probability is at least the mean of those that were given it. The
    least probable decisions come first. Only `eligible` decisions are returned; all of them set the means.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    truth = np.array([numbers[label] for label in given], np.int64)
    bars = np.array(
        [shares[truth == n, n].mean() if (truth == n).any() else np.inf for n in range(len(labels))]
    )
    confident = np.where(shares >= bars, shares, -1.0)
    likely = confident.argmax(axis=1)
    rows = np.flatnonzero(eligible & (confident.max(axis=1, initial=-1.0) >= 0) & (likely != truth))
    own = shares[np.arange(len(truth)), truth]
    return [
        Suspect(
            item_id=item_ids[row],
            label=given[row],
            likely_label=labels[likely[row]],
            probability=float(own[row]),
        )
        for row in rows[np.argsort(own[rows], kind="stable")][:MOST]
    ]
