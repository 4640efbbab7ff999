"""The course of a provider's fine-tuning job as a state machine. Pure: takes answers and the time.

    UPLOAD -> CREATE -> POLL ... POLL -> EVALUATE
                          \\-> CANCEL (too long)

`Progress` is stored after every step. A crash between a step and its record repeats the step, which looks for
what it may have made already: `tag` and `training` mark the file and the job at the provider.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from trainer.errors import ProviderRefused

_GROWTH: Final = 1.5
_MOST_WAITS: Final = 12
_ALIVE: Final = frozenset({"validating_files", "queued", "running", "paused"})


class Step(StrEnum):
    """What is to be done next."""

    UPLOAD = "upload"
    CREATE = "create"
    POLL = "poll"
    CANCEL = "cancel"
    EVALUATE = "evaluate"


class Progress(msgspec.Struct, frozen=True):
    """How far a job has come. Times are Unix milliseconds."""

    tag: str = ""
    """Names dataset and prompts: what was uploaded."""
    file_id: str = ""
    job_id: str = ""
    model: str = ""
    created_at: int = 0
    """When the job was created, or this training began: the deadline counts from here."""
    waits: int = 0
    """Polls and passing failures since the last step: the wait grows with them."""


class RemoteJob(msgspec.Struct, frozen=True):
    """What the provider says of a job."""

    id: str
    status: str
    model: str = ""
    error: str = ""
    tag: str = ""
    training: str = ""


def next_step(progress: Progress, now: int, max_ms: int) -> Step:
    """Return what to do next; CANCEL once the job has taken more than `max_ms`."""
    if progress.model:
        return Step.EVALUATE
    if now - progress.created_at > max_ms:
        return Step.CANCEL
    if not progress.file_id:
        return Step.UPLOAD
    return Step.POLL if progress.job_id else Step.CREATE


def begun(progress: Progress, now: int) -> Progress:
    """Return the progress of a training that is taken up at `now`, for the first time or again."""
    return progress if progress.created_at else replace(progress, created_at=now)


def uploaded(progress: Progress, tag: str, file_id: str) -> Progress:
    """Return the progress after the upload."""
    return replace(progress, tag=tag, file_id=file_id, waits=0)


def created(progress: Progress, job_id: str, now: int) -> Progress:
    """Return the progress once the job exists."""
    return replace(progress, job_id=job_id, created_at=now, waits=0)


def polled(progress: Progress, job: RemoteJob) -> Progress:
    """Return the progress after a look at the job. Raises ProviderRefused if it has failed."""
    if job.status == "succeeded" and job.model:
        return replace(progress, model=job.model, waits=0)
    if job.status in _ALIVE:
        return waited(progress)
    raise ProviderRefused(f"fine-tuning job {job.id} {job.status}: {job.error or 'no reason given'}")


def waited(progress: Progress) -> Progress:
    """Return the progress after a look or a try that has to be repeated."""
    return replace(progress, waits=progress.waits + 1)


def wait_ms(progress: Progress, first_ms: int) -> int:
    """Return how long to wait before the next step; grows by half each time, to 12 times the first."""
    if not progress.waits:
        return 0
    growth: float = _GROWTH ** min(progress.waits - 1, _MOST_WAITS)
    return int(first_ms * min(growth, float(_MOST_WAITS)))


def to_resume(jobs: list[RemoteJob], tag: str, training: str) -> RemoteJob | None:
    """Return the job that a training made before it crashed, or one for the same data that is still good."""
    same = [job for job in jobs if job.tag == tag]
    own = [job for job in same if job.training == training]
    good = [job for job in same if job.status in _ALIVE or job.status == "succeeded"]
    return next(iter([*own, *good]), None)
