"""When a training is due. Pure: takes the facts and the time."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from labelmill.projects import TrainingSpec

_HOUR_MS = 3600 * 1000
_GROWTH: Final = 0.5
_MOST_GROWTH: Final = 300
"""Under a promise a training waits for this share, or this number, of decisions more: every release begins to
gather evidence with what is held out alone, and uses up a share of alpha. On BBC News a promise of 5% took
1,302 decisions with trainings at every third decision more, 1,168 at every double."""
MOST_KNOWN: Final = int(_MOST_GROWTH / _GROWTH)
"""Known decisions from which further ones change nothing."""


class Trigger(StrEnum):
    """Why a training was started."""

    FIRST = "first"
    CORRECTIONS = "corrections"
    AGE = "age"
    ON_DEMAND = "on_demand"
    ERASURE = "erasure"


@dataclass(frozen=True)
class Facts:
    """What has come in for a project. "New" means since the dataset of the last training."""

    has_candidate: bool
    """A training has produced a candidate, promoted or not."""
    new_decisions: int
    new_corrections: int
    oldest_new_at: int
    """When the oldest new decision arrived, Unix milliseconds; 0 if there is none."""
    known_decisions: int = 0
    """Those up to the dataset of the last training, counted to `MOST_KNOWN`."""


def due(training: TrainingSpec, facts: Facts, now: int, *, promises: bool = False) -> Trigger | None:
    """Return the trigger that calls for a training at `now` (Unix milliseconds), or None.

    Until a training has produced a candidate, `min_decisions` new decisions call for one; a try that ended
    "not enough" waits for as many again. From then on `every_corrections` new corrections do, or any new
    decision older than `max_age_hours`. Where the project `promises` an error, corrections wait until the
    decisions have grown by half, or by 300. Every count starts at the last dataset, so a burst starts one
    training, and a trigger that was missed while the trainer was away is not lost.
    """
    if facts.new_decisions == 0:
        return None
    if not facts.has_candidate:
        return Trigger.FIRST if facts.new_decisions >= training.min_decisions else None
    grown = not promises or facts.new_decisions >= min(_GROWTH * facts.known_decisions, _MOST_GROWTH)
    if facts.new_corrections >= training.every_corrections and grown:
        return Trigger.CORRECTIONS
    if now - facts.oldest_new_at >= training.max_age_hours * _HOUR_MS:
        return Trigger.AGE
    return None
