"""How far people agree: what counts, what is kept apart, who may see it, and that reading it stays cheap."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from review_api.quality import store

from .support import PROJECT, Review, close

pytestmark = pytest.mark.asyncio(loop_scope="session")

Choose = Callable[[int], str]


def always(label: str) -> Choose:
    return lambda _: label


def third(label: str) -> Choose:
    """Return a person who says `label` of every third item."""
    return lambda number: label if number % 3 == 0 else "positive"


async def decide(review: Review, client: httpx.AsyncClient, count: int, choose: Choose) -> list[int]:
    """Have a person decide `count` tasks by the number of the item; return their ids."""
    tasks = await review.claim(client, count)
    assert len(tasks) == count
    for task in tasks:
        body = {"lease": task["lease"], "label": choose(int(task["item_id"][1:]))}
        answer = await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)
        answer.raise_for_status()
    return [task["task_id"] for task in tasks]


async def agreement(review: Review, **parameters: int) -> dict[str, Any]:
    answer = await review.admin.get(f"/v1/projects/{review.project}/agreement", params=parameters)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def of(found: dict[str, Any], between: str, *, blind: bool) -> dict[str, Any]:
    (one,) = (c for c in found["comparisons"] if (c["between"], c["blind"]) == (between, blind))
    return dict(one)


async def test_nobody_has_decided_anything(review: Review) -> None:
    found = await agreement(review)
    assert found["verdict"]["state"] == "unknown"
    assert "nobody has rated anything" in found["verdict"]["sentence"]
    assert (found["decisions"], found["limited"], found["pairs"]) == (0, False, [])
    for one in found["comparisons"]:
        assert one["alpha"]["value"] is None
        assert one["alpha"]["undefined"] == "nobody has rated anything"


async def test_people_agree_with_each_other_and_with_the_machine(review: Review) -> None:
    await review.make_tasks(12, needed=2, blind=True)
    ann, ben = await review.account("ann", "reviewer"), await review.account("ben", "reviewer")
    await decide(review, ann, 12, third("negative"))
    await decide(review, ben, 12, lambda number: "negative" if number in (0, 3) else "positive")

    found = await agreement(review)

    people = of(found, "people", blind=True)
    # Of 12 items both said negative of 2, positive of 8, and they differed on 2.
    assert people["raters"] == 2
    assert people["percent"]["value"] == pytest.approx(10 / 12)
    assert people["cohen"]["value"] == pytest.approx((10 / 12 - (4 * 2 + 8 * 10) / 144) / (1 - 88 / 144))
    assert people["alpha"]["value"] == pytest.approx(1 - (23 * 2 * 2) / (24**2 - 6**2 - 18**2))
    assert (people["alpha"]["items"], people["alpha"]["pairs"]) == (12, 12)
    assert people["alpha"]["low"] < people["alpha"]["value"] <= people["alpha"]["high"]
    assert {label["label"] for label in people["labels"]} == {"positive", "negative"}
    (week,) = people["weeks"]
    assert week["alpha"]["value"] == people["alpha"]["value"]
    machine = of(found, "machine", blind=True)
    assert machine["percent"]["value"] == pytest.approx(8 / 12)  # it always says positive; ann was first
    assert of(found, "people", blind=False)["alpha"]["value"] is None
    (pair,) = found["pairs"]
    assert sorted(pair["labels"]) == ["negative", "positive"]
    assert (pair["items"], pair["either"]) == (2, 12)
    assert {example["item_id"] for example in pair["examples"]} == {"i6", "i9"}
    assert found["contents"]["i6"] == "what a day, number 6"
    assert found["decisions"] == 24
    await close([ann, ben])


async def test_what_saw_a_suggestion_is_kept_apart(review: Review) -> None:
    await review.make_tasks(12, needed=2)
    ann, ben = await review.account("ann2", "reviewer"), await review.account("ben2", "reviewer")
    await decide(review, ann, 12, third("negative"))
    await decide(review, ben, 12, third("negative"))
    found = await agreement(review)
    assert of(found, "people", blind=True)["alpha"]["value"] is None
    assert of(found, "people", blind=False)["alpha"]["value"] == 1.0
    assert found["verdict"]["state"] == "unknown", "of 12 items not even that nobody differed proves much"
    assert "They saw the machine's suggestion" in found["verdict"]["sentence"]
    await close([ann, ben])


async def test_decisions_that_stand_count_whether_or_not_their_task_is_settled(review: Review) -> None:
    await review.make_tasks(14, needed=3)
    ann, ben = await review.sign_in("ann3"), await review.account("ben3", "reviewer")
    await decide(review, ben, 13, always("positive"))
    tasks = await decide(review, ann, 12, always("positive"))
    assert (await ann.post(f"/v1/tasks/{tasks[-1]}/undo")).status_code == 200
    found = await agreement(review)
    assert found["decisions"] == 13 + 11, "one was taken back; of no task the third person has decided"
    assert of(found, "people", blind=False)["percent"]["items"] == 11
    assert of(found, "machine", blind=False)["percent"]["items"] == 13
    assert "the same label throughout" in of(found, "people", blind=False)["alpha"]["undefined"]
    # What a second look brings does not count: it is taken where the machine contradicts.
    await review.database.execute(
        "UPDATE assignments SET again = true WHERE task_id = $1 AND reviewer = 'ann3'", tasks[0]
    )
    assert of(await agreement(review), "people", blind=False)["percent"]["items"] == 10
    await close([ann, ben])


async def test_neither_who_is_asked_because_others_differ_counts_nor_an_expert_between_them(
    review: Review,
) -> None:
    spec = (
        PROJECT.format(project=review.project)
        + "policy: {decisions_per_task: 2}\n"
        + "review: {overlap: {most_decisions: 3, agreement: 0.7, adjudicate: true}}\n"
    )
    (await review.admin.put(f"/v1/projects/{review.project}", content=spec)).raise_for_status()
    await review.make_tasks(12, needed=2, project_version=2)
    names = [f"{review.project[:40]}-{name}" for name in ("ann", "ben", "cid", "eve")]
    ann, ben, cid, eve = [await review.account(name, "reviewer") for name in names]
    manager = await review.account(f"{review.project[:40]}-mel", "manager")
    await decide(review, ann, 12, always("positive"))
    await decide(review, ben, 12, third("negative"))  # of i0, i3, i6 and i9

    async def figures() -> list[tuple[Any, ...]]:
        found = await agreement(review)
        people, machine = (of(found, between, blind=False) for between in ("people", "machine"))
        counted = people["percent"]["items"], people["percent"]["pairs"], people["raters"]
        both = people["percent"]["value"], people["alpha"]["value"], machine["percent"]["value"]
        return [(found["decisions"], *counted), *both]

    disputed = await figures()
    assert disputed[0] == (24, 12, 12, 2)
    assert disputed[1] == pytest.approx(8 / 12), "the four that wait for a third person count"
    # What waits is no example for the admin, who may be the third; who is a manager alone is told all.
    pairs = (await agreement(review))["pairs"]
    assert [(pair["items"], pair["examples"]) for pair in pairs] == [(4, [])]
    assert (await agreement(review))["examples_withheld"] == 3
    told = (await manager.get(f"/v1/projects/{review.project}/agreement")).json()
    assert len(told["pairs"][0]["examples"]) == 3
    assert (told["examples_withheld"], told["comparisons"]) == (0, (await agreement(review))["comparisons"])

    await decide(review, cid, 4, always("negative"))
    assert await figures() == disputed, "two against one is no agreement of 0.7, and changes no figure"
    grant = await review.admin.put(f"/v1/projects/{review.project}/skills/expert/{names[3]}")
    assert grant.raise_for_status().json()["changed"]
    await decide(review, eve, 4, always("negative"))
    assert await review.undecided() == 0
    assert await figures() == disputed, "nor does it that an expert settled them"
    (pair,) = (await agreement(review))["pairs"]
    assert [example["said"] for example in pair["examples"]] == [{"positive": 1, "negative": 1}] * 3
    lines = (await review.admin.get(f"/v1/projects/{review.project}/decisions")).text.splitlines()
    asked = {
        (line["reviewer"], line["extra"], line["adjudicates"]) for line in map(msgspec.json.decode, lines)
    }
    assert asked == {
        (names[0], False, False), (names[1], False, False), (names[2], True, False), (names[3], True, True),
    }  # fmt: skip
    await close([ann, ben, cid, eve, manager])


async def test_no_window_tells_who_may_be_asked_what_was_said_in_a_blind_check(review: Review) -> None:
    await review.make_tasks(3, needed=2, blind=True)
    ann, manager = await review.account("ann9", "reviewer"), await review.account("m9", "manager")
    await decide(review, ann, 3, always("negative"))
    found = await agreement(review)
    assert (found["decisions"], found["withheld"]) == (0, 3)
    assert "negative" not in str(found["comparisons"])
    told = (await manager.get(f"/v1/projects/{review.project}/agreement")).json()
    assert (told["decisions"], told["withheld"]) == (3, 0)
    assert of(told, "machine", blind=True)["percent"]["items"] == 3
    await close([ann, manager])


async def test_figures_are_of_one_guideline_and_weeks_of_all(review: Review) -> None:
    await review.make_tasks(10, needed=2, blind=True)
    ann, ben = await review.account("ann4", "reviewer"), await review.account("ben4", "reviewer")
    for person in (ann, ben):
        await decide(review, person, 10, third("negative"))
    changed = PROJECT.format(project=review.project).replace("Say which.", "Say which one.")
    (await review.admin.put(f"/v1/projects/{review.project}", content=changed)).raise_for_status()

    async def values(**parameters: int) -> tuple[Any, ...]:
        found = await agreement(review, **parameters)
        people = of(found, "people", blind=True)
        weeks = [(week["guideline_version"], week["alpha"]["value"]) for week in people["weeks"]]
        return found["guideline_version"], people["alpha"]["value"], weeks

    assert await values(guideline_version=2) == (2, None, [(1, 1.0)])
    assert await values(guideline_version=1) == (1, 1.0, [(1, 1.0)])
    # A task that was half decided by the old guideline compares nobody.
    await review.make_tasks(10, needed=2, first=10, blind=True)
    await decide(review, ann, 10, third("negative"))
    (week,) = of(await agreement(review), "people", blind=True)["weeks"][:1]
    assert week["alpha"]["items"] == 10
    assert (await agreement(review, since=4_000_000_000_000))["decisions"] == 0
    assert (await agreement(review, until=1))["decisions"] == 0
    await close([ann, ben])


async def test_it_is_for_managers(review: Review) -> None:
    reviewer, manager = await review.account("r5", "reviewer"), await review.account("m5", "manager")
    for path in ("agreement", "decisions"):
        base = f"/v1/projects/{review.project}/{path}"
        assert (await reviewer.get(base)).status_code == 403
        assert (await manager.get(base)).status_code == 200
        assert (await manager.get(f"/v1/projects/nowhere/{path}")).status_code == 404
    refused = await manager.get(f"/v1/projects/{review.project}/agreement", params={"guideline_version": 9})
    assert (refused.status_code, refused.json()["error"]) == (404, "unknown_guideline")
    await close([reviewer, manager])


async def test_decisions_are_exported_in_the_order_of_time(review: Review) -> None:
    await review.make_tasks(5, needed=2, blind=True)
    ann, ben = await review.account("ann6", "reviewer"), await review.account("ben6", "reviewer")
    await decide(review, ann, 5, third("negative"))
    await decide(review, ben, 2, always("positive"))
    answer = await review.admin.get(f"/v1/projects/{review.project}/decisions")
    lines = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    assert [line["reviewer"] for line in lines] == ["ann6"] * 5 + ["ben6"] * 2
    assert sorted(line["item_id"] for line in lines[:5]) == [f"i{number}" for number in range(5)]
    assert lines == sorted(lines, key=lambda line: line["decided_at"])
    first = lines[0]
    assert first == {
        "item_id": first["item_id"],
        "reviewer": "ann6",
        "label": "negative" if first["item_id"] in ("i0", "i3") else "positive",
        "machine_label": "positive",
        "blind": True,
        "again": False,
        "extra": False,
        "adjudicates": False,
        "guideline_version": 1,
        "seconds": first["seconds"],
        "decided_at": first["decided_at"],
    }
    await close([ann, ben])


async def test_pages_of_the_export_join(
    review: Review, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await review.make_tasks(7, blind=True)
    ann = await review.account("ann7", "reviewer")
    await decide(review, ann, 7, third("negative"))
    monkeypatch.setattr(store, "_PAGE_ROWS", 3)
    parts = [part async for part in store.Decisions(database).lines(review.project)]
    items = [msgspec.json.decode(line)["item_id"] for part in parts for line in part.splitlines()]
    assert sorted(items) == [f"i{number}" for number in range(7)]
    await ann.aclose()


async def test_the_newest_decisions_are_read_by_an_index(review: Review, database: Any) -> None:
    await review.make_tasks(6, needed=2, blind=True)
    ann, ben = await review.account("ann8", "reviewer"), await review.account("ben8", "reviewer")
    for person in (ann, ben):
        await decide(review, person, 6, always("positive"))
    found = await store.Decisions(database).newest(review.project, 0, 4_000_000_000_000, 4)
    assert found.limited
    assert len(found.decisions) == 8, "four decisions belong to four tasks, of which all decisions come along"
    assert {decision.reviewer for decision in found.decisions} == {"ann8", "ben8"}
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        rows = await connection.fetch(
            "EXPLAIN " + store._NEWEST, review.project, 0, 4_000_000_000_000, 20_000
        )
        rows += await connection.fetch("EXPLAIN " + store._DECISIONS, [1, 2], "ann8")
    plan = "\n".join(row[0] for row in rows)
    assert "decisions_by_project" in plan
    assert "Seq Scan" not in plan
    await close([ann, ben])
