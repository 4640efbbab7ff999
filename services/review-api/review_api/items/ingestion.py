"""Taking items in: a stream of lines to records that Kafka has acknowledged."""

import asyncio
import time
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from labelmill.events import encode
from labelmill.runtime import tracing
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.topics import ITEMS

from review_api.items.lines import Line
from review_api.items.recent import Recent
from review_api.items.screening import Incoming, Outcome, read_items, refuse, screen
from review_api.items.store import ItemStore

_BATCH_LINES = 1000
_BATCH_BYTES = 1024 * 1024


class Ingestor:
    """What the ingestion requests of one process share."""

    def __init__(self, store: ItemStore, publisher: Publisher, metrics: Metrics, trace_share: float) -> None:
        self._store = store
        self._publisher = publisher
        self._metrics = metrics
        self._trace_share = trace_share
        self._recent = Recent()

    def open(self, project: str) -> "Ingestion":
        """Begin a request."""
        return Ingestion(self, project)

    async def screen(
        self, project: str, lines: Sequence[Line], flying: dict[bytes, str], outcome: Outcome
    ) -> list[Incoming]:
        """Return the items of `lines` that neither the ledger nor this process has seen."""
        incoming = read_items(project, lines, int(time.time() * 1000), outcome)
        item_ids = [each.item.item_id for each in incoming]
        incoming = refuse(incoming, await self._store.refused(project, item_ids), outcome)
        known = await self._store.content_hashes(project, item_ids)
        for each in incoming:
            if seen := flying.get(each.key) or self._recent.get(each.key):
                known.setdefault(each.item.item_id, seen)
        return screen(incoming, known, outcome)

    async def publish(self, project: str, items: Sequence[Incoming]) -> None:
        """Publish items and return once every one is acknowledged."""
        partitions = await self._publisher.partitions(ITEMS.name)
        traceparents = tracing.new_traceparents(self._trace_share, len(items))
        await self._publisher.publish(
            ITEMS.name,
            [
                OutRecord(
                    zlib.crc32(each.key) % partitions,
                    each.key,
                    encode(each.item),
                    [(tracing.TRACEPARENT, traceparent)],
                )
                for each, traceparent in zip(items, traceparents, strict=True)
            ],
        )
        self._recent.add({each.key: each.content_hash for each in items})
        self._metrics.ingested.labels(project).inc(len(items))
        self._metrics.published.labels(ITEMS.name).inc(len(items))

    def count_rejected(self, outcome: Outcome) -> None:
        """Add a request's rejected lines to the metrics."""
        for reason, count in outcome.reasons.items():
            self._metrics.rejected.labels(reason).inc(count)


class Ingestion:
    """One request: lines go in, and batches go out, one being published while the next is read.

    Use it as a context manager: leaving it early gives up what is being published.
    """

    def __init__(self, ingestor: Ingestor, project: str) -> None:
        self._ingestor = ingestor
        self._project = project
        self._lines: list[Line] = []
        self._bytes = 0
        self._flying: dict[bytes, str] = {}
        self._publishing: asyncio.Task[None] | None = None
        self.outcome = Outcome()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._publishing is not None:
            self._publishing.cancel()
        self._ingestor.count_rejected(self.outcome)

    async def take(self, lines: Sequence[Line]) -> None:
        """Take lines in; returns once there is room for more."""
        for line in lines:
            self._lines.append(line)
            self._bytes += len(line.text or b"")
            if len(self._lines) >= _BATCH_LINES or self._bytes >= _BATCH_BYTES:
                await self._send()

    async def finish(self) -> Outcome:
        """Return what became of the lines, once all that were accepted are acknowledged."""
        await self._send()
        await self._landed()
        return self.outcome

    async def _send(self) -> None:
        lines, self._lines, self._bytes = self._lines, [], 0
        if not lines:
            return
        new = await self._ingestor.screen(self._project, lines, self._flying, self.outcome)
        await self._landed()
        if new:
            self._flying = {each.key: each.content_hash for each in new}
            self._publishing = asyncio.create_task(self._ingestor.publish(self._project, new))

    async def _landed(self) -> None:
        if self._publishing is not None:
            await self._publishing
            self._publishing = None
            self.outcome.accepted += len(self._flying)
            self._flying = {}
