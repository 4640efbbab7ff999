"""SQL of what the trainer publishes: recorded first, published after by the relay."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
from labelmill.runtime.postgres import Database
from labelmill.topics import RELEASES, Topic

_LOCK = 0x7404
"""Advisory lock of the one process that publishes."""


class Publication(NamedTuple):
    """A record to publish: `revision` is a release's number, or counts the records of a project and topic."""

    topic: str
    project: str
    revision: int
    payload: bytes


class Publications:
    """The newest record of each project on each compacted topic, and all releases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, project: str, topic: Topic, payload: bytes, now: int) -> None:
        """Record `payload` as the project's newest on `topic`; the relay publishes it once it is woken.

        One that was recorded before and has not been published yet is not published any more.
        """
        await self._database.pool.execute(
            "INSERT INTO publications (project, topic, payload, created_at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (project, topic) DO UPDATE SET revision = publications.revision + 1,"
            " payload = excluded.payload, created_at = excluded.created_at, published_at = NULL",
            *(project, topic.name, payload, now),
        )

    async def newest(self, project: str, topic: Topic) -> bytes | None:
        """Return the record's value that was put last, published or about to be."""
        payload: bytes | None = await self._database.pool.fetchval(
            "SELECT payload FROM publications WHERE project = $1 AND topic = $2", project, topic.name
        )
        return payload

    @asynccontextmanager
    async def unpublished(self) -> AsyncIterator[list[Publication]]:
        """Yield what is to be published, releases first and in order, and mark it on a clean exit.

        One process at a time: others see nothing meanwhile. A crash before the mark publishes the same bytes
        again.
        """
        async with self._database.pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1, 0)", _LOCK):
                yield []
                return
            try:
                found = await _unpublished(connection)
                yield found
                await _mark(connection, found)
            finally:
                if not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock($1, 0)", _LOCK)


async def _unpublished(connection: asyncpg.Connection) -> list[Publication]:
    releases = await connection.fetch(
        "SELECT project, number, payload FROM releases WHERE published_at IS NULL"
        " ORDER BY project, number LIMIT 100"
    )
    others = await connection.fetch(
        "SELECT topic, project, revision, payload FROM publications WHERE published_at IS NULL"
        " ORDER BY project, topic LIMIT 100"
    )
    return [
        *(Publication(RELEASES.name, *row) for row in releases),
        *(Publication(*row) for row in others),
    ]


async def _mark(connection: asyncpg.Connection, published: list[Publication]) -> None:
    now = int(time.time() * 1000)
    await connection.executemany(
        "UPDATE releases SET published_at = $3 WHERE project = $1 AND number = $2",
        [(each.project, each.revision, now) for each in published if each.topic == RELEASES.name],
    )
    # A newer one may have been put meanwhile: it is still to be published.
    await connection.executemany(
        "UPDATE publications SET published_at = $4 WHERE project = $1 AND topic = $2 AND revision = $3",
        [(p.project, p.topic, p.revision, now) for p in published if p.topic != RELEASES.name],
    )
