"""The statements that look at what waits, named. None reads a row per task but those of one index."""

from typing import Final

# Tasks are numbered as they are made, so an age is a number: looked for by halves on the primary key. What
# several writers make at once may be off by moments.
FIRST_SINCE: Final = """
-- $1 points in time (Unix milliseconds)
WITH RECURSIVE span AS (
    SELECT coalesce(min(task_id), 0) AS low, coalesce(max(task_id), 0) + 1 AS high FROM tasks
), search AS (
    SELECT w.place, w.at, s.low, s.high FROM span s, unnest($1::bigint[]) WITH ORDINALITY AS w(at, place)
    UNION ALL
    SELECT s.place, s.at,
           CASE WHEN p.task_id < s.high AND p.created_at < s.at THEN p.task_id + 1 ELSE s.low END,
           CASE WHEN p.task_id < s.high AND p.created_at < s.at THEN s.high ELSE (s.low + s.high) / 2 END
    FROM search s
    LEFT JOIN LATERAL (
        SELECT task_id, created_at FROM tasks WHERE task_id >= (s.low + s.high) / 2 ORDER BY task_id LIMIT 1
    ) p ON true
    WHERE s.low < s.high
)
SELECT low FROM search WHERE low >= high ORDER BY place
"""

# Reads nothing but the index of what is open. Re-reviews, which come last, wait by rules of their own: their
# tasks are as old as the decisions that are doubted.
OPEN: Final = """
-- $1 project, $2 task numbers, ascending
SELECT pool, begun, width_bucket(task_id, $2::bigint[]) AS bucket, count(*) AS tasks, min(task_id) AS oldest
FROM assignments WHERE project = $1 AND state = 'open' AND priority < 'infinity' GROUP BY 1, 2, 3
"""

OLDEST_IN_HAND: Final = """
SELECT min(task_id) FROM (
    SELECT task_id FROM assignments WHERE project = $1 AND state = 'leased' AND NOT again LIMIT 10000
) l
"""

CREATED_AT: Final = "SELECT created_at FROM tasks WHERE task_id = $1"

EARLY: Final = """
SELECT count(*) FROM (SELECT FROM early_routes WHERE project = $1 LIMIT 10000) e
"""

LEASES: Final = """
-- $1 project, $2 how many to show
SELECT a.task_id, a.slot, a.reviewer, a.again, t.item_id, t.created_at,
       (extract(epoch FROM a.leased_at) * 1000)::bigint AS since,
       (extract(epoch FROM a.lease_until) * 1000)::bigint AS until,
       extract(epoch FROM now() - greatest(a.leased_at, d.decided_at))::float8 AS idle_seconds,
       count(*) OVER () AS leases
FROM (SELECT * FROM assignments WHERE project = $1 AND state = 'leased' LIMIT 10000) a
JOIN tasks t USING (task_id)
LEFT JOIN LATERAL (
    SELECT decided_at FROM decisions WHERE reviewer = a.reviewer ORDER BY decided_at DESC LIMIT 1
) d ON true
ORDER BY a.leased_at, a.task_id LIMIT $2
"""

# Up to $2 tasks are all looked at, of more one in so many: by their numbers' hash, so that every part of the
# queue is in it. Counting and choosing read nothing but the index of what is open, both at one moment.
REASONS: Final = """
-- $1 project, $2 tasks to look at
WITH counted AS (
    SELECT count(*) AS tasks FROM assignments
    WHERE project = $1 AND state = 'open' AND priority < 'infinity'
), chosen AS MATERIALIZED (
    SELECT task_id FROM assignments
    WHERE project = $1 AND state = 'open' AND priority < 'infinity'
      AND abs(hashint8(task_id)::bigint) % (SELECT greatest(1, (tasks + $2 - 1) / $2) FROM counted) = 0
)
SELECT coalesce(r.reasons[1], '') AS reason, count(*) AS tasks
FROM chosen
CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE t.task_id = chosen.task_id OFFSET 0) t
CROSS JOIN LATERAL (
    SELECT reasons FROM routes r
    WHERE (r.project, r.item_id, r.guideline_version) = (t.project, t.item_id, t.guideline_version) OFFSET 0
) r
GROUP BY 1 ORDER BY 2 DESC, 1
"""

PACE: Final = """
-- $1 project, $2 minutes, $3 hours over which arrivals are averaged
WITH recent AS (
    SELECT task_id, slot, reviewer FROM decisions
    WHERE project = $1 AND decided_at > now() - make_interval(mins => $2) LIMIT 20000
), hour AS (
    SELECT coalesce(sum(decided), 0)::float8 AS settled,
           greatest(1, (extract(epoch FROM now()) * 1000 - min(minute)) / 60000)::float8 AS minutes
    FROM minute_stats WHERE project = $1 AND minute > (extract(epoch FROM now()) * 1000)::bigint - 3600000
), span AS (
    SELECT greatest(0, coalesce(sum(requested - withdrawn - tasks_erased), 0))::float8
           / ($3::float8 * 60) AS arrivals
    FROM minute_stats
    WHERE project = $1 AND minute > ((extract(epoch FROM now()) - $3::float8 * 3600) * 1000)::bigint
), week AS (
    SELECT coalesce(sum(human_seconds), 0)::float8 AS seconds, coalesce(sum(decided), 0)::float8 AS settled
    FROM minute_stats WHERE project = $1 AND minute > (extract(epoch FROM now()) * 1000)::bigint - 604800000
)
SELECT (SELECT count(*) FROM recent)::float8 / $2 AS decisions,
       (SELECT count(DISTINCT reviewer) FROM recent) AS people,
       ((
           SELECT count(*) FROM recent JOIN assignments a USING (task_id, slot)
           WHERE a.leased_at > now() - make_interval(mins => $2)
       ) + (
           SELECT count(*) FROM assignments
           WHERE project = $1 AND state = 'leased' AND leased_at > now() - make_interval(mins => $2)
       ))::float8 / $2 AS claims,
       s.arrivals, coalesce(h.settled / h.minutes, 0) AS settled,
       w.seconds AS human_seconds, w.settled AS human_tasks
FROM hour h, span s, week w
"""

PEOPLE: Final = """
-- $1 project: who may claim tasks, those together who may claim the same
SELECT skills, sensitive, count(*) AS people FROM (
    SELECT ARRAY(
               SELECT s.skill FROM skills s WHERE s.project = $1 AND s.reviewer = a.name ORDER BY s.skill
           ) AS skills,
           EXISTS (
               SELECT FROM consents c WHERE c.reviewer = a.name AND c.project = $1 AND c.given
           ) AS sensitive
    FROM accounts a LEFT JOIN memberships m ON m.account = a.name AND m.project = $1
    WHERE (a.roles || m.roles) && '{reviewer,admin}'
) p GROUP BY 1, 2
"""

_NEXT_OF: Final = """
    (
        SELECT task_id, slot, begun, again, priority FROM assignments
        WHERE project = $1 AND pool = $3 AND {begun} AND state = 'open'
        ORDER BY priority, task_id, slot LIMIT $2 * 12
    )
"""

# A task has up to twelve open parts, one a decision: it is shown once, where its first part stands.
NEXT: Final = """
-- $1 project, $2 how many, $3 pool
SELECT n.task_id, n.begun, n.again, n.priority < 0 AS in_front, n.parts AS open, t.item_id,
       t.blind OR n.again AS blind, t.guideline_version, t.created_at, t.decided, t.needed,
       left(i.content, 200) AS excerpt, length(i.content) > 200 AS is_cut, r.label, r.confidence, r.reasons
FROM (
    SELECT * FROM (
        SELECT *, count(*) OVER of_task AS parts,
               row_number() OVER (of_task ORDER BY begun DESC, priority, slot) AS nth
        FROM ({begun} UNION ALL {not_begun}) parts WINDOW of_task AS (PARTITION BY task_id)
    ) ranked WHERE nth = 1 ORDER BY begun DESC, priority, task_id LIMIT $2
) n
JOIN tasks t USING (task_id)
JOIN items i USING (project, item_id)
JOIN routes r USING (project, item_id, guideline_version)
ORDER BY n.begun DESC, n.priority, n.task_id
""".replace("{begun}", _NEXT_OF.replace("{begun}", "begun")).replace(
    "{not_begun}", _NEXT_OF.replace("{begun}", "NOT begun")
)

TAKE_BACK: Final = """
-- $1 project, $2 task, $3 reviewer
UPDATE assignments
SET state = 'open', reviewer = NULL, fence = NULL, leased_at = NULL, lease_until = NULL
WHERE task_id = $2 AND project = $1 AND state = 'leased' AND reviewer = $3
RETURNING true
"""

TO_FRONT: Final = """
-- $1 project, $2 task
WITH head AS (
    -- No order gives a value below zero: what has one was put there.
    SELECT o.pool, least(0, (
        SELECT h.priority FROM assignments h
        WHERE h.project = $1 AND h.pool = o.pool AND h.begun AND h.state = 'open'
        ORDER BY h.priority LIMIT 1
    ), (
        SELECT h.priority FROM assignments h
        WHERE h.project = $1 AND h.pool = o.pool AND NOT h.begun AND h.state = 'open'
        ORDER BY h.priority LIMIT 1
    )) AS priority
    FROM assignments o WHERE o.task_id = $2 AND o.project = $1 AND o.state = 'open' AND NOT o.again LIMIT 1
), moved AS (
    UPDATE assignments a SET priority = h.priority - 1 FROM head h
    WHERE a.task_id = $2 AND a.project = $1 AND a.state IN ('open', 'waiting')
)
SELECT true FROM head
"""

TASK: Final = "SELECT item_id FROM tasks WHERE task_id = $2 AND project = $1"
