"""From the votes on an item to one opinion. Pure: the autolabeler and the trainer both pool with it.

Before the first release the pool is the mean of the voters' distributions. A release's reliabilities make it
a logarithmic pool (Genest and Zidek 1986): the log-probabilities that each voter gives the labels are added
up, each times the voter's weight. For voters that err independently that is Bayes' rule with even priors;
weights below one temper those that are too sure of themselves or that repeat what others say. That a voter
names one label too often, no weight can say. A release's corrections do, for the sets of voters they were
fitted on: a scale, and a bias a label (vector scaling; Guo et al. 2017).

A labeling function states no distribution. It counts as a coin (the one-coin model of Dawid and Skene 1979):
its label with probability `accuracy`, the others evenly. Where it abstains there is no vote.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelmill.events import Vote
from labelmill.kinds import Kind, Opinion
from labelmill.releases import Correction, Release, Reliability

FUNCTION: Final = "function"
"""`Vote.source` of labeling functions. Their confidence is the accuracy that their author declared."""

FUNCTIONS: Final = "(functions)"
"""Stands for all labeling functions in a set of voters: by name there would be as many sets as items."""

LEAST_SHARE: Final = 1e-4
"""Least probability that a voter's distribution is read as giving a label: no voter has a veto."""

_ACCURACIES: Final = (0.01, 0.99)
"""The range in which a function's accuracy is believed, for the same reason."""

Floats = NDArray[np.float64]


def voter_set(votes: Sequence[Vote]) -> tuple[str, ...]:
    """Return the names of those who voted, sorted; functions together are one, `FUNCTIONS`.

    It is the name under which a correction and a calibrator are kept (`Calibrator.voters`).
    """
    return tuple(sorted({FUNCTIONS if vote.source == FUNCTION else vote.voter for vote in votes}))


def coin_evidence(accuracy: float, options: int) -> float:
    """Return the log-odds that a coin of this accuracy gives its label over each other one."""
    low, high = _ACCURACIES
    believed = min(max(accuracy, low), high)
    return math.log(believed * (options - 1) / (1.0 - believed))


class Pool:
    """Pools votes on one project's labels, under the reliabilities and corrections of one release."""

    def __init__(
        self,
        kind: Kind,
        labels: Sequence[str],
        reliabilities: Mapping[str, Reliability],
        corrections: Sequence[Correction] = (),
    ) -> None:
        self._kind = kind
        self._labels = tuple(labels)
        self._numbers = {label: number for number, label in enumerate(self._labels)}
        self._reliabilities = reliabilities
        self._corrections = {
            tuple(each.voters): (each.scale, [each.biases.get(label, 0.0) for label in self._labels])
            for each in corrections
        }

    @classmethod
    def of(cls, kind: Kind, labels: Sequence[str], release: Release | None) -> "Pool":
        """Return the pool under a release; before the first one (None) nothing is known of the voters."""
        if release is None:
            return cls(kind, labels, {})
        return cls(kind, labels, release.reliabilities, release.corrections)

    def __call__(self, votes: Sequence[Vote]) -> Opinion:
        """Return the pooled opinion; without votes every label is as likely.

        Voters that the release does not know are believed as they are, and votes for a label that the project
        has dropped are left out. Votes of a kind without options are merged by the kind, as are all before
        the first release; functions, which may be many, are then first pooled among themselves by their
        declared accuracies and count as one voter. A correction is for exactly those who voted.
        """
        if not votes:
            return self._opinion([0.0] * len(self._labels))
        if self._reliabilities:
            readable = [vote for vote in votes if self._has_options(vote)]
            if readable:
                return self._opinion(self._corrected(votes, self._totals(readable)))
        opinions = [Opinion(v.label, v.confidence, v.probabilities) for v in votes if v.source != FUNCTION]
        if len(opinions) < len(votes):
            opinions.append(self._opinion(self._totals([vote for vote in votes if vote.source == FUNCTION])))
        return opinions[0] if len(opinions) == 1 else self._kind.pool(opinions)

    def evidence(self, vote: Vote) -> list[float]:
        """Return what a vote says for each label, as log-probabilities up to a constant, at weight 1."""
        if vote.source != FUNCTION and vote.probabilities:
            shares = vote.probabilities
            return [math.log(max(shares.get(label, 0.0), LEAST_SHARE)) for label in self._labels]
        known = self._reliabilities.get(vote.voter)
        accuracy = known.accuracy if known else vote.confidence
        values = [0.0] * len(self._labels)
        number = self._numbers.get(str(vote.label))
        if number is not None:
            values[number] = coin_evidence(accuracy, len(values))
        return values

    def weight(self, voter: str) -> float:
        """Return what a voter's evidence is multiplied by."""
        known = self._reliabilities.get(voter)
        return known.weight if known else 1.0

    def _has_options(self, vote: Vote) -> bool:
        return bool(vote.probabilities) or (isinstance(vote.label, str) and vote.label in self._numbers)

    def _corrected(self, votes: Sequence[Vote], totals: list[float]) -> list[float]:
        found = self._corrections.get(voter_set(votes)) if self._corrections else None
        if found is None:
            return totals
        scale, biases = found
        return [scale * total + bias for total, bias in zip(totals, biases, strict=True)]

    def _totals(self, votes: Sequence[Vote]) -> list[float]:
        totals = [0.0] * len(self._labels)
        for vote in votes:
            weight = self.weight(vote.voter)
            for number, value in enumerate(self.evidence(vote)):
                totals[number] += weight * value
        return totals

    def _opinion(self, totals: list[float]) -> Opinion:
        most = max(totals)
        masses = [math.exp(total - most) for total in totals]
        share = 1.0 / sum(masses)
        best = totals.index(most)
        probabilities = {label: mass * share for label, mass in zip(self._labels, masses, strict=True)}
        return Opinion(self._labels[best], share, probabilities)


def pool_all(evidence: Floats, weights: Floats) -> Floats:
    """Return the posteriors of many items at once, shape (items, labels), as `Pool` does for one.

    `evidence` has shape (items, voters, labels), rows of 0 where a voter did not vote; `weights` has shape
    (voters,).
    """
    return _distributions(np.einsum("ivl,v->il", evidence, weights))


def corrected_all(correction: Correction, labels: Sequence[str], shares: Floats) -> Floats:
    """Return the pools of many items after their correction, shape (items, labels), as `Pool` does for one.

    `shares` are the pools before, of the same shape, their columns in the order of `labels`.
    """
    biases = np.array([correction.biases.get(label, 0.0) for label in labels])
    return _distributions(correction.scale * log_shares(shares) + biases)


def log_shares(shares: Floats) -> Floats:
    """Return the logarithm of each probability; one too small for a float, told as 0, gets a finite one."""
    logs: Floats = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    return logs


def _distributions(totals: Floats) -> Floats:
    """Return the distributions, shape (items, labels), of log-probabilities up to a constant."""
    masses = np.exp(totals - totals.max(axis=1, keepdims=True))
    shares: Floats = masses / masses.sum(axis=1, keepdims=True)
    return shares
