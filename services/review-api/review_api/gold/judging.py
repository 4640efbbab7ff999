"""When a person's answers to gold say that they are below the bar, and when that they have learned. Pure.

The error rates of these rules are measured in tests/test_gold_judging.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from review_api.gold.accuracy import NEWEST, Answer, wilson

Z: Final = 1.644854
"""One-sided: an upper bound that the true accuracy exceeds in 5 looks of 100."""

MOST_TRAINING: Final = 3
"""Who is still below the bar after so many times the training's tasks is told to ask a manager."""

Stage = Literal["training", "trained", "failed"]


@dataclass(frozen=True)
class Fall:
    """Somebody is below the bar: `right` of the newest `answers`. `since` is when they last stood at or above
    it (Unix milliseconds): the time of the answer after which they no longer did; 0 if they never did."""

    right: int
    answers: int
    since: int


def judged(answers: Sequence[Answer], bar: float, least: int) -> Fall | None:
    """Return whether a person is below the bar, by all that is judged, in the order of time; None if not.

    They are once even the upper bound of Wilson's one-sided 95% interval of their newest answers lies below
    it. The bare share would pause a third of those who are clearly above.
    """
    window = [one.right for one in answers[-NEWEST:]]
    if len(window) < max(1, least) or wilson(sum(window), len(window), Z)[1] >= bar:
        return None
    return Fall(sum(window), len(window), _last_above(answers, bar))


def _last_above(answers: Sequence[Answer], bar: float) -> int:
    for end in range(len(answers), 0, -1):
        window = [one.right for one in answers[max(0, end - NEWEST) : end]]
        if sum(window) >= bar * len(window):
            return answers[end - 1].decided_at
    return 0


def stage(answers: Sequence[Answer], tasks: int, bar: float, *, left: int) -> Stage:
    """Return how far a newcomer's training of `tasks` gold tasks is; `left` are those still to be had.

    It is passed once the newest `tasks` answers reach the bar, for good. Where gold runs out before, what
    there was decides; without any gold there is nothing to train with.
    """
    if tasks == 0:
        return "trained"
    for end in range(tasks, len(answers) + 1):
        if _reaches(answers[end - tasks : end], bar):
            return "trained"
    if left == 0 and len(answers) < tasks:
        return "trained" if _reaches(answers, bar) else "failed"
    return "failed" if left == 0 or len(answers) >= MOST_TRAINING * tasks else "training"


def qualifies(answers: Sequence[Answer], needed: int, bar: float) -> bool:
    """Return whether the answers to a skill's gold, in the order of time, qualify for it."""
    return len(answers) >= needed and _reaches(answers[-needed:], bar)


def _reaches(answers: Sequence[Answer], bar: float) -> bool:
    return sum(one.right for one in answers) >= bar * len(answers)
