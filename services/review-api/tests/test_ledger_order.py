"""The ledger parses ahead, and still commits nothing past a batch that could not be written."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from labelmill.events import ItemIngested, encode
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.topics import ITEMS
from review_api.ledger.handlers import Ledger
from review_api.ledger.store import Item, Written

pytestmark = pytest.mark.asyncio


class Stand:
    """Stands in for the store, the projects and the subscription; fails at the write numbered `broken`."""

    def __init__(self, broken: int | None) -> None:
        self.broken = broken
        self.writes = 0
        self.commits: list[int] = []

    async def existing(self, names: Sequence[str]) -> set[str]:
        return set(names)

    async def load(self, _: object) -> dict[Any, Any]:
        return {}

    async def write(self, items: Sequence[Item], _: object) -> Written:
        self.writes += 1
        if self.writes == self.broken:
            raise RuntimeError("no room")
        return Written()

    async def bury(self, letters: Sequence[Any], good: int) -> None:
        assert (list(letters), good) == ([], 1)

    async def commit(self, offsets: dict[Any, int]) -> bool:
        self.commits += offsets.values()
        return True


def record(offset: int) -> ConsumerRecord:
    item = ItemIngested(project="p", item_id=str(offset), content="a text")
    return ConsumerRecord(ITEMS.name, 0, offset, 0, 0, b"k", encode(item), None, 1, 1, ())


async def through(broken: int | None) -> tuple[Stand, Health]:
    stand, health = Stand(broken), Health(60.0)
    parts = cast("Any", stand)
    ledger = Ledger(parts, parts, parts, publisher=parts, metrics=Metrics(), health=health)
    ledger.connect(parts)
    for offset in range(3):
        await ledger.handle([record(offset)])
    await ledger.stop()
    return stand, health


async def test_batches_are_committed_in_the_order_they_came() -> None:
    stand, _ = await through(None)
    assert stand.commits == [1, 2, 3]


async def test_nothing_is_committed_past_a_batch_that_failed() -> None:
    stand, health = await through(2)
    assert stand.commits == [1]
    assert stand.writes == 2
    assert health.failed.is_set()
