"""Dead letters as data, however odd their headers are."""

from aiokafka import ConsumerRecord
from labelmill.runtime import dlq
from labelmill.runtime.erasing import ERASED
from labelmill_cli.letters import WaitingList, letter_of, marker, original


def test_a_header_without_a_value_hides_no_letter() -> None:
    record = ConsumerRecord(
        topic="items.dlq",
        partition=3,
        offset=7,
        timestamp=5,
        timestamp_type=0,
        key=b"tweets/1",
        value=b"{",
        checksum=None,
        serialized_key_size=8,
        serialized_value_size=1,
        headers=((dlq.REASON, b"malformed"), ("traceparent", None)),
    )
    assert (letter_of(record).reason, letter_of(record).size) == ("malformed", 1)


def record(offset: int, key: bytes, value: bytes | None, *headers: tuple[str, bytes]) -> ConsumerRecord:
    return ConsumerRecord("items.dlq", 0, offset, 5, 0, key, value, None, len(key), 0, headers)


def letter(offset: int, key: bytes, origin: int) -> ConsumerRecord:
    where = ((dlq.TOPIC, b"items"), (dlq.PARTITION, b"3"), (dlq.OFFSET, str(origin).encode()))
    return record(offset, key, b"{", (dlq.REASON, b"malformed_json"), *where)


def test_what_is_erased_waits_no_more() -> None:
    waiting = WaitingList()
    for each in (letter(0, b"p/1", 7), letter(1, b"p/2", 8), record(2, b"p/1", None, (ERASED, b"1"))):
        waiting.add(each)
    assert [each.id for each in waiting.letters()] == ["items/3/8"]


def test_a_marker_is_no_tombstone_and_letters_without_a_key_get_it_back() -> None:
    keyless = letter(0, b"items/3/7", 7)
    marked = marker(letter_of(keyless))
    assert marked.value == b""
    assert original(keyless).key == b""
    assert original(letter(0, b"p/1", 7)).key == b"p/1"
