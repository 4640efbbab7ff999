"""The shared runtime on a real Kafka: nothing is lost, whatever a record, a handler or the broker does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from labelmill.bootstrap import create_topics
from labelmill.errors import TooManyDeadLetters
from labelmill.events import EventDecoder, ItemIngested, ProjectPublished, encode
from labelmill.projects import LabelSpec, ProjectSpec, VoterSpec
from labelmill.runtime import kafka as connect
from labelmill.runtime.compacted import Follower
from labelmill.runtime.consumer import Subscription, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.service import Component, Context
from labelmill.runtime.settings import ServiceSettings
from labelmill.topics import DAY_MS, ERASURES, Topic
from labelmill_local.kafka import Kafka

PARTITIONS = 3
_numbers = itertools.count()
decoder = EventDecoder(ItemIngested)


def service_settings(kafka: Kafka, **fields: object) -> ServiceSettings:
    return ServiceSettings(kafka_bootstrap_servers=kafka.bootstrap_servers, **fields)  # type: ignore[arg-type]


def unique_topic(*, compacted: bool = False) -> Topic:
    event = ProjectPublished if compacted else ItemIngested
    return Topic(
        name=f"runtime-{next(_numbers)}",
        event=event,
        key="",
        producer="",
        consumers=(),
        description="A test's own.",
        compacted=compacted,
        partitions=1 if compacted else PARTITIONS,
    )


async def create(kafka: Kafka, topic: Topic) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        config = {"cleanup.policy": "compact"} if topic.compacted else {}
        new = [NewTopic(topic.name, topic.partitions, 1, topic_configs=config)]
        if topic.dlq:
            new.append(NewTopic(topic.dlq, 1, 1))
        await admin.create_topics(new)
    finally:
        await admin.close()


@pytest.fixture
async def topic(kafka: Kafka) -> Topic:
    made = unique_topic()
    await create(kafka, made)
    return made


async def test_topics_of_an_earlier_build_become_erasable_and_keep_their_settings(kafka: Kafka) -> None:
    settings = service_settings(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        old = {"retention.ms": "123456789", "segment.ms": "99999"}
        await admin.delete_topics([ERASURES.name])  # another test may have made it
        async with asyncio.timeout(30):
            made = 1
            while made != 0:
                answer = await admin.create_topics([NewTopic(ERASURES.name, 2, 1, topic_configs=old)])
                made = answer.topic_errors[0][1]
                await asyncio.sleep(0.2)
        for _ in range(2):
            assert ERASURES.name not in await create_topics(settings)
            found: dict[str, str] = {}
            async with asyncio.timeout(30):  # the broker takes a moment to see what its controller has
                while found.get("cleanup.policy") != "compact,delete":
                    resource = ConfigResource(ConfigResourceType.TOPIC, ERASURES.name)
                    ((answer,),) = [each.resources for each in await admin.describe_configs([resource])]
                    found = {entry[0]: entry[1] for entry in answer[4]}
            assert (found["retention.ms"], found["segment.ms"]) == ("123456789", "99999")
            assert found["max.compaction.lag.ms"] == str(DAY_MS)
    finally:
        await admin.close()


@asynccontextmanager
async def running(*components: Component) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for component in components:
            stack.push_async_callback(component.stop)
            await component.start()
        yield


@asynccontextmanager
async def publishing(kafka: Kafka) -> AsyncIterator[Publisher]:
    publisher = Publisher(service_settings(kafka))
    async with running(publisher):
        yield publisher


def item(number: int) -> bytes:
    return encode(ItemIngested(project="p", item_id=str(number), content="x"))


async def put(kafka: Kafka, topic: Topic, numbers: Sequence[int]) -> None:
    async with publishing(kafka) as publisher:
        await publisher.publish(topic.name, [OutRecord(n % PARTITIONS, b"k", item(n)) for n in numbers])


class Consumer:
    """A service with one subscription, whose handler notes the items it was given."""

    def __init__(
        self,
        kafka: Kafka,
        topic: Topic,
        work: Callable[[list[int]], Awaitable[None]] | None = None,
        **settings: object,
    ) -> None:
        self.context = Context.create(f"service-{topic.name}", service_settings(kafka, **settings))
        self.seen: list[int] = []
        self._work = work
        broker = connect.broker(self.context.settings)
        publisher = Publisher(self.context.settings)
        subscription = Subscription(
            self.context,
            broker,
            publisher,
            group=topic.name,
            topics=[topic],
            handle=self._handle,
            max_records=50,
        )
        self.components = (publisher, subscription, broker)
        self._subscription = subscription

    async def until_delivered(self, count: int) -> None:
        """Wait until so many records have been handed over, whatever the service did with them."""
        consumer = self._subscription._consumer
        assert consumer is not None
        async with asyncio.timeout(30):
            while sum([await consumer.position(tp) for tp in consumer.assignment()]) < count:
                await asyncio.sleep(0.05)

    async def _handle(self, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        parsed, letters = parse(records, decoder)
        numbers = [int(event.item_id) for _, event in parsed]
        if self._work is not None:
            await self._work(numbers)
        self.seen += numbers
        return letters

    async def until_seen(self, numbers: set[int], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not numbers <= set(self.seen):
                assert self.context.health.failure is None
                await asyncio.sleep(0.05)

    async def until_failed(self) -> BaseException:
        async with asyncio.timeout(30):
            await self.context.health.failed.wait()
        assert self.context.health.failure is not None
        return self.context.health.failure


async def letters_of(kafka: Kafka, topic: Topic, count: int) -> list[ConsumerRecord]:
    assert topic.dlq is not None
    consumer = connect.reader(service_settings(kafka), topic.dlq)
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
    finally:
        await consumer.stop()
    return found


async def test_each_record_is_handled_once_and_not_again_after_a_restart(kafka: Kafka, topic: Topic) -> None:
    await put(kafka, topic, range(300))
    first = Consumer(kafka, topic)
    async with running(*first.components):
        await first.until_seen(set(range(300)))
    assert len(first.seen) == 300
    await put(kafka, topic, [300])
    second = Consumer(kafka, topic)
    async with running(*second.components):
        await second.until_seen({300})
    assert second.seen == [300]


async def test_a_handler_that_fails_commits_nothing_and_stops_the_service(kafka: Kafka, topic: Topic) -> None:
    async def fail_on_seven(numbers: list[int]) -> None:
        if 7 in numbers:
            raise ValueError("a bug")

    await put(kafka, topic, range(30))
    broken = Consumer(kafka, topic, fail_on_seven)
    async with running(*broken.components):
        assert isinstance(await broken.until_failed(), ValueError)
        await put(kafka, topic, range(30, 60))
        await broken.until_delivered(60)
    assert 7 not in broken.seen
    mended = Consumer(kafka, topic)
    async with running(*mended.components):
        await mended.until_seen(set(range(60)) - set(broken.seen))


async def test_records_that_cannot_be_used_are_buried_and_the_rest_goes_on(
    kafka: Kafka, topic: Topic
) -> None:
    odd_headers = [("traceparent", b"\xff\xfe"), ("", b""), ("é", b"\x00"), ("dlq-reason", b"old")]
    deep = b'{"v":1,"project":"p","item_id":"1","content":"x","unknown":' + b"[" * 50_000
    bad = [b"{", b"\xff", None, deep, b'{"v":2}', b"x" * 900_000]
    await put(kafka, topic, range(10))
    async with publishing(kafka) as publisher:
        await publisher.publish(
            topic.name, [OutRecord(n % 3, b"\xff", value, odd_headers) for n, value in enumerate(bad)]
        )
        await publisher.publish(topic.name, [OutRecord(0, b"", item(10), odd_headers)])
    await put(kafka, topic, range(11, 20))
    consumer = Consumer(kafka, topic)
    async with running(*consumer.components):
        await consumer.until_seen(set(range(20)))
        letters = await letters_of(kafka, topic, len(bad))
    assert sorted(dict(letter.headers)["dlq-reason"].decode() for letter in letters) == [
        "empty_record",
        "invalid_utf8",
        "malformed_json",
        "malformed_json",
        "nested_too_deeply",
        "unknown_schema_version",
    ]
    assert sorted(letter.value or b"" for letter in letters) == sorted(value or b"" for value in bad)
    for letter in letters:
        assert letter.headers[:3] == (("traceparent", b"\xff\xfe"), ("", b""), ("é", b"\x00"))
        assert dict(letter.headers)["dlq-topic"] == topic.name.encode()
    assert (
        consumer.context.metrics.registry.get_sample_value(
            "labelmill_dead_letters_total", {"topic": topic.name, "reason": "malformed_json"}
        )
        == 2
    )


async def test_too_many_dead_letters_stop_the_service(kafka: Kafka, topic: Topic) -> None:
    consumer = Consumer(kafka, topic, dlq_window=20, dlq_max_share=0.5)
    async with publishing(kafka) as publisher, running(*consumer.components):
        await put(kafka, topic, range(15))
        await consumer.until_seen(set(range(15)))
        await publisher.publish(topic.name, [OutRecord(n % 3, b"", b"{") for n in range(40)])
        assert isinstance(await consumer.until_failed(), TooManyDeadLetters)


async def test_the_lag_is_known_before_anything_was_handled(kafka: Kafka, topic: Topic) -> None:
    hold = asyncio.Event()

    async def wait(_: list[int]) -> None:
        await hold.wait()

    await put(kafka, topic, range(30))
    consumer = Consumer(kafka, topic, wait)

    def lag() -> float:
        value = consumer.context.metrics.registry.get_sample_value
        labels = [{"topic": topic.name, "partition": str(n)} for n in range(PARTITIONS)]
        return sum(value("labelmill_consumer_lag_records", label) or 0.0 for label in labels)

    async with running(*consumer.components):
        async with asyncio.timeout(20):
            while lag() != 30:
                await asyncio.sleep(0.1)
            assert consumer.context.health.stalled(now=10**9) == [topic.name]
            hold.set()
            while lag() != 0:
                await asyncio.sleep(0.1)
            while consumer.context.health.stalled(now=10**9):
                await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_an_outage_of_kafka_loses_and_stops_nothing(kafka: Kafka, topic: Topic) -> None:
    compacted, other = unique_topic(compacted=True), unique_topic()
    await create(kafka, compacted)
    await create(kafka, other)
    await put(kafka, other, range(30))
    consumer, leaving = Consumer(kafka, topic), Consumer(kafka, other)
    follower = Follower(service_settings(kafka), compacted, ProjectPublished)

    async def send(publisher: Publisher) -> None:
        for n in range(100):
            await publisher.publish(topic.name, [OutRecord(n % PARTITIONS, b"k", item(n))])
            await asyncio.sleep(0.02)

    async with publishing(kafka) as publisher, running(*consumer.components, follower):
        await publisher.publish(compacted.name, [OutRecord(0, b"a", project("a", 1))])
        async with running(*leaving.components):
            await leaving.until_seen(set(range(30)))
            sending = asyncio.create_task(send(publisher))
            await consumer.until_seen({5})
            await kafka.kill()
            catching_up = asyncio.create_task(follower.catch_up())
            stopping = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping < 8
        await kafka.start()
        async with asyncio.timeout(90):
            await asyncio.gather(sending, catching_up)
            await consumer.until_seen(set(range(100)))
            assert versions(follower) == {"a": 1}
            await publisher.publish(compacted.name, [OutRecord(0, b"a", project("a", 2))])
            await follower.catch_up()
    assert versions(follower) == {"a": 2}


async def test_a_record_over_the_limit_is_an_error_and_the_publisher_goes_on(
    kafka: Kafka, topic: Topic
) -> None:
    async with publishing(kafka) as publisher:
        with pytest.raises(MessageSizeTooLargeError):
            await publisher.publish(topic.name, [OutRecord(0, b"", b"x" * 5_000_000)])
        await publisher.publish(topic.name, [OutRecord(0, b"", b"x" * 3_000_000), OutRecord(0, b"", b"y")])
        assert await publisher.partitions(topic.name) == PARTITIONS
        assert await publisher.partition_for(topic.name, b"key") == await publisher.partition_for(
            topic.name, b"key"
        )


def project(name: str, version: int) -> bytes:
    spec = ProjectSpec(
        project=name,
        title="T",
        labels=[LabelSpec(name="a"), LabelSpec(name="b")],
        guideline="g",
        voters=[VoterSpec(name="llm", type="llm", model="m")],
    )
    return encode(ProjectPublished(project=name, version=version, guideline_version=1, spec=spec))


def versions(follower: Follower[ProjectPublished]) -> dict[str, int]:
    return {name: event.version for name, event in follower.all().items()}


async def test_a_follower_has_the_newest_of_every_key(kafka: Kafka) -> None:
    topic = unique_topic(compacted=True)
    await create(kafka, topic)
    heard: list[int] = []
    follower = Follower(
        service_settings(kafka), topic, ProjectPublished, lambda event: heard.append(event.version)
    )
    async with publishing(kafka) as publisher:

        async def say(key: bytes, value: bytes | None) -> None:
            await publisher.publish(topic.name, [OutRecord(0, key, value)])

        for version in (1, 2):
            await say(b"a", project("a", version))
        await say(b"b", project("b", 1))
        async with running(follower):
            assert versions(follower) == {"a": 2, "b": 1}
            await say(b"a", project("a", 3))
            await say(b"a", b"{")  # unusable: the last good one stays
            await say(b"b", None)
            await follower.catch_up()
            assert versions(follower) == {"a": 3}
            assert follower.get("b") is None
    assert heard == [1, 2, 1, 3]


async def test_a_follower_goes_on_when_a_listener_fails(kafka: Kafka) -> None:
    topic = unique_topic(compacted=True)
    await create(kafka, topic)

    def fail(event: ProjectPublished) -> None:
        raise ValueError(event.project)

    follower = Follower(service_settings(kafka), topic, ProjectPublished, fail)
    async with publishing(kafka) as publisher, running(follower):
        for version in (1, 2):
            await publisher.publish(topic.name, [OutRecord(0, b"a", project("a", version))])
            await follower.catch_up()
            assert versions(follower) == {"a": version}


async def test_a_follower_of_an_empty_topic_starts_at_once(kafka: Kafka) -> None:
    topic = unique_topic(compacted=True)
    await create(kafka, topic)
    follower = Follower(service_settings(kafka), topic, ProjectPublished)
    async with asyncio.timeout(10), running(follower):
        assert versions(follower) == {}


async def test_a_follower_waits_for_its_topic_to_be_made(kafka: Kafka) -> None:
    topic = unique_topic(compacted=True)
    follower = Follower(service_settings(kafka), topic, ProjectPublished)
    starting = asyncio.create_task(follower.start())
    try:
        await asyncio.wait({starting}, timeout=1)
        assert not starting.done()
        await create(kafka, topic)
        async with asyncio.timeout(20):
            await starting
        async with publishing(kafka) as publisher:
            await publisher.publish(topic.name, [OutRecord(0, b"a", project("a", 1))])
        await follower.catch_up()
        assert versions(follower) == {"a": 1}
    finally:
        starting.cancel()
        await follower.stop()
