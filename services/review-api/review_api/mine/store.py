"""All SQL about what one person has done. The newest comes first, and pages are by key."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from labelmill.runtime.postgres import Database

from review_api.remarks.store import EXCERPT

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR: Final = datetime(9999, 1, 1, tzinfo=UTC)

# Who skipped a distressing text unseen must not come upon it in the list of what they skipped.
_SHOWN: Final = """
CASE WHEN s.sensitive THEN 'A distressing text, hidden here.' ELSE coalesce(i.excerpt, '') END AS excerpt,
       s.sensitive"""

# A hidden check is among a person's work like any task. In all of them: $1 reviewer, $2 project, $3 and $4
# the place after which to go on, $5 how many.

# $6 an item, or null for all. An erased item leaves the same of a check as of a task.
# What can be undone: see RELEASE and CALL_BACK in tasks/sql.py.
_DECISIONS: Final = """
SELECT r.task_id, r.item_id, {shown},
       r.label, r.seconds, r.guideline_version,
       (extract(epoch FROM r.decided_at) * 1000)::bigint AS at,
       coalesce(r.undo_until, u.undo_until) AS undo_until,
       r.decided_at AS place, r.task_id AS place_id
FROM (
    (
        SELECT d.task_id, d.slot, d.project, d.item_id, d.label, d.seconds, d.guideline_version, d.decided_at,
               NULL::bigint AS undo_until
        FROM decisions d
        WHERE d.reviewer = $1 AND d.project = $2 AND (d.decided_at, d.task_id) < ($3, $4)
          AND ($6::text IS NULL
               OR d.task_id IN (SELECT t.task_id FROM tasks t WHERE t.project = $2 AND t.item_id = $6))
        ORDER BY d.decided_at DESC, d.task_id DESC LIMIT $5
    ) UNION ALL (
        SELECT c.task_id, NULL, c.project, CASE WHEN g.erased THEN '' ELSE g.item_id END,
               CASE WHEN g.erased THEN 'null' ELSE c.label END, c.seconds, c.guideline_version, c.decided_at,
               CASE WHEN c.undo_until <= clock_timestamp() OR c.purpose <> 'check' OR g.erased THEN NULL
                    WHEN c.place < c.needed THEN 0
                    ELSE (extract(epoch FROM c.undo_until) * 1000)::bigint END
        FROM gold_checks c
        CROSS JOIN LATERAL (
            SELECT item_id, coalesce(content = '', false) AS erased FROM gold_items g
            WHERE g.gold_id = c.gold_id OFFSET 0
        ) g
        WHERE c.reviewer = $1 AND c.project = $2 AND (c.decided_at, c.task_id) < ($3, $4)
          AND ($6::text IS NULL OR g.item_id = $6)
        ORDER BY c.decided_at DESC, c.task_id DESC LIMIT $5
    ) ORDER BY decided_at DESC, task_id DESC LIMIT $5
) r {excerpt}
LEFT JOIN LATERAL (
    SELECT CASE WHEN t.decided < t.needed THEN 0
                ELSE (extract(epoch FROM o.not_before) * 1000)::bigint END AS undo_until
    FROM tasks t
    JOIN assignments a ON a.task_id = t.task_id AND a.slot = r.slot
    LEFT JOIN outbox o ON o.task_id = t.task_id AND NOT o.leaving AND o.not_before > clock_timestamp()
    WHERE t.task_id = r.task_id AND a.again = EXISTS (SELECT FROM rereviews x WHERE x.task_id = r.task_id)
    OFFSET 0
) u ON true
ORDER BY r.decided_at DESC, r.task_id DESC
""".replace("{shown}", _SHOWN).replace("{excerpt}", EXCERPT)

_OF_TASKS: Final = """
SELECT r.task_id, r.item_id, {shown},
       r.{said},
       (extract(epoch FROM r.at) * 1000)::bigint AS at, r.at AS place, r.task_id AS place_id
FROM (
    (
        SELECT s.task_id, t.project, t.item_id, s.{said}, s.{at} AS at
        FROM {table} s
        CROSS JOIN LATERAL (
            SELECT project, item_id FROM tasks t WHERE t.task_id = s.task_id AND t.project = $2 OFFSET 0
        ) t
        WHERE s.reviewer = $1 AND (s.{at}, s.task_id) < ($3, $4)
        ORDER BY s.{at} DESC, s.task_id DESC LIMIT $5
    ) UNION ALL (
        SELECT c.task_id, c.project, g.item_id, {gold}
        FROM gold_checks c JOIN gold_items g USING (gold_id)
        WHERE c.reviewer = $1 AND c.project = $2 AND {gold_has} AND ({gold_at}, c.task_id) < ($3, $4)
        ORDER BY {gold_at} DESC, c.task_id DESC LIMIT $5
    ) ORDER BY at DESC, task_id DESC LIMIT $5
) r {excerpt}
ORDER BY r.at DESC, r.task_id DESC
"""

# Of a task that is settled, only the skips with a reason are kept.
_SKIPS: Final = _OF_TASKS.format(
    table="skips",
    said="reason",
    at="skipped_at",
    gold="c.skip_reason, c.skipped_at",
    gold_has="(c.label IS NULL OR c.skip_reason <> '')",
    gold_at="c.skipped_at",
    shown=_SHOWN,
    excerpt=EXCERPT,
)

_LATE: Final = _OF_TASKS.format(
    table="late_decisions",
    said="label",
    at="received_at",
    gold="c.late, c.late_at",
    gold_has="c.late IS NOT NULL",
    gold_at="c.late_at",
    shown=_SHOWN,
    excerpt=EXCERPT,
)

_FLAGS: Final = """
SELECT r.task_id, r.item_id, {shown},
       r.reason, r.text,
       (extract(epoch FROM r.flagged_at) * 1000)::bigint AS at,
       (extract(epoch FROM r.resolved_at) * 1000)::bigint AS resolved_at, r.answer,
       r.flagged_at AS place, r.flag_id AS place_id
FROM (
    SELECT * FROM flags WHERE reviewer = $1 AND project = $2 AND (flagged_at, flag_id) < ($3, $4)
    ORDER BY flagged_at DESC, flag_id DESC LIMIT $5
) r {excerpt}
ORDER BY r.flagged_at DESC, r.flag_id DESC
""".replace("{shown}", _SHOWN).replace("{excerpt}", EXCERPT)

_COMMENTS: Final = """
SELECT r.task_id, r.item_id, {shown},
       r.audience, r.text,
       (extract(epoch FROM r.commented_at) * 1000)::bigint AS at,
       r.commented_at AS place, r.comment_id AS place_id
FROM (
    SELECT * FROM comments WHERE reviewer = $1 AND project = $2 AND (commented_at, comment_id) < ($3, $4)
    ORDER BY commented_at DESC, comment_id DESC LIMIT $5
) r {excerpt}
ORDER BY r.commented_at DESC, r.comment_id DESC
""".replace("{shown}", _SHOWN).replace("{excerpt}", EXCERPT)


@dataclass(frozen=True)
class Place:
    """Where a page begins: behind the row with this time (Unix microseconds) and number."""

    micros: int
    number: int

    def __str__(self) -> str:
        return f"{self.micros}-{self.number}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Return the place that a text stands for (`<digits>-<digits>`)."""
        micros, number = text.split("-")
        return cls(int(micros), int(number))


@dataclass(frozen=True)
class Page:
    """Rows as JSON objects, and the place of the next page; None after the last."""

    rows: list[dict[str, Any]]
    next: Place | None


class MyWork:
    """What one person has done in one project, from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decisions(
        self, reviewer: str, project: str, after: Place | None, most: int, item_id: str | None
    ) -> Page:
        """Return decisions; `undo_until` is the Unix millisecond until which each can be taken back, 0 as
        long as its task needs further decisions, and None for good."""
        return await self._page(_DECISIONS, reviewer, project, after, most, item_id)

    async def skips(self, reviewer: str, project: str, after: Place | None, most: int) -> Page:
        return await self._page(_SKIPS, reviewer, project, after, most)

    async def late(self, reviewer: str, project: str, after: Place | None, most: int) -> Page:
        return await self._page(_LATE, reviewer, project, after, most)

    async def flags(self, reviewer: str, project: str, after: Place | None, most: int) -> Page:
        return await self._page(_FLAGS, reviewer, project, after, most)

    async def comments(self, reviewer: str, project: str, after: Place | None, most: int) -> Page:
        return await self._page(_COMMENTS, reviewer, project, after, most)

    async def _page(
        self, statement: str, reviewer: str, project: str, after: Place | None, most: int, *more: Any
    ) -> Page:
        at = _FAR if after is None else _BEGINNING + timedelta(microseconds=after.micros)
        number = 0 if after is None else after.number
        rows = await self._database.pool.fetch(statement, reviewer, project, at, number, most, *more)
        return Page([_shown(row) for row in rows], _place(rows[-1]) if len(rows) == most else None)


def _place(row: asyncpg.Record) -> Place:
    return Place((row["place"] - _BEGINNING) // timedelta(microseconds=1), row["place_id"])


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("place")}
