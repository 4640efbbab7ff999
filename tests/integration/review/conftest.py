"""One system for all tests here; each test has a project of its own."""

import re
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.settings import DatabaseSettings
from labelmill_local.system import Running, System
from pydantic import SecretStr

from .support import PROJECT, Review, kafka_settings

COMMAND = [sys.executable, "-m", "review_api"]
UNDO_SECONDS = 6
"""Long enough for a test to take a decision back on a busy machine; `Review.let_go` ends it at once."""


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    settings = {
        "UNDO_SECONDS": str(UNDO_SECONDS),
        "WATCH_SECONDS": "0.5",
        "LOGIN_ATTEMPTS": "3",
        "PRINCIPAL_CACHE_SECONDS": "1",
    }
    async with System(tmp_path_factory.mktemp("review"), env=settings) as running:
        await running.add("review-api", argv=[*COMMAND, "http", "ledger"])
        await running.add("review-api", argv=[*COMMAND, "relay"], restart_on_exit=True)
        yield running


@pytest.fixture(scope="package")
def relay(system: System) -> Running:
    """The process that relays the outbox; killed, it comes back."""
    return system.services[1]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def publisher(system: System) -> AsyncIterator[Publisher]:
    running = Publisher(kafka_settings(system))
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def database(system: System) -> AsyncIterator[Database]:
    url = SecretStr(system.database_url("review"))
    running = Database(DatabaseSettings(database_url=url), "review", "review_api")
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def review(
    request: pytest.FixtureRequest, system: System, publisher: Publisher
) -> AsyncIterator[Review]:
    """A project named after the test."""
    name = re.sub(r"[^a-z0-9]+", "_", request.node.name.removeprefix("test_").lower())[:60].strip("_")
    database = await asyncpg.create_pool(
        system.database_url("review"), min_size=1, max_size=8, server_settings={"search_path": "review"}
    )
    try:
        async with system.review_client() as admin:
            answer = await admin.put(f"/v1/projects/{name}", content=PROJECT.format(project=name))
            answer.raise_for_status()
            yield Review(system, publisher, admin, database, name)
    finally:
        await database.close()
