"""Dead letters as data: what a DLQ record says about itself. No I/O."""

from typing import NamedTuple

from aiokafka import ConsumerRecord
from labelmill.runtime import dlq
from labelmill.runtime.erasing import is_tombstone
from labelmill.runtime.publisher import OutRecord


class Letter(NamedTuple):
    """A dead letter. `id` is its origin, `topic/partition/offset`; `at` is Unix milliseconds."""

    id: str
    topic: str
    partition: int
    reason: str
    detail: str
    service: str
    at: int
    size: int
    dlq_offset: int


def letter_of(record: ConsumerRecord) -> Letter:
    """Return what the record's `dlq-*` headers say; what is missing is empty or zero."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    topic = headers.get(dlq.TOPIC, record.topic.removesuffix(".dlq"))
    partition, offset = headers.get(dlq.PARTITION, "0"), headers.get(dlq.OFFSET, f"dlq-{record.offset}")
    return Letter(
        id=f"{topic}/{partition}/{offset}",
        topic=topic,
        partition=_number(partition),
        reason=headers.get(dlq.REASON, "unknown"),
        detail=headers.get(dlq.DETAIL, ""),
        service=headers.get(dlq.SERVICE, ""),
        at=_number(headers.get(dlq.AT, "")) or record.timestamp,
        size=len(record.value or b""),
        dlq_offset=record.offset,
    )


def retried_id(record: ConsumerRecord) -> str | None:
    """Return the id that a marker record speaks of, or None if the record is a letter."""
    for name, value in record.headers:
        if name == dlq.RETRIED:
            return bytes(value).decode("utf-8", "replace")
    return None


class WaitingList:
    """Collects the records of one DLQ and tells which letters nobody has sent back.

    Each letter counts once: a service that died between burying a record and committing its offset
    buries it again.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[bytes | None, Letter]] = {}
        self._retried: set[str] = set()

    def add(self, record: ConsumerRecord) -> None:
        """Take the next record of the DLQ: a letter, a marker, or the tombstone of what is erased."""
        if is_tombstone(record):
            self._found = {
                letter_id: found for letter_id, found in self._found.items() if found[0] != record.key
            }
            return
        marked = retried_id(record)
        if marked is not None:
            self._retried.add(marked)
        else:
            letter = letter_of(record)
            self._found.setdefault(letter.id, (record.key, letter))

    def letters(self) -> list[Letter]:
        """Return the letters that wait, in order."""
        return [letter for _, letter in self._found.values() if letter.id not in self._retried]


def original(record: ConsumerRecord) -> OutRecord:
    """Return the record as it was before it was buried, for its own partition."""
    headers = [(name, value) for name, value in record.headers if not name.startswith(dlq.PREFIX)]
    letter = letter_of(record)
    key = record.key or b""
    return OutRecord(letter.partition, b"" if key == letter.id.encode() else key, record.value, headers)


def marker(letter: Letter) -> OutRecord:
    """Return the record that takes the letter off the list; empty, since a tombstone would go before it."""
    return OutRecord(0, letter.id.encode(), b"", [(dlq.RETRIED, letter.id.encode())])


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
