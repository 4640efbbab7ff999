"""The routes of a project as lines of JSON, with what people decided: what a policy can be tried on again."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from labelmill.runtime.postgres import Database

from review_api.items.blind import withheld

_PAGE_ROWS: Final = 2000

# A task that is not settled has no label yet; one that was withdrawn is gone. What is decided again is chosen
# by what people said first, so only that tells how often the machine is wrong. The page is cut first, so that
# the joins go by it.
_PAGE: Final = """
SELECT r.item_id, r.guideline_version, i.metadata, r.content_hash, r.label, r.confidence,
       r.probabilities, r.votes, r.calibrated, r.over_budget, r.suspicious, r.release,
       r.outcome, r.reasons, r.propensity, r.cost_usd, r.project_version, r.routed_at,
       coalesce(t.blind, false) AS blind, coalesce(t.audit_rate, 0) AS audit_rate,
       coalesce(x.label, t.label) AS decided_label, coalesce(x.decided_at, t.decided_at) AS decided_at,
       coalesce(t.decided, 0) AS decisions,
       r.outcome = 'requested' AND t.task_id IS NULL AS withdrawn,
       {withheld} AS withheld
FROM (
    SELECT * FROM routes WHERE project = $1 AND (item_id, guideline_version) > ($2, $3)
    ORDER BY item_id, guideline_version LIMIT $4
) r
LEFT JOIN items i ON (i.project, i.item_id) = (r.project, r.item_id)
LEFT JOIN tasks t
    ON (t.project, t.item_id, t.guideline_version) = (r.project, r.item_id, r.guideline_version)
LEFT JOIN rereviews x ON x.task_id = t.task_id
ORDER BY r.item_id, r.guideline_version
""".replace("{withheld}", withheld("r", "$5"))

_HELD_BACK: Final = (
    "label",
    "confidence",
    "probabilities",
    "votes",
    "reasons",
    "decided_label",
    "decided_at",
)

_encoder = msgspec.json.Encoder()


class _Vote(msgspec.Struct):
    voter: str
    label: msgspec.Raw


_votes = msgspec.json.Decoder(list[_Vote])


class Routes:
    """Reads routes page by page in the order of their key, as the export does and for the same reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lines(self, project: str, reviewer: str | None = None) -> AsyncIterator[bytes]:
        """Yield the lines of `project`, in parts. Where `reviewer` may be handed a blind task of an item, its
        lines tell no label."""
        after, version = "", 0
        while True:
            rows = await self._database.pool.fetch(_PAGE, project, after, version, _PAGE_ROWS, reviewer)
            if rows:
                yield _encoder.encode_lines([_line(row) for row in rows])
            if len(rows) < _PAGE_ROWS:
                return
            after, version = rows[-1]["item_id"], rows[-1]["guideline_version"]


def _line(row: Any) -> dict[str, Any]:
    line = dict(row)
    if not line.pop("withheld"):
        line["votes"] = _votes.decode(row["votes"])
    else:
        line |= dict.fromkeys(_HELD_BACK) | {"withheld": True}
    for name in ("metadata", "label", "probabilities", "decided_label"):
        line[name] = msgspec.Raw((line[name] or "null").encode())
    return line
