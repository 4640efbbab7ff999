"""Keeping the newest event of the trainer's compacted topics, for the dashboard."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from labelmill.events import AcceptancePublished, QualityPublished
from labelmill.runtime.health import Health
from labelmill.runtime.postgres import Database
from labelmill.runtime.retry import outages
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import ACCEPTANCE, QUALITY

News = AcceptancePublished | QualityPublished
IsNewest = Callable[[], bool]
"""Returns whether no later event of the same project and type has been heard."""

_PUT = """
INSERT INTO published (project, topic, payload, published_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (project, topic) DO UPDATE SET payload = EXCLUDED.payload, published_at = EXCLUDED.published_at
WHERE EXCLUDED.published_at >= published.published_at
"""


class Published:
    """The newest event by project and topic, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, event: News) -> None:
        """Keep an event, unless a newer one is known."""
        topic = ACCEPTANCE if isinstance(event, AcceptancePublished) else QUALITY
        content = event.acceptance if isinstance(event, AcceptancePublished) else event.quality
        payload = msgspec.json.encode(content).decode()
        await self._database.pool.execute(_PUT, event.project, topic.name, payload, event.published_at)

    async def of(self, project: str) -> dict[str, msgspec.Raw]:
        """Return what is known of a project, topic to JSON."""
        rows = await self._database.pool.fetch(
            "SELECT topic, payload FROM published WHERE project = $1", project
        )
        return {row["topic"]: msgspec.Raw(row["payload"].encode()) for row in rows}


class NewsLog:
    """A component that writes down the news it hears, and then tells each of `then` of it."""

    def __init__(
        self, store: Published, then: Sequence[Callable[[News, IsNewest], Awaitable[None]]], health: Health
    ) -> None:
        self._store = store
        self._then = then
        self._health = health
        # By project and type, so that it is no larger than what there is to write.
        self._unwritten: dict[tuple[str, type[News]], News] = {}
        self._heard = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def hear(self, event: News) -> None:
        """Take note of an event; returns at once."""
        self._unwritten[(event.project, type(event))] = event
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
                key = next(iter(self._unwritten))
                event = self._unwritten.pop(key)
                async for attempt in outages():
                    with attempt:
                        await self._store.put(event)
                        for tell in self._then:
                            await tell(event, partial(self._is_newest, key))

    def _is_newest(self, key: tuple[str, type[News]]) -> bool:
        return key not in self._unwritten
