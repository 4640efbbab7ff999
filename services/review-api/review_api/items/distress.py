"""Which items distress, for pages that name items beside their texts."""

from collections.abc import Collection
from typing import Final

import msgspec
from labelmill.runtime.postgres import Database

from review_api.tasks.pools import Pools

# OFFSET 0 keeps the look-up of an item by its key.
_METADATA: Final = """
SELECT i.item_id, i.metadata FROM unnest($2::text[]) AS k(item_id)
CROSS JOIN LATERAL (
    SELECT item_id, metadata FROM items i WHERE i.project = $1 AND i.item_id = k.item_id OFFSET 0
) i
ORDER BY i.item_id
"""

_metadata: Final = msgspec.json.Decoder(dict[str, str])


class Distressing:
    """Looks up which items distress."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def among(self, project: str, items: Collection[str], pools: Pools) -> list[str]:
        """Return those of `items` that distress by `pools`, in order."""
        if not (pools.sensitive and items):
            return []
        rows = await self._database.pool.fetch(_METADATA, project, list(items))
        return [row["item_id"] for row in rows if pools.distresses(_metadata.decode(row["metadata"]))]
