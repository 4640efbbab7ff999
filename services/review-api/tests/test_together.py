"""Calls that go together, and what becomes of the others when one is refused."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from review_api.tasks.together import Together

pytestmark = pytest.mark.asyncio


class Doubling:
    """Doubles numbers, slowly; a batch with a number of `bad` is refused as a whole."""

    def __init__(self, error: Exception | None = None, bad: frozenset[int] = frozenset()) -> None:
        self.batches: list[list[int]] = []
        self._error = error
        self._bad = bad

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await asyncio.sleep(0.001)
        if self._error is not None and self._bad.intersection(numbers):
            raise self._error
        return [2 * number for number in numbers]


async def test_who_comes_while_a_batch_is_under_way_goes_with_the_next() -> None:
    doubling = Doubling()
    together = Together(doubling, most=4, at_once=1)
    assert await together(7) == 14
    assert await asyncio.gather(*map(together, range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert doubling.batches == [[7], [0, 1, 2, 3], [4, 5, 6]]


async def test_as_many_batches_as_allowed_are_under_way_at_once() -> None:
    doubling = Doubling()
    together = Together(doubling, most=1, at_once=2)
    calls = [asyncio.create_task(together(number)) for number in range(3)]
    while len(doubling.batches) < 2:
        await asyncio.sleep(0)
    assert doubling.batches == [[0], [1]]
    assert await asyncio.gather(*calls) == [0, 2, 4]


@pytest.mark.parametrize(
    "error", [asyncpg.UniqueViolationError("there"), asyncpg.DeadlockDetectedError("no")]
)
async def test_a_refused_batch_is_done_again_call_by_call(error: Exception) -> None:
    doubling = Doubling(error, frozenset({1}))
    together = Together(doubling, most=3, at_once=1)
    found = await asyncio.gather(*map(together, range(3)), return_exceptions=True)
    assert found == [0, error, 4]
    assert doubling.batches == [[0, 1, 2], [0], [1], [2]]
    assert await together(4) == 8


async def test_an_outage_is_everybodys() -> None:
    error = ConnectionError("away")
    doubling = Doubling(error, frozenset({1}))
    together = Together(doubling, most=3, at_once=1)
    assert await asyncio.gather(*map(together, range(3)), return_exceptions=True) == [error] * 3
    assert doubling.batches == [[0, 1, 2]]


async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    together = Together(Doubling(), most=3, at_once=1)
    calls = [asyncio.create_task(together(number)) for number in range(3)]
    await asyncio.sleep(0)
    calls[1].cancel()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert (found[0], found[2]) == (0, 4)
    assert isinstance(found[1], asyncio.CancelledError)
