"""Looking for what is left of an item, wherever the command line may look."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from aiokafka import ConsumerRecord, TopicPartition
from labelmill.runtime import kafka
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import TOPICS, item_key

from labelmill_cli.api import Api
from labelmill_cli.errors import ApiError

_SAMPLE_CHARS = 60


@dataclass(frozen=True)
class Sought:
    """An item by its name and, as far as they are still known, its content's hash and a piece of its text."""

    project: str
    item_id: str
    content_hash: str = ""
    sample: str = ""

    @property
    def needles(self) -> list[bytes]:
        """What a record must not hold, as it stands in JSON."""
        texts = [self.content_hash, self.sample]
        as_json = [msgspec.json.encode(text)[1:-1] for text in texts if text]
        return [b'"item_id":' + msgspec.json.encode(self.item_id), *as_json]

    def is_named_by(self, key: bytes) -> bool:
        """Return whether a record's key is one of the item's."""
        own = item_key(self.project, self.item_id)
        return key == own or key.startswith(own + b"/")


def remembered(api: Api, project: str, item_id: str) -> Sought:
    """Return what to look for once an item is gone. While a blind check of it is open, that is its id alone:
    nobody is shown its lineage then. Raises ApiError if it is not there."""
    try:
        item = api.lineage(project, item_id).get("item") or {}
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return Sought(project, item_id)
    sample = " ".join(str(item.get("content", "")).split("\n"))[:_SAMPLE_CHARS].strip()
    return Sought(project, item_id, str(item.get("content_hash", "")), sample)


def by_api(api: Api, sought: Sought) -> Iterator[tuple[str, int]]:
    """Yield each place and how often the item is found there."""
    try:
        api.lineage(sought.project, sought.item_id)
        yield "lineage", 1
    except ApiError as error:
        if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            raise
        yield "lineage", int(error.status == HTTPStatus.FORBIDDEN)  # what is refused is there
    exports = {
        "labels": api.labels(sought.project, content=True, owners=True),
        "routes": api.routes(sought.project),
        "decisions": api.decisions(sought.project),
    }
    for name, lines in exports.items():
        yield name, sum(any(needle in line for needle in sought.needles) for line in lines)


async def in_kafka(settings: KafkaSettings, sought: Sought) -> dict[str, int]:
    """Return how many records of each topic hold the item. A tombstone holds nothing but the key."""
    found = {name: 0 for topic in TOPICS for name in (topic.name, topic.dlq) if name}
    async with aclosing(_all(settings, list(found))) as records:
        async for record in records:
            value = record.value
            if value and (
                sought.is_named_by(record.key or b"") or any(needle in value for needle in sought.needles)
            ):
                found[record.topic] += 1
    return found


async def _all(settings: KafkaSettings, topics: list[str]) -> AsyncGenerator[ConsumerRecord, None]:
    """Yield what the topics hold at the call."""
    consumer = kafka.reader(settings, *topics)
    try:
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        await consumer.seek_to_beginning()
        while left := [tp for tp in ends if await consumer.position(tp) < ends[tp]]:
            for batch in (await consumer.getmany(*left, timeout_ms=500)).values():
                for record in batch:
                    if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                        yield record
    finally:
        await consumer.stop()
