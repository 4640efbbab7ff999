"""Keeping what the trainer releases, for the dashboard."""

import asyncio

from labelmill.events import ReleasePublished
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import outages
from labelmill.runtime.tasks import break_off, supervised

from review_api.projects.store import ProjectStore


class ReleaseLog:
    """A component that writes down every release it hears of."""

    def __init__(self, store: ProjectStore, metrics: Metrics, health: Health) -> None:
        self._store = store
        self._metrics = metrics
        self._health = health
        # By release, so that it is no larger than what there is to write, however long the database is away.
        self._unwritten: dict[tuple[str, int], ReleasePublished] = {}
        self._heard = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def hear(self, event: ReleasePublished) -> None:
        """Take note of a release; returns at once."""
        self._metrics.release.labels(event.project).set(event.release.number)
        self._unwritten[(event.project, event.release.number)] = event
        self._heard.set()

    async def start(self) -> None:
        self._writing = supervised(self._write(), self._health)

    async def stop(self) -> None:
        await break_off(self._writing)

    async def _write(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            while self._unwritten:
                event = self._unwritten.pop(next(iter(self._unwritten)))
                async for attempt in outages():
                    with attempt:
                        await self._store.put_release(event)
