"""Whoever sees erasures through may be killed at any point: the next one ends what was begun, once."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from labelmill.runtime.erasing import is_tombstone
from labelmill.runtime.publisher import Publisher
from labelmill.topics import ERASURES, ITEMS, REVIEWS_REQUESTED
from labelmill_local.system import System

from .dying_eraser import AFTER_CONFIRMATION, BEFORE_CONFIRMATION
from .support import Review, item, kafka_settings, requested, score, until
from .test_review_erasing import confirm, erase, found_in, until_state

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system in which nobody erases but whom these tests start: the relay, which does, is left out."""
    async with System(tmp_path_factory.mktemp("killed")) as running:
        await running.add("review-api", argv=[sys.executable, "-m", "review_api", "http", "ledger"])
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def publisher(system: System) -> AsyncIterator[Publisher]:
    running = Publisher(kafka_settings(system))
    await running.start()
    yield running
    await running.stop()


async def erases(review: Review, until_point: str = "") -> int:
    """Run a process that erases, until it has nothing to do or is killed; return its exit status."""
    program = str(Path(__file__).with_name("dying_eraser.py"))
    database, kafka = review.system.database_url("review"), kafka_settings(review.system)
    arguments = (program, database, kafka.kafka_bootstrap_servers, until_point)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    async with asyncio.timeout(60):
        return await process.wait()


async def confirmed(review: Review, erasure: int) -> None:
    """Confirm as the other services do, and wait until that is noted."""
    await confirm(review, erasure, "i1")
    query = "SELECT min(cardinality(confirmed)) FROM erasure_items WHERE erasure_id = $1"

    async def noted() -> bool | None:
        return (await review.database.fetchval(query, erasure)) == 2 or None

    await until(noted)


@pytest.mark.parametrize("point", [*BEFORE_CONFIRMATION, *AFTER_CONFIRMATION])
async def test_it_ends_complete_if_killed_when(review: Review, point: str) -> None:
    marker = f"killed {point}"
    one = item(review.project, 1, marker)
    await review.send(one)
    await review.until("items", 1)
    await review.send(requested(score(one)))
    await review.until("requested", 1)
    assert "items" in await found_in(review, marker)
    erasure = await erase(review, project=review.project, item_id="i1")

    if point in BEFORE_CONFIRMATION:
        assert await erases(review, point) == -signal.SIGKILL
    assert await erases(review) == 0
    await confirmed(review, erasure)
    if point in AFTER_CONFIRMATION:
        assert await erases(review, point) == -signal.SIGKILL
    assert await erases(review) == 0

    shown = await until_state(review, erasure, "done")
    assert (shown["items"], shown["unconfirmed"]) == (1, 0)
    assert shown["removed"]["review-api"] == {"items": 1, "routes": 1, "tasks": 1, "assignments": 1}
    assert await found_in(review, marker) == {}
    assert await found_in(review, one.content_hash) == {}
    status = await review.status()
    assert (status["items"], status["requested"], status["open_tasks"]) == (0, 0, 0), "taken off once"
    for name in (ITEMS.name, REVIEWS_REQUESTED.name, ERASURES.name, ERASURES.dlq):
        *_, last = await review.read(str(name), 1)
        assert is_tombstone(last), f"no tombstone is the last word on {name}"
