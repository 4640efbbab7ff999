"""A training as a row: what it is, and what a step of it can come to. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from labelmill.releases import (
    Calibrator,
    Correction,
    Evaluation,
    FineTunedModel,
    Release,
    Reliability,
    Shot,
    StudentModel,
)

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
    reliabilities: dict[str, Reliability] = field(default_factory=dict)
    corrections: list[Correction] = field(default_factory=list)
    calibrators: list[Calibrator] = field(default_factory=list)
    embedder: str = ""
    shots: list[Shot] = field(default_factory=list)


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
    """Return the release that promotes `proposal`: what it does not bring is kept from the present one.

    A model that is new to a voter takes with it what was measured of the old one.
    """
    kept = Proposal(proposal.evaluation, proposal.verdict)
    if present is not None:
        replaced = proposal.finetuned.voter if proposal.finetuned else None
        kept = Proposal(
            proposal.evaluation,
            proposal.verdict,
            student=present.student,
            finetuned=present.finetuned,
            reliabilities={name: each for name, each in present.reliabilities.items() if name != replaced},
            corrections=[each for each in present.corrections if replaced not in each.voters],
            calibrators=[each for each in present.calibrators if replaced not in each.voters],
            embedder=present.embedder,
            shots=present.shots,
        )
    measured = proposal if proposal.reliabilities else kept
    shown = proposal if proposal.shots else kept
    return Release(
        number=(present.number if present else 0) + 1,
        dataset=dataset,
        decisions=decisions,
        evaluation=proposal.evaluation,
        created_at=now,
        student=proposal.student or kept.student,
        finetuned=proposal.finetuned or kept.finetuned,
        reliabilities=measured.reliabilities,
        corrections=measured.corrections,
        calibrators=measured.calibrators,
        embedder=shown.embedder,
        shots=shown.shots,
    )
