"""A training as a row: what it is, and what a step of it can come to. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from labelmill.releases import Evaluation, FineTunedModel, Release, StudentModel

from trainer.evaluation import Verdict

MAX_FAILURES = 3
"""Errors (not restarts of the service) after which a training is given up."""
_FIRST_RETRY_MS = 5_000


class State(StrEnum):
    """Where a job is. One whose process died is still `running`, and is taken up again."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """One training of one project."""

    id: int
    project: str
    trainer: str
    trigger: str
    state: State
    dataset: str | None
    progress: bytes
    """What the trainer wants to remember between steps, as JSON."""
    failures: int
    created_at: int


@dataclass(frozen=True)
class Proposal:
    """A candidate with its evaluation and verdict."""

    evaluation: Evaluation
    verdict: Verdict
    student: StudentModel | None = None
    finetuned: FineTunedModel | None = None


@dataclass(frozen=True)
class Ended:
    """The training ended without a candidate, for a reason that trying again would not mend."""

    reason: str
    failed: bool
    """False: nothing is wrong, there is just not enough to learn from."""


@dataclass(frozen=True)
class Pause:
    """The training goes on no earlier than `not_before` (Unix ms), from `progress` (JSON)."""

    progress: bytes
    not_before: int


Outcome = Proposal | Ended | Pause


def retry_at(failures: int, now: int) -> int | None:
    """Return when to try again after the `failures`-th error (Unix ms), or None to give up."""
    if failures >= MAX_FAILURES:
        return None
    return now + int(_FIRST_RETRY_MS * 4 ** (failures - 1))


def next_release(
    proposal: Proposal, present: Release | None, dataset: str, decisions: int, now: int
) -> Release:
    """Return the release that promotes `proposal`: what it does not bring is kept from the present one."""
    return Release(
        number=(present.number if present else 0) + 1,
        dataset=dataset,
        decisions=decisions,
        evaluation=proposal.evaluation,
        created_at=now,
        student=proposal.student or (present.student if present else None),
        finetuned=proposal.finetuned or (present.finetuned if present else None),
    )
