"""Where finished items leave: published in batches, then finished in the window."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog
from aiokafka import ConsumerRecord
from labelmill.events import encode
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised
from labelmill.runtime.tracing import passed_on, trace_id, traceparent_of
from labelmill.topics import ITEMS, LABELS_SCORED

from autolabeler.jobs import Job
from autolabeler.pooling import score
from autolabeler.window import Lane

log = structlog.get_logger(__name__)


class Burial(Protocol):
    """Sends dead letters to their DLQ and raises TooManyDeadLetters when they are too many."""

    async def __call__(self, letters: Sequence[DeadLetter], good: int) -> None: ...


class Finished(NamedTuple):
    """A record's outcome: a score to publish, a dead letter, or None if its item is parked or erased."""

    lane: Lane
    offset: int
    project: str
    outcome: OutRecord | DeadLetter | None


class Sink:
    """Publishes what is finished; a component of the service."""

    def __init__(self, context: Context, publisher: Publisher, collect_seconds: float) -> None:
        self._context = context
        self._publisher = publisher
        self._collect_seconds = collect_seconds
        self._finished: list[Finished] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._working: asyncio.Task[None] | None = None
        self._bury: Burial | None = None
        self._on_finished: Callable[[], None] | None = None

    def connect(self, bury: Burial, on_finished: Callable[[], None]) -> None:
        """Tell how dead letters are buried, and who hears of each batch that left; before the start."""
        self._bury = bury
        self._on_finished = on_finished

    async def start(self) -> None:
        self._working = supervised(self._work(), self._context.health)

    async def stop(self) -> None:
        await break_off(self._working)

    async def idle(self) -> None:
        """Return once everything that was finished has left."""
        await self._idle.wait()

    def put(self, job: Job) -> None:
        """Take a finished job."""
        record = job.record
        if job.failure is not None:
            trace = trace_id(traceparent_of(record))
            item = {"project": job.plan.project, "item_id": job.item.item_id, "trace_id": trace}
            log.warning("item not labelled", **item, reason=job.failure.reason)
            self.bury(DeadLetter(record, job.failure), job.lane)
            return
        now_ms = int(time.time() * 1000)
        event = score(
            job.plan,
            job.item,
            job.all_votes(),
            content_hash=job.content_hash,
            event_id=job.event_id,
            now_ms=now_ms,
        )
        if job.suspicious or job.over_budget:
            event = msgspec.structs.replace(event, suspicious=job.suspicious, over_budget=job.over_budget)
        out = OutRecord(record.partition, record.key, encode(event), passed_on(record))
        self._add(Finished(job.lane, record.offset, job.plan.project, out))

    def park(self, job: Job) -> None:
        """Take a job whose item is kept elsewhere until its answers are there."""
        self._add(Finished(job.lane, job.record.offset, "", None))

    def pass_over(self, record: ConsumerRecord, lane: Lane) -> None:
        """Take a record of which nothing is to come: a tombstone, or an item that was erased."""
        self._add(Finished(lane, record.offset, "", None))

    def bury(self, letter: DeadLetter, lane: Lane) -> None:
        """Take a record that cannot be used."""
        self._add(Finished(lane, letter.record.offset, "", letter))

    def _add(self, finished: Finished) -> None:
        self._finished.append(finished)
        if not self._wake.is_set():
            self._idle.clear()
            self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._collect_seconds)
            self._wake.clear()
            taken, self._finished = self._finished, []
            # What was given up meanwhile is somebody else's now.
            await self._send([finished for finished in taken if finished.lane.live])
            if not self._finished:
                self._idle.set()

    async def _send(self, batch: list[Finished]) -> None:
        assert self._bury is not None, "connect the sink before the start"
        assert self._on_finished is not None
        outs = [finished.outcome for finished in batch if isinstance(finished.outcome, OutRecord)]
        letters = [finished.outcome for finished in batch if isinstance(finished.outcome, DeadLetter)]
        if outs:
            await self._publisher.publish(LABELS_SCORED.name, outs)
        await self._bury(letters, good=len(outs))
        for lane, offset, _, _ in batch:
            lane.finish(offset)
        self._count(batch, len(outs))
        self._on_finished()

    def _count(self, batch: list[Finished], published: int) -> None:
        metrics = self._context.metrics
        metrics.published.labels(LABELS_SCORED.name).inc(published)
        for project, count in Counter(finished.project for finished in batch if finished.project).items():
            metrics.scored.labels(project).inc(count)
        self._context.health.progress(ITEMS.name, idle=False)
