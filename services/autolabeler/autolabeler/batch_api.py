"""The provider's batch API: files and batches, and what went wrong in the flow's words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx2
import openai
from openai.types import Batch as ApiBatch

from autolabeler.batching import PATH, RemoteBatch
from autolabeler.llm import problem_of
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Passing

_MARK: Final = "labelmill_batch"
_LOOKED_AT: Final = 300
"""Newest files and batches among which one of a process that died is looked for."""
_TIMEOUT_SECONDS: Final = 120.0


class BatchProvider:
    """The provider's API; a component of the service. Its methods raise NoAnswer."""

    def __init__(self, settings: AutolabelerSettings) -> None:
        self._settings = settings
        self._client: openai.AsyncOpenAI | None = None

    async def start(self) -> None:
        settings = self._settings
        self._client = openai.AsyncOpenAI(
            base_url=settings.batch_base_url or settings.openai_base_url,
            api_key=settings.openai_api_key.get_secret_value(),
            # A try again inside the client could make a second batch: the flow looks before it tries again.
            max_retries=0,
            timeout=_TIMEOUT_SECONDS,
        )

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def find_file(self, name: str) -> str | None:
        """Return the id of the newest file of that name, or None."""
        async with self._asked() as client:
            seen = 0
            async for file in client.files.list(purpose="batch", order="desc"):
                if file.filename == name:
                    return file.id
                seen += 1
                if seen >= _LOOKED_AT:
                    break
        return None

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests and return its id."""
        async with self._asked() as client:
            return (await client.files.create(file=(name, content), purpose="batch")).id

    async def find_batch(self, mark: str) -> RemoteBatch | None:
        """Return the batch that carries a mark, or None."""
        async with self._asked() as client:
            seen = 0
            async for batch in client.batches.list(limit=100):
                if (batch.metadata or {}).get(_MARK) == mark:
                    return _remote(batch)
                seen += 1
                if seen >= _LOOKED_AT:
                    break
        return None

    async def create(self, file_id: str, mark: str) -> RemoteBatch:
        """Create a batch under a mark and return it."""
        async with self._asked() as client:
            batch = await client.batches.create(
                input_file_id=file_id, endpoint=PATH, completion_window="24h", metadata={_MARK: mark}
            )
            return _remote(batch)

    async def batch(self, batch_id: str) -> RemoteBatch:
        """Return a batch as it stands."""
        async with self._asked() as client:
            try:
                return _remote(await client.batches.retrieve(batch_id))
            except openai.NotFoundError as error:
                return RemoteBatch(batch_id, "lost", problem=error.message)

    async def content(self, batch: RemoteBatch) -> bytes:
        """Return the lines of a batch's output and of its errors."""
        async with self._asked() as client:
            files = [file for file in (batch.output_file, batch.error_file) if file]
            return b"\n".join([(await client.files.content(file)).content for file in files])

    async def remove(self, *files: str) -> None:
        """Delete files, which hold texts, as far as the provider lets that be done now."""
        assert self._client is not None
        for file in filter(None, files):
            with suppress(openai.APIError):
                await self._client.files.delete(file)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[openai.AsyncOpenAI]:
        assert self._client is not None, "start the provider before using it"
        try:
            yield self._client
        except openai.APIError as error:
            raise problem_of(error) from error
        except httpx2.HTTPError as error:
            raise Passing("connection", detail=repr(error)) from error


def _remote(batch: ApiBatch) -> RemoteBatch:
    errors = (batch.errors.data if batch.errors else None) or []
    first = errors[0] if errors else None
    return RemoteBatch(
        id=batch.id,
        status=batch.status,
        output_file=batch.output_file_id or "",
        error_file=batch.error_file_id or "",
        code=(first.code if first else None) or "",
        problem=(first.message if first else None) or "",
    )
