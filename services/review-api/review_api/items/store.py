"""All SQL that looks at items: whether they are known, and all that is known of one."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from labelmill import ids
from labelmill.runtime.postgres import Database

from review_api.items.screening import Refusal

_HASHES: Final = """
SELECT k.item_id, i.content_hash
FROM unnest($2::text[]) AS k(item_id)
CROSS JOIN LATERAL (
    SELECT content_hash FROM items i WHERE i.project = $1 AND i.item_id = k.item_id LIMIT 1
) i
"""

_ERASED: Final = """
SELECT item_hash FROM erased JOIN unnest($1::text[]) AS k(item_hash) USING (item_hash)
"""

_RARITIES: Final = """
SELECT EXISTS (SELECT FROM erased) AS erased,
       EXISTS (SELECT FROM gold_items WHERE project = $1 AND content IS NOT NULL) AS gold
"""

_OF_GOLD: Final = """
SELECT item_id FROM gold_items WHERE project = $1 AND item_id = ANY($2::text[]) AND content IS NOT NULL
"""

# Each gives one JSON text; times in it are Unix milliseconds.
_LINEAGE: Final = {
    "item": """
        SELECT json_build_object('item_id', item_id, 'content', content, 'metadata', metadata,
               'content_hash', content_hash, 'ingested_at', ingested_at,
               'provenance', json_strip_nulls(json_build_object('owner', metadata ->> '@owner',
               'licence', metadata ->> '@licence', 'source', metadata ->> '@source',
               'consent', metadata ->> '@consent')))
        FROM items WHERE project = $1 AND item_id = $2
    """,
    "routes": """
        SELECT json_agg(to_jsonb(r) - 'project' - 'votes' - 'item_id' ORDER BY routed_at)
        FROM routes r WHERE project = $1 AND item_id = $2
    """,
    "votes": """
        SELECT json_agg(to_jsonb(v) - 'project' - 'item_id' ORDER BY v.guideline_version, v.voter)
        FROM votes v WHERE project = $1 AND item_id = $2
    """,
    "tasks": """
        SELECT json_agg(to_jsonb(t) - 'project' - 'item_id' - 'partition' || jsonb_build_object(
            'assignments', (
                SELECT jsonb_agg(jsonb_build_object(
                    'slot', a.slot, 'reviewer', a.reviewer, 'priority', a.priority, 'again', a.again,
                    'pool', a.pool, 'extra', a.extra,
                    'state', CASE WHEN a.lease_until <= now() THEN 'open' ELSE a.state END,
                    'leased_at', (extract(epoch FROM a.leased_at) * 1000)::bigint,
                    'lease_until', (extract(epoch FROM a.lease_until) * 1000)::bigint
                ) ORDER BY a.slot)
                FROM assignments a WHERE a.task_id = t.task_id
            ),
            'rereview', (
                SELECT jsonb_build_object('label_before', x.label, 'changed', x.changed,
                    'opened_at', (extract(epoch FROM x.opened_at) * 1000)::bigint,
                    'settled_at', (extract(epoch FROM x.settled_at) * 1000)::bigint)
                FROM rereviews x WHERE x.task_id = t.task_id
            ),
            'undoable', EXISTS (
                SELECT FROM outbox o WHERE o.task_id = t.task_id AND NOT o.leaving AND o.not_before > now()
            )
        ) ORDER BY t.task_id)
        FROM tasks t WHERE project = $1 AND item_id = $2
    """,
    "decisions": """
        SELECT json_agg(json_build_object('task_id', d.task_id, 'slot', d.slot, 'reviewer', d.reviewer,
               'label', d.label, 'guideline_version', d.guideline_version, 'seconds', d.seconds,
               'decided_at', (extract(epoch FROM d.decided_at) * 1000)::bigint) ORDER BY d.decided_at, d.slot)
        FROM tasks t JOIN decisions d USING (task_id) WHERE t.project = $1 AND t.item_id = $2
    """,
    "comments": """
        SELECT json_agg(json_build_object('reviewer', c.reviewer, 'text', c.text, 'audience', c.audience,
               'at', (extract(epoch FROM c.commented_at) * 1000)::bigint) ORDER BY c.comment_id)
        FROM comments c WHERE c.project = $1 AND c.item_id = $2
    """,
    "flags": """
        SELECT json_agg(json_build_object('reviewer', f.reviewer, 'reason', f.reason, 'text', f.text,
               'at', (extract(epoch FROM f.flagged_at) * 1000)::bigint, 'resolved_by', f.resolved_by,
               'resolved_at', (extract(epoch FROM f.resolved_at) * 1000)::bigint, 'answer', f.answer)
               ORDER BY f.flag_id)
        FROM flags f WHERE f.project = $1 AND f.item_id = $2
    """,
    "final_label": """
        SELECT to_jsonb(f) - 'project' - 'item_id' FROM final_labels f WHERE project = $1 AND item_id = $2
    """,
    "earlier_labels": """
        SELECT json_agg(to_jsonb(h) - 'project' - 'item_id' - 'history_id' ORDER BY h.history_id)
        FROM label_history h WHERE project = $1 AND item_id = $2
    """,
}

_LISTS = ("routes", "votes", "tasks", "decisions", "comments", "flags", "earlier_labels")


class ItemStore:
    """Items in PostgreSQL, to look at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def content_hashes(self, project: str, item_ids: Sequence[str]) -> dict[str, str]:
        """Return the content hashes of those items that the ledger has."""
        if not item_ids:
            return {}
        return dict(await self._database.pool.fetch(_HASHES, project, item_ids))

    async def refused(self, project: str, item_ids: Sequence[str]) -> dict[str, Refusal]:
        """Return the ids that no item may have, with the reason: that item was erased, or the id belongs to a
        gold text that is no item."""
        rarities = await self._database.pool.fetchrow(_RARITIES, project)
        found: dict[str, Refusal] = {}
        if rarities["gold"]:
            rows = await self._database.pool.fetch(_OF_GOLD, project, item_ids)
            found |= {row["item_id"]: "gold_id" for row in rows}
        if rarities["erased"]:
            hashes = {ids.item_hash(project, item_id): item_id for item_id in item_ids}
            rows = await self._database.pool.fetch(_ERASED, list(hashes))
            found |= {hashes[row[0]]: "erased" for row in rows}
        return found

    async def lineage(self, project: str, item_id: str) -> dict[str, Any] | None:
        """Return all that is known of an item, each part as JSON; None if nothing is."""
        found: dict[str, Any] = {}
        async with (
            self._database.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            for part, query in _LINEAGE.items():
                text = await connection.fetchval(query, project, item_id)
                found[part] = msgspec.Raw(text.encode()) if text else [] if part in _LISTS else None
        return found if found["item"] or found["routes"] else None
