"""All SQL that gives waiting tasks new places."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from labelmill.runtime.postgres import Database

from review_api.alone import alone
from review_api.tasks.ordering import Facts, Place

_BASIS: Final = "SELECT basis FROM queue_orders WHERE project = $1"

_DONE: Final = """
INSERT INTO queue_orders (project, basis) VALUES ($1, $2)
ON CONFLICT (project) DO UPDATE SET basis = EXCLUDED.basis, ordered_at = now()
"""

# What was asked for because people differ, or again, keeps its place; so does what a manager put in front,
# below 0. The cursor outlives its transaction: what it found lies in a file of the server, and no old
# snapshot keeps dead entries from being cleared away while the queue is worked through. By number: neighbours
# lie side by side in every table, where in the order of the queue each would be a page of its own.
_WAITING: Final = """
DECLARE waiting CURSOR WITH HOLD FOR
SELECT task_id FROM assignments WHERE project = $1 AND state = 'open' AND NOT again AND NOT extra
ORDER BY task_id LIMIT $2
"""

_IN_HAND: Final = """
SELECT task_id FROM assignments WHERE project = $1 AND state = 'leased' AND NOT again AND NOT extra
"""

_COUNT: Final = "SELECT count(*) FROM assignments WHERE project = $1 AND state = 'open'"

_FACTS: Final = """
SELECT t.task_id, t.item_id, t.blind, r.routed_at AS created_at, r.confidence, r.label, r.probabilities,
       r.votes, i.metadata, CASE WHEN $2 THEN i.content ELSE '' END AS content
FROM unnest($1::bigint[]) AS k(task_id)
CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE t.task_id = k.task_id OFFSET 0) t
JOIN routes r USING (project, item_id, guideline_version)
JOIN items i USING (project, item_id)
"""

# It waits for nobody: what somebody takes at this moment is in their hands when those are looked at. What
# waits behind an open part of a task takes over its place when it is opened.
_MOVE: Final = """
UPDATE assignments a SET pool = f.pool, priority = f.priority
FROM (
    SELECT a.task_id, a.slot, n.pool, n.priority
    FROM unnest($1::bigint[], $2::text[], $3::float8[]) AS n(task_id, pool, priority)
    CROSS JOIN LATERAL (
        SELECT o.task_id, o.slot FROM assignments o
        WHERE o.task_id = n.task_id
          -- What came in since under a newer version lies where that one says.
          AND EXISTS (SELECT FROM projects WHERE project = $4 AND version = $5)
          AND o.state IN ('open', 'leased') AND NOT o.again AND NOT o.extra
          AND o.priority >= 0 AND (o.pool, o.priority) IS DISTINCT FROM (n.pool, n.priority)
        FOR UPDATE SKIP LOCKED
    ) a
) f
WHERE a.task_id = f.task_id AND a.slot = f.slot
"""


@dataclass(frozen=True)
class Waiting:
    """A task that waits; `content` is empty unless it was asked for."""

    task_id: int
    content: str
    facts: Facts


class WaitingIds:
    """The ids of the tasks that waited in a project when it was asked for the first of them."""

    def __init__(self, connection: asyncpg.Connection, project: str) -> None:
        self._connection = connection
        self._project = project

    async def pages(self, size: int, most: int | None = None) -> AsyncGenerator[list[int]]:
        """Yield up to `most` of them in lists of `size`: however many there are, one list is in memory."""
        await self._connection.execute(_WAITING, self._project, most)
        try:
            while rows := await self._connection.fetch(f"FETCH {size:d} FROM waiting"):
                yield [row["task_id"] for row in rows]
        finally:
            if not self._connection.is_closed():
                await self._connection.execute("CLOSE waiting")


class Reorders:
    """The places of waiting tasks in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def alone(self, project: str) -> AsyncIterator[WaitingIds | None]:
        """Give what waits in a project, which nobody else orders meanwhile; None while somebody else does."""
        async with alone(self._database, f"reorder/{project}") as connection:
            yield None if connection is None else WaitingIds(connection, project)

    async def basis(self, project: str) -> str | None:
        """Return what the queue was ordered by last."""
        found: str | None = await self._database.pool.fetchval(_BASIS, project)
        return found

    async def done(self, project: str, basis: str) -> None:
        await self._database.pool.execute(_DONE, project, basis)

    async def in_hand(self, project: str) -> list[int]:
        """Return the ids of the tasks that people hold, and that wait again where they give them back."""
        return [row["task_id"] for row in await self._database.pool.fetch(_IN_HAND, project)]

    async def count(self, project: str) -> int:
        """Return how much waits, roughly."""
        found: int = await self._database.pool.fetchval(_COUNT, project)
        return found

    async def facts(self, task_ids: Sequence[int], *, with_content: bool = False) -> list[Waiting]:
        """Return what the places of those tasks follow from that are still there."""
        rows = await self._database.pool.fetch(_FACTS, task_ids, with_content)
        return [
            Waiting(
                row["task_id"],
                row["content"],
                Facts(
                    item_id=row["item_id"],
                    blind=row["blind"],
                    confidence=row["confidence"],
                    created_at=row["created_at"],
                    label=row["label"].encode(),
                    probabilities=row["probabilities"].encode(),
                    votes=row["votes"].encode(),
                    metadata=row["metadata"].encode(),
                ),
            )
            for row in rows
        ]

    async def move(self, project: str, version: int, places: Sequence[tuple[int, Place]]) -> int:
        """Give tasks their places under a version, if it is still in force, and if nobody takes them at this
        moment; return how many moved."""
        status = await self._database.pool.execute(
            _MOVE,
            [task_id for task_id, _ in places],
            [place.pool for _, place in places],
            [place.priority for _, place in places],
            project,
            version,
        )
        return int(status.split()[-1])
