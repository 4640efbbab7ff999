"""Review work: leases, decisions, and taking them back."""

import time
from typing import Any

import httpx
import msgspec
import pytest
from labelmill.events import EventDecoder, ReviewDecided
from labelmill.topics import REVIEWS_DECIDED

from .conftest import UNDO_SECONDS
from .support import PROJECT, Review, close, item, partition_of, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LABELS = ("positive", "negative")
LEASE_SECONDS = 300.0


async def decide(client: httpx.AsyncClient, task: dict[str, Any], label: str = "positive") -> httpx.Response:
    body = {"lease": task["lease"], "label": label}
    return await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)


async def act(client: httpx.AsyncClient, task: dict[str, Any], what: str, **body: str) -> httpx.Response:
    return await client.post(f"/v1/tasks/{task['task_id']}/{what}", json={"lease": task["lease"], **body})


async def pass_time(review: Review, task: dict[str, Any], seconds: float) -> None:
    """Let a lease be as if so much time had passed since."""
    await review.database.execute(
        "UPDATE assignments SET leased_at = leased_at - make_interval(secs => $2),"
        " lease_until = lease_until - make_interval(secs => $2) WHERE task_id = $1 AND state = 'leased'",
        task["task_id"],
        seconds,
    )


async def test_the_least_sure_comes_first_and_a_decision_settles_it(review: Review) -> None:
    await review.make_tasks(20)
    ada = await review.account("ada", "reviewer")
    tasks = await review.claim(ada, 5)
    assert [task["item_id"] for task in tasks] == ["i0", "i1", "i2", "i3", "i4"]
    assert tasks[0]["suggestion"] == {"label": "positive", "confidence": 0.5}
    assert tasks[0]["reasons"] == ["low_confidence"]
    status = await review.status()
    assert (status["open_tasks"], status["leased_tasks"]) == (15, 5)

    assert (await decide(ada, tasks[0], "sideways")).status_code == 422
    answers = [await decide(ada, tasks[0], "negative") for _ in range(2)]
    assert [a.json() for a in answers] == [
        {"task_id": tasks[0]["task_id"], "decisions": 1, "final": True}
    ] * 2
    assert (await decide(ada, tasks[0], "positive")).status_code == 409
    assert (await decide(ada, tasks[1], "positive")).json()["final"] is True

    first, second = sorted(await review.read(REVIEWS_DECIDED.name, 2), key=lambda record: record.key)
    event = EventDecoder(ReviewDecided).decode(first.value)
    assert (event.item_id, event.label, event.machine_label) == ("i0", "negative", "positive")
    assert (event.content, event.kind, event.guideline_version) == ("what a day, number 0", "choice", 1)
    assert [(d.reviewer, d.label) for d in event.decisions] == [("ada", "negative")]
    assert event.decisions[0].seconds >= 0
    assert event.is_correction
    assert first.partition == partition_of(event)
    assert (first.key or b"").startswith(f"{review.project}/i0".encode()), "all of an item go one way"
    assert EventDecoder(ReviewDecided).decode(second.value).item_id == "i1"
    await review.until_left()
    status = await review.status()
    assert (status["decided"], status["corrections"], status["final_labels"]) == (2, 1, 2)
    assert status["open_tasks"] + status["leased_tasks"] == 18
    stats = (await review.admin.get(f"/v1/projects/{review.project}/stats")).json()
    assert sum(minute["decided"] for minute in stats["minutes"]) == 2
    assert (await ada.get("/v1/me")).json()["decisions_today"] == 2
    await ada.aclose()


async def test_blind_tasks_tell_nothing_of_the_machine(review: Review) -> None:
    one = item(review.project, 1)
    await review.send(one, requested(score(one, 0.97), reasons=["audit"], blind=True))
    await review.until_tasks(1)
    bea = await review.account("bea", "reviewer")
    (task,) = await review.claim(bea)
    assert task["blind"] is True
    assert task["suggestion"] is None
    assert task["reasons"] == []
    assert b"positive" not in msgspec.json.encode(task)
    assert b"0.97" not in msgspec.json.encode(task)
    await decide(bea, task, "negative")
    await review.read(REVIEWS_DECIDED.name, 1)

    async def audited() -> dict[str, Any] | None:
        stats = (await review.admin.get(f"/v1/projects/{review.project}/stats")).json()
        return next((minute for minute in stats["minutes"] if minute["audits"]), None)

    minute = await until(audited)
    assert (minute["audits"], minute["audit_errors"]) == (1, 1)
    await bea.aclose()


async def test_an_expired_lease_is_lost_and_the_answer_kept(review: Review) -> None:
    await review.make_tasks(1)
    cem, dee = await review.account("cem", "reviewer"), await review.account("dee", "reviewer")
    (task,) = await review.claim(cem)
    assert task["lease_until"] == pytest.approx((time.time() + LEASE_SECONDS) * 1000, abs=60_000)
    assert await review.claim(dee) == []
    for _ in range(4):
        await pass_time(review, task, LEASE_SECONDS / 2)
        assert (await act(cem, task, "heartbeat")).json()["lease_until"] > task["lease_until"]
    assert await review.claim(dee) == [], "a heartbeat keeps the lease"
    await pass_time(review, task, LEASE_SECONDS + 1)
    late = await decide(cem, task, "negative")
    assert (late.status_code, late.json()["error"]) == (409, "lease_lost")
    (again,) = await review.claim(dee)
    assert again["task_id"] == task["task_id"]
    assert again["kept"] is None, "another person's answer is not shown"
    assert (await decide(cem, task, "negative")).status_code == 409
    assert (await act(cem, task, "heartbeat")).status_code == 409
    assert (await act(cem, task, "skip")).status_code == 409
    assert (await act(dee, again, "skip", reason="unsure")).json()["skipped"] is True
    assert await review.claim(dee) == [], "not to the same person again soon"
    (back,) = await review.claim(cem)
    assert back["kept"] == "negative"
    assert (await decide(cem, back, "negative")).json()["final"] is True
    assert await review.database.fetchval("SELECT reason FROM skips WHERE reviewer = 'dee'") == "unsure"
    assert (await decide(dee, {"task_id": 10**12, "lease": "1"})).status_code == 404
    await close([cem, dee])


async def test_a_decision_on_the_page_can_be_taken_back_for_a_moment(review: Review) -> None:
    await review.make_tasks(2)
    page = await review.sign_in("eve")
    eve = await review.account("eve", "reviewer")
    (task,) = await review.claim(page)
    assert (await decide(page, task, "negative")).json()["final"] is True
    status = await review.status()
    assert (status["decided"], status["final_labels"]) == (1, 1)
    assert status["corrections"] == 0, "what the machine said is not told while it can be taken back"
    assert (status["decided"], status["compared"]) == (1, 0)
    undone = (await act(page, task, "undo")).json()
    assert undone["lease"] != task["lease"]
    status = await review.status()
    assert (status["decided"], status["final_labels"], status["corrections"]) == (0, 0, 0)
    assert (await decide(page, task, "negative")).status_code == 409, "the old lease is gone"
    assert (await decide(page, {**task, **undone}, "positive")).json()["final"] is True
    held = "SELECT extract(epoch FROM not_before - now()) FROM outbox WHERE project = $1"
    assert 0 < await review.database.fetchval(held, review.project) <= UNDO_SECONDS
    await review.let_go()
    assert (await act(page, task, "undo")).json()["error"] == "too_late"
    (record,) = await review.read(REVIEWS_DECIDED.name, 1)
    assert EventDecoder(ReviewDecided).decode(record.value).label == "positive"
    (other,) = await review.claim(eve)
    await decide(eve, other)
    assert (await act(eve, other, "undo")).status_code == 409, "with a token it leaves at once"
    await close([eve, page])


async def test_undo_brings_back_what_was_final_before(review: Review) -> None:
    one = item(review.project, 1)
    await review.make_tasks(0)
    await review.send(one, requested(score(one)))
    await review.until_tasks(1)
    await review.database.execute(
        "INSERT INTO final_labels VALUES ($1, 'i1', '\"positive\"', 'machine', 0.9, 1, 3, 4, 1)",
        review.project,
    )
    page = await review.sign_in("fay")
    (task,) = await review.claim(page)
    await decide(page, task, "negative")
    query = "SELECT source, label, release, decided_at FROM final_labels WHERE project = $1"
    assert (await review.database.fetchrow(query, review.project))["source"] == "people"
    assert (await act(page, task, "undo")).status_code == 200
    assert tuple(await review.database.fetchrow(query, review.project)) == ("machine", '"positive"', 3, 4)
    await page.aclose()


async def test_three_people_decide_and_the_majority_counts(review: Review) -> None:
    await review.make_tasks(1, needed=3)
    people = [await review.account(f"voter{number}", "reviewer") for number in range(4)]
    tasks = [(await review.claim(person))[0] for person in people[:3]]
    assert await review.claim(people[3]) == [], "three are needed and three have it"
    assert await review.claim(people[0]) == [], "nobody has a task twice"
    answers = [
        (await decide(person, task, label)).json()
        for person, task, label in zip(people, tasks, ["negative", "positive", "negative"], strict=False)
    ]
    assert [answer["decisions"] for answer in answers] == [1, 2, 3]
    assert [answer["final"] for answer in answers] == [False, False, True]
    (record,) = await review.read(REVIEWS_DECIDED.name, 1)
    event = EventDecoder(ReviewDecided).decode(record.value)
    assert event.label == "negative"
    assert [d.reviewer for d in event.decisions] == ["voter0", "voter1", "voter2"]
    await close(people)


async def test_a_decision_counts_under_the_guideline_in_force(review: Review) -> None:
    await review.make_tasks(1)
    gus = await review.account("gus", "reviewer")
    (task,) = await review.claim(gus)
    wider = PROJECT.format(project=review.project).replace("negative}]", "negative}, {name: mixed}]")
    assert "mixed" in wider
    answer = await review.admin.put(f"/v1/projects/{review.project}", content=wider)
    assert answer.json()["guideline_version"] == 2
    assert (await decide(gus, task, "mixed")).json()["final"] is True
    (record,) = await review.read(REVIEWS_DECIDED.name, 1)
    event = EventDecoder(ReviewDecided).decode(record.value)
    assert (event.label, event.guideline_version) == ("mixed", 2)
    lineage = (await review.admin.get(f"/v1/projects/{review.project}/items/i0")).json()
    assert [decision["guideline_version"] for decision in lineage["decisions"]] == [2]
    final = lineage["final_label"]
    assert (final["label"], final["guideline_version"], final["routed_under"]) == ("mixed", 2, 1)
    exported = msgspec.json.decode((await review.admin.get(f"/v1/projects/{review.project}/labels")).content)
    assert (exported["machine_label"], exported["guideline_version"]) == ("positive", 2)
    await gus.aclose()


async def test_what_was_kept_for_a_task_goes_when_it_is_settled(review: Review) -> None:
    await review.make_tasks(1)
    hana, ivo, jo = [await review.account(name, "reviewer") for name in ("hana", "ivo", "jo")]
    (task,) = await review.claim(hana)
    assert (await act(hana, task, "skip")).json()["skipped"] is True
    (task,) = await review.claim(ivo)
    assert (await act(ivo, task, "skip", reason="two languages")).json()["skipped"] is True
    assert (await decide(ivo, task)).status_code == 409, "late, and kept"
    (task,) = await review.claim(jo)
    assert (await decide(jo, task)).json()["final"] is True
    await review.read(REVIEWS_DECIDED.name, 1)
    assert (await decide(ivo, {**task, "lease": "1"})).status_code == 409

    async def left() -> list[str] | None:
        kept = await review.database.fetchval(
            "SELECT count(*) FROM late_decisions WHERE task_id = $1", task["task_id"]
        )
        skips = await review.database.fetch("SELECT reason FROM skips WHERE task_id = $1", task["task_id"])
        return [row["reason"] for row in skips] if kept == 0 and len(skips) < 2 else None

    assert await until(left) == ["two languages"], "a reason tells where the guideline is unclear"
    await close([hana, ivo, jo])
