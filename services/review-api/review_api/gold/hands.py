"""What a person holds under earlier claims, in another window or a browser that is lost; taking it over.

Tasks and hidden checks are treated alike, and nothing in an answer tells them apart: they come by their item
ids, all leased at one moment.
"""

from typing import Final

from labelmill.runtime.postgres import Database

from review_api.accounts.roles import Principal
from review_api.gold.checks import claimed_check
from review_api.projects.in_force import InForce
from review_api.tasks import sql as tasks_sql
from review_api.tasks.pools import skill_of
from review_api.tasks.skills import Entrance
from review_api.tasks.store import Claimed, TaskStore

_MOST_TOLD: Final = 100

_HELD: Final = """
-- $1 project, $2 reviewer, $3 how many
SELECT task_id FROM (
    SELECT task_id FROM assignments
    WHERE project = $1 AND state = 'leased' AND lease_until > now() AND reviewer = $2
    UNION ALL
    SELECT task_id FROM gold_checks
    WHERE project = $1 AND lease_until > now() AND label IS NULL AND reviewer = $2
) h ORDER BY task_id LIMIT $3
"""

_OPEN: Final = """
-- $1 project, $2 pools
SELECT p.pool FROM unnest($2::text[]) WITH ORDINALITY AS p(pool, place)
WHERE EXISTS (
    SELECT FROM assignments a WHERE a.project = $1 AND a.pool = p.pool AND a.state = 'open' OFFSET 0
) ORDER BY p.place
"""

# What is being answered at this moment is stepped over: no take-over waits for a decision.
_TAKE_TASKS: Final = """
-- $1 seconds, $2 reviewer, $3 tasks
WITH mine AS MATERIALIZED (
    SELECT a.task_id, a.slot FROM unnest($3::bigint[]) AS k(task_id)
    CROSS JOIN LATERAL (
        SELECT h.task_id, h.slot FROM assignments h
        WHERE h.task_id = k.task_id AND h.reviewer = $2 AND h.state = 'leased' AND h.lease_until > now()
        FOR UPDATE OF h SKIP LOCKED
    ) a
), leased AS (
    UPDATE assignments a
    SET fence = {fence}, leased_at = now(), lease_until = now() + make_interval(secs => $1)
    FROM mine m WHERE a.task_id = m.task_id AND a.slot = m.slot
    RETURNING a.task_id, a.fence, a.lease_until, a.again, a.pool, a.adjudicates, a.shown_blind
)
{shown}
""".replace("{fence}", tasks_sql.FENCE).replace("{shown}", tasks_sql.SHOWN)

_TAKE_CHECKS: Final = """
-- $1 seconds, $2 reviewer, $3 checks
WITH leased AS (
    UPDATE gold_checks c
    SET fence = {fence}, leased_at = now(), lease_until = now() + make_interval(secs => $1)
    FROM unnest($3::bigint[]) AS k(task_id)
    WHERE c.task_id = k.task_id AND c.reviewer = $2 AND c.label IS NULL AND c.lease_until > now()
    RETURNING c.*
)
SELECT l.task_id, l.fence, (extract(epoch FROM l.lease_until) * 1000)::bigint AS lease_until, g.item_id,
       coalesce(g.content, i.content) AS content, g.metadata, l.suggested, l.purpose, r.label, r.confidence,
       r.reasons, l.late AS kept, l.needed, l.pool
FROM leased l
JOIN gold_items g USING (gold_id)
LEFT JOIN LATERAL (
    SELECT content FROM items i
    WHERE g.content IS NULL AND i.project = g.project AND i.item_id = g.item_id OFFSET 0
) i ON true
LEFT JOIN LATERAL (
    SELECT label, confidence, reasons FROM routes r
    WHERE r.project = g.project AND r.item_id = g.item_id ORDER BY guideline_version DESC LIMIT 1
) r ON g.content IS NULL
WHERE coalesce(g.content, i.content) IS NOT NULL
""".replace("{fence}", tasks_sql.FENCE)


class Hands:
    """Knows what people hold, and moves it from one of their windows to another."""

    def __init__(
        self,
        database: Database,
        store: TaskStore,
        *,
        in_force: InForce,
        entrance: Entrance,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._store = store
        self._in_force = in_force
        self._entrance = entrance
        self._lease_seconds = lease_seconds

    async def held(self, project: str, reviewer: str, most: int = _MOST_TOLD) -> list[int]:
        """Return the numbers of up to `most` tasks that a person has in hand, ascending."""
        rows = await self._database.pool.fetch(_HELD, project, reviewer, most)
        return [row["task_id"] for row in rows]

    async def skills_wanted(self, by: Principal, project: str) -> list[str]:
        """Return the skills that waiting tasks take and this person lacks. Asked where a claim found
        nothing: what waits may wait for skills alone."""
        version = await self._in_force.get(project)
        pools = await self._entrance.out_of_reach(by, version)
        rows = await self._database.pool.fetch(_OPEN, project, pools)
        return list(dict.fromkeys(skill_of(row["pool"]) for row in rows))

    async def take_over(self, by: Principal, project: str, count: int) -> list[Claimed]:
        """Give up to `count` tasks that a person has in hand new leases; the earlier ones are lost.

        Raises ApiError: 404; 403 of a gate.
        """
        version = await self._in_force.get(project)
        await self._entrance.pools(by, version)
        held = await self.held(project, by.name, count)
        if not held:
            return []
        async with self._database.pool.acquire() as connection, connection.transaction():
            taken = self._lease_seconds, by.name, held
            tasks = [Claimed(**row) for row in await connection.fetch(_TAKE_TASKS, *taken)]
            checks = [claimed_check(row) for row in await connection.fetch(_TAKE_CHECKS, *taken)]
        return sorted([*await self._store.with_answers(tasks), *checks], key=lambda task: task.item_id)
