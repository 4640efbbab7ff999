"""Cheap voters first: who is asked next, and when those already asked are enough. Pure.

Functions are asked first, then the student, then LLM voters by price. Who costs more is asked only where it
can change the decision: not where the votes at hand already reach the confidence that is accepted.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from labelmill.acceptance import NOTHING, Acceptance
from labelmill.events import Label
from labelmill.kinds import Opinion
from labelmill.projects import PolicySpec

Tier = TypeVar("Tier")


class Bar(NamedTuple):
    """The confidence from which a label is accepted, as far as the voters need to know it."""

    confidence: float
    by_label: Mapping[str, float] | None = None
    needs_calibration: bool = False

    def is_reached(self, label: Label, confidence: float, *, calibrated: bool) -> bool:
        """Return whether a label is accepted at this confidence."""
        if self.needs_calibration and not calibrated:
            return False
        wanted = self.confidence
        if self.by_label is not None:
            wanted = self.by_label.get(str(label), NOTHING)
        return confidence >= wanted


def bar_of(policy: PolicySpec, release: int, acceptance: Acceptance | None) -> Bar:
    """Return the bar in force: the policy's threshold, or with a promise what was certified for the release.

    While nothing is certified no confidence is enough: people decide, and every vote is evidence. Once there
    is a release, cheap voters are believed as far as they are calibrated: a student may be sure of nonsense.
    """
    if policy.target_error is None and not release:
        return Bar(policy.cold_start_threshold)
    if policy.target_error is None:
        return Bar(policy.accept_threshold, needs_calibration=True)
    found = None
    if acceptance is not None and acceptance.state != "alarm":
        found = next((each for each in acceptance.thresholds if each.release == release), None)
    if found is None:
        return Bar(NOTHING, needs_calibration=True)
    return Bar(found.confidence, found.by_label, needs_calibration=True)


def next_voter(tiers: Sequence[Tier], asked: int, *, is_enough: bool) -> Tier | None:
    """Return who is to be asked after the first `asked` of `tiers` (the cheapest first), or None.

    Voters of one price are one tier and asked together. `is_enough`: the votes at hand reach the bar.
    """
    return None if is_enough or asked >= len(tiers) else tiers[asked]


def by_price(prices: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Return the numbers of voters in tiers of equal price, the cheapest first."""
    tiers: dict[float, list[int]] = {}
    for number, price in enumerate(prices):
        tiers.setdefault(price, []).append(number)
    return tuple(tuple(tiers[price]) for price in sorted(tiers))


def is_sure(student: Opinion, sure_at: float) -> bool:
    """Return whether an item needs no LLM because the student is sure of it."""
    return student.confidence >= sure_at
