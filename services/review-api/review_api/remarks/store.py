"""All SQL about flags and comments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.tasks.store import Subject

Reason = Literal["broken", "offensive", "personal_data", "duplicate", "other"]
Audience = Literal["managers", "raters"]

MOST_EXCERPT: Final = 300
"""Characters of an item's text that lists show."""

_MOST_SHOWN: Final = 20
"""Comments that come along with a task, the newest."""

# Sent again (its answer was lost on the way), neither is stored twice. A flag that was resolved is opened
# again: whoever raises it once more is not content with the answer.
_FLAG: Final = """
INSERT INTO flags AS f (project, item_id, task_id, reviewer, reason, text) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (task_id, reviewer, reason) DO UPDATE
SET text = EXCLUDED.text, flagged_at = CASE WHEN f.resolved_at IS NULL THEN f.flagged_at ELSE now() END,
    resolved_at = NULL, resolved_by = NULL, answer = ''
"""

_COMMENT: Final = """
INSERT INTO comments (project, item_id, task_id, reviewer, audience, text) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (task_id, reviewer, audience, md5(text)) DO NOTHING
"""

_ANY_FOR_RATERS: Final = """
SELECT EXISTS (SELECT FROM comments WHERE project = $1 AND audience = 'raters')
"""

_FOR_RATERS: Final = """
SELECT c.item_id, c.text, (extract(epoch FROM c.commented_at) * 1000)::bigint AS at
FROM unnest($2::text[]) AS k(item_id)
CROSS JOIN LATERAL (
    SELECT * FROM comments c
    WHERE c.project = $1 AND c.item_id = k.item_id AND c.audience = 'raters'
    ORDER BY comment_id DESC LIMIT {most}
) c
ORDER BY c.comment_id
""".replace("{most}", str(_MOST_SHOWN))

EXCERPT: Final = """
LEFT JOIN LATERAL (
    SELECT left(content, {most}) AS excerpt FROM (
        SELECT content FROM items i WHERE i.project = r.project AND i.item_id = r.item_id
        UNION ALL
        SELECT content FROM gold_items g
        WHERE g.project = r.project AND g.item_id = r.item_id AND g.content IS NOT NULL
    ) known LIMIT 1 OFFSET 0
) i ON true
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM assignments a WHERE a.task_id = r.task_id AND right(a.pool, 1) = '!' OFFSET 0
    ) OR EXISTS (
        SELECT FROM gold_checks c WHERE c.task_id = r.task_id AND right(c.pool, 1) = '!' OFFSET 0
    ) AS sensitive
) s
""".replace("{most}", str(MOST_EXCERPT))
"""For a row `r` of a task or a check: the beginning of its text as i.excerpt, and s.sensitive."""

_FLAGS: Final = """
SELECT r.flag_id, r.item_id, coalesce(i.excerpt, '') AS excerpt, s.sensitive,
       r.task_id, r.reviewer, r.reason, r.text,
       (extract(epoch FROM r.flagged_at) * 1000)::bigint AS at,
       (extract(epoch FROM r.resolved_at) * 1000)::bigint AS resolved_at, r.resolved_by, r.answer
FROM (
    SELECT * FROM flags WHERE project = $1 AND flag_id < $2 {only} ORDER BY flag_id DESC LIMIT $3
) r {excerpt}
ORDER BY r.flag_id DESC
""".replace("{excerpt}", EXCERPT)

_ALL_FLAGS: Final = _FLAGS.replace("{only}", "")

_OPEN_FLAGS: Final = _FLAGS.replace("{only}", "AND resolved_at IS NULL")

_COMMENTS: Final = """
SELECT r.comment_id, r.item_id, coalesce(i.excerpt, '') AS excerpt, s.sensitive,
       r.task_id, r.reviewer, r.audience,
       r.text, (extract(epoch FROM r.commented_at) * 1000)::bigint AS at
FROM (
    SELECT * FROM comments WHERE project = $1 AND comment_id < $2 ORDER BY comment_id DESC LIMIT $3
) r {excerpt}
ORDER BY r.comment_id DESC
""".replace("{excerpt}", EXCERPT)

_RESOLVE: Final = """
UPDATE flags SET resolved_at = now(), resolved_by = $3, answer = $4 WHERE project = $1 AND flag_id = $2
RETURNING reason
"""


@dataclass(frozen=True)
class Flag:
    """What somebody finds wrong with an item. Times are in Unix milliseconds; unresolved: None."""

    flag_id: int
    item_id: str
    excerpt: str
    sensitive: bool
    task_id: int
    reviewer: str
    reason: str
    text: str
    at: int
    resolved_at: int | None
    resolved_by: str | None
    answer: str


@dataclass(frozen=True)
class Comment:
    """A comment with who made it, for managers. `at` is in Unix milliseconds."""

    comment_id: int
    item_id: str
    excerpt: str
    sensitive: bool
    task_id: int
    reviewer: str
    audience: str
    text: str
    at: int


class RemarkStore:
    """Flags and comments in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def flag(self, about: Subject, reviewer: str, reason: Reason, text: str) -> None:
        """Store a flag; one person's second for the same reason replaces the text of the first."""
        await self._database.pool.execute(
            _FLAG, about.project, about.item_id, about.task_id, reviewer, reason, text
        )

    async def comment(self, about: Subject, reviewer: str, audience: Audience, text: str) -> None:
        """Store a comment, once."""
        await self._database.pool.execute(
            _COMMENT, about.project, about.item_id, about.task_id, reviewer, audience, text
        )

    async def any_for_raters(self, project: str) -> bool:
        """Return whether the project has a comment that raters may see."""
        found: bool = await self._database.pool.fetchval(_ANY_FOR_RATERS, project)
        return found

    async def for_raters(self, project: str, items: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return by item the comments that raters may see: `text` and `at` (Unix milliseconds), no name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in await self._database.pool.fetch(_FOR_RATERS, project, list(items)):
            found.setdefault(row["item_id"], []).append({"text": row["text"], "at": row["at"]})
        return found

    async def flags(self, project: str, before: int, most: int, *, open_only: bool) -> list[Flag]:
        """Return up to `most` flags with a lower id than `before`, the newest first."""
        statement = _OPEN_FLAGS if open_only else _ALL_FLAGS
        return [Flag(**row) for row in await self._database.pool.fetch(statement, project, before, most)]

    async def comments(self, project: str, before: int, most: int) -> list[Comment]:
        """Return up to `most` comments with a lower id than `before`, the newest first."""
        return [Comment(**row) for row in await self._database.pool.fetch(_COMMENTS, project, before, most)]

    async def resolve(self, project: str, flag_id: int, by: str, answer: str) -> bool:
        """Mark a flag as resolved, with an answer to who raised it; return whether there is such a flag."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_RESOLVE, project, flag_id, by, answer)
            if row is not None:
                # Not the item: it may have to be erased, and the log cannot be changed.
                detail = {"reason": row["reason"]}
                await record(connection, by, "flag.resolved", str(flag_id), detail, project=project)
        return row is not None
