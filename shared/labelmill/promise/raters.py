"""What audits by people who err say about the machine.

Where two people differ at least one of them errs. So the rate d at which they differ is at most the sum of
their error rates, and their mean is at least d/2: whatever the number of labels, however unlike the two
people or the items, and independent or not. (If both erred alike with probability r, d = 2 r (1 - r) would
give a little more. But of two people of whom only one errs, it would forgive errors that nobody makes.)

Of the labels that a rater contradicts some are right. If the machine errs with rate e and the rater with
rate r, independently given the item, they differ with probability at least (1-e) r + e (1-r). So the
machine's error is at most `target` if the observed disagreement is at most (1-target) r + target (1-r), and a
lower limit of r keeps that safe. Independence is what it takes: where a rater errs exactly where the machine
does, audits see neither error. Then the plain bound still says how often one person would contradict.

A majority errs as `majority_error` says if its raters are drawn for each item from people whose mean error
it is, and no less where items differ in difficulty. A fixed panel of a few unlike people errs less often: of
three of whom only one errs, never. That is not covered.
"""

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


def rater_error_low(pairs: int, disagreements: int, *, alpha: float) -> float:
    """Return a lower limit of one rater's error rate, 0 to 0.5, from pairs of raters on the same items.

    It is at most the raters' mean error with probability at least 1 - `alpha`.
    """
    if not 0 <= disagreements <= pairs:
        raise ValueError(f"{disagreements} of {pairs} pairs cannot disagree")
    return disagreement_low(pairs, disagreements, alpha) / 2.0


def majority_error(rater_error: float, raters: int) -> float:
    """Return how often the majority of `raters` errs if each does with `rater_error`; ties count half.

    P(X > n/2) with X binomial, n odd: with half the ties lost, an even number is no better than one fewer. It
    is convex below one half, so over items that differ the mean is no smaller: a lower limit stays one.
    """
    odd = raters - 1 + raters % 2
    return float(binom.sf(odd // 2, odd, rater_error))


def observed_target(target: float, rater_error: float = 0.0) -> float:
    """Return the disagreement rate with people that corresponds to a machine's error of `target`.

    `rater_error`: a lower limit of the error of what an audit takes for true, 0 if none is measured.
    """
    if not 0.0 <= rater_error <= 0.5:
        raise ValueError(f"a rater error lies between 0 and 0.5, not at {rater_error}")
    return target * (1.0 - rater_error) + (1.0 - target) * rater_error


def rater_error_in(observed: float, target: float) -> float:
    """Return the rater error with which `observed_target` takes `target` (below 0.5) to `observed`."""
    return (observed - target) / (1.0 - 2.0 * target)


def machine_error(observed: float, rater_error: float = 0.0) -> float:
    """Return the machine's error that corresponds to a disagreement rate: the inverse, 0 to 1."""
    if rater_error >= 0.5:
        return 1.0
    return min(1.0, max(0.0, (observed - rater_error) / (1.0 - 2.0 * rater_error)))
