"""What answers to gold mean for people: pauses, training, skills; and how gold is handed in."""

import asyncio
from typing import Any

import msgspec
import pytest

from .gold_support import (
    RIGHT,
    WRONG,
    accuracy_of,
    check_for,
    decide,
    make_gold_project,
    put,
    state,
    texts,
)
from .support import Review, close, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_second_pause_leaves_alone_what_came_before_the_first_was_lifted(review: Review) -> None:
    await put(review, *texts(20))
    await review.make_tasks(40)
    await make_gold_project(review, rate=0.5, bar=0.7, min_answers=5)
    lifted = await review.database.fetchval(
        "INSERT INTO pauses"
        " (project, reviewer, cause, paused_at, since, answers, correct, reopened, lifted_at)"
        " VALUES ($1, 'twice-ann', 'accuracy', now(), now(), 5, 0, 0, now()) RETURNING lifted_at",
        review.project,
    )
    ann = await review.account("twice-ann", "reviewer")
    for _ in range(5):
        await decide(ann, await check_for(review, ann, "twice-ann"), WRONG)
    await state(review, "twice-ann", "paused")
    since = await review.database.fetchval(
        "SELECT since FROM pauses WHERE project = $1 AND lifted_at IS NULL", review.project
    )
    assert since.timestamp() == pytest.approx(lifted.timestamp(), abs=0.01)
    await close([ann])


async def test_below_the_bar_work_is_paused_and_done_again(review: Review) -> None:
    await review.make_tasks(60)
    ann, ben = [await review.account(f"pause-{name}", "reviewer") for name in ("ann", "ben")]
    for task in await review.claim(ann, 3):
        await decide(ann, task, WRONG)
    await review.until("decided", 3)
    await put(review, *texts(20))
    await make_gold_project(review, rate=0.5, bar=0.7, min_answers=6)
    for _ in range(6):
        task = await check_for(review, ann, "pause-ann")
        await decide(ann, task, WRONG)
    found = await state(review, "pause-ann", "paused")
    assert (found["pause"]["correct"], found["pause"]["answers"]) == (0, 6)
    refused = await ann.post(f"/v1/projects/{review.project}/tasks/claim", json={})
    assert (refused.status_code, refused.json()["error"]) == (403, "paused")
    assert "a manager can" in refused.json()["detail"]

    async def reopened() -> int | None:
        pause = (await accuracy_of(review, "pause-ann"))["pause"]
        return pause["reopened"]

    decided = await review.database.fetchval(
        "SELECT count(*) FROM decisions WHERE project = $1 AND reviewer = 'pause-ann'", review.project
    )
    assert await until(reopened) == decided >= 3
    again = (await review.admin.get(f"/v1/projects/{review.project}/promise")).json()["rereviews"]
    assert again["waiting"] == decided
    lift = f"/v1/projects/{review.project}/pauses/pause-ann/lift"
    assert (await ann.post(lift, json={"reason": "please"})).status_code == 403
    assert (await review.admin.post(lift, json={"reason": ""})).status_code == 422
    assert (await review.admin.post(lift, json={"reason": "we talked"})).status_code == 200
    assert (await review.admin.post(lift, json={"reason": "we talked"})).status_code == 404
    assert await review.claim(ann)
    found = await state(review, "pause-ann", "working")
    assert (found["pause"]["reason"], found["accuracy"]["all"]["answers"]) == ("we talked", 6)
    log = (await review.admin.get("/v1/audit", params={"subject": "pause-ann"})).json()
    assert "pause.lifted" in str(log)
    await close([ann, ben])


async def test_only_answers_that_can_no_longer_be_taken_back_pause(review: Review) -> None:
    await put(review, *texts(20))
    await review.make_tasks(40)
    await make_gold_project(review, rate=0.5, bar=0.7, min_answers=5)
    ann = await review.sign_in("final-ann")
    for _ in range(5):
        await decide(ann, await check_for(review, ann, "final-ann"), WRONG)
    await state(review, "final-ann", "paused")
    row = await review.database.fetchrow(
        "SELECT max(undo_until) AS final, (SELECT paused_at FROM pauses WHERE project = $1) AS paused"
        " FROM gold_checks WHERE project = $1 AND label IS NOT NULL",
        review.project,
    )
    assert row["paused"] >= row["final"], "by itself, once the fifth answer is final"
    await close([ann])


async def test_newcomers_learn_first(review: Review) -> None:
    await make_gold_project(review, rate=0.0, training_tasks=4, bar=0.7)
    await put(review, *texts(20))
    await review.make_tasks(3)
    ann = await review.account("train-ann", "reviewer")
    answers = []
    for turn in range(5):
        (task,) = await review.claim(ann)
        assert task["training"] is True
        assert task["blind"] is True
        answers.append(await decide(ann, task, WRONG if turn == 0 else RIGHT))
        number = int(task["content"].removeprefix("gold text "))
        assert (answers[-1]["right_label"], answers[-1]["explanation"]) == (RIGHT, f"because {number}")
        assert (await ann.post(f"/v1/tasks/{task['task_id']}/undo")).status_code == 409
        if turn == 3:
            break  # 3 of 4 reach the bar
    (task,) = await review.claim(ann)
    assert task["training"] is False
    done = await decide(ann, task, RIGHT)
    assert list(done) == ["task_id", "decisions", "final"]
    own = (await ann.get(f"/v1/projects/{review.project}/me/accuracy")).json()
    assert (own["state"], own["training_done"], own["accuracy"]["all"]["right"]) == ("working", 4, 3)
    await close([ann])


async def test_who_does_not_learn_is_told_to_ask(review: Review) -> None:
    await make_gold_project(review, rate=0.0, training_tasks=2, bar=0.7)
    await put(review, *texts(20))
    await review.make_tasks(3)
    ann = await review.account("fail-ann", "reviewer")
    for _ in range(6):
        (task,) = await review.claim(ann)
        await decide(ann, task, WRONG)
    refused = await ann.post(f"/v1/projects/{review.project}/tasks/claim", json={})
    assert refused.status_code == 403
    assert "ask a manager" in refused.json()["detail"]
    lift = f"/v1/projects/{review.project}/pauses/fail-ann/lift"
    (await review.admin.post(lift, json={"reason": "knows it now"})).raise_for_status()
    (task,) = await review.claim(ann)
    assert task["training"] is False
    await close([ann])


async def test_gold_grants_a_skill_and_takes_it_away(review: Review) -> None:
    skill = ", skills: [{name: law, metadata: {field: [law]}, gold_needed: 3}]"
    await make_gold_project(review, skill, rate=0.5, bar=0.7, min_answers=50)
    await put(review, *texts(20, skill="law"))
    await review.make_tasks(60)
    ann = await review.account("skill-ann", "reviewer")
    path = f"/v1/projects/{review.project}/skills/law/claim"
    assert (await ann.post(path.replace("law", "art"), json={})).status_code == 404
    for _ in range(3):
        (task,) = (await ann.post(path, json={})).raise_for_status().json()["tasks"]
        assert task["training"] is True
        assert (await decide(ann, task, RIGHT))["right_label"] == RIGHT

    async def skills() -> list[Any]:
        return await review.database.fetch(
            "SELECT skill, source FROM skills WHERE project = $1 AND reviewer = 'skill-ann'", review.project
        )

    async def granted() -> bool | None:
        return [tuple(row) for row in await skills()] == [("law", "gold")] or None

    await until(granted)
    await asyncio.sleep(5.1)  # for what is remembered of skills
    for _ in range(3):  # no more: once the skill is gone, its checks are
        task = await check_for(review, ann, "skill-ann")
        await decide(ann, task, WRONG)

    async def taken() -> bool | None:
        return not await skills() or None

    await until(taken)
    await close([ann])


async def test_a_skill_that_a_manager_took_is_not_granted_again_for_the_same_answers(review: Review) -> None:
    skill = ", skills: [{name: law, metadata: {field: [law]}, gold_needed: 3}]"
    await make_gold_project(review, skill, rate=0.5, bar=0.7, min_answers=50)
    await put(review, *texts(20, skill="law"))
    ann = await review.account("taken-ann", "reviewer")
    path = f"/v1/projects/{review.project}/skills/law"

    async def answer_gold(count: int) -> None:
        for _ in range(count):
            (task,) = (await ann.post(f"{path}/claim", json={"count": 1})).raise_for_status().json()["tasks"]
            await decide(ann, task, RIGHT)

    async def granted() -> bool | None:
        return (
            bool((await review.admin.get(f"/v1/projects/{review.project}/skills")).json()["grants"]) or None
        )

    await answer_gold(3)
    await until(granted)
    (await review.admin.delete(f"{path}/taken-ann")).raise_for_status()
    await answer_gold(1)
    await asyncio.sleep(2)
    assert not await granted(), "what the manager took stays taken"
    await answer_gold(2)
    await until(granted)
    await close([ann])


async def test_gold_is_handed_in_listed_and_retired(review: Review) -> None:
    await review.make_tasks(2)
    done = await put(
        review,
        {"item_id": "i0", "label": RIGHT, "explanation": "joy"},
        {"item_id": "nowhere", "label": RIGHT},
        {"item_id": "i1", "content": "other words", "label": RIGHT},
        {"content": "a new text", "label": WRONG, "metadata": {"source": "app"}},
        {"item_id": "i1", "label": "so-so"},
    )
    assert (done["added"], done["changed"], done["refused_count"]) == (2, 0, 3)
    assert [one["line"] for one in done["refused"]] == [2, 3, 5]
    again = await put(review, {"content": "a new text", "label": RIGHT, "metadata": {"source": "app"}})
    assert (again["added"], again["changed"]) == (0, 1)
    path = f"/v1/projects/{review.project}/gold"
    listed = (await review.admin.get(path)).json()["gold"]
    assert [(one["content"], one["label"], one["is_item"]) for one in listed] == [
        ("a new text", RIGHT, False), ("what a day, number 0", RIGHT, True),
    ]  # fmt: skip
    made_up = listed[0]["item_id"]
    assert made_up[0] == "i"
    lines = [
        {"item_id": name, "content": "a new text", "metadata": {"source": "app"}} for name in (made_up, "z1")
    ]
    taken = (await review.ingest(b"\n".join(map(msgspec.json.encode, lines)))).json()
    assert (taken["accepted"], taken["duplicates"]) == (1, 0)
    assert [(one["item_id"], one["reason"]) for one in taken["rejected"]] == [(made_up, "gold_id")]
    assert (await review.admin.delete(f"{path}/{made_up}")).status_code == 200
    assert (await review.admin.delete(f"{path}/{made_up}")).status_code == 404
    assert (await review.admin.get(path)).json()["gold"][0]["retired"] is True
    ann = await review.account("list-ann", "reviewer")
    for answer in (await ann.get(path), await ann.put(path, content=b"[]"), await ann.delete(f"{path}/i0")):
        assert answer.status_code == 403
    broken = await review.admin.put(path, content=b'[{"item_id"')
    assert broken.status_code == 422
    await close([ann])


async def test_unanimous_items_are_offered_as_gold(review: Review) -> None:
    await review.make_tasks(3, needed=2)
    ann, ben = [await review.account(f"offer-{name}", "reviewer") for name in ("ann", "ben")]
    said = {"i0": (WRONG, WRONG), "i1": (RIGHT, RIGHT), "i2": (RIGHT, WRONG)}
    for place, client in enumerate((ann, ben)):
        for task in await review.claim(client, 3):
            await decide(client, task, said[task["item_id"]][place])
    path = f"/v1/projects/{review.project}/gold-candidates"
    found = (await review.admin.get(path)).json()["candidates"]
    assert [(one["item_id"], one["label"], one["corrected"], one["people"]) for one in found] == [
        ("i0", WRONG, True, 2), ("i1", RIGHT, False, 2),
    ]  # fmt: skip
    await put(review, {"item_id": "i0", "label": WRONG})
    assert [one["item_id"] for one in (await review.admin.get(path)).json()["candidates"]] == ["i1"]
    await close([ann, ben])
