"""Dead letters: when they are too many, and what a letter keeps of its record."""

from collections.abc import Iterable

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st
from labelmill.errors import InvalidRecord, TooManyDeadLetters
from labelmill.runtime import dlq
from labelmill.runtime.dlq import DeadLetter, DeadLetters, DlqLimit
from labelmill.runtime.publisher import OutRecord

batches = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40)


def test_nothing_is_said_before_the_window_is_full() -> None:
    limit = DlqLimit(max_share=0.5, window=100)
    limit.observe(good=0, failed=99)
    with pytest.raises(TooManyDeadLetters, match="100 of the last 100 records were dead letters"):
        limit.observe(good=0, failed=1)


def test_a_large_batch_is_judged_as_a_whole() -> None:
    DlqLimit(max_share=0.5, window=200).observe(good=1900, failed=150)
    with pytest.raises(TooManyDeadLetters):
        DlqLimit(max_share=0.5, window=200).observe(good=900, failed=1100)


def test_old_failures_are_forgotten() -> None:
    limit = DlqLimit(max_share=0.5, window=100)
    limit.observe(good=0, failed=99)
    limit.observe(good=100, failed=0)
    limit.observe(good=0, failed=60)


@given(batches)
def test_it_stops_exactly_when_the_share_over_the_window_passes_the_limit(
    seen: list[tuple[int, int]],
) -> None:
    limit, window = DlqLimit(max_share=0.4, window=60), 60
    for count in range(1, len(seen) + 1):
        recent: list[tuple[int, int]] = []
        for batch in reversed(seen[:count]):
            if sum(map(sum, recent)) >= window:
                break
            recent.append(batch)
        records, failed = sum(map(sum, recent)), sum(f for _, f in recent)
        if records >= window and failed > 0.4 * records:
            if sum(seen[count - 1]):
                with pytest.raises(TooManyDeadLetters):
                    limit.observe(*seen[count - 1])
            return
        limit.observe(*seen[count - 1])


class FakePublisher:
    def __init__(self) -> None:
        self.published: list[tuple[str, OutRecord]] = []

    async def publish(self, topic: str, records: Iterable[OutRecord]) -> None:
        self.published += [(topic, record) for record in records]


async def test_a_letter_keeps_the_record_and_says_why_and_where() -> None:
    headers = (("traceparent", b"\xff"), (dlq.REASON, b"an older one"))
    record = ConsumerRecord("items", 3, 77, 0, 0, b"\xfe", b"\x00bad", None, 1, 4, headers)
    bare = ConsumerRecord("labels.scored", 0, 1, 0, 0, None, None, None, 0, 0, ())
    publisher = FakePublisher()
    letters = DeadLetters(publisher, "autolabeler")  # type: ignore[arg-type]
    await letters.send(
        [
            DeadLetter(record, InvalidRecord("malformed_json", "é" * 2000)),
            DeadLetter(bare, InvalidRecord("empty_record", "why")),
        ]
    )
    (topic, letter), (other_topic, other) = publisher.published
    assert (topic, letter.partition, letter.key, letter.value) == ("items.dlq", 0, b"\xfe", b"\x00bad")
    assert [value for name, value in letter.headers if name == dlq.REASON] == [b"malformed_json"]
    said = dict(letter.headers)
    assert said["traceparent"] == b"\xff"
    assert said[dlq.DETAIL].decode() == "é" * 500
    assert (said[dlq.TOPIC], said[dlq.PARTITION], said[dlq.OFFSET]) == (b"items", b"3", b"77")
    assert said[dlq.SERVICE] == b"autolabeler"
    assert said[dlq.AT].isdigit()
    assert (other_topic, other.key, other.value) == (
        "labels.scored.dlq",
        b"labels.scored/0/1",
        None,
    ), "a key of its own, or compaction would take it for the next one without"
