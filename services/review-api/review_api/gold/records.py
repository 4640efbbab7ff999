"""What is known of a person in a project: checks, pauses and skills, and what follows from these. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from labelmill.projects.review import GoldSpec

from review_api.gold.accuracy import Answer
from review_api.gold.judging import Stage, stage

Purpose = Literal["check", "training", "qualification"]

Cause = Literal["accuracy", "training"]


@dataclass(frozen=True)
class Check:
    """A check of a person. Times are Unix milliseconds; `said` is None while it is not answered."""

    task_id: int
    gold_id: int
    purpose: Purpose
    suggested: bool
    skill: str | None
    truth: str
    said: str | None
    decided_at: int | None
    lease_until: int
    skip_until: int | None
    undo_until: int | None = None

    def may_change(self, now: int) -> bool:
        """Return whether the answer can still be taken back."""
        return self.said is not None and (self.undo_until or 0) > now

    @property
    def answer(self) -> Answer | None:
        if self.said is None or self.decided_at is None:
            return None
        hidden = self.purpose == "check"
        return Answer(
            self.gold_id, self.truth, self.said, self.decided_at, self.skill, self.suggested, hidden
        )


@dataclass(frozen=True)
class Pause:
    """A pause, in force until it was `lifted_at`. Times are Unix milliseconds; `correct` of `answers` brought
    it about; `reopened` is how many decisions made `since` were opened again, None until that is done."""

    reviewer: str
    cause: Cause
    paused_at: int
    since: int
    answers: int
    correct: int
    reopened: int | None
    lifted_at: int | None
    lifted_by: str | None
    reason: str | None


@dataclass
class Record:
    """A person's record. `met` is gold whose item they know from their work, or may still meet there;
    `lost` says when (Unix milliseconds) gold took a skill away."""

    checks: dict[int, Check]
    """By gold item."""
    pauses: Sequence[Pause] = ()
    met: set[int] = field(default_factory=set)
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def answers(self) -> list[Answer]:
        """All answers, in the order of time."""
        found = [answer for check in self.checks.values() if (answer := check.answer) is not None]
        return sorted(found, key=lambda answer: answer.decided_at)

    @property
    def judged(self) -> list[Answer]:
        """The answers by which a person is judged: hidden checks since the last pause was lifted."""
        return [one for one in self.answers if one.hidden and one.decided_at > self.lifted_at]

    @property
    def lifted_at(self) -> int:
        """When the last pause was lifted (Unix milliseconds); 0 without one."""
        return max((pause.lifted_at or 0 for pause in self.pauses), default=0)

    @property
    def paused(self) -> Pause | None:
        return next((pause for pause in self.pauses if pause.lifted_at is None), None)

    def final(self, now: int) -> "Record":
        """Return the record without the answers that can still be taken back; `now` is in Unix
        milliseconds."""
        kept = {gold_id: check for gold_id, check in self.checks.items() if not check.may_change(now)}
        return replace(self, checks=kept)

    def changes_until(self, now: int) -> int | None:
        """Return when (Unix milliseconds) the next answer becomes final; None if all are."""
        return min(
            (check.undo_until or 0 for check in self.checks.values() if check.may_change(now)), default=None
        )

    def stage(self, gold: GoldSpec, left: int) -> Stage:
        """Return how far the training is; whom a manager let work without passing it counts as trained."""
        if any(pause.cause == "training" and pause.lifted_at is not None for pause in self.pauses):
            return "trained"
        return stage(self.answers, gold.training_tasks, gold.bar, left=left)

    def of_skill(self, skill: str) -> list[Answer]:
        """Return the answers that count for a skill."""
        since = self.lost.get(skill, 0)
        return [one for one in self.answers if one.skill == skill and one.decided_at > since]

    def has_answered(self, gold_id: int) -> bool:
        check = self.checks.get(gold_id)
        return check is not None and check.said is not None

    def is_given_away(self, gold_id: int) -> bool:
        """Return whether a person has seen this gold as what it is, in training or to qualify."""
        check = self.checks.get(gold_id)
        return check is not None and check.purpose != "check"

    def is_free(self, gold_id: int, now: int) -> bool:
        """Return whether a person can be given this gold: it is new to them, or was given back."""
        check = self.checks.get(gold_id)
        if check is None:
            return gold_id not in self.met
        return check.said is None and check.lease_until <= now and (check.skip_until or 0) <= now

    def ran_out(self, now: int) -> list[int]:
        """Return the gold of which a person let the lease run out: like a task, it comes back at once."""
        return [
            gold_id
            for gold_id, check in self.checks.items()
            if check.said is None and check.skip_until is None and check.lease_until <= now
        ]
