"""All SQL about campaigns as people see and steer them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import asyncpg
import msgspec
from labelmill.runtime.postgres import Database

from review_api.accounts import audit
from review_api.errors import ApiError
from review_api.guidelines.estimating import Estimate
from review_api.guidelines.selection import Selection
from review_api.items.blind import withheld
from review_api.tasks.pools import Pools

Mode = Literal["relabel", "re-review"]
Act = Literal["start", "pause", "resume", "cancel"]

COLUMNS: Final = """
campaign_id, project, guideline_version, mode, selection, state, created_by, estimate, problem, looked_at,
for_people, waiting, sent, asked, labelled, given_up,
(extract(epoch FROM created_at) * 1000)::bigint AS created_at,
(extract(epoch FROM started_at) * 1000)::bigint AS started_at,
(extract(epoch FROM ended_at) * 1000)::bigint AS ended_at
"""

# A plan that nobody started makes room for the next.
_DISCARD: Final = """
UPDATE campaigns SET state = 'cancelled', ended_at = now()
WHERE project = $1 AND state IN ('planning', 'planned')
"""

_ADD: Final = """
INSERT INTO campaigns (project, guideline_version, mode, selection, created_by)
VALUES ($1, $2, $3, $4, $5) RETURNING {columns}
""".replace("{columns}", COLUMNS)

_ALL: Final = """
SELECT {columns} FROM campaigns WHERE project = $1 ORDER BY project DESC, campaign_id DESC LIMIT $2
""".replace("{columns}", COLUMNS)

_GET: Final = """
SELECT {columns} FROM campaigns WHERE campaign_id = $2 AND project = $1
""".replace("{columns}", COLUMNS)

_MOVE: Final = """
UPDATE campaigns
SET state = $4, started_at = coalesce(started_at, CASE WHEN $4 = 'running' THEN now() END),
    ended_at = CASE WHEN $4 = 'cancelled' THEN now() END
WHERE campaign_id = $2 AND project = $1 AND state = ANY($3::text[])
RETURNING {columns}
""".replace("{columns}", COLUMNS)

_FIRST_ITEMS: Final = """
SELECT c.item_id, CASE WHEN NOT w.withheld THEN c.place END AS place, c.people, c.state,
       left(i.content, 600) AS content, i.metadata, f.label, f.source, w.withheld AS label_withheld
FROM (
    SELECT *, $1::text AS project FROM campaign_items WHERE campaign_id = $2 AND state = $3
    ORDER BY campaign_id, state, people, place, item_id LIMIT $4
) c
LEFT JOIN items i ON i.project = $1 AND i.item_id = c.item_id
CROSS JOIN LATERAL (SELECT {withheld} AS withheld) w
LEFT JOIN final_labels f ON f.project = $1 AND f.item_id = c.item_id AND NOT w.withheld
ORDER BY c.place, c.item_id
""".replace("{withheld}", withheld("c", "$5"))

_MOVES: Final[Mapping[Act, tuple[list[str], str]]] = {
    "start": (["planned"], "running"),
    "pause": (["running"], "paused"),
    "resume": (["paused"], "running"),
    "cancel": (["planning", "planned", "running", "paused"], "cancelled"),
}
"""From which states an act leads to which."""

_ACTS: Final[Mapping[Act, audit.Act]] = {
    "start": "campaign.started",
    "pause": "campaign.paused",
    "resume": "campaign.resumed",
    "cancel": "campaign.cancelled",
}

_selection = msgspec.json.Decoder(Selection)
_estimate = msgspec.json.Decoder(Estimate)


@dataclass(frozen=True)
class Campaign:
    """A campaign. The five counts from `waiting` on say in which state its items are now; together they are
    all that it affects. Times are Unix milliseconds."""

    campaign_id: int
    project: str
    guideline_version: int
    mode: Mode
    selection: Selection
    state: str
    created_by: str
    estimate: Estimate | None
    problem: str
    looked_at: int
    for_people: int
    waiting: int
    sent: int
    asked: int
    labelled: int
    given_up: int
    created_at: int
    started_at: int | None
    ended_at: int | None

    @property
    def items(self) -> int:
        return self.waiting + self.sent + self.asked + self.labelled + self.given_up


class Campaigns:
    """Campaigns in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, project: str, guideline_version: int, mode: Mode, selection: Selection, by: str
    ) -> Campaign:
        """Have a campaign planned; one that was planned and not started gives way.

        Raises ApiError 409 `campaign_open` while another one runs.
        """
        text = msgspec.json.encode(selection).decode()
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                await connection.execute(_DISCARD, project)
                row = await connection.fetchrow(_ADD, project, guideline_version, mode, text, by)
                detail = {"mode": mode, "selection": selection, "guideline_version": guideline_version}
                await audit.record(
                    connection, by, "campaign.planned", str(row["campaign_id"]), detail, project=project
                )
        except asyncpg.UniqueViolationError as error:
            why = "a campaign of this project is under way: cancel it, or wait until it is done"
            raise ApiError(409, "campaign_open", why) from error
        return campaign_of(row)

    async def all(self, project: str, most: int) -> list[Campaign]:
        """Return the newest campaigns, the newest first."""
        return [campaign_of(row) for row in await self._database.pool.fetch(_ALL, project, most)]

    async def get(self, project: str, campaign_id: int) -> Campaign:
        """Return a campaign. Raises ApiError 404."""
        row = await self._database.pool.fetchrow(_GET, project, campaign_id)
        if row is None:
            raise ApiError(404, "unknown_campaign", f"project {project!r} has no campaign {campaign_id}")
        return campaign_of(row)

    async def move(self, project: str, campaign_id: int, act: Act, by: str) -> Campaign:
        """Start, pause, resume or cancel a campaign. Raises ApiError 404, or 409 if its state forbids it."""
        before, after = _MOVES[act]
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_MOVE, project, campaign_id, before, after)
            if row is not None:
                done, subject = _detail(campaign_of(row)), str(campaign_id)
                await audit.record(connection, by, _ACTS[act], subject, done, project=project)
        if row is None:
            state = (await self.get(project, campaign_id)).state
            detail = f"campaign {campaign_id} is {state}: one can {act} what is {' or '.join(before)}"
            raise ApiError(409, "wrong_state", detail)
        return campaign_of(row)

    async def items(
        self, campaign: Campaign, state: str, most: int, pools: Pools, reviewer: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the next items that are in a state, nearest to the boundary first, with the beginning of
        their texts and their final labels (JSON); without the label where `reviewer` may be handed a blind
        task of the item. `pools` tell which distress."""
        rows = await self._database.pool.fetch(
            _FIRST_ITEMS, campaign.project, campaign.campaign_id, state, most, reviewer
        )
        return [_item(row, pools) for row in rows]


def _item(row: asyncpg.Record, pools: Pools) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "metadata"}
    metadata = msgspec.json.decode(row["metadata"] or "{}")
    label = msgspec.Raw((row["label"] or "null").encode())
    return {**shown, "label": label, "sensitive": pools.distresses(metadata)}


def campaign_of(row: asyncpg.Record) -> Campaign:
    """Return the campaign of a row with all of `COLUMNS`."""
    estimate = row["estimate"]
    return Campaign(
        **{
            **row,
            "selection": _selection.decode(row["selection"]),
            "estimate": None if estimate is None else _estimate.decode(estimate),
        }
    )


def _detail(campaign: Campaign) -> dict[str, Any]:
    return {"mode": campaign.mode, "items": campaign.items, "done": campaign.labelled}
