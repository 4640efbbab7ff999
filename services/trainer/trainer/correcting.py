"""Fitting corrections: what a set of voters names too often or too seldom. Pure.

One correction a set of voters: vector scaling (Guo et al. 2017) of the pooled log-probabilities, which is a
scale and a bias a label, of least weighted log loss. A Gaussian prior keeps the biases near 0 where decisions
are few.

A set has one only if cross-validation says that the biases tell something: fitted on the other folds they
have to lose less, by more than a standard error, than a scale alone. (That changes no label, and what it says
of the confidence is the calibrator's to say.) Calibrators are fitted on those same out-of-fold pools: on the
decisions that it was fitted on, a correction looks better than it will on new items.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from labelmill.pooling import corrected_all, log_shares
from labelmill.releases import Correction
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from trainer import crossing
from trainer.weighting import effective_size

MIN_DECISIONS: Final = 50
"""Decisions (Kish's effective size) from which the pool of a set of voters is corrected."""

_BIAS_DEVIATION = 1.0
"""Standard deviation of the biases before anything is seen: what shrinks them to 0."""
_RIDGE = 1.0
"""Pull of the scale towards 1, in decisions' worth."""
_UNKNOWN = -1

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pools:
    """What a set of voters pooled to on decided items, before any correction."""

    labels: Sequence[str]
    shares: Floats
    """Probabilities of the labels, shape (decisions, labels)."""
    truth: Sequence[str]
    """What people decided. Of a label outside `labels` nothing is learned."""
    weights: Floats
    """Inverse propensities: the decisions stand for all items."""
    groups: Sequence[str]
    """Near duplicates share a group, and a group never straddles two folds."""

    def rows(self, rows: Integers) -> "Pools":
        """Return the pools of these row numbers."""
        return Pools(
            labels=self.labels,
            shares=self.shares[rows],
            truth=[self.truth[row] for row in rows],
            weights=self.weights[rows],
            groups=[self.groups[row] for row in rows],
        )

    def numbers(self) -> Integers:
        """Return the number of each decided label, -1 if it is none of `labels`."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(label, _UNKNOWN) for label in self.truth], np.int64)


@dataclass(frozen=True)
class Corrected:
    """A correction, if there is one, and the decisions' pools, each corrected by those of other folds."""

    correction: Correction | None
    shares: Floats


def correct(voters: Sequence[str], pools: Pools) -> Corrected:
    """Return the correction of a set of voters (`pooling.voter_set`), none if decisions are too few or do not
    ask for one, with the pools that a calibrator may be fitted on."""
    truth = pools.numbers()
    known = np.flatnonzero(truth != _UNKNOWN)
    if effective_size(pools.weights[known]) < MIN_DECISIONS:
        return Corrected(None, pools.shares)
    candidates = [_cross_fitted(fit, pools) for fit in (scaling, vector_scaling)]
    losses = [-log_shares(shares)[known, truth[known]] for shares in candidates]
    if crossing.simplest(losses, pools.weights[known]) == 0:
        return Corrected(None, pools.shares)
    return Corrected(replace(vector_scaling(pools), voters=list(voters)), candidates[1])


def _cross_fitted(fit: Callable[[Pools], Correction], pools: Pools) -> Floats:
    """Return the pools, those of each fold as corrected by the others."""
    shares = pools.shares.copy()
    for rest, fold in crossing.folds(pools.groups):
        shares[fold] = corrected_all(fit(pools.rows(rest)), pools.labels, pools.shares[fold])
    return shares


def scaling(pools: Pools) -> Correction:
    """Return the scale that loses least, without biases."""
    return _least(pools, with_biases=False)


def vector_scaling(pools: Pools) -> Correction:
    """Return the scale and the biases, shrunk towards 0, that together lose least."""
    return _least(pools, with_biases=True)


def _least(pools: Pools, *, with_biases: bool) -> Correction:
    truth = pools.numbers()
    known = np.flatnonzero(truth != _UNKNOWN)
    logs, weights = log_shares(pools.shares[known]), pools.weights[known]
    hot = np.eye(len(pools.labels))[truth[known]]
    as_pooled = np.append(1.0, np.zeros(len(pools.labels)))
    pulls = np.append(_RIDGE, np.full(len(pools.labels), 1.0 / _BIAS_DEVIATION**2))

    def loss(values: Floats) -> tuple[float, Floats]:
        stated = log_softmax(values[0] * logs + values[1:], axis=1)
        pulled = pulls * (values - as_pooled)
        value = (values - as_pooled) @ pulled / 2 - weights @ (hot * stated).sum(axis=1)
        excess = weights[:, None] * (np.exp(stated) - hot)
        return float(value), np.append((excess * logs).sum(), excess.sum(axis=0)) + pulled

    bound = (None, None) if with_biases else (0.0, 0.0)
    found = minimize(loss, as_pooled, jac=True, bounds=[(0.0, None)] + [bound] * len(pools.labels))
    scale, *biases = found.x.tolist()
    told = dict(zip(pools.labels, biases, strict=True)) if with_biases else {}
    return Correction(voters=[], scale=scale, biases=told, decisions=len(known))
