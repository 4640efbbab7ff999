"""All SQL about edge cases: questions that reviewers raise from a task, and what managers make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg
from labelmill.runtime.postgres import Database

from review_api.accounts.audit import Act, record
from review_api.errors import ApiError
from review_api.guidelines.drafting import Example
from review_api.tasks.store import Subject

# Whoever asks about the same task again puts the question better, as long as nobody has answered it.
_RAISE: Final = """
INSERT INTO edge_cases AS e (project, item_id, task_id, guideline_version, raised_by, question, label)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (task_id, raised_by) DO UPDATE SET question = EXCLUDED.question, label = EXCLUDED.label
WHERE e.state = 'open'
RETURNING edge_case_id
"""

_SHOWN: Final = """
SELECT e.edge_case_id, e.item_id, e.guideline_version, e.raised_by, e.question, e.label, e.state, e.answer,
       e.answered_by, e.example_label, e.published_in, s.sensitive, {content} AS content,
       (extract(epoch FROM e.raised_at) * 1000)::bigint AS raised_at,
       (extract(epoch FROM e.answered_at) * 1000)::bigint AS answered_at
FROM ({cases}) e
LEFT JOIN LATERAL (
    SELECT left(content, 2000) AS content FROM (
        SELECT content FROM items i WHERE i.project = e.project AND i.item_id = e.item_id
        UNION ALL
        SELECT content FROM gold_items g
        WHERE g.project = e.project AND g.item_id = e.item_id AND g.content IS NOT NULL
    ) known LIMIT 1 OFFSET 0
) i ON true
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM assignments a WHERE a.task_id = e.task_id AND right(a.pool, 1) = '!' OFFSET 0
    ) OR EXISTS (
        SELECT FROM gold_checks c WHERE c.task_id = e.task_id AND right(c.pool, 1) = '!' OFFSET 0
    ) AS sensitive
) s
ORDER BY e.edge_case_id DESC
"""

_NOT_QUOTED: Final = "a distressing text, not quoted here"

_FOR_MANAGERS: Final = _SHOWN.replace("{content}", "i.content")

# To reveal a distressing text is an act of its own, which is counted: to ask about it is no way around that.
_FOR_REVIEWERS: Final = _SHOWN.replace(
    "{content}", "CASE WHEN s.sensitive THEN 'A distressing text, hidden here.' ELSE i.content END"
)

_IN_STATE: Final = _FOR_MANAGERS.replace(
    "{cases}",
    """
    SELECT * FROM edge_cases WHERE project = $1 AND state = $2
    ORDER BY project DESC, state DESC, edge_case_id DESC LIMIT $3
    """,
)

_OF_PERSON: Final = _FOR_REVIEWERS.replace(
    "{cases}",
    """
    SELECT * FROM edge_cases WHERE project = $1 AND raised_by = $2
    ORDER BY project DESC, raised_by DESC, edge_case_id DESC LIMIT $3
    """,
)

_GET: Final = _FOR_MANAGERS.replace(
    "{cases}", "SELECT * FROM edge_cases WHERE edge_case_id = $2 AND project = $1"
)

_ANSWER: Final = """
UPDATE edge_cases
SET state = $3, answer = $4, example_label = $5, answered_by = $6, answered_at = now()
WHERE edge_case_id = $2 AND project = $1 AND state IN ('open', 'accepted')
RETURNING item_id
"""

_COUNTS: Final = """
SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'accepted') AS accepted
FROM edge_cases WHERE project = $1 AND state IN ('open', 'accepted')
"""

_PUBLISHED: Final = """
UPDATE edge_cases SET state = 'published', published_in = $3
WHERE project = $1 AND edge_case_id = ANY($2::bigint[]) AND state = 'accepted'
"""


@dataclass(frozen=True)
class EdgeCase:
    """A question about an item. `label` is the one that the reviewer doubts, `example_label` the one that the
    manager gave; `content` is None once the item is erased. Times are Unix milliseconds."""

    edge_case_id: int
    item_id: str
    guideline_version: int
    raised_by: str
    raised_at: int
    question: str
    label: str | None
    content: str | None
    sensitive: bool
    state: str
    answer: str
    answered_by: str | None
    answered_at: int | None
    example_label: str | None
    published_in: int | None


@dataclass(frozen=True)
class Raised:
    """A question about a task; `label` is the one in doubt."""

    task: Subject
    guideline_version: int
    question: str
    label: str | None


@dataclass(frozen=True)
class Answer:
    """What a manager says, and the label that the item is an example of, if it is."""

    state: Literal["accepted", "closed"]
    text: str
    label: str | None = None

    @property
    def act(self) -> Act:
        """The act as the audit log names it."""
        return "edge_case.accepted" if self.state == "accepted" else "edge_case.closed"


class EdgeCases:
    """Edge cases in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def raise_(self, raised: Raised, by: str) -> int:
        """Note a question and return its number. Raises ApiError 409 if it has been answered."""
        task = raised.task
        row = (task.project, task.item_id, task.task_id, raised.guideline_version, by)
        number: int | None = await self._database.pool.fetchval(_RAISE, *row, raised.question, raised.label)
        if number is None:
            raise ApiError(409, "wrong_state", "this question has been answered already")
        return number

    async def in_state(self, project: str, state: str, most: int) -> list[EdgeCase]:
        """Return the newest edge cases in a state."""
        rows = await self._database.pool.fetch(_IN_STATE, project, state, most)
        return [EdgeCase(**row) for row in rows]

    async def of_person(self, project: str, name: str, most: int) -> list[EdgeCase]:
        """Return the newest edge cases that a person raised."""
        return [EdgeCase(**row) for row in await self._database.pool.fetch(_OF_PERSON, project, name, most)]

    async def counts(self, project: str) -> tuple[int, int]:
        """Return how many are open, and how many are accepted and in no guideline yet."""
        row = await self._database.pool.fetchrow(_COUNTS, project)
        return row["open"], row["accepted"]

    async def get(self, project: str, edge_case_id: int) -> EdgeCase:
        """Return an edge case. Raises ApiError 404."""
        row = await self._database.pool.fetchrow(_GET, project, edge_case_id)
        if row is None:
            raise ApiError(404, "unknown_edge_case", f"project {project!r} has no edge case {edge_case_id}")
        return EdgeCase(**row)

    async def accept(self, project: str, edge_case_id: int, label: str, why: str, by: str) -> EdgeCase:
        """Take one as an example of `label`, for the next version. Raises ApiError 404 or 409."""
        return await self._answer(project, edge_case_id, by, Answer("accepted", why, label))

    async def close(self, project: str, edge_case_id: int, answer: str, by: str) -> EdgeCase:
        """Answer one, without an example. Raises ApiError 404 or 409."""
        return await self._answer(project, edge_case_id, by, Answer("closed", answer))

    async def accepted(self, project: str, most: int) -> tuple[list[int], list[Example]]:
        """Return the numbers and the examples of those that are accepted and in no guideline yet, the oldest
        first. Everybody reads the guideline: it quotes no distressing text."""
        found = [
            each
            for each in reversed(await self.in_state(project, "accepted", most))
            if each.content is not None
        ]
        examples = [
            Example(
                _NOT_QUOTED if each.sensitive else each.content or "", each.example_label or "", each.answer
            )
            for each in found
        ]
        return [each.edge_case_id for each in found], examples

    async def texts(self, project: str, most: int) -> list[str]:
        """Return the texts of the newest edge cases that are examples, of the next version or of one."""
        found = [
            *await self.in_state(project, "accepted", most),
            *await self.in_state(project, "published", most),
        ]
        return [each.content for each in found if each.content is not None][:most]

    async def published(
        self, on: asyncpg.Connection, project: str, edge_case_ids: Sequence[int], guideline_version: int
    ) -> None:
        """Note that accepted edge cases are in a version of the guideline, in the transaction that makes
        it."""
        await on.execute(_PUBLISHED, project, list(edge_case_ids), guideline_version)

    async def _answer(self, project: str, edge_case_id: int, by: str, given: Answer) -> EdgeCase:
        async with self._database.pool.acquire() as connection, connection.transaction():
            item_id = await connection.fetchval(
                _ANSWER, project, edge_case_id, given.state, given.text, given.label, by
            )
            if item_id is not None:
                subject, detail = str(edge_case_id), {"item_id": item_id}
                await record(connection, by, given.act, subject, detail, project=project)
        found = await self.get(project, edge_case_id)
        if item_id is None:
            raise ApiError(409, "wrong_state", f"edge case {edge_case_id} is {found.state} already")
        return found
