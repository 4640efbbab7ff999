"""Keeping what the trainer releases, for the dashboard."""

import asyncio
import contextlib

from labelmill.events import ReleasePublished
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import outages

from review_api.projects.store import ProjectStore


class ReleaseLog:
    """A component that writes down every release it hears of."""

    def __init__(self, store: ProjectStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._heard: asyncio.Queue[ReleasePublished] = asyncio.Queue()
        self._writing: asyncio.Task[None] | None = None

    def hear(self, event: ReleasePublished) -> None:
        """Take note of a release; returns at once."""
        self._metrics.release.labels(event.project).set(event.release.number)
        self._heard.put_nowait(event)

    async def start(self) -> None:
        self._writing = asyncio.create_task(self._write())

    async def stop(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing

    async def _write(self) -> None:
        while True:
            event = await self._heard.get()
            async for attempt in outages():
                with attempt:
                    await self._store.put_release(event)
