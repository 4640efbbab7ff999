"""What managers see of the queue, and what they can do about it."""

import json
from typing import Any

import httpx
import pytest

from .support import PROJECT, Review, close, item, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITH_SLA = "\nreview: {{sla_hours: 2, care: {{sensitive: {{kind: [grim]}}}}}}\n"


async def queue(review: Review) -> dict[str, Any]:
    answer = await review.admin.get(f"/v1/projects/{review.project}/queue")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def queue_until(review: Review, **wanted: Any) -> dict[str, Any]:
    """Wait until the queue is as `wanted`. It is counted every few seconds, and on a busy machine, where that
    takes longer, less often: 200 times as long passes."""

    async def reached() -> dict[str, Any] | None:
        found = await queue(review)
        return found if wanted.items() <= found.items() else None

    return await until(reached, 120)


async def following(review: Review, pool: str = "", count: int = 20) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"pool": pool, "count": count}
    answer = await review.admin.get(f"/v1/projects/{review.project}/queue/next", params=query)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["tasks"]
    return found


async def act(client: httpx.AsyncClient, review: Review, task: int, what: str, **body: Any) -> httpx.Response:
    return await client.post(f"/v1/projects/{review.project}/tasks/{task}/{what}", json=body)


async def age(review: Review, tasks: int, hours: float) -> None:
    """Make the project's first tasks older, and all tasks made before them."""
    await review.database.execute(
        "UPDATE tasks SET created_at = created_at - $3::bigint WHERE task_id <= (SELECT max(task_id) FROM ("
        " SELECT task_id FROM tasks WHERE project = $1 ORDER BY task_id LIMIT $2) t)",
        review.project,
        tasks,
        int(hours * 3_600_000),
    )


async def metric(review: Review, name: str) -> float | None:
    text = (await review.client().get("/metrics")).text
    start = f'{name}{{project="{review.project}"}} '
    return next((float(line[len(start) :]) for line in text.splitlines() if line.startswith(start)), None)


async def test_what_waits_and_for_how_long(review: Review) -> None:
    body = PROJECT.format(project=review.project) + WITH_SLA.format()
    (await review.admin.put(f"/v1/projects/{review.project}", content=body)).raise_for_status()
    await review.make_tasks(6)
    await age(review, 2, 3)
    found = await queue_until(review, open=6, late=2)
    assert (found["sla_hours"], found["in_hand"], found["begun"], found["waiting_for_item"]) == (2, 0, 0, 0)
    assert [(one["least"], one["tasks"]) for one in found["ages"] if one["tasks"]] == [(0, 4), (7200, 2)]
    assert [one["late"] for one in found["ages"] if one["tasks"]] == [False, True]
    assert 3 * 3600 <= found["oldest_seconds"] < 3 * 3600 + 120
    assert found["reasons"] == {"low_confidence": 6}
    assert found["reasons_sampled"] == 6
    (pool,) = found["pools"]
    assert pool.pop("people") >= 1, "the admin, and who reviews everywhere"
    assert pool == {"pool": "", "skill": "", "distressing": False, "tasks": 6, "begun": 0}
    assert found["forecast"]["minutes"] == pytest.approx(6 * 0.25)
    assert found["forecast"]["within_hours"] == 2

    async def measured() -> bool | None:
        seconds = await metric(review, "labelmill_oldest_task_age_seconds")
        late = await metric(review, "labelmill_late_tasks")
        return True if seconds and seconds > 3 * 3600 and late == 2 else None

    await until(measured, 120)


async def copies(review: Review, count: int, reasons: str) -> None:
    """Make `count` open tasks like that of the item i0, with one reason each: what `reasons` (SQL) says of
    their number n."""
    await review.database.execute(
        f"""
        WITH made AS (SELECT nextval('task_ids') AS task_id, n, 'copy' || n AS item_id
                      FROM generate_series(1, $2) n),
        routed AS (
            INSERT INTO routes SELECT (jsonb_populate_record(
                r, jsonb_build_object('item_id', m.item_id, 'reasons', jsonb_build_array({reasons})))).*
            FROM routes r, made m WHERE r.project = $1 AND r.item_id = 'i0'
        ), asked AS (
            INSERT INTO tasks SELECT (jsonb_populate_record(
                t, jsonb_build_object('item_id', m.item_id, 'task_id', m.task_id))).*
            FROM tasks t, made m WHERE t.project = $1 AND t.item_id = 'i0'
        )
        INSERT INTO assignments (task_id, slot, project, priority, state)
        SELECT task_id, 0, $1, n, 'open' FROM made
        """,
        review.project,
        count,
    )


async def test_a_small_project_is_counted_whole_in_a_large_table(review: Review) -> None:
    await review.make_tasks(3)
    await review.database.execute(
        "INSERT INTO assignments (task_id, slot, project, priority, state)"
        " SELECT -n, 0, 'crowd', n, 'open' FROM generate_series(1, 200000) n"
    )
    try:
        await review.database.execute("ANALYZE assignments")
        found = await queue(review)
    finally:
        await review.database.execute("DELETE FROM assignments WHERE project = 'crowd'")
        await review.database.execute("ANALYZE assignments")
    assert (found["reasons"], found["reasons_sampled"]) == ({"low_confidence": 3}, 3)


async def test_of_a_long_queue_some_thousand_tasks_tell_the_reasons(review: Review) -> None:
    await review.make_tasks(1)
    await copies(review, 8_999, "CASE WHEN n % 3 = 0 THEN 'audit' ELSE 'low_confidence' END")
    found = await queue_until(review, open=9_000)
    assert found["reasons_sampled"] == sum(found["reasons"].values())
    # Every third of 9,000, each with the same chance: ten standard deviations leave room for 450.
    assert 2_550 < found["reasons_sampled"] < 3_450
    assert found["reasons"]["audit"] == pytest.approx(found["reasons_sampled"] / 3, abs=260)


async def test_who_holds_what_can_be_taken_back(review: Review) -> None:
    await review.make_tasks(3, needed=2)
    one = await review.account("queueholder", "reviewer")
    two = await review.account("queueother", "reviewer")
    manager = await review.account("queuemanager", "manager")
    (held, *_) = await review.claim(one, 2)
    found = await queue_until(review, open=3, in_hand=2, begun=2)
    (first, _) = found["leases"]
    assert (first["reviewer"], first["item_id"], first["stuck"]) == ("queueholder", held["item_id"], False)
    await review.database.execute(
        "UPDATE assignments SET leased_at = now() - interval '1 hour'"
        " WHERE task_id = $1 AND state = 'leased'",
        held["task_id"],
    )
    (stuck,) = [each for each in (await queue(review))["leases"] if each["stuck"]]
    assert (stuck["task_id"], stuck["idle_seconds"] >= 3600) == (held["task_id"], True)

    task = held["task_id"]
    for client, status in ((one, 403), (manager, 200), (manager, 409)):
        answer = await act(client, review, task, "release", reviewer="queueholder")
        assert answer.status_code == status, answer.text
    late = await one.post(f"/v1/tasks/{task}/decision", json={"lease": held["lease"], "label": "positive"})
    assert (late.status_code, late.json()["error"]) == (409, "lease_lost")
    assert task in [each["task_id"] for each in await review.claim(two, 3)]
    assert await review.database.fetchval("SELECT count(*) FROM assignments WHERE task_id = $1", task) == 2
    log = (await review.admin.get("/v1/audit", params={"act": "task.released"})).json()["entries"]
    assert (log[0]["by"], log[0]["subject"], log[0]["project"], log[0]["detail"]) == (
        "queuemanager", str(task), review.project, {"item_id": held["item_id"], "reviewer": "queueholder"},
    )  # fmt: skip
    for path, code in (("999999999", 404), (str(task), 409)):
        assert (await act(review.admin, review, int(path), "release", reviewer="x")).status_code == code
    await close([one, two, manager])


async def test_a_task_comes_to_the_front(review: Review) -> None:
    await review.make_tasks(5)
    person = await review.account("queuefront", "reviewer")
    before = await following(review)
    assert [one["item_id"] for one in before] == [f"i{n}" for n in range(5)]
    assert (before[0]["label"], before[0]["confidence"], before[0]["reasons"]) == (
        "positive", 0.5, ["low_confidence"],
    )  # fmt: skip
    for number in (3, 4):
        moved = await act(review.admin, review, before[number]["task_id"], "priority")
        assert moved.status_code == 200, moved.text
    after = await following(review, count=3)
    assert [(one["item_id"], one["in_front"]) for one in after] == [("i4", True), ("i3", True), ("i0", False)]
    assert (await act(person, review, after[0]["task_id"], "priority")).status_code == 403
    assert [one["item_id"] for one in await review.claim(person, 3)] == ["i4", "i3", "i0"]
    assert (await act(review.admin, review, after[0]["task_id"], "priority")).status_code == 409
    elsewhere = await review.admin.post(f"/v1/projects/other/tasks/{after[0]['task_id']}/priority")
    assert elsewhere.status_code == 404
    log = (await review.admin.get("/v1/audit", params={"act": "task.moved_to_front"})).json()["entries"]
    assert [one["detail"]["item_id"] for one in log[:2]] == ["i4", "i3"]
    await person.aclose()


async def test_of_blind_tasks_nothing_is_told_that_the_machine_thinks(review: Review) -> None:
    await review.make_tasks(2, blind=True, reasons=["audit"], audit_rate=0.1)
    tasks = await following(review)
    assert [(one["blind"], one["label"], one["confidence"], one["reasons"]) for one in tasks] == [
        (True, None, None, [])
    ] * 2
    assert "positive" not in str(tasks)


async def test_a_task_with_several_open_parts_is_shown_once(review: Review) -> None:
    await review.make_tasks(3, needed=3)
    person = await review.account("queueonce", "reviewer")
    (held,) = await review.claim(person)
    await queue_until(review, open=3, in_hand=1)
    status = await review.status()
    assert (status["open_tasks"], status["leased_tasks"]) == (2, 1), "each task once"
    await review.database.execute(
        "UPDATE assignments SET state = 'open' WHERE project = $1 AND state = 'waiting'", review.project
    )
    shown = await following(review)
    assert [(one["item_id"], one["open"]) for one in shown] == [(held["item_id"], 2), ("i1", 3), ("i2", 3)]
    assert [one["item_id"] for one in await following(review, count=2)] == ["i0", "i1"]
    await person.aclose()


async def test_what_came_in_at_once_is_spread_over_the_time_looked_back(review: Review) -> None:
    await review.make_tasks(48)
    found = await queue_until(review, open=48)
    assert found["pace"]["arrivals_hours"] == 8
    assert found["pace"]["arrivals"] == pytest.approx(48 / 480)
    needed, arriving = found["forecast"]["people_needed"], found["forecast"]["people_for_arrivals"]
    assert needed == pytest.approx(arriving)
    assert needed < 0.1


async def test_the_pace_is_that_of_the_last_minutes(review: Review) -> None:
    await review.make_tasks(4)
    person = await review.account("queuepace", "reviewer")
    for task in await review.claim(person, 2):
        body = {"lease": task["lease"], "label": "positive"}
        (await person.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await review.claim(person)
    pace = (await queue(review))["pace"]
    assert (pace["decisions"], pace["claims"], pace["people"]) == (2 / 5, 3 / 5, 1)
    await person.aclose()


async def test_what_nobody_may_take_is_told(review: Review) -> None:
    section = {
        "skills": [{"name": "medical", "metadata": {"field": ["med"]}}],
        "care": {"sensitive": {"kind": ["grim"]}},
    }
    body = PROJECT.format(project=review.project) + f"\nreview: {json.dumps(section)}\n"
    (await review.admin.put(f"/v1/projects/{review.project}", content=body)).raise_for_status()
    kinds = [{}, {"field": "med"}, {"field": "med"}, {"kind": "grim"}]
    items = [item(review.project, number, metadata=metadata) for number, metadata in enumerate(kinds)]
    await review.send(*items, *(requested(score(one, 0.5), project_version=2) for one in items))
    await review.until_tasks(4)
    person = await review.account("queuelearner", "reviewer")

    found = await queue_until(review, open=4, out_of_reach=3)
    waiting = {one["pool"]: (one["tasks"], one["people"]) for one in found["pools"]}
    assert waiting.pop("")[1] >= 2
    assert waiting == {"medical": (2, 0), "!": (1, 0)}
    assert found["forecast"]["minutes"] == pytest.approx(4 * 0.25), "of all that waits"

    path = f"/v1/projects/{review.project}"
    claim = (await person.post(f"{path}/tasks/claim", json={"count": 5})).raise_for_status().json()
    assert [task["item_id"] for task in claim["tasks"]] == ["i0"]
    assert claim["skills_wanted"] == [], "there was something to claim"
    nothing = (await person.post(f"{path}/tasks/claim")).raise_for_status().json()
    assert (nothing["tasks"], nothing["skills_wanted"]) == ([], ["medical"])

    for change in (review.admin.put(f"{path}/skills/medical/queuelearner"), consent(person, path)):
        (await change).raise_for_status()
    found = await queue(review)
    assert {one["pool"]: one["people"] for one in found["pools"] if one["pool"]} == {"medical": 1, "!": 1}
    assert found["out_of_reach"] == 0, "both hold at once"

    given = set[str]()

    async def all_given() -> bool | None:
        given.update(task["item_id"] for task in await review.claim(person, 5))
        return given == {"i1", "i2", "i3"} or None

    await until(all_given)  # what somebody may do is remembered for moments
    await person.aclose()


async def consent(person: httpx.AsyncClient, path: str) -> httpx.Response:
    return await person.put(f"{path}/consent", json={"given": True})
