"""The statements of the task store, named.

Where more than one row is locked, a task that needs several decisions is locked first: no two of these
wait for each other. A claim is the exception: it takes an open row, and the row that it opens next, without
waiting for either.

Claims run many to a transaction, and so do the decisions of tasks that need one (docs/decisions/0019).
"""

from typing import Final

FENCE: Final = "uuid_hash_extended(gen_random_uuid(), 0) & 9007199254740991"
"""A new fence, of 53 bits of chance: that no lease of a task ever has that of another is as good as certain,
and their order tells nothing of what was handed out when (docs/decisions/0022)."""

IS_SPARE: Final = "hashint8extended({number}, (SELECT seed FROM numbering)) & 3 = 0"
"""Whether a number of the sequence is kept for hidden checks (docs/decisions/0022)."""

CLAIM_WINDOW: Final = 200
"""How many open assignments one search looks at, at most.

Who has decided much of what others have yet to decide would otherwise step over all of it at each claim.
"""

SHOWN: Final = """
    SELECT l.task_id, l.fence, (extract(epoch FROM l.lease_until) * 1000)::bigint AS lease_until,
           t.item_id, i.content, i.metadata, t.blind OR l.again OR l.shown_blind AS blind, r.label,
           r.confidence, r.reasons, k.label AS kept, t.needed, l.pool, l.adjudicates, t.guideline_version
    FROM leased l
    JOIN tasks t USING (task_id)
    JOIN items i USING (project, item_id)
    JOIN routes r USING (project, item_id, guideline_version)
    LEFT JOIN late_decisions k ON k.task_id = l.task_id AND k.reviewer = $2
"""
"""What a person ($2) is handed, of the assignments `leased`: the columns of `Claimed`."""

_CLAIM: Final = """
-- $1 project, $2 reviewer, $3 seconds; the rest says where to search
-- A lease need not survive a crash of the database: who held it is told that it is lost. So the claim does
-- not wait for the disk. (A decision does, and it takes the claims before it along.)
WITH unhurried AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), picked AS (
    SELECT a.task_id, a.slot, a.pool, a.priority
    FROM ({candidates}) c
    -- LATERAL takes the candidates in their order, and locks no further than to the first that can be had.
    CROSS JOIN LATERAL (
        SELECT o.task_id, o.slot, o.pool, o.priority FROM assignments o
        WHERE o.task_id = c.task_id AND o.slot = c.slot AND o.state = 'open'
          -- OFFSET 0 keeps these as look-ups by key for each candidate: joined, they could become a scan.
          AND NOT EXISTS (SELECT FROM assignments m WHERE m.task_id = o.task_id AND m.reviewer = $2 OFFSET 0)
          AND NOT EXISTS (
              SELECT FROM skips s WHERE s.task_id = o.task_id AND s.reviewer = $2 AND s.until > now() OFFSET 0
          )
        FOR UPDATE OF o SKIP LOCKED
    ) a
    LIMIT 1
), next AS (
    -- It takes over the place, which may have been changed while it waited.
    UPDATE assignments a SET state = 'open', pool = n.pool, priority = n.priority
    FROM (
        SELECT w.task_id, w.slot, p.pool, p.priority FROM assignments w JOIN picked p USING (task_id)
        WHERE w.state = 'waiting' ORDER BY w.slot LIMIT 1 FOR UPDATE OF w SKIP LOCKED
    ) n
    WHERE a.task_id = n.task_id AND a.slot = n.slot AND a.state = 'waiting'
), leased AS (
    UPDATE assignments a
    SET state = 'leased', reviewer = $2, fence = {fence}, leased_at = now(),
        lease_until = now() + make_interval(secs => $3), shown_blind = false
    FROM picked p
    WHERE a.task_id = p.task_id AND a.slot = p.slot
    RETURNING a.task_id, a.fence, a.lease_until, a.again, a.pool, a.adjudicates, a.shown_blind
), shown AS ({shown})
SELECT shown.* FROM unhurried LEFT JOIN shown ON true
""".replace("{fence}", FENCE).replace("{shown}", SHOWN)

# One pool after the other. What is begun is finished first: a final label is worth more than two halves.
_FROM_THE_HEAD: Final = """
    SELECT h.task_id, h.slot FROM unnest($4::text[]) AS p(pool)
    CROSS JOIN LATERAL (
        (
            SELECT task_id, slot FROM assignments
            WHERE project = $1 AND pool = p.pool AND begun AND state = 'open'
            ORDER BY priority, task_id, slot LIMIT {window}
        ) UNION ALL (
            SELECT task_id, slot FROM assignments
            WHERE project = $1 AND pool = p.pool AND NOT begun AND state = 'open'
            ORDER BY priority, task_id, slot LIMIT {window}
        )
    ) h
"""

_FURTHER_ON: Final = """
    SELECT task_id, slot FROM assignments
    WHERE project = $1 AND pool = $4 AND state = 'open'
      AND (begun, priority, task_id, slot) > ($5, $6, $7, $8)
    ORDER BY begun, priority, task_id, slot LIMIT {window}
"""

_WINDOW: Final = str(CLAIM_WINDOW)

CLAIM: Final = _CLAIM.replace("{candidates}", _FROM_THE_HEAD).replace("{window}", _WINDOW)
"""$4: the pools to search, in their order."""

CLAIM_FURTHER_ON: Final = _CLAIM.replace("{candidates}", _FURTHER_ON).replace("{window}", _WINDOW)
"""$4: the pool; $5 to $8: the place in it after which to search."""

WINDOW_END: Final = """
SELECT begun, priority, task_id, slot FROM assignments
WHERE project = $1 AND pool = $2 AND state = 'open' AND (begun, priority, task_id, slot) > ($3, $4, $5, $6)
ORDER BY begun, priority, task_id, slot OFFSET {window} - 1 LIMIT 1
""".replace("{window}", _WINDOW)

REOPEN_EXPIRED: Final = """
UPDATE assignments a
SET state = 'open', reviewer = NULL, fence = NULL, leased_at = NULL, lease_until = NULL
FROM (
    SELECT task_id, slot FROM assignments
    WHERE project = $1 AND state = 'leased' AND lease_until <= now()
    FOR UPDATE SKIP LOCKED
) e
WHERE a.task_id = e.task_id AND a.slot = e.slot
"""

EXTEND: Final = """
UPDATE assignments SET lease_until = now() + make_interval(secs => $4)
WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND state = 'leased' AND lease_until > now()
RETURNING (extract(epoch FROM lease_until) * 1000)::bigint
"""

SKIP: Final = """
WITH given_back AS (
    UPDATE assignments
    SET state = 'open', reviewer = NULL, fence = NULL, leased_at = NULL, lease_until = NULL
    WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND state = 'leased' AND lease_until > now()
    RETURNING task_id
)
INSERT INTO skips (task_id, reviewer, reason, until)
SELECT task_id, $2, $4, now() + make_interval(secs => $5) FROM given_back
ON CONFLICT (task_id, reviewer) DO UPDATE
SET reason = EXCLUDED.reason, until = EXCLUDED.until, skipped_at = now()
RETURNING true
"""

GIVE_BACK: Final = """
UPDATE assignments
SET state = 'open', reviewer = NULL, fence = NULL, leased_at = NULL, lease_until = NULL
WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND state = 'leased' AND lease_until > now()
RETURNING true
"""

# What is said about an item outlives the lease: until somebody else has the task, or it is decided.
SUBJECT: Final = """
SELECT t.task_id, t.project, t.item_id FROM assignments a JOIN tasks t USING (task_id)
WHERE a.task_id = $1 AND a.reviewer = $2 AND a.fence = $3
"""

STANDING: Final = "SELECT decided, needed FROM tasks WHERE task_id = $1"

DECIDED_AS: Final = "SELECT label FROM decisions WHERE task_id = $1 AND reviewer = $2 AND fence = $3"

KEEP_LATE: Final = """
INSERT INTO late_decisions (task_id, reviewer, label) VALUES ($1, $2, $3)
ON CONFLICT (task_id, reviewer) DO UPDATE SET label = EXCLUDED.label, received_at = now()
"""

FACTS: Final = "SELECT project, needed, guideline_version FROM tasks WHERE task_id = $1"

LABELS: Final = "SELECT label FROM decisions WHERE task_id = $1 ORDER BY decided_at, slot"

# The active time begins with the claim, or with the person's last decision if that was later.
DECIDE: Final = """
-- $1 task, $2 reviewer, $3 fence, $4 label, $5 most seconds, $6 the label settled on (null: more are needed),
-- $7 seconds until the event may leave, $8 the guideline in force
WITH held AS (
    UPDATE assignments SET state = 'decided', lease_until = NULL
    WHERE task_id = $1 AND reviewer = $2 AND fence = $3 AND state = 'leased' AND lease_until > now()
    RETURNING task_id, slot, project, leased_at, again
), timed AS (
    SELECT h.*, least($5::float8, greatest(0, extract(epoch FROM now() - greatest(
        h.leased_at, (SELECT max(decided_at) FROM decisions WHERE reviewer = $2),
        (SELECT max(decided_at) FROM gold_checks WHERE reviewer = $2)
    ))))::float8 AS seconds
    FROM held h
), task AS (
    UPDATE tasks t
    SET decided = decided + 1, label = coalesce($6::jsonb, t.label),
        decided_at = CASE WHEN $6::jsonb IS NULL THEN t.decided_at
                          ELSE (extract(epoch FROM now()) * 1000)::bigint END
    FROM held h WHERE t.task_id = h.task_id
    RETURNING t.*
), kept AS (
    INSERT INTO decisions
        (task_id, slot, project, item_id, reviewer, fence, label, guideline_version, seconds, decided_at)
    SELECT t.task_id, h.slot, t.project, t.item_id, $2, $3, $4::jsonb, $8::integer, h.seconds, now()
    FROM timed h JOIN task t USING (task_id)
), settled AS (
    SELECT t.*, r.label AS machine_label, r.confidence, r.release, 'audit' = ANY (r.reasons) AS audit
    FROM task t JOIN routes r USING (project, item_id, guideline_version)
    WHERE $6::jsonb IS NOT NULL
), before AS (
    SELECT to_jsonb(f) AS present FROM settled s JOIN final_labels f USING (project, item_id)
), final AS (
    INSERT INTO final_labels
        (project, item_id, label, source, confidence, guideline_version, release, decided_at, routed_under)
    SELECT project, item_id, label, 'people', confidence, $8::integer, release, decided_at, guideline_version
    FROM settled
    ON CONFLICT (project, item_id) DO UPDATE
    SET label = EXCLUDED.label, source = EXCLUDED.source, confidence = EXCLUDED.confidence,
        guideline_version = EXCLUDED.guideline_version, release = EXCLUDED.release,
        decided_at = EXCLUDED.decided_at, routed_under = EXCLUDED.routed_under
), sent AS (
    INSERT INTO outbox
        (task_id, project, not_before, correction, audit, human_seconds, guideline_version, replaced, again)
    SELECT s.task_id, s.project, now() + make_interval(secs => $7), s.label <> s.machine_label, s.audit,
           h.seconds + coalesce((
               SELECT sum(d.seconds) FROM decisions d JOIN assignments a USING (task_id, slot)
               WHERE d.task_id = s.task_id AND a.again = h.again
           ), 0),
           $8::integer, (SELECT present FROM before), h.again
    FROM settled s JOIN timed h USING (task_id)
)
SELECT decided, needed FROM (VALUES (true)) AS always LEFT JOIN task ON true
"""
"""Always gives one row, of nulls if the lease is lost; so does a claim that finds nothing."""

# What a task had settled on is beyond recall once it is reviewed again.
RELEASE: Final = """
UPDATE assignments
SET state = 'leased', fence = {fence}, leased_at = now(),
    lease_until = now() + make_interval(secs => $3)
WHERE task_id = $1 AND reviewer = $2 AND state = 'decided'
  AND again = EXISTS (SELECT FROM rereviews x WHERE x.task_id = $1)
RETURNING slot, again, fence, (extract(epoch FROM lease_until) * 1000)::bigint AS lease_until
""".replace("{fence}", FENCE)

LOCK_TASK: Final = """
SELECT t.project, t.item_id, t.decided, t.needed, t.blind, x.label AS doubted, x.decisions AS decided_before,
       m.slot, m.pool, m.priority, m.again, m.adjudicates
FROM tasks t
LEFT JOIN rereviews x ON x.task_id = t.task_id
LEFT JOIN assignments m ON m.task_id = t.task_id AND m.reviewer = $2
WHERE t.task_id = $1 FOR UPDATE OF t
"""
"""$2: the reviewer, whose assignment comes along."""

ASK_ANOTHER: Final = """
WITH task AS (UPDATE tasks SET needed = needed + 1 WHERE task_id = $1 RETURNING task_id, project, needed)
INSERT INTO assignments (task_id, slot, project, pool, priority, state, again, extra, adjudicates)
SELECT task_id, needed - 1, project, $2, $3, 'open', $4, true, $5 FROM task
"""
"""People differ: one more decides; $5: alone."""

ASK_NO_OTHER: Final = """
WITH gone AS (
    DELETE FROM assignments
    WHERE task_id = $1 AND extra AND again = $2 AND slot > $3 AND state = 'open' RETURNING task_id
)
UPDATE tasks t SET needed = needed - 1 FROM gone g WHERE t.task_id = g.task_id
"""

OTHER_WAS_ASKED: Final = """
SELECT EXISTS (SELECT FROM assignments WHERE task_id = $1 AND extra AND again = $2 AND slot > $3)
"""

ANSWERS: Final = """
SELECT task_id, label FROM decisions WHERE task_id = ANY($1::bigint[]) ORDER BY task_id, label::text
"""
"""By label: the order in which people answered would help to tell who they are."""

CALL_BACK: Final = """
DELETE FROM outbox WHERE task_id = $1 AND NOT leaving AND not_before > clock_timestamp() RETURNING replaced
"""

DROP_FINAL: Final = "DELETE FROM final_labels WHERE project = $1 AND item_id = $2"

RESTORE_FINAL: Final = """
UPDATE final_labels f
SET label = b.label, source = b.source, confidence = b.confidence, guideline_version = b.guideline_version,
    release = b.release, decided_at = b.decided_at, routed_under = b.routed_under
FROM jsonb_populate_record(NULL::final_labels, $1::jsonb) b
WHERE f.project = b.project AND f.item_id = b.item_id
"""

DROP_DECISION: Final = """
WITH dropped AS (DELETE FROM decisions WHERE task_id = $1 AND slot = $2)
UPDATE tasks t SET decided = decided - 1, label = x.label, decided_at = x.decided_at
FROM (SELECT $1::bigint AS task_id) k LEFT JOIN rereviews x USING (task_id)
WHERE t.task_id = k.task_id
"""
