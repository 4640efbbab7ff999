"""How far each voter is to be believed, from votes on items of which some are decided. Pure.

A voter's evidence is multiplied by a weight, which has two factors (docs/decisions/0012-dependent-voters.md):

- *temper*: the exponent, at most 1, under which the voter's own distributions lose least log likelihood.
  A voter that is 0.95 sure and right in 0.7 of cases is read as about 0.7 sure. Coins, which state no
  distribution, need none: their accuracy is measured.
- *share*: voters that agree more often than their accuracies explain say the same thing for the same reason.
  The shares solve R w = 1 (w >= 0), R being the excess agreement of each pair; two exact copies get one half
  each, so a voter listed twice counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from labelmill.events import Vote
from labelmill.pooling import FUNCTION, LEAST_SHARE
from labelmill.releases import Reliability
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar, nnls
from scipy.special import log_softmax

from trainer.aggregation import ABSENT, Aggregate, Choices, Method, aggregate

_GUESS: Final = 0.7
"""Accuracy of a voter of which nothing is known; a function's is the one its author declares."""
_STRENGTH: Final = 2.0
_DECLARED_STRENGTH: Final = 10.0
"""How many votes the guess, and an author's declaration, are worth."""
_SURELY: Final = 2.0
"""Standard errors by which agreement must exceed what is expected to count as dependence."""
_ROUNDS: Final = 4
"""Dependence lowers what twins contribute, which changes accuracies, which changes dependence."""
_RIDGE: Final = 1e-6
_TEMPER_PULL: Final = 2.0
"""Pseudo-decisions that pull a temper towards 1."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ballots:
    """The votes on items, with what is known of the truth."""

    labels: Sequence[str]
    votes: Sequence[Sequence[Vote]]
    truth: Sequence[str | None]
    """None, or a label outside `labels`, is not known."""
    weights: Floats


@dataclass(frozen=True)
class _Table:
    """Ballots as arrays."""

    voters: list[str]
    coins: NDArray[np.bool_]
    choices: Choices
    evidence: Floats
    """Log-probabilities of the labels, shape (items, voters, labels); 0 where a voter did not vote."""


def fit(ballots: Ballots, method: Method = "one_coin") -> dict[str, Reliability]:
    """Return the reliability of each voter that cast a vote."""
    table = _table(ballots)
    if not table.voters:
        return {}
    aggregated, shares = _aggregated(table, method)
    tempers = [
        1.0 if table.coins[voter] else _temper(table, voter, aggregated.posteriors)
        for voter in range(len(table.voters))
    ]
    return {
        name: Reliability(
            accuracy=float(aggregated.accuracies[voter]), weight=float(shares[voter] * tempers[voter])
        )
        for voter, name in enumerate(table.voters)
    }


def posteriors(ballots: Ballots, method: Method = "one_coin") -> Floats:
    """Return the probability of each label, shape (items, labels), given the choices and the known truths."""
    return _aggregated(_table(ballots), method)[0].posteriors


def _aggregated(table: _Table, method: Method) -> tuple[Aggregate, Floats]:
    # Copies are told from the start: a crowd of them would make itself the truth.
    shares = _shares(table.choices, table.choices.guesses)
    aggregated = aggregate(table.choices, method, shares)
    for _ in range(_ROUNDS):
        before = shares
        shares = _shares(table.choices, aggregated.accuracies)
        if np.abs(shares - before).max(initial=0.0) < _RIDGE:
            break
        aggregated = aggregate(table.choices, method, shares)
    return aggregated, shares


def _shares(choices: Choices, accuracies: Floats) -> Floats:
    """Return how much each voter says that no other says, 0 to 1."""
    excess = excess_agreement(choices, accuracies)
    count = len(accuracies)
    # The ridge splits evenly what copies share: without it any split would do.
    stacked = np.vstack([excess, np.sqrt(_RIDGE) * np.eye(count)])
    found, _ = nnls(stacked, np.append(np.ones(count), np.zeros(count)))
    shares: Floats = np.minimum(found, 1.0)
    return shares


def excess_agreement(choices: Choices, accuracies: Floats) -> Floats:
    """Return by how much pairs of voters agree beyond what their accuracies explain, shape (voters, voters).

    0: as often as if they erred independently and evenly. 1: always. Row v counts only the share of v's
    votes beside which the other voted as well.
    """
    hot = choices.one_hot
    voted = hot.sum(axis=2)
    weighted = voted * choices.weights[:, None]
    together = weighted.T @ voted
    agreed = np.einsum("i,ivk,iuk->vu", choices.weights, hot, hot)
    votes = np.maximum(np.diag(together), _RIDGE)
    both = np.maximum(together, _RIDGE)
    kept = np.clip(accuracies, 0.01, 0.99)
    wrong = (1.0 - kept) / np.sqrt(max(1, choices.options - 1))
    expected = np.outer(kept, kept) + np.outer(wrong, wrong)
    beyond = agreed / both - expected
    error = np.sqrt(expected * (1.0 - expected) / both)
    excess = np.where(beyond > _SURELY * error, beyond / (1.0 - expected), 0.0)
    excess = np.clip(excess, 0.0, 1.0) * together / votes[:, None]
    np.fill_diagonal(excess, 1.0)
    result: Floats = excess
    return result


def _temper(table: _Table, voter: int, posterior: Floats) -> float:
    voted = np.flatnonzero(table.choices.numbers[:, voter] != ABSENT)
    evidence, truth = table.evidence[voted, voter], posterior[voted]
    weights = table.choices.weights[voted]

    def loss(exponent: float) -> float:
        shares = log_softmax(exponent * evidence, axis=1)
        return float(-weights @ (truth * shares).sum(axis=1) + _TEMPER_PULL * (exponent - 1.0) ** 2)

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def _table(ballots: Ballots) -> _Table:
    voters = sorted({vote.voter for votes in ballots.votes for vote in votes})
    rows = {name: number for number, name in enumerate(voters)}
    columns = {label: number for number, label in enumerate(ballots.labels)}
    shape = (len(ballots.votes), len(voters))
    numbers = np.full(shape, ABSENT, np.int64)
    evidence = np.zeros((*shape, len(columns)))
    declared: dict[int, float] = {}
    for item, votes in enumerate(ballots.votes):
        for vote in votes:
            voter = rows[vote.voter]
            numbers[item, voter] = columns.get(str(vote.label), ABSENT)
            if vote.source == FUNCTION or not vote.probabilities:
                declared[voter] = vote.confidence
            else:
                evidence[item, voter] = [vote.probabilities.get(label, 0.0) for label in ballots.labels]
    evidence = np.where(evidence.any(axis=2, keepdims=True), np.log(np.maximum(evidence, LEAST_SHARE)), 0.0)
    coins = np.array([voter in declared for voter in range(len(voters))], np.bool_)
    choices = Choices(
        numbers=numbers,
        options=len(columns),
        truth=np.array([columns.get(label or "", ABSENT) for label in ballots.truth], np.int64),
        weights=ballots.weights,
        guesses=np.array([declared.get(voter, _GUESS) for voter in range(len(voters))]),
        strengths=np.where(coins, _DECLARED_STRENGTH, _STRENGTH),
    )
    return _Table(voters, coins, choices, evidence)
