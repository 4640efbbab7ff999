"""What lies on Kafka's topics and how far a service has come with it, for tests that must not guess."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from labelmill.runtime import kafka
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import ERASURES, TOPICS


async def read_to_end(settings: KafkaSettings, *topics: str) -> list[ConsumerRecord]:
    """Return all that the topics hold at the call, each partition's records in order.

    It reads up to the offsets that the broker names, so an empty result means that there is nothing,
    however slow the machine.
    """
    async with _started(kafka.reader(settings, *topics)) as consumer:
        partitions = consumer.assignment()
        assert {partition.topic for partition in partitions} == set(topics), "a topic is missing"
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while left := [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            for batch in (await consumer.getmany(*left, timeout_ms=200)).values():
                found += batch
        return [record for record in found if record.offset < ends[_partition_of(record)]]


async def waiting(settings: KafkaSettings, service: str) -> int:
    """Return how many records the service has not committed yet, over all topics that it consumes."""
    async with _of_group(settings, service) as consumer:
        return await _lag(consumer)


async def until_handled(settings: KafkaSettings, service: str, seconds: float = 60) -> None:
    """Return once the service has committed all that lies on its topics. Raises TimeoutError."""
    async with asyncio.timeout(seconds), _of_group(settings, service) as consumer:
        while await _lag(consumer):
            await asyncio.sleep(0.05)


async def skip(settings: KafkaSettings, service: str, seconds: float = 30) -> None:
    """Have the service begin after all that lies on its topics now. None of its processes may run.

    A process that was killed counts as running until the broker has given it up. Raises TimeoutError.
    """
    async with asyncio.timeout(seconds), _of_group(settings, service) as consumer:
        while True:
            try:
                await consumer.commit(await consumer.end_offsets(consumer.assignment()))
            except KafkaError:
                await asyncio.sleep(0.2)
            else:
                return


@asynccontextmanager
async def _started(consumer: AIOKafkaConsumer) -> AsyncIterator[AIOKafkaConsumer]:
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def _of_group(settings: KafkaSettings, service: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that may ask and commit for the service's group without being a member of it."""
    # Erasures are read by a group of their own.
    own = [topic for topic in TOPICS if service in topic.consumers and topic is not ERASURES]
    names = [topic.name for topic in own if not topic.compacted]
    async with _started(kafka.reader(settings, *names)) as reader:
        partitions = list(reader.assignment())
    consumer = AIOKafkaConsumer(
        **kafka.client_options(settings), group_id=f"labelmill-{service}", enable_auto_commit=False
    )
    consumer.assign(partitions)
    async with _started(consumer):
        yield consumer


async def _lag(consumer: AIOKafkaConsumer) -> int:
    partitions = list(consumer.assignment())
    ends = await consumer.end_offsets(partitions)
    return sum([ends[tp] - (await consumer.committed(tp) or 0) for tp in partitions])


def _partition_of(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
