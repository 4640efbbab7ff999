"""The pure parts around consuming: parsing a batch, isolating culprits, offsets, trace headers, outages."""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka import errors as kafka_errors
from hypothesis import given
from hypothesis import strategies as st
from labelmill.errors import InvalidRecord, TooManyDeadLetters
from labelmill.events import EventDecoder, ItemIngested, check_item, encode
from labelmill.runtime import kafka, tracing
from labelmill.runtime.consumer import Parsed, Subscription, isolate, next_offsets, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.retry import is_passing
from labelmill.runtime.service import Context
from labelmill.runtime.settings import ServiceSettings
from labelmill.topics import ITEMS

decoder = EventDecoder(ItemIngested)


def record(
    offset: int, value: bytes | None = b"{}", partition: int = 0, headers: object = ()
) -> ConsumerRecord:
    return ConsumerRecord("items", partition, offset, 0, 0, b"k", value, None, 0, 0, headers)


def item(item_id: str, content: str = "x") -> bytes:
    return encode(ItemIngested(project="p", item_id=item_id, content=content))


def test_a_batch_is_parsed_record_by_record() -> None:
    batch = [record(0, item("a")), record(1, b"{"), record(2, item("b", " ")), record(3, item("c"))]
    good, bad = parse(batch, decoder, check_item)
    assert [(r.offset, event.item_id) for r, event in good] == [(0, "a"), (3, "c")]
    assert [(letter.record.offset, letter.error.reason) for letter in bad] == [
        (1, "malformed_json"),
        (2, "content_empty"),
    ]
    assert len(parse(batch, decoder)[0]) == 3


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
async def test_refused_records_are_isolated_and_the_others_written_once(
    culprits: set[int], size: int
) -> None:
    written: list[int] = []

    async def write(batch: Sequence[Parsed[ItemIngested]]) -> None:
        offsets = [each.record.offset for each in batch]
        if culprits & set(offsets):
            raise asyncpg.DataError("out of range")
        written.extend(offsets)

    batch = [Parsed(record(n), ItemIngested(project="p", item_id=str(n), content="x")) for n in range(size)]
    letters = await isolate(batch, write)
    assert {letter.record.offset for letter in letters} == culprits & set(range(size))
    assert {letter.error.reason for letter in letters} <= {"refused_by_database"}
    assert sorted(written) == sorted(set(range(size)) - culprits)


async def test_other_errors_of_the_database_are_not_the_records_fault() -> None:
    async def write(_: Sequence[Parsed[ItemIngested]]) -> None:
        raise asyncpg.UndefinedTableError("no such table")

    with pytest.raises(asyncpg.UndefinedTableError):
        await isolate([Parsed(record(0), ItemIngested(project="p", item_id="a", content="x"))], write)


def test_the_next_offset_of_each_partition_follows_its_last_record() -> None:
    batch = [record(4, partition=0), record(9, partition=1), record(5, partition=0)]
    assert next_offsets(batch) == {TopicPartition("items", 0): 6, TopicPartition("items", 1): 10}


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_trace_context_is_passed_on_byte_for_byte() -> None:
    assert tracing.passed_on(record(0, headers=(("a", b"\xff"), ("traceparent", TRACE)))) == [
        ("traceparent", TRACE)
    ]
    assert tracing.passed_on(record(0, headers=(("a", b"b"),))) == []
    assert tracing.passed_on(record(0, headers=(("traceparent", None),))) == []
    assert tracing.passed_on(record(0, headers=(("traceparent", b"\xff"),))) == [("traceparent", b"\xff")]


def test_trace_ids_are_read_if_they_are_there() -> None:
    assert tracing.trace_id(TRACE) == "0af7651916cd43dd8448eb211c80319c"
    for bad in (None, b"", b"\xff", b"00-a"):
        assert tracing.trace_id(bad) == ""


def test_a_share_of_new_traces_is_sampled() -> None:
    assert tracing.new_traceparent(1.0).endswith(b"-01")
    assert tracing.new_traceparent(0.0).endswith(b"-00")
    made = {tracing.new_traceparent(0.5) for _ in range(400)}
    assert len(made) == 400
    assert 120 < sum(value.endswith(b"-01") for value in made) < 280
    assert all(len(value) == 55 for value in made)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (kafka_errors.KafkaConnectionError("gone"), True),
        (kafka_errors.NotLeaderForPartitionError(), True),
        (kafka_errors.KafkaTimeoutError(), True),
        (kafka_errors.MessageSizeTooLargeError(), False),
        (kafka_errors.TopicAuthorizationFailedError(), False),
        (asyncpg.ConnectionDoesNotExistError("gone"), True),
        (asyncpg.CannotConnectNowError("starting"), True),
        (asyncpg.AdminShutdownError("restart"), True),
        (asyncpg.DeadlockDetectedError("again"), True),
        (asyncpg.UniqueViolationError("twice"), False),
        (asyncpg.UndefinedTableError("no"), False),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (ValueError("a bug"), False),
        (AssertionError(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_which_errors_pass_by_themselves(error: Exception, passes: bool) -> None:
    assert is_passing(error) is passes


class Broker:
    """What a subscription knows of its consumer."""

    def __init__(self, *held: int) -> None:
        self.held = {TopicPartition("items", partition) for partition in held}
        self.commits: dict[TopicPartition, int] = {}
        self.failure: kafka_errors.KafkaError | None = None
        self.end = 9

    async def committed(self, _: TopicPartition) -> int:
        return 5

    def highwater(self, _: TopicPartition) -> int:
        return self.end

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.failure is not None:
            raise self.failure
        return dict.fromkeys(partitions, self.end)

    def assignment(self) -> set[TopicPartition]:
        return self.held

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.failure is not None:
            raise self.failure
        self.commits |= offsets


@pytest.fixture
def subscription() -> Subscription:
    settings = ServiceSettings(dlq_window=3)

    async def handle(_: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        return []

    return Subscription(
        Context.create("test", settings),
        kafka.broker(settings),
        Publisher(settings),
        group="test",
        topics=[ITEMS],
        handle=handle,
        commit="by_handler",
    )


async def test_only_what_is_held_is_committed_and_only_then_is_it_said(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = TopicPartition("items", 0), TopicPartition("items", 1)
    broker = Broker(0)
    monkeypatch.setattr(Subscription, "_consumer", broker)
    assert await subscription.commit({mine: 5})
    assert not await subscription.commit({mine: 6, other: 9})
    assert not await subscription.commit({other: 9})
    assert not await subscription.commit({})
    assert broker.commits == {mine: 6}
    broker.failure = kafka_errors.KafkaConnectionError("gone")
    assert not await subscription.commit({mine: 7})


async def test_letters_whose_records_are_blameless_do_not_stop_the_service(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[DeadLetter] = []

    async def send(_: object, letters: Sequence[DeadLetter]) -> None:
        sent.extend(letters)

    monkeypatch.setattr("labelmill.runtime.consumer.DeadLetters.send", send)
    blameless = InvalidRecord("llm_misconfigured", "404", is_blameless=True)
    await subscription.bury([DeadLetter(record(n), blameless) for n in range(5)], good=0)
    with pytest.raises(TooManyDeadLetters):
        await subscription.bury([DeadLetter(record(n), InvalidRecord("x", "y")) for n in range(5)], good=0)
    assert len(sent) == 10


async def until(holds: Callable[[], object]) -> None:
    """Wait for a state, and never for a time: the machine may be busy."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.002)


async def test_records_that_wait_for_an_absent_broker_are_no_stall(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    health, broker = subscription._context.health, Broker(0)
    monkeypatch.setattr(Subscription, "_consumer", broker)
    monkeypatch.setattr("labelmill.runtime.consumer._LAG_EVERY_SECONDS", 0.002)
    health.busy("items", now=-1e9)
    await subscription.start()
    await asyncio.sleep(0.02)
    assert health.stalled() == ["items"]
    broker.failure = kafka_errors.KafkaTimeoutError("away")
    await until(lambda: health.stalled() == [])
    assert health.failure is None
    broker.failure = None
    broker.end = 5
    await until(lambda: health.stalled(now=1e12) == [])  # nothing waits any more
    await subscription.stop()
