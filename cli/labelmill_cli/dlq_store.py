"""The DLQ topics in Kafka: reading the letters that wait, and sending them back."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from aiokafka import ConsumerRecord, TopicPartition
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
    found = {name: WaitingList() for name in dlq_topics(topic)}
    async for record in _records(settings, list(found)):
        found[record.topic].add(record)
    return [letter for letters in found.values() for letter in letters.letters()]


async def read_letter(settings: KafkaSettings, letter_id: str) -> tuple[Letter, ConsumerRecord]:
    """Return the letter with its record. Raises CliError if it is not there."""
    async with aclosing(_records(settings, dlq_topics(letter_id.split("/", maxsplit=1)[0]))) as records:
        async for record in records:
            if retried_id(record) is None and (letter := letter_of(record)).id == letter_id:
                return letter, record
    raise CliError(f"there is no dead letter {letter_id}: see `labelmill dlq list`")


async def retry_letters(settings: KafkaSettings, letters: Iterable[Letter]) -> int:
    """Send letters back to where they came from, take them off the list, and return how many.

    A crash in between sends some twice, which the consumers' idempotence absorbs.
    """
    chosen: dict[str, set[int]] = {}
    for letter in letters:
        chosen.setdefault(letter.topic, set()).add(letter.dlq_offset)
    publisher = Publisher(settings)
    await publisher.start()
    try:
        return sum([await _retry(settings, publisher, topic, chosen[topic]) for topic in chosen])
    finally:
        await publisher.stop()


async def _retry(settings: KafkaSettings, publisher: Publisher, topic: str, chosen: set[int]) -> int:
    batch: list[ConsumerRecord] = []
    size = sent = 0
    async for record in _records(settings, [f"{topic}.dlq"]):
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


async def _records(settings: KafkaSettings, topics: Sequence[str]) -> AsyncGenerator[ConsumerRecord, None]:
    """Yield what the DLQs hold at the call, one topic's records in order.

    Dead letters are always written to partition 0.
    """
    consumer = kafka.reader(settings)
    try:
        await consumer.start()
        _require(set(topics) - await consumer.topics())
        partitions = [TopicPartition(topic, 0) for topic in topics]
        consumer.assign(partitions)
        first = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, first[partition])
        while left := [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            for batch in (await consumer.getmany(*left, timeout_ms=500)).values():
                for record in batch:
                    if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                        yield record
    finally:
        await consumer.stop()


def _require(missing: set[str]) -> None:
    if missing:
        raise CliError(f"Kafka has no topic {min(missing)}: prepare it with `labelmill bootstrap`")
