"""From the log probabilities of the first token to a distribution over the options. Pure."""

import math
from collections.abc import Iterable, Sequence

import msgspec
from labelmill.prompts import option_meant

from autolabeler.voters import Unusable

DECIMALS = 6
"""Probabilities are rounded to this, so that a vote is the same fresh and from the cache (float32)."""


class TokenLogprob(msgspec.Struct, frozen=True):
    """A candidate for the first token, with its natural log probability."""

    token: str
    logprob: float


def distribution(
    candidates: Iterable[TokenLogprob], options: tuple[str, ...], floor: float
) -> tuple[float, ...]:
    """Return the probability of each option, in order, summing to 1.

    `options` are what the model was told to answer, letters or words. An option counts in every spelling
    (`A`, ` A`, `a`, `(A`, `A.`; of a word, its beginning). Of one that is not among the candidates only a
    bound is known: it is not likelier than the last candidate, and all that are missing share what the
    candidates leave over. It gets that bound, for 0 would be a certainty that nobody stated.

    Raises:
        Unusable: `llm_no_logprobs` without candidates; `llm_prose` if the options together have less than
            `floor` of the probability, so that their proportions mean nothing.
    """
    mass = [0.0] * len(options)
    least, left_over, seen = 1.0, 1.0, False
    for candidate in candidates:
        seen = True
        share = math.exp(min(candidate.logprob, 0.0))
        least, left_over = min(least, share), left_over - share
        index = option_meant(candidate.token, options)
        if index is not None:
            mass[index] += share
    total = sum(mass)
    if not seen:
        raise Unusable("llm_no_logprobs", "the answer has no top_logprobs: the provider must return them")
    if not total >= floor or total == 0.0:
        raise Unusable("llm_prose", f"the options have {total:.4f} of the probability; {floor} is needed")
    missing = mass.count(0.0)
    if missing:
        bound = max(0.0, min(least, left_over / missing))
        mass = [share or bound for share in mass]
        total = sum(mass)
    return tuple([round(share / total, DECIMALS) for share in mass])


def mean(distributions: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of distributions over the same labels."""
    count = len(distributions)
    return [sum(column) / count for column in zip(*distributions, strict=True)]
