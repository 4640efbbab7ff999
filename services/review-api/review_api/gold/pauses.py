"""Who is paused: in PostgreSQL, and as the gate in front of the queue."""

import time
from typing import Final

from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.accounts.roles import Principal
from review_api.errors import ApiError
from review_api.gold import sql
from review_api.gold.judging import Fall
from review_api.gold.records import Cause, Pause
from review_api.projects.versions import Version
from review_api.tasks.rereviews import Rereviews

_REMEMBERED_SECONDS: Final = 3.0


class PauseStore:
    """Pauses in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self, project: str, reviewer: str, cause: Cause, fall: Fall) -> bool:
        """Pause somebody; return whether they were not paused before."""
        return bool(
            await self._database.pool.fetchval(
                sql.PAUSE, project, reviewer, cause, fall.since, fall.answers, fall.right
            )
        )

    async def lift(self, project: str, reviewer: str, by: str, reason: str) -> bool:
        """Let somebody work again; return whether they were paused."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            cause = await connection.fetchval(sql.LIFT, project, reviewer, by, reason)
            if cause is not None:
                detail = {"cause": cause, "reason": reason}
                await record(connection, by, "pause.lifted", reviewer, detail, project=project)
        return cause is not None

    async def of(self, project: str, reviewer: str) -> list[Pause]:
        """Return a person's pauses, the oldest first."""
        return [Pause(**row) for row in await self._database.pool.fetch(sql.PAUSES, project, reviewer)]

    async def in_force(self, project: str) -> dict[str, Cause]:
        """Return who is paused, and why."""
        rows = await self._database.pool.fetch(sql.PAUSED, project)
        return {row["reviewer"]: row["cause"] for row in rows}

    async def counts(self) -> dict[str, int]:
        """Return how many people are paused, by project."""
        return {row["project"]: row["people"] for row in await self._database.pool.fetch(sql.PAUSED_COUNTS)}

    async def reopen(self, rereviews: Rereviews, wait_seconds: float) -> tuple[str, int] | None:
        """Open the decisions of one pause again; return its project and how many, or None if none waits.

        It waits until the last of them can no longer be undone: an event that has not left stays as it is.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql.UNREOPENED, wait_seconds)
            if row is None:
                return None
            opened = await rereviews.open_decided_by(
                connection, row["project"], row["reviewer"], row["since"]
            )
            await connection.execute(sql.REOPENED, row["pause_id"], opened)
        return row["project"], opened


class PauseGate:
    """Gives no task to who is paused; asks the database once in some seconds, for all people of a project."""

    def __init__(self, store: PauseStore) -> None:
        self._store = store
        self._known: dict[str, tuple[dict[str, Cause], float]] = {}

    def forget(self, project: str) -> None:
        """Ask again: a pause began or was lifted. What is being asked now is not remembered."""
        self._known = {name: known for name, known in self._known.items() if name != project}

    async def check(self, by: Principal, version: Version) -> None:
        """Raise ApiError 403 `paused` if this person is."""
        cause = (await self._paused(version.spec.project)).get(by.name)
        if cause is not None:
            raise ApiError(403, "paused", _SENTENCES[cause])

    async def _paused(self, project: str) -> dict[str, Cause]:
        now = time.monotonic()
        known = self._known.get(project)
        if known is not None and now < known[1]:
            return known[0]
        into = self._known
        paused = await self._store.in_force(project)
        into[project] = (paused, now + _REMEMBERED_SECONDS)
        return paused


_SENTENCES: Final[dict[Cause, str]] = {
    "accuracy": "your work here is paused: of the checks whose answer is known, too many were answered "
    "otherwise; a manager can look at them with you and let you go on",
    "training": "the training is over and too many answers differed from the right ones: ask a manager how "
    "to go on",
}
