"""What a day's work earns. Pure."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

JUDGED_SECONDS: Final = 600.0
"""Active time from which a day's pay is held against the floor; in less, one long text decides."""


@dataclass(frozen=True)
class Workday:
    """A person's day (UTC) in a project, with the terms it is paid by.

    `checks` are answers to hidden checks and in training: they are work like decisions, and skips take time
    like them. `usd_per_decision` is None where people are paid by the hour.
    """

    reviewer: str
    day: datetime.date
    project: str
    decisions: int
    checks: int
    skips: int
    reveals: int
    active_seconds: float
    usd_per_hour: float
    usd_per_decision: float | None
    floor_usd_per_hour: float

    @property
    def pieces(self) -> int:
        """Tasks answered, hidden checks included: nothing that a person sees tells one from the other."""
        return self.decisions + self.checks

    @property
    def amount_usd(self) -> float:
        if self.usd_per_decision is not None:
            return self.usd_per_decision * self.pieces
        return self.usd_per_hour * self.active_seconds / 3600

    @property
    def effective_usd_per_hour(self) -> float | None:
        """What an hour of active time brought; None without any."""
        if self.active_seconds <= 0:
            return None
        return self.amount_usd / (self.active_seconds / 3600)

    @property
    def below_floor(self) -> bool:
        hourly = self.effective_usd_per_hour
        return (
            hourly is not None
            and self.active_seconds >= JUDGED_SECONDS
            # Half a cent: what rounding alone can do is no complaint.
            and hourly < self.floor_usd_per_hour - 0.005
        )


def people_below_floor(days: Iterable[Workday]) -> dict[str, int]:
    """Return, by project, how many people had a day below the floor; 0 for a project that has a floor."""
    below: dict[str, set[str]] = {}
    for day in days:
        if day.floor_usd_per_hour > 0:
            people = below.setdefault(day.project, set())
            if day.below_floor:
                people.add(day.reviewer)
    return {project: len(people) for project, people in below.items()}
