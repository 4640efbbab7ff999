"""Keyed publishing in batches: one produce request a partition, acknowledged before it returns."""

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from labelmill.runtime import kafka
from labelmill.runtime.retry import outages
from labelmill.runtime.settings import KafkaSettings

Headers = Sequence[tuple[str, bytes | None]]


class OutRecord(NamedTuple):
    """A record to publish. `partition` is the one its item came from, or `Publisher.partition_for`."""

    partition: int
    key: bytes
    value: bytes | None
    headers: Headers = ()


class Publisher:
    """Publishes whole batches with aiokafka's batch interface, which costs a tenth of `send` per record.

    The producer is idempotent, so a retry inside the client writes nothing twice; a retry here, after
    the client gave up, may, and the sinks' idempotence absorbs it.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        async for attempt in outages():
            with attempt:
                producer = kafka.producer(self._settings)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def partitions(self, topic: str) -> int:
        """Return how many partitions `topic` has."""
        assert self._producer is not None
        return len(await self._producer.partitions_for(topic))

    async def partition_for(self, topic: str, key: bytes) -> int:
        """Return the partition of `key`: CRC-32 modulo the partitions (murmur2 in Python is 20x dearer)."""
        return zlib.crc32(key) % await self.partitions(topic)

    async def publish(self, topic: str, records: Iterable[OutRecord]) -> None:
        """Publish `records` and return once every one is acknowledged by all replicas.

        Waits out an unreachable broker. Raises KafkaError for what no wait mends (a record over the
        broker's size limit, missing rights).
        """
        by_partition: dict[int, list[OutRecord]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        await asyncio.gather(*(self._publish_partition(topic, p, rs) for p, rs in by_partition.items()))

    async def _publish_partition(self, topic: str, partition: int, records: list[OutRecord]) -> None:
        async for attempt in outages():
            with attempt:
                await asyncio.gather(*await self._send(topic, partition, records))

    async def _send(
        self, topic: str, partition: int, records: list[OutRecord]
    ) -> list[asyncio.Future[object]]:
        assert self._producer is not None
        now = int(time.time() * 1000)
        batch = self._producer.create_batch()
        futures = []
        for record in records:
            fields = {
                "key": record.key,
                "value": record.value,
                "timestamp": now,
                "headers": list(record.headers),
            }
            if batch.append(**fields) is None:
                futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                batch.append(**fields)
        futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        return futures
