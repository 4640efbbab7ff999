"""Tombstones: records without a value that take an item's earlier records out of a topic.

Kafka's compaction keeps the newest record of a key, and drops that too if it has no value. The header tells
a tombstone from a record whose value got lost, which is a dead letter.
"""

from typing import Final

from aiokafka import ConsumerRecord

from labelmill.runtime.publisher import OutRecord

ERASED: Final = "erased"


def tombstone(partition: int, key: bytes) -> OutRecord:
    """Return the record that erases what `key` has in a partition."""
    return OutRecord(partition, key, None, [(ERASED, b"1")])


def is_tombstone(record: ConsumerRecord) -> bool:
    """Return whether a record only says that what came before it under its key is erased."""
    return record.value is None and any(name == ERASED for name, _ in record.headers)
