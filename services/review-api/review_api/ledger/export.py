"""The final labels of a project as lines of JSON."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from labelmill.runtime.postgres import Database

_PAGE_ROWS = 2000

_PAGE: Final = """
SELECT f.item_id, f.label, f.source, r.label AS machine_label, f.confidence,
       coalesce(r.reasons, '{}') AS reasons, f.release, f.guideline_version, f.decided_at,
       CASE WHEN $4 THEN i.content END AS content, CASE WHEN $4 THEN i.metadata END AS metadata
FROM (
    SELECT * FROM final_labels WHERE project = $1 AND item_id > $2 ORDER BY item_id LIMIT $3
) f
LEFT JOIN routes r
    ON (r.project, r.item_id, r.guideline_version) = (f.project, f.item_id, f.routed_under)
LEFT JOIN items i ON (i.project, i.item_id) = (f.project, f.item_id)
ORDER BY f.item_id
"""

_encoder = msgspec.json.Encoder()


class Export:
    """Reads final labels page by page in the order of their key.

    A cursor would be one transaction for as long as the slowest client reads, and its snapshot would keep
    PostgreSQL from clearing away dead entries, which slows every claim of a task.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lines(self, project: str, *, content: bool) -> AsyncIterator[bytes]:
        """Yield the lines of `project`, in parts; with `content`, also the content and metadata."""
        after = ""
        while True:
            rows = await self._database.pool.fetch(_PAGE, project, after, _PAGE_ROWS, content)
            if rows:
                yield _encoder.encode_lines([_line(row, content=content) for row in rows])
            if len(rows) < _PAGE_ROWS:
                return
            after = rows[-1]["item_id"]


def _line(row: Any, *, content: bool) -> dict[str, Any]:
    line = {**row, "label": msgspec.Raw(row["label"].encode())}
    line["machine_label"] = msgspec.Raw((row["machine_label"] or "null").encode())
    if content:
        line["metadata"] = msgspec.Raw((row["metadata"] or "null").encode())
    else:
        del line["content"], line["metadata"]
    return line
