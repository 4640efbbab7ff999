"""All SQL of planning campaigns and working them off."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from labelmill.runtime.postgres import Database

from review_api.alone import alone
from review_api.guidelines.campaign_store import COLUMNS, Campaign, campaign_of
from review_api.guidelines.estimating import Estimate, SoFar
from review_api.guidelines.selection import Affected, Labelled

MOST_TRIES: Final = 12
"""How often an item is sent before it is given up."""

_AT_WORK: Final = """
SELECT {columns} FROM campaigns WHERE state IN ('planning', 'running') ORDER BY campaign_id
""".replace("{columns}", COLUMNS)

_BEGIN: Final = "DELETE FROM campaign_items WHERE campaign_id = $1"

# Page by page in the order of the key; what does not fit is read as well, so that a page is bounded in time.
_LABELLED: Final = """
SELECT f.item_id, f.label #>> '{}' AS label, f.source = 'people' AS by_people, r.probabilities,
       r.probabilities IS NOT NULL AS fits
FROM (
    SELECT * FROM final_labels WHERE project = $1 AND item_id > $2 ORDER BY project, item_id LIMIT $5
) f
LEFT JOIN LATERAL (
    SELECT r.probabilities FROM routes r
    WHERE r.project = f.project AND r.item_id = f.item_id AND r.guideline_version = f.routed_under
      AND f.guideline_version < $3 AND ($4::text[] IS NULL OR f.label #>> '{}' = ANY($4::text[]))
    LIMIT 1
) r ON true
ORDER BY f.item_id
"""

_CONTENTS: Final = """
SELECT k.item_id, i.content
FROM unnest($2::text[]) AS k(item_id)
CROSS JOIN LATERAL (
    SELECT content FROM items i WHERE i.project = $1 AND i.item_id = k.item_id LIMIT 1
) i
"""

_LOOKED: Final = """
UPDATE campaigns SET looked_at = $2 WHERE campaign_id = $1 AND state = 'planning' RETURNING true
"""

_ADD: Final = """
INSERT INTO campaign_items (campaign_id, item_id, place, people)
SELECT $1, * FROM unnest($2::text[], $3::float8[], $4::boolean[]) ON CONFLICT DO NOTHING
"""

_COUNTS: Final = """
SELECT count(*) AS items, count(*) FILTER (WHERE people) AS people FROM campaign_items WHERE campaign_id = $1
"""

_SO_FAR: Final = """
SELECT coalesce(sum(accepted - accepted_again), 0)::bigint AS accepted,
       coalesce(sum(requested - requested_again), 0)::bigint AS requested,
       coalesce(sum(withdrawn - withdrawn_again), 0)::bigint AS withdrawn,
       coalesce(sum(decided), 0)::bigint AS decided,
       coalesce(sum(cost_usd), 0)::float8 AS cost_usd,
       coalesce(sum(human_seconds), 0)::float8 AS human_seconds
FROM minute_stats WHERE project = $1
"""

_PLANNED: Final = """
UPDATE campaigns SET state = 'planned', waiting = $2, for_people = $3, estimate = $4
WHERE campaign_id = $1 AND state = 'planning'
"""

_FAILED: Final = """
UPDATE campaigns SET state = 'failed', problem = $2, ended_at = now()
WHERE campaign_id = $1 AND state = 'planning'
"""

# LATERAL with LIMIT keeps these as look-ups by key. An item that was erased meanwhile has no content.
_NEXT: Final = """
SELECT c.item_id, i.content, i.metadata, i.content_hash, r.label #>> '{}' AS label, r.confidence,
       r.probabilities, r.release, f.guideline_version >= $4 AS settled
FROM (
    SELECT item_id, place FROM campaign_items
    WHERE campaign_id = $1 AND state = 'waiting' AND people = $3
    ORDER BY campaign_id, state, people, place, item_id LIMIT $5
) c
LEFT JOIN LATERAL (
    SELECT content, metadata, content_hash FROM items i
    WHERE i.project = $2 AND i.item_id = c.item_id LIMIT 1
) i ON true
LEFT JOIN LATERAL (
    SELECT guideline_version, routed_under FROM final_labels f
    WHERE f.project = $2 AND f.item_id = c.item_id LIMIT 1
) f ON true
LEFT JOIN LATERAL (
    SELECT label, confidence, probabilities, release FROM routes r
    WHERE r.project = $2 AND r.item_id = c.item_id AND r.guideline_version = f.routed_under LIMIT 1
) r ON true
ORDER BY c.place, c.item_id
"""

# The counts of the campaign go with its items in one statement; $3 is the state before.
_MOVE: Final = """
WITH moved AS (
    UPDATE campaign_items c
    SET state = k.state, tries = c.tries + (k.state = 'sent')::int,
        sent_at = CASE WHEN k.state = 'sent' THEN now() ELSE c.sent_at END
    FROM unnest($2::text[], $4::text[]) AS k(item_id, state)
    WHERE c.campaign_id = $1 AND c.item_id = k.item_id AND c.state = $3
    RETURNING c.state
), counted AS (
    SELECT count(*) AS all, count(*) FILTER (WHERE state = 'waiting') AS waiting,
           count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'asked') AS asked,
           count(*) FILTER (WHERE state = 'labelled') AS labelled,
           count(*) FILTER (WHERE state = 'given_up') AS given_up
    FROM moved
)
UPDATE campaigns c
SET waiting = c.waiting + m.waiting - CASE WHEN $3 = 'waiting' THEN m.all ELSE 0 END,
    sent = c.sent + m.sent - CASE WHEN $3 = 'sent' THEN m.all ELSE 0 END,
    asked = c.asked + m.asked - CASE WHEN $3 = 'asked' THEN m.all ELSE 0 END,
    labelled = c.labelled + m.labelled, given_up = c.given_up + m.given_up
FROM counted m WHERE c.campaign_id = $1 AND m.all > 0
"""

# What became of items that were sent: by the newest route under the guideline, and by the final label.
_STANDING: Final = """
SELECT c.item_id, c.people, c.place, r.outcome, f.guideline_version >= $3 AS settled,
       c.sent_at < now() - make_interval(secs => $6) AS overdue, c.tries
FROM (
    SELECT * FROM campaign_items
    WHERE campaign_id = $1 AND state = $4 AND (people, place, item_id) > ($7, $8, $9)
    ORDER BY campaign_id, state, people, place, item_id LIMIT $5
) c
LEFT JOIN LATERAL (
    SELECT outcome FROM routes r
    WHERE r.project = $2 AND r.item_id = c.item_id AND r.guideline_version >= $3
    ORDER BY r.project, r.item_id, r.guideline_version DESC LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT guideline_version FROM final_labels f WHERE f.project = $2 AND f.item_id = c.item_id LIMIT 1
) f ON true
ORDER BY c.people, c.place, c.item_id
"""

_DONE: Final = """
UPDATE campaigns SET state = 'done', ended_at = now()
WHERE campaign_id = $1 AND state = 'running' AND waiting = 0 AND sent = 0 AND asked = 0 RETURNING true
"""

Place = tuple[bool, float, str]

START: Final[Place] = (False, float("-inf"), "")

_probabilities = msgspec.json.Decoder(dict[str, float])
_metadata = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True)
class ToSend:
    """An item to be looked at again, with what the machine thought of it before. `content` is None if it was
    erased; `settled`: it has a label by the new guideline already."""

    item_id: str
    content: str | None
    metadata: dict[str, str]
    content_hash: str
    label: str | None
    confidence: float
    probabilities: dict[str, float]
    release: int
    settled: bool


@dataclass(frozen=True)
class Sent:
    """An item that was sent, and what became of it: how it was routed, if it was, and whether it has a label
    by the new guideline. `overdue`: it should have been routed long ago."""

    item_id: str
    place: Place
    outcome: str | None
    settled: bool
    overdue: bool
    tries: int


class CampaignWork:
    """Campaigns in PostgreSQL, for the one who works on them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Give whether this process works on campaigns; until it leaves, no other does."""
        async with alone(self._database, "campaigns") as connection:
            yield connection is not None

    async def at_work(self) -> list[Campaign]:
        """Return the campaigns that wait for a plan, or run."""
        return [campaign_of(row) for row in await self._database.pool.fetch(_AT_WORK)]

    async def begin(self, campaign_id: int) -> None:
        """Forget what a plan that broke off has chosen."""
        await self._database.pool.execute(_BEGIN, campaign_id)

    async def labelled(
        self, project: str, before: int, labels: Sequence[str] | None, page: int
    ) -> AsyncIterator[tuple[list[Labelled], int]]:
        """Yield the items whose final label comes from a guideline before `before` and is one of `labels`
        (None: any), page by page, each with how many labels the page looked at."""
        after = ""
        while True:
            rows = await self._database.pool.fetch(_LABELLED, project, after, before, labels, page)
            yield [_labelled(row) for row in rows if row["fits"]], len(rows)
            if len(rows) < page:
                return
            after = rows[-1]["item_id"]

    async def contents(self, project: str, item_ids: Sequence[str]) -> dict[str, str]:
        rows = await self._database.pool.fetch(_CONTENTS, project, list(item_ids))
        return {row["item_id"]: row["content"] for row in rows}

    async def looked(self, campaign_id: int, labels: int) -> bool:
        """Note how many labels were looked at; False if the plan is not wanted any more."""
        return bool(await self._database.pool.fetchval(_LOOKED, campaign_id, labels))

    async def add(self, campaign_id: int, items: Sequence[Affected]) -> None:
        ids, places, people = (list(column) for column in zip(*items, strict=True)) if items else ([], [], [])
        await self._database.pool.execute(_ADD, campaign_id, ids, places, people)

    async def counts(self, campaign_id: int) -> tuple[int, int]:
        """Return how many items are affected, and how many of them people decide."""
        row = await self._database.pool.fetchrow(_COUNTS, campaign_id)
        return row["items"], row["people"]

    async def so_far(self, project: str) -> SoFar:
        return SoFar(**await self._database.pool.fetchrow(_SO_FAR, project))

    async def planned(self, campaign_id: int, estimate: Estimate, for_people: int) -> None:
        text = msgspec.json.encode(estimate).decode()
        await self._database.pool.execute(_PLANNED, campaign_id, estimate.items, for_people, text)

    async def failed(self, campaign_id: int, problem: str) -> None:
        await self._database.pool.execute(_FAILED, campaign_id, problem)

    async def next(self, campaign: Campaign, most: int, *, people: bool) -> list[ToSend]:
        """Return the next items to send, to people or to the machine, the nearest to the boundary first."""
        rows = await self._database.pool.fetch(
            _NEXT, campaign.campaign_id, campaign.project, people, campaign.guideline_version, most
        )
        return [_to_send(row) for row in rows]

    async def standing(
        self, campaign: Campaign, state: str, most: int, *, overdue_seconds: float, after: Place = START
    ) -> list[Sent]:
        """Return what became of the items in a state ('sent' or 'asked') that come after a place."""
        rows = await self._database.pool.fetch(
            _STANDING,
            campaign.campaign_id,
            campaign.project,
            campaign.guideline_version,
            state,
            most,
            overdue_seconds,
            *after,
        )
        return [_sent(row) for row in rows]

    async def move(self, campaign_id: int, before: str, states: dict[str, str]) -> None:
        """Move items, by id, from the state `before` to others."""
        if states:
            await self._database.pool.execute(_MOVE, campaign_id, list(states), before, list(states.values()))

    async def done(self, campaign_id: int) -> bool:
        """End a campaign of which nothing is left to do; return whether that was so."""
        return bool(await self._database.pool.fetchval(_DONE, campaign_id))


def _labelled(row: Any) -> Labelled:
    return Labelled(
        row["item_id"], row["label"], row["by_people"], _probabilities.decode(row["probabilities"])
    )


def _to_send(row: Any) -> ToSend:
    return ToSend(
        item_id=row["item_id"],
        content=row["content"],
        metadata=_metadata.decode(row["metadata"] or "{}"),
        content_hash=row["content_hash"] or "",
        label=row["label"],
        confidence=row["confidence"] or 0.0,
        probabilities=_probabilities.decode(row["probabilities"] or "{}"),
        release=row["release"] or 0,
        settled=bool(row["settled"]),
    )


def _sent(row: Any) -> Sent:
    return Sent(
        item_id=row["item_id"],
        place=(row["people"], row["place"], row["item_id"]),
        outcome=row["outcome"],
        settled=bool(row["settled"]),
        overdue=bool(row["overdue"]),
        tries=row["tries"],
    )
