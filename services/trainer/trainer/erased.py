"""SQL of forgetting items: decisions, what was made of them, and which releases have learned from them."""

import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import asyncpg
import msgspec
from labelmill import ids
from labelmill.events import QualityPublished, ReleasePublished, encode
from labelmill.releases import Release
from labelmill.runtime.postgres import Database
from labelmill.topics import QUALITY

from trainer.releasing import RECORDING, RELEASING, wait_for
from trainer.triggers import Trigger

_TRAIN_AFTER_MS: Final = 10_000
"""Items are rarely erased alone: the training waits for those that come with them."""

_REMEMBER: Final = "INSERT INTO erased (item_hash) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_DECISIONS: Final = """
DELETE FROM decisions WHERE project = $1 AND item_id = ANY($2::text[])
RETURNING seq, content, content_hash, text_key
"""
_DATASETS: Final = """
UPDATE datasets d
SET members = left_over, erased = d.erased + cardinality(d.members) - cardinality(left_over)
FROM (
    SELECT project, version, ARRAY(
        SELECT m.seq FROM unnest(members) WITH ORDINALITY AS m(seq, place)
        WHERE NOT m.seq = ANY($2::bigint[]) ORDER BY m.place
    ) AS left_over
    FROM datasets WHERE project = $1 AND members && $2::bigint[]
) n
WHERE d.project = n.project AND d.version = n.version
RETURNING d.version
"""
# What another decision has too stays: the text is the same.
_BANDS: Final = """
DELETE FROM sketch_bands b USING sketches s
WHERE b.sketch = s.id AND s.project = $1 AND s.text_key = ANY($2::text[])
  AND NOT EXISTS (SELECT FROM decisions d WHERE d.project = s.project AND d.text_key = s.text_key)
"""
_SKETCHES: Final = """
DELETE FROM sketches s
WHERE s.project = $1 AND s.text_key = ANY($2::text[])
  AND NOT EXISTS (SELECT FROM decisions d WHERE d.project = s.project AND d.text_key = s.text_key)
"""
_EMBEDDINGS: Final = """
DELETE FROM embeddings e
WHERE e.content_hash = ANY($1::text[])
  AND NOT EXISTS (SELECT FROM decisions d WHERE d.content_hash = e.content_hash)
"""
_BREAK_OFF: Final = """
UPDATE jobs SET state = 'failed', outcome = 'an item of its dataset was erased', finished_at = $3
WHERE project = $1 AND state = 'running' AND dataset = ANY($2::text[])
"""
_RELEASES: Final = "SELECT number, payload FROM releases WHERE project = $1 ORDER BY number"
# Only the newest is published again: an older one would take its place.
_BLANK: Final = """
UPDATE releases SET payload = $3, published_at = CASE WHEN $4 THEN NULL ELSE published_at END
WHERE project = $1 AND number = $2
"""
_FLAG: Final = "UPDATE releases SET retrain = true WHERE project = $1 AND number >= $2 AND NOT retrain"
_TRAIN: Final = """
INSERT INTO jobs (project, trainer, trigger, state, created_at, not_before)
SELECT j.project, j.trainer, $2, 'waiting', $3, $4 FROM (
    SELECT project, trainer FROM jobs WHERE project = $1 ORDER BY id DESC LIMIT 1
) j
WHERE (SELECT retrain FROM releases WHERE project = $1 ORDER BY number DESC LIMIT 1)
ON CONFLICT (project) WHERE state = 'waiting' DO NOTHING
"""
_QUALITY: Final = "SELECT payload FROM publications WHERE project = $1 AND topic = $2 FOR UPDATE"
_PUT_QUALITY: Final = """
UPDATE publications SET payload = $3, revision = revision + 1, published_at = NULL
WHERE project = $1 AND topic = $2
"""

_releases = msgspec.json.Decoder(ReleasePublished)
_qualities = msgspec.json.Decoder(QualityPublished)


class ErasedItems:
    """What was erased, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, project: str, item_ids: Collection[str]) -> set[str]:
        """Return those of the items that were erased."""
        hashes = {ids.item_hash(project, item_id): item_id for item_id in item_ids}
        rows = await self._database.pool.fetch(
            "SELECT item_hash FROM erased WHERE item_hash = ANY($1::text[])", list(hashes)
        )
        return {hashes[row["item_hash"]] for row in rows}

    async def erase(self, project: str, item_ids: Sequence[str]) -> dict[str, int]:
        """Forget items of a project for good; return how many rows that took out or changed, by table.

        A training that has them in hand is broken off. Releases that have learned from them are flagged, and
        if that in force is among them another training begins soon.
        """
        now = int(time.time() * 1000)
        async with self._database.pool.acquire() as connection, connection.transaction():
            await wait_for(connection, RECORDING, project)
            await wait_for(connection, RELEASING, project)
            await connection.execute(_REMEMBER, [ids.item_hash(project, item) for item in item_ids])
            gone = await connection.fetch(_DECISIONS, project, item_ids)
            removed = {"decisions": len(gone)}
            removed |= await _made_of(connection, project, gone)
            versions = [
                r["version"] for r in await connection.fetch(_DATASETS, project, _column(gone, "seq"))
            ]
            removed["datasets"] = len(versions)
            removed["jobs"] = _rows(await connection.execute(_BREAK_OFF, project, versions, now))
            contents = set(_column(gone, "content"))
            removed["releases"] = await _from_releases(connection, project, set(versions), contents)
            removed["publications"] = await _from_quality(connection, project, set(item_ids))
            soon = now + _TRAIN_AFTER_MS
            await connection.execute(_TRAIN, project, Trigger.ERASURE.value, now, soon)
        return {table: rows for table, rows in removed.items() if rows}


async def _made_of(
    connection: asyncpg.Connection, project: str, gone: Sequence[asyncpg.Record]
) -> dict[str, int]:
    """Take out what was made of the decisions' texts."""
    keys, hashes = _column(gone, "text_key"), _column(gone, "content_hash")
    await connection.execute(_BANDS, project, keys)
    return {
        "sketches": _rows(await connection.execute(_SKETCHES, project, keys)),
        "embeddings": _rows(await connection.execute(_EMBEDDINGS, hashes)),
    }


async def _from_releases(
    connection: asyncpg.Connection, project: str, datasets: set[str], contents: set[str]
) -> int:
    """Take the contents out of the examples that releases carry, and flag what has learned from them.

    Whatever was released later may have kept something of it, and is flagged as well.
    """
    rows = await connection.fetch(_RELEASES, project)
    first = None
    for row in rows:
        event = _releases.decode(row["payload"])
        blanked = without(event.release, contents)
        if blanked != event.release:
            payload = encode(msgspec.structs.replace(event, release=blanked))
            is_newest = row["number"] == rows[-1]["number"]
            await connection.execute(_BLANK, project, row["number"], payload, is_newest)
        if first is None and (event.release.dataset in datasets or blanked != event.release):
            first = row["number"]
    return 0 if first is None else _rows(await connection.execute(_FLAG, project, first))


def without(release: Release, contents: Collection[str]) -> Release:
    """Return `release` without the shots that show one of `contents`."""
    shots = [shot for shot in release.shots if shot.example.content not in contents]
    return release if len(shots) == len(release.shots) else msgspec.structs.replace(release, shots=shots)


async def _from_quality(connection: asyncpg.Connection, project: str, item_ids: set[str]) -> int:
    payload = await connection.fetchval(_QUALITY, project, QUALITY.name)
    if payload is None:
        return 0
    event = _qualities.decode(payload)
    left = event.quality.without(item_ids)
    if left == event.quality:
        return 0
    value = encode(msgspec.structs.replace(event, quality=left))
    await connection.execute(_PUT_QUALITY, project, QUALITY.name, value)
    return 1


def _column(rows: Sequence[asyncpg.Record], name: str) -> list[Any]:
    return [row[name] for row in rows]


def _rows(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
