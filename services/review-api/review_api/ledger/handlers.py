"""From a batch of records to the ledger: decode, check, write."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog
from aiokafka import ConsumerRecord
from labelmill.errors import InvalidRecord
from labelmill.events import Event, EventDecoder, check_item
from labelmill.projects import ProjectSpec
from labelmill.runtime.consumer import Parsed, Subscription, isolate, next_offsets, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.erasing import tombstone
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import outages
from labelmill.runtime.tasks import supervised
from labelmill.topics import ITEMS, LABELS_ACCEPTED, LABELS_SCORED, REVIEWS_REQUESTED

from review_api.ledger import records as known
from review_api.ledger import rows
from review_api.ledger.checking import RouteCheck
from review_api.ledger.records import Routed
from review_api.ledger.store import Item, LedgerStore, Route, Written
from review_api.projects.store import ProjectStore, Specs
from review_api.tasks.ordering import Place, Places

E = TypeVar("E", bound=Event)

log = structlog.get_logger(__name__)

_SLICE_RECORDS = 500


class Ledger:
    """Writes what Kafka tells about items and routes; a component of the service.

    While one batch is being written the next is parsed: the database and this process work at once. Batches
    are written, and their offsets committed, in the order they came. It must stop before the broker does:
    then it can still commit.
    """

    def __init__(
        self,
        store: LedgerStore,
        projects: ProjectStore,
        specs: Specs,
        *,
        publisher: Publisher,
        metrics: Metrics,
        health: Health,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._projects = projects
        self._specs = specs
        self._metrics = metrics
        self._health = health
        self._known_projects: set[str] = set()
        self._subscription: Subscription | None = None
        self._writing: asyncio.Task[None] | None = None
        self._stopping = False

    def connect(self, subscription: Subscription) -> None:
        """Tell where offsets are committed; to be called before the start."""
        self._subscription = subscription

    async def start(self) -> None:
        """Nothing to start: batches come from the subscription."""

    async def stop(self) -> None:
        """Finish what is being written; write nothing more."""
        self._stopping = True
        await self.settled()

    async def handle(self, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        """Parse a batch and, once the one before is written, begin to write it."""
        letters: list[DeadLetter] = []
        items = await self._items([record for record in records if record.topic == ITEMS.name], letters)
        routes = await self._routes([record for record in records if record.topic != ITEMS.name], letters)
        await self.settled()
        # A batch must not overtake one that could not be written: the offsets would pass over it.
        if not self._stopping and not self._health.failed.is_set():
            self._writing = supervised(self._finish(records, [*items, *routes], letters), self._health)
        return []

    async def settled(self) -> None:
        """Return once nothing is being written."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _finish(
        self, records: Sequence[ConsumerRecord], batch: list[Item | Route], letters: list[DeadLetter]
    ) -> None:
        """Write a batch, bury what cannot be used, commit."""

        async def write(part: Sequence[Item | Route]) -> None:
            written = await self._write(part)
            letters.extend(written.conflicts)
            await self._erase(written.erased)
            self._observe(written)

        assert self._subscription is not None, "connect the ledger before the start"
        refused = await isolate(batch, write)
        await self._subscription.bury([*letters, *refused], len(records) - len(letters) - len(refused))
        await self._subscription.commit(next_offsets(records))

    async def _erase(self, records: Sequence[ConsumerRecord]) -> None:
        """Put tombstones over records of erased items, which came late or were sent again."""
        if not records:
            return
        log.info("records of erased items refused", count=len(records))
        by_topic: dict[str, list[OutRecord]] = defaultdict(list)
        for record in records:
            over = tombstone(record.partition, record.key or b"")
            by_topic[record.topic].append(over)
            if record.topic != ITEMS.name:
                by_topic[LABELS_SCORED.name].append(over)
        for topic, tombstones in by_topic.items():
            await self._publisher.publish(topic, tombstones)

    async def _items(self, records: Sequence[ConsumerRecord], letters: list[DeadLetter]) -> list[Item]:
        parsed = await _parse(records, known.ITEM, check_item, letters)
        await self._learn_projects({event.project for _, event in parsed})
        items = []
        for record, event in parsed:
            if event.project in self._known_projects:
                items.append(Item(record, event))
            else:
                letters.append(DeadLetter(record, _unknown_project(event.project)))
        return items

    async def _learn_projects(self, names: set[str]) -> None:
        new = names - self._known_projects
        if new:
            async for attempt in outages():
                with attempt:
                    self._known_projects |= await self._projects.existing(sorted(new))

    async def _routes(self, records: Sequence[ConsumerRecord], letters: list[DeadLetter]) -> list[Route]:
        parsed = await _parse_routes(records, letters)
        specs: dict[tuple[str, int], ProjectSpec] = {}
        async for attempt in outages():
            with attempt:
                specs = await self._specs.load({(e.project, e.project_version) for _, e in parsed})
        checks = {version: RouteCheck(spec) for version, spec in specs.items()}
        places = await self._places({e.project for _, e in parsed if type(e) is known.Requested})
        routes = []
        for record, event in parsed:
            version = (event.project, event.project_version)
            try:
                if version not in checks:
                    raise _unknown_project(event.project, event.project_version)
                checks[version].check(event)
                routes.append(Route(record, event, known.vote_costs(event), _place(event, places)))
            except InvalidRecord as error:
                letters.append(DeadLetter(record, error))
        return routes

    async def _places(self, projects: set[str]) -> dict[str, Places]:
        """Return what gives tasks their places now, by project: those waiting have been ordered anew since a
        version that routed these."""
        found: dict[str, Places] = {}
        async for attempt in outages():
            with attempt:
                for project in projects:
                    version = await self._projects.get(project)
                    if version is not None:
                        found[project] = Places(version.spec)
        return found

    async def _write(self, batch: Sequence[Item | Route]) -> Written:
        items = [entry for entry in batch if isinstance(entry, Item)]
        routes = [entry for entry in batch if isinstance(entry, Route)]
        written = Written()
        async for attempt in outages():
            with attempt:
                written = await self._store.write(items, routes)
        return written

    def _observe(self, written: Written) -> None:
        for project, counts in written.counts.items():
            self._metrics.final_labels.labels(project, "machine").inc(counts.final_labels)
        observe = self._metrics.item_seconds.labels("machine").observe
        now = time.time()
        for event in written.finals:
            if event.score.ingested_at:
                observe(max(0.0, now - event.score.ingested_at / 1000))


def _place(event: Routed, places: Mapping[str, Places]) -> Place | None:
    """Return where the task of a route lies, None if it makes none. Raises InvalidRecord."""
    if type(event) is not known.Requested:
        return None
    try:
        return places[event.project].place(rows.facts(event))
    except msgspec.DecodeError as error:
        raise InvalidRecord("invalid_event", f"score: {error}") from error


async def _parse(
    records: Sequence[ConsumerRecord],
    decoder: EventDecoder[E],
    check: Callable[[E], E] | None,
    letters: list[DeadLetter],
) -> list[Parsed[E]]:
    """Parse a batch in slices: requests of the same process get their turn in between."""
    good: list[Parsed[E]] = []
    for start in range(0, len(records), _SLICE_RECORDS):
        parsed, bad = parse(records[start : start + _SLICE_RECORDS], decoder, check)
        good += parsed
        letters += bad
        await asyncio.sleep(0)
    return good


async def _parse_routes(
    records: Iterable[ConsumerRecord], letters: list[DeadLetter]
) -> list[tuple[ConsumerRecord, Routed]]:
    by_topic: dict[str, list[ConsumerRecord]] = {LABELS_ACCEPTED.name: [], REVIEWS_REQUESTED.name: []}
    for record in records:
        by_topic[record.topic].append(record)
    accepted = await _parse(by_topic[LABELS_ACCEPTED.name], known.ACCEPTED, None, letters)
    asked = by_topic[REVIEWS_REQUESTED.name]
    requested = await _parse(asked, known.REQUESTED, known.check_requested, letters)
    return [*((r, event) for r, event in accepted), *((r, event) for r, event in requested)]


def _unknown_project(project: str, version: int | None = None) -> InvalidRecord:
    detail = f"there is no project {project!r}" + ("" if version is None else f" of version {version}")
    return InvalidRecord("unknown_project", detail)
