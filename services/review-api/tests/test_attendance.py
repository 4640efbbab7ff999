"""What the database saw of somebody, read piece by piece: none is lost that was committed late."""

import datetime
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from review_api.care import attendance
from review_api.care.active import Sign
from review_api.care.attendance import Attendance

pytestmark = pytest.mark.asyncio

NOW = datetime.datetime.now(datetime.UTC)
Seen = tuple[datetime.datetime, Sign]


def decided(ago: float, seconds: float) -> Seen:
    """A decision, that many seconds ago, which took so many."""
    moment = NOW - datetime.timedelta(seconds=ago)
    return moment, Sign(moment.timestamp(), "decision", "p", seconds)


class Store:
    """What is committed by now."""

    def __init__(self, *seen: Seen) -> None:
        self.seen = list(seen)
        self.asked_after: list[datetime.datetime] = []

    async def last_counted(self, _: str) -> None:
        return None

    async def paces(self, *_: object) -> dict[str, float]:
        return {}

    async def signs(self, _: str, after: datetime.datetime) -> AsyncIterator[list[Seen]]:
        self.asked_after.append(after)
        yield sorted((one for one in self.seen if one[0] > after), key=lambda one: one[0])


async def worked(store: Store, *late: Seen) -> float:
    """Read, and read again once each of `late` is committed; return the seconds of work that were found."""
    found = Attendance(cast("Any", store), cast("Any", None), cast("Any", None), 600.0)
    timeline = await found.timeline("ada")
    for one in late:
        store.seen.append(one)
        timeline = await found.timeline("ada")
    return sum(stretch.end - stretch.begin for stretch in timeline.stretches)


@pytest.fixture(autouse=True)
def _always_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "_FRESH_SECONDS", 0.0)


async def test_a_decision_that_is_committed_after_a_later_one_counts() -> None:
    first, late, last = decided(130, 40), decided(94, 36), decided(90, 4)
    assert await worked(Store(first, late, last)) == pytest.approx(80)
    assert await worked(Store(first, last), late) == pytest.approx(80)


async def test_what_is_read_again_counts_once_and_only_a_little_is() -> None:
    store = Store(decided(500, 40), decided(94, 36))
    assert await worked(store, decided(90, 4), decided(50, 40)) == pytest.approx(120)
    assert NOW - datetime.timedelta(seconds=101) < store.asked_after[-1]
