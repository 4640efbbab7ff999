"""All SQL about figures: a project's state now, and minute by minute."""

from dataclasses import dataclass
from typing import Final

from labelmill.runtime.postgres import Database

from review_api.minutes import FIGURES, added

# What is settled counts at once, also before its event has left: the outbox adds what the minutes lack. But
# whether it agrees with the machine is told once it cannot be undone: whoever saw that it counts as a
# correction could take it back, and a blind check would not be blind. A re-review is no task more: it is
# counted by itself, where doubtful decisions are. A hidden check in somebody's hands looks like a task.
_STATUS: Final = """
WITH counted AS (
    SELECT coalesce(sum(items - items_erased), 0)::bigint AS items,
           coalesce(sum(accepted - accepted_again - accepted_erased), 0)::bigint AS accepted,
           coalesce(sum(requested - requested_again - requested_erased), 0)::bigint AS requested,
           coalesce(sum(withdrawn - withdrawn_again - withdrawn_erased), 0)::bigint AS withdrawn,
           coalesce(sum(items_erased), 0)::bigint AS items_erased,
           coalesce(sum(finals_erased), 0)::bigint AS final_labels_erased,
           coalesce(sum(requested_again), 0)::bigint AS requested_again,
           coalesce(sum(requested - withdrawn - tasks_erased - decided), 0)::bigint AS undecided,
           coalesce(sum(decided), 0)::bigint AS decided,
           coalesce(sum(final_labels - finals_erased), 0)::bigint AS final_labels,
           coalesce(sum(corrections), 0)::bigint AS corrections, coalesce(sum(audits), 0)::bigint AS audits,
           coalesce(sum(audit_errors), 0)::bigint AS audit_errors, coalesce(sum(cost_usd), 0) AS cost_usd,
           coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
           coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
           coalesce(sum(llm_calls), 0)::bigint AS llm_calls,
           coalesce(sum(student_only), 0)::bigint AS student_only,
           coalesce(sum(human_seconds), 0) AS human_seconds
    FROM minute_stats WHERE project = $1
), waiting AS (
    SELECT count(*) FILTER (WHERE NOT again) AS decided,
           count(*) FILTER (WHERE NOT again AND not_before <= now()) AS compared,
           count(*) FILTER (WHERE replaced IS NULL) AS final_labels,
           count(*) FILTER (WHERE correction AND NOT again AND not_before <= now()) AS corrections,
           count(*) FILTER (WHERE audit AND not_before <= now()) AS audits,
           count(*) FILTER (WHERE audit AND correction AND not_before <= now()) AS audit_errors,
           coalesce(sum(human_seconds), 0) AS human_seconds
    FROM outbox WHERE project = $1
), leased AS (
    SELECT count(DISTINCT task_id) AS tasks FROM assignments
    WHERE project = $1 AND state = 'leased' AND lease_until > now() AND NOT again
), checks AS (
    SELECT count(*) AS tasks FROM gold_checks
    WHERE project = $1 AND label IS NULL AND lease_until > now() AND purpose = 'check'
), pace AS (
    SELECT CASE WHEN sum(decisions + checks) >= $2
                THEN sum(active_seconds) / sum(decisions + checks) END AS seconds
    FROM workdays WHERE project = $1 AND day > current_date - $3::integer
)
SELECT c.items, c.accepted, c.requested, c.requested_again,
       greatest(0, c.undecided - w.decided - l.tasks - g.tasks) AS open_tasks,
       l.tasks + g.tasks AS leased_tasks,
       c.decided + w.decided AS decided, c.decided + w.compared AS compared,
       c.final_labels + w.final_labels AS final_labels,
       c.corrections + w.corrections AS corrections, c.audits + w.audits AS audits,
       c.audit_errors + w.audit_errors AS audit_errors,
       c.cost_usd, c.input_tokens, c.output_tokens, c.llm_calls, c.student_only,
       coalesce((SELECT max(number) FROM releases WHERE project = $1), 0) AS release,
       c.human_seconds + w.human_seconds AS human_seconds, c.withdrawn, p.seconds AS seconds_each,
       c.items_erased, c.final_labels_erased
FROM counted c, waiting w, leased l, checks g, pace p
"""

_MINUTES: Final = """
SELECT minute, items, accepted, requested, decided, withdrawn + tasks_erased AS withdrawn, corrections,
       audits, audit_errors, cost_usd
FROM minute_stats
WHERE project = $1 AND minute > (extract(epoch FROM now()) * 1000)::bigint - $2::bigint * 60000
ORDER BY minute
"""

_SPENT_TODAY: Final = """
SELECT coalesce(sum(cost_usd), 0) FROM minute_stats
WHERE project = $1 AND minute >= (extract(epoch FROM now()) * 1000)::bigint / 86400000 * 86400000
"""

# A day's row keeps the sums of its minutes; a row at midnight is the day's already.
_FOLD: Final = (
    """
WITH old AS (
    DELETE FROM minute_stats
    WHERE minute < (extract(epoch FROM now()) * 1000)::bigint - $1::bigint * 86400000
      AND minute % 86400000 <> 0
    RETURNING *
)
INSERT INTO minute_stats AS s (project, minute, {figures})
SELECT project, minute - minute % 86400000, {sums} FROM old GROUP BY 1, 2 ORDER BY 1, 2
{added}
""".replace("{figures}", ", ".join(FIGURES))
    .replace("{sums}", ", ".join(f"sum({name})" for name in FIGURES))
    .replace("{added}", added(FIGURES))
)

_ENOUGH_DECISIONS: Final = 50
"""From which on the time that a decision took, in the last days, is told."""
_PACE_DAYS: Final = 30

MINUTES_KEPT_DAYS: Final = 8
"""For how long the figures are kept minute by minute; then only their sums by day."""

_WAITING: Final = """
SELECT project, s.tasks - coalesce(o.tasks, 0) AS tasks
FROM (
    SELECT project, sum(requested - withdrawn - tasks_erased - decided)::bigint AS tasks
    FROM minute_stats GROUP BY project
) s
LEFT JOIN (SELECT project, count(*) AS tasks FROM outbox WHERE NOT again GROUP BY project) o USING (project)
"""


@dataclass(frozen=True)
class Status:
    """A project's state. `open_tasks` wait for a reviewer, `leased_tasks` are in somebody's hands. The
    doubtful decisions that are made again are neither. Of the `decided`, those `compared` with the machine
    can no longer be undone; `corrections` are among them.

    `audits` are the blind checks that people decided, `audit_errors` those where the machine was wrong.

    `items`, `accepted`, `requested`, `withdrawn` and `final_labels` are of the items that are there: an item
    counts by its first route, and one that was erased no more. `withdrawn` ones had been requested, and were
    accepted after all, on new evidence. `requested_again` tasks are about items that had been routed before,
    by an older guideline. `seconds_each` is the active time of a decision; None while there are too few.
    `items_erased` are gone, with `final_labels_erased`; decisions on them are still among the `decided`.
    """

    items: int
    accepted: int
    requested: int
    requested_again: int
    open_tasks: int
    leased_tasks: int
    decided: int
    compared: int
    final_labels: int
    corrections: int
    audits: int
    audit_errors: int
    cost_usd: float
    input_tokens: int
    output_tokens: int
    llm_calls: int
    student_only: int
    release: int
    human_seconds: float
    withdrawn: int
    seconds_each: float | None
    items_erased: int
    final_labels_erased: int


@dataclass(frozen=True)
class Minute:
    """What was counted in one minute, of an item each time it was routed; `minute` is its start in Unix
    milliseconds. Of `withdrawn` tasks some went with their items, which were erased."""

    minute: int
    items: int
    accepted: int
    requested: int
    decided: int
    withdrawn: int
    corrections: int
    audits: int
    audit_errors: int
    cost_usd: float


class Figures:
    """Figures from PostgreSQL. None of them reads a row per item."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self, project: str) -> Status:
        row = await self._database.pool.fetchrow(_STATUS, project, _ENOUGH_DECISIONS, _PACE_DAYS)
        return Status(**row)

    async def minutes(self, project: str, last: int) -> list[Minute]:
        """Return the last minutes in which anything was counted, oldest first."""
        return [Minute(**row) for row in await self._database.pool.fetch(_MINUTES, project, last)]

    async def spent_today(self, project: str) -> float:
        """Return the cost in US dollars of what was scored since midnight UTC, as far as it was routed."""
        return float(await self._database.pool.fetchval(_SPENT_TODAY, project))

    async def fold(self) -> None:
        """Sum up the minutes of long ago by day, so that sums over a project stay cheap for years."""
        await self._database.pool.execute(_FOLD, MINUTES_KEPT_DAYS)

    async def waiting_tasks(self) -> dict[str, int]:
        """Return how many tasks are not settled, by project."""
        return {row["project"]: row["tasks"] for row in await self._database.pool.fetch(_WAITING)}
