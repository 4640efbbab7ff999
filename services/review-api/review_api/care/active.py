"""When somebody was at work, from what the server saw of them. Pure.

The server sees the end of each piece of work (a decision, a hidden check, a skip) and, in between, that the
page had input. A piece lasts from the end of the one before (a decision: from its claim, if that was
later), and is cut into gaps by the input. Of a gap the first minute counts: who thinks for so long without
touching anything is at work, who is away for longer is not.

All of it is what a client says, except when it says so. A client that reports input for ever earns nothing
until the piece ends, and then no more than `most_seconds` gives: a few times what such a piece takes others.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final, Literal

IDLE_AFTER_SECONDS: Final = 60.0
"""Longest part of a gap without a sign of life that counts as work."""

PACE_FACTOR: Final = 5.0
"""How much longer than usual a piece may take and still count whole."""

OWN_PACE_LIMIT: Final = 2.0
"""Up to how many times the project's pace a person's own slower pace is taken as usual."""

_LONGEST_PIECE_SECONDS: Final = 3600.0
_TOUCHING_SECONDS: Final = 1.0

Kind = Literal["decision", "check", "training", "skip", "input"]


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing the server saw. `at` is in Unix seconds; `seconds` is, of a decision or check, the time
    since its claim or the one before, and means nothing otherwise."""

    at: float
    kind: Kind
    project: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time at work, in Unix seconds."""

    begin: float
    end: float


@dataclass
class Timeline:
    """A person's times at work, oldest first, made from signs that come in the order of time."""

    stretches: list[Stretch] = field(default_factory=list)
    _end: float = float("-inf")
    _inputs: list[float] = field(default_factory=list)

    def add(self, sign: Sign, most: float) -> float:
        """Take a sign and return the seconds of work that it ends, `most` of them at most.

        What is seen twice, or comes too late, counts nothing: that time is taken.
        """
        if sign.at <= self._end:
            return 0.0
        if sign.kind == "input":
            self._inputs.append(sign.at)
            return 0.0
        lasted = _LONGEST_PIECE_SECONDS if sign.kind == "skip" else sign.seconds
        begin = max(self._end, sign.at - lasted)
        worked = min(most, _active(begin, self._inputs, sign.at))
        self._inputs.clear()
        self._end = sign.at
        self._append(Stretch(sign.at - worked, sign.at))
        return worked

    def forget(self, before: float) -> None:
        """Drop the stretches that ended before a moment."""
        del self.stretches[: bisect_right(self.stretches, before, key=lambda stretch: stretch.end)]

    def _append(self, stretch: Stretch) -> None:
        if self.stretches and stretch.begin - self.stretches[-1].end < _TOUCHING_SECONDS:
            stretch = Stretch(self.stretches.pop().begin, stretch.end)
        self.stretches.append(stretch)


def _active(begin: float, inputs: Iterable[float], end: float) -> float:
    moments = [begin, *(at for at in inputs if begin < at < end), end]
    return sum(min(later - earlier, IDLE_AFTER_SECONDS) for earlier, later in pairwise(moments))


def most_seconds(own: float | None, project: float | None, limit: float) -> float:
    """Return how much of a piece of work counts at most, in seconds.

    `own` and `project` are the usual times of a piece, of the person and of the project (None: not known);
    `limit` holds in any case. Whoever is slow has more time, but cannot draw the limit out at will: beyond
    twice the project's pace only that counts.
    """
    if project is None:
        return limit
    usual = max(project, min(project if own is None else own, OWN_PACE_LIMIT * project))
    return min(limit, max(IDLE_AFTER_SECONDS, PACE_FACTOR * usual))


def project_pace(people: Iterable[float]) -> float | None:
    """Return the usual time of a piece in a project from that of its people, one voice each."""
    paces = list(people)
    return median(paces) if paces else None
