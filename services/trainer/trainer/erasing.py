"""From messages to forgetting: the items that nothing is to be learned from any more."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import ConsumerRecord
from labelmill import ids
from labelmill.events import ErasureConfirmed, ErasureRequested, EventDecoder, encode
from labelmill.runtime.consumer import Parsed, parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import outages
from labelmill.topics import ERASURES_CONFIRMED, confirmation_key

from trainer.erased import ErasedItems

_SERVICE: Final = "trainer"


class Erasing:
    """Handles `erasures`."""

    def __init__(
        self, items: ErasedItems, publisher: Publisher, heard: Sequence[Callable[[str], None]]
    ) -> None:
        """`heard` are called with the project of the items."""
        self._items = items
        self._publisher = publisher
        self._heard = heard
        self._decoder = EventDecoder(ErasureRequested)

    async def handle(self, records: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        """Forget the items in `records`, and confirm it."""
        parsed, letters = parse(records, self._decoder)
        by_erasure: dict[tuple[str, int], list[Parsed[ErasureRequested]]] = defaultdict(list)
        for each in parsed:
            by_erasure[each.event.project, each.event.erasure_id].append(each)
        for (project, erasure_id), together in by_erasure.items():
            await self._erase(project, erasure_id, together)
        return letters

    async def _erase(
        self, project: str, erasure_id: int, together: Sequence[Parsed[ErasureRequested]]
    ) -> None:
        item_ids = [each.event.item_id for each in together]
        removed: dict[str, int] = {}
        async for attempt in outages():
            with attempt:
                removed = await self._items.erase(project, item_ids)
        confirmed = ErasureConfirmed(
            project=project,
            erasure_id=erasure_id,
            service=_SERVICE,
            items=[ids.item_hash(project, item_id) for item_id in item_ids],
            removed=removed,
            confirmed_at=int(time.time() * 1000),
        )
        out = OutRecord(together[0].record.partition, confirmation_key(confirmed), encode(confirmed))
        await self._publisher.publish(ERASURES_CONFIRMED.name, [out])
        for hear in self._heard:
            hear(project)
