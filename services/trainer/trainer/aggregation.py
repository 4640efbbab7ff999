"""What voters' choices alone tell about the truth and about the voters: two models, one interface. Pure.

Where the truth of an item is known it is held to, elsewhere it is inferred. `one_coin`: each voter is right
with a probability of its own, and errs evenly (Dawid and Skene 1979, with one parameter a voter: with few
votes a full confusion matrix cannot be had). `mace`: a voter either knows the truth or draws from a favourite
answer of its own (Hovy et al. 2013), which suits voters that say the same whatever the item.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from labelmill.pooling import coin_evidence
from numpy.typing import NDArray

ABSENT: Final = -1
"""In place of a label's number: the voter did not vote, or the truth is not known."""

Method = Literal["one_coin", "mace"]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDS = 200
_SETTLED = 1e-6
"""EM ends once no posterior moves by more."""
_LEAST = 1e-9


@dataclass(frozen=True)
class Choices:
    """What voters chose, as numbers of labels or ABSENT."""

    numbers: Integers
    """Shape (items, voters)."""
    options: int
    truth: Integers
    """Shape (items,)."""
    weights: Floats
    """How much each item counts, shape (items,)."""
    guesses: Floats
    """How often each voter is believed to be right before anything is seen, shape (voters,)."""
    strengths: Floats
    """How many votes that belief is worth, shape (voters,)."""

    @property
    def one_hot(self) -> Floats:
        """The choices as shape (items, voters, options); rows of 0 where a voter did not vote."""
        hot: Floats = (self.numbers[:, :, None] == np.arange(self.options)).astype(np.float64)
        return hot


@dataclass(frozen=True)
class Aggregate:
    """`posteriors`: the probability of each label, shape (items, options). `accuracies`: shape (voters,)."""

    posteriors: Floats
    accuracies: Floats


Step = Callable[[Floats], tuple[Floats, Floats]]
"""From posteriors to (accuracies, the log-likelihood of each label under what they imply)."""


def aggregate(
    choices: Choices, method: Method = "one_coin", voter_weights: Floats | None = None
) -> Aggregate:
    """Return what the choices tell; `voter_weights`, 0 to 1, multiply what each voter contributes."""
    weights = np.ones(choices.numbers.shape[1]) if voter_weights is None else voter_weights
    step = _coin_step(choices, weights) if method == "one_coin" else _mace_step(choices, weights)
    posteriors = _held_to_truth(_first_guess(choices, weights), choices.truth)
    for _ in range(_ROUNDS):
        before = posteriors
        _, likelihoods = step(posteriors)
        shares = _softmax(likelihoods + np.log(_priors(posteriors, choices)))
        posteriors = _held_to_truth(shares, choices.truth)
        if np.abs(posteriors - before).max(initial=0.0) < _SETTLED:
            break
    accuracies, _ = step(posteriors)
    return Aggregate(posteriors, accuracies)


def _coin_step(choices: Choices, voter_weights: Floats) -> Step:
    hot = choices.one_hot
    counted = hot * choices.weights[:, None, None]
    votes = counted.sum(axis=(0, 2))

    def step(posteriors: Floats) -> tuple[Floats, Floats]:
        right = np.einsum("ivk,ik->v", counted, posteriors)
        accuracies = (right + choices.guesses * choices.strengths) / (votes + choices.strengths)
        evidence = np.array([coin_evidence(accuracy, choices.options) for accuracy in accuracies])
        return accuracies, np.einsum("ivk,v->ik", hot, evidence * voter_weights)

    return step


def _mace_step(choices: Choices, voter_weights: Floats) -> Step:
    hot = choices.one_hot
    counted = hot * choices.weights[:, None, None]
    votes = counted.sum(axis=0)
    options = choices.options
    knows = np.full(hot.shape[1], 0.5)
    favourites = np.full((hot.shape[1], options), 1.0 / options)
    # A coin that is right with probability a knows the truth with probability (a - 1/K) / (1 - 1/K).
    believed = np.clip((choices.guesses - 1.0 / options) / (1.0 - 1.0 / options), 0.0, 1.0)

    def step(posteriors: Floats) -> tuple[Floats, Floats]:
        nonlocal knows, favourites
        right = np.einsum("ivk,ik->vk", counted, posteriors)
        knew = right * (knows[:, None] / (knows[:, None] + (1.0 - knows[:, None]) * favourites + _LEAST))
        knows = (knew.sum(axis=1) + believed * choices.strengths) / (votes.sum(axis=1) + choices.strengths)
        favourites = votes - knew + 1.0 / options
        favourites = favourites / favourites.sum(axis=1, keepdims=True)
        priors = _priors(posteriors, choices)
        drawn = (1.0 - knows[:, None]) * favourites
        accuracies: Floats = knows + drawn @ priors
        ratio = np.log(knows[:, None] + drawn + _LEAST) - np.log(drawn + _LEAST)
        return accuracies, np.einsum("ivk,vk->ik", hot, ratio * voter_weights[:, None])

    return step


def _first_guess(choices: Choices, voter_weights: Floats) -> Floats:
    counts = np.einsum("ivk,v->ik", choices.one_hot, voter_weights) + _LEAST
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _priors(posteriors: Floats, choices: Choices) -> Floats:
    """Return how common each label is, one pseudo-item of each added."""
    counts = choices.weights @ posteriors + 1.0
    priors: Floats = counts / counts.sum()
    return priors


def _held_to_truth(posteriors: Floats, truth: Integers) -> Floats:
    held = posteriors.copy()
    known = np.flatnonzero(truth != ABSENT)
    held[known] = 0.0
    held[known, truth[known]] = 1.0
    return held


def _softmax(values: Floats) -> Floats:
    masses = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Floats = masses / masses.sum(axis=1, keepdims=True)
    return shares
