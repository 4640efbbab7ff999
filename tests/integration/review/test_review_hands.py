"""Who finds nothing to claim is told what they hold in another window, and can take it over."""

import asyncio
from typing import Any

import httpx
import pytest

from .gold_support import RIGHT, check_for, decide, make_gold_project, post, put, texts
from .support import Review, close

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ask(review: Review, client: httpx.AsyncClient, what: str, count: int = 20) -> dict[str, Any]:
    answer = await client.post(f"/v1/projects/{review.project}/tasks/{what}", json={"count": count})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def test_an_empty_claim_tells_what_one_holds(review: Review) -> None:
    await review.make_tasks(3)
    ann, bob = await review.account("hands-ann", "reviewer"), await review.account("hands-bob", "reviewer")
    first = await ask(review, ann, "claim", 2)
    assert first["in_hand"] == [], "there was something to claim"
    assert len((await ask(review, bob, "claim", 1))["tasks"]) == 1
    nothing = await ask(review, ann, "claim")
    held = sorted(task["task_id"] for task in first["tasks"])
    assert nothing == {"tasks": [], "in_hand": held, "skills_wanted": []}
    await decide(ann, first["tasks"][0], "positive")
    assert (await ask(review, ann, "claim"))["in_hand"] == [first["tasks"][1]["task_id"]]
    await close([ann, bob])


async def test_what_is_taken_over_counts_once_and_only_under_its_new_lease(review: Review) -> None:
    await review.make_tasks(3, needed=2)
    ann, bob = await review.account("hands-cat", "reviewer"), await review.account("hands-dan", "reviewer")
    before = {task["task_id"]: task for task in (await ask(review, ann, "claim"))["tasks"]}
    others = (await ask(review, bob, "claim"))["tasks"]
    some = (await ask(review, ann, "take-over", 2))["tasks"]
    assert {task["task_id"] for task in some} == set(sorted(before)[:2])
    rest = {task["task_id"]: task for task in (await ask(review, ann, "take-over"))["tasks"]}
    assert set(rest) == set(before)
    for task_id, task in rest.items():
        earlier = before[task_id]
        assert task["lease"] != earlier["lease"]
        assert {**task, "lease": "", "lease_until": 0} == {**earlier, "lease": "", "lease_until": 0}
        assert (await post(ann, earlier, "heartbeat")).json()["error"] == "lease_lost"
    task = rest[sorted(rest)[0]]
    late = await post(ann, before[task["task_id"]], "decision", label="negative")
    assert (late.status_code, late.json()["error"]) == (409, "lease_lost")
    (again, *_) = (await ask(review, ann, "take-over", 1))["tasks"]
    assert (again["task_id"], again["kept"]) == (task["task_id"], "negative")
    for one in [again, *(rest[task_id] for task_id in sorted(rest)[1:])]:
        await decide(ann, one, "positive")
    for one in others:
        assert (await decide(bob, one, "positive"))["final"], "bob's leases are as they were"
    rows = await review.database.fetch(
        "SELECT reviewer, count(*) AS times FROM decisions WHERE project = $1 GROUP BY 1", review.project
    )
    assert {row["reviewer"]: row["times"] for row in rows} == {"hands-cat": 3, "hands-dan": 3}
    assert (await ask(review, ann, "take-over"))["tasks"] == []
    await close([ann, bob])


async def test_two_windows_that_take_over_at_once_do_not_both_have_a_task(review: Review) -> None:
    await review.make_tasks(6)
    ann = await review.account("hands-eve", "reviewer")
    await ask(review, ann, "claim")
    answers = await asyncio.gather(*(ask(review, ann, "take-over") for _ in range(8)))
    leases: dict[int, list[dict[str, Any]]] = {}
    for task in (task for one in answers for task in one["tasks"]):
        leases.setdefault(task["task_id"], []).append(task)
    assert len(leases) == 6
    for held in leases.values():
        counted = [await post(ann, task, "decision", label="positive") for task in held]
        assert sorted(answer.status_code for answer in counted) == [200] + [409] * (len(held) - 1)
    await close([ann])


async def test_a_hidden_check_is_taken_over_like_any_task(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await put(review, *texts(1))
    await review.make_tasks(70)
    ann = await review.account("hands-fay", "reviewer")
    check = await check_for(review, ann, "hands-fay")
    held = [check, *await review.claim(ann, 3)]
    tasks = (await ask(review, ann, "take-over"))["tasks"]
    assert [task["item_id"] for task in tasks] == sorted(task["item_id"] for task in held)
    assert len({tuple(sorted(task)) for task in tasks}) == 1, "all have the same fields"
    assert len({task["lease_until"] for task in tasks}) == 1, "all are leased at one moment"
    taken = next(task for task in tasks if task["task_id"] == check["task_id"])
    assert (taken["content"], taken["blind"], taken["suggestion"]) == (check["content"], True, None)
    while (found := await ask(review, ann, "claim"))["tasks"]:
        pass
    assert check["task_id"] in found["in_hand"]
    assert (await post(ann, check, "decision", label=RIGHT)).status_code == 409
    assert (await decide(ann, taken, RIGHT))["decisions"] == 1
    assert check["task_id"] not in (await ask(review, ann, "claim"))["in_hand"]
    await close([ann])
