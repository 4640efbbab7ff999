"""What the tests of gold do to a project and its people."""

import asyncio
from typing import Any

import httpx
import msgspec

from .support import PROJECT, Review, until

RIGHT, WRONG = "positive", "negative"


async def make_gold_project(review: Review, more: str = "", **gold: Any) -> None:
    """Define the project anew, with these settings of review.gold."""
    settings = ", ".join(f"{name}: {value}" for name, value in gold.items())
    text = PROJECT.format(project=review.project) + f"review: {{gold: {{{settings}}}{more}}}\n"
    (await review.admin.put(f"/v1/projects/{review.project}", content=text)).raise_for_status()
    await asyncio.sleep(2.1)  # for what processes remember of a project


async def put(review: Review, *lines: dict[str, Any]) -> dict[str, Any]:
    body = b"\n".join(msgspec.json.encode(line) for line in lines)
    answer = await review.admin.put(f"/v1/projects/{review.project}/gold", content=body)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def texts(count: int, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    return [{"content": f"gold text {n}", "label": RIGHT, "explanation": f"because {n}"} | fields
            for n in range(first, first + count)]  # fmt: skip


async def checks(review: Review, reviewer: str) -> dict[int, Any]:
    """Return the checks that somebody was given, by their number."""
    rows = await review.database.fetch(
        "SELECT * FROM gold_checks WHERE project = $1 AND reviewer = $2", review.project, reviewer
    )
    return {row["task_id"]: row for row in rows}


async def post(client: httpx.AsyncClient, task: dict[str, Any], what: str, **more: Any) -> httpx.Response:
    return await client.post(f"/v1/tasks/{task['task_id']}/{what}", json={"lease": task["lease"]} | more)


async def check_for(review: Review, client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Claim until a check comes; what else comes is decided."""
    for _ in range(60):
        for task in await review.claim(client):
            if task["task_id"] in await checks(review, name):
                return task
            await decide(client, task, RIGHT)
    raise AssertionError("no check came")


async def decide(client: httpx.AsyncClient, task: dict[str, Any], label: str) -> dict[str, Any]:
    answer = await post(client, task, "decision", label=label)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def accuracy_of(review: Review, name: str) -> dict[str, Any]:
    answer = await review.admin.get(f"/v1/projects/{review.project}/accuracy")
    found = {one["reviewer"]: one for one in answer.raise_for_status().json()["reviewers"]}
    return dict(found.get(name, {}))


async def state(review: Review, name: str, wanted: str) -> dict[str, Any]:
    """Wait until somebody is in a state; return how they stand."""

    async def reached() -> dict[str, Any] | None:
        found = await accuracy_of(review, name)
        return found if found.get("state") == wanted else None

    return await until(reached)
