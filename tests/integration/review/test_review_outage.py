"""What happens while the database or Kafka is away, and afterwards."""

import asyncio
from typing import Any

import pytest
from labelmill.topics import REVIEWS_DECIDED
from labelmill_local.system import System

from .support import PROJECT, Review, accepted, item, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def relayed(review: Review, count: int) -> int:
    """Return how many decisions Kafka has once it has `count`. The relay may have been cut off between
    sending one and noting that: then it is there twice, under one key."""

    async def arrived() -> int | None:
        keys = {record.key for record in await review.read(REVIEWS_DECIDED.name, count)}
        return len(keys) if len(keys) >= count else None

    return await until(arrived)


async def test_after_a_crash_of_the_database_everything_goes_on(review: Review, system: System) -> None:
    await review.make_tasks(2)
    reviewer = await review.account("mia", "reviewer")
    (task,) = await review.claim(reviewer)
    body = {"lease": task["lease"], "label": "negative"}
    (await reviewer.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await system.backends.postgres.kill()
    refused = await review.admin.get("/v1/projects")
    assert (refused.status_code, refused.json()["error"]) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    later = [item(review.project, number) for number in range(100, 150)]
    await review.send(*later, *(accepted(score(one)) for one in later))
    await asyncio.sleep(1)
    await system.backends.postgres.start()

    async def answers() -> Any:
        answer = await review.admin.get("/v1/projects")
        return answer if answer.status_code == 200 else None

    await until(answers)
    await review.until("accepted", 50)
    assert (await review.until("items", 52))["items"] == 52
    assert await relayed(review, 1) == 1
    (task,) = await review.claim(reviewer)
    assert task["item_id"] == "i1"
    body = {"lease": task["lease"], "label": "negative"}
    (await reviewer.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    assert await relayed(review, 2) == 2
    await reviewer.aclose()


async def test_while_kafka_is_away_a_definition_is_stored_and_told_later(
    review: Review, system: System
) -> None:
    path = f"/v1/projects/{review.project}"
    definition = PROJECT.format(project=review.project) + "policy: {audit_rate: 0.5}\n"
    await system.backends.kafka.kill()
    changes = [asyncio.create_task(review.admin.put(path, content=definition)) for _ in range(20)]
    while not all(change.done() for change in changes):
        assert (await review.admin.get("/v1/projects")).status_code == 200, "the pool is for everybody"
        await asyncio.sleep(0.5)
    for answer in [change.result() for change in changes]:
        assert (answer.status_code, answer.json()["error"]) == (503, "not_published")
        assert int(answer.headers["Retry-After"]) >= 1
    assert (await review.admin.get(path)).json()["version"] == 2
    await system.backends.kafka.start()

    async def told() -> int | None:
        published: int = await review.database.fetchval(
            "SELECT published_version FROM projects WHERE project = $1", review.project
        )
        return published if published == 2 else None

    await until(told, 60)
    answer = (await review.admin.put(path, content=definition)).raise_for_status()
    assert answer.json()["changed"] is False
