"""Seeing erasures through: out of the ledger, out of Kafka, and out of the other services."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import structlog
from aiokafka import ConsumerRecord
from labelmill.events import ErasureConfirmed, ErasureRequested, EventDecoder, encode
from labelmill.runtime.consumer import parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.erasing import tombstone
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import outages
from labelmill.topics import ERASURES, ITEMS, item_key

from review_api.rights.store import ErasureStore, Gone, Item
from review_api.rights.tombstones import tombstones

log = structlog.get_logger(__name__)

_MOST: Final = 200
"""Items a transaction: the ledger waits meanwhile."""


class Eraser:
    """Carries on what was asked for, a bounded piece at each step.

    Every step is a transaction, or publishes and then notes that it did: after a crash the last one is done
    again, which changes nothing. It runs where the outbox is relayed and in turns with it, so that no
    decision leaves for Kafka after its tombstone.
    """

    def __init__(self, store: ErasureStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def step(self) -> bool:
        """Do a piece of the work; return whether there was some."""
        worked = False
        if (erasure := await self._store.open()) is not None:
            partitions = await self._publisher.partitions(ITEMS.name)
            await self._store.erase_some(erasure, _MOST, partitions)
            worked = True
        if gone := await self._store.to_publish(_MOST):
            await self._publish(gone)
            worked = True
        if confirmed := await self._store.confirmed(_MOST):
            await self._forget(confirmed)
            worked = True
        for erasure_id in await self._store.finish():
            log.info("erased", erasure=erasure_id)
        return worked

    async def _publish(self, gone: Sequence[Gone]) -> None:
        """Write tombstones over the items' records, and ask the other services to forget them."""
        by_topic: dict[str, list[OutRecord]] = defaultdict(list)
        for each in gone:
            for topic, records in tombstones(each.places).items():
                by_topic[topic] += records
        for topic, records in by_topic.items():
            await self._publisher.publish(topic, records)
        await self._publisher.publish(ERASURES.name, [await self._request(each) for each in gone])
        await self._store.published(gone)

    async def _request(self, gone: Gone) -> OutRecord:
        key = item_key(gone.project, gone.item_id)
        event = ErasureRequested(
            project=gone.project,
            erasure_id=gone.erasure_id,
            item_id=gone.item_id,
            content_hash=gone.content_hash,
            requested_at=int(time.time() * 1000),
        )
        return OutRecord(await self._publisher.partition_for(ERASURES.name, key), key, encode(event))

    async def _forget(self, items: Sequence[Item]) -> None:
        """The request names the item too: it goes last."""
        keys = [item_key(*item) for item in items]
        records = [tombstone(await self._publisher.partition_for(ERASURES.name, key), key) for key in keys]
        letters = [tombstone(0, key) for key in keys]
        await self._publisher.publish(ERASURES.name, records)
        assert ERASURES.dlq is not None
        await self._publisher.publish(ERASURES.dlq, letters)
        await self._store.forget(items)


class Confirmations:
    """Handles `erasures.confirmed`."""

    def __init__(self, store: ErasureStore) -> None:
        self._store = store
        self._decoder = EventDecoder(ErasureConfirmed)

    async def handle(self, records: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        """Note what the records confirm, and return those that confirm nothing."""
        parsed, letters = parse(records, self._decoder)
        for record, event in parsed:
            async for attempt in outages():
                with attempt:
                    place = (record.partition, record.offset)
                    await self._store.confirm(place, event.erasure_id, event.service, event)
        return letters
