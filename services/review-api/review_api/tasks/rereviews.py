"""All SQL that opens settled tasks again, and counts what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from labelmill.quality import Suspect
from labelmill.runtime.postgres import Database

from review_api.tasks.second_look import PRIORITY, room

# Processes that hear the same news at once open no more than one of them would.
_TAKE_TURNS: Final = """
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/rereviews/' || $1, 0))
"""

_LOAD: Final = """
SELECT (
    SELECT coalesce(sum(decided), 0)::bigint FROM minute_stats
    WHERE project = $1 AND minute > (extract(epoch FROM now()) * 1000)::bigint - 86400000
) AS settled, (
    SELECT count(*) FROM rereviews
    WHERE project = $1 AND (settled_at IS NULL OR opened_at > now() - interval '1 day')
) AS taken
"""

# Only what people settled, on the label that is doubted, and whose event has left. No audit: why is told in
# docs/decisions/0016-doubtful-decisions.md.
_REOPEN: Final = """
-- $1 project, $2 item ids and $3 their labels, the likeliest errors first, $4 how many at most, $5 priority
WITH doubted AS (
    SELECT t.task_id, t.project, t.needed, t.label, t.decided_at
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS s(item_id, label, place)
    JOIN final_labels f ON f.project = $1 AND f.item_id = s.item_id
    JOIN routes r ON (r.project, r.item_id, r.guideline_version) = (f.project, f.item_id, f.routed_under)
    JOIN tasks t ON (t.project, t.item_id, t.guideline_version) = (f.project, f.item_id, f.routed_under)
    WHERE f.source = 'people' AND t.decided = t.needed AND t.label = f.label AND t.label #>> '{}' = s.label
      AND t.audit_rate = 0 AND NOT 'audit' = ANY (r.reasons)
      AND NOT EXISTS (SELECT FROM rereviews x WHERE x.task_id = t.task_id)
      AND NOT EXISTS (SELECT FROM outbox o WHERE o.task_id = t.task_id)
    ORDER BY s.place LIMIT $4
    FOR UPDATE OF t
), noted AS (
    INSERT INTO rereviews (task_id, project, label, decisions, decided_at)
    SELECT task_id, project, label, needed, decided_at FROM doubted
    RETURNING task_id
), opened AS (
    INSERT INTO assignments (task_id, slot, project, pool, priority, state, again)
    SELECT d.task_id, d.needed, d.project, f.pool, $5, 'open', true
    FROM doubted d JOIN assignments f ON f.task_id = d.task_id AND f.slot = 0
), reopened AS (
    UPDATE tasks t SET needed = t.needed + 1 FROM doubted d WHERE t.task_id = d.task_id
)
SELECT count(*) FROM noted
"""

# What a person's word brought about, the newest first.
_DECIDED_BY: Final = """
SELECT d.item_id, t.label #>> '{}' AS label
FROM decisions d JOIN tasks t USING (task_id)
WHERE d.reviewer = $2 AND d.decided_at > $3 AND d.project = $1 AND d.label = t.label
ORDER BY d.decided_at DESC
"""

_COUNTS: Final = """
SELECT count(*) FILTER (WHERE settled_at IS NULL) AS waiting, count(settled_at) AS decided,
       count(*) FILTER (WHERE changed) AS changed
FROM rereviews WHERE project = $1
"""


@dataclass(frozen=True)
class RereviewCounts:
    """How many doubtful decisions wait for a second look, were `decided` again, and of these `changed`."""

    waiting: int
    decided: int
    changed: int


class Rereviews:
    """Re-reviews in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, project: str, suspects: Sequence[Suspect]) -> int:
        """Open the tasks of `suspects` again, each once in its life and as many as there is room for; return
        how many."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(_TAKE_TURNS, project)
            load = await connection.fetchrow(_LOAD, project)
            most = room(load["settled"], load["taken"])
            labels = {each.item_id: each.label for each in suspects}
            opened: int = await connection.fetchval(
                _REOPEN, project, list(labels), list(labels.values()), most, PRIORITY
            )
        return opened

    async def open_decided_by(
        self, connection: asyncpg.Connection, project: str, reviewer: str, since: datetime
    ) -> int:
        """Open again what a person has decided since then, in the transaction of `connection`; return how
        many. No day's bound holds: nobody may rely on these labels."""
        await connection.execute(_TAKE_TURNS, project)
        rows = await connection.fetch(_DECIDED_BY, project, reviewer, since)
        labels = {row["item_id"]: row["label"] for row in rows}
        opened: int = await connection.fetchval(
            _REOPEN, project, list(labels), list(labels.values()), len(labels), PRIORITY
        )
        return opened

    async def counts(self, project: str) -> RereviewCounts:
        return RereviewCounts(**await self._database.pool.fetchrow(_COUNTS, project))
