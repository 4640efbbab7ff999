"""Dead letters as data, however odd their headers are."""

from aiokafka import ConsumerRecord
from labelmill.runtime import dlq
from labelmill_cli.letters import letter_of


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
