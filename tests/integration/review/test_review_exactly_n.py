"""Exactly N decisions for every task, whatever people and servers do: `make bench-exactly_n` in small."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from labelmill.runtime.postgres import Database
from labelmill_local.system import Running, System

from benchmarks.exactly_n import ENV, NotExactError, check, collect

from .conftest import COMMAND

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACTS = (
    "late_409",
    "again_200",
    "twice_200",
    "undo_200",
    "undone_200",
    "skip_200",
    "heartbeat_200",
    "vanish_0",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(system: System) -> AsyncIterator[list[Running]]:
    """Two servers on which leases end after a second."""
    argv = [*COMMAND, "http"]
    running = [await system.add("review-api", argv=argv, env=ENV, restart_on_exit=True) for _ in range(2)]
    yield running
    for server in running:
        await server.process.stop()
        system.services.remove(server)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("needed", "tasks"), [(1, 2000), (3, 500)])
async def test_exactly_n_decisions_whatever_64_people_do(
    system: System, servers: list[Running], database: Database, needed: int, tasks: int
) -> None:
    collected = await collect(system, servers, database, needed, tasks)
    figures = await check(database, collected)
    assert figures["tasks_exact"] == tasks
    assert figures["decisions"] == needed * tasks
    assert figures["requests_sent_again"] > 0, "no server was killed while people worked"
    assert [act for act in ACTS if not figures.get(act)] == [], "the run tested too little"
    async with database.pool.acquire() as connection:
        one = await connection.fetchval(
            "DELETE FROM decisions WHERE (task_id, slot) = (SELECT task_id, slot FROM decisions "
            "WHERE project = $1 LIMIT 1) RETURNING task_id",
            collected.project,
        )
    with pytest.raises(NotExactError, match=f"task {one}: decisions {needed - 1}, not {needed}"):
        await check(database, collected)
