"""Hidden checks: handed out at their rate, never twice, and not to be told from tasks by anything."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from labelmill.topics import REVIEWS_DECIDED
from review_api.tasks.sql import IS_SPARE

from .gold_support import (
    RIGHT,
    WRONG,
    accuracy_of,
    check_for,
    checks,
    decide,
    make_gold_project,
    post,
    put,
    texts,
)
from .support import Review, close, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_checks_come_at_their_rate_and_never_twice(review: Review) -> None:
    await make_gold_project(review, rate=0.3)
    assert (await put(review, *texts(80)))["added"] == 80
    await review.make_tasks(150)
    ann = await review.account("rate-ann", "reviewer")
    given: list[dict[str, Any]] = []
    for _ in range(150):
        (task,) = await review.claim(ann)
        given.append(task)
        await decide(ann, task, RIGHT)
    of_gold = [task for task in given if task["content"].startswith("gold text")]
    assert 20 <= len(of_gold) <= 70  # 45 expected; chance leaves this once in 100,000 times
    assert len({task["content"] for task in given}) == len(given)
    assert len({task["task_id"] for task in given}) == len(given)
    assert set(await checks(review, "rate-ann")) == {task["task_id"] for task in of_gold}
    await close([ann])


async def test_nothing_tells_a_check_from_a_task(review: Review) -> None:
    await make_gold_project(review, rate=0.5, bar=0.0)
    await review.make_tasks(80, needed=1)
    await put(review, *texts(40))
    ann = await review.account("same-ann", "reviewer")
    shapes: dict[bool, set[Any]] = {True: set(), False: set()}
    for turn in range(40):
        (task,) = await review.claim(ann)
        is_gold = task["content"].startswith("gold text")
        shapes[is_gold] |= {("task", task["blind"], _shape(task))}
        assert task["item_id"][0] == "i"
        assert task["item_id"][1:].isdigit()
        beat = await post(ann, task, "heartbeat")
        done = await decide(ann, task, RIGHT if turn % 2 else WRONG)
        assert done == await decide(ann, task, RIGHT if turn % 2 else WRONG)  # sent again
        after = [await post(ann, task, what) for what in ("heartbeat", "skip")]
        late = await post(ann, task, "decision", label=WRONG if turn % 2 else RIGHT)
        undone = await ann.post(f"/v1/tasks/{task['task_id']}/undo")
        shapes[is_gold] |= {
            ("beat", beat.status_code, _shape(beat.json())),
            ("done", done["final"], done["decisions"], _shape(done)),
            *(("after", one.status_code, one.text) for one in [*after, late, undone]),
        }
    # An ordinary task may be shown with the machine's label; a blind one looks like a check.
    extra = {one for one in shapes[False] if one[:2] == ("task", False)}
    assert shapes[True] == shapes[False] - extra
    assert extra
    await close([ann])


async def test_no_lease_tells_which_of_those_claimed_together_are_checks(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(120)
    await put(review, *texts(60))
    ann = await review.account("leases-ann", "reviewer")
    checks_last: list[bool] = []
    for _ in range(20):
        tasks = await review.claim(ann, 6)
        assert len({task["lease_until"] for task in tasks}) == 1
        leases: dict[bool, list[int]] = {True: [], False: []}
        for task in tasks:
            leases[task["content"].startswith("gold text")].append(int(task["lease"]))
        if all(leases.values()):
            checks_last.append(min(leases[True]) > max(leases[False]))
    assert len(checks_last) >= 10  # 19 or 20 expected: all six are of one kind once in 32 times
    assert not all(checks_last)  # each time, that happens by chance once in a thousand million times
    await close([ann])


async def test_the_numbers_of_checks_lie_among_those_of_the_tasks_around_them(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(60)
    await put(review, *texts(30))
    await review.database.execute("SELECT nextval('task_ids') FROM generate_series(1, 5000)")
    people = [await review.account(f"numbers-{name}", "reviewer") for name in ("ann", "bea")]
    given = [
        task for _ in range(5) for one in await asyncio.gather(*map(review.claim, people)) for task in one
    ]
    given += [task for person in people for task in await review.claim(person, 12)]
    numbers: dict[bool, list[int]] = {True: [], False: []}
    for task in given:
        numbers[task["content"].startswith("gold text")].append(task["task_id"])
    tasks, hidden = numbers[False], numbers[True]
    assert tasks
    assert hidden
    assert min(tasks) - 200 <= min(hidden) <= max(hidden) <= max(tasks) + 200
    assert len(set(tasks + hidden)) == len(given)
    query = f"SELECT n FROM unnest($1::bigint[]) AS n WHERE {IS_SPARE.format(number='n')}"
    spare = {row["n"] for row in await review.database.fetch(query, tasks + hidden)}
    assert spare == set(hidden), "no task that comes later gets the number of a check"
    await close(people)


async def test_no_number_of_a_check_tells_which_task_comes_next(review: Review) -> None:
    """Most orders are not that of the numbers: one beside that of the next task would be known by it."""
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(400)
    await put(review, *texts(30))
    await review.database.execute(
        # The first number, the last, the second, the last but one, and so on.
        "UPDATE assignments a SET priority = least(n, 401 - n) FROM ("
        "    SELECT task_id, row_number() OVER (ORDER BY task_id) AS n FROM assignments WHERE project = $1"
        ") o WHERE o.task_id = a.task_id",
        review.project,
    )
    ann = await review.account("beside-ann", "reviewer")
    given = {task["task_id"] for _ in range(5) for task in await review.claim(ann, 10)}
    hidden = set(await checks(review, "beside-ann"))
    assert hidden < given
    # Of some 25, four in five are expected to lie so far from all tasks; beside the next one, none would.
    assert any(all(abs(one - task) > 60 for task in given - hidden) for one in hidden)
    await close([ann])


async def test_at_the_end_of_the_queue_a_check_has_no_new_number_either(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(1)
    await put(review, *texts(40))
    await review.database.execute("SELECT nextval('task_ids') FROM generate_series(1, 5000)")
    ann = await review.account("end-ann", "reviewer")
    for _ in range(16):  # every second time there comes a check, and the only task
        for task in await review.claim(ann, 2):
            if not task["content"].startswith("gold text"):
                (await post(ann, task, "skip", unseen=True)).raise_for_status()
    hidden = await checks(review, "end-ann")
    assert hidden
    newest = await review.database.fetchval(
        "SELECT max(task_id) FROM tasks WHERE project = $1", review.project
    )
    assert max(hidden) <= newest + 200
    await close([ann])


def _shape(value: Any) -> Any:
    """Return the keys and the types in it, at every depth."""
    if isinstance(value, dict):
        return tuple((key, _shape(value[key])) for key in value if key != "metadata")
    return (
        [type(one).__name__ for one in value].__repr__() if isinstance(value, list) else type(value).__name__
    )


async def test_no_check_takes_a_number_that_the_sequence_has_yet_to_draw(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(20)
    await put(review, *texts(20))
    ann = await review.account("drawn-ann", "reviewer")
    await review.claim(ann, 20)
    await review.claim(ann, 20)
    last = await review.database.fetchval("SELECT last_value FROM task_ids")
    assert max(await checks(review, "drawn-ann")) <= last
    await close([ann])


async def test_figures_do_not_tell_either(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await put(review, *texts(30))
    await review.make_tasks(30)
    ann = await review.account("figures-ann", "reviewer")
    before = (await ann.get(f"/v1/projects/{review.project}/status")).json()
    for turn in range(24):
        was = await review.status()
        (task,) = await review.claim(ann)
        now = await review.status()
        assert (now["open_tasks"], now["leased_tasks"]) == (was["open_tasks"] - 1, 1)
        await decide(ann, task, RIGHT)
        assert (await ann.get("/v1/me")).json()["decisions_today"] == turn + 1
        assert (await ann.get(f"/v1/projects/{review.project}/status")).json() == before
    hidden = await checks(review, "figures-ann")
    assert 0 < len(hidden) < 24
    assert (await review.status())["decided"] == 24 - len(hidden)
    own = (await ann.get(f"/v1/projects/{review.project}/me/accuracy")).json()
    told = [check for check in hidden.values() if check["decided_at"].timestamp() * 1000 < own["until"]]
    assert own["until"] % 3_600_000 == 0
    assert own["accuracy"]["all"]["answers"] == len(told) < len(hidden), "not before the next full hour"
    everybody = await ann.get(f"/v1/projects/{review.project}/accuracy")
    assert everybody.status_code == 403
    await close([ann])


async def test_gold_never_reaches_what_is_learned(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await put(review, *texts(3))
    await review.make_tasks(40)
    ann = await review.account("learn-ann", "reviewer")
    while tasks := await review.claim(ann, 10):
        for task in tasks:
            await decide(ann, task, RIGHT)
    assert len(await checks(review, "learn-ann")) == 3  # no gold is left
    records = await review.read(REVIEWS_DECIDED.name, 40)
    assert sorted(msgspec.json.decode(record.value)["item_id"] for record in records) == sorted(
        f"i{n}" for n in range(40)
    )
    lines = (await review.admin.get(f"/v1/projects/{review.project}/decisions")).text.splitlines()
    assert len(lines) == 40
    await close([ann])


async def test_what_is_shown_blind_as_checks_are_counts_as_decided_blind(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(20, needed=2)
    names = [f"blind-{name}" for name in ("ann", "ben", "cid")]
    ann, ben, cid = [await review.account(name, "reviewer") for name in names]
    shown = {task["item_id"]: task for task in await review.claim(ann, 20)}
    assert len(shown) == 20
    assert {task["blind"] for task in shown.values()} == {True, False}  # but once in 500,000 times
    assert all((task["suggestion"] is None) == task["blind"] for task in shown.values())
    bens = await review.claim(ben, 20)
    for task in list(shown.values())[:5]:  # somebody else gets them, who is shown them by another draw
        (await post(ann, task, "skip", reason="unclear")).raise_for_status()
    cids = await review.claim(cid, 5)
    answer = await ann.post(f"/v1/projects/{review.project}/tasks/take-over", json={"count": 20})
    anns = answer.raise_for_status().json()["tasks"]
    assert (len(anns), len(bens), len(cids)) == (15, 20, 5)
    for task in anns:
        before = shown[task["item_id"]]
        assert (task["blind"], task["suggestion"]) == (before["blind"], before["suggestion"])
    first = next(task for task in anns if task["blind"])
    await decide(ann, first, WRONG)
    first |= (await ann.post(f"/v1/tasks/{first['task_id']}/undo")).raise_for_status().json()
    expected: dict[str, dict[str, bool]] = {}
    for client, name, tasks in zip((ann, ben, cid), names, (anns, bens, cids), strict=True):
        for task in tasks:
            await decide(client, task, RIGHT)
            expected.setdefault(task["item_id"], {})[name] = task["blind"]

    lines = (await review.admin.get(f"/v1/projects/{review.project}/decisions")).text.splitlines()
    exported: dict[str, dict[str, bool]] = {}
    for line in map(msgspec.json.decode, lines):
        exported.setdefault(line["item_id"], {})[line["reviewer"]] = line["blind"]
    assert exported == expected
    events = [msgspec.json.decode(record.value) for record in await review.read(REVIEWS_DECIDED.name, 20)]
    assert {event["item_id"]: event["blind"] for event in events} == {
        name: all(said.values()) for name, said in expected.items()
    }
    found = (await review.admin.get(f"/v1/projects/{review.project}/agreement")).json()
    items = {(one["between"], one["blind"]): one["percent"]["items"] for one in found["comparisons"]}
    said = [list(each.values()) for each in expected.values()]
    assert items["machine", True] == sum(True in each for each in said)
    assert items["machine", False] == sum(False in each for each in said)
    assert items["people", True] == sum(each == [True, True] for each in said)
    await close([ann, ben, cid])


async def test_without_work_there_are_no_checks(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await put(review, *texts(3))
    ann = await review.account("idle-ann", "reviewer")
    for count in (1, 1, 1, 1, 1, 1, 2, 3, 20):
        assert await review.claim(ann, count) == []
    await close([ann])


async def test_a_lost_lease_a_late_answer_and_a_skip_are_a_tasks(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await review.make_tasks(40)
    await put(review, *texts(1))
    ann, ben = [await review.account(f"late-{name}", "reviewer") for name in ("ann", "ben")]
    task = await check_for(review, ann, "late-ann")
    number = task["task_id"]
    stranger = await post(ben, task, "decision", label=RIGHT)
    assert (stranger.status_code, stranger.json()["error"]) == (409, "lease_lost")
    assert (await post(ben, task, "heartbeat")).status_code == 409
    await _change(review, "lease_until", number)
    late = await post(ann, task, "decision", label=WRONG)
    assert late.status_code == 409
    assert late.json()["detail"].endswith("the answer is kept")
    assert (await post(ann, task, "heartbeat")).status_code == 409
    back = await _claim_until(review, ann, number)
    assert (back["kept"], back["item_id"]) == (WRONG, task["item_id"])
    assert back["lease"] != task["lease"]
    assert (await post(ann, back, "skip", reason="unclear")).status_code == 200
    others = await review.claim(ann, 3)
    assert number not in [one["task_id"] for one in others]
    await _change(review, "skip_until", number)
    assert (await _claim_until(review, ann, number))["task_id"] == number
    await close([ann, ben])


async def _change(review: Review, until: str, number: int) -> None:
    """End a time of a check; the process forgets what it remembers of people when gold is handed in."""
    await review.database.execute(
        f"UPDATE gold_checks SET {until} = now() - interval '1 s' WHERE task_id = $1", number
    )
    await put(review, *texts(1))


async def _claim_until(review: Review, client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    """Claim until this check comes."""

    async def look() -> dict[str, Any] | None:
        tasks = await review.claim(client)
        for task in tasks:
            if task["task_id"] == number:
                return task
            await post(client, task, "skip")
            await review.database.execute("DELETE FROM skips WHERE task_id = $1", task["task_id"])
        await asyncio.sleep(0.5)
        return None

    return await until(look)


async def test_an_answer_on_the_page_can_be_taken_back_for_as_long_as_any(review: Review) -> None:
    await make_gold_project(review, rate=0.5)
    await put(review, *texts(2))
    await review.make_tasks(40)
    ann = await review.sign_in("undo-ann")
    task = await check_for(review, ann, "undo-ann")
    await decide(ann, task, WRONG)
    undone = await ann.post(f"/v1/tasks/{task['task_id']}/undo")
    assert undone.status_code == 200
    assert list(undone.json()) == ["task_id", "lease", "lease_until"]
    assert (await post(ann, task, "decision", label=WRONG)).status_code == 409  # the older fence
    task |= undone.json()
    await decide(ann, task, RIGHT)
    assert (await accuracy_of(review, "undo-ann"))["accuracy"]["all"] | {"low": 0, "high": 0} == {
        "right": 1, "answers": 1, "value": 1.0, "low": 0, "high": 0,
    }  # fmt: skip
    await review.database.execute("UPDATE gold_checks SET undo_until = now() WHERE reviewer = 'undo-ann'")
    refused = await ann.post(f"/v1/tasks/{task['task_id']}/undo")
    assert (refused.status_code, refused.json()["error"]) == (409, "too_late")
    await close([ann])


async def test_a_suggestion_is_shown_only_where_it_is_wrong(review: Review) -> None:
    await review.make_tasks(60)
    lines = [{"item_id": f"i{n}", "label": WRONG if n < 3 else RIGHT} for n in range(6)]
    await put(review, *lines)  # the machine says positive everywhere
    await review.database.execute(  # nobody is to meet them as ordinary tasks
        "DELETE FROM assignments WHERE project = $1 AND priority < 0.541", review.project
    )
    await make_gold_project(review, rate=0.5)
    ann = await review.account("wrong-ann", "reviewer")
    shown = {}
    for _ in range(6):
        task = await check_for(review, ann, "wrong-ann")
        shown[task["item_id"]] = task["suggestion"] and task["suggestion"]["label"]
        assert task["reasons"] == ([] if task["blind"] else ["low_confidence"])
        await decide(ann, task, RIGHT)
    assert shown == {f"i{n}": RIGHT if n < 3 else None for n in range(6)}
    found = (await accuracy_of(review, "wrong-ann"))["accuracy"]
    assert (found["all"]["right"], found["all"]["answers"]) == (3, 6)
    assert (found["against_suggestion"]["right"], found["against_suggestion"]["answers"]) == (0, 3)
    assert [one["label"] for one in found["labels"]] == [WRONG, RIGHT]
    assert found["confusions"] == [{"truth": WRONG, "said": RIGHT, "times": 3}]
    await close([ann])


async def test_who_has_decided_an_item_is_not_checked_by_it(review: Review) -> None:
    await review.make_tasks(20)
    ann = await review.account("met-ann", "reviewer")
    (task,) = await review.claim(ann)
    await decide(ann, task, RIGHT)
    await put(review, {"item_id": task["item_id"], "label": RIGHT})
    await make_gold_project(review, rate=0.5)
    for _ in range(12):
        assert await review.claim(ann)
    assert await checks(review, "met-ann") == {}
    await close([ann])


async def test_nobody_is_checked_by_an_item_that_may_still_come_as_a_task(review: Review) -> None:
    await review.make_tasks(6)
    await put(review, *({"item_id": f"i{n}", "label": RIGHT} for n in range(6)))
    await make_gold_project(review, rate=0.5)
    ann, ben = [await review.account(f"open-{name}", "reviewer") for name in ("ann", "ben")]
    given: list[str] = []
    for _ in range(6):
        (task,) = await review.claim(ann)
        given.append(task["item_id"])
        await decide(ann, task, RIGHT)
    assert sorted(given) == [f"i{n}" for n in range(6)]
    await review.make_tasks(40, first=6)
    assert await check_for(review, ben, "open-ben"), "what is settled checks others"
    await close([ann, ben])


async def test_what_was_seen_in_training_is_no_hidden_check(review: Review) -> None:
    await make_gold_project(review, rate=0.5, training_tasks=1, bar=0.7)
    await put(review, *texts(4))
    await review.make_tasks(20)
    ann = await review.account("seen-ann", "reviewer")
    first, second = await review.claim(ann, 2)
    assert second["training"] is True
    await decide(ann, first, RIGHT)
    await post(ann, second, "skip", unseen=True)
    for _ in range(12):
        (task,) = await review.claim(ann)
        assert task["task_id"] != second["task_id"]
        await decide(ann, task, RIGHT)
    await close([ann])


async def test_training_leaves_half_of_a_small_gold_set_for_hidden_checks(review: Review) -> None:
    await make_gold_project(review, rate=0.5, training_tasks=5, bar=0.5)
    await put(review, *texts(6))
    listed = (await review.admin.get(f"/v1/projects/{review.project}/gold")).json()
    assert listed["for_everybody"] == 6
    assert listed["shortage"] == (
        "Too little gold: 6 of at least 15 items without a skill. Newcomers are trained with 3 instead of 5, "
        "for half of the gold is kept for hidden checks. Nobody can be judged: that takes 10 hidden checks, "
        "and after 3 there is nothing left to check a person with."
    )
    await review.make_tasks(40)
    ann = await review.account("half-ann", "reviewer")
    training = await review.claim(ann, 20)
    assert [task["training"] for task in training] == [True] * 3
    assert await review.claim(ann, 20) == [], "the rest is not for training, however much is asked for"
    for task in training:
        await decide(ann, task, RIGHT)
    seen = {task["content"] for task in training}
    while tasks := await review.claim(ann, 10):
        for task in tasks:
            assert not task["training"]
            assert task["content"] not in seen
            await decide(ann, task, RIGHT)
    purposes = sorted(check["purpose"] for check in (await checks(review, "half-ann")).values())
    assert purposes == ["check"] * 3 + ["training"] * 3
    await put(review, *texts(9, first=6))
    assert (await review.admin.get(f"/v1/projects/{review.project}/gold")).json()["shortage"] == ""
    await close([ann])
