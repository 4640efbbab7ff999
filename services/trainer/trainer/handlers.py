"""From messages to rows: the decisions people made."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from aiokafka import ConsumerRecord
from labelmill import ids
from labelmill.errors import InvalidLabel, InvalidRecord
from labelmill.events import EventDecoder, ProjectPublished, ReviewDecided
from labelmill.kinds import kind_named
from labelmill.projects import ProjectSpec
from labelmill.runtime.compacted import Follower
from labelmill.runtime.consumer import Parsed, isolate, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.erasing import tombstone
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.retry import outages
from labelmill.topics import REVIEWS_DECIDED

from trainer.erased import ErasedItems
from trainer.splitting import sketch
from trainer.store import Incoming, Store


class Decisions:
    """Handles `reviews.decided`."""

    def __init__(
        self,
        store: Store,
        projects: Follower[ProjectPublished],
        split_key: str,
        heard: Sequence[Callable[[str], None]],
        *,
        erased: ErasedItems,
        publisher: Publisher,
    ) -> None:
        """`heard` are called with the project of every batch that holds new decisions."""
        self._store = store
        self._projects = projects
        self._heard = heard
        self._erased = erased
        self._publisher = publisher
        self._split_key = split_key
        self._decoder = EventDecoder(ReviewDecided)

    async def handle(self, records: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        """Store the decisions in `records` and return the records that hold none."""
        parsed, letters = parse(records, self._decoder)
        if any(self._projects.get(each.event.project) is None for each in parsed):
            await self._projects.catch_up()
        by_project: dict[str, list[Parsed[ReviewDecided]]] = defaultdict(list)
        for each in parsed:
            try:
                _check(each.event, self._spec(each.event.project))
                by_project[each.event.project].append(each)
            except InvalidRecord as error:
                letters.append(DeadLetter(each.record, error))
        for decided in by_project.values():
            letters += await isolate(decided, self._record)
        return letters

    def _spec(self, project: str) -> ProjectSpec:
        event = self._projects.get(project)
        if event is None:
            raise InvalidRecord("unknown_project", f"no project {project!r} has been applied")
        return event.spec

    async def _record(self, decided: Sequence[Parsed[ReviewDecided]]) -> None:
        spec = self._spec(decided[0].event.project)
        incoming = await asyncio.to_thread(self._sketched, [each.event for each in decided])
        async for attempt in outages():
            with attempt:
                now = int(time.time() * 1000)
                fresh = await self._store.record(spec.project, incoming, spec.training.holdout_share, now)
                for hear in self._heard if fresh else ():
                    hear(spec.project)
        await self._bury_erased(spec.project, decided)

    async def _bury_erased(self, project: str, decided: Sequence[Parsed[ReviewDecided]]) -> None:
        """Put tombstones over decisions on erased items, which came late or came again."""
        erased: set[str] = set()
        async for attempt in outages():
            with attempt:
                erased = await self._erased.of(project, {each.event.item_id for each in decided})
        over = [
            tombstone(each.record.partition, each.record.key or b"")
            for each in decided
            if each.event.item_id in erased
        ]
        if over:
            await self._publisher.publish(REVIEWS_DECIDED.name, over)

    def _sketched(self, events: Sequence[ReviewDecided]) -> list[Incoming]:
        found = []
        for event in events:
            text = sketch(event.project, event.content)
            found.append(Incoming(event, text, ids.uniform(self._split_key, event.project, text.key)))
        return found


def _check(event: ReviewDecided, spec: ProjectSpec) -> None:
    if event.kind != spec.kind:
        raise InvalidRecord("unknown_kind", f"kind {event.kind!r}, but the project's is {spec.kind!r}")
    shares = (event.propensity, event.machine_confidence, event.audit_rate)
    if not all(0.0 <= share <= 1.0 for share in shares):
        raise InvalidRecord("invalid_event", "propensity, machine_confidence and audit_rate: 0 to 1")
    try:
        kind_named(spec.kind).validate(event.label, spec.label_names)
    except InvalidLabel as error:
        raise InvalidRecord("label_outside_set", str(error)) from error
