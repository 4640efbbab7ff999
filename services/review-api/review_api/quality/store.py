"""All SQL about agreement: who decided what, in the order of time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from labelmill.runtime.postgres import Database

from review_api.items.blind import withheld
from review_api.quality.units import Decision

_PAGE_ROWS: Final = 2000
_MOST_CHARACTERS: Final = 600
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NEWEST: Final = """
SELECT task_id FROM decisions
WHERE project = $1 AND decided_at >= to_timestamp($2::float8 / 1000)
  AND decided_at < to_timestamp($3::float8 / 1000)
ORDER BY decided_at DESC, task_id DESC, slot DESC LIMIT $4
"""

# LATERAL with OFFSET 0 keeps these as look-ups by key. Why only these decisions: see `units.Decision`.
_DECISIONS: Final = """
SELECT {withheld} AS withheld, d.task_id, d.item_id, d.reviewer, d.label, d.guideline_version,
       (extract(epoch FROM d.decided_at) * 1000)::bigint AS decided_at, t.blind OR d.shown_blind AS blind,
       t.guideline_version AS routed_under, r.label AS machine_label, t.decided < t.needed AS waits
FROM unnest($1::bigint[]) AS n(task_id)
CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE t.task_id = n.task_id OFFSET 0) t
CROSS JOIN LATERAL (
    SELECT label FROM routes r
    WHERE (r.project, r.item_id, r.guideline_version) = (t.project, t.item_id, t.guideline_version) OFFSET 0
) r
CROSS JOIN LATERAL (
    SELECT d.*, a.shown_blind FROM decisions d JOIN assignments a USING (task_id, slot)
    WHERE d.task_id = n.task_id AND NOT a.again AND NOT a.extra OFFSET 0
) d
""".replace("{withheld}", withheld("t", "$2"))

_LABELS: Final = """
SELECT labels FROM guideline_versions WHERE project = $1 AND guideline_version = $2
"""

_CONTENTS: Final = """
SELECT i.item_id, i.content
FROM unnest($2::text[]) AS k(item_id)
CROSS JOIN LATERAL (
    SELECT item_id, left(content, $3) AS content FROM items i
    WHERE i.project = $1 AND i.item_id = k.item_id OFFSET 0
) i
"""

_PAGE: Final = """
SELECT d.item_id, d.reviewer, d.label, r.label AS machine_label,
       t.blind OR a.again OR a.shown_blind AS blind, a.again, a.extra, a.adjudicates, d.guideline_version,
       d.seconds, {withheld} AS withheld, d.at AS decided_at, d.decided_at AS place, d.task_id, d.slot
FROM (
    SELECT *, (extract(epoch FROM decided_at) * 1000)::bigint AS at FROM decisions
    WHERE project = $1 AND (decided_at, task_id, slot) > ($2, $3, $4)
    ORDER BY project, decided_at, task_id, slot LIMIT $5
) d
JOIN assignments a USING (task_id, slot)
JOIN tasks t USING (task_id)
JOIN routes r ON (r.project, r.item_id, r.guideline_version) = (t.project, t.item_id, t.guideline_version)
ORDER BY d.decided_at, d.task_id, d.slot
""".replace("{withheld}", withheld("d", "$6"))

_encoder = msgspec.json.Encoder()


class _Label(msgspec.Struct):
    name: str


_labels = msgspec.json.Decoder(list[_Label])


@dataclass(frozen=True)
class Newest:
    """Decisions of a window of time; `limited`: there may be more in it; `withheld` items are left out."""

    decisions: list[Decision]
    limited: bool
    withheld: int


class Decisions:
    """Decisions from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(
        self, project: str, since: int, until: int, most: int, reviewer: str | None = None
    ) -> Newest:
        """Return all decisions that count of the tasks to which the newest `most` of a window of time belong,
        without those of items of which `reviewer` may be handed a blind task."""
        newest = await self._database.pool.fetch(_NEWEST, project, since, until, most)
        tasks = list({row["task_id"] for row in newest})
        rows = await self._database.pool.fetch(_DECISIONS, tasks, reviewer)
        return Newest(
            decisions=[Decision(*row[1:]) for row in rows if not row["withheld"]],
            limited=len(newest) == most,
            withheld=len({row["item_id"] for row in rows if row["withheld"]}),
        )

    async def labels(self, project: str, guideline_version: int) -> list[str] | None:
        """Return the labels of a guideline; None if there is no such guideline."""
        found = await self._database.pool.fetchval(_LABELS, project, guideline_version)
        return None if found is None else [label.name for label in _labels.decode(found)]

    async def contents(self, project: str, items: Sequence[str]) -> dict[str, str]:
        """Return the beginnings of items' contents."""
        rows = await self._database.pool.fetch(_CONTENTS, project, list(items), _MOST_CHARACTERS)
        return {row["item_id"]: row["content"] for row in rows}

    async def lines(self, project: str, reviewer: str | None = None) -> AsyncIterator[bytes]:
        """Yield every decision of `project` as a line of JSON, in parts, the oldest first; without labels
        where `reviewer` may be handed a blind task of the item."""
        place: tuple[Any, ...] = (_BEGINNING, 0, -1)
        while True:
            rows = await self._database.pool.fetch(_PAGE, project, *place, _PAGE_ROWS, reviewer)
            if rows:
                yield _encoder.encode_lines([_line(row) for row in rows])
            if len(rows) < _PAGE_ROWS:
                return
            place = (rows[-1]["place"], rows[-1]["task_id"], rows[-1]["slot"])


def _line(row: Any) -> dict[str, Any]:
    line = {name: value for name, value in row.items() if name not in ("place", "task_id", "slot")}
    for name in ("label", "machine_label"):
        line[name] = None if row["withheld"] else msgspec.Raw(row[name].encode())
    if not row["withheld"]:
        del line["withheld"]
    return line
