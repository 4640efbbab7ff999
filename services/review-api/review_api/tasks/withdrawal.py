"""All SQL about withdrawing tasks that evidence has made needless."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from labelmill.events import LabelScored, Vote
from labelmill.policy import COVERABLE
from labelmill.runtime.postgres import Database

from review_api.minutes import added
from review_api.tasks.covering import Waiting

# In the order of the queue's index, so that each call goes on where the last one ended.
_WAITING: Final = """
SELECT a.pool, a.priority, a.task_id, r.item_id, r.guideline_version, r.release, r.label, r.confidence,
       r.votes, r.calibrated, r.over_budget, r.suspicious, i.metadata, v.spec ->> 'kind' AS kind,
       r.confidence >= l.least AND r.reasons <@ $5::text[] AS fits
FROM (
    SELECT pool, priority, task_id FROM assignments
    WHERE project = $1 AND NOT begun AND state = 'open'
      AND (pool, begun, priority, task_id) > ($2, false, $3, $4)
    ORDER BY pool, begun, priority, task_id LIMIT $8
) a
JOIN tasks t USING (task_id)
JOIN items i USING (project, item_id)
JOIN routes r USING (project, item_id, guideline_version)
JOIN project_versions v ON v.project = r.project AND v.version = r.project_version
LEFT JOIN unnest($6::integer[], $7::float8[]) AS l(release, least) USING (release)
ORDER BY a.pool, a.priority, a.task_id
"""

# Only what nobody has begun: all its assignments are free. One that has come back says nothing of the others,
# which people may hold or have decided; what somebody claims at this moment is locked, and is theirs.
_WITHDRAW: Final = """
WITH free AS (
    SELECT task_id FROM assignments
    WHERE task_id = ANY($1::bigint[]) AND reviewer IS NULL FOR UPDATE SKIP LOCKED
), mine AS (
    SELECT t.task_id FROM tasks t JOIN free f USING (task_id)
    GROUP BY t.task_id HAVING count(*) = t.needed
), gone AS (
    DELETE FROM assignments a USING mine m WHERE a.task_id = m.task_id RETURNING a.task_id
), skipped AS (
    DELETE FROM skips s USING mine m WHERE s.task_id = m.task_id
), late AS (
    DELETE FROM late_decisions k USING mine m WHERE k.task_id = m.task_id
), tasks_gone AS (
    DELETE FROM tasks t USING mine m WHERE t.task_id = m.task_id RETURNING t.*
), final AS (
    INSERT INTO final_labels
        (project, item_id, label, source, confidence, guideline_version, release, decided_at, routed_under)
    SELECT r.project, r.item_id, r.label, 'machine', r.confidence, r.guideline_version, r.release, $2,
           r.guideline_version
    FROM tasks_gone t JOIN routes r USING (project, item_id, guideline_version)
    ON CONFLICT DO NOTHING
    RETURNING project
), counted AS (
    INSERT INTO minute_stats AS s (project, minute, withdrawn, withdrawn_again, final_labels)
    SELECT t.project, $2 - $2 % 60000, count(*), count(*) FILTER (WHERE EXISTS (
               SELECT FROM routes r WHERE r.project = t.project AND r.item_id = t.item_id
                 AND r.guideline_version < t.guideline_version
           )), (SELECT count(*) FROM final)
    FROM tasks_gone t GROUP BY t.project
    {added}
)
SELECT count(*) FROM tasks_gone
""".replace("{added}", added(("withdrawn", "withdrawn_again", "final_labels")))

Place = tuple[str, float, int]

START: Final[Place] = ("", float("-inf"), 0)

_votes = msgspec.json.Decoder(list[Vote])


class Withdrawal:
    """Looks through a project's waiting tasks, and withdraws some."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(
        self, project: str, after: Place, least: Mapping[int, float], most: int
    ) -> tuple[list[Waiting], Place | None]:
        """Return those of the next `most` tasks that may be covered, and the place after them; None at the
        end. `least` is the least confidence by release."""
        releases, confidences = list(least), list(least.values())
        rows = await self._database.pool.fetch(
            _WAITING, project, *after, list(COVERABLE), releases, confidences, most
        )
        tasks = [Waiting(row["task_id"], _score(project, row)) for row in rows if row["fits"]]
        place = (rows[-1]["pool"], rows[-1]["priority"], rows[-1]["task_id"]) if len(rows) == most else None
        return tasks, place

    async def withdraw(self, tasks: Sequence[Waiting]) -> int:
        """Make the machine's label of each task final, unless somebody has taken it up; return how many."""
        ids = [task.task_id for task in tasks]
        withdrawn: int = await self._database.pool.fetchval(_WITHDRAW, ids, int(time.time() * 1000))
        return withdrawn


def _score(project: str, row: Any) -> LabelScored:
    """Return a score as far as a policy looks at it."""
    return LabelScored(
        project=project,
        event_id="",
        item_id=row["item_id"],
        content_hash="",
        kind=row["kind"],
        label=msgspec.json.decode(row["label"]),
        confidence=row["confidence"],
        probabilities={},
        votes=_votes.decode(row["votes"]),
        guideline_version=row["guideline_version"],
        release=row["release"],
        calibrated=row["calibrated"],
        over_budget=row["over_budget"],
        suspicious=row["suspicious"],
        metadata=msgspec.json.decode(row["metadata"]),
    )
