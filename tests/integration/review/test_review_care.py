"""Care: breaks, full days, consent to distressing items, and figures about people for the right eyes only."""

import asyncio
import csv
import datetime
from typing import Any

import asyncpg
import httpx
import pytest

from .support import Review, close, item, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENSITIVE = "{sensitive: {topic: [violence]}, sensitive_per_day: %d}"
SOON = 40.0
"""What the processes remember of people is some seconds old; on a busy machine they are longer."""


async def set_review(review: Review, section: str, **more: str) -> None:
    """Apply the project again, with its section `review`."""
    spec = f"""
project: {review.project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: m, permutations: 2}}, {{name: student, type: student}}]
usd_per_hour: {more.get("usd_per_hour", "12")}
review: {section}
"""
    answer = await review.admin.put(f"/v1/projects/{review.project}", content=spec)
    answer.raise_for_status()
    await asyncio.sleep(2.1)  # a version is remembered for two seconds


async def has_worked(review: Review, name: str, begin: float, minutes: float, seconds: float = 30.0) -> None:
    """Write down decisions that fill `minutes`, from `begin` minutes ago on, one after the other."""
    count = round(minutes * 60 / seconds)
    now = datetime.datetime.now(datetime.UTC)
    first = now - datetime.timedelta(minutes=begin)
    ends = [first + datetime.timedelta(seconds=seconds * (number + 1)) for number in range(count)]
    task = await review.database.fetchval("SELECT nextval('task_ids')") * 1_000_000
    async with review.database.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO assignments (task_id, slot, project, priority, state, reviewer)"
            " SELECT $1::bigint + number, 0, $2, 0, 'decided', $3 FROM generate_series(1, $4) AS n(number)",
            task, review.project, name, count,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO decisions"
            " SELECT $1::bigint + number, 0, $2, 'old' || number, $3, 0, '\"positive\"', 1, $4, at"
            " FROM unnest($5::timestamptz[]) WITH ORDINALITY AS d(at, number)",
            task, review.project, name, seconds, ends,
        )  # fmt: skip


async def refusal(review: Review, client: httpx.AsyncClient) -> httpx.Response:
    """Claim until there is a refusal."""

    async def look() -> httpx.Response | None:
        await asyncio.sleep(1)
        answer = await client.post(f"/v1/projects/{review.project}/tasks/claim", json={"count": 1})
        return answer if answer.status_code == 403 else None

    return await until(look, SOON)


async def make_distressing(review: Review, count: int, first: int = 0) -> None:
    before = (await review.status())["requested"]
    for number in range(first, first + count):
        one = item(review.project, number, metadata={"topic": "violence"})
        await review.send(one, requested(score(one, 0.6), project_version=2))
    await review.until_tasks(before + count)


async def consent(review: Review, client: httpx.AsyncClient, *, given: bool = True) -> dict[str, Any]:
    answer = await client.put(f"/v1/projects/{review.project}/consent", json={"given": given})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def care(review: Review, client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(f"/v1/projects/{review.project}/care")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def reveal(client: httpx.AsyncClient, task: dict[str, Any]) -> httpx.Response:
    return await client.post(f"/v1/tasks/{task['task_id']}/reveal", json={"lease": task["lease"]})


async def decide(client: httpx.AsyncClient, task: dict[str, Any]) -> httpx.Response:
    body = {"lease": task["lease"], "label": "positive"}
    return await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)


async def test_a_break_is_enforced_and_what_is_in_hand_may_be_finished(review: Review) -> None:
    await set_review(review, "{care: {break_after_minutes: 50, break_minutes: 5}}")
    await review.make_tasks(20)
    ann, bob = await review.account("care-ann", "reviewer"), await review.account("care-bob", "reviewer")
    [held] = await review.claim(ann)
    await has_worked(review, "care-ann", 55, 55)
    refused = await refusal(review, ann)
    assert refused.json()["error"] == "break_due"
    assert "50 minutes" in refused.json()["detail"]
    assert 200 < int(refused.headers["retry-after"]) <= 301
    assert (await care(review, ann))["breaks"]["rest"]["reason"] == "break_due"
    assert (await decide(ann, held)).status_code == 200
    await has_worked(review, "care-bob", 61, 55)
    assert await review.claim(bob), "who has paused for five minutes goes on"
    workload = (await care(review, bob))["breaks"]
    assert workload["rest"] is None
    assert workload["active_seconds"] == pytest.approx(55 * 60, abs=1)
    assert workload["since_pause_seconds"] == 0
    await close([ann, bob])


async def test_a_day_is_full_by_any_24_hours(review: Review) -> None:
    await set_review(review, "{care: {active_hours_per_day: 2}}")
    await review.make_tasks(20)
    full, rested = (
        await review.account("care-full", "reviewer"),
        await review.account("care-rest", "reviewer"),
    )
    await has_worked(review, "care-full", 23.5 * 60, 90)
    await has_worked(review, "care-full", 40, 30)
    refused = await refusal(review, full)
    assert refused.json()["error"] == "day_full"
    begin = (
        30 * 60
    )  # in 23.5 of 24 hours: the oldest quarter of an hour falls out after half an hour and that
    assert int(refused.headers["retry-after"]) == pytest.approx(begin + 15 * 60, abs=60)
    await has_worked(review, "care-rest", 24.5 * 60, 90)
    await has_worked(review, "care-rest", 40, 30)
    assert await review.claim(rested), "half an hour of yesterday's counts no more"
    await close([full, rested])


async def test_distressing_items_go_to_who_would_see_them_without_their_text(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 5}}}")
    await make_distressing(review, 2)
    willing, other = (
        await review.account("care-willing", "reviewer"),
        await review.account("care-no", "reviewer"),
    )
    assert await review.claim(other) == []
    await consent(review, willing)
    [task] = await review.claim(willing)
    assert task["sensitive"] is True
    assert task["content"] == ""
    first, again = await reveal(willing, task), await reveal(willing, task)
    assert first.json()["content"].startswith("what a day")
    assert (first.json()["shown"], again.json()["shown"]) == (1, 1)
    assert (await reveal(other, task)).json()["error"] == "consent_needed"
    await consent(review, other)
    assert (await reveal(other, task)).json()["error"] == "lease_lost", "the lease is somebody else's"
    assert (await care(review, willing))["sensitive"] == {
        "applies": True,
        "consent": True,
        "waiting": True,
        "shown": 1,
        "most": 5,
    }
    assert (await decide(willing, task)).status_code == 200
    await close([willing, other])


async def test_who_withdraws_gives_back_what_is_distressing_and_nothing_else_changes(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 5}}}")
    await review.make_tasks(1, first=50)
    await make_distressing(review, 1)
    ann, bob = await review.account("care-out", "reviewer"), await review.account("care-in", "reviewer")
    await consent(review, ann)
    tasks = await review.claim(ann, 2)
    distressing = next(task for task in tasks if task["sensitive"])
    plain = next(task for task in tasks if not task["sensitive"])
    await reveal(ann, distressing)
    assert await consent(review, ann, given=False) == {"given": False, "given_back": 1}
    lost = await decide(ann, distressing)
    assert (lost.status_code, lost.json()["error"]) == (409, "lease_lost")
    assert (await decide(ann, plain)).status_code == 200
    assert await review.claim(ann) == []
    skips = await review.database.fetchval("SELECT count(*) FROM skips WHERE reviewer = 'care-out'")
    assert skips == 0, "nothing is held against anybody"
    [mine] = (await ann.get("/v1/me/pay")).json()["days"] or [{}]
    assert mine["reveals"] == 1
    await consent(review, bob)
    assert [task["task_id"] for task in await review.claim(bob)] == [distressing["task_id"]]
    await close([ann, bob])


async def test_what_was_skipped_unseen_stays_unseen(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 5}}}")
    await make_distressing(review, 1)
    ann = await review.account("care-unseen", "reviewer")
    await consent(review, ann)
    [task] = await review.claim(ann)
    (await ann.post(f"/v1/tasks/{task['task_id']}/skip", json={"lease": task["lease"]})).raise_for_status()
    mine = (await ann.get(f"/v1/me/skips?project={review.project}")).raise_for_status().text
    assert str(task["item_id"]) in mine
    assert "what a day" not in mine
    await ann.aclose()


async def test_a_distressing_check_is_shown_and_given_back_like_any_task(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 5}}}")
    ann = await review.account("care-check", "reviewer")
    await consent(review, ann)
    task_id = await review.database.fetchval(
        "WITH g AS ("
        " INSERT INTO gold_items (project, item_id, content, metadata, label, explanation, added_by)"
        " VALUES ($1, 'g', 'a hard text', '{\"topic\": \"violence\"}', '\"positive\"', '', 'm')"
        " RETURNING gold_id)"
        " INSERT INTO gold_checks (task_id, gold_id, project, reviewer, purpose, pool, suggested, place,"
        " needed, fence, leased_at, lease_until)"
        " SELECT nextval('task_ids'), gold_id, $1, 'care-check', 'check', '!', false, 1, 1, 77,"
        " now(), now() + interval '5 minutes' FROM g RETURNING task_id",
        review.project,
    )
    task = {"task_id": task_id, "lease": "77"}
    flag = {"lease": "77", "reason": "offensive"}
    (await ann.post(f"/v1/tasks/{task_id}/flag", json=flag)).raise_for_status()
    [mine] = (await ann.get(f"/v1/me/flags?project={review.project}")).json()["rows"]
    assert (mine["sensitive"], "hard text" in mine["excerpt"]) == (True, False), "as an ordinary task"
    [managers] = (await review.admin.get(f"/v1/projects/{review.project}/flags")).json()["flags"]
    assert managers["sensitive"] is True
    assert (await reveal(ann, task)).json() == {
        "task_id": task_id,
        "content": "a hard text",
        "shown": 1,
        "given_back": [],
    }
    assert (await consent(review, ann, given=False))["given_back"] == 1
    await consent(review, ann)
    assert (await reveal(ann, task)).json()["error"] == "lease_lost"
    await ann.aclose()


async def test_enough_distressing_items_are_enough_until_a_day_has_passed(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 2}}}")
    await make_distressing(review, 4)
    ann = await review.account("care-cap", "reviewer")
    await consent(review, ann)
    tasks = await review.claim(ann, 3)
    first, last = [(await reveal(ann, task)).json() for task in tasks[:2]]
    assert (first["given_back"], last["given_back"]) == ([], [tasks[2]["task_id"]])
    assert (await reveal(ann, tasks[2])).json()["error"] == "lease_lost"
    assert (await reveal(ann, tasks[0])).status_code == 200, "what was shown may be shown again"
    assert [(await decide(ann, task)).status_code for task in tasks] == [200, 200, 409]
    assert await review.claim(ann) == []
    await review.database.execute(
        "UPDATE reveals SET at = at - interval '24 hours' WHERE reviewer = 'care-cap'"
    )

    async def given() -> list[dict[str, Any]] | None:
        return await review.claim(ann) or None

    assert await until(given, SOON)
    await ann.aclose()


async def test_what_is_in_hand_when_enough_was_shown_elsewhere_goes_to_others(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 1}}}")
    await make_distressing(review, 3)
    await review.make_tasks(1, first=50)
    ann, bob = await review.account("care-far", "reviewer"), await review.account("care-near", "reviewer")
    await consent(review, ann)
    tasks = await review.claim(ann, 4)
    first, *others = [task for task in tasks if task["sensitive"]]
    (plain,) = [task for task in tasks if not task["sensitive"]]
    await review.database.execute(
        "INSERT INTO reveals (reviewer, task_id, project) VALUES ('care-far', -1, 'elsewhere')"
    )
    refused = await reveal(ann, first)
    assert (refused.status_code, refused.json()["error"]) == (403, "sensitive_full")
    await consent(review, bob)
    given = {task["task_id"] for task in await review.claim(bob, 4)}
    assert given == {task["task_id"] for task in others}, "not the one on the screen, nor the plain one"
    answers = [(await decide(ann, task)).status_code for task in (first, plain, *others)]
    assert answers == [200, 200, 409, 409]
    skips = await review.database.fetchval("SELECT count(*) FROM skips WHERE reviewer = 'care-far'")
    assert skips == 0, "nothing is held against anybody"
    await close([ann, bob])


async def test_nobody_is_asked_twice_a_day_nor_after_an_answer(review: Review) -> None:
    await set_review(review, f"{{care: {SENSITIVE % 2}}}")
    ann, bob = await review.account("care-asked", "reviewer"), await review.account("care-said", "reviewer")

    async def ask(client: httpx.AsyncClient) -> bool:
        answer = await client.post(f"/v1/projects/{review.project}/consent/question")
        return bool(answer.raise_for_status().json()["ask"])

    assert sorted(await asyncio.gather(*(ask(ann) for _ in range(4)))) == [False, False, False, True]
    await review.database.execute(
        "UPDATE consents SET asked_at = asked_at - interval '25 hours' WHERE reviewer = 'care-asked'"
    )
    assert await ask(ann)
    await consent(review, bob, given=False)
    assert not await ask(bob)
    await close([ann, bob])


async def test_where_nothing_distresses_nobody_is_asked(review: Review) -> None:
    ann = await review.account("care-plain", "reviewer")
    answer = await ann.post(f"/v1/projects/{review.project}/consent/question")
    assert answer.json() == {"ask": False}
    assert (await care(review, ann))["sensitive"]["applies"] is False
    await ann.aclose()


async def test_days_are_counted_and_paid_with_checks_and_skips(review: Review) -> None:
    await set_review(review, "{pay: {usd_per_decision: 0.05, floor_usd_per_hour: 10}}", usd_per_hour="9")
    await review.make_tasks(3)
    ann = await review.account("care-paid", "reviewer")
    await has_worked(review, "care-paid", 20, 15)  # 30 decisions
    await review.database.execute(
        "WITH g AS ("
        " INSERT INTO gold_items (project, item_id, content, metadata, label, explanation, added_by)"
        " VALUES ($1, 'g', 'text', '{}', '\"positive\"', '', 'm') RETURNING gold_id)"
        " INSERT INTO gold_checks (task_id, gold_id, project, reviewer, purpose, pool, suggested, place,"
        " needed, fence, leased_at, lease_until, label, seconds, decided_at)"
        " SELECT nextval('task_ids'), gold_id, $1, 'care-paid', 'check', '', false, 1, 1, 1, now(), now(),"
        " '\"positive\"', 60, now() - interval '4 minutes' FROM g",
        review.project,
    )
    [task] = await review.claim(ann)
    body = {"lease": task["lease"], "reason": "unclear"}
    assert (await ann.post(f"/v1/tasks/{task['task_id']}/skip", json=body)).status_code == 200
    # The check took from the last decision on, a minute, and the skip counts a minute of silence.
    days = await until(lambda: _with(ann, skips=1, active_seconds=15 * 60 + 60 + 60 - 1), SOON)
    total = {key: sum(day[key] for day in days) for key in ("decisions", "active_seconds", "amount_usd")}
    assert total["decisions"] == 31, "a hidden check is told and paid like a decision"
    assert total["amount_usd"] == pytest.approx(31 * 0.05)
    assert total["active_seconds"] == pytest.approx(15 * 60 + 60 + 60, abs=3)
    await ann.aclose()


@pytest.mark.parametrize("to_its_end", [True, False])
async def test_a_day_that_was_counted_to_its_end_is_never_counted_again(
    review: Review, to_its_end: bool
) -> None:
    name = f"care-old-{to_its_end}".lower()
    await set_review(review, "{pay: {floor_usd_per_hour: 10}}", usd_per_hour="20")
    ann = await review.account(name, "reviewer")
    ten_days = 10 * 24 * 60
    noon = datetime.datetime.now(datetime.UTC).replace(hour=12, minute=0)
    since_noon = (datetime.datetime.now(datetime.UTC) - noon).total_seconds() / 60
    await has_worked(review, name, ten_days + since_noon, 15)
    # Of the reading in between, and of what was skipped, the signs are gone.
    await review.database.execute(
        "INSERT INTO workdays (reviewer, day, project, decisions, checks, skips, reveals, active_seconds,"
        " usd_per_hour, floor_usd_per_hour, counted_at)"
        " VALUES ($1, $2, $3, 30, 0, 7, 0, 3600, 9, 10, $4)",
        name, noon.date() - datetime.timedelta(days=10), review.project,
        noon - datetime.timedelta(days=9 if to_its_end else 10),
    )  # fmt: skip
    [day] = (await ann.get("/v1/me/pay")).raise_for_status().json()["days"]
    expected = (7, 3600.0, 9.0) if to_its_end else (0, pytest.approx(900, abs=2), pytest.approx(5, abs=0.1))
    assert (day["skips"], day["active_seconds"], day["amount_usd"]) == expected
    await ann.aclose()


async def _with(client: httpx.AsyncClient, **least: float) -> list[dict[str, Any]] | None:
    days: list[dict[str, Any]] = (await client.get("/v1/me/pay")).raise_for_status().json()["days"]
    enough = all(sum(day[key] for day in days) >= value for key, value in least.items())
    return days if enough else None


async def test_input_that_the_page_reports_counts_as_work(review: Review) -> None:
    await review.make_tasks(1)
    ann = await review.account("care-reads", "reviewer")
    [task] = await review.claim(ann)
    beat = f"/v1/tasks/{task['task_id']}/heartbeat"
    for active in (False, True, True):
        answer = await ann.post(beat, json={"lease": task["lease"], "active": active})
        assert answer.status_code == 200
    signs = await review.database.fetchval("SELECT count(*) FROM signs WHERE reviewer = 'care-reads'")
    assert signs == 1, "one in ten seconds says it all"
    await review.database.execute(
        "UPDATE assignments SET leased_at = leased_at - interval '110 seconds' WHERE task_id = $1",
        int(task["task_id"]),
    )
    await review.database.execute(
        "UPDATE signs SET at = at - interval '55 seconds' WHERE reviewer = 'care-reads'"
    )
    assert (await decide(ann, task)).status_code == 200
    [day] = await until(lambda: _with(ann, decisions=1, active_seconds=1), SOON)
    assert day["active_seconds"] == pytest.approx(110, abs=5)
    await ann.aclose()


async def test_figures_about_people_are_for_themselves_and_their_managers(review: Review) -> None:
    await set_review(review, "{pay: {floor_usd_per_hour: 15}}", usd_per_hour="9")
    ann, bob = await review.account("care-one", "reviewer"), await review.account("care-two", "reviewer")
    manager = await review.account("care-lead", "manager")
    await has_worked(review, "care-one", 40, 30)
    await has_worked(review, "care-two", 40, 20)
    await until(lambda: _with(ann, decisions=60, active_seconds=1799), SOON)
    await until(lambda: _with(bob, decisions=40, active_seconds=1199), SOON)
    mine = (await bob.get("/v1/me/pay")).json()
    assert "care-one" not in str(mine)
    assert sum(day["decisions"] for day in mine["days"]) == 40
    assert all(day["below_floor"] for day in mine["days"] if day["active_seconds"] >= 600)
    for path in ("pay", "pay.csv"):
        for client in (ann, bob):
            assert (await client.get(f"/v1/projects/{review.project}/{path}")).status_code == 403, path
    everybody = (await manager.get(f"/v1/projects/{review.project}/pay")).json()
    assert {day["reviewer"] for day in everybody["days"]} == {"care-one", "care-two"}
    assert everybody["below_floor"] == ["care-one", "care-two"]
    assert everybody["amount_usd"] == pytest.approx(50 / 60 * 9, abs=0.05)
    lines = (await manager.get(f"/v1/projects/{review.project}/pay.csv")).text.splitlines()
    rows = list(csv.DictReader(lines))
    assert sum(float(row["active_minutes"]) for row in rows) == pytest.approx(50, abs=0.2)
    assert (
        await manager.get(f"/v1/projects/{review.project}/pay?since=2030-01-02&until=2030-01-01")
    ).status_code == 422
    assert (await manager.get("/v1/projects/nowhere_at_all/pay")).status_code == 404
    await close([ann, bob, manager])


async def test_no_consent_row_outlives_the_rules_of_the_database(review: Review) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await review.database.execute(
            "INSERT INTO consents (reviewer, project, given) VALUES ('nobody-there', $1, true)",
            review.project,
        )
