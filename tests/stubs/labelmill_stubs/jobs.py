"""Files and fine-tuning jobs as the API tells of them, in memory; time is passed in by the caller."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from labelmill_stubs import training_file

STAGES = ("validating_files", "queued", "running", "succeeded")
FINISHED = frozenset({"succeeded", "failed", "cancelled"})


class Mode(StrEnum):
    """How the API behaves: with FAIL jobs fail instead of succeeding; the last two refuse every call."""

    NORMAL = "normal"
    FAIL = "fail"
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"


class ApiError(Exception):
    """A refusal in the API's shape."""

    def __init__(
        self, message: str, status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(slots=True)
class StoredFile:
    """An uploaded file."""

    id: str
    filename: str
    purpose: str
    content: bytes
    created_at: int

    def as_json(self) -> dict[str, Any]:
        """The file object of the API."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass(slots=True)
class Job:
    """A fine-tuning job. `entered` is when its present status began, `polls` how often that was told."""

    id: str
    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    metadata: dict[str, str]
    seed: int
    created_at: float
    entered: float
    status: str = STAGES[0]
    polls: int = 0
    finished_at: float | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    error: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The job object of the API."""
        return {
            "id": self.id,
            "object": "fine_tuning.job",
            "model": self.model,
            "created_at": int(self.created_at),
            "finished_at": None if self.finished_at is None else int(self.finished_at),
            "fine_tuned_model": self.fine_tuned_model,
            "organization_id": "org-stub",
            "result_files": [],
            "status": self.status,
            "training_file": self.training_file,
            "validation_file": self.validation_file,
            "hyperparameters": {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 1.0},
            "trained_tokens": self.trained_tokens,
            "error": self.error,
            "metadata": self.metadata,
            "seed": self.seed,
            "integrations": [],
            "method": {"type": "supervised"},
            "user_provided_suffix": self.suffix,
            "estimated_finish": None,
        }


class Workshop:
    """The state of the API: files, jobs, and how fast jobs move.

    A job moves to its next status once it was asked for `polls_per_stage` times and `seconds_per_stage` have
    passed since it entered the present one. With `idempotent`, creating a job whose metadata equals that of
    an earlier job, and is not empty, returns that job; the real API makes another, and so does the stub by
    default, counting it in `duplicate_jobs`.
    """

    def __init__(
        self, polls_per_stage: int = 1, seconds_per_stage: float = 0.0, *, idempotent: bool = False
    ) -> None:
        self.mode = Mode.NORMAL
        self.polls_per_stage = polls_per_stage
        self.seconds_per_stage = seconds_per_stage
        self.idempotent = idempotent
        self.files: dict[str, StoredFile] = {}
        self.jobs: dict[str, Job] = {}
        self._uploads = 0
        self._refused = 0
        self._polls = 0
        self._duplicates = 0

    def guard(self) -> None:
        """Raise ApiError if the mode refuses every call."""
        if self.mode is Mode.RATE_LIMITED:
            self._refused += 1
            raise ApiError("Rate limit reached for requests", 429, "rate_limit_exceeded")
        if self.mode is Mode.SERVER_ERROR:
            self._refused += 1
            raise ApiError("The server had an error while processing your request.", 500)

    def upload(self, filename: str, purpose: str, content: bytes, now: float) -> StoredFile:
        """Keep a file. Raises ApiError for one that a fine-tuning job or a batch could not read."""
        if purpose == "fine-tune":
            if not filename.endswith(".jsonl"):
                raise ApiError("Invalid extension. Fine-tuning files end in .jsonl.", param="file")
            found = training_file.problems(content)
            if found:
                raise ApiError("Invalid file format. " + " ".join(found), param="file")
        if purpose == "batch" and not filename.endswith(".jsonl"):
            raise ApiError("Invalid extension. Files of batches end in .jsonl.", param="file")
        self._uploads += 1
        stored = StoredFile(f"file-stub{self._uploads:06d}", filename, purpose, content, int(now))
        self.files[stored.id] = stored
        return stored

    def file(self, file_id: str) -> StoredFile:
        """Raises ApiError for a file that does not exist."""
        if file_id not in self.files:
            raise ApiError(f"No such File object: {file_id}", 404, param="id")
        return self.files[file_id]

    def delete_file(self, file_id: str) -> None:
        """Forget a file. Raises ApiError for one that does not exist."""
        del self.files[self.file(file_id).id]

    def create(self, asked: Any, now: float) -> Job:
        """Start a job from the request's JSON. Raises ApiError for what the API refuses."""
        model, file_id, metadata = _job_request(asked)
        for each in filter(None, (file_id, asked.get("validation_file"))):
            if each not in self.files:
                raise ApiError(f"invalid training_file: {each}", param="training_file")
        same = [job for job in self.jobs.values() if metadata and job.metadata == metadata]
        if same and self.idempotent:
            return same[0]
        self._duplicates += bool(same)
        job = Job(
            id=f"ftjob-stub{len(self.jobs) + 1:06d}",
            model=model,
            training_file=file_id,
            validation_file=asked.get("validation_file"),
            suffix=asked.get("suffix"),
            metadata=metadata,
            seed=asked.get("seed") or 0,
            created_at=now,
            entered=now,
        )
        self._tell(job, f"Created fine-tuning job: {job.id}", now)
        self.jobs[job.id] = job
        return job

    def job(self, job_id: str) -> Job:
        """Raises ApiError for a job that does not exist."""
        if job_id not in self.jobs:
            raise ApiError(
                f"Could not find fine tune: {job_id}", 404, "fine_tune_not_found", "fine_tuning_job_id"
            )
        return self.jobs[job_id]

    def poll(self, job_id: str, now: float) -> Job:
        """The job as it stands; this call counts as one of the polls that move it on."""
        job = self.job(job_id)
        self._polls += 1
        due = job.polls >= self.polls_per_stage and now - job.entered >= self.seconds_per_stage
        if due and job.status not in FINISHED:
            self._advance(job, now)
        job.polls += 1
        return job

    def cancel(self, job_id: str, now: float) -> Job:
        """End a job. Raises ApiError if it has ended already."""
        job = self.job(job_id)
        if job.status in FINISHED:
            raise ApiError(f"Job {job_id} is already {job.status}.")
        self._end(job, "cancelled", now)
        return job

    def list_jobs(self, metadata: dict[str, str], after: str | None, limit: int) -> tuple[list[Job], bool]:
        """Jobs that carry all of `metadata`, newest first, and whether more follow; `after` is a job's id."""
        jobs = [job for job in reversed(self.jobs.values()) if metadata.items() <= job.metadata.items()]
        if after is not None:
            ids = [job.id for job in jobs]
            if after not in ids:
                raise ApiError(f"No such job: {after}", param="after")
            jobs = jobs[ids.index(after) + 1 :]
        return jobs[:limit], len(jobs) > limit

    def stats(self) -> dict[str, Any]:
        """What has been asked so far."""
        states = [job.status for job in self.jobs.values()]
        return {
            "mode": self.mode,
            "uploads": self._uploads,
            "files": len(self.files),
            "jobs": len(self.jobs),
            "duplicate_jobs": self._duplicates,
            "polls": self._polls,
            "refused": self._refused,
            "by_status": {status: states.count(status) for status in sorted(set(states))},
        }

    def _advance(self, job: Job, now: float) -> None:
        following = STAGES[STAGES.index(job.status) + 1]
        if job.status == "validating_files":
            examples = self._examples(job)
            if examples < training_file.MIN_EXAMPLES:
                few = f"Training file has {examples} example(s), but must have at least"
                self._fail(job, "invalid_n_examples", f"{few} {training_file.MIN_EXAMPLES}.", now)
                return
        if following == "succeeded":
            if self.mode is Mode.FAIL:
                self._fail(job, "server_error", "The job failed due to an internal error.", now)
                return
            job.fine_tuned_model = f"ft:{job.model}:stub:{job.suffix or ''}:{job.id.removeprefix('ftjob-')}"
            job.trained_tokens = 3 * training_file.characters(self.files[job.training_file].content) // 4
            self._end(job, following, now)
            return
        job.status, job.entered, job.polls = following, now, 0
        self._tell(job, f"The job is {following}", now)

    def _examples(self, job: Job) -> int:
        stored = self.files.get(job.training_file)
        return training_file.count(stored.content) if stored else 0

    def _fail(self, job: Job, code: str, message: str, now: float) -> None:
        job.error = {"code": code, "message": message, "param": "training_file"}
        self._end(job, "failed", now)

    def _end(self, job: Job, status: str, now: float) -> None:
        job.status, job.finished_at, job.entered = status, now, now
        self._tell(job, f"The job has {status}" if status != "cancelled" else "The job was cancelled", now)

    @staticmethod
    def _tell(job: Job, message: str, now: float) -> None:
        number = len(job.events) + 1
        event = {
            "id": f"ftevent-{job.id}-{number}",
            "object": "fine_tuning.job.event",
            "created_at": int(now),
        }
        job.events.append({**event, "level": "info", "message": message, "type": "message"})


def _job_request(asked: Any) -> tuple[str, str, dict[str, str]]:
    if not isinstance(asked, dict):
        raise ApiError("The request must be an object.")
    for name in ("model", "training_file"):
        if not isinstance(asked.get(name), str):
            raise ApiError(
                f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name
            )
    metadata = metadata_in(asked)
    if len(asked.get("suffix") or "") > 64:
        raise ApiError("suffix has at most 64 characters.", param="suffix")
    return asked["model"], asked["training_file"], metadata


def metadata_in(asked: dict[str, Any]) -> dict[str, str]:
    """The metadata of a request. Raises ApiError for what the API refuses."""
    metadata = asked.get("metadata") or {}
    strings = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    if not strings or len(metadata) > 16:
        raise ApiError("metadata takes at most 16 pairs of strings.", param="metadata")
    return dict(metadata)
