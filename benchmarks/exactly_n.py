"""Exactly N decisions for every task: 64 people, 20,000 tasks, two servers of which one is killed.

Leases end after a second. People stall, vanish, answer late, send answers twice, skip and take decisions back
(`benchmarks.people`); both review-api processes do all their jobs, and one is killed in the middle and comes
back. Then every table and every event is counted. One task with another number fails the run.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from labelmill.events import EventDecoder, ReviewDecided
from labelmill.kinds import kind_named
from labelmill.runtime import kafka
from labelmill.runtime.postgres import Database
from labelmill.topics import REVIEWS_DECIDED
from labelmill_local.system import Running, System

from benchmarks.http1 import Connection
from benchmarks.load import PROJECT_YAML
from benchmarks.open_tasks import add_tasks, review_database
from benchmarks.people import Person, Tally, label_of
from benchmarks.results import Result

TASKS, PEOPLE = 20_000, 64
LEASE_SECONDS = 1.0
ENV: Final = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "UNDO_SECONDS": "2",
    "SKIP_SECONDS": "5",
    "LOGIN_ATTEMPTS": "100",
}
_PASSWORD = "correct horse battery"
_ON_PAGE_EVERY = 8
_DEADLINE_S = 1200.0
_KILL_AT = 0.4
"""Share of the decisions at which a server is killed."""


class NotExactError(Exception):
    """Something has another number than it must have."""


async def run(folder: Path) -> list[Result]:
    """Collect one decision a task, then three, each on a system of its own."""
    results = []
    for needed in (1, 3):
        async with System(folder / str(needed), env=ENV) as system:
            for _ in range(2):
                await system.add("review-api", restart_on_exit=True)
            async with review_database(system) as database:
                collected = await collect(system, system.services, database, needed, TASKS)
                details = await check(database, collected)
        results.append(
            Result(
                name=f"exactly_{needed}",
                value=details["tasks_exact"],
                unit="tasks",
                baseline=TASKS,
                baseline_is="all tasks",
                aim="all",
                details=details,
            )
        )
    return results


@dataclass(frozen=True)
class Collected:
    """What people did to `tasks` tasks of `needed` decisions each, and the events that came of it."""

    project: str
    needed: int
    tasks: int
    tally: Tally
    events: Sequence[ReviewDecided]
    seconds: float


async def collect(
    system: System, servers: Sequence[Running], database: Database, needed: int, tasks: int
) -> Collected:
    """Have `PEOPLE` people decide `tasks` new tasks by `needed` decisions each.

    `servers` run with `ENV` and come back when they are killed; the second is.
    """
    project = f"exactly_{needed}"
    async with system.review_client() as admin:
        yaml = PROJECT_YAML.replace("project: bench", f"project: {project}")
        (await admin.put(f"/v1/projects/{project}", content=yaml)).raise_for_status()
        await add_tasks(database, project, 0, tasks, needed=needed)
        crowd = [await _headers(admin, servers[0], project, number) for number in range(PEOPLE)]
        tally, over, started = Tally(), asyncio.Event(), time.monotonic()
        people = [
            Person(
                name=_name(project, number),
                project=project,
                connections=[Connection(server.url, headers) for server in servers],
                dice=random.Random(number * 10 + needed),
                tally=tally,
                lease_s=LEASE_SECONDS,
                over=over,
            )
            for number, headers in enumerate(crowd)
        ]
        async with asyncio.timeout(_DEADLINE_S):
            killing = asyncio.create_task(_kill_in_the_middle(servers[1], database, project, needed * tasks))
            await _until_all_is_decided(people, database, project, over)
            await killing
            seconds = time.monotonic() - started
            await _until_all_has_left(database, project)
    events = await _events(system, project)
    return Collected(project, needed, tasks, tally, events, seconds)


async def check(database: Database, collected: Collected) -> dict[str, float]:
    """Count everything that must be exact, and return the figures. Raises NotExactError with what differs."""
    checked = await _Check(database.pool, collected).everything()
    return {
        **checked,
        "people": PEOPLE,
        "seconds": round(collected.seconds, 1),
        "decisions_per_s": round(collected.needed * collected.tasks / collected.seconds, 1),
        "requests_sent_again": collected.tally.lost,
        **collected.tally.acts(),
    }


def _name(project: str, number: int) -> str:
    return f"{project}_{number}"


async def _headers(admin: httpx.AsyncClient, server: Running, project: str, number: int) -> dict[str, str]:
    """Make an account and return what its requests carry. Some people work on the page, where a decision that
    settles a task can be taken back."""
    name, on_page = _name(project, number), number % _ON_PAGE_EVERY == 0
    account = {"name": name, "roles": ["reviewer"], "password": _PASSWORD if on_page else None}
    (await admin.post("/v1/accounts", json=account)).raise_for_status()
    if not on_page:
        made = await admin.post(f"/v1/accounts/{name}/tokens", json={"label": "bench"})
        return {"Authorization": f"Bearer {made.raise_for_status().json()['token']}"}
    async with httpx.AsyncClient(base_url=server.url) as page:
        signed = await page.post("/v1/login", json={"name": name, "password": _PASSWORD})
        token = signed.raise_for_status().json()["csrf_token"]
        cookie = "; ".join(f"{key}={value}" for key, value in signed.cookies.items())
    return {"Cookie": cookie, "X-CSRF-Token": token}


async def _until_all_is_decided(
    people: Sequence[Person], database: Database, project: str, over: asyncio.Event
) -> None:
    """Let the people work. Who takes a decision back at the very end gives it again, or others do."""
    query = "SELECT EXISTS (SELECT FROM assignments WHERE project = $1 AND state <> 'decided')"
    while await database.pool.fetchval(query, project):
        over.clear()
        working = asyncio.gather(*(person.work() for person in people))
        while not working.done() and await database.pool.fetchval(query, project):
            await asyncio.sleep(0.2)
        over.set()
        await working
    for person in people:
        for connection in person.connections:
            connection.close()


async def _kill_in_the_middle(server: Running, database: Database, project: str, decisions: int) -> None:
    query = "SELECT count(*) FROM decisions WHERE project = $1"
    while await database.pool.fetchval(query, project) < _KILL_AT * decisions:
        await asyncio.sleep(0.1)
    print(f"[bench]   {project}: killing one of the two servers", file=sys.stderr, flush=True)
    await server.process.kill()


async def _until_all_has_left(database: Database, project: str) -> None:
    while await database.pool.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE project = $1)", project):
        await asyncio.sleep(0.2)


async def _events(system: System, project: str) -> list[ReviewDecided]:
    """Return the project's events in the topic of decisions, repetitions included."""
    decoder = EventDecoder(ReviewDecided)
    async with _reader(system) as read:
        found: list[ReviewDecided] = []
        quiet = 0
        while quiet < 3:  # all of it has been acknowledged, so what is there comes without long waits
            values = await read()
            events = [
                decoder.decode(value) for value in values if value is not None
            ]  # a tombstone is nobody's
            found += [event for event in events if event.project == project]
            quiet = 0 if values or not found else quiet + 1
    return found


@asynccontextmanager
async def _reader(system: System) -> AsyncIterator[Any]:
    reader = kafka.reader(system.kafka_settings, REVIEWS_DECIDED.name)
    await reader.start()

    async def read() -> list[bytes]:
        batches = await reader.getmany(timeout_ms=500, max_records=5000)
        return [record.value for records in batches.values() for record in records]

    try:
        yield read
    finally:
        await reader.stop()


_DECIDED: Final = """
SELECT t.task_id, t.item_id, t.needed, t.decided, t.label, f.label AS final, f.source,
       array(SELECT d.reviewer FROM decisions d WHERE d.task_id = t.task_id ORDER BY d.decided_at, d.slot)
           AS people,
       array(SELECT d.label FROM decisions d WHERE d.task_id = t.task_id ORDER BY d.decided_at, d.slot)
           AS labels,
       array(SELECT a.reviewer FROM assignments a WHERE a.task_id = t.task_id AND a.state = 'decided')
           AS assigned,
       (SELECT count(*) FROM assignments a WHERE a.task_id = t.task_id) AS assignments
FROM tasks t LEFT JOIN final_labels f USING (project, item_id)
WHERE t.project = $1
"""


@dataclass(frozen=True)
class _Check:
    pool: asyncpg.Pool
    of: Collected

    async def everything(self) -> dict[str, float]:
        project, tasks = self.of.project, self.of.tasks
        rows = await self.pool.fetch(_DECIDED, project)
        self._same("tasks", len(rows), tasks)
        if wrong := [problem for row in rows for problem in self._problems(row)]:
            raise NotExactError(f"{len(wrong)} problems, such as {'; '.join(wrong[:5])}")
        self._acknowledged(rows)
        self._left(rows)
        finals = "SELECT count(*) FROM final_labels WHERE project = $1"
        self._same("final labels", await self.pool.fetchval(finals, project), tasks)
        counted = "SELECT sum(decided), sum(final_labels) FROM minute_stats WHERE project = $1"
        self._same("figures", tuple(await self.pool.fetchrow(counted, project)), (tasks, tasks))
        events = {event.event_id for event in self.of.events}
        return {
            "tasks": tasks,
            "needed": self.of.needed,
            "tasks_exact": len(rows),
            "decisions": sum(len(row["people"]) for row in rows),
            "acknowledged": len(self.of.tally.counted),
            "events": len(events),
            "events_repeated": len(self.of.events) - len(events),
        }

    def _problems(self, row: asyncpg.Record) -> list[str]:
        labels = [_plain(label) for label in row["labels"]]
        merged = kind_named("choice").merge_decisions(labels) if labels else None
        given = [label_of(row["task_id"], person) for person in row["people"]]
        found = {
            "decisions": (len(row["people"]), self.of.needed),
            "distinct people": (len(set(row["people"])), self.of.needed),
            "the task's own count": ((row["decided"], row["needed"]), (self.of.needed, self.of.needed)),
            "assignments": (row["assignments"], self.of.needed),
            "people assigned": (sorted(row["assigned"]), sorted(row["people"])),
            "labels": (labels, given),
            "the task's label": (_plain(row["label"]), merged),
            "the final label": ((_plain(row["final"]), row["source"]), (merged, "people")),
        }
        return [
            f"task {row['task_id']}: {what} {is_!r}, not {must!r}"
            for what, (is_, must) in found.items()
            if is_ != must
        ]

    def _acknowledged(self, rows: Sequence[asyncpg.Record]) -> None:
        """No decision that somebody was told is counted may be missing, and none be there unasked."""
        tally = self.of.tally
        stored = {(row["task_id"], person) for row in rows for person in row["people"]}
        missing = tally.counted - stored - tally.unsure
        unasked = stored - tally.counted - tally.unsure
        if missing or unasked:
            raise NotExactError(f"{len(missing)} acknowledged decisions are missing, {len(unasked)} unasked")

    def _left(self, rows: Sequence[asyncpg.Record]) -> None:
        """Each task has one event, which may be repeated but not differ."""
        events = self.of.events
        by_id = {event.event_id: event for event in events}
        self._same("repeated events that differ", [e for e in events if by_id[e.event_id] != e], [])
        self._same("events", Counter(e.task_id for e in by_id.values()), Counter(r["task_id"] for r in rows))
        by_task = {event.task_id: event for event in by_id.values()}
        for row in rows:
            event = by_task[row["task_id"]]
            told = (event.item_id, event.label, [(d.reviewer, d.label) for d in event.decisions])
            labels = [_plain(label) for label in row["labels"]]
            kept = (row["item_id"], _plain(row["label"]), list(zip(row["people"], labels, strict=True)))
            self._same(f"the event of task {row['task_id']}", told, kept)

    def _same(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise NotExactError(f"{self.of.project}: {what}: {str(found)[:300]}, not {str(wanted)[:300]}")


def _plain(label: str | None) -> Any:
    """Return a label of a kind whose labels are names, from its JSON."""
    return None if label is None else label.strip('"')
