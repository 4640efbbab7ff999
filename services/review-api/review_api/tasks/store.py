"""All SQL about tasks: claiming them under leases, deciding, and taking a decision back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
from labelmill.runtime.postgres import Database

from review_api.tasks import sql

_CLAIM_TRIES = 5


@dataclass(frozen=True)
class Claimed:
    """A leased task. `label` and `confidence` are the machine's; `kept` is a late answer of this person's.

    `lease_until` is in Unix milliseconds; `metadata`, `label` and `kept` are JSON.
    """

    task_id: int
    fence: int
    lease_until: int
    item_id: str
    content: str
    metadata: str
    blind: bool
    label: str
    confidence: float
    reasons: list[str]
    kept: str | None


@dataclass(frozen=True)
class Taken:
    """A task whose lease has just become a decision, locked for the rest of the transaction.

    `decided` counts the decisions before this one. `label` is the machine's, as JSON. `seconds` is the
    active time since the claim, or since the person's last decision if that was later.
    """

    task_id: int
    slot: int
    project: str
    project_version: int
    item_id: str
    guideline_version: int
    needed: int
    decided: int
    label: str
    confidence: float
    reasons: list[str]
    release: int
    seconds: float


@dataclass(frozen=True)
class Standing:
    """How far a task is: `decided` of `needed` decisions."""

    decided: int
    needed: int


class TaskStore:
    """Tasks in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, project: str, reviewer: str, seconds: float, count: int) -> list[Claimed]:
        """Lease up to `count` tasks to a reviewer, those with the lowest priority value first."""
        claimed: list[Claimed] = []
        for _ in range(count):
            task = await self._claim_one(project, reviewer, seconds)
            if task is None:
                break
            claimed.append(task)
        return claimed

    async def _claim_one(self, project: str, reviewer: str, seconds: float) -> Claimed | None:
        for attempt in range(_CLAIM_TRIES):
            try:
                row = await self._database.pool.fetchrow(sql.CLAIM, project, reviewer, seconds)
            except asyncpg.UniqueViolationError:
                # Two claims of one person at once met at one task; the other has it.
                if attempt == _CLAIM_TRIES - 1:
                    raise
                continue
            return None if row is None else Claimed(**row)
        return None

    async def reopen_expired(self, project: str) -> int:
        """Give back the tasks whose lease has run out; return how many."""
        status = await self._database.pool.execute(sql.REOPEN_EXPIRED, project)
        return int(status.split()[-1])

    async def extend(self, task_id: int, reviewer: str, fence: int, seconds: float) -> int | None:
        """Extend a lease that is still held; return its new end in Unix milliseconds, or None."""
        end: int | None = await self._database.pool.fetchval(sql.EXTEND, task_id, reviewer, fence, seconds)
        return end

    async def skip(self, task_id: int, reviewer: str, fence: int, reason: str, seconds: float) -> bool:
        """Give a task back, not to be offered to this reviewer for `seconds`; False if the lease is lost."""
        return bool(await self._database.pool.fetchval(sql.SKIP, task_id, reviewer, fence, reason, seconds))

    async def standing(self, task_id: int) -> Standing | None:
        """Return how far a task is, or None if there is no such task."""
        row = await self._database.pool.fetchrow(sql.STANDING, task_id)
        return None if row is None else Standing(**row)

    async def decided_as(self, task_id: int, reviewer: str, fence: int) -> str | None:
        """Return the label (JSON) that was decided under a lease, or None."""
        label: str | None = await self._database.pool.fetchval(sql.DECIDED_AS, task_id, reviewer, fence)
        return label

    async def keep_late(self, task_id: int, reviewer: str, label: str) -> None:
        """Keep an answer that came too late, for the person who gave it."""
        await self._database.pool.execute(sql.KEEP_LATE, task_id, reviewer, label)

    @asynccontextmanager
    async def deciding(self, task_id: int, reviewer: str, fence: int) -> AsyncIterator["Deciding | None"]:
        """Open the transaction of a decision: the lease is used up and the task locked.

        Gives None if the lease is not held (any more). Nothing is kept if the block raises.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql.TAKE, task_id, reviewer, fence)
            yield None if row is None else Deciding(connection, Taken(**row), reviewer, fence)

    async def undo(self, task_id: int, reviewer: str, seconds: float) -> tuple[int, int] | None:
        """Turn a reviewer's decision back into a lease; return its fence and end (Unix milliseconds).

        None if there is no such decision, or its event has left or may be leaving.
        """
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(sql.RELEASE, task_id, reviewer, seconds)
                if row is None:
                    return None
                await _unsettle(connection, task_id)
                await connection.execute(sql.DROP_DECISION, task_id, row["slot"])
                return row["fence"], row["lease_until"]
        except _TooLateError:
            return None


class Deciding:
    """The open transaction of one decision."""

    def __init__(self, connection: asyncpg.Connection, taken: Taken, reviewer: str, fence: int) -> None:
        self._connection = connection
        self._reviewer = reviewer
        self._fence = fence
        self.taken = taken

    async def earlier_labels(self) -> list[Any]:
        """Return the labels decided before, in their order."""
        if self.taken.decided == 0:
            return []
        rows = await self._connection.fetch(sql.LABELS, self.taken.task_id)
        return [msgspec.json.decode(row["label"]) for row in rows]

    async def keep(self, label: str, seconds: float) -> None:
        """Store the decision; the task needs more."""
        await self._connection.execute(sql.KEEP, *self._decision(label, seconds))

    async def settle(
        self, label: str, seconds: float, settled: str, *, correction: bool, hold: float
    ) -> None:
        """Store the last decision, the label they all settle on, and the event to send in `hold` seconds."""
        taken = self.taken
        await self._connection.execute(
            sql.SETTLE,
            *self._decision(label, seconds),
            settled,
            taken.confidence,
            taken.guideline_version,
            taken.release,
            correction,
            "audit" in taken.reasons,
            hold,
        )

    def _decision(self, label: str, seconds: float) -> tuple[Any, ...]:
        taken = self.taken
        return (
            taken.task_id,
            taken.slot,
            taken.project,
            taken.item_id,
            self._reviewer,
            self._fence,
            label,
            seconds,
        )


class _TooLateError(Exception):
    """The event has left: the transaction is rolled back."""


async def _unsettle(connection: asyncpg.Connection, task_id: int) -> None:
    """Take back what settling the task did, if it was settled. Raises _TooLateError."""
    task = await connection.fetchrow(sql.LOCK_TASK, task_id)
    if task["decided"] < task["needed"]:
        return
    held = await connection.fetchrow(sql.CALL_BACK, task_id)
    if held is None:
        raise _TooLateError
    if held["replaced"] is None:
        await connection.execute(sql.DROP_FINAL, task["project"], task["item_id"])
    else:
        await connection.execute(sql.RESTORE_FINAL, held["replaced"])
