"""Consuming in batches with nothing lost: FastStream delivers, offsets are committed after the work.

FastStream swallows a handler's exception and would commit past the batch with the next one. So the
handler here waits out outages itself, sends unusable records to the DLQ, and on anything else stops
the service before another offset is committed; the records come again after the restart.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka import errors as kafka_errors
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from labelmill.errors import InvalidRecord
from labelmill.events import Event, EventDecoder
from labelmill.runtime.dlq import DeadLetter, DeadLetters, DlqLimit
from labelmill.runtime.erasing import is_tombstone
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised
from labelmill.runtime.tracing import batch_span
from labelmill.topics import Topic

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)
Offsets = dict[TopicPartition, int]

_LAG_EVERY_SECONDS = 2.0


class Parsed(NamedTuple, Generic[E]):
    """A record and the event in it."""

    record: ConsumerRecord
    event: E


BatchHandler = Callable[[Sequence[ConsumerRecord]], Awaitable[Sequence[DeadLetter]]]
"""Does the work for a batch and returns the records that cannot be used."""


def parse(
    records: Iterable[ConsumerRecord], decoder: EventDecoder[E], check: Callable[[E], E] | None = None
) -> tuple[list[Parsed[E]], list[DeadLetter]]:
    """Return the records whose events decode (and pass `check`), and the dead letters.

    Tombstones are neither.
    """
    good: list[Parsed[E]] = []
    bad: list[DeadLetter] = []
    for record in records:
        if record.value is None and is_tombstone(record):
            continue
        try:
            event = decoder.decode(record.value)
            good.append(Parsed(record, check(event) if check else event))
        except InvalidRecord as error:
            bad.append(DeadLetter(record, error))
    return good, bad


class FromRecord(Protocol):
    """Whatever was made of a record."""

    @property
    def record(self) -> ConsumerRecord: ...


R = TypeVar("R", bound=FromRecord)

# COPY encodes the values itself and says with Python's own errors what does not fit.
_REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, OverflowError, UnicodeEncodeError)


async def isolate(batch: Sequence[R], write: Callable[[Sequence[R]], Awaitable[None]]) -> list[DeadLetter]:
    """Write a batch; if the database refuses its data, halve it until the culprits stand alone."""
    try:
        await write(batch)
    except _REFUSALS as error:
        if len(batch) == 1:
            return [DeadLetter(batch[0].record, InvalidRecord("refused_by_database", str(error)))]
        middle = len(batch) // 2
        return await isolate(batch[:middle], write) + await isolate(batch[middle:], write)
    return []


class Subscription:
    """A consumer group's hold on some topics; a component of a service.

    With `commit="after_batch"` the offsets of a batch are committed when its handler has returned.
    With `commit="by_handler"` the handler may return early and later calls `commit` itself.
    """

    def __init__(
        self,
        context: Context,
        broker: KafkaBroker,
        publisher: Publisher,
        *,
        group: str,
        topics: Sequence[Topic],
        handle: BatchHandler,
        max_records: int = 2000,
        commit: Literal["after_batch", "by_handler"] = "after_batch",
        on_revoked: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._context = context
        self._name = "+".join(topic.name for topic in topics)
        self._handle = handle
        self._commits_after_batch = commit == "after_batch"
        self._letters = DeadLetters(publisher, context.name)
        self._limit = DlqLimit(context.settings.dlq_max_share, context.settings.dlq_window)
        self._committed: Offsets = {}
        self._watching: asyncio.Task[None] | None = None
        self._subscriber = broker.subscriber(
            *(topic.name for topic in topics),
            group_id=f"labelmill-{group}",
            batch=True,
            max_records=max_records,
            batch_timeout_ms=50,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            # A handler waits out outages, and while it waits it must not lose its partitions. That the
            # process is alive, heartbeats tell; that it gets on, the liveness page.
            max_poll_interval_ms=24 * 3600 * 1000,
            session_timeout_ms=int(context.settings.kafka_session_seconds * 1000),
            heartbeat_interval_ms=int(context.settings.kafka_session_seconds * 1000 / 4),
            rebalance_timeout_ms=30_000,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_as_it_came,
            decoder=_raw,
            listener=_Listener(self, on_revoked),
            title=f"{group}:{self._name}",
            description=" ".join(topic.description for topic in topics),
        )
        self._subscriber(self._consume)

    async def start(self) -> None:
        """Watch the lag; the consumer itself starts and stops with the broker."""
        self._watching = supervised(self._watch_lag(), self._context.health)

    async def stop(self) -> None:
        await break_off(self._watching)

    async def commit(self, offsets: Offsets) -> bool:
        """Commit the next offsets to read and return whether all of them are committed. A partition that
        moved away, or a broker that is away, is no error: whoever holds the partition next repeats the work,
        and the sinks are idempotent."""
        consumer = self._consumer
        if consumer is None:
            return False
        held = {tp: offset for tp, offset in offsets.items() if tp in consumer.assignment()}
        if not held:
            return False
        try:
            await consumer.commit(held)
        except kafka_errors.KafkaError as error:
            log.warning("offsets not committed", topics=self._name, error=repr(error))
            return False
        self._committed |= held
        return len(held) == len(offsets)

    async def bury(self, letters: Sequence[DeadLetter], good: int) -> None:
        """Send dead letters to their DLQ and stop the service if too many blame their records."""
        if letters:
            await self._letters.send(letters)
        for letter in letters:
            self._context.metrics.dead_letters.labels(letter.record.topic, letter.error.reason).inc()
            log.warning(
                "dead letter",
                topic=letter.record.topic,
                offset=letter.record.offset,
                reason=str(letter.error),
            )
        self._limit.observe(good, sum(not letter.error.is_blameless for letter in letters))

    def forget(self) -> None:
        """Drop what was known of the partitions held; called on a rebalance."""
        self._committed.clear()
        # Other subscriptions of the service write theirs again within moments.
        self._context.metrics.lag.clear()

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer

    async def _consume(self, records: Sequence[ConsumerRecord]) -> None:
        context = self._context
        if context.health.failed.is_set():
            return
        context.health.busy(self._name)
        started = time.monotonic()
        try:
            with batch_span(context.tracer, f"{context.name} {self._name}", records):
                letters = await self._handle(records)
            await self.bury(letters, len(records) - len(letters) if self._commits_after_batch else 0)
            if self._commits_after_batch:
                await self.commit(next_offsets(records))
        except Exception as error:
            context.health.fail(error)
            return
        context.metrics.records.labels(self._name).inc(len(records))
        context.metrics.batch_seconds.labels(self._name).observe(time.monotonic() - started)
        context.health.progress(self._name, idle=False)

    async def _watch_lag(self) -> None:
        while True:
            await asyncio.sleep(_LAG_EVERY_SECONDS)
            await self._learn_committed()
            lag = self._lag()
            for tp, records in lag.items():
                self._context.metrics.lag.labels(tp.topic, str(tp.partition)).set(records)
            if sum(lag.values()):
                self._context.health.busy(self._name)
                await self._notice_outage()
            else:
                self._context.health.progress(self._name, idle=True)

    async def _notice_outage(self) -> None:
        """Ask the broker for anything: if it is away, that is why the records that wait do not come."""
        consumer = self._consumer
        if consumer is None:
            return
        try:
            await consumer.end_offsets(list(consumer.assignment()))
        except kafka_errors.KafkaError as error:
            log.warning("the broker does not answer", topics=self._name, error=repr(error))
            self._context.health.waiting()

    async def _learn_committed(self) -> None:
        """Ask for the offsets of partitions that this process has not committed to yet."""
        consumer = self._consumer
        if consumer is None:
            return
        try:
            for tp in consumer.assignment() - self._committed.keys():
                offset = await consumer.committed(tp)
                if offset is None:
                    offset = (await consumer.beginning_offsets([tp]))[tp]
                if tp in consumer.assignment():
                    self._committed.setdefault(tp, offset)
        except kafka_errors.KafkaError as error:
            log.debug("lag not known", topics=self._name, error=repr(error))

    def _lag(self) -> dict[TopicPartition, int]:
        consumer = self._consumer
        if consumer is None:
            return {}
        ends = {tp: consumer.highwater(tp) for tp in consumer.assignment()}
        return {
            tp: end - self._committed.get(tp, 0) for tp, end in ends.items() if end and tp in self._committed
        }


def next_offsets(records: Iterable[ConsumerRecord]) -> Offsets:
    """Return, per partition, the offset after the last of `records`."""
    last = {(record.topic, record.partition): record.offset for record in records}
    return {TopicPartition(*place): offset + 1 for place, offset in last.items()}


class _Listener(ConsumerRebalanceListener):
    def __init__(self, subscription: Subscription, on_revoked: Callable[[], Awaitable[None]] | None) -> None:
        self._subscription = subscription
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if self._on_revoked is not None and revoked:
            await self._on_revoked()
        self._subscription.forget()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        log.info("partitions assigned", partitions=sorted(f"{tp.topic}-{tp.partition}" for tp in assigned))


async def _as_it_came(records: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
    """Wrap a batch without touching its headers: FastStream's own parser decodes them all as UTF-8, and one
    bad byte would lose the batch."""
    return KafkaAckableMessage(body=b"", raw_message=records, headers={}, batch_headers=[], consumer=None)


async def _raw(message: KafkaAckableMessage) -> Any:
    return message.raw_message
