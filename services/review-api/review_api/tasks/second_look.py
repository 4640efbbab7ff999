"""The rules of re-reviews: how many, in which place, and what they come to. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

PRIORITY: Final = math.inf
"""Where a re-review stands in the queue: after all that nobody has decided yet."""

SHARE: Final = 0.05
"""Re-reviews a day, as a share of the tasks that people settled in the last 24 hours."""

LEAST: Final = 10
"""Re-reviews a day where that share is less."""


@dataclass(frozen=True)
class Doubted:
    """What a task had settled on when it was opened again, by how many decisions."""

    label: Any
    decisions: int


def room(settled: int, taken: int) -> int:
    """Return how many tasks may be opened again now.

    `settled` is how many tasks people settled in the last 24 hours; `taken` how many re-reviews were opened
    in that time or still wait, which bounds both the work of a day and what piles up where nobody can do it.
    """
    return max(0, max(LEAST, int(SHARE * settled)) - taken)


def outcome(doubted: Doubted, labels: Sequence[Any], merge: Callable[[Sequence[Any]], Any]) -> Any | None:
    """Return what the decisions of a task under re-review come to; None if one more person must decide.

    `labels` are all its decisions, in order. The first new one settles it if it confirms the label. If it
    does not, another person decides, and `merge`, the kind's rule, settles all of them: where one person had
    decided, the majority of three.
    """
    since = labels[doubted.decisions :]
    if len(since) > 1:
        return merge(labels)
    return doubted.label if since[0] == doubted.label else None
