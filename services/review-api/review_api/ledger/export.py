"""The final labels of a project as lines of JSON."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from labelmill import provenance
from labelmill.runtime.postgres import Database

from review_api.items.blind import withheld
from review_api.ledger.manifest import WITHHELD, Manifest

_PAGE_ROWS = 2000

_PAGE: Final = """
SELECT p.item_id, f.label, f.source, r.label AS machine_label, f.confidence,
       coalesce(r.reasons, '{}') AS reasons, f.release, f.guideline_version, f.decided_at,
       CASE WHEN f.item_id IS NULL THEN true END AS withheld,
       CASE WHEN $4 THEN i.content END AS content,
       -- Nearly all items have no metadata, and then there is nothing to send.
       CASE WHEN i.metadata <> '{}' THEN i.metadata END AS metadata
FROM (
    SELECT * FROM final_labels WHERE project = $1 AND item_id > $2 ORDER BY item_id LIMIT $3
) p
-- All but the id is missing where the label is held back.
LEFT JOIN LATERAL (SELECT p.* WHERE NOT {withheld}) f ON true
LEFT JOIN routes r
    ON (r.project, r.item_id, r.guideline_version) = (f.project, f.item_id, f.routed_under)
LEFT JOIN items i ON (i.project, i.item_id) = (p.project, p.item_id)
ORDER BY p.item_id
""".replace("{withheld}", withheld("p", "$5"))

_encoder = msgspec.json.Encoder()
_metadata = msgspec.json.Decoder(dict[str, str])


class Export:
    """Reads final labels page by page in the order of their key.

    A cursor would be one transaction for as long as the slowest client reads, and its snapshot would keep
    PostgreSQL from clearing away dead entries, which slows every claim of a task.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lines(
        self,
        project: str,
        manifest: Manifest,
        *,
        content: bool,
        ends_with_manifest: bool,
        reviewer: str | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield the lines of `project`, in parts; with `content`, also the content and metadata.

        `ends_with_manifest` adds a last line with the manifest of the lines before it. Where `reviewer` may
        be handed a blind task of an item, its line tells no label.
        """
        after = ""
        while True:
            rows = await self._database.pool.fetch(_PAGE, project, after, _PAGE_ROWS, content, reviewer)
            if rows:
                part = _encoder.encode_lines([_line(row, manifest, content=content) for row in rows])
                manifest.written(part)
                yield part
            if len(rows) < _PAGE_ROWS:
                break
            after = rows[-1]["item_id"]
        if ends_with_manifest:
            yield _encoder.encode_lines([{"manifest": manifest.document()}])


def _line(row: Any, manifest: Manifest, *, content: bool) -> dict[str, Any]:
    line = dict(row)
    for name in ("label", "machine_label"):
        line[name] = msgspec.Raw((row[name] or "null").encode())
    if not row["withheld"]:
        del line["withheld"]
    metadata = _metadata.decode(row["metadata"]) if row["metadata"] else {}
    found = provenance.of(metadata)
    if "owner" in found:
        found["owner"] = manifest.owner(found["owner"])
    manifest.count(found, row["source"] or WITHHELD)
    if content:
        line["metadata"] = provenance.plain(metadata)
    else:
        del line["content"], line["metadata"]
    if found:
        line["provenance"] = found
    return line
