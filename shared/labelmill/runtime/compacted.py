"""Following a compacted topic: the newest event per key, in memory, always up to date."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka import errors as kafka_errors

from labelmill.errors import InvalidRecord
from labelmill.events import Event, EventDecoder
from labelmill.runtime import kafka
from labelmill.runtime.health import Health
from labelmill.runtime.retry import outages
from labelmill.runtime.settings import KafkaSettings
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import Topic

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0

E = TypeVar("E", bound=Event)


class Follower(Generic[E]):
    """A view of a compacted topic; a component of a service.

    It starts with everything the topic holds. A record that does not decode is logged and skipped, so
    the last good event of its key stays in force.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: Topic,
        event: type[E],
        on_change: Callable[[E], None] | None = None,
        *,
        health: Health | None = None,
    ) -> None:
        """`on_change` hears of every event, also of those read at the start; it must not block. `health` is
        that of the service, which stops should an error end the following: a view that stands still is wrong.
        """
        self.topic = topic
        self._settings = settings
        self._decoder = EventDecoder(event)
        self._on_change = on_change
        self._health = health
        self._latest: dict[str, E] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._following: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()
        self._next: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        async for attempt in outages():
            with attempt:
                consumer = kafka.reader(self._settings, self.topic.name)
                try:
                    await consumer.start()
                except BaseException:
                    await consumer.stop()
                    raise
                self._consumer = consumer
        self._following = (
            asyncio.create_task(self._follow())
            if self._health is None
            else supervised(self._follow(), self._health)
        )
        await self.catch_up()

    async def stop(self) -> None:
        await break_off(self._following)
        if self._consumer is not None:
            await self._consumer.stop()

    def get(self, key: str) -> E | None:
        """Return the newest event of `key`, or None."""
        return self._latest.get(key)

    def all(self) -> dict[str, E]:
        """Return the newest event of every key."""
        return dict(self._latest)

    async def catch_up(self) -> None:
        """Return once everything that was in the topic at the call has been read.

        Raises what ended the following of the topic, if it has ended.
        """
        assert self._consumer is not None
        assert self._following is not None
        ends: dict[TopicPartition, int] = {}
        async for attempt in outages():
            with attempt:
                ends = await self._consumer.end_offsets(self._partitions())
        reaching = asyncio.create_task(self._reach(ends))
        try:
            await asyncio.wait({reaching, self._following}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reaching.cancel()
        if self._following.done():
            self._following.result()

    async def _reach(self, ends: Mapping[TopicPartition, int]) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: all(self._position(tp) >= end for tp, end in ends.items()))

    def _partitions(self) -> list[TopicPartition]:
        assert self._consumer is not None
        numbers = self._consumer.partitions_for_topic(self.topic.name) or {0}
        return [TopicPartition(self.topic.name, number) for number in numbers]

    def _position(self, tp: TopicPartition) -> int:
        return self._next.get(tp, 0)

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except kafka_errors.KafkaError as error:
                log.warning("cannot follow, trying again", topic=self.topic.name, error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _read_on(self) -> None:
        assert self._consumer is not None
        batches = await self._consumer.getmany(timeout_ms=200)
        for record in (record for records in batches.values() for record in records):
            self._take(record)
        async with self._moved:
            for tp in self._consumer.assignment():
                self._next[tp] = await self._consumer.position(tp)
            self._moved.notify_all()

    def _take(self, record: ConsumerRecord) -> None:
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._latest.pop(key, None)
            return
        try:
            event = self._decoder.decode(record.value)
        except InvalidRecord as error:
            log.error("unusable record in a compacted topic", topic=record.topic, key=key, reason=str(error))
            return
        self._latest[key] = event
        if self._on_change is not None:
            self._tell(self._on_change, event)

    def _tell(self, on_change: Callable[[E], None], event: E) -> None:
        try:
            on_change(event)
        except Exception:
            # The view must stay up to date whatever a listener makes of it.
            log.exception("a listener failed", topic=self.topic.name)
