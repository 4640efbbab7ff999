"""The DLQ topics in Kafka: reading the letters that wait, and sending them back."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from labelmill.runtime import kafka
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import TOPICS

from labelmill_cli.errors import CliError
from labelmill_cli.letters import Letter, WaitingList, letter_of, marker, original, retried_id

_BATCH_BYTES = 8 * 1024 * 1024


def dlq_topics(topic: str | None) -> list[str]:
    """Return the DLQ of `topic`, or all of them. Raises CliError for a topic without one."""
    known = {t.name: t.dlq for t in TOPICS if t.dlq}
    if topic is None:
        return list(known.values())
    name = topic.removesuffix(".dlq")
    if name not in known:
        raise CliError(f"{topic} has no dead letters; the topics with some are {', '.join(known)}")
    return [known[name]]


async def list_letters(settings: KafkaSettings, topic: str | None = None) -> list[Letter]:
    """Return the letters that wait, by topic and in order."""
    names = dlq_topics(topic)
    async with _reading(settings) as consumer:
        return [letter for name in names for letter in await _waiting(consumer, name)]


async def read_letter(settings: KafkaSettings, letter_id: str) -> tuple[Letter, ConsumerRecord]:
    """Return the letter with its record. Raises CliError if it is not there."""
    (name,) = dlq_topics(letter_id.split("/", maxsplit=1)[0])
    async with _reading(settings) as consumer:
        async for record in _records(consumer, name):
            if retried_id(record) is None and (letter := letter_of(record)).id == letter_id:
                return letter, record
    raise CliError(f"there is no dead letter {letter_id}: see `labelmill dlq list`")


async def retry_letters(settings: KafkaSettings, letters: Iterable[Letter]) -> int:
    """Send letters back to where they came from, take them off the list, and return how many.

    A crash in between sends some twice, which the consumers' idempotence absorbs.
    """
    chosen: dict[str, dict[int, Letter]] = {}
    for letter in letters:
        chosen.setdefault(letter.topic, {})[letter.dlq_offset] = letter
    publisher = Publisher(settings)
    async with _reading(settings) as consumer:
        await publisher.start()
        try:
            return sum([await _retry(consumer, publisher, topic, chosen[topic]) for topic in chosen])
        finally:
            await publisher.stop()


async def _retry(
    consumer: AIOKafkaConsumer, publisher: Publisher, topic: str, chosen: dict[int, Letter]
) -> int:
    batch: list[ConsumerRecord] = []
    size = sent = 0
    async for record in _records(consumer, f"{topic}.dlq"):
        if record.offset in chosen:
            batch.append(record)
            size += len(record.value or b"")
        if size > _BATCH_BYTES:
            sent += await _send(publisher, topic, batch)
            batch, size = [], 0
    return sent + await _send(publisher, topic, batch)


async def _send(publisher: Publisher, topic: str, batch: Sequence[ConsumerRecord]) -> int:
    if batch:
        await publisher.publish(topic, [original(record) for record in batch])
        await publisher.publish(f"{topic}.dlq", [marker(letter_of(record)) for record in batch])
    return len(batch)


@asynccontextmanager
async def _reading(settings: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = kafka.reader(settings)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _waiting(consumer: AIOKafkaConsumer, topic: str) -> list[Letter]:
    found = WaitingList()
    async for record in _records(consumer, topic):
        found.add(record)
    return found.letters()


async def _records(consumer: AIOKafkaConsumer, topic: str) -> AsyncIterator[ConsumerRecord]:
    """Yield what the topic holds at the call. Dead letters are always written to partition 0."""
    if topic not in await consumer.topics():
        raise CliError(f"Kafka has no topic {topic}: prepare it with `labelmill bootstrap`")
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
            if record.offset < end:
                yield record
