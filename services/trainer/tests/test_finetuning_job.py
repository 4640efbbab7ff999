from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer import finetuning_job as course
from trainer.errors import ProviderRefused
from trainer.finetuning_job import Progress, RemoteJob, Step

HOUR = 3600 * 1000
TAG, TRAINING = "data-1", "p-7"


@dataclass
class Remote:
    """A provider that makes whatever it is asked for, and says so only if the answer arrives."""

    files: list[str] = field(default_factory=list)
    jobs: list[RemoteJob] = field(default_factory=list)

    def step(self, progress: Progress, now: int) -> Progress:
        match course.next_step(progress, now, 24 * HOUR):
            case Step.UPLOAD:
                if not self.files:
                    self.files.append(f"file-{len(self.files)}")
                return course.uploaded(progress, TAG, self.files[0])
            case Step.CREATE:
                job = course.to_resume(self.jobs, progress.tag, TRAINING)
                if job is None:
                    job = RemoteJob(f"job-{len(self.jobs)}", "queued", "", "", TAG, TRAINING)
                    self.jobs.append(job)
                return course.created(progress, job.id, now)
            case _:
                return course.polled(progress, RemoteJob("job-0", "succeeded", "ft:m"))


@given(st.lists(st.booleans(), max_size=12))
def test_however_often_it_crashes_one_file_and_one_job_are_made(crashes: list[bool]) -> None:
    remote, stored = Remote(), Progress()
    for crashed in [*crashes, False, False, False]:
        after = remote.step(
            course.begun(msgspec.json.decode(msgspec.json.encode(stored), type=Progress), 0), 0
        )
        if not crashed:
            stored = after
        if stored.model:
            break
    assert stored.model == "ft:m"
    assert course.next_step(stored, 10 * HOUR, 24 * HOUR) is Step.EVALUATE
    assert (len(remote.files), len(remote.jobs)) == (1, 1)


def test_waits_grow_to_a_limit_and_start_afresh_with_each_step() -> None:
    progress = Progress(file_id="f", job_id="j", created_at=1)
    waits = []
    for _ in range(20):
        progress = course.polled(progress, RemoteJob("j", "running"))
        waits.append(course.wait_ms(progress, 1000))
    assert waits[0] == 1000
    assert waits == sorted(waits)
    assert waits[-1] == 12_000
    assert course.wait_ms(course.created(progress, "j", 5), 1000) == 0


def test_a_failure_carries_the_providers_reason() -> None:
    failed = RemoteJob("j", "failed", error="bad examples")
    with pytest.raises(ProviderRefused, match="job j failed: bad examples"):
        course.polled(Progress(job_id="j"), failed)
    with pytest.raises(ProviderRefused, match="cancelled: no reason given"):
        course.polled(Progress(job_id="j"), RemoteJob("j", "cancelled"))


def test_what_takes_too_long_is_cancelled() -> None:
    progress = Progress(file_id="f", job_id="j", created_at=1 * HOUR)
    assert course.next_step(progress, 25 * HOUR, 24 * HOUR) is Step.POLL
    assert course.next_step(progress, 25 * HOUR + 1, 24 * HOUR) is Step.CANCEL


def test_only_jobs_that_are_still_good_serve_another_training() -> None:
    failed_before = RemoteJob("a", "failed", tag=TAG, training="p-1")
    good_before = RemoteJob("b", "succeeded", "ft:m", tag=TAG, training="p-2")
    own_failed = RemoteJob("c", "failed", tag=TAG, training=TRAINING)
    other = RemoteJob("d", "running", tag="other", training=TRAINING)
    assert course.to_resume([failed_before, other], TAG, TRAINING) is None
    assert course.to_resume([failed_before, good_before], TAG, TRAINING) == good_before
    assert course.to_resume([good_before, own_failed], TAG, TRAINING) == own_failed
