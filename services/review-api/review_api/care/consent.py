"""All SQL about distressing items: who would see them, and who has been shown how many."""

from dataclasses import dataclass
from typing import Final

from labelmill.runtime.postgres import Database

_CONSENT: Final = "SELECT given FROM consents WHERE reviewer = $1 AND project = $2"

_SET: Final = """
INSERT INTO consents (reviewer, project, given, changed_at) VALUES ($1, $2, $3, now())
ON CONFLICT (reviewer, project) DO UPDATE SET given = EXCLUDED.given, changed_at = now()
"""

# Not a skip: nothing is held against anybody, and nothing is remembered of it.
_GIVE_BACK: Final = """
UPDATE assignments
SET state = 'open', reviewer = NULL, fence = NULL, leased_at = NULL, lease_until = NULL
WHERE project = $2 AND state = 'leased' AND reviewer = $1 AND right(pool, 1) = '!'
"""

# Checks look like other tasks in this too.
_GIVE_CHECKS_BACK: Final = """
UPDATE gold_checks SET lease_until = now()
WHERE project = $2 AND reviewer = $1 AND label IS NULL AND lease_until > now() AND right(pool, 1) = '!'
"""

# With enough shown, what is left in hand could not be shown any more: it would lie until its lease ends.
_GIVE_UNSEEN_BACK: Final = """
-- $1 reviewer, $2 project, $3 the task that is on the screen
WITH unseen AS (
    SELECT task_id, slot FROM assignments a
    WHERE project = $2 AND state = 'leased' AND reviewer = $1 AND right(pool, 1) = '!' AND task_id <> $3
      AND NOT EXISTS (SELECT FROM reveals r WHERE r.reviewer = $1 AND r.task_id = a.task_id)
    ORDER BY task_id, slot FOR UPDATE OF a
), tasks AS (
    UPDATE assignments a
    SET state = 'open', reviewer = NULL, fence = NULL, leased_at = NULL, lease_until = NULL
    FROM unseen u WHERE a.task_id = u.task_id AND a.slot = u.slot
    RETURNING a.task_id
), checks AS (
    UPDATE gold_checks c SET lease_until = now()
    WHERE project = $2 AND reviewer = $1 AND label IS NULL AND lease_until > now() AND right(pool, 1) = '!'
      AND task_id <> $3
      AND NOT EXISTS (SELECT FROM reveals r WHERE r.reviewer = $1 AND r.task_id = c.task_id)
    RETURNING task_id
)
SELECT task_id FROM (SELECT * FROM tasks UNION ALL SELECT * FROM checks) g ORDER BY task_id
"""

_ASKING: Final = "SELECT pg_advisory_xact_lock(hashtextextended('asking ' || $1, 0))"

_ASK: Final = """
INSERT INTO consents (reviewer, project, asked_at)
SELECT $1, $2, now()
WHERE NOT EXISTS (SELECT FROM consents WHERE reviewer = $1 AND asked_at > now() - interval '24 hours')
  AND NOT EXISTS (SELECT FROM consents WHERE reviewer = $1 AND project = $2 AND given IS NOT NULL)
ON CONFLICT (reviewer, project) DO UPDATE SET asked_at = now()
RETURNING true
"""

_SHOWN: Final = "SELECT count(*) FROM reveals WHERE reviewer = $1 AND at > now() - interval '24 hours'"

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('revealing ' || $1, 0))"

_HELD: Final = """
SELECT i.content, a.project,
       EXISTS (SELECT FROM reveals r WHERE r.reviewer = $2 AND r.task_id = $1) AS shown
FROM assignments a JOIN tasks t USING (task_id)
JOIN items i ON (i.project, i.item_id) = (t.project, t.item_id)
WHERE a.task_id = $1 AND a.reviewer = $2 AND a.fence = $3 AND a.state = 'leased' AND a.lease_until > now()
UNION ALL
SELECT coalesce(g.content, (
           SELECT content FROM items i WHERE (i.project, i.item_id) = (g.project, g.item_id)
       )), c.project, EXISTS (SELECT FROM reveals r WHERE r.reviewer = $2 AND r.task_id = $1)
FROM gold_checks c JOIN gold_items g USING (gold_id)
WHERE c.task_id = $1 AND c.reviewer = $2 AND c.fence = $3 AND c.label IS NULL AND c.lease_until > now()
"""

_PROJECT: Final = """
SELECT project FROM tasks WHERE task_id = $1 UNION ALL SELECT project FROM gold_checks WHERE task_id = $1
"""

# Whether any of the first tasks in the pools of a person is one that they have had no part in.
_WAITING: Final = """
SELECT EXISTS (
    SELECT FROM (
        SELECT '!' AS pool UNION ALL SELECT skill || '!' FROM skills WHERE project = $1 AND reviewer = $2
    ) p
    CROSS JOIN (VALUES (false), (true)) b (begun)
    CROSS JOIN LATERAL (
        SELECT a.task_id FROM assignments a
        WHERE a.project = $1 AND a.pool = p.pool AND a.begun = b.begun AND a.state = 'open'
        ORDER BY a.priority, a.task_id, a.slot LIMIT 100
    ) o
    WHERE NOT EXISTS (SELECT FROM assignments m WHERE m.task_id = o.task_id AND m.reviewer = $2 OFFSET 0)
)
"""

_REVEAL: Final = "INSERT INTO reveals (reviewer, task_id, project) VALUES ($1, $2, $3)"


@dataclass(frozen=True)
class Revealed:
    """A distressing item that somebody asked to see. `shown` have been shown in the last 24 hours.

    `content` is None if those are enough, without this one. If they are enough, `given_back` are the tasks
    in hand that go to others, for nothing of them was shown.
    """

    content: str | None
    shown: int
    given_back: list[int]


class ConsentStore:
    """Consent and what was shown, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def consent(self, reviewer: str, project: str) -> bool | None:
        """Return whether somebody would see distressing items; None if they have not said."""
        given: bool | None = await self._database.pool.fetchval(_CONSENT, reviewer, project)
        return given

    async def set_consent(self, reviewer: str, project: str, *, given: bool) -> int:
        """Store what somebody said; who withdraws gives back what they hold. Return how many."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(_SET, reviewer, project, given)
            if given:
                return 0
            tasks = await connection.execute(_GIVE_BACK, reviewer, project)
            checks = await connection.execute(_GIVE_CHECKS_BACK, reviewer, project)
            return sum(int(status.rsplit(maxsplit=1)[-1]) for status in (tasks, checks))

    async def may_ask(self, reviewer: str, project: str) -> bool:
        """Return whether to ask somebody now, and count it as asked: they have not said yet, and were asked
        nowhere in the last 24 hours."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            # One after the other: two pages that open at once ask once.
            await connection.execute(_ASKING, reviewer)
            return bool(await connection.fetchval(_ASK, reviewer, project))

    async def waiting(self, reviewer: str, project: str) -> bool:
        """Return whether distressing tasks are open that somebody could be given if they would see them."""
        waits: bool = await self._database.pool.fetchval(_WAITING, project, reviewer)
        return waits

    async def shown(self, reviewer: str) -> int:
        """Return how many distressing items somebody was shown in the last 24 hours, in all projects."""
        count: int = await self._database.pool.fetchval(_SHOWN, reviewer)
        return count

    async def project_of(self, task_id: int) -> str | None:
        """Return the project of a task, or None if there is no such task."""
        project: str | None = await self._database.pool.fetchval(_PROJECT, task_id)
        return project

    async def reveal(self, reviewer: str, task_id: int, fence: int, most: int) -> Revealed | None:
        """Count a distressing item as shown, unless `most` have been, and return its text; None if the lease
        is lost."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, reviewer)
            held = await connection.fetchrow(_HELD, task_id, reviewer, fence)
            if held is None:
                return None
            shown: int = await connection.fetchval(_SHOWN, reviewer)
            may_see = held["shown"] or shown < most
            if may_see and not held["shown"]:
                await connection.execute(_REVEAL, reviewer, task_id, held["project"])
                shown += 1
            given_back: list[int] = []
            if shown >= most:
                rows = await connection.fetch(_GIVE_UNSEEN_BACK, reviewer, held["project"], task_id)
                given_back = [row["task_id"] for row in rows]
            return Revealed(held["content"] if may_see else None, shown, given_back)
