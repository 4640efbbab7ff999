"""Doubtful decisions are made again: once, blind, by others, last, and without moving any evidence."""

import asyncio
from typing import Any

import httpx
import pytest
from labelmill.events import EventDecoder, QualityPublished, ReviewDecided, encode
from labelmill.quality import Quality, Suspect
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import QUALITY, REVIEWS_DECIDED
from labelmill_local.system import Running
from review_api.tasks.rereviews import Rereviews

from .support import Review, close, item, now_ms, requested, score, until
from .test_review_promise import acceptance, make_promise, publish

pytestmark = pytest.mark.asyncio(loop_scope="session")


def suspect(number: int, label: str = "negative") -> Suspect:
    return Suspect(item_id=f"i{number}", label=label, likely_label="positive", probability=0.03)


async def doubt(review: Review, *suspects: Suspect, times: int = 1) -> None:
    """Publish a look at quality, and wait until the ledger has heard it (or the last of them)."""
    for turn in range(times):
        decisions = now_ms() + turn
        quality = Quality(
            release=1,
            decisions=decisions,
            accuracy=0.9,
            calibration_error=0.02,
            suspects=list(suspects),
        )
        event = QualityPublished(project=review.project, quality=quality, published_at=decisions)
        await review.publisher.publish(QUALITY.name, [OutRecord(0, review.project.encode(), encode(event))])

    async def heard() -> bool | None:
        found = (await promise(review))["quality"]
        return True if found and found["decisions"] == decisions else None

    await until(heard)
    await asyncio.sleep(0.3)  # it is written down before tasks are opened


async def promise(review: Review) -> dict[str, Any]:
    answer = await review.admin.get(f"/v1/projects/{review.project}/promise")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def rereviews(review: Review, **wanted: int) -> dict[str, int]:
    """Wait until the counts have these values; return them."""

    async def reached() -> dict[str, int] | None:
        counts: dict[str, int] = (await promise(review))["rereviews"]
        return counts if wanted.items() <= counts.items() else None

    return await until(reached)


async def decide(client: httpx.AsyncClient, task: dict[str, Any], label: str) -> dict[str, Any]:
    body = {"lease": task["lease"], "label": label}
    answer = await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def settle(
    review: Review, client: httpx.AsyncClient, count: int, label: str = "negative"
) -> list[dict[str, Any]]:
    """Have one person decide `count` tasks, and wait until all of it has left."""
    tasks = await review.claim(client, count)
    for task in tasks:
        await decide(client, task, label)
    await review.let_go()
    await review.until_left()
    return tasks


async def events(review: Review, count: int) -> list[ReviewDecided]:
    records = await review.read(REVIEWS_DECIDED.name, count)
    return [EventDecoder(ReviewDecided).decode(record.value) for record in records]


async def final_label(review: Review, number: int = 0) -> str:
    label: str = await review.database.fetchval(
        "SELECT label #>> '{}' FROM final_labels WHERE project = $1 AND item_id = $2",
        review.project,
        f"i{number}",
    )
    return label


async def test_two_others_overrule_a_slip(review: Review) -> None:
    await review.make_tasks(3)
    people = [await review.account(f"slip{n}", "reviewer") for n in range(3)]
    (task, *_) = await settle(review, people[0], 1)
    before = await review.status()
    await doubt(review, suspect(0), times=5)
    assert await rereviews(review, waiting=1) == {"waiting": 1, "decided": 0, "changed": 0}
    assert await review.status() == before, "it is no open task"
    assert await final_label(review) == "negative", "the label stands meanwhile"

    tasks = await review.claim(people[1], 3)
    assert [one["item_id"] for one in tasks] == ["i1", "i2", "i0"], "it comes last"
    again = tasks[-1]
    assert (again["blind"], again["suggestion"], again["reasons"]) == (True, None, [])
    assert {"slip0", "negative"}.isdisjoint(str(again).replace("'", " ").split())
    status = await review.status()
    assert (status["open_tasks"], status["leased_tasks"]) == (0, 2)

    assert await decide(people[1], again, "positive") == {
        "task_id": task["task_id"],
        "decisions": 2,
        "final": False,
    }
    assert await final_label(review) == "negative"
    assert await review.claim(people[1]) == await review.claim(people[0]) == [], "neither decides twice"
    (third,) = await review.claim(people[2])
    assert (third["task_id"], third["blind"]) == (task["task_id"], True)
    assert (await decide(people[2], third, "positive"))["final"] is True

    assert await rereviews(review, decided=1) == {"waiting": 0, "decided": 1, "changed": 1}
    assert await final_label(review) == "positive"
    first, second = await events(review, 2)
    assert first.event_id != second.event_id
    assert (first.label, second.label) == ("negative", "positive")
    assert [one.reviewer for one in second.decisions] == ["slip0", "slip1", "slip2"]
    assert (second.reasons, second.blind, second.audit_rate) == (["low_confidence", "label_error"], True, 0.0)
    assert second.decided_at > first.decided_at
    status = await review.status()
    assert (status["decided"], status["final_labels"], status["corrections"]) == (1, 1, 1)
    lineage = (await review.admin.get(f"/v1/projects/{review.project}/items/i0")).json()
    (shown,) = lineage["tasks"]
    assert (shown["rereview"]["label_before"], shown["rereview"]["changed"]) == ("negative", True)
    assert [one["again"] for one in shown["assignments"]] == [False, True, True]
    assert [one["label"] for one in lineage["decisions"]] == ["negative", "positive", "positive"]

    await doubt(review, suspect(0, "positive"))
    assert await rereviews(review, waiting=0) == {"waiting": 0, "decided": 1, "changed": 1}, (
        "not a third time"
    )
    await close(people)


async def test_one_other_person_confirms(review: Review, relay: Running) -> None:
    await review.make_tasks(1)
    first, second = await review.account("sure0", "reviewer"), await review.account("sure1", "reviewer")
    await settle(review, first, 1)
    await doubt(review, suspect(0))
    await rereviews(review, waiting=1)
    (task,) = await review.claim(second)
    await relay.process.kill()
    assert (await decide(second, task, "negative"))["final"] is True
    assert await rereviews(review, decided=1) == {"waiting": 0, "decided": 1, "changed": 0}
    found = {event.event_id: event for event in await events(review, 2)}
    assert [(event.label, len(event.decisions)) for event in found.values()] == [
        ("negative", 1),
        ("negative", 2),
    ]
    await close([first, second])


async def test_several_raters_and_two_more_are_merged_as_ever(review: Review) -> None:
    await review.make_tasks(1, needed=3)
    people = [await review.account(f"rater{n}", "reviewer") for n in range(5)]
    for person, label in zip(people, ["negative", "positive", "negative"], strict=False):
        (task,) = await review.claim(person)
        await decide(person, task, label)
    await review.until_left()
    await doubt(review, suspect(0))
    await rereviews(review, waiting=1)
    for person, final in zip(people[3:], [False, True], strict=True):
        (task,) = await review.claim(person)
        assert (await decide(person, task, "positive"))["final"] is final
    await rereviews(review, changed=1)
    assert await final_label(review) == "positive"
    await close(people)


async def test_audits_are_never_decided_again(review: Review) -> None:
    """The machine doubts where it differs: audits that are decided again could only move in its favour."""
    audits: list[Any] = []
    for number, fields in enumerate(
        [{"reasons": ["audit"]}, {"reasons": ["cold_start"], "audit_rate": 1.0}, {}], start=0
    ):
        one = item(review.project, number)
        audits += [one, requested(score(one, 0.9), **{"blind": True, **fields})]
    await review.send(*audits)
    await review.until_tasks(3)
    person = await review.account("blindly", "reviewer")
    await settle(review, person, 3)
    before = await review.status()
    await doubt(review, *(suspect(number) for number in range(3)))
    await rereviews(review, waiting=1)
    reopened = await review.database.fetch(
        "SELECT t.item_id FROM rereviews JOIN tasks t USING (task_id) WHERE t.project = $1", review.project
    )
    assert [row["item_id"] for row in reopened] == ["i2"]
    assert await review.status() == before
    await person.aclose()


async def test_only_what_people_settled_on_the_doubted_label_is_opened(review: Review) -> None:
    await review.make_tasks(3)
    person = await review.account("lonely", "reviewer")
    (task,) = await review.claim(person)
    await decide(person, task, "negative")
    await review.until_left()
    await doubt(review, suspect(0, "positive"), suspect(1), suspect(2), suspect(99))
    assert await rereviews(review, waiting=0) == {"waiting": 0, "decided": 0, "changed": 0}
    await person.aclose()


async def test_a_day_has_a_bound(review: Review) -> None:
    await review.make_tasks(14)
    person, other = await review.account("many0", "reviewer"), await review.account("many1", "reviewer")
    await settle(review, person, 14)
    await doubt(review, *(suspect(number) for number in range(14)), times=3)
    await rereviews(review, waiting=10)
    tasks = await review.claim(other, 20)
    assert {task["item_id"] for task in tasks} == {f"i{number}" for number in range(10)}, "likeliest first"
    for task in tasks:
        await decide(other, task, "negative")
    await rereviews(review, decided=10)
    await doubt(review, *(suspect(number) for number in range(14)))
    assert (await rereviews(review, decided=10))["waiting"] == 0
    await review.database.execute(
        "UPDATE rereviews SET opened_at = opened_at - interval '25 hours' WHERE project = $1", review.project
    )
    await doubt(review, *(suspect(number) for number in range(14)))
    assert (await rereviews(review, waiting=4))["decided"] == 10
    assert await review.claim(person) == [], "who decided it first waits for others"
    assert (await review.status())["open_tasks"] == 0
    await close([person, other])


async def test_processes_that_hear_of_it_at_once_open_it_once(review: Review, database: Database) -> None:
    await review.make_tasks(14)
    person = await review.account("atonce", "reviewer")
    await settle(review, person, 14)
    store, doubted = Rereviews(database), [suspect(number) for number in range(14)]
    opened = await asyncio.gather(*(store.open(review.project, [*doubted, doubted[0]]) for _ in range(10)))
    assert sorted(opened) == [0] * 9 + [10]
    assert await review.undecided() == 10
    await person.aclose()


async def test_a_second_look_can_be_taken_back(review: Review) -> None:
    await review.make_tasks(1)
    pages = [await review.sign_in(f"back{n}") for n in range(3)]
    (task,) = await settle(review, pages[0], 1)
    await doubt(review, suspect(0))
    await rereviews(review, waiting=1)
    url = f"/v1/tasks/{task['task_id']}/undo"
    assert (await pages[0].post(url)).status_code == 409, "what was doubted has left"

    (again,) = await review.claim(pages[1])
    assert not (await decide(pages[1], again, "positive"))["final"]
    undone = (await pages[1].post(url)).raise_for_status().json()
    assert await review.claim(pages[2]) == [], "nobody else is asked any more"
    assert (await decide(pages[1], {**again, **undone}, "negative"))["final"]
    undone = (await pages[1].post(url)).raise_for_status().json()
    assert await final_label(review) == "negative", "as before the second look"
    assert not (await decide(pages[1], {**again, **undone}, "positive"))["final"]
    (third,) = await review.claim(pages[2])
    assert (await pages[1].post(url)).status_code == 409, "another goes on from it"
    assert (await decide(pages[2], third, "positive"))["final"]
    undone = (await pages[2].post(url)).raise_for_status().json()
    assert await final_label(review) == "negative"
    assert (await decide(pages[2], {**third, **undone}, "negative"))["final"]
    await review.let_go()
    assert await rereviews(review, decided=1) == {"waiting": 0, "decided": 1, "changed": 0}
    assert [one.label for one in (await events(review, 2))[-1].decisions] == [
        "negative",
        "positive",
        "negative",
    ]
    await close(pages)


async def test_a_task_that_waits_for_a_second_look_is_not_withdrawn(review: Review) -> None:
    await make_promise(review)
    one, other = item(review.project, 1), item(review.project, 3)  # the draw keeps neither as an audit
    routed = [requested(score(each, 0.9, release=1, calibrated=True)) for each in (one, other)]
    await review.send(one, other, *routed)
    await review.until_tasks(2)
    person = await review.account("kept", "reviewer")
    (task,) = await settle(review, person, 1)
    await doubt(review, suspect(int(task["item_id"][1:])))
    await rereviews(review, waiting=1)
    await publish(review, acceptance(0.5))
    assert (await review.until("withdrawn", 1))["withdrawn"] == 1
    assert (await promise(review))["rereviews"]["waiting"] == 1
    assert await final_label(review, int(task["item_id"][1:])) == "negative"
    await person.aclose()
