"""Watching what follows ingestion: how far the ledger is behind, and how long the queues are."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from labelmill.runtime import kafka
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.retry import is_passing, outages
from labelmill.runtime.service import Context
from labelmill.topics import ITEMS, LABELS_ACCEPTED, REVIEWS_REQUESTED

from review_api.items.admission import Admission
from review_api.ledger.figures import Figures
from review_api.projects.in_force import InForce
from review_api.tasks.outbox import Outbox
from review_api.tasks.waiting import WaitingTasks

log = structlog.get_logger(__name__)

_FOLD_EVERY_SECONDS = 3600.0

LEDGER_TOPICS = (ITEMS, LABELS_ACCEPTED, REVIEWS_REQUESTED)


class LedgerLag:
    """How far the ledger is behind; a component. The ledger may run elsewhere, so Kafka is asked."""

    def __init__(self, context: Context, publisher: Publisher, group: str) -> None:
        self._settings = context.settings
        self._publisher = publisher
        self._group = f"labelmill-{group}"
        self._admin: AIOKafkaAdminClient | None = None
        self._reader: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        async for attempt in outages():
            with attempt:
                self._admin = AIOKafkaAdminClient(**kafka.client_options(self._settings))
                await self._admin.start()
        async for attempt in outages():
            with attempt:
                self._reader = kafka.reader(self._settings)
                await self._reader.start()

    async def stop(self) -> None:
        if self._admin is not None:
            await self._admin.close()
        if self._reader is not None:
            await self._reader.stop()

    async def records(self) -> int:
        """Return how many records the ledger has not written."""
        assert self._reader is not None
        committed = await self._committed()
        partitions = [
            TopicPartition(topic.name, number)
            for topic in LEDGER_TOPICS
            for number in range(await self._publisher.partitions(topic.name))
        ]
        starts = await self._reader.beginning_offsets(partitions)
        ends = await self._reader.end_offsets(partitions)
        # What retention has deleted is not waiting.
        return sum(ends[tp] - max(starts[tp], committed.get(tp, 0)) for tp in partitions)

    async def _committed(self) -> dict[TopicPartition, int]:
        assert self._admin is not None
        try:
            offsets: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(self._group)
        except GroupCoordinatorNotAvailableError:
            return {}  # a broker on which no group has ever committed
        return {tp: found.offset for tp, found in offsets.items()}


@dataclass(frozen=True)
class Watched:
    """What is looked at besides the ledger's lag."""

    figures: Figures
    outbox: Outbox
    waiting: WaitingTasks
    in_force: InForce


class Watch:
    """A component that looks every few seconds, and tells the admission and the metrics what it sees."""

    def __init__(
        self,
        context: Context,
        lag: LedgerLag,
        watched: Watched,
        admission: Admission,
        *,
        seconds: float,
    ) -> None:
        self._metrics = context.metrics
        self._lag = lag
        self._watched = watched
        self._admission = admission
        self._seconds = seconds
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    async def look(self) -> None:
        """Look once."""
        self._admission.lag = await self._lag.records()
        self._admission.outbox = await self._watched.outbox.size()
        self._metrics.outbox.set(self._admission.outbox)
        for project, tasks in (await self._watched.figures.waiting_tasks()).items():
            self._metrics.open_tasks.labels(project).set(tasks)
            await self._look_at_ages(project)

    async def _look_at_ages(self, project: str) -> None:
        """Tell how long the oldest task has waited, and how many wait for longer than they should."""
        sla_hours = (await self._watched.in_force.get(project)).spec.review.sla_hours
        found = await self._watched.waiting.count(project, sla_hours)
        self._metrics.oldest_task.labels(project).set(found.oldest_seconds)
        self._metrics.late_tasks.labels(project).set(found.late)

    async def _watch(self) -> None:
        fold_at = 0.0
        while True:
            try:
                await self.look()
                if time.monotonic() >= fold_at:
                    await self._watched.figures.fold()
                    fold_at = time.monotonic() + _FOLD_EVERY_SECONDS
            except Exception as error:
                log.warning(
                    "cannot see how long the queues are", error=repr(error), passing=is_passing(error)
                )
            await asyncio.sleep(self._seconds)
