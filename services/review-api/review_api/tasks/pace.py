"""How old waiting tasks are, and how long the queue lasts at the present pace. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HOUR: Final = 3600.0
AGES: Final = (900.0, _HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR, 3 * 24 * _HOUR, 7 * 24 * _HOUR)
"""Edges of the histogram of ages, in seconds."""

WORKDAY_HOURS: Final = 8.0
"""Within which the queue should be done where the project names no SLA."""

_MOST_LOOKED_BACK_HOURS: Final = 7 * 24.0
_LEAST_LOOKED_BACK_HOURS: Final = 1.0


@dataclass(frozen=True)
class AgeBin:
    """Tasks that have waited from `least` up to `most` seconds; None: longer still. `late`: past the SLA."""

    least: float
    most: float | None
    tasks: int
    late: bool


@dataclass(frozen=True)
class Pace:
    """What happened in the last minutes, by the minute, and what a decision takes in seconds of a person.

    `arrivals` are tasks a minute, over the last `arrivals_hours`. `measured` tells whether people's own time
    says so, or the project's file.
    """

    claims: float
    decisions: float
    settled: float
    arrivals: float
    arrivals_hours: float
    people: int
    seconds_each: float
    measured: bool


@dataclass(frozen=True)
class Forecast:
    """`minutes` of people's time that the waiting decisions take; `hours_left` until nothing waits that
    somebody may take, at the present pace, None if the queue does not shrink; `people_needed` to be
    through with what waits now within `within_hours`, and `people_for_arrivals` beside them if as much comes
    in as lately."""

    minutes: float
    hours_left: float | None
    people_needed: float
    people_for_arrivals: float
    within_hours: float


def edges(sla_seconds: float | None) -> list[float]:
    """Return the edges of the histogram: those of AGES, and the SLA."""
    return sorted({*AGES, *([] if sla_seconds is None else [sla_seconds])})


def histogram(bounds: Sequence[float], counts: Sequence[int], sla_seconds: float | None) -> list[AgeBin]:
    """Return the bins of `counts` (one more than `bounds`), the youngest first."""
    lows, highs = [0.0, *bounds], [*bounds, None]
    return [
        AgeBin(low, high, tasks, sla_seconds is not None and low >= sla_seconds)
        for low, high, tasks in zip(lows, highs, counts, strict=True)
    ]


def looked_back_hours(sla_hours: float | None) -> float:
    """Return over how many hours arrivals are averaged: as long as the forecast looks ahead.

    What comes in one burst is spread over all of them. Taken over the minutes since it came, it would count
    as a stream that goes on for ever.
    """
    return min(_MOST_LOOKED_BACK_HOURS, max(_LEAST_LOOKED_BACK_HOURS, sla_hours or WORKDAY_HOURS))


def forecast(
    tasks: int, decisions_each: int, pace: Pace, sla_hours: float | None, *, out_of_reach: int = 0
) -> Forecast:
    """Return what `tasks` that wait for `decisions_each` decisions take; nobody may take `out_of_reach` of
    them, so that no pace ends these."""
    hours = sla_hours or WORKDAY_HOURS
    backlog = tasks * decisions_each * pace.seconds_each
    arriving = pace.arrivals / 60 * decisions_each * pace.seconds_each
    net = pace.settled - pace.arrivals
    within_reach = tasks - out_of_reach
    left = 0.0 if within_reach == 0 else within_reach / net / 60 if net > 0 else None
    return Forecast(backlog / 60, left, backlog / (hours * _HOUR), arriving, hours)
