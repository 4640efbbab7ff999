"""All SQL that lists items, page by page in the order of their ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from labelmill.runtime.postgres import Database

from review_api.items.blind import withheld
from review_api.items.keys import end_of_prefix
from review_api.tasks.pools import Pools

MOST_SCANNED: Final = 5000
"""Rows that one page looks at, at most: where few of them fit, the page is short and says where to go on."""

_EXCERPT: Final = 240

_BOUND: Final = """
SELECT item_id FROM items
WHERE project = $1 AND item_id > $2 AND item_id >= $3 AND ($4::text IS NULL OR item_id < $4)
ORDER BY item_id OFFSET $5 - 1 LIMIT 1
"""

# OFFSET 0 keeps the look-up of a final label by its key, row by row, as far as the page needs.
_PAGE: Final = """
SELECT i.item_id, left(i.content, {excerpt}) AS excerpt, length(i.content) > {excerpt} AS is_cut,
       i.metadata, i.ingested_at, w.withheld AS label_withheld, f.label, f.source, f.confidence,
       f.guideline_version, f.decided_at
FROM (
    SELECT * FROM items
    WHERE project = $1 AND item_id > $2 AND item_id >= $3 AND ($4::text IS NULL OR item_id < $4)
      AND ($5::text IS NULL OR item_id <= $5)
    ORDER BY item_id
) i
CROSS JOIN LATERAL (SELECT {withheld} AS withheld) w
LEFT JOIN LATERAL (
    SELECT * FROM final_labels l
    WHERE l.project = i.project AND l.item_id = i.item_id AND NOT w.withheld OFFSET 0
) f ON true
WHERE ($6::text IS NULL OR f.label @> to_jsonb($6::text))
  AND ($7::text IS NULL OR coalesce(f.source, 'none') = $7)
ORDER BY i.item_id LIMIT $8
""".replace("{excerpt}", str(_EXCERPT)).replace("{withheld}", withheld("i", "$9"))


@dataclass(frozen=True)
class Wanted:
    """Which items to list: ids after `after` that begin with `prefix`, with a final label of `label` and
    `source` (`machine`, `people` or `none`); None: any."""

    after: str = ""
    prefix: str = ""
    label: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Page:
    """Items, and the id to go on after; None at the end."""

    items: list[dict[str, Any]]
    next: str | None


class Listing:
    """Lists items from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, project: str, wanted: Wanted, limit: int, pools: Pools, reviewer: str | None = None
    ) -> Page:
        """Return up to `limit` items, looking at no more than MOST_SCANNED; `pools` tell which distress.

        No label is told of, and nothing found by the label of, an item of which `reviewer` may be given a
        blind task.
        """
        filtered = wanted.label is not None or wanted.source is not None
        span = (project, wanted.after, wanted.prefix, end_of_prefix(wanted.prefix))
        async with (
            self._database.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            bound = await connection.fetchval(_BOUND, *span, MOST_SCANNED) if filtered else None
            rows = await connection.fetch(_PAGE, *span, bound, wanted.label, wanted.source, limit, reviewer)
        return Page(
            [_shown(row, pools) for row in rows], rows[-1]["item_id"] if len(rows) == limit else bound
        )


def _shown(row: Any, pools: Pools) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "metadata"}
    label = None if row["label"] is None else msgspec.Raw(row["label"].encode())
    return {**shown, "label": label, "sensitive": pools.distresses(_metadata(row["metadata"]))}


def _metadata(text: str) -> Mapping[str, str]:
    metadata: Mapping[str, str] = msgspec.json.decode(text)
    return metadata
