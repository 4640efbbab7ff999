"""Batches of items in, finished items committed: the window between Kafka and the voting."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from labelmill.errors import InvalidRecord
from labelmill.events import EventDecoder, ItemIngested, check_item
from labelmill.runtime.consumer import Subscription, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.erasing import is_tombstone
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import ITEMS

from autolabeler.calls import Calls
from autolabeler.erasing import ErasedItems
from autolabeler.jobs import Job
from autolabeler.parking import back_from_batch
from autolabeler.plan import Plan
from autolabeler.planning import Plans
from autolabeler.settings import AutolabelerSettings
from autolabeler.sink import Sink
from autolabeler.voting import Voting
from autolabeler.window import Lane, Window

log = structlog.get_logger(__name__)


class Labeler:
    """Takes batches as long as the window has room and commits what is finished; a component of the
    service. It must stop before the broker does: then it can still commit."""

    def __init__(
        self,
        *,
        context: Context,
        settings: AutolabelerSettings,
        window: Window,
        plans: Plans,
        voting: Voting,
        calls: Calls,
        sink: Sink,
        erased: ErasedItems,
    ) -> None:
        self._context = context
        self._settings = settings
        self._window = window
        self._plans = plans
        self._voting = voting
        self._calls = calls
        self._sink = sink
        self._erased = erased
        self._decoder = EventDecoder(ItemIngested)
        self._subscription: Subscription | None = None
        self._committing: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._draining = False
        self._drains = 0
        voting.connect(self._begin)

    def connect(self, subscription: Subscription) -> None:
        """Tell where offsets are committed; to be called before the start."""
        self._subscription = subscription

    async def start(self) -> None:
        self._committing = supervised(self._commit_again_and_again(), self._context.health)

    async def stop(self) -> None:
        """Let the calls in flight finish, publish and commit; take nothing more."""
        await break_off(self._committing)
        await self._drain()
        # Whatever they still work on is somebody else's, and what they work with stops next.
        await break_off(*self._batches)

    async def handle(self, records: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        """Take a batch into the window, once there is room, and return while it is being worked on."""
        sizes = [len(record.value or b"") for record in records]
        if not await self._room(len(records), sum(sizes)):
            # The partitions move away, or have: whoever holds them next reads these records again.
            return []
        lanes = {
            record.partition: self._window.take(record.partition, record.offset, size)
            for record, size in zip(records, sizes, strict=True)
        }
        self._begin(self._label(records, lanes))
        return []

    async def revoked(self) -> None:
        """Finish what is in flight before the partitions move away, then give up the rest."""
        await self._drain()
        self._draining = False
        self._calls.resume()

    def make_room(self) -> None:
        """Note that items were finished."""
        self._changed.set()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = supervised(work, self._context.health)
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _room(self, records: int, size: int) -> bool:
        """Return whether there is room; False if the partitions were given up meanwhile.

        A drain with nothing to wait for is over before who waits here wakes up: the number of drains tells.
        """
        drains = self._drains
        while not self._draining and drains == self._drains and not self._window.has_room(records, size):
            self._changed.clear()
            await self._changed.wait()
        return not self._draining and drains == self._drains

    async def _label(self, records: Sequence[ConsumerRecord], lanes: dict[int, Lane]) -> None:
        for record in filter(is_tombstone, records):
            self._sink.pass_over(record, lanes[record.partition])
        parsed, letters = parse(records, self._decoder, check_item)
        erased = await self._erased.of([item for _, item in parsed])
        if erased:
            for record, item in parsed:
                if (item.project, item.item_id) in erased:
                    self._sink.pass_over(record, lanes[record.partition])
            parsed = [each for each in parsed if (each.event.project, each.event.item_id) not in erased]
        plans = await self._plans.of(_wanted(item for _, item in parsed))
        jobs = []
        for record, item in parsed:
            plan = plans[item.project]
            if isinstance(plan, InvalidRecord):
                letters.append(DeadLetter(record, plan))
            else:
                jobs.append(self._job(record, item, plan, lanes[record.partition]))
        for letter in letters:
            self._sink.bury(letter, lanes[letter.record.partition])
        await self._voting.vote(jobs)

    def _job(self, record: ConsumerRecord, item: ItemIngested, plan: Plan, lane: Lane) -> Job:
        record, unanswered = back_from_batch(record)
        return Job(
            record,
            item,
            plan,
            lane,
            on_done=self._sink.put,
            on_tier=self._voting.go_on,
            on_parked=self._sink.park,
            unanswered=unanswered,
        )

    async def _drain(self) -> None:
        self._draining = True
        self._drains += 1
        self._changed.set()
        self._calls.pause()
        try:
            async with asyncio.timeout(self._settings.autolabeler_drain_seconds):
                if self._batches:
                    await asyncio.wait(self._batches)
                await self._calls.idle()
                await self._sink.idle()
        except TimeoutError:
            log.warning("items given up before they were finished", items=self._window.unfinished)
        await self._commit()
        self._window.forget()

    async def _commit_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._settings.autolabeler_commit_seconds)
            await self._commit()
            self._changed.set()
            if self._calls.all_held:
                self._context.health.waiting()

    async def _commit(self) -> None:
        assert self._subscription is not None, "connect the labeler before the start"
        offsets = self._window.committable()
        if not offsets:
            return
        ends = {TopicPartition(ITEMS.name, partition): end for partition, end in offsets.items()}
        if await self._subscription.commit(ends):
            self._window.committed(offsets)


def _wanted(items: Iterable[ItemIngested]) -> dict[str, int]:
    """Return the projects of items, each with the newest guideline that one of them asks for."""
    wanted: dict[str, int] = {}
    for item in items:
        wanted[item.project] = max(item.guideline_version, wanted.get(item.project, 0))
    return wanted
