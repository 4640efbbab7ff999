"""What managers see of everybody's accuracy, and people of their own. Pure but for the clock it is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from labelmill.projects import ProjectSpec

from review_api.gold.accuracy import Accuracy, accuracy
from review_api.gold.choosing import GoldItem, left_to_train
from review_api.gold.records import Pause, Record

State = Literal["working", "training", "paused"]

_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True)
class Reviewer:
    """A person's accuracy and state; `checks` were given, `pause` is the newest one, in force or lifted."""

    reviewer: str
    state: State
    checks: int
    accuracy: Accuracy
    pause: Pause | None


@dataclass(frozen=True)
class Own:
    """A person's own figures. Of hidden checks they tell those answered before `until` (Unix milliseconds):
    figures that move with an answer would give the check away. `training_done` of `training_tasks`."""

    state: State
    accuracy: Accuracy
    until: int
    bar: float
    training_tasks: int
    training_done: int
    paused_because: str | None


def reviewer(name: str, record: Record, spec: ProjectSpec, items: Sequence[GoldItem]) -> Reviewer:
    """Return how a person stands."""
    newest = max(record.pauses, key=lambda pause: pause.paused_at, default=None)
    figures = accuracy(record.answers)
    return Reviewer(name, state(record, spec, items), len(record.checks), figures, newest)


def own(record: Record, spec: ProjectSpec, items: Sequence[GoldItem], now: int) -> Own:
    """Return a person's own figures at `now` (Unix milliseconds)."""
    until = now // _HOUR_MS * _HOUR_MS
    told = [one for one in record.answers if not one.hidden or one.decided_at < until]
    paused = record.paused
    return Own(
        state=state(record, spec, items),
        accuracy=accuracy(told),
        until=until,
        bar=spec.review.gold.bar,
        training_tasks=spec.review.gold.training_tasks,
        training_done=sum(not one.hidden for one in record.answers),
        paused_because=None if paused is None else paused.cause,
    )


def state(record: Record, spec: ProjectSpec, items: Sequence[GoldItem]) -> State:
    """Return whether somebody works, is paused, or is in training."""
    if record.paused is not None:
        return "paused"
    stage = record.stage(spec.review.gold, left=left_to_train(items, record, spec))
    return "working" if stage == "trained" else "training"
