"""Dead letters: records that can never succeed, kept with their reason and origin.

A record of the DLQ has the value, key and headers of the original plus the `dlq-*` headers below, so
nothing is lost and `labelmill dlq retry` can send it back to where it came from.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import ConsumerRecord

from labelmill.errors import InvalidRecord, TooManyDeadLetters
from labelmill.runtime.publisher import OutRecord, Publisher

PREFIX = "dlq-"
REASON, DETAIL, SERVICE, AT = "dlq-reason", "dlq-detail", "dlq-service", "dlq-at"
TOPIC, PARTITION, OFFSET = "dlq-topic", "dlq-partition", "dlq-offset"
RETRIED = "dlq-retried"
"""On a marker record (no value): the origin `topic/partition/offset` whose letter was sent back."""

_MAX_DETAIL_CHARS = 500


class DeadLetter(NamedTuple):
    """A record and why it cannot be used."""

    record: ConsumerRecord
    error: InvalidRecord


class DlqLimit:
    """Stops a consumer whose records fail so often that the fault must lie elsewhere (an idea of arroyo's).

    Pure: counts the batches that make up at least the last `window` records; raises once there are so
    many and the share of failures among them passes `max_share`.
    """

    def __init__(self, max_share: float, window: int) -> None:
        self._max_share = max_share
        self._window = window
        self._batches: deque[tuple[int, int]] = deque()
        self._records = 0
        self._failed = 0

    def observe(self, good: int, failed: int) -> None:
        """Count a batch of verdicts. Raises TooManyDeadLetters."""
        if good + failed == 0:
            return
        self._add(good + failed, failed, 1)
        self._batches.append((good + failed, failed))
        while self._records - self._batches[0][0] >= self._window:
            self._add(*self._batches.popleft(), -1)
        if self._records >= self._window and self._failed > self._max_share * self._records:
            raise TooManyDeadLetters(
                f"{self._failed} of the last {self._records} records were dead letters (limit "
                f"{self._max_share:.0%}): look at them with `labelmill dlq list`, mend the cause, start again"
            )

    def _add(self, records: int, failed: int, sign: int) -> None:
        self._records += sign * records
        self._failed += sign * failed


class DeadLetters:
    """Publishes dead letters of one service."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._service = service

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Publish the letters, each to its topic's DLQ, and return once they are acknowledged."""
        by_topic: dict[str, list[OutRecord]] = {}
        for letter in letters:
            by_topic.setdefault(f"{letter.record.topic}.dlq", []).append(self._out(letter))
        for topic, records in by_topic.items():
            await self._publisher.publish(topic, records)

    def _out(self, letter: DeadLetter) -> OutRecord:
        record, error = letter
        added = {
            REASON: error.reason,
            DETAIL: error.detail[:_MAX_DETAIL_CHARS],
            SERVICE: self._service,
            AT: str(int(time.time() * 1000)),
            TOPIC: record.topic,
            PARTITION: str(record.partition),
            OFFSET: str(record.offset),
        }
        original = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
        headers = [*original, *((name, value.encode()) for name, value in added.items())]
        # Under a key of its own, or it would go for the next letter without one when the DLQ is compacted.
        key = record.key or letter_id(record.topic, record.partition, record.offset).encode()
        return OutRecord(0, key, record.value, headers)


def letter_id(topic: str, partition: int, offset: int) -> str:
    """Return the id of the dead letter of a record: where that was."""
    return f"{topic}/{partition}/{offset}"
