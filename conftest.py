"""Fixtures of the tests on real parts: one private Kafka and one private PostgreSQL for the run."""

import os
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any

import pytest
import pytest_asyncio
from labelmill_local.backends import Backends
from labelmill_local.system import System
from labelmill_stubs import topics
from xdist.scheduler import LoadFileScheduling

pytest_plugins = ["labelmill_local.pytest_plugin"]

# Tests start many processes and kill some. A broker that lives for minutes does not repay the JVM's second
# compiler, and a partition of a process that was killed need not wait as long as one behind a slow network.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
os.environ.setdefault("KAFKA_SESSION_SECONDS", "4")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """The topics and roles of a system on the run's broker and database; a test starts the services.

    They are shared by several files: use projects of your own, and `System.running` for the services.
    """
    async with System(tmp_path_factory.mktemp("system"), shared=backends) as system:
        for service in ("autolabeler", "router", "trainer"):
            await topics.skip(system.kafka_settings, service)
        yield system


class Together(LoadFileScheduling):
    """Sends what shares a system to one worker: a file, or a folder whose files share one."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::", 1)[0])
        return str(file.parent if file.parent.name in {"review", "ui"} else file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the two longest groups, so that no worker ends long after the other."""
    items.sort(key=lambda item: item.path.parent.name not in {"review", "ui"})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Used with `pytest -n 2 --dist loadfile --no-loadscope-reorder`."""
    return Together(config, log)
