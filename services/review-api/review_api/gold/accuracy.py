"""How well people answer gold: shares with intervals, by label, and what they take for what. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NEWEST: Final = 50
"""So many of a person's answers count where they are judged."""

_Z: Final = 1.959963985
"""Of an interval that holds the truth 95 times in 100."""


@dataclass(frozen=True)
class Answer:
    """An answer to gold. `truth` and `said` are labels as text, `decided_at` is in Unix milliseconds.

    `suggested`: the machine's label, a wrong one, was in sight. `hidden`: the person could not know that it
    was gold.
    """

    gold_id: int
    truth: str
    said: str
    decided_at: int
    skill: str | None = None
    suggested: bool = False
    hidden: bool = True

    @property
    def right(self) -> bool:
        return self.truth == self.said


@dataclass(frozen=True)
class Share:
    """`right` of `answers`; `value` with its 95% interval, all None without an answer."""

    right: int
    answers: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Confusion:
    """How often `truth` was answered by `said`."""

    truth: str
    said: str
    times: int


@dataclass(frozen=True)
class LabelShare:
    """Accuracy on the gold of one label."""

    label: str
    accuracy: Share


@dataclass(frozen=True)
class Accuracy:
    """A person's accuracy: over the newest answers, over all, on those against a wrong suggestion, and by
    label, the worst first; `confusions` are what was wrong, the most frequent first."""

    newest: Share
    all: Share
    against_suggestion: Share
    labels: list[LabelShare]
    confusions: list[Confusion]


def wilson(right: int, answers: int, z: float = _Z) -> tuple[float, float]:
    """Return Wilson's score interval of a share (Wilson 1927); `answers` is at least 1.

    Unlike the textbook's interval it is right for few answers and for shares near 0 and 1.
    """
    share, square = right / answers, z * z
    middle = (share + square / (2 * answers)) / (1 + square / answers)
    half = z / (1 + square / answers) * math.sqrt(share * (1 - share) / answers + square / (4 * answers**2))
    # At the ends it reaches them: rounded, it would leave whoever errs never below a bar of 1.
    return 0.0 if right == 0 else middle - half, 1.0 if right == answers else middle + half


def share(answers: Sequence[Answer]) -> Share:
    """Return how many of `answers` are right."""
    right, count = sum(one.right for one in answers), len(answers)
    if not count:
        return Share(0, 0, None, None, None)
    return Share(right, count, right / count, *wilson(right, count))


def accuracy(answers: Sequence[Answer]) -> Accuracy:
    """Return a person's accuracy; `answers` are in the order of time."""
    by_label: dict[str, list[Answer]] = {}
    for one in answers:
        by_label.setdefault(one.truth, []).append(one)
    labels = [LabelShare(label, share(some)) for label, some in by_label.items()]
    wrong = Counter((one.truth, one.said) for one in answers if not one.right)
    return Accuracy(
        newest=share(answers[-NEWEST:]),
        all=share(answers),
        against_suggestion=share([one for one in answers if one.suggested]),
        labels=sorted(labels, key=lambda one: (one.accuracy.value or 0.0, one.label)),
        confusions=[Confusion(*pair, times) for pair, times in wrong.most_common()],
    )
