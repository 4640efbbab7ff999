"""From the log probabilities of the first token to a distribution over the options. Pure."""

import math
from collections.abc import Iterable, Sequence

import msgspec
from labelmill.prompts import LETTERS

from autolabeler.voters import Unusable

_AROUND = " \t\r\n\u2581\u0120*_()[]{}<>.:,;\"'`#"
"""What tokens carry besides the letter: marks, and spaces, also as sentencepiece and BPE write them."""

DECIMALS = 6
"""Probabilities are rounded to this, so that a vote is the same fresh and from the cache (float32)."""


class TokenLogprob(msgspec.Struct, frozen=True):
    """A candidate for the first token, with its natural log probability."""

    token: str
    logprob: float


def distribution(candidates: Iterable[TokenLogprob], options: int, floor: float) -> tuple[float, ...]:
    """Return the probability of each of the first `options` letters, in order, summing to 1.

    A letter counts in every spelling (`A`, ` A`, `a`, `(A`, `A.`). A letter that is not among the
    candidates has probability 0.

    Raises:
        Unusable: `llm_no_logprobs` without candidates; `llm_prose` if the letters together have less than
            `floor` of the probability, so that their proportions mean nothing.
    """
    mass = [0.0] * options
    seen = False
    for candidate in candidates:
        seen = True
        letter = candidate.token.strip(_AROUND).upper()
        index = LETTERS.find(letter) if len(letter) == 1 else -1
        if 0 <= index < options:
            mass[index] += math.exp(min(candidate.logprob, 0.0))
    total = sum(mass)
    if not seen:
        raise Unusable("llm_no_logprobs", "the answer has no top_logprobs: the provider must return them")
    if not total >= floor or total == 0.0:
        raise Unusable("llm_prose", f"the letters have {total:.3f} of the probability; {floor} is needed")
    return tuple(round(share / total, DECIMALS) for share in mass)


def mean(distributions: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of distributions over the same labels."""
    count = len(distributions)
    return [sum(column) / count for column in zip(*distributions, strict=True)]
