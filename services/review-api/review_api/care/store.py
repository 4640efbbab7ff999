"""All SQL about people's work: what was seen of them, and their days."""

import datetime
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from labelmill.runtime.postgres import Database

from review_api.care.active import Kind, Sign
from review_api.care.pay import Workday

_PAGE_ROWS: Final = 2000

# A second behind: what commits later than that, with an earlier time, is found by reading again.
_SIGNS: Final = """
SELECT at AS moment, extract(epoch FROM at)::float8 AS at, kind, project, seconds
FROM (
    (
        SELECT decided_at AS at, 'decision' AS kind, project, seconds FROM decisions
        WHERE reviewer = $1 AND decided_at > $2 AND decided_at <= now() - interval '1 second'
        ORDER BY decided_at LIMIT {rows}
    ) UNION ALL (
        SELECT decided_at, CASE purpose WHEN 'check' THEN 'check' ELSE 'training' END, project, seconds
        FROM gold_checks
        WHERE reviewer = $1 AND decided_at > $2 AND decided_at <= now() - interval '1 second'
        ORDER BY decided_at LIMIT {rows}
    ) UNION ALL (
        SELECT at, kind, project, 0 FROM signs
        WHERE reviewer = $1 AND at > $2 AND at <= now() - interval '1 second'
        ORDER BY at LIMIT {rows}
    )
) s ORDER BY at LIMIT {rows}
""".replace("{rows}", str(_PAGE_ROWS))

_ADD_SIGN: Final = "INSERT INTO signs (reviewer, kind, project) VALUES ($1, $2, $3)"

_ADD_SKIP: Final = """
INSERT INTO signs (reviewer, kind, project)
SELECT $1, 'skip', project FROM tasks WHERE task_id = $2
UNION ALL SELECT $1, 'skip', project FROM gold_checks WHERE task_id = $2
"""

_FORGET_SIGNS: Final = "DELETE FROM signs WHERE reviewer = $1 AND at < now() - interval '7 days'"

_LAST_COUNTED: Final = """
SELECT day, counted_at FROM workdays WHERE reviewer = $1 ORDER BY day DESC, counted_at DESC LIMIT 1
"""

_COUNTS: Final = """
SELECT project, (at AT TIME ZONE 'UTC')::date AS day, sum(decisions)::int AS decisions,
       sum(checks)::int AS checks, sum(skips)::int AS skips, sum(reveals)::int AS reveals, max(pace) AS pace
FROM (
    SELECT project, min(decided_at) AS at, count(*) AS decisions, 0 AS checks, 0 AS skips, 0 AS reveals,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS pace
    FROM decisions WHERE reviewer = $1 AND decided_at >= $2
    GROUP BY project, (decided_at AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT project, min(decided_at), 0, count(*), 0, 0, NULL
    FROM gold_checks WHERE reviewer = $1 AND decided_at >= $2
    GROUP BY project, (decided_at AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT project, at, 0, 0, (kind = 'skip')::int, 0, NULL
    FROM signs WHERE reviewer = $1 AND at >= $2 AND kind <> 'input'
    UNION ALL
    SELECT project, at, 0, 0, 0, 1, NULL FROM reveals WHERE reviewer = $1 AND at >= $2
) counted
GROUP BY 1, 2
"""

_PUT_DAY: Final = """
INSERT INTO workdays AS w
    (reviewer, day, project, decisions, checks, skips, reveals, active_seconds, pace_seconds, usd_per_hour,
     usd_per_decision, floor_usd_per_hour)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (reviewer, day, project) DO UPDATE
SET decisions = EXCLUDED.decisions, checks = EXCLUDED.checks, skips = EXCLUDED.skips,
    reveals = EXCLUDED.reveals, active_seconds = EXCLUDED.active_seconds,
    pace_seconds = EXCLUDED.pace_seconds,
    -- What is paid less from now on is paid as before for the day that had begun.
    usd_per_hour = greatest(w.usd_per_hour, EXCLUDED.usd_per_hour),
    usd_per_decision = CASE WHEN EXCLUDED.usd_per_decision IS NULL THEN NULL
                            ELSE greatest(w.usd_per_decision, EXCLUDED.usd_per_decision) END,
    floor_usd_per_hour = EXCLUDED.floor_usd_per_hour, counted_at = now()
"""

_DAY: Final = """
SELECT reviewer, day, project, decisions, checks, skips, reveals, active_seconds, usd_per_hour,
       usd_per_decision, floor_usd_per_hour
FROM workdays
"""

_DAYS_OF: Final = f"{_DAY} WHERE reviewer = $1 AND day >= $2 ORDER BY day DESC, project"

_DAYS_IN: Final = f"{_DAY} WHERE project = $1 AND day BETWEEN $2 AND $3 ORDER BY day, reviewer"

_DAYS_SINCE: Final = f"{_DAY} WHERE day >= $1"

_PACES: Final = """
SELECT reviewer, sum(pace_seconds * decisions) / sum(decisions) AS pace FROM workdays
WHERE project = $1 AND day >= $2 AND pace_seconds IS NOT NULL AND decisions > 0 GROUP BY reviewer
"""

_REVIEWERS: Final = "SELECT name FROM accounts ORDER BY name"


@dataclass(frozen=True)
class Counts:
    """What somebody did in a project on a day. `pace` is the median of the decisions' seconds."""

    project: str
    day: datetime.date
    decisions: int
    checks: int
    skips: int
    reveals: int
    pace: float | None


class AttendanceStore:
    """What was seen of people, and their days, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def signs(
        self, reviewer: str, after: datetime.datetime
    ) -> AsyncIterator[list[tuple[datetime.datetime, Sign]]]:
        """Yield what was seen of a person after a moment, in the order of time, in parts."""
        while True:
            rows = await self._database.pool.fetch(_SIGNS, reviewer, after)
            if rows:
                yield [(row[0], Sign(row[1], row[2], row[3], row[4])) for row in rows]
            if len(rows) < _PAGE_ROWS:
                return
            after = rows[-1]["moment"]

    async def add_sign(self, reviewer: str, kind: Kind, project: str) -> None:
        await self._database.pool.execute(_ADD_SIGN, reviewer, kind, project)

    async def add_skip(self, reviewer: str, task_id: int) -> None:
        await self._database.pool.execute(_ADD_SKIP, reviewer, task_id)

    async def forget_signs(self, reviewer: str) -> None:
        """Delete what was seen of a person long ago: its days are counted."""
        await self._database.pool.execute(_FORGET_SIGNS, reviewer)

    async def last_counted(self, reviewer: str) -> tuple[datetime.date, datetime.datetime] | None:
        """Return the last day of a person that is counted, and when it was."""
        row = await self._database.pool.fetchrow(_LAST_COUNTED, reviewer)
        return None if row is None else (row["day"], row["counted_at"])

    async def counts(self, reviewer: str, since: datetime.datetime) -> list[Counts]:
        """Return what a person did, by project and day."""
        return [Counts(**row) for row in await self._database.pool.fetch(_COUNTS, reviewer, since)]

    async def put_days(self, days: Sequence[tuple[Workday, float | None]]) -> None:
        """Store days with the median time of their decisions."""
        await self._database.pool.executemany(
            _PUT_DAY,
            [
                (
                    day.reviewer, day.day, day.project, day.decisions, day.checks, day.skips, day.reveals,
                    day.active_seconds, pace, day.usd_per_hour, day.usd_per_decision, day.floor_usd_per_hour,
                )
                for day, pace in days
            ],
        )  # fmt: skip

    async def days_of(self, reviewer: str, since: datetime.date) -> list[Workday]:
        """Return a person's days, the newest first."""
        return [Workday(**row) for row in await self._database.pool.fetch(_DAYS_OF, reviewer, since)]

    async def days_in(self, project: str, since: datetime.date, until: datetime.date) -> list[Workday]:
        """Return everybody's days in a project, both ends included, the oldest first."""
        return [Workday(**row) for row in await self._database.pool.fetch(_DAYS_IN, project, since, until)]

    async def days_since(self, since: datetime.date) -> list[Workday]:
        """Return everybody's days in all projects."""
        return [Workday(**row) for row in await self._database.pool.fetch(_DAYS_SINCE, since)]

    async def paces(self, project: str, since: datetime.date) -> dict[str, float]:
        """Return the usual seconds of a decision, by person."""
        rows = await self._database.pool.fetch(_PACES, project, since)
        return {row["reviewer"]: row["pace"] for row in rows}

    async def people(self) -> list[str]:
        return [row["name"] for row in await self._database.pool.fetch(_REVIEWERS)]
