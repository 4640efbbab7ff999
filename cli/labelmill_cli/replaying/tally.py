"""The routes of one policy, summed up: who decides what, at which error, and at what cost."""

from collections import Counter
from typing import NamedTuple

import msgspec
from labelmill.policy import Route

from labelmill_cli.replaying.economy import usd_per_correct
from labelmill_cli.replaying.error_rate import ErrorEstimate, ErrorTally
from labelmill_cli.replaying.recorded import Recorded


class Rates(NamedTuple):
    """What a decision takes, and what a reviewer's hour costs in US dollars."""

    minutes_per_decision: float
    usd_per_hour: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy does with recorded scores.

    `accepted` and `people` add up to `items`; `audits` of those that go to people would have been accepted.
    `released`: accepted after people had been asked, once evidence sufficed. `reasons`: how many items go to
    people for each, the gravest of an item; `decisions`: how many they take. `error` is that of the labels
    which the policy accepts or only audits.
    """

    items: int
    accepted: int
    released: int
    people: int
    audits: int
    reasons: dict[str, int]
    decisions: int
    error: ErrorEstimate
    machine_usd: float
    people_minutes: float
    people_usd: float
    usd: float
    usd_per_accepted_correct: float | None


class Tally:
    """Sums over routes as they come."""

    def __init__(self) -> None:
        self._items = self._accepted = self._released = self._decisions = 0
        self._reasons: Counter[str] = Counter()
        self._audits = 0
        self._errors = ErrorTally()
        self._usd = 0.0

    def add(
        self, line: Recorded, route: Route, *, released: bool = False, speaks_for_released: bool = False
    ) -> None:
        """Count the route of a recorded score. `released`: it was accepted later, without a decision;
        `speaks_for_released`: people decided it, but it might as well have been."""
        self._items += 1
        self._usd += line.cost_usd
        self._accepted += route.accepted or released
        self._released += released
        in_question = route.is_acceptable or released
        if in_question or speaks_for_released:
            self._errors.add(line.propensity, wrong=line.wrong, blind=line.blind, counts=in_question)
        if route.accepted or released:
            return
        self._decisions += route.decisions_needed
        self._reasons[route.reasons[0]] += 1
        self._audits += route.is_acceptable

    def outcome(self, rates: Rates) -> Outcome:
        """Return the sums, with people's work at `rates`."""
        error = self._errors.estimate()
        minutes = self._decisions * rates.minutes_per_decision
        people_usd = minutes / 60.0 * rates.usd_per_hour
        usd = self._usd + people_usd
        return Outcome(
            items=self._items,
            accepted=self._accepted,
            released=self._released,
            people=self._items - self._accepted,
            audits=self._audits,
            reasons=dict(self._reasons.most_common()),
            decisions=self._decisions,
            error=error,
            machine_usd=self._usd,
            people_minutes=minutes,
            people_usd=people_usd,
            usd=usd,
            usd_per_accepted_correct=usd_per_correct(usd, self._accepted, error.error),
        )
