"""Which records of an item may lie in Kafka, and what erases them. Pure."""

import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from labelmill import ids
from labelmill.quality import LABEL_ERROR
from labelmill.runtime.erasing import tombstone
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import (
    ITEMS,
    LABELS_ACCEPTED,
    LABELS_SCORED,
    REVIEWS_DECIDED,
    REVIEWS_REQUESTED,
    decision_key,
    item_key,
)

ITEM_TOPICS: Final = (ITEMS, LABELS_SCORED, LABELS_ACCEPTED, REVIEWS_REQUESTED, REVIEWS_DECIDED)


class Place(NamedTuple):
    """Where records of an item lie in each of ITEM_TOPICS."""

    partition: int
    key: str


class Task(NamedTuple):
    """A task of an item: what people decided on it may lie under keys of its own."""

    task_id: int
    partition: int


def places(project: str, item_id: str, tasks: Iterable[Task], partitions: int) -> list[Place]:
    """Return where records of an item may lie: in the partition that ingestion chose, and in its tasks'."""
    key = item_key(project, item_id)
    found = {Place(zlib.crc32(key) % partitions, key.decode())}
    for task in tasks:
        found.add(Place(task.partition, key.decode()))
        for again in ([], [LABEL_ERROR]):
            event_id = ids.event_id(REVIEWS_DECIDED.name, project, str(task.task_id), *again)
            found.add(Place(task.partition, decision_key(project, item_id, event_id).decode()))
    return sorted(found)


def tombstones(found: Iterable[Place]) -> dict[str, list[OutRecord]]:
    """Return the tombstones for `found` by topic, dead letters included."""
    records = [tombstone(place.partition, place.key.encode()) for place in found]
    letters = [tombstone(0, place.key.encode()) for place in found]
    by_topic = {topic.name: records for topic in ITEM_TOPICS}
    return by_topic | {topic.dlq: letters for topic in ITEM_TOPICS if topic.dlq}
