"""Who decides a task: pools by skill, more people where they differ, and an expert between them."""

from contextlib import aclosing
from typing import Any

import httpx
import pytest
from labelmill.events import EventDecoder, ReleasePublished, ReviewDecided, encode
from labelmill.releases import Calibrator, Evaluation, Release, Reliability
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import RELEASES, REVIEWS_DECIDED
from review_api.tasks.reorders import Reorders

from .support import Review, close, item, now_ms, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEC: dict[str, Any] = {
    "title": "Tweets",
    "labels": [{"name": "positive"}, {"name": "negative"}, {"name": "neither"}],
    "guideline": "Say which.",
    "voters": [{"name": "llm", "type": "llm", "model": "m", "permutations": 2}],
}


async def define(review: Review, policy: dict[str, Any] | None = None, **review_section: Any) -> None:
    spec = {
        "project": review.project,
        **SPEC,
        "policy": {"decisions_per_task": 2} | (policy or {}),
        "review": review_section,
    }
    (await review.admin.put(f"/v1/projects/{review.project}", json=spec)).raise_for_status()


async def people(review: Review, *names: str) -> list[httpx.AsyncClient]:
    return [await review.account(f"{review.project[:40]}-{name}", "reviewer") for name in names]


async def skilled(review: Review, name: str, skill: str) -> httpx.Response:
    return await review.admin.put(
        f"/v1/projects/{review.project}/skills/{skill}/{review.project[:40]}-{name}"
    )


async def decide(client: httpx.AsyncClient, task: dict[str, Any], label: str) -> dict[str, Any]:
    body = {"lease": task["lease"], "label": label}
    answer = await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def undo(client: httpx.AsyncClient, task: dict[str, Any]) -> httpx.Response:
    return await client.post(f"/v1/tasks/{task['task_id']}/undo")


async def the_event(review: Review) -> ReviewDecided:
    (record,) = await review.read(REVIEWS_DECIDED.name, 1)
    return EventDecoder(ReviewDecided).decode(record.value)


async def test_who_differ_get_company_up_to_the_limit_and_the_majority_settles(review: Review) -> None:
    await define(review, overlap={"most_decisions": 4})
    await review.make_tasks(1, needed=2, project_version=2)
    ann, bob, cid, dee = await people(review, "ann", "bob", "cid", "dee")
    for client, label, standing in (
        (ann, "positive", (1, False)),
        (bob, "negative", (2, False)),
        (cid, "neither", (3, False)),
        (dee, "negative", (4, True)),
    ):
        (task,) = await review.claim(client)
        assert task["adjudication"] is None
        answer = await decide(client, task, label)
        assert (answer["decisions"], answer["final"]) == standing
    event = await the_event(review)
    assert event.label == "negative"
    assert [decision.label for decision in event.decisions] == ["positive", "negative", "neither", "negative"]
    await close([ann, bob, cid, dee])


async def test_who_agree_get_no_company(review: Review) -> None:
    await define(review, overlap={"most_decisions": 5, "adjudicate": True})
    await review.make_tasks(1, needed=2, project_version=2)
    ann, bob = await people(review, "ann", "bob")
    for client in (ann, bob):
        (task,) = await review.claim(client)
        answer = await decide(client, task, "positive")
    assert answer["final"]
    assert await review.undecided() == 0
    await close([ann, bob])


async def test_an_expert_decides_between_people_and_sees_their_answers_without_names(review: Review) -> None:
    await define(review, overlap={"adjudicate": True})
    await review.make_tasks(1, needed=2, project_version=2)
    ann, bob, cid, eve = await people(review, "ann", "bob", "cid", "eve")
    for client, label in ((ann, "positive"), (bob, "negative")):
        (task,) = await review.claim(client)
        assert not (await decide(client, task, label))["final"]
    assert await review.claim(cid) == [], "it is for experts now"
    assert (await skilled(review, "eve", "expert")).json()["changed"]
    (task,) = await review.claim(eve)
    assert task["adjudication"] == {"answers": ["negative", "positive"]}
    assert "ann" not in str(task)
    assert (await decide(eve, task, "neither"))["final"]
    event = await the_event(review)
    assert (event.label, len(event.decisions)) == ("neither", 3)
    await close([ann, bob, cid, eve])


async def test_taking_back_an_answer_takes_back_who_was_asked_because_of_it(review: Review) -> None:
    await define(review, overlap={"most_decisions": 3})
    await review.make_tasks(1, needed=2, project_version=2)
    ann, bob, cid = await people(review, "ann", "bob", "cid")
    for client, label in ((ann, "positive"), (bob, "negative")):
        (task,) = await review.claim(client)
        await decide(client, task, label)
    assert await review.undecided() == 1
    again = (await undo(bob, task)).raise_for_status().json()
    assert await review.claim(cid) == [], "nobody differs any more"
    assert (await decide(bob, {**task, "lease": again["lease"]}, "negative"))["final"] is False
    (third,) = await review.claim(cid)
    assert (await undo(ann, task)).status_code == 409, "the third person is at it"
    assert (await decide(cid, third, "positive"))["final"]
    assert (await the_event(review)).label == "positive"
    await close([ann, bob, cid])


async def test_blind_audits_keep_to_their_raters(review: Review) -> None:
    await define(review, overlap={"most_decisions": 5, "adjudicate": True})
    one = item(review.project, 1)
    asked = {"reasons": ["audit"], "blind": True, "decisions_needed": 2, "project_version": 2}
    await review.send(one, requested(score(one, 0.97), **asked))
    await review.until_tasks(1)
    ann, bob = await people(review, "ann", "bob")
    for client, label in ((ann, "positive"), (bob, "negative")):
        (task,) = await review.claim(client)
        answer = await decide(client, task, label)
    assert answer["final"], "how many decide an audit is part of the promise"
    await close([ann, bob])


async def test_only_who_has_the_skill_is_given_what_needs_it(review: Review) -> None:
    await define(review, skills=[{"name": "spanish", "metadata": {"lang": ["es"]}}])
    spanish, english = item(review.project, 1, metadata={"lang": "es"}), item(review.project, 2)
    await review.send(
        spanish,
        requested(score(spanish, 0.9), project_version=2),
        english,
        requested(score(english, 0.4), project_version=2),
    )
    await review.until_tasks(2)
    ann, bob = await people(review, "ann", "bob")
    assert (await skilled(review, "ann", "dancing")).status_code == 404
    assert (await skilled(review, "nobody", "spanish")).status_code == 404
    assert (await skilled(review, "ann", "spanish")).json()["changed"]
    assert not (await skilled(review, "ann", "spanish")).json()["changed"]
    assert [task["item_id"] for task in await review.claim(bob, 5)] == ["i2"]
    assert [task["item_id"] for task in await review.claim(ann, 5)] == ["i1"], "though it is surer"
    listed = (await review.admin.get(f"/v1/projects/{review.project}/skills")).json()
    assert listed["skills"] == ["expert", "spanish"]
    assert [(one["skill"], one["source"]) for one in listed["grants"]] == [("spanish", "manager")]
    assert (await ann.get(f"/v1/projects/{review.project}/skills")).status_code == 403
    await close([ann, bob])


async def places(review: Review) -> dict[str, float]:
    rows = await review.database.fetch(
        "SELECT t.item_id, a.priority FROM assignments a JOIN tasks t USING (task_id) WHERE a.project = $1",
        review.project,
    )
    return {row["item_id"]: row["priority"] for row in rows}


async def test_a_new_order_moves_what_waits(review: Review) -> None:
    await review.make_tasks(6)
    before = await places(review)
    assert sorted(before, key=before.__getitem__) == [f"i{number}" for number in range(6)]
    await define(review, order="random")

    async def moved() -> bool | None:
        return (await places(review)) != before or None

    await until(moved)
    (ann,) = await people(review, "ann")
    drawn = await places(review)
    tasks = await review.claim(ann, 6)
    assert [task["item_id"] for task in tasks] == sorted(drawn, key=drawn.__getitem__)
    await ann.aclose()


async def test_a_release_gives_what_waits_new_scores(review: Review) -> None:
    await review.make_tasks(4)
    await review.make_tasks(1, first=9, blind=True, reasons=["audit"])
    before = await places(review)
    flat = Calibrator(voters=["llm"], kind="isotonic", x=[0.0, 1.0], y=[0.6, 0.6])
    release = Release(
        number=1,
        dataset="d",
        decisions=10,
        evaluation=Evaluation(items=5, accuracy=0.9, present_accuracy=0.8),
        created_at=now_ms(),
        reliabilities={"llm": Reliability(accuracy=0.8)},
        calibrators=[flat],
    )
    event = ReleasePublished(project=review.project, release=release, published_at=now_ms())
    await review.publisher.publish(RELEASES.name, [OutRecord(0, review.project.encode(), encode(event))])

    async def rescored() -> bool | None:
        now = await places(review)
        return [now[f"i{number}"] for number in range(4)] == pytest.approx([0.6] * 4) or None

    await until(rescored)
    assert (await places(review))["i9"] == before["i9"], "an audit's place does not follow its score"


async def test_experts_who_are_asked_first_do_not_see_each_other_s_answers(review: Review) -> None:
    await define(review, {"always_review": {"expert_labels": ["positive"]}}, overlap={"adjudicate": True})
    await review.make_tasks(1, needed=2, project_version=2)
    ann, bob, eve = await people(review, "ann", "bob", "eve")
    for name in ("ann", "bob", "eve"):
        (await skilled(review, name, "expert")).raise_for_status()
    for client, label in ((ann, "positive"), (bob, "negative")):
        (task,) = await review.claim(client)
        assert task["adjudication"] is None, "nobody differs yet"
        assert not (await decide(client, task, label))["final"]
    (task,) = await review.claim(eve)
    assert task["adjudication"] == {"answers": ["negative", "positive"]}
    assert (await decide(eve, task, "neither"))["final"], "who adjudicates has the last word"
    assert (await the_event(review)).label == "neither"
    await close([ann, bob, eve])


async def test_who_is_asked_in_another_pool_than_the_first_does_not_adjudicate(review: Review) -> None:
    await review.make_tasks(1, needed=3)
    ann, bob, cid = await people(review, "ann", "bob", "cid")
    (task,) = await review.claim(ann)
    await decide(ann, task, "positive")
    await define(review, skills=[{"name": "glad", "labels": ["positive"]}])
    pools = "SELECT array_agg(DISTINCT pool) FROM assignments WHERE project = $1 AND state = 'open'"

    async def moved() -> bool | None:
        return await review.database.fetchval(pools, review.project) == ["glad"] or None

    await until(moved)
    for name in ("bob", "cid"):
        (await skilled(review, name, "glad")).raise_for_status()
    (task,) = await review.claim(bob)
    assert not (await decide(bob, task, "negative"))["final"], "one more is to decide"
    (task,) = await review.claim(cid)
    assert (await decide(cid, task, "positive"))["final"]
    event = await the_event(review)
    assert (event.label, len(event.decisions)) == ("positive", 3)
    await close([ann, bob, cid])


async def test_what_is_in_hand_comes_back_to_the_pool_it_needs_by_now(review: Review) -> None:
    await review.make_tasks(1)
    ann, bob, cid = await people(review, "ann", "bob", "cid")
    (task,) = await review.claim(ann)
    await define(review, skills=[{"name": "glad", "labels": ["positive"]}])
    basis = "SELECT basis FROM queue_orders WHERE project = $1"

    async def ordered() -> bool | None:
        return "glad" in (await review.database.fetchval(basis, review.project) or "") or None

    await until(ordered)
    lease = {"lease": task["lease"]}
    assert (await ann.post(f"/v1/tasks/{task['task_id']}/heartbeat", json=lease)).status_code == 200
    (await ann.post(f"/v1/tasks/{task['task_id']}/skip", json=lease)).raise_for_status()
    assert await review.claim(bob) == [], "it takes a skill now"
    (await skilled(review, "cid", "glad")).raise_for_status()
    assert len(await review.claim(cid)) == 1
    await close([ann, bob, cid])


async def test_what_was_routed_before_a_new_order_takes_its_place_in_it(review: Review) -> None:
    await define(review, skills=[{"name": "glad", "labels": ["positive"]}])
    await review.make_tasks(1, project_version=1)
    (ann,) = await people(review, "ann")
    assert await review.claim(ann) == [], "it takes a skill now"
    await ann.aclose()


async def test_what_waits_is_read_in_pages_by_one_process_at_a_time(
    review: Review, database: Database
) -> None:
    await review.make_tasks(7)
    query = "SELECT task_id FROM tasks WHERE project = $1"
    every = {row["task_id"] for row in await review.database.fetch(query, review.project)}
    store, other = Reorders(database), Reorders(database)
    async with store.alone(review.project) as waiting:
        assert waiting is not None
        async with other.alone(review.project) as second:
            assert second is None
        async with aclosing(waiting.pages(3)) as pages:
            assert len(await anext(pages)) == 3, "and the rest is never read"
        found = [page async for page in waiting.pages(3)]
        assert [len(page) for page in found] == [3, 3, 1]
        assert {task_id for page in found for task_id in page} == every
        assert [len(page) async for page in waiting.pages(3, 5)] == [3, 2]
    async with other.alone(review.project) as second:
        assert second is not None
