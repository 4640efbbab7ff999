"""Fixtures for tests on the real parts.

A root conftest has them with `pytest_plugins = ["labelmill_local.pytest_plugin"]`.
"""

import asyncio
from collections.abc import Iterator

import pytest

from labelmill_local.backends import Backends
from labelmill_local.kafka import Kafka
from labelmill_local.postgres import Postgres


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    """A Kafka and a PostgreSQL shared by the whole test session: use topics and databases of your own."""
    running = Backends(tmp_path_factory.mktemp("backends"))
    loop = asyncio.new_event_loop()  # not asyncio.run: that would unset the loop of the test runner
    try:
        loop.run_until_complete(running.start())
        yield running
    finally:
        loop.run_until_complete(running.stop())
        loop.close()


@pytest.fixture(scope="session")
def kafka(backends: Backends) -> Kafka:
    """The session's broker."""
    return backends.kafka


@pytest.fixture(scope="session")
def postgres(backends: Backends) -> Postgres:
    """The session's database server; `await postgres.create_database(name)` gives a test one of its own."""
    return backends.postgres
