"""All SQL about tasks: claiming them under leases, deciding, and taking a decision back."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import asyncpg
import msgspec
from labelmill.runtime.postgres import Database

from review_api.tasks import sql
from review_api.tasks.second_look import Doubted
from review_api.tasks.together import Together

_BATCH = 32
_BATCHES_AT_ONCE = 1
_CLAIM_TRIES = 5
_WINDOWS_FURTHER_ON = 10
_MOST_PLACES = 10_000

Arguments = tuple[Any, ...]
"""Of a statement, from $1 on."""

Place = tuple[bool, float, int, int]
"""A key of the queue's index: the search goes on after it."""

_HEAD: Place = (False, float("-inf"), 0, -1)


@dataclass(frozen=True)
class Claimed:
    """A leased task. `label` and `confidence` are the machine's; `kept` is a late answer of this person's.

    `lease_until` is in Unix milliseconds; `metadata`, `label`, `kept` and `answers` are JSON. `answers` are
    those of the people between whom an expert is to decide; None if this is no such task. `training`: it is
    gold, and the person knows. `guideline_version` is the one that the task was made under; gold has none.
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
    needed: int
    pool: str
    adjudicates: bool = False
    answers: list[str] | None = None
    training: bool = False
    guideline_version: int = 0


@dataclass(frozen=True)
class Lease:
    """A person's hold on a task, as the person claims to have it."""

    task_id: int
    reviewer: str
    fence: int


@dataclass(frozen=True)
class Subject:
    """What a task is about."""

    task_id: int
    project: str
    item_id: str


@dataclass(frozen=True)
class Facts:
    """What a decision must know of its task beforehand. It does not change while a lease on it is held."""

    project: str
    needed: int
    guideline_version: int


@dataclass(frozen=True)
class Verdict:
    """A decision to store, as JSON: the label, and what the task's decisions settle on (None: not yet).

    `guideline_version` is the one it was made by; `most_seconds` bounds the active time; the event may leave
    after `hold` seconds.
    """

    label: str
    settled: str | None
    guideline_version: int
    most_seconds: float
    hold: float


@dataclass(frozen=True)
class Held:
    """The assignment that a decision is about: its place in the queue, whether it belongs to a re-review, and
    whether its person is an expert who was asked because others differ."""

    pool: str
    priority: float
    again: bool
    adjudicates: bool


@dataclass(frozen=True)
class Standing:
    """How far a task is: `decided` of `needed` decisions."""

    decided: int
    needed: int


class TaskStore:
    """Tasks in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[tuple[str, str, str], Place] = {}
        self._claiming = Together(partial(self._each, sql.CLAIM), most=_BATCH, at_once=_BATCHES_AT_ONCE)
        self._deciding = Together(partial(self._each, sql.DECIDE), most=_BATCH, at_once=_BATCHES_AT_ONCE)

    async def _each(self, statement: str, arguments: Sequence[Arguments]) -> Sequence[asyncpg.Record]:
        """Run a statement of one row once for each `arguments`: one trip, one transaction, one wait for the
        disk."""
        async with self._database.pool.acquire() as connection:
            rows: list[asyncpg.Record] = await connection.fetchmany(statement, arguments)
        return rows

    async def claim(
        self, project: str, reviewer: str, pools: Sequence[str], seconds: float, count: int
    ) -> list[Claimed]:
        """Lease up to `count` tasks to a reviewer, from one of `pools` after the other: what others have
        begun, then by lowest priority value."""
        claimed: list[Claimed] = []
        for _ in range(count):
            task = await self._claim_one(project, reviewer, pools, seconds)
            if task is None:
                break
            claimed.append(task)
        return claimed

    async def _claim_one(
        self, project: str, reviewer: str, pools: Sequence[str], seconds: float
    ) -> Claimed | None:
        for _ in range(_CLAIM_TRIES):
            try:
                row = await self._search(project, reviewer, pools, seconds)
            except asyncpg.UniqueViolationError:
                continue  # two claims of one person at once met at one task; the other has it
            return None if row is None else Claimed(**row)
        return None

    async def _search(
        self, project: str, reviewer: str, pools: Sequence[str], seconds: float
    ) -> asyncpg.Record | None:
        found = await self._claiming((project, reviewer, seconds, pools))
        if found["task_id"] is not None:
            return found
        for pool in pools:
            further_on = await self._search_further_on(project, reviewer, pool, seconds)
            if further_on is not None:
                return further_on
        return None

    async def _search_further_on(
        self, project: str, reviewer: str, pool: str, seconds: float
    ) -> asyncpg.Record | None:
        """Search behind the head of a pool, in which a person's own work has piled up.

        A call looks at a bounded part and remembers where to go on, so that a few calls go all the way round.
        """
        database, key = self._database.pool, (project, reviewer, pool)
        place = self._places.pop(key, None) or await database.fetchrow(sql.WINDOW_END, project, pool, *_HEAD)
        for _ in range(_WINDOWS_FURTHER_ON):
            if place is None:
                return None
            found = await database.fetchrow(sql.CLAIM_FURTHER_ON, project, reviewer, seconds, pool, *place)
            if found["task_id"] is not None:
                break
            place = await database.fetchrow(sql.WINDOW_END, project, pool, *place)
        if place is not None and len(self._places) < _MOST_PLACES:
            self._places[key] = tuple(place)
        return None if found["task_id"] is None else found

    async def with_answers(self, tasks: list[Claimed]) -> list[Claimed]:
        """Return tasks with what people have answered to those between whom an expert is to decide: without
        who, and in no order of time."""
        asked = [task.task_id for task in tasks if task.adjudicates]
        if not asked:
            return tasks
        answers: dict[int, list[str]] = {}
        for row in await self._database.pool.fetch(sql.ANSWERS, asked):
            answers.setdefault(row["task_id"], []).append(row["label"])
        return [
            replace(task, answers=answers.get(task.task_id)) if task.adjudicates else task for task in tasks
        ]

    async def reopen_expired(self, project: str) -> int:
        """Give back the tasks whose lease has run out; return how many."""
        status = await self._database.pool.execute(sql.REOPEN_EXPIRED, project)
        return int(status.split()[-1])

    async def extend(self, lease: Lease, seconds: float) -> int | None:
        """Extend a lease that is still held; return its new end in Unix milliseconds, or None."""
        end: int | None = await self._database.pool.fetchval(
            sql.EXTEND, lease.task_id, lease.reviewer, lease.fence, seconds
        )
        return end

    async def skip(self, lease: Lease, reason: str, seconds: float) -> bool:
        """Give a task back, not to be offered to this reviewer for `seconds`; False if the lease is lost."""
        return bool(
            await self._database.pool.fetchval(
                sql.SKIP, lease.task_id, lease.reviewer, lease.fence, reason, seconds
            )
        )

    async def give_back(self, lease: Lease) -> bool:
        """Give a task back that nobody has looked at; False if the lease is lost."""
        return bool(
            await self._database.pool.fetchval(sql.GIVE_BACK, lease.task_id, lease.reviewer, lease.fence)
        )

    async def subject(self, lease: Lease) -> Subject | None:
        """Return what a task is about that is held, or was decided, under a lease; None if that is over."""
        row = await self._database.pool.fetchrow(sql.SUBJECT, lease.task_id, lease.reviewer, lease.fence)
        return None if row is None else Subject(**row)

    async def standing(self, task_id: int) -> Standing | None:
        """Return how far a task is, or None if there is no such task."""
        row = await self._database.pool.fetchrow(sql.STANDING, task_id)
        return None if row is None else Standing(**row)

    async def decided_as(self, lease: Lease) -> str | None:
        """Return the label (JSON) that was decided under a lease, or None."""
        label: str | None = await self._database.pool.fetchval(
            sql.DECIDED_AS, lease.task_id, lease.reviewer, lease.fence
        )
        return label

    async def keep_late(self, lease: Lease, label: str) -> None:
        """Keep an answer that came too late, for the person who gave it."""
        await self._database.pool.execute(sql.KEEP_LATE, lease.task_id, lease.reviewer, label)

    async def facts(self, task_id: int) -> Facts | None:
        """Return what a decision must know of its task, or None if there is no such task."""
        row = await self._database.pool.fetchrow(sql.FACTS, task_id)
        return None if row is None else Facts(**row)

    async def decide_alone(self, lease: Lease, verdict: Verdict) -> Standing | None:
        """Store the only decision that a task needs, in one statement; None if the lease is lost."""
        return _standing(await self._deciding(_arguments(lease, verdict)))

    @asynccontextmanager
    async def deciding(self, lease: Lease) -> AsyncIterator["Deciding | None"]:
        """Open the transaction of one decision among several: the task is locked, so they queue up. None if
        there is no such task (any more), or it is not in this person's hands at all."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql.LOCK_TASK, lease.task_id, lease.reviewer)
            yield None if row is None or row["slot"] is None else Deciding(connection, lease, row)

    async def undo(self, task_id: int, reviewer: str, seconds: float) -> tuple[int, int] | None:
        """Turn a reviewer's decision back into a lease; return its fence and end (Unix milliseconds).

        None if there is no such decision, or its event has left or may be leaving.
        """
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                task = await connection.fetchrow(sql.LOCK_TASK, task_id, reviewer)
                row = await connection.fetchrow(sql.RELEASE, task_id, reviewer, seconds)
                if row is None:
                    return None
                await _unsettle(connection, task_id, task)
                await _ask_no_other(connection, task_id, again=row["again"], after=row["slot"])
                await connection.execute(sql.DROP_DECISION, task_id, row["slot"])
                return row["fence"], row["lease_until"]
        except _TooLateError:
            return None


class Deciding:
    """The open transaction of one decision; `standing` is how far the task was before it, `doubted` what it
    had settled on if it is reviewed again, `held` the assignment in hand, `blind` whether it is an audit."""

    def __init__(self, connection: asyncpg.Connection, lease: Lease, task: asyncpg.Record) -> None:
        self._connection = connection
        self._lease = lease
        self.standing = Standing(task["decided"], task["needed"])
        self.doubted = _doubted(task)
        self.held = Held(task["pool"], task["priority"], task["again"], task["adjudicates"])
        self.blind: bool = task["blind"]

    async def earlier_labels(self) -> list[Any]:
        """Return the labels decided before, in their order."""
        rows = await self._connection.fetch(sql.LABELS, self._lease.task_id)
        return [msgspec.json.decode(row["label"]) for row in rows]

    async def decide(self, verdict: Verdict) -> Standing | None:
        """Store the decision; None if the lease is lost."""
        return await _decide(self._connection, self._lease, verdict)

    async def decide_and_ask_another(
        self, verdict: Verdict, pool: str, *, adjudicates: bool
    ) -> Standing | None:
        """Store a decision with which people differ, and have one more decide, out of `pool`: between them,
        if that one `adjudicates`. None if the lease is lost."""
        standing = await self.decide(verdict)
        if standing is None:
            return None
        held = self.held
        await self._connection.execute(
            sql.ASK_ANOTHER, self._lease.task_id, pool, held.priority, held.again, adjudicates
        )
        return Standing(standing.decided, standing.needed + 1)


async def _decide(connection: asyncpg.Connection, lease: Lease, verdict: Verdict) -> Standing | None:
    row = await connection.fetchrow(sql.DECIDE, *_arguments(lease, verdict))
    return _standing(row)


def _arguments(lease: Lease, verdict: Verdict) -> Arguments:
    return (
        lease.task_id,
        lease.reviewer,
        lease.fence,
        verdict.label,
        verdict.most_seconds,
        verdict.settled,
        verdict.hold,
        verdict.guideline_version,
    )


def _standing(row: asyncpg.Record) -> Standing | None:
    return None if row["decided"] is None else Standing(**row)


class _TooLateError(Exception):
    """The event has left, or another person goes on from the decision: the transaction is rolled back."""


def _doubted(task: asyncpg.Record) -> Doubted | None:
    if task["doubted"] is None:
        return None
    return Doubted(msgspec.json.decode(task["doubted"]), task["decided_before"])


async def _ask_no_other(connection: asyncpg.Connection, task_id: int, *, again: bool, after: int) -> None:
    """Take back that another person was asked since. Raises _TooLateError if that one has begun."""
    await connection.execute(sql.ASK_NO_OTHER, task_id, again, after)
    if await connection.fetchval(sql.OTHER_WAS_ASKED, task_id, again, after):
        raise _TooLateError


async def _unsettle(connection: asyncpg.Connection, task_id: int, task: asyncpg.Record) -> None:
    """Take back what settling the task did, if it was settled. Raises _TooLateError."""
    if task["decided"] < task["needed"]:
        return
    held = await connection.fetchrow(sql.CALL_BACK, task_id)
    if held is None:
        raise _TooLateError
    if held["replaced"] is None:
        await connection.execute(sql.DROP_FINAL, task["project"], task["item_id"])
    else:
        await connection.execute(sql.RESTORE_FINAL, held["replaced"])
