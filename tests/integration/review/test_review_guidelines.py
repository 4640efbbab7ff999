"""Guidelines: publishing, campaigns that send what was shown and each item once, and edge cases."""

import asyncio
from typing import Any, cast

import httpx
import pytest
from labelmill.events import EventDecoder, ItemIngested, ProjectPublished, ReviewDecided
from labelmill.runtime import kafka
from labelmill.runtime.postgres import Database
from labelmill.topics import ITEMS, PROJECTS, REVIEWS_DECIDED
from labelmill_local.system import Running
from review_api.guidelines.edge_cases import EdgeCases
from review_api.guidelines.editor import Edit, Editor
from review_api.guidelines.store import Guidelines
from review_api.projects.publishing import ProjectPublisher
from review_api.projects.store import ProjectStore

from .support import Review, accepted, item, kafka_settings, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def publish(review: Review, guideline: str, based_on: int = 1, **fields: Any) -> httpx.Response:
    body = {"based_on": based_on, "guideline": guideline, **fields}
    return await review.admin.post(f"/v1/projects/{review.project}/guidelines", json=body)


async def get(review: Review, path: str, client: httpx.AsyncClient | None = None) -> dict[str, Any]:
    answer = await (client or review.admin).get(f"/v1/projects/{review.project}/{path}")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def planned(review: Review, mode: str = "relabel", **select: Any) -> dict[str, Any]:
    """Plan a campaign and return it once it is planned."""
    body = {"mode": mode, "select": {"by": "all", **select}}
    made = await review.admin.post(f"/v1/projects/{review.project}/campaigns", json=body)
    assert made.status_code == 201, made.text
    return await reaches(review, made.json()["campaign_id"], state="planned")


async def reaches(review: Review, campaign_id: int, seconds: float = 60, **figures: Any) -> dict[str, Any]:
    """Wait until a campaign has these figures; return it."""

    async def reached() -> dict[str, Any] | None:
        found = await get(review, f"campaigns/{campaign_id}")
        assert found["problem"] == ""
        return found if figures.items() <= found.items() else None

    return await until(reached, seconds)


async def act(review: Review, campaign_id: int, name: str) -> dict[str, Any]:
    answer = await review.admin.post(f"/v1/projects/{review.project}/campaigns/{campaign_id}/{name}")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def label(review: Review, count: int, **fields: Any) -> list[ItemIngested]:
    """Have the machine label `count` items by guideline 1: even ones positive, odd ones negative."""
    items = [item(review.project, number) for number in range(count)]
    routes = [
        accepted(score(one, 0.6 + number / 1000, "negative" if number % 2 else "positive", **fields))
        for number, one in enumerate(items)
    ]
    await review.send(*items, *routes)
    await review.until("final_labels", count)
    await review.until("items", count)
    return items


async def answer_anew(review: Review, again: list[ItemIngested], label: str = "negative") -> None:
    """Route items as the autolabeler and the router do under guideline 2."""
    fields = {"guideline_version": 2, "event_id": "anew"}
    await review.send(*(accepted(score(one, 0.9, label, **fields), project_version=2) for one in again))


async def sent_again(review: Review, first: int, count: int) -> list[ItemIngested]:
    """Return what the topic of items holds after the `first`, once it is `count` more."""
    records = await review.read(ITEMS.name, first + count)
    decoder = EventDecoder(ItemIngested)
    events = sorted((decoder.decode(record.value) for record in records), key=lambda one: one.ingested_at)
    return events[first:]


async def test_a_new_version_comes_into_force_everywhere(review: Review) -> None:
    answer = await publish(review, "# Say which\n\n- and *why*")
    assert answer.json() == {"version": 2, "guideline_version": 2, "changed": True}, answer.text
    found = await get(review, "guidelines")
    assert found["in_force"] == 2
    lines = [(line["guideline_version"], line["version"], line["created_by"]) for line in found["versions"]]
    assert lines == [(2, 2, "admin"), (1, 1, "admin")]
    assert (await get(review, "guidelines/1"))["guideline"] == "Say which."
    assert (await get(review, "guidelines/2"))["guideline"] == "# Say which\n\n- and *why*"

    consumer = kafka.reader(kafka_settings(review.system), PROJECTS.name)
    await consumer.start()
    published = []
    async with asyncio.timeout(30):
        while not published or published[-1].guideline_version < 2:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                events = (EventDecoder(ProjectPublished).decode(record.value) for record in records)
                published += [event for event in events if event.project == review.project]
    await consumer.stop()
    assert published[-1].spec.guideline == "# Say which\n\n- and *why*"
    acts = (await review.admin.get("/v1/audit", params={"project": review.project})).json()["entries"]
    assert {"guideline.published", "project.applied"} <= {entry["act"] for entry in acts}


async def test_an_edit_of_what_is_no_longer_in_force_is_refused(review: Review) -> None:
    assert (await publish(review, "Second.")).status_code == 200
    stale = await publish(review, "Third, on top of the first.")
    assert (stale.status_code, stale.json()["error"]) == (409, "stale_edit")
    assert (await get(review, "guidelines"))["in_force"] == 2
    same = await publish(review, "Second.", based_on=2)
    assert same.json() == {"version": 2, "guideline_version": 2, "changed": False}
    outcomes = await asyncio.gather(*(publish(review, f"Third {n}.", based_on=2) for n in range(5)))
    assert sorted(outcome.status_code for outcome in outcomes) == [200, 409, 409, 409, 409]
    assert (await publish(review, "Bad.", 3, labels=[{"name": "only"}])).status_code == 422


async def test_the_difference_of_two_versions_is_told(review: Review) -> None:
    labels = [{"name": "positive", "description": "feels good"}, {"name": "negative"}]
    await publish(review, "Say which one.", labels=labels)
    found = await get(review, "guidelines/2/diff")
    assert (found["old"], found["new"], found["affected_labels"]) == (1, 2, ["positive"])
    assert [line["op"] for line in found["hunks"][0]["lines"]] == ["removed", "added"]
    added = [part["text"] for part in found["hunks"][0]["lines"][1]["parts"] if part["op"] == "added"]
    assert added == [" one"]
    back = await get(review, "guidelines/1/diff?since=2")
    assert (back["added"], back["removed"]) == (1, 1)
    for path in ("guidelines/9", "guidelines/2/diff?since=9"):
        answer = await review.admin.get(f"/v1/projects/{review.project}/{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_version")


async def test_a_campaign_relabels_what_was_shown_and_keeps_the_old_labels(review: Review) -> None:
    await label(review, 40)
    await publish(review, "Thanks are negative.")
    campaign = await planned(review, by="labels", labels=["positive"])
    assert (campaign["items"], campaign["for_people"], campaign["looked_at"]) == (20, 0, 40)
    assert campaign["estimate"]["cost_usd"] == pytest.approx(20 * 0.001)
    shown = await get(review, f"campaigns/{campaign['campaign_id']}/items?count=200")
    assert await review.read(ITEMS.name, 40), "nothing is sent before it is started"

    await act(review, campaign["campaign_id"], "start")
    again = await sent_again(review, 40, 20)
    assert {one.item_id for one in again} == {one["item_id"] for one in shown["items"]}
    assert {one.item_id for one in again} == {f"i{n}" for n in range(0, 40, 2)}
    running = await reaches(review, campaign["campaign_id"], sent=20)
    assert (running["state"], running["labelled"]) == ("running", 0)
    await answer_anew(review, again)
    done = await reaches(review, campaign["campaign_id"], state="done")
    assert (done["labelled"], done["waiting"], done["sent"]) == (20, 0, 0)
    status = await review.status()
    assert (status["items"], status["final_labels"]) == (40, 40), "no item counts twice"

    lineage = (await review.admin.get(f"/v1/projects/{review.project}/items/i0")).json()
    final = lineage["final_label"]
    assert (final["label"], final["guideline_version"]) == ("negative", 2)
    assert [(one["label"], one["guideline_version"]) for one in lineage["earlier_labels"]] == [
        ("positive", 1)
    ]
    assert [route["guideline_version"] for route in lineage["routes"]] == [1, 2]
    untouched = (await review.admin.get(f"/v1/projects/{review.project}/items/i1")).json()
    assert untouched["earlier_labels"] == []
    versions = (await get(review, "guidelines"))["versions"]
    assert versions[0]["campaign"] == {
        "campaign_id": campaign["campaign_id"],
        "mode": "relabel",
        "state": "done",
    }


async def test_a_campaign_goes_on_where_it_was_killed(review: Review, relay: Running) -> None:
    count = 700
    await label(review, count)
    await publish(review, "Everything is negative.")
    campaign = await planned(review)
    assert campaign["items"] == count
    number = campaign["campaign_id"]
    await act(review, number, "start")
    answered: set[str] = set()
    killed = 0
    async with asyncio.timeout(120):
        while (await get(review, f"campaigns/{number}"))["state"] != "done":
            if killed < 3 and len(answered) > 150 * (killed + 1):
                await relay.process.kill()
                killed += 1
            again = {one.item_id: one for one in await sent_again(review, count, 0)}
            # In portions, so that it is killed in the middle of them each time.
            new = [one for name, one in again.items() if name not in answered][:140]
            await answer_anew(review, new)
            answered |= {one.item_id for one in new}
    assert killed == 3
    assert len(answered) == count
    rows = await review.database.fetch(
        "SELECT guideline_version, count(*) AS items FROM routes WHERE project = $1 GROUP BY 1 ORDER BY 1",
        review.project,
    )
    assert [tuple(row) for row in rows] == [(1, count), (2, count)]
    kept = await review.database.fetchval(
        "SELECT count(*) FROM label_history WHERE project = $1", review.project
    )
    assert kept == count, "each old label is kept once"
    done = await get(review, f"campaigns/{number}")
    assert (done["labelled"], done["given_up"], done["items"]) == (count, 0, count)


async def test_people_review_again_blind_and_what_people_decided_goes_to_people(review: Review) -> None:
    await label(review, 4)
    one = item(review.project, 4)
    await review.send(one, requested(score(one, 0.55)))
    await review.until_tasks(1)
    ann = await review.account("ann_again", "reviewer")
    (task,) = await review.claim(ann)
    body = {"lease": task["lease"], "label": "positive"}
    (await ann.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await review.until_left()

    await publish(review, "Thanks are negative.")
    relabel = await planned(review)
    assert (relabel["items"], relabel["for_people"]) == (5, 1)
    campaign = await planned(review, "re-review", by="labels", labels=["positive"])
    assert (campaign["items"], campaign["for_people"], campaign["estimate"]["cost_usd"]) == (3, 3, 0)
    first = await get(review, f"campaigns/{relabel['campaign_id']}")
    assert first["state"] == "cancelled", "a plan that nobody started gives way"
    await act(review, campaign["campaign_id"], "start")
    await reaches(review, campaign["campaign_id"], asked=3)
    status = await review.until("open_tasks", 3)
    assert status["final_labels"] == 5

    tasks = await review.claim(ann, 5)
    assert {one["item_id"] for one in tasks} == {"i0", "i2", "i4"}
    assert all(one["blind"] and one["suggestion"] is None and one["reasons"] == [] for one in tasks)
    for task in tasks:
        body = {"lease": task["lease"], "label": "negative"}
        (await ann.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    done = await reaches(review, campaign["campaign_id"], state="done")
    assert done["labelled"] == 3
    status = await review.until("decided", 4)
    shown = {
        name: status[name] for name in ("items", "accepted", "requested", "requested_again", "open_tasks")
    }
    assert shown == {"items": 5, "accepted": 4, "requested": 1, "requested_again": 3, "open_tasks": 0}
    records = await review.read(REVIEWS_DECIDED.name, 4)
    decided = [EventDecoder(ReviewDecided).decode(record.value) for record in records]
    anew = [event for event in decided if event.guideline_version == 2]
    assert {event.item_id for event in anew} == {"i0", "i2", "i4"}
    assert all(event.reasons == ["guideline_change"] and event.votes == [] for event in anew)
    lineage = (await review.admin.get(f"/v1/projects/{review.project}/items/i4")).json()
    assert [(one["label"], one["source"]) for one in lineage["earlier_labels"]] == [("positive", "people")]
    assert lineage["final_label"]["label"] == "negative"


async def test_an_undone_decision_leaves_no_earlier_label(review: Review) -> None:
    await label(review, 2)
    await publish(review, "Thanks are negative.")
    campaign = await planned(review, "re-review")
    await act(review, campaign["campaign_id"], "start")
    await reaches(review, campaign["campaign_id"], asked=2)
    bob = await review.sign_in("bob_undoes")
    (task,) = await review.claim(bob)
    path = f"/v1/tasks/{task['task_id']}"
    await bob.post(f"{path}/decision", json={"lease": task["lease"], "label": "negative"})
    of_item = "SELECT count(*) FROM label_history WHERE project = $1 AND item_id = $2"
    assert await review.database.fetchval(of_item, review.project, task["item_id"]) == 1
    (await bob.post(f"{path}/undo")).raise_for_status()
    assert await review.database.fetchval(of_item, review.project, task["item_id"]) == 0


async def test_a_cancelled_campaign_sends_nothing_more(review: Review) -> None:
    await label(review, 1200)
    await publish(review, "Thanks are negative.")
    campaign = await planned(review)
    number = campaign["campaign_id"]
    await act(review, number, "start")
    await reaches(review, number, sent=500)
    await act(review, number, "pause")
    paused = await get(review, f"campaigns/{number}")
    await asyncio.sleep(1.5)
    assert (await get(review, f"campaigns/{number}"))["waiting"] == paused["waiting"] >= 700 - 250
    again = await review.admin.post(
        f"/v1/projects/{review.project}/campaigns", json={"mode": "relabel", "select": {"by": "all"}}
    )
    assert (again.status_code, again.json()["error"]) == (409, "campaign_open")
    await act(review, number, "resume")
    await act(review, number, "cancel")
    wrong = await review.admin.post(f"/v1/projects/{review.project}/campaigns/{number}/start")
    assert (wrong.status_code, wrong.json()["error"]) == (409, "wrong_state")
    await asyncio.sleep(1.5)
    found = await sent_again(review, 1200, 500)
    ended = await get(review, f"campaigns/{number}")
    assert len(found) == 1200 - ended["waiting"] < 1200
    acts = (await review.admin.get("/v1/audit", params={"project": review.project})).json()["entries"]
    told = [entry["act"] for entry in acts if entry["act"].startswith("campaign.")]
    assert told[::-1] == [
        f"campaign.{did}" for did in ("planned", "started", "paused", "resumed", "cancelled")
    ]


async def test_a_boundary_is_marked_by_margin_and_by_texts(review: Review) -> None:
    texts = {
        "thank you so much for nothing": 0.99,
        "thanks a lot, now my phone is broken": 0.97,
        "the train leaves at noon": 0.98,
        "what a lovely morning": 0.55,
    }
    items = [item(review.project, number, text) for number, text in enumerate(texts)]
    routes = [accepted(score(one, sure)) for one, sure in zip(items, texts.values(), strict=True)]
    await review.send(*items, *routes)
    await review.until("final_labels", 4)
    await review.until("items", 4)
    await publish(review, "Ironic thanks are negative.")
    pair = ["positive", "negative"]
    by_margin = await planned(review, by="boundary", labels=pair, margin=0.2)
    shown = await get(review, f"campaigns/{by_margin['campaign_id']}/items")
    assert [one["item_id"] for one in shown["items"]] == ["i3"]
    near = {"margin": 0.0, "similarity": 0.3, "texts": ["thanks for nothing"]}
    by_text = await planned(review, by="boundary", labels=pair, **near)
    shown = await get(review, f"campaigns/{by_text['campaign_id']}/items")
    assert [one["item_id"] for one in shown["items"]] == ["i0", "i1"], "the most alike first"
    assert shown["items"][0]["content"] == "thank you so much for nothing"
    bad = {"mode": "relabel", "select": {"by": "labels", "labels": ["nope"]}}
    refused = await review.admin.post(f"/v1/projects/{review.project}/campaigns", json=bad)
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid_selection")


async def test_an_edge_case_becomes_an_example_or_gets_an_answer(review: Review) -> None:
    await review.make_tasks(2)
    ann, bob = [await review.account(name, "reviewer") for name in ("ann_asks", "bob_asks")]
    tasks = await review.claim(ann, 2)
    question = "Is <script>alert(1)</script> thanks?"
    for task in tasks:
        body = {"lease": task["lease"], "question": question, "label": "positive"}
        (await ann.post(f"/v1/tasks/{task['task_id']}/edge-case", json=body)).raise_for_status()
        twice = await ann.post(f"/v1/tasks/{task['task_id']}/edge-case", json=body)
        assert twice.status_code == 200
        other = await bob.post(f"/v1/tasks/{task['task_id']}/edge-case", json=body)
        assert (other.status_code, other.json()["error"]) == (409, "lease_lost")
        bad = await ann.post(f"/v1/tasks/{task['task_id']}/edge-case", json=body | {"label": "nope"})
        assert bad.status_code == 422
    found = await get(review, "edge-cases")
    assert (found["open"], len(found["edge_cases"])) == (2, 2)
    first, second = sorted(found["edge_cases"], key=lambda one: str(one["item_id"]))
    assert (first["question"], first["label"], first["raised_by"]) == (question, "positive", "ann_asks")
    assert first["content"] == item(review.project, 0).content

    base = f"/v1/projects/{review.project}/edge-cases"
    accept = {"label": "negative", "why": "It is ironic."}
    (await review.admin.post(f"{base}/{first['edge_case_id']}/accept", json=accept)).raise_for_status()
    close = {"answer": "See the second rule."}
    (await review.admin.post(f"{base}/{second['edge_case_id']}/close", json=close)).raise_for_status()
    twice = await review.admin.post(f"{base}/{second['edge_case_id']}/close", json=close)
    assert (twice.status_code, twice.json()["error"]) == (409, "wrong_state")
    mine = (await get(review, "edge-cases/mine", ann))["edge_cases"]
    assert {one["state"]: one["answer"] for one in mine} == {
        "accepted": "It is ironic.",
        "closed": "See the second rule.",
    }
    assert (await get(review, "edge-cases/mine", bob))["edge_cases"] == []
    assert (await ann.get(base)).status_code == 403

    assert (await get(review, "guidelines"))["in_force"] == 1, "nothing is published by itself"
    draft = await get(review, "guidelines/draft")
    assert draft["edge_cases"] == [first["edge_case_id"]]
    assert draft["guideline"].endswith(f"“{first['content']}” is **negative**. It is ironic.\n")
    await publish(review, draft["guideline"], edge_cases=draft["edge_cases"])
    published = (await get(review, "edge-cases?state=published"))["edge_cases"]
    assert [one["published_in"] for one in published] == [2]
    assert (await get(review, "guidelines/draft"))["edge_cases"] == []
    late = {"lease": tasks[0]["lease"], "question": "And now?"}
    answered = await ann.post(f"/v1/tasks/{tasks[0]['task_id']}/edge-case", json=late)
    assert (answered.status_code, answered.json()["error"]) == (409, "wrong_state")


async def test_a_version_and_the_edge_cases_it_took_up_come_together_or_not_at_all(
    review: Review, database: Database
) -> None:
    class Broken(EdgeCases):
        async def published(self, *_: Any) -> None:
            raise ConnectionError("the process dies here")

    publishing = cast("ProjectPublisher", None)  # it does not come to that
    editor = Editor(Guidelines(database), Broken(database), ProjectStore(database), publishing)
    with pytest.raises(ConnectionError):
        await editor.publish(review.project, Edit(1, "Thanks are negative.", None, [1]), "admin")
    assert (await get(review, "guidelines"))["in_force"] == 1
    unheard_of = await publish(review, "Thanks are negative.", edge_cases=[2**63])
    assert (unheard_of.status_code, (await get(review, "guidelines"))["in_force"]) == (422, 1)


async def test_edge_cases_show_no_distressing_text_unasked_and_do_not_betray_gold(review: Review) -> None:
    await review.make_tasks(2)
    ann = await review.account("ann_spared", "reviewer")
    for task in await review.claim(ann, 2):
        body = {"lease": task["lease"], "question": "Is it?"}
        (await ann.post(f"/v1/tasks/{task['task_id']}/edge-case", json=body)).raise_for_status()
    await review.database.execute(
        "UPDATE assignments SET pool = '!' WHERE project = $1 AND task_id ="
        " (SELECT task_id FROM tasks WHERE project = $1 AND item_id = 'i0')",
        review.project,
    )
    await review.database.execute(
        "INSERT INTO gold_items (project, item_id, content, metadata, label, explanation, added_by)"
        " VALUES ($1, 'i77', 'such a golden day', '{}', '\"positive\"', '', 'admin')",
        review.project,
    )
    await review.database.execute(
        "INSERT INTO edge_cases (project, item_id, task_id, guideline_version, raised_by, question)"
        " VALUES ($1, 'i77', 77, 1, 'ann_spared', 'And this?')",
        review.project,
    )
    mine = {one["item_id"]: one for one in (await get(review, "edge-cases/mine", ann))["edge_cases"]}
    assert [mine[name]["sensitive"] for name in ("i0", "i1", "i77")] == [True, False, False]
    assert "number" not in mine["i0"]["content"]
    assert "number 1" in mine["i1"]["content"]
    assert mine["i77"]["content"] == "such a golden day", "a check looks like any other task"
    managers = {one["item_id"]: one for one in (await get(review, "edge-cases"))["edge_cases"]}
    assert managers["i0"]["sensitive"]
    assert "number 0" in managers["i0"]["content"]
    for name in ("i0", "i1"):
        path = f"/v1/projects/{review.project}/edge-cases/{managers[name]['edge_case_id']}/accept"
        accept = {"label": "negative", "why": "It is."}
        (await review.admin.post(path, json=accept)).raise_for_status()
    draft = (await get(review, "guidelines/draft"))["guideline"]
    assert "number 1" in draft
    assert "number 0" not in draft, "everybody reads the guideline"
    assert "a distressing text, not quoted here” is **negative**" in draft
    await ann.aclose()
