"""What waits for people: counted, by age, in order, and in whose hands. All SQL is in `waiting_sql`.

Counting a million open tasks reads an index of them: 0.6 s, and 4 s before the table is vacuumed. So what was
counted is kept for a while (see `Kept`).
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.tasks import pace, waiting_sql
from review_api.tasks.kept import Kept
from review_api.tasks.pools import of_person

_SAMPLE: Final = 4000
_PACE_MINUTES: Final = 5
_MOST_LEASES: Final = 200


@dataclass(frozen=True)
class Pool:
    """Open tasks of a pool; `begun` of them have a decision, or somebody on another part of them."""

    pool: str
    tasks: int
    begun: int


@dataclass(frozen=True)
class TaskOf:
    """A task, with its project and item."""

    project: str
    task_id: int
    item_id: str


@dataclass(frozen=True)
class Waiting:
    """What is open, as counted at `counted_at` (Unix milliseconds).

    `oldest_at` is when the oldest task that nobody has settled was made, those in hand included; None if
    there is none. `late` are the open tasks past the SLA, which is None where the project names none.
    """

    counted_at: int
    tasks: int
    pools: list[Pool]
    ages: list[pace.AgeBin]
    oldest_at: int | None
    sla_seconds: float | None
    late: int

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest task when it was counted; 0 if nothing waits."""
        return 0.0 if self.oldest_at is None else max(0.0, (self.counted_at - self.oldest_at) / 1000)


@dataclass(frozen=True)
class Leases:
    """Who has which task in hand, those for longest first; `count` is of all, shown or not."""

    count: int
    shown: list[dict[str, Any]]


@dataclass(frozen=True)
class Reasons:
    """Why open tasks were routed to people: counts of all or of a sample, the most frequent first."""

    sampled: int
    by_reason: dict[str, int]


class WaitingTasks:
    """Looks at waiting tasks in PostgreSQL."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._counted = Kept[tuple[str, float | None], Waiting](clock)
        self._reasons = Kept[str, Reasons](clock)

    async def count(self, project: str, sla_hours: float | None) -> Waiting:
        """Return what is open, as it was some seconds ago (see the module)."""
        sla_seconds = None if sla_hours is None else sla_hours * 3600
        return await self._counted.get((project, sla_hours), lambda: self._count(project, sla_seconds))

    async def _count(self, project: str, sla_seconds: float | None) -> Waiting:
        pool, now = self._database.pool, int(time.time() * 1000)
        edges = pace.edges(sla_seconds)
        points = [now - int(edge * 1000) for edge in reversed(edges)]
        firsts = [row["low"] for row in await pool.fetch(waiting_sql.FIRST_SINCE, points)]
        rows = await pool.fetch(waiting_sql.OPEN, project, firsts)
        held = await pool.fetchval(waiting_sql.OLDEST_IN_HAND, project)
        oldest = min([row["oldest"] for row in rows] + ([] if held is None else [held]), default=None)
        tasks, begun, buckets = Counter[str](), Counter[str](), [0] * (len(edges) + 1)
        for row in rows:
            tasks[row["pool"]] += row["tasks"]
            begun[row["pool"]] += row["tasks"] if row["begun"] else 0
            buckets[row["bucket"]] += row["tasks"]
        ages = pace.histogram(edges, buckets[::-1], sla_seconds)
        return Waiting(
            counted_at=now,
            tasks=tasks.total(),
            pools=[Pool(name, tasks[name], begun[name]) for name in sorted(tasks)],
            ages=ages,
            oldest_at=None if oldest is None else await pool.fetchval(waiting_sql.CREATED_AT, oldest),
            sla_seconds=sla_seconds,
            late=sum(each.tasks for each in ages if each.late),
        )

    async def early(self, project: str) -> int:
        """Return how many tasks wait for their item; from 10,000 on, 10,000."""
        count: int = await self._database.pool.fetchval(waiting_sql.EARLY, project)
        return count

    async def leases(self, project: str) -> Leases:
        rows = await self._database.pool.fetch(waiting_sql.LEASES, project, _MOST_LEASES)
        shown = [{name: value for name, value in row.items() if name != "leases"} for row in rows]
        return Leases(rows[0]["leases"] if rows else 0, shown)

    async def people(self, project: str, known: Collection[str]) -> Mapping[str, int]:
        """Return how many people may claim from each pool: they review, have the skill and would see what
        distresses. `known` are the skills that the project knows besides the expert's."""
        people = Counter[str]()
        for row in await self._database.pool.fetch(waiting_sql.PEOPLE, project):
            for pool in of_person(row["skills"], known, sensitive=row["sensitive"]):
                people[pool] += row["people"]
        return people

    async def reasons(self, project: str) -> Reasons:
        """Return the reasons of the open tasks, of some thousand at most, as of some seconds ago."""
        return await self._reasons.get(project, lambda: self._count_reasons(project))

    async def _count_reasons(self, project: str) -> Reasons:
        rows = await self._database.pool.fetch(waiting_sql.REASONS, project, _SAMPLE)
        by_reason = {row["reason"]: row["tasks"] for row in rows}
        return Reasons(sum(by_reason.values()), by_reason)

    async def pace(
        self, project: str, decisions_each: int, minutes_per_decision: float, sla_hours: float | None
    ) -> pace.Pace:
        """Return what happened lately; a decision takes `minutes_per_decision` until people's time says so.

        `decisions_each` is how many decisions a task takes.
        """
        hours = pace.looked_back_hours(sla_hours)
        row = await self._database.pool.fetchrow(waiting_sql.PACE, project, _PACE_MINUTES, hours)
        measured = row["human_tasks"] > 0 and row["human_seconds"] > 0
        seconds, decisions = row["human_seconds"], row["human_tasks"] * decisions_each
        each = seconds / decisions if measured else minutes_per_decision * 60
        figures = {name: row[name] for name in ("claims", "decisions", "settled", "arrivals", "people")}
        return pace.Pace(**figures, arrivals_hours=hours, seconds_each=each, measured=measured)

    async def next(self, project: str, pool: str, most: int) -> Sequence[Any]:
        """Return the rows of the tasks that are claimed next from a pool, in their order."""
        rows: Sequence[Any] = await self._database.pool.fetch(waiting_sql.NEXT, project, most, pool)
        return rows

    async def task(self, project: str, task_id: int) -> TaskOf | None:
        """Return a task of this project, or None if there is no such task."""
        item_id = await self._database.pool.fetchval(waiting_sql.TASK, project, task_id)
        return None if item_id is None else TaskOf(project, task_id, item_id)

    async def take_back(self, by: str, task: TaskOf, reviewer: str) -> bool:
        """End a person's lease, and note it in the audit log; False if they hold none."""
        detail = {"item_id": task.item_id, "reviewer": reviewer}
        async with self._database.pool.acquire() as connection, connection.transaction():
            done = await connection.fetchval(waiting_sql.TAKE_BACK, task.project, task.task_id, reviewer)
            if done:
                await record(connection, by, "task.released", str(task.task_id), detail, project=task.project)
        return bool(done)

    async def to_front(self, by: str, task: TaskOf) -> bool:
        """Put an open task in front of its pool, and note it in the audit log; False if no part is open."""
        detail = {"item_id": task.item_id}
        async with self._database.pool.acquire() as connection, connection.transaction():
            done = await connection.fetchval(waiting_sql.TO_FRONT, task.project, task.task_id)
            if done:
                subject = str(task.task_id)
                await record(connection, by, "task.moved_to_front", subject, detail, project=task.project)
        return bool(done)
