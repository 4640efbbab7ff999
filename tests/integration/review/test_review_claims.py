"""What a claim costs, counted in the entries of the queue that it looks at."""

from typing import Any

import msgspec
import pytest
from review_api.tasks import sql

from .support import Review, close

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def rows_visited(review: Review, query: str, *args: Any) -> int:
    """Return how many entries of the queue a claim looks at."""
    async with review.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *args)
        finally:
            await transaction.rollback()

    def visited(node: dict[str, Any]) -> float:
        own = 0.0
        if node.get("Index Name") == "assignments_open":
            dropped = node.get("Rows Removed by Filter", 0)
            own = (node["Actual Rows"] + dropped) * node["Actual Loops"]
        return own + sum(visited(child) for child in node.get("Plans", []))

    return int(visited(msgspec.json.decode(plan)[0]["Plan"]))


async def pile_up(review: Review, reviewer: str, count: int) -> None:
    """Let a reviewer have made the first of three decisions on the `count` tasks at the head."""
    await review.database.execute(
        """
        WITH head AS (
            SELECT task_id FROM assignments
            WHERE project = $1 AND state = 'open' ORDER BY priority, task_id LIMIT $3
        ), decided AS (
            UPDATE assignments a SET state = 'decided', reviewer = $2, fence = 0 FROM head h
            WHERE a.task_id = h.task_id AND a.slot = 0
        )
        UPDATE assignments a SET state = 'open' FROM head h WHERE a.task_id = h.task_id AND a.slot = 1
        """,
        review.project,
        reviewer,
        count,
    )


async def test_a_claim_does_not_step_over_all_of_ones_own_work(review: Review) -> None:
    await review.make_tasks(1600, needed=3)
    kai, lou = await review.account("kai", "reviewer"), await review.account("lou", "reviewer")
    await pile_up(review, "kai", 1500)
    (task,) = await review.claim(kai)
    assert task["item_id"] == "i1500", "nobody else began one, so it is the least sure of the others"
    assert await rows_visited(review, sql.CLAIM, review.project, "kai", 1.0, [""]) <= 2 * sql.CLAIM_WINDOW
    assert await rows_visited(review, sql.CLAIM, review.project, "lou", 1.0, [""]) <= 2
    # Far behind all of kai's own work is one task that lou has begun; the rest is taken.
    await review.database.execute(
        "UPDATE assignments SET state = 'waiting', reviewer = NULL WHERE project = $1 AND state = 'open' "
        "AND slot = 0",
        review.project,
    )
    await review.database.execute(
        "UPDATE assignments SET reviewer = 'lou' WHERE project = $1 AND reviewer = 'kai' AND task_id = "
        "(SELECT task_id FROM assignments WHERE project = $1 AND state = 'open' "
        "ORDER BY priority DESC, task_id DESC OFFSET 150 LIMIT 1)",
        review.project,
    )
    found = [tasks for _ in range(4) if (tasks := await review.claim(kai))]
    assert len(found) == 1, "it is found all the same, after a few bounded searches"
    await close([kai, lou])
