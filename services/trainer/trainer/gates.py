"""SQL of the state of promises, and the right to change it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
from labelmill.promise.standing import Standing
from labelmill.runtime.postgres import Database

from trainer.definitions import Definition

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
            row = await connection.fetchrow(
                "SELECT state, machine, rules FROM gates WHERE project = $1", project
            )
            judging = Judging(_kept(*row) if row else None)
            yield judging
            if judging.now is not None and judging.now != judging.before:
                standing, definition = judging.now
                state = msgspec.json.encode(standing).decode()
                await connection.execute(_KEEP, project, state, *definition)

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


_KEEP = """
INSERT INTO gates (project, state, machine, rules, updated_at)
VALUES ($1, $2, $3, $4, (extract(epoch FROM now()) * 1000)::bigint)
ON CONFLICT (project) DO UPDATE SET state = excluded.state, machine = excluded.machine,
    rules = excluded.rules, updated_at = excluded.updated_at
"""


class Kept(NamedTuple):
    """A standing, and the definition of the project that it is about."""

    standing: Standing
    definition: Definition


class Judging:
    """What was kept of a project; what `now` is set to is kept in the end."""

    def __init__(self, before: Kept | None) -> None:
        self.before = before
        self.now: Kept | None = None


def _kept(state: str, machine: str, rules: str) -> Kept:
    return Kept(msgspec.json.decode(state, type=Standing), Definition(machine, rules))
