"""Fixtures of the tests on real parts: one private Kafka and one private PostgreSQL for the run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from labelmill_local.backends import Backends
from labelmill_local.system import System
from labelmill_stubs import topics

pytest_plugins = ["labelmill_local.pytest_plugin"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """The topics and roles of a system on the run's broker and database; a test starts the services.

    They are shared by several files: use projects of your own, and `System.running` for the services.
    """
    async with System(tmp_path_factory.mktemp("system"), shared=backends) as system:
        for service in ("autolabeler", "router", "trainer"):
            await topics.skip(system.kafka_settings, service)
        yield system


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares a system, for several workers: `pytest -n 2 --dist loadgroup`."""
    for item in items:
        folder = item.path.parent
        together = folder if folder.name in {"review", "ui"} else item.path
        item.add_marker(pytest.mark.xdist_group(str(together.relative_to(Path(__file__).parent))))
