"""SQL of the state of promises, and the right to change it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from labelmill.promise.standing import Standing
from labelmill.runtime.postgres import Database

_LOCK = 0x7405
"""Advisory lock, together with the project's hash, of who judges a project's audits."""


class Gates:
    """Standings by project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def judging(self, project: str) -> AsyncIterator["Judging | None"]:
        """Give the right to judge a project's audits for a moment, or None while another process has it."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            free = await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock($1, hashtext($2))", _LOCK, project
            )
            if not free:
                yield None
                return
            state = await connection.fetchval("SELECT state FROM gates WHERE project = $1", project)
            judging = Judging(msgspec.json.decode(state, type=Standing) if state else None)
            yield judging
            if judging.now is not None and judging.now != judging.before:
                await connection.execute(
                    "INSERT INTO gates (project, state, updated_at)"
                    " VALUES ($1, $2, (extract(epoch FROM now()) * 1000)::bigint)"
                    " ON CONFLICT (project) DO UPDATE"
                    " SET state = excluded.state, updated_at = excluded.updated_at",
                    project,
                    msgspec.json.encode(judging.now).decode(),
                )

    async def watermark(self, project: str, dataset: str) -> int | None:
        """Return the seq up to which a dataset holds decisions, None if it is not known here."""
        found: int | None = await self._database.pool.fetchval(
            "SELECT watermark FROM datasets WHERE project = $1 AND version = $2", project, dataset
        )
        return found

    async def candidates(self, project: str) -> int:
        """Return how many candidates were ever judged on held-out decisions."""
        count: int = await self._database.pool.fetchval(
            "SELECT count(*) FROM candidates WHERE project = $1", project
        )
        return count


class Judging:
    """A standing as it was; what `now` is set to is stored in the end."""

    def __init__(self, before: Standing | None) -> None:
        self.before = before
        self.now: Standing | None = None
