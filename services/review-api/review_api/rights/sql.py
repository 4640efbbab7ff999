"""The statements of erasing, named."""

from typing import Final

from review_api.minutes import added

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/erasing', 0))"
"""Waits until no batch of the ledger is being written, and keeps others out: each sees the tombstones."""

OPEN: Final = """
SELECT erasure_id, owner, project FROM erasures WHERE state = 'erasing' ORDER BY erasure_id LIMIT 1
"""

# An item that another erasure has in hand is left to that one.
NAME_OWNED: Final = """
SELECT o.project, o.item_id FROM item_owners o
WHERE o.owner = $1 AND ($2::text IS NULL OR o.project = $2)
ORDER BY o.project, o.item_id LIMIT $3
"""

REQUESTED: Final = """
SELECT project, item_id FROM erasure_items WHERE erasure_id = $1 AND state = 'requested' LIMIT $2
"""

ADD_ITEMS: Final = """
INSERT INTO erasure_items (project, item_id, erasure_id, item_hash)
SELECT k.project, k.item_id, $3, k.item_hash
FROM unnest($1::text[], $2::text[], $4::text[]) AS k(project, item_id, item_hash)
ON CONFLICT DO NOTHING
"""

# LATERAL with OFFSET 0 keeps these as look-ups by key.
TASKS: Final = """
SELECT t.task_id, t.project, t.item_id, t.partition
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
CROSS JOIN LATERAL (
    SELECT * FROM tasks t WHERE t.project = k.project AND t.item_id = k.item_id FOR UPDATE OFFSET 0
) t
ORDER BY t.task_id
"""

CONTENT_HASHES: Final = """
SELECT k.project, k.item_id, coalesce(i.content_hash, r.content_hash, '') AS content_hash
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
LEFT JOIN LATERAL (
    SELECT content_hash FROM items i WHERE i.project = k.project AND i.item_id = k.item_id LIMIT 1
) i ON true
LEFT JOIN LATERAL (
    SELECT content_hash FROM routes r WHERE r.project = k.project AND r.item_id = k.item_id LIMIT 1
) r ON true
"""

REMEMBER: Final = """
INSERT INTO erased (item_hash, erasure_id) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING
"""

OUTBOX: Final = "SELECT outbox_id FROM outbox WHERE task_id = ANY($1::bigint[])"

_TAKEN_OFF: Final = (
    "items_erased", "accepted_erased", "requested_erased", "withdrawn_erased", "finals_erased",
    "tasks_erased",
)  # fmt: skip

# The items count no more, by their first routes; tasks that people had not settled must not be waited for.
# LATERAL with LIMIT keeps these as look-ups by key.
FIGURES: Final = """
INSERT INTO minute_stats AS s (project, minute, {figures})
SELECT k.project, (extract(epoch FROM date_trunc('minute', now())) * 1000)::bigint, count(i.here),
       count(*) FILTER (WHERE r.outcome = 'accepted'), count(*) FILTER (WHERE r.outcome = 'requested'),
       count(*) FILTER (WHERE r.outcome = 'requested' AND t.here IS NULL), count(f.here),
       coalesce(sum(u.tasks), 0)
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
LEFT JOIN LATERAL (
    SELECT true AS here FROM items i WHERE i.project = k.project AND i.item_id = k.item_id LIMIT 1
) i ON true
LEFT JOIN LATERAL (
    SELECT outcome, guideline_version FROM routes r WHERE r.project = k.project AND r.item_id = k.item_id
    ORDER BY r.project, r.item_id, r.guideline_version LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT true AS here FROM tasks t WHERE t.project = k.project AND t.item_id = k.item_id
      AND t.guideline_version = r.guideline_version LIMIT 1
) t ON true
LEFT JOIN LATERAL (
    SELECT true AS here FROM final_labels f WHERE f.project = k.project AND f.item_id = k.item_id LIMIT 1
) f ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS tasks FROM tasks t
    WHERE t.project = k.project AND t.item_id = k.item_id AND t.label IS NULL
) u
GROUP BY k.project ORDER BY k.project
{added}
""".replace("{figures}", ", ".join(_TAKEN_OFF)).replace("{added}", added(_TAKEN_OFF))

BY_TASK: Final = {
    "late_decisions": "DELETE FROM late_decisions WHERE task_id = ANY($1::bigint[])",
    "skips": "DELETE FROM skips WHERE task_id = ANY($1::bigint[])",
    "rereviews": "DELETE FROM rereviews WHERE task_id = ANY($1::bigint[])",
    # Who worked how long is theirs, and says nothing of the item: this much of a decision stays.
    "decisions": """
        UPDATE decisions SET item_id = '', label = 'null' WHERE task_id = ANY($1::bigint[]) AND item_id <> ''
    """,
    "assignments": "DELETE FROM assignments WHERE task_id = ANY($1::bigint[]) AND state <> 'decided'",
    "tasks": "DELETE FROM tasks WHERE task_id = ANY($1::bigint[])",
}
"""What goes, or is blanked, of a task, by table and in this order."""

_BY_ITEM: Final = """
DELETE FROM {table} t USING unnest($1::text[], $2::text[]) AS k(project, item_id)
WHERE t.project = k.project AND t.item_id = k.item_id
"""

BY_ITEM: Final = {
    table: _BY_ITEM.format(table=table)
    for table in (
        "items", "routes", "early_routes", "final_labels", "label_history", "flags", "comments", "edge_cases",
    )
} | {
    # The counts of a campaign go with its items: an erased one is given up.
    "campaign_items": """
        WITH gone AS (
            DELETE FROM campaign_items i
            USING campaigns c, unnest($1::text[], $2::text[]) AS k(project, item_id)
            WHERE c.project = k.project AND i.campaign_id = c.campaign_id AND i.item_id = k.item_id
            RETURNING i.campaign_id, i.state
        ), counted AS (
            SELECT campaign_id, count(*) FILTER (WHERE state = 'waiting') AS waiting,
                   count(*) FILTER (WHERE state = 'sent') AS sent,
                   count(*) FILTER (WHERE state = 'asked') AS asked
            FROM gone GROUP BY campaign_id
        )
        UPDATE campaigns c
        SET waiting = c.waiting - n.waiting, sent = c.sent - n.sent, asked = c.asked - n.asked,
            given_up = c.given_up + n.waiting + n.sent + n.asked
        FROM counted n WHERE c.campaign_id = n.campaign_id
    """,
    # What a check says of a person stays, as the work and the answer of somebody; of the item, nothing.
    "gold_checks": """
        WITH mine AS (
            SELECT g.gold_id FROM gold_items g
            JOIN unnest($1::text[], $2::text[]) AS k(project, item_id)
                ON (g.project, g.item_id) = (k.project, k.item_id)
        ), dropped AS (
            DELETE FROM gold_checks c USING mine m WHERE c.gold_id = m.gold_id AND c.label IS NULL
        )
        UPDATE gold_checks c SET skip_reason = NULL, late = NULL
        FROM mine m WHERE c.gold_id = m.gold_id AND c.label IS NOT NULL
    """,
    "gold_items": """
        UPDATE gold_items g
        SET item_id = 'erased-' || gold_id, content = '', content_hash = NULL, metadata = '{}',
            explanation = '', retired_at = coalesce(retired_at, now())
        FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
        WHERE (g.project, g.item_id) = (k.project, k.item_id)
    """,
}  # fmt: skip
"""What goes of an item, by table."""

QUOTED: Final = """
UPDATE erasures SET quoted = ARRAY(
    SELECT DISTINCT name FROM (
        SELECT unnest(quoted) AS name
        UNION ALL
        SELECT e.project || ', guideline ' || e.published_in
        FROM edge_cases e JOIN unnest($2::text[], $3::text[]) AS k(project, item_id) USING (project, item_id)
        WHERE e.published_in IS NOT NULL
    ) named
)
WHERE erasure_id = $1
"""

OWNERS: Final = """
DELETE FROM item_owners o USING unnest($1::text[], $2::text[], $3::text[]) AS k(owner, project, item_id)
WHERE (o.owner, o.project, o.item_id) = (k.owner, k.project, k.item_id)
"""

OWNERS_OF: Final = """
SELECT i.metadata ->> '@owner' AS owner, k.project, k.item_id
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
CROSS JOIN LATERAL (
    SELECT metadata FROM items i WHERE i.project = k.project AND i.item_id = k.item_id OFFSET 0
) i
WHERE i.metadata ? '@owner'
"""

QUALITY: Final = "SELECT payload FROM published WHERE project = $1 AND topic = $2 FOR UPDATE"

PUT_QUALITY: Final = "UPDATE published SET payload = $3 WHERE project = $1 AND topic = $2"

ERASED_NOW: Final = """
UPDATE erasure_items e SET state = 'erased', content_hash = k.content_hash, records = k.records
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) AS k(item_hash, item_id, content_hash, records)
WHERE e.item_hash = k.item_hash
"""

COUNT: Final = """
UPDATE erasures e
SET items = items + $2,
    removed = (
        SELECT jsonb_object_agg(name, rows) FROM (
            SELECT name, sum(rows) AS rows FROM (
                SELECT key AS name, value::bigint AS rows FROM jsonb_each_text(e.removed)
                UNION ALL SELECT key, value::bigint FROM jsonb_each_text($3::jsonb)
            ) added GROUP BY name
        ) summed
    )
WHERE erasure_id = $1
"""

ALL_ERASED: Final = "UPDATE erasures SET state = 'confirming' WHERE erasure_id = $1 AND state = 'erasing'"

TO_PUBLISH: Final = """
SELECT e.project, e.item_id, e.erasure_id, e.item_hash, e.content_hash, e.records
FROM erasure_items e WHERE e.state = 'erased' ORDER BY e.erasure_id LIMIT $1
"""

PUBLISHED: Final = """
UPDATE erasure_items SET state = 'published' WHERE item_hash = ANY($1::text[]) AND state = 'erased'
"""

CONFIRM: Final = """
UPDATE erasure_items SET confirmed = array_append(confirmed, $2)
WHERE item_hash = ANY($1::text[]) AND NOT $2 = ANY (confirmed)
"""

KEEP_CONFIRMATION: Final = """
INSERT INTO erasure_confirmations (partition, "offset", erasure_id, service, removed)
SELECT $1::integer, $2::bigint, erasure_id, $4::text, $5::jsonb FROM erasures WHERE erasure_id = $3
ON CONFLICT DO NOTHING
"""

CONFIRMED: Final = """
SELECT project, item_id, item_hash, records FROM erasure_items
WHERE state = 'published' AND confirmed @> $1::text[] ORDER BY erasure_id LIMIT $2
"""

FORGET: Final = "DELETE FROM erasure_items WHERE item_hash = ANY($1::text[])"

FINISH: Final = """
UPDATE erasures e SET state = 'done', done_at = now(), owner = NULL
WHERE state = 'confirming' AND NOT EXISTS (SELECT FROM erasure_items i WHERE i.erasure_id = e.erasure_id)
RETURNING erasure_id
"""

IS_KNOWN: Final = """
SELECT EXISTS (SELECT FROM items WHERE project = $1 AND item_id = $2)
    OR EXISTS (SELECT FROM routes WHERE project = $1 AND item_id = $2)
    OR EXISTS (SELECT FROM gold_items WHERE project = $1 AND item_id = $2)
"""

IN_HAND: Final = """
SELECT erasure_id FROM erasure_items WHERE item_hash = $1 UNION ALL
SELECT erasure_id FROM erased WHERE item_hash = $1 LIMIT 1
"""

OWNED: Final = """
SELECT project, count(*) AS items FROM item_owners
WHERE owner = $1 AND ($2::text IS NULL OR project = $2) GROUP BY project ORDER BY project
"""

BEGIN: Final = """
INSERT INTO erasures (requested_by, owner, project) VALUES ($1, $2, $3) RETURNING erasure_id
"""

BEING_ERASED: Final = """
SELECT erasure_id FROM erasures WHERE state = 'erasing' AND owner = $1 AND project IS NOT DISTINCT FROM $2
"""

SHOW: Final = """
SELECT e.erasure_id, e.state, e.requested_by,
       (extract(epoch FROM e.requested_at) * 1000)::bigint AS requested_at,
       (extract(epoch FROM e.done_at) * 1000)::bigint AS done_at, e.items, e.removed,
       e.quoted,
       (SELECT count(*) FROM erasure_items i WHERE i.erasure_id = e.erasure_id) AS unconfirmed,
       (
           SELECT coalesce(json_agg(json_build_object('service', c.service, 'removed', c.removed)), '[]')
           FROM erasure_confirmations c WHERE c.erasure_id = e.erasure_id
       ) AS confirmations
FROM erasures e WHERE e.erasure_id = $1
"""
