"""The statements about gold, named."""

from typing import Final

from review_api.items.blind import withheld
from review_api.tasks.sql import FENCE, IS_SPARE

ITEM_SAMPLE: Final = "SELECT item_id FROM items WHERE project = $1 ORDER BY project, item_id LIMIT 1"

TAKEN_IDS: Final = """
SELECT item_id FROM items WHERE project = $1 AND item_id = $2
UNION ALL SELECT item_id FROM gold_items WHERE project = $1 AND item_id = $2
"""

ITEMS: Final = """
SELECT i.item_id, i.metadata FROM unnest($2::text[]) AS k(item_id)
CROSS JOIN LATERAL (
    SELECT item_id, metadata FROM items i WHERE i.project = $1 AND i.item_id = k.item_id OFFSET 0
) i
"""

BY_HASH: Final = """
SELECT content_hash, item_id FROM gold_items WHERE project = $1 AND content_hash = ANY($2::text[])
"""

ERASED: Final = "SELECT item_hash FROM erased WHERE item_hash = ANY($1::text[])"

TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/gold/' || $1, 0))"

PUT: Final = """
INSERT INTO gold_items AS g
    (project, item_id, content, content_hash, metadata, label, explanation, skill, added_by)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8, $9)
ON CONFLICT (project, item_id) DO UPDATE
SET content = EXCLUDED.content, content_hash = EXCLUDED.content_hash, metadata = EXCLUDED.metadata,
    label = EXCLUDED.label, explanation = EXCLUDED.explanation, skill = EXCLUDED.skill, retired_at = NULL
RETURNING xmax = 0
"""

RETIRE: Final = """
UPDATE gold_items SET retired_at = now()
WHERE project = $1 AND item_id = $2 AND retired_at IS NULL RETURNING gold_id
"""

ACTIVE: Final = """
SELECT gold_id, label, metadata, skill FROM gold_items WHERE project = $1 AND retired_at IS NULL
"""

# How people fare with each item: what most of them miss is wrong more likely than they are.
LIST: Final = """
SELECT g.item_id, g.content IS NULL AS is_item, left(coalesce(g.content, i.content, ''), $2) AS content,
       g.metadata, g.label, g.explanation, g.skill, g.added_by,
       (extract(epoch FROM g.added_at) * 1000)::bigint AS added_at,
       g.retired_at IS NOT NULL AS retired, coalesce(c.answers, 0) AS answers,
       coalesce(c.correct, 0) AS correct
FROM gold_items g
LEFT JOIN LATERAL (
    SELECT content FROM items i
    WHERE g.content IS NULL AND i.project = g.project AND i.item_id = g.item_id OFFSET 0
) i ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS answers, count(*) FILTER (WHERE c.label = g.label) AS correct
    FROM gold_checks c WHERE c.gold_id = g.gold_id AND c.label IS NOT NULL OFFSET 0
) c ON true
WHERE g.project = $1 ORDER BY g.gold_id DESC LIMIT $3
"""

SAID: Final = """
SELECT g.item_id, c.label, count(*) AS times
FROM gold_items g JOIN gold_checks c USING (gold_id)
WHERE g.project = $1 AND c.label IS NOT NULL AND c.label <> g.label
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2
"""

# What people settled with one voice or an expert, the newest first: gold that is not made up. What the
# machine got wrong comes first among these, for it can be shown with its suggestion.
CANDIDATES: Final = """
WITH newest AS (
    SELECT DISTINCT task_id FROM (
        SELECT task_id FROM decisions WHERE project = $1
        ORDER BY project DESC, decided_at DESC, task_id DESC, slot DESC LIMIT $2
    ) d
)
SELECT t.item_id, left(i.content, $3) AS content, i.metadata, t.label, r.label <> t.label AS corrected,
       d.people, d.expert
FROM newest n
CROSS JOIN LATERAL (
    SELECT * FROM tasks t
    WHERE t.task_id = n.task_id AND t.label IS NOT NULL AND t.decided = t.needed OFFSET 0
) t
CROSS JOIN LATERAL (
    SELECT count(*) AS people, bool_or(a.pool LIKE 'expert%') AS expert,
           count(*) FILTER (WHERE d.label <> t.label) AS others
    FROM decisions d JOIN assignments a USING (task_id, slot) WHERE d.task_id = n.task_id OFFSET 0
) d
CROSS JOIN LATERAL (
    SELECT label FROM routes r
    WHERE (r.project, r.item_id, r.guideline_version) = (t.project, t.item_id, t.guideline_version) OFFSET 0
) r
CROSS JOIN LATERAL (
    SELECT content, metadata FROM items i WHERE (i.project, i.item_id) = (t.project, t.item_id) OFFSET 0
) i
WHERE (d.expert OR (d.people > 1 AND d.others = 0))
  AND NOT EXISTS (SELECT FROM gold_items g WHERE (g.project, g.item_id) = (t.project, t.item_id))
  AND NOT {withheld}
ORDER BY corrected DESC, t.decided_at DESC LIMIT $4
""".replace("{withheld}", withheld("t", "$5"))

HISTORY: Final = """
SELECT c.task_id, c.gold_id, c.purpose, c.suggested, g.skill, g.label AS truth, c.label AS said,
       (extract(epoch FROM c.decided_at) * 1000)::bigint AS decided_at,
       (extract(epoch FROM c.lease_until) * 1000)::bigint AS lease_until,
       (extract(epoch FROM c.skip_until) * 1000)::bigint AS skip_until,
       CASE WHEN c.purpose = 'check' THEN (extract(epoch FROM c.undo_until) * 1000)::bigint END AS undo_until
FROM gold_checks c JOIN gold_items g USING (gold_id)
WHERE c.project = $1 AND c.reviewer = $2 ORDER BY c.decided_at, c.task_id
"""

# From name to name through the index, past all checks of each.
REVIEWERS: Final = """
WITH RECURSIVE names AS (
    (SELECT reviewer FROM gold_checks WHERE project = $1 ORDER BY project, reviewer LIMIT 1)
    UNION ALL
    SELECT (
        SELECT c.reviewer FROM gold_checks c WHERE c.project = $1 AND c.reviewer > n.reviewer
        ORDER BY c.project, c.reviewer LIMIT 1
    ) FROM names n WHERE n.reviewer IS NOT NULL
)
SELECT reviewer FROM names WHERE reviewer IS NOT NULL
"""

# An item that this person has in hand, has decided or has skipped would be known again, and so would one that
# still waits for people: its task would come after the check.
MET_OR_TO_COME: Final = """
SELECT g.gold_id FROM gold_items g
WHERE g.project = $1 AND g.content IS NULL AND g.retired_at IS NULL AND EXISTS (
    SELECT FROM tasks t WHERE (t.project, t.item_id) = (g.project, g.item_id) AND (
        EXISTS (
            SELECT FROM assignments a
            WHERE a.task_id = t.task_id AND (a.reviewer = $2 OR a.state <> 'decided') OFFSET 0
        ) OR EXISTS (SELECT FROM skips s WHERE s.task_id = t.task_id AND s.reviewer = $2 OFFSET 0)
    ) OFFSET 0
)
"""

IS_WORK: Final = """
SELECT EXISTS (
    SELECT FROM unnest($2::text[]) AS p(pool)
    CROSS JOIN LATERAL (
        SELECT FROM assignments a WHERE a.project = $1 AND a.pool = p.pool AND a.state = 'open' LIMIT 1
    ) a
)
"""

# A spare number near some place between those of the two tasks that come next, or that the person has in hand
# where fewer wait: right beside the next one it would be known, for most orders are not that of the numbers.
# One of several, for others draw here as well; none that is yet to be drawn: the sequence would meet it.
_NUMBER: Final = """
SELECT number FROM (
    SELECT n.number
    FROM (
        SELECT min(task_id) + floor(random() * (max(task_id) - min(task_id) + 1))::bigint AS place
        FROM (
            (
                SELECT a.task_id FROM unnest($8::text[]) AS p(pool)
                CROSS JOIN LATERAL (
                    SELECT task_id FROM assignments
                    WHERE project = g.project AND pool = p.pool AND state = 'open'
                    ORDER BY begun, priority, task_id, slot LIMIT 2
                ) a
            ) UNION ALL (
                SELECT task_id FROM assignments
                WHERE project = g.project AND state = 'leased' AND reviewer = $2
            ) LIMIT 2
        ) around
    ) t
    CROSS JOIN LATERAL generate_series(greatest(1, t.place - 200), t.place + 200) AS n(number)
    WHERE {is_spare} AND n.number <= (SELECT last_value FROM task_ids)
      AND NOT EXISTS (SELECT FROM gold_checks c WHERE c.task_id = n.number OFFSET 0)
      AND NOT EXISTS (SELECT FROM tasks o WHERE o.task_id = n.number OFFSET 0)
    ORDER BY abs(n.number - t.place) LIMIT 8
) near ORDER BY random() LIMIT 1
""".replace("{is_spare}", IS_SPARE.format(number="n.number"))

# The machine's label is shown where it is wrong and the item waited for people like any other: see
# docs/decisions/0022-gold.md.
CLAIM: Final = """
-- $1 gold, $2 reviewer, $3 purpose, $4 place, $5 needed, $6 seconds, $7 pool, $8 the pools that are searched
WITH unhurried AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), shown AS (
    SELECT g.gold_id, g.project, g.item_id, coalesce(g.content, i.content) AS content, g.metadata,
           r.label, r.confidence, r.reasons,
           $3 = 'check' AND coalesce(
               r.outcome = 'requested' AND NOT 'audit' = ANY (r.reasons) AND r.label <> g.label, false
           ) AS suggested
    FROM gold_items g
    LEFT JOIN LATERAL (
        SELECT content FROM items i
        WHERE g.content IS NULL AND i.project = g.project AND i.item_id = g.item_id OFFSET 0
    ) i ON true
    LEFT JOIN LATERAL (
        SELECT outcome, label, confidence, reasons FROM routes r
        WHERE r.project = g.project AND r.item_id = g.item_id
        ORDER BY guideline_version DESC LIMIT 1
    ) r ON g.content IS NULL
    WHERE g.gold_id = $1 AND g.retired_at IS NULL
), leased AS (
    INSERT INTO gold_checks AS c
        (task_id, gold_id, project, reviewer, purpose, suggested, pool, place, needed, fence, leased_at,
         lease_until)
    SELECT coalesce(({number}), nextval('task_ids')), gold_id, project, $2, $3, suggested, $7, $4, $5,
           {fence}, now(), now() + make_interval(secs => $6)
    FROM shown g, unhurried WHERE content IS NOT NULL
    ON CONFLICT (gold_id, reviewer) DO UPDATE
    SET purpose = EXCLUDED.purpose, suggested = EXCLUDED.suggested, pool = EXCLUDED.pool,
        fence = EXCLUDED.fence,
        leased_at = EXCLUDED.leased_at, lease_until = EXCLUDED.lease_until
    WHERE c.label IS NULL AND c.lease_until <= now() AND coalesce(c.skip_until <= now(), true)
    RETURNING *
)
SELECT l.task_id, l.fence, (extract(epoch FROM l.lease_until) * 1000)::bigint AS lease_until, s.item_id,
       s.content, s.metadata, l.suggested, l.purpose, s.label, s.confidence, s.reasons, l.late AS kept,
       l.needed, l.pool
FROM leased l JOIN shown s USING (gold_id)
""".replace("{fence}", FENCE).replace("{number}", _NUMBER)

# Like the claim before it, it does not wait for the disk: the decision does, and takes it along.
SHOW_BLIND: Final = """
-- $1 reviewer, $2 tasks, $3 their fences
WITH unhurried AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), held AS (
    SELECT a.task_id, a.slot FROM unnest($2::bigint[], $3::bigint[]) AS k(task_id, fence)
    JOIN assignments a ON a.task_id = k.task_id AND a.reviewer = $1 AND a.fence = k.fence
    WHERE a.state = 'leased' ORDER BY a.task_id, a.slot FOR UPDATE OF a
)
UPDATE assignments a SET shown_blind = true
FROM unhurried, held h WHERE a.task_id = h.task_id AND a.slot = h.slot
RETURNING a.task_id
"""

EXTEND: Final = """
UPDATE gold_checks SET lease_until = now() + make_interval(secs => $4)
WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND label IS NULL AND lease_until > now()
RETURNING (extract(epoch FROM lease_until) * 1000)::bigint
"""

SKIP: Final = """
UPDATE gold_checks
SET lease_until = now(), skipped_at = now(), skip_reason = $4, skip_until = now() + make_interval(secs => $5)
WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND label IS NULL AND lease_until > now()
RETURNING true
"""

# The active time is measured as for a decision: from the claim, or from whatever was decided last.
DECIDE: Final = """
-- $1 task, $2 reviewer, $3 fence, $4 label, $5 most seconds, $6 seconds until it can no longer be undone
-- where it seems to settle its task, $7 the same where it does not, $8 the guideline in force
WITH decided AS (
    UPDATE gold_checks c
    SET label = $4::jsonb, decided_at = now(), late = NULL, guideline_version = $8,
        undo_until = now() + make_interval(
            secs => CASE WHEN c.place = c.needed THEN $6::float8 ELSE $7::float8 END
        ),
        seconds = least($5::float8, greatest(0, extract(epoch FROM now() - greatest(
            c.leased_at, (SELECT max(decided_at) FROM decisions WHERE reviewer = $2),
            (SELECT max(decided_at) FROM gold_checks WHERE reviewer = $2)
        ))))
    WHERE c.task_id = $1 AND c.reviewer = $2 AND c.fence = $3 AND c.label IS NULL AND c.lease_until > now()
    RETURNING *
)
SELECT d.place, d.needed, d.purpose, g.label AS truth, g.explanation, d.label = g.label AS correct
FROM decided d JOIN gold_items g USING (gold_id)
"""

GIVE_BACK: Final = """
UPDATE gold_checks SET lease_until = now()
WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND label IS NULL AND lease_until > now()
RETURNING true
"""

SUBJECT: Final = """
SELECT c.task_id, c.project, g.item_id FROM gold_checks c JOIN gold_items g USING (gold_id)
WHERE c.task_id = $1 AND c.reviewer = $2 AND c.fence = $3
"""

UNDO: Final = """
UPDATE gold_checks
SET label = NULL, decided_at = NULL, seconds = NULL, fence = {fence}, leased_at = now(),
    lease_until = now() + make_interval(secs => $3)
WHERE task_id = $1 AND reviewer = $2 AND label IS NOT NULL AND purpose = 'check'
  AND undo_until > clock_timestamp()
RETURNING fence, (extract(epoch FROM lease_until) * 1000)::bigint AS lease_until
""".replace("{fence}", FENCE)

STANDING: Final = """
SELECT c.project, c.reviewer, c.fence, c.label AS said, c.place, c.needed, c.purpose, g.label AS truth,
       g.explanation
FROM gold_checks c JOIN gold_items g USING (gold_id) WHERE c.task_id = $1
"""

KEEP_LATE: Final = """
UPDATE gold_checks SET late = $3::jsonb, late_at = now()
WHERE task_id = $1 AND reviewer = $2 AND label IS NULL
"""

PAUSE: Final = """
INSERT INTO pauses (project, reviewer, cause, since, answers, correct)
VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000), $5, $6)
ON CONFLICT (project, reviewer) WHERE lifted_at IS NULL DO NOTHING RETURNING true
"""

LIFT: Final = """
UPDATE pauses SET lifted_at = now(), lifted_by = $3, reason = $4
WHERE project = $1 AND reviewer = $2 AND lifted_at IS NULL RETURNING cause
"""

PAUSES: Final = """
SELECT reviewer, cause, (extract(epoch FROM paused_at) * 1000)::bigint AS paused_at,
    (extract(epoch FROM since) * 1000)::bigint AS since, answers, correct, reopened,
    (extract(epoch FROM lifted_at) * 1000)::bigint AS lifted_at, lifted_by, reason
FROM pauses WHERE project = $1 AND reviewer = $2 ORDER BY pause_id
"""

PAUSED: Final = """
SELECT reviewer, cause FROM pauses WHERE project = $1 AND lifted_at IS NULL
"""

PAUSED_COUNTS: Final = """
SELECT p.project, count(x.pause_id) AS people
FROM projects p LEFT JOIN pauses x ON x.project = p.project AND x.lifted_at IS NULL GROUP BY 1
"""

UNREOPENED: Final = """
SELECT pause_id, project, reviewer, since FROM pauses
WHERE reopened IS NULL AND cause = 'accuracy' AND paused_at <= now() - make_interval(secs => $1)
ORDER BY pause_id FOR UPDATE SKIP LOCKED LIMIT 1
"""

REOPENED: Final = "UPDATE pauses SET reopened = $2 WHERE pause_id = $1"

LOST: Final = """
SELECT skill, (extract(epoch FROM lost_at) * 1000)::bigint AS lost_at
FROM lost_skills WHERE project = $1 AND reviewer = $2
"""

TAKE_SKILL: Final = """
WITH taken AS (
    DELETE FROM skills WHERE project = $1 AND reviewer = $2 AND skill = $3 AND source = 'gold' RETURNING true
)
INSERT INTO lost_skills (project, reviewer, skill) SELECT $1, $2, $3 FROM taken
ON CONFLICT (project, reviewer, skill) DO UPDATE SET lost_at = now() RETURNING true
"""

SKILL: Final = """
SELECT source, (extract(epoch FROM granted_at) * 1000)::bigint AS granted_at
FROM skills WHERE project = $1 AND reviewer = $2 AND skill = $3
"""
