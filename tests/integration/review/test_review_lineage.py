"""The lineage of an item: complete for managers, blind for whoever may be asked; and the list of items."""

import urllib.parse
from typing import Any

import httpx
import msgspec
import pytest
from labelmill.events import ItemIngested

from .support import PROJECT, Review, accepted, close, item, now_ms, requested, score

pytestmark = pytest.mark.asyncio(loop_scope="session")

ODD_IDS = [
    "a/b//c", "/lead", "trail/", "..", ".", "a/../b", "%2F", "?q=1&x", "#hash", "a b", "日本語", "\U0001f600",
    "e\u0301", "<img src=x onerror=alert(1)>", "'; DROP TABLE items; --", "x/lineage", "lineage", "\u202etxt",
    "+", "\\", "line\nbreak", "x" * 200,
]  # fmt: skip


async def lineage(client: httpx.AsyncClient, review: Review, item_id: str) -> httpx.Response:
    return await client.get(f"/v1/projects/{review.project}/lineage", params={"item": item_id})


async def seen(client: httpx.AsyncClient, review: Review, item_id: str = "i0") -> str:
    """Return what somebody sees: `all`, `nameless`, `withheld`, or the code of the refusal."""
    answer = await lineage(client, review, item_id)
    found = answer.json()
    if answer.status_code != 200:
        return str(found["error"])
    raw = await client.get(f"/v1/projects/{review.project}/items/{item_id}")
    if found["labels_withheld"]:
        assert not {"positive", "negative", "low_confidence"} & words(found)
        assert (raw.status_code, raw.json()["error"]) == (403, "blind_task_open")
        return "withheld"
    assert "positive" in words(found)
    names = {one["who"]["name"] for one in found["events"] if one["type"] == "decided"} - {None}
    return "all" if raw.status_code == 200 else "nameless" if not names else "names leak"


def words(found: Any) -> set[str]:
    text: str = msgspec.json.encode(found).decode()
    return set(text.replace('"', " ").replace(",", " ").split())


async def decide(client: httpx.AsyncClient, task: dict[str, Any], label: str = "positive") -> None:
    body = {"lease": task["lease"], "label": label}
    (await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()


@pytest.mark.parametrize("blind", [True, False], ids=["blind", "suggested"])
async def test_who_sees_what_while_an_item_goes_its_way(review: Review, blind: bool) -> None:
    await review.make_tasks(1, needed=2, blind=blind)
    tag = f"lin{blind:d}"
    first = await review.account(f"{tag}a", "reviewer")
    second = await review.account(f"{tag}b", "reviewer", "manager")
    other = await review.account(f"{tag}c", "reviewer")
    both = await review.account(f"{tag}d", "reviewer", "manager")
    manager = await review.account(f"{tag}e", "manager")
    people = [first, second, other, both, manager, review.admin]

    async def what_is_seen() -> list[str]:
        return [await seen(one, review) for one in people]

    awaited = "withheld" if blind else "all"
    not_yours = "not_yours"
    assert await what_is_seen() == [not_yours, awaited, not_yours, awaited, "all", awaited], "open"
    (task,) = await review.claim(first)
    assert await what_is_seen() == [not_yours, awaited, not_yours, awaited, "all", awaited], "in hand"
    await decide(first, task)
    (task,) = await review.claim(second)
    assert await what_is_seen() == ["not_settled", "task_in_hand", not_yours, awaited, "all", awaited]
    await decide(second, task)
    await review.until_left()
    assert await what_is_seen() == ["nameless", "all", not_yours, "all", "all", "all"], "settled"
    await close(people[:-1])


async def test_reviewers_learn_neither_owners_nor_distressing_texts(review: Review) -> None:
    one = item(review.project, 0)
    owned = {"topic": "war", "@owner": "somebody", "@licence": "none"}
    await review.send(one, requested(score(one, 0.6, metadata=owned)))
    await review.until_tasks(1)
    await review.database.execute(
        "UPDATE items SET metadata = $2 WHERE project = $1",
        review.project,
        msgspec.json.encode(owned).decode(),
    )
    ann = await review.account("linowner", "reviewer")
    (task,) = await review.claim(ann)
    await decide(ann, task)
    await review.until_left()
    found = (await lineage(ann, review, "i0")).raise_for_status().json()["item"]
    assert (found["content"], found["metadata"]) == (one.content, {"topic": "war"})
    assert "somebody" not in str(found)
    assert "somebody" in str((await lineage(review.admin, review, "i0")).json())
    await review.database.execute("UPDATE assignments SET pool = '!' WHERE project = $1", review.project)
    hidden = (await lineage(ann, review, "i0")).raise_for_status().json()["item"]
    assert hidden["content"] == "A distressing text, hidden here."
    await ann.aclose()


async def test_no_lineage_tells_a_check_from_a_task(review: Review) -> None:
    await review.make_tasks(1)
    ann = await review.account("lingold", "reviewer")
    (task,) = await review.claim(ann)
    await decide(ann, task)
    await review.until_left()
    assert await seen(ann, review) == "nameless"
    text = PROJECT.format(project=review.project) + "review: {gold: {rate: 0.1}}\n"
    (await review.admin.put(f"/v1/projects/{review.project}", content=text)).raise_for_status()
    made_up = await lineage(ann, review, "i77")
    known = await lineage(ann, review, "i0")
    assert (known.status_code, known.json()) == (made_up.status_code, made_up.json())
    assert known.json()["error"] == "managers_only"
    assert await seen(review.admin, review) == "all"
    await ann.aclose()


async def test_a_decision_that_can_be_taken_back_shows_nothing(review: Review) -> None:
    await review.make_tasks(1, blind=True)
    person = await review.sign_in("linundo")
    (task,) = await review.claim(person)
    await decide(person, task, "negative")
    assert await seen(person, review) == "not_settled"
    await review.let_go()
    await review.until_left()
    found = (await lineage(person, review, "i0")).json()
    assert [one["type"] for one in found["events"]] == [
        "ingested", "scored", "routed", "task_opened", "decided", "settled"
    ]  # fmt: skip
    (decided,) = [one for one in found["events"] if one["type"] == "decided"]
    assert decided["who"] == {"name": None, "you": True}
    assert "linundo" not in words(found)
    assert (found["state"], found["final_label"]["label"]) == ("final", "negative")
    scored = found["events"][1]
    assert (scored["label"], scored["votes"][0]["voter"], scored["votes"][0]["version"]) == (
        "positive", "llm", "m@1"
    )  # fmt: skip
    assert scored["votes"][0]["probabilities"] == {"positive": 0.5, "negative": 0.5}
    await person.aclose()


async def test_who_has_no_role_for_it_is_refused(review: Review) -> None:
    await review.make_tasks(1)
    service = await review.account("linservice", "service")
    for path in ("lineage?item=i0", "items/i0/lineage", "items"):
        assert (await service.get(f"/v1/projects/{review.project}/{path}")).status_code == 403
    assert (await review.client().get(f"/v1/projects/{review.project}/items")).status_code == 401
    reviewer = await review.account("linreviewer", "reviewer")
    assert (await reviewer.get(f"/v1/projects/{review.project}/items")).status_code == 403
    assert (await lineage(review.admin, review, "no such")).status_code == 404
    assert (await lineage(review.admin, review, "nul\0")).status_code == 422
    await close([service, reviewer])


async def test_items_with_odd_ids_are_found(review: Review) -> None:
    lines = [{"item_id": one, "content": f"<script>{one}</script>"} for one in ODD_IDS]
    answer = await review.ingest(b"\n".join(map(msgspec.json.encode, lines)))
    assert answer.json()["accepted"] == len(ODD_IDS)
    await review.until("items", len(ODD_IDS))
    for one in ODD_IDS:
        found = (await lineage(review.admin, review, one)).raise_for_status().json()
        assert (found["item"]["item_id"], found["state"]) == (one, "scoring")
        if one in (".", "..", "line\nbreak"):
            continue  # what does not survive in a path
        path = f"/v1/projects/{review.project}/items/{urllib.parse.quote(one, safe='')}/lineage"
        assert (await review.admin.get(path)).raise_for_status().json()["item"]["item_id"] == one
    ids = await listed(review, limit=5)
    assert ids == sorted(ODD_IDS, key=str.encode)
    assert await listed(review, prefix="a/") == ["a/../b", "a/b//c"]
    assert await listed(review, prefix="\U0001f600") == ["\U0001f600"]
    assert await listed(review, prefix="%") == ["%2F"]


async def test_the_list_is_paged_and_filtered(review: Review) -> None:
    events: list[Any] = []
    for number in range(30):
        one = item(review.project, number)
        label = "negative" if number % 3 == 0 else "positive"
        confidence = 0.6 if number < 10 else 0.95
        scored = score(one, confidence, label)
        events += [one, requested(scored) if number < 10 else accepted(scored)]
    long = ItemIngested(project=review.project, item_id="i99", content="w" * 1000, ingested_at=now_ms())
    await review.send(*events, long)
    await review.until("items", 31)
    await review.until("accepted", 20)
    await review.until_tasks(10)
    person = await review.account("linlist", "reviewer")
    (task,) = await review.claim(person)
    await decide(person, task, "negative")
    every = sorted(f"i{n}" for n in [*range(30), 99])
    assert await listed(review, limit=7) == await listed(review) == every
    assert await listed(review, limit=7, source="people") == [task["item_id"]]
    assert await listed(review, limit=3, source="machine") == sorted(f"i{n}" for n in range(10, 30))
    assert await listed(review, source="none") == sorted(
        {*(f"i{n}" for n in [*range(10), 99])} - {task["item_id"]}
    )
    negative = {f"i{n}" for n in range(10, 30) if n % 3 == 0} | {task["item_id"]}
    assert await listed(review, limit=2, label="negative") == sorted(negative)
    assert await listed(review, label="x") == []
    (shown,) = (await page(review, prefix="i99"))["items"]
    assert (len(shown["excerpt"]), shown["is_cut"], shown["label"]) == (240, True, None)
    refused = await review.admin.get(f"/v1/projects/{review.project}/items", params={"limit": 1000})
    assert refused.status_code == 422
    assert (await review.admin.get("/v1/projects/nowhere/items")).status_code == 404
    await person.aclose()


async def test_the_list_tells_no_label_to_who_may_be_asked_blind(review: Review) -> None:
    one, two = item(review.project, 1), item(review.project, 2)
    await review.send(one, accepted(score(one, 0.95)), two, accepted(score(two, 0.95)))
    await review.until("final_labels", 2)
    await review.until("items", 2)
    spec = (await review.admin.get(f"/v1/projects/{review.project}")).json()["spec"]
    changed = {**spec, "guideline": "Say which, again."}
    (await review.admin.put(f"/v1/projects/{review.project}", json=changed)).raise_for_status()
    again = score(one, 0.5, event_id="again", guideline_version=2)
    asked = {"event_id": "asked again", "reasons": ["guideline_change"], "blind": True, "project_version": 2}
    await review.send(requested(again, **asked))
    await review.until_tasks(1)
    person = await review.account("linblind", "reviewer")
    labels = {row["item_id"]: (row["label"], row["label_withheld"]) for row in (await page(review))["items"]}
    assert labels == {"i1": (None, True), "i2": ("positive", False)}, "an admin may review as well"
    assert await listed(review, label="positive") == ["i2"]
    manager = await review.account("linmanages", "manager")
    shown = (await manager.get(f"/v1/projects/{review.project}/items")).json()["items"]
    assert [row["label"] for row in shown] == ["positive", "positive"], "who does not review is not swayed"
    (task,) = await review.claim(person)
    await decide(person, task, "negative")
    assert await listed(review, label="negative") == ["i1"]
    await close([person, manager])


async def page(review: Review, **query: Any) -> dict[str, Any]:
    answer = await review.admin.get(f"/v1/projects/{review.project}/items", params=query)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def listed(review: Review, **query: Any) -> list[str]:
    """Return the ids of all pages."""
    ids: list[str] = []
    after: str | None = ""
    while after is not None:
        found = await page(review, after=after, **query)
        ids += [one["item_id"] for one in found["items"]]
        after = found["next"]
    return ids
