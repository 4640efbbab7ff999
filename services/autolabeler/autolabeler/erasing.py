"""Forgetting items: their answers in the vote cache, and what waits for a batch."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from aiokafka import ConsumerRecord
from labelmill import ids
from labelmill.events import ErasureConfirmed, ErasureRequested, EventDecoder, ItemIngested, encode
from labelmill.runtime.consumer import Parsed, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import outages
from labelmill.topics import ERASURES_CONFIRMED, confirmation_key, item_key

from autolabeler.pooling import payer_of

_SERVICE: Final = "autolabeler"

_REMEMBER: Final = "INSERT INTO erased (item_hash) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
# A look at the whole table: an index would cost every answer that is ever bought, for what is rarely asked.
_ANSWERS: Final = "DELETE FROM vote_cache WHERE substring(answer FROM 1 FOR 8) = ANY($1::bytea[])"
_PARKED: Final = "DELETE FROM parked WHERE key = ANY($1::bytea[])"
# Another item with the same text may wait for the same question. One that is in a batch already is dropped
# when that ends; its text goes now.
_QUESTIONS: Final = """
    WITH unwanted AS (
        SELECT key FROM questions q
        WHERE payer = ANY($1::bytea[])
          AND NOT EXISTS (SELECT FROM parked_questions l WHERE l.question = q.key)
        ORDER BY key FOR UPDATE
    ), sent AS (
        UPDATE questions q SET body = '' FROM unwanted u WHERE q.key = u.key AND q.state = 'sent'
        RETURNING q.key
    ), dropped AS (
        DELETE FROM questions q USING unwanted u WHERE q.key = u.key AND q.state <> 'sent' RETURNING q.key
    )
    SELECT (SELECT count(*) FROM sent) + (SELECT count(*) FROM dropped)
"""
_ANY: Final = "SELECT EXISTS (SELECT FROM erased)"
_ERASED: Final = "SELECT item_hash FROM erased WHERE item_hash = ANY($1::text[])"


class ErasedItems:
    """What was erased, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, items: Sequence[ItemIngested]) -> set[tuple[str, str]]:
        """Return those of the items, by project and id, that were erased."""
        found: set[tuple[str, str]] = set()
        async for attempt in outages():
            with attempt:
                # Nearly always nothing was: then no item is hashed.
                if await self._database.pool.fetchval(_ANY):
                    keys = {(item.project, item.item_id) for item in items}
                    hashes = {ids.item_hash(*key): key for key in keys}
                    rows = await self._database.pool.fetch(_ERASED, list(hashes))
                    found = {hashes[row["item_hash"]] for row in rows}
        return found

    async def erase(self, events: Sequence[ErasureRequested]) -> dict[str, int]:
        """Forget items for good and return how many rows that took out or blanked, by table."""
        payers = [payer_of(event.project, event.item_id, event.content_hash) for event in events]
        keys = [item_key(event.project, event.item_id) for event in events]
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(_REMEMBER, [ids.item_hash(e.project, e.item_id) for e in events])
            removed = {
                "vote_cache": _rows(await connection.execute(_ANSWERS, payers)),
                "parked": _rows(await connection.execute(_PARKED, keys)),
                "questions": int(await connection.fetchval(_QUESTIONS, payers)),
            }
        return {table: rows for table, rows in removed.items() if rows}


class Erasing:
    """Handles `erasures`."""

    def __init__(self, items: ErasedItems, publisher: Publisher) -> None:
        self._items = items
        self._publisher = publisher
        self._decoder = EventDecoder(ErasureRequested)

    async def handle(self, records: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        """Forget the items in `records`, and confirm it."""
        parsed, letters = parse(records, self._decoder)
        by_erasure: dict[tuple[str, int], list[Parsed[ErasureRequested]]] = defaultdict(list)
        for each in parsed:
            by_erasure[each.event.project, each.event.erasure_id].append(each)
        for together in by_erasure.values():
            await self._erase(together)
        return letters

    async def _erase(self, together: Sequence[Parsed[ErasureRequested]]) -> None:
        events = [each.event for each in together]
        removed: dict[str, int] = {}
        async for attempt in outages():
            with attempt:
                removed = await self._items.erase(events)
        confirmed = ErasureConfirmed(
            project=events[0].project,
            erasure_id=events[0].erasure_id,
            service=_SERVICE,
            items=[ids.item_hash(event.project, event.item_id) for event in events],
            removed=removed,
            confirmed_at=int(time.time() * 1000),
        )
        key = confirmation_key(confirmed)
        out = OutRecord(together[0].record.partition, key, encode(confirmed))
        await self._publisher.publish(ERASURES_CONFIRMED.name, [out])


def _rows(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
