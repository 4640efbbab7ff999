"""An OpenAI-compatible provider: files, fine-tuning jobs, and questions to the models they make."""

from collections.abc import Sequence

import openai
from labelmill.prompts import Message
from openai.types.fine_tuning import FineTuningJob

from trainer.finetuning_job import RemoteJob
from trainer.settings import TrainerSettings

_TAG, _TRAINING = "labelmill_dataset", "labelmill_training"
_LOOKED_AT = 300
"""Newest files and jobs among which those of an interrupted training are looked for."""
_TIMEOUT_SECONDS = 120.0
_PASSING_STATUSES = frozenset({408, 409, 425, 429})


class Provider:
    """The provider's API; a component of the service. Its methods raise openai's errors."""

    def __init__(self, settings: TrainerSettings) -> None:
        self._settings = settings
        self._jobs_client: openai.AsyncOpenAI | None = None
        self._chat_client: openai.AsyncOpenAI | None = None

    async def start(self) -> None:
        settings = self._settings
        self._chat_client = self._client(settings.openai_base_url)
        self._jobs_client = self._client(settings.finetuning_base_url or settings.openai_base_url)

    async def stop(self) -> None:
        for client in (self._jobs_client, self._chat_client):
            if client is not None:
                await client.close()

    async def find_file(self, name: str) -> str | None:
        """Return the id of the newest file of that name, or None."""
        seen = 0
        async for file in self._jobs.files.list(purpose="fine-tune", order="desc"):
            if file.filename == name:
                return file.id
            seen += 1
            if seen >= _LOOKED_AT:
                break
        return None

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a training file and return its id."""
        file = await self._jobs.files.create(file=(name, content), purpose="fine-tune")
        return file.id

    async def jobs(self, tag: str) -> list[RemoteJob]:
        """Return the jobs that carry `tag`, newest first."""
        found = []
        seen = 0
        # Not every server knows the filter, so the answer is filtered again.
        async for job in self._jobs.fine_tuning.jobs.list(limit=100, metadata={_TAG: tag}):
            remote = _remote(job)
            if remote.tag == tag:
                found.append(remote)
            seen += 1
            if seen >= _LOOKED_AT:
                break
        return found

    async def create(self, model: str, file_id: str, tag: str, training: str) -> RemoteJob:
        """Create a job marked with `tag` and `training` and return it."""
        job = await self._jobs.fine_tuning.jobs.create(
            model=model,
            training_file=file_id,
            suffix=tag[:18],
            metadata={_TAG: tag, _TRAINING: training},
        )
        return _remote(job)

    async def job(self, job_id: str) -> RemoteJob:
        """Return a job as it stands."""
        return _remote(await self._jobs.fine_tuning.jobs.retrieve(job_id))

    async def cancel(self, job_id: str) -> None:
        """Stop a job."""
        await self._jobs.fine_tuning.jobs.cancel(job_id)

    async def ask(self, model: str, messages: Sequence[Message]) -> tuple[str, float | None]:
        """Return the first token of the answer and its log probability, if the provider tells it."""
        assert self._chat_client is not None, "start the provider before asking"
        completion = await self._chat_client.post(
            "/chat/completions",
            cast_to=openai.types.chat.ChatCompletion,
            body={
                "model": model,
                "messages": list(messages),
                "temperature": 0,
                self._settings.llm_tokens_field: 1,
                "logprobs": True,
            },
        )
        choice = completion.choices[0]
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        return choice.message.content or "", tokens[0].logprob if tokens else None

    @property
    def _jobs(self) -> openai.AsyncOpenAI:
        assert self._jobs_client is not None, "start the provider before using it"
        return self._jobs_client

    def _client(self, base_url: str) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=base_url,
            api_key=self._settings.openai_api_key.get_secret_value() or "none",
            # A try again inside the client could make a second job: the trainer looks before it tries again.
            max_retries=0,
            timeout=_TIMEOUT_SECONDS,
        )


def is_passing(error: openai.APIError) -> bool:
    """Return whether the same call may succeed later."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code >= 500 or error.status_code in _PASSING_STATUSES
    return isinstance(error, openai.APIConnectionError)


def _remote(job: FineTuningJob) -> RemoteJob:
    marks = job.metadata or {}
    return RemoteJob(
        id=job.id,
        status=job.status,
        model=job.fine_tuned_model or "",
        error=job.error.message if job.error else "",
        tag=marks.get(_TAG, ""),
        training=marks.get(_TRAINING, ""),
    )
