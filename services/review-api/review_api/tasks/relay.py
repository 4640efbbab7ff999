"""The outbox relay: what people settled leaves for Kafka, in order, from one process at a time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog
from labelmill import ids
from labelmill.events import ReviewDecided, encode
from labelmill.quality import LABEL_ERROR
from labelmill.runtime import tracing
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import is_passing
from labelmill.runtime.service import Context
from labelmill.topics import REVIEWS_DECIDED, decision_key

from review_api.settings import ReviewSettings
from review_api.tasks.outbox import Outbox, Relaying, Settled, in_slices

log = structlog.get_logger(__name__)

_NAME = "outbox relay"
_STANDBY_SECONDS = 1.0


class Relay:
    """A component that publishes the outbox while it holds the relay's lock; others stand by."""

    def __init__(
        self,
        context: Context,
        outbox: Outbox,
        publisher: Publisher,
        settings: ReviewSettings,
        in_turns: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`in_turns` is called between two batches, and returns whether it wants to be soon again."""
        self._context = context
        self._outbox = outbox
        self._publisher = publisher
        self._settings = settings
        self._in_turns = in_turns
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> None:
        while True:
            try:
                async with self._outbox.alone() as relaying:
                    if relaying is not None:
                        await self._serve(relaying)
            except Exception as error:
                if not is_passing(error):
                    self._context.health.fail(error)
                    return
                log.warning("the relay lost its database", error=repr(error))
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _serve(self, relaying: Relaying) -> None:
        log.info("relaying the outbox")
        while True:
            relayed = await self.relay_once(relaying)
            is_busy = self._in_turns is not None and await self._in_turns()
            if relayed < self._settings.relay_batch_records and not is_busy:
                await asyncio.sleep(self._settings.relay_poll_seconds)

    async def relay_once(self, relaying: Relaying) -> int:
        """Publish one batch of what is due, delete it once it is acknowledged, and return its size."""
        settled = await relaying.take_due(self._settings.relay_batch_records)
        if not settled:
            self._context.health.progress(_NAME, idle=True)
            return 0
        self._context.health.busy(_NAME)
        records: list[OutRecord] = []
        async for part in in_slices(settled):
            records += [self._record(each) for each in part]
        await self._publisher.publish(REVIEWS_DECIDED.name, records)
        await relaying.done([each.outbox_id for each in settled])
        self._observe(settled)
        self._context.health.progress(_NAME, idle=False)
        return len(settled)

    def _observe(self, settled: Sequence[Settled]) -> None:
        """Count what is final for good: a decision that may still be undone is not."""
        metrics = self._context.metrics
        metrics.published.labels(REVIEWS_DECIDED.name).inc(len(settled))
        for each in settled:
            if each.again:
                metrics.rereviews.labels(each.project, "changed" if each.changed else "confirmed").inc()
                continue
            metrics.final_labels.labels(each.project, "people").inc()
            if each.label != each.machine_label:
                metrics.corrections.labels(each.project).inc()
            if each.ingested_at:
                age = (each.decided_at - each.ingested_at) / 1000
                metrics.item_seconds.labels("people").observe(max(0.0, age))

    def _record(self, settled: Settled) -> OutRecord:
        event = decided_event(settled)
        traceparent = tracing.new_traceparent(self._context.settings.trace_share)
        return OutRecord(
            settled.partition,
            decision_key(event.project, event.item_id, event.event_id),
            encode(event),
            [(tracing.TRACEPARENT, traceparent)],
        )


def decided_event(settled: Settled) -> ReviewDecided:
    """Return the event of a settled task; the same rows give the same event, id included.

    A re-review is an event of its own, with the decisions that it doubted before its own.
    """
    again = [LABEL_ERROR] if settled.again else []
    return ReviewDecided(
        event_id=ids.event_id(REVIEWS_DECIDED.name, settled.project, str(settled.task_id), *again),
        project=settled.project,
        item_id=settled.item_id,
        task_id=settled.task_id,
        kind=settled.kind,
        content=settled.content,
        metadata=settled.metadata,
        label=settled.label,
        machine_label=settled.machine_label,
        machine_confidence=settled.machine_confidence,
        decisions=settled.decisions,
        reasons=[*settled.reasons, *again],
        propensity=settled.propensity,
        blind=settled.blind or settled.again,
        votes=settled.votes,
        audit_rate=settled.audit_rate,
        guideline_version=settled.guideline_version,
        release=settled.release,
        decided_at=settled.decided_at,
    )
