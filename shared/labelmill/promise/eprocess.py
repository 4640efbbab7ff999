"""Betting e-processes for an error rate: evidence that may be looked at after every audit.

A bet on an alternative error rate q against the boundary rate p multiplies its stake by q/p at an error
and by (1-q)/(1-p) where there is none. That is 1 + l (x - p) with l = (q-p) / (p (1-p)), x being 1 at an
error: the bet of Waudby-Smith & Ramdas (2023, "Estimating means of bounded random variables by betting",
JRSS-B). If the error rate given the past lies on the null's side of p, the factor's mean is at most 1, so
stakes, and any fixed mixture of them, are nonnegative supermartingales that begin at 1. By Ville's
inequality such a process ever reaches 1/alpha with probability at most alpha (Shafer 2021, "Testing by
betting"), so it needs no plan of when to look.

Everything is a function of two counts, audits and errors, in natural logarithms.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64] | NDArray[np.float64]

_BELOW = ((0.02, 0.25), (0.12, 0.2), (0.25, 0.2), (0.4, 0.15), (0.55, 0.1), (0.75, 0.1))
"""Alternatives as shares of the target, and the stake on each: low ones certify soonest where all is well."""
_ABOVE = ((1.4, 0.15), (2.0, 0.25), (3.0, 0.2), (5.0, 0.2), (10.0, 0.1), (30.0, 0.1))
"""Alternatives as multiples of the target's odds, and the stake on each."""


@dataclass(frozen=True, slots=True)
class Bets:
    """A mixture of bets against one boundary rate. All arrays have shape (bets,).

    `log_stakes`: log share of the capital, summing to 1 in the exponent. `log_error`, `log_right`: log factor
    of each bet's stake at an audit that is, or is not, an error.
    """

    log_stakes: Floats
    log_error: Floats
    log_right: Floats

    def log_e(self, audits: Counts, errors: Counts) -> Floats:
        """Return the log e-value after `audits` with `errors` among them; shapes broadcast.

        log sum_b stake_b (q_b/p)^k ((1-q_b)/(1-p))^(n-k), by the log-sum-exp trick.
        """
        n, k = np.asarray(audits, dtype=float)[..., None], np.asarray(errors, dtype=float)[..., None]
        terms = n * self.log_right + k * (self.log_error - self.log_right) + self.log_stakes
        top = terms.max(axis=-1)
        value: Floats = top + np.log(np.exp(terms - top[..., None]).sum(axis=-1))
        return value

    def path(self, errors: NDArray[np.bool_]) -> Floats:
        """Return the log e-value after each of the audits, in their order; shape (audits,)."""
        return self.log_e(np.arange(1, len(errors) + 1), np.cumsum(errors, dtype=np.int64))


def bets_below(target: float) -> Bets:
    """Return the bets that reject "the error rate is at least `target`" (0 < target < 1) if it is lower."""
    shares, stakes = np.array(_BELOW).T
    _check(target)
    return _bets(target, shares * target, stakes)


def bets_above(target: float) -> Bets:
    """Return the bets that reject "the error rate is at most `target`" (0 < target < 1) if it is higher."""
    multiples, stakes = np.array(_ABOVE).T
    _check(target)
    odds = multiples * target / (1.0 - target)
    return _bets(target, odds / (1.0 + odds), stakes)


def _bets(target: float, alternatives: Floats, stakes: Floats) -> Bets:
    log_error = np.log(alternatives / target)
    log_right = np.log1p(-alternatives) - np.log1p(-target)
    return Bets(np.log(stakes / stakes.sum()), log_error, log_right)


def _check(target: float) -> None:
    if not 0.0 < target < 1.0:
        raise ValueError(f"a target error lies between 0 and 1, not at {target}")
