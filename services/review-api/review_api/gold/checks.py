"""Gold checks in PostgreSQL: handed out under leases, answered, taken back, like tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec
from labelmill.runtime.postgres import Database

from review_api.gold import sql
from review_api.gold.records import Check, Purpose
from review_api.gold.store import as_text
from review_api.tasks.store import Claimed, Lease, Subject

_TRIES: Final = 5


@dataclass(frozen=True)
class Answered:
    """What became of a check: which of how many decisions it seems to be, and what is right."""

    place: int
    needed: int
    purpose: Purpose
    truth: Any
    explanation: str
    correct: bool


@dataclass(frozen=True)
class CheckStanding:
    """A check as it is. `said` is None while it is not answered."""

    project: str
    reviewer: str
    fence: int
    said: Any | None
    answered: Answered


class CheckStore:
    """Checks in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(self, project: str, reviewer: str) -> list[Check]:
        """Return all checks of a person, the answered ones in the order of time."""
        return [_check(row) for row in await self._database.pool.fetch(sql.HISTORY, project, reviewer)]

    async def reviewers(self, project: str) -> list[str]:
        """Return the names of everybody who was given a check, in their order."""
        return [row["reviewer"] for row in await self._database.pool.fetch(sql.REVIEWERS, project)]

    async def met_or_to_come(self, project: str, reviewer: str) -> set[int]:
        """Return the gold whose item this person has met, or may still meet, as an ordinary task."""
        rows = await self._database.pool.fetch(sql.MET_OR_TO_COME, project, reviewer)
        return {row["gold_id"] for row in rows}

    async def is_work(self, project: str, pools: Sequence[str]) -> bool:
        """Return whether anything waits in these pools."""
        return bool(await self._database.pool.fetchval(sql.IS_WORK, project, list(pools)))

    async def claim(
        self,
        gold_id: int,
        reviewer: str,
        purpose: Purpose,
        *,
        pool: str,
        among: Sequence[str],
        place: int,
        needed: int,
        seconds: float,
    ) -> Claimed | None:
        """Hand out a check, or one that was given back; None if it cannot be had (any more). `pool` is where
        a task with this item would lie, `among` are the pools of the tasks that it passes for one of."""
        arguments = gold_id, reviewer, purpose, place, needed, seconds, pool, among
        for _ in range(_TRIES):
            try:
                row = await self._database.pool.fetchrow(sql.CLAIM, *arguments)
            except asyncpg.UniqueViolationError:
                continue  # somebody else's check took the number meanwhile
            return None if row is None else claimed_check(row)
        return None

    async def show_blind(self, reviewer: str, tasks: Sequence[Claimed]) -> set[int]:
        """Remember that ordinary tasks are shown to a person without their suggestion; return the numbers of
        those still held, which are to be shown so."""
        numbers, fences = [task.task_id for task in tasks], [task.fence for task in tasks]
        rows = await self._database.pool.fetch(sql.SHOW_BLIND, reviewer, numbers, fences)
        return {row["task_id"] for row in rows}

    async def extend(self, lease: Lease, seconds: float) -> int | None:
        """Extend a lease that is still held; return its new end in Unix milliseconds, or None."""
        end: int | None = await self._database.pool.fetchval(
            sql.EXTEND, lease.task_id, lease.reviewer, lease.fence, seconds
        )
        return end

    async def skip(self, lease: Lease, reason: str, seconds: float) -> bool:
        """Give a check back, not to be offered again for `seconds`; False if the lease is lost."""
        arguments = lease.task_id, lease.reviewer, lease.fence, reason, seconds
        return bool(await self._database.pool.fetchval(sql.SKIP, *arguments))

    async def give_back(self, lease: Lease) -> bool:
        """Give a check back that nobody has looked at; False if the lease is lost."""
        arguments = lease.task_id, lease.reviewer, lease.fence
        return bool(await self._database.pool.fetchval(sql.GIVE_BACK, *arguments))

    async def subject(self, lease: Lease) -> Subject | None:
        """Return what a check is about that is held, or was answered, under a lease."""
        row = await self._database.pool.fetchrow(sql.SUBJECT, lease.task_id, lease.reviewer, lease.fence)
        return None if row is None else Subject(**row)

    async def decide(
        self,
        lease: Lease,
        label: str,
        *,
        guideline: int,
        most_seconds: float,
        hold: float,
        hold_unsettled: float,
    ) -> Answered | None:
        """Store an answer (JSON); None if the lease is lost."""
        row = await self._database.pool.fetchrow(
            sql.DECIDE,
            lease.task_id,
            lease.reviewer,
            lease.fence,
            label,
            most_seconds,
            hold,
            hold_unsettled,
            guideline,
        )
        return None if row is None else Answered(**{**row, "truth": msgspec.json.decode(row["truth"])})

    async def undo(self, task_id: int, reviewer: str, seconds: float) -> tuple[int, int] | None:
        """Turn an answer back into a lease; return its fence and end (Unix milliseconds), or None."""
        row = await self._database.pool.fetchrow(sql.UNDO, task_id, reviewer, seconds)
        return None if row is None else (row["fence"], row["lease_until"])

    async def standing(self, task_id: int) -> CheckStanding | None:
        """Return how a check is, or None if the number is not one of a check."""
        row = await self._database.pool.fetchrow(sql.STANDING, task_id)
        if row is None:
            return None
        said, truth = row["said"], msgspec.json.decode(row["truth"])
        known = None if said is None else msgspec.json.decode(said)
        answered = Answered(
            row["place"], row["needed"], row["purpose"], truth, row["explanation"], known == truth
        )
        return CheckStanding(row["project"], row["reviewer"], row["fence"], known, answered)

    async def keep_late(self, lease: Lease, label: str) -> None:
        """Keep an answer that came too late, for the person who gave it."""
        await self._database.pool.execute(sql.KEEP_LATE, lease.task_id, lease.reviewer, label)


def _check(row: asyncpg.Record) -> Check:
    said = row["said"]
    fields = {name: value for name, value in row.items() if name != "reviewer"}
    return Check(
        **{**fields, "truth": as_text(row["truth"]), "said": None if said is None else as_text(said)}
    )


def claimed_check(row: asyncpg.Record) -> Claimed:
    """Return a check as the person sees it: a task, with the machine's label only if that is to be shown."""
    suggested = row["suggested"]
    return Claimed(
        task_id=row["task_id"],
        fence=row["fence"],
        lease_until=row["lease_until"],
        item_id=row["item_id"],
        content=row["content"],
        metadata=row["metadata"],
        blind=not suggested,
        label=row["label"] if suggested else "null",
        confidence=row["confidence"] if suggested else 0.0,
        reasons=row["reasons"] if suggested else [],
        kept=row["kept"],
        needed=row["needed"],
        pool=row["pool"],
        training=row["purpose"] != "check",
    )
