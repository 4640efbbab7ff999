"""What audits by people who err say about the machine.

Two people who each err with probability r, independently, disagree with probability d. With two labels
d = 2 r (1 - r); with more, two wrong answers may differ as well and d is at most 1 - (1 - r)^2. Both give a
lower limit of r for a lower limit of d. Where people differ, or where items differ in difficulty, d is
smaller for the same mean r (both are concave), so the limit stays on the safe side.

Of the labels that a rater contradicts some are right. If the machine errs with rate e and the rater with
rate r, independently given the item, they differ with probability at least (1-e) r + e (1-r). So the
machine's error is at most `target` if the observed disagreement is at most (1-target) r + target (1-r), and a
lower limit of r keeps that safe. Independence is what it takes: where a rater errs exactly where the machine
does, audits see neither error. Then the plain bound still says how often one person would contradict.
"""

import math
from typing import NamedTuple

from scipy.special import betaincinv
from scipy.stats import binom


class Pairs(NamedTuple):
    """Pairs of raters who decided the same item, and how many of them disagreed."""

    pairs: int
    disagreements: int


def disagreement_low(pairs: int, disagreements: int, alpha: float) -> float:
    """Return the exact lower limit of the rate at which two raters differ (Clopper & Pearson 1934)."""
    if disagreements == 0:
        return 0.0
    return float(betaincinv(disagreements, pairs - disagreements + 1, alpha))


def rater_error_low(pairs: int, disagreements: int, *, alpha: float, labels: int = 2) -> float:
    """Return a lower limit of one rater's error rate, 0 to 0.5, from pairs of raters on the same items.

    It is below the truth with probability at least 1 - `alpha`. `labels`: how many there are to choose from.
    """
    if not 0 <= disagreements <= pairs:
        raise ValueError(f"{disagreements} of {pairs} pairs cannot disagree")
    low = disagreement_low(pairs, disagreements, alpha)
    if labels == 2:
        return (1.0 - math.sqrt(max(0.0, 1.0 - 2.0 * low))) / 2.0
    return min(0.5, 1.0 - math.sqrt(1.0 - low))


def majority_error(rater_error: float, raters: int) -> float:
    """Return how often the majority of `raters` errs if each does with `rater_error`; ties count half.

    P(X > n/2) + P(X = n/2) / 2 with X binomial. For odd n it is convex below one half, so the mean error of
    raters or items that differ is no smaller: a lower limit of the error stays one.
    """
    lost = float(binom.sf(raters // 2, raters, rater_error))
    tied = float(binom.pmf(raters // 2, raters, rater_error)) if raters % 2 == 0 else 0.0
    return lost + tied / 2.0


def observed_target(target: float, rater_error: float = 0.0) -> float:
    """Return the disagreement rate with people that corresponds to a machine's error of `target`.

    `rater_error`: a lower limit of the error of what an audit takes for true, 0 if none is measured.
    """
    if not 0.0 <= rater_error <= 0.5:
        raise ValueError(f"a rater error lies between 0 and 0.5, not at {rater_error}")
    return target * (1.0 - rater_error) + (1.0 - target) * rater_error


def machine_error(observed: float, rater_error: float = 0.0) -> float:
    """Return the machine's error that corresponds to a disagreement rate: the inverse, 0 to 1."""
    if rater_error >= 0.5:
        return 1.0
    return min(1.0, max(0.0, (observed - rater_error) / (1.0 - 2.0 * rater_error)))
