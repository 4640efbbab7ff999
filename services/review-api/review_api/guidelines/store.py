"""All SQL about versions of guidelines."""

from dataclasses import dataclass
from typing import Final

import msgspec
from labelmill.projects import LabelSpec
from labelmill.runtime.postgres import Database

# The first version of the project that has a guideline is the one that brought it.
_VERSIONS: Final = """
SELECT g.guideline_version, v.version, v.created_by,
       (extract(epoch FROM g.created_at) * 1000)::bigint AS created_at,
       c.campaign_id, c.mode, c.state
FROM guideline_versions g
CROSS JOIN LATERAL (
    SELECT version, created_by FROM project_versions v
    WHERE v.project = g.project AND v.guideline_version = g.guideline_version
    ORDER BY v.project, v.version LIMIT 1
) v
LEFT JOIN LATERAL (
    SELECT campaign_id, mode, state FROM campaigns c
    WHERE c.project = g.project AND c.guideline_version = g.guideline_version
      AND c.state NOT IN ('planning', 'planned', 'cancelled')
    ORDER BY c.project DESC, c.campaign_id DESC LIMIT 1
) c ON true
WHERE g.project = $1 ORDER BY g.guideline_version DESC
"""

_TEXT: Final = """
SELECT guideline, labels FROM guideline_versions WHERE project = $1 AND guideline_version = $2
"""

_LABELS_EVER: Final = """
SELECT DISTINCT label ->> 'name' AS name
FROM guideline_versions, jsonb_array_elements(labels) AS label WHERE project = $1
"""

_labels = msgspec.json.Decoder(list[LabelSpec])


@dataclass(frozen=True)
class CampaignOf:
    """The newest campaign that a version led to."""

    campaign_id: int
    mode: str
    state: str


@dataclass(frozen=True)
class VersionLine:
    """A version of the guideline and who made it; `version` is the project's that brought it, `created_at`
    in Unix milliseconds."""

    guideline_version: int
    version: int
    created_by: str
    created_at: int
    campaign: CampaignOf | None


@dataclass(frozen=True)
class Guideline:
    """The text of a version with the labels it describes."""

    guideline: str
    labels: list[LabelSpec]


class Guidelines:
    """Versions of guidelines in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def versions(self, project: str) -> list[VersionLine]:
        """Return the versions, the newest first."""
        rows = await self._database.pool.fetch(_VERSIONS, project)
        return [_line(dict(row)) for row in rows]

    async def at(self, project: str, guideline_version: int) -> Guideline | None:
        row = await self._database.pool.fetchrow(_TEXT, project, guideline_version)
        return None if row is None else Guideline(row["guideline"], _labels.decode(row["labels"]))

    async def labels_ever(self, project: str) -> list[str]:
        """Return the names of the labels that any version of the guideline has or had."""
        return [row["name"] for row in await self._database.pool.fetch(_LABELS_EVER, project)]


def _line(row: dict[str, object]) -> VersionLine:
    campaign = {name: row.pop(name) for name in ("campaign_id", "mode", "state")}
    return VersionLine(
        **row,  # type: ignore[arg-type]
        campaign=None if campaign["campaign_id"] is None else CampaignOf(**campaign),  # type: ignore[arg-type]
    )
