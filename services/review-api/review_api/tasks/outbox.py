"""All SQL about the outbox: what is due, what has left, and the figures that go with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
from labelmill.events import Decision, Vote
from labelmill.runtime.postgres import Database

from review_api.alone import alone
from review_api.minutes import added

# Marking rows as leaving conflicts with an undo that deletes them: one of the two waits and sees the other.
_TAKE_DUE: Final = """
UPDATE outbox SET leaving = true
WHERE outbox_id IN (
    SELECT outbox_id FROM outbox WHERE leaving OR not_before <= now() ORDER BY outbox_id LIMIT $1 FOR UPDATE
) RETURNING task_id
"""

_SETTLED: Final = """
SELECT o.outbox_id, t.task_id, t.project, t.item_id, t.partition, v.spec ->> 'kind' AS kind,
       i.content, i.metadata, i.ingested_at, t.label, r.label AS machine_label,
       r.confidence AS machine_confidence, r.votes,
       r.reasons, r.propensity, t.audit_rate, o.again,
       t.blind OR NOT EXISTS (
           SELECT FROM assignments a WHERE a.task_id = t.task_id AND NOT a.shown_blind OFFSET 0
       ) AS blind,
       o.again AND t.label <> x.label AS changed,
       o.guideline_version, r.release, t.decided_at,
       (
           SELECT json_agg(json_build_object(
               'reviewer', d.reviewer, 'label', d.label, 'seconds', d.seconds,
               'decided_at', (extract(epoch FROM d.decided_at) * 1000)::bigint
           ) ORDER BY d.decided_at, d.slot)
           FROM decisions d WHERE d.task_id = t.task_id
       ) AS decisions
FROM unnest($1::bigint[]) AS due(task_id)
JOIN outbox o ON o.task_id = due.task_id
JOIN tasks t ON t.task_id = due.task_id
JOIN items i ON (i.project, i.item_id) = (t.project, t.item_id)
JOIN routes r ON (r.project, r.item_id, r.guideline_version) = (t.project, t.item_id, t.guideline_version)
JOIN project_versions v ON v.project = r.project AND v.version = r.project_version
LEFT JOIN rereviews x ON x.task_id = t.task_id
ORDER BY o.outbox_id
"""

_COUNTED: Final = ("decided", "final_labels", "corrections", "audits", "audit_errors", "human_seconds")

DONE: Final = """
WITH gone AS (
    DELETE FROM outbox WHERE outbox_id = ANY($1::bigint[]) RETURNING *
), settled AS (
    -- Nobody is offered these tasks again: what was kept for that is of no more use.
    DELETE FROM late_decisions k USING gone g WHERE k.task_id = g.task_id
), offered AS (
    DELETE FROM skips s USING gone g WHERE s.task_id = g.task_id AND s.reason = ''
), looked_again AS (
    UPDATE rereviews x SET settled_at = now(), changed = t.label <> x.label
    FROM gone g JOIN tasks t USING (task_id) WHERE g.again AND x.task_id = g.task_id
)
-- A re-review costs time; the rest has been counted when the task first settled.
INSERT INTO minute_stats AS s (project, minute, {figures})
SELECT project, (extract(epoch FROM date_trunc('minute', now())) * 1000)::bigint,
       count(*) FILTER (WHERE NOT again), count(*) FILTER (WHERE replaced IS NULL),
       count(*) FILTER (WHERE correction AND NOT again), count(*) FILTER (WHERE audit),
       count(*) FILTER (WHERE audit AND correction), sum(human_seconds)
FROM gone GROUP BY project ORDER BY project
{added}
""".replace("{figures}", ", ".join(_COUNTED)).replace("{added}", added(_COUNTED))

_SLICE: Final = 50
"""About a millisecond's work."""

T = TypeVar("T")

_decode = msgspec.json.decode


@dataclass(frozen=True)
class Settled:
    """A settled task with all that its event tells. Times are Unix milliseconds.

    `again`: by a re-review, which may have `changed` the label.
    """

    outbox_id: int
    task_id: int
    project: str
    item_id: str
    partition: int
    kind: str
    content: str
    metadata: dict[str, str]
    ingested_at: int
    label: Any
    machine_label: Any
    machine_confidence: float
    votes: list[Vote]
    reasons: list[str]
    propensity: float
    blind: bool
    audit_rate: float
    again: bool
    changed: bool
    guideline_version: int
    release: int
    decided_at: int
    decisions: list[Decision]


class Outbox:
    """The outbox in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def alone(self) -> AsyncIterator["Relaying | None"]:
        """Give the right to relay, or None while another process has it."""
        async with alone(self._database, "relay") as connection:
            yield None if connection is None else Relaying(connection)

    async def size(self) -> int:
        """Return how many events wait."""
        count: int = await self._database.pool.fetchval("SELECT count(*) FROM outbox")
        return count


class Relaying:
    """What the one relay does with the outbox."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def take_due(self, most: int) -> list[Settled]:
        """Mark what is due as leaving and return it, oldest first."""
        due = [row["task_id"] for row in await self._connection.fetch(_TAKE_DUE, most)]
        rows = await self._connection.fetch(_SETTLED, due) if due else []
        settled: list[Settled] = []
        async for part in in_slices(rows):
            settled += [_settled(dict(row)) for row in part]
        return settled

    async def done(self, outbox_ids: Sequence[int]) -> None:
        """Forget what has left, and what was kept for its tasks only; count it, in one transaction."""
        await self._connection.execute(DONE, outbox_ids)


async def in_slices(rows: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """Yield some at a time, and let others have their turn in between: people wait for this process, too."""
    for start in range(0, len(rows), _SLICE):
        yield rows[start : start + _SLICE]
        await asyncio.sleep(0)


def _settled(row: dict[str, Any]) -> Settled:
    row["metadata"] = _decode(row["metadata"])
    row["label"] = _decode(row["label"])
    row["machine_label"] = _decode(row["machine_label"])
    row["votes"] = _decode(row["votes"], type=list[Vote])
    row["decisions"] = _decode(row["decisions"], type=list[Decision])
    return Settled(**row)
