"""No endpoint tells a reviewer what the machine thinks of an item under a blind check.

The endpoints are taken from the application, so that a new one is asked as well.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from labelmill.events import QualityPublished, Vote, encode
from labelmill.quality import Quality, Slice, SliceExample
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import QUALITY
from review_api.accounts.access import api_routes
from review_api.app import build
from review_api.settings import ReviewSettings

from .support import Review, accepted, close, item, now_ms, requested, score, until
from .test_review_rereviews import decide, final_label, rereviews, suspect

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFIDENCE = 0.97531
VOTER = "telltale-model@7"
TELLTALES = (str(CONFIDENCE), VOTER, "0.02469")


def vote() -> Vote:
    shares = {"positive": CONFIDENCE, "negative": 0.02469}
    return Vote(
        voter="llm",
        version=VOTER,
        source="logprobs",
        label="positive",
        confidence=CONFIDENCE,
        probabilities=shares,
    )


def safe_paths() -> list[str]:
    app = build(ReviewSettings()).app
    assert isinstance(app, FastAPI)
    found = {route.path for route in api_routes(app.routes) if "GET" in (route.methods or ())}
    return sorted(path for path in found if path.startswith("/v1/"))


def filled(path: str, **values: Any) -> str:
    """Return a path with what is known put in, and 1 for all else."""
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: str(values.get(match[1], 1)), path)


class Listener:
    """Asks every endpoint that can be asked, and keeps all that it was answered."""

    def __init__(self, client: httpx.AsyncClient, **values: Any) -> None:
        self.client = client
        self.values = values
        self.leaks: list[str] = []
        self.asked = 0

    async def asks_everything(self, moment: str) -> None:
        for path in safe_paths():
            url = filled(path, **self.values)
            self.heard(f"{moment}: GET {url}", await self.client.get(url))

    async def posts(self, path: str, **body: Any) -> httpx.Response:
        answer = await self.client.post(path, json=body)
        self.heard(f"POST {path}", answer)
        return answer

    def heard(self, what: str, answer: httpx.Response) -> None:
        self.asked += 1
        assert answer.status_code < 500, what
        said = answer.text + str(answer.headers)
        self.leaks += [f"{what} tells {telltale}" for telltale in TELLTALES if telltale in said]


async def test_no_endpoint_tells_a_reviewer_about_a_blind_check(review: Review) -> None:
    one = item(review.project, 1)
    scored = score(one, CONFIDENCE, votes=[vote()])
    await review.send(one, requested(scored, reasons=["audit"], blind=True, decisions_needed=2))
    await review.until_tasks(1)
    ann, bob = await review.account("secret-ann", "reviewer"), await review.account("secret-bob", "reviewer")
    values = {"project": review.project, "item_id": one.item_id, "name": "secret-ann", "version": 1}
    listener = Listener(ann, **values)
    await listener.asks_everything("before the claim")
    claimed = await listener.posts(f"/v1/projects/{review.project}/tasks/claim", count=5)
    assert len(claimed.json()["tasks"]) == 1
    taken = await listener.posts(f"/v1/projects/{review.project}/tasks/take-over", count=5)
    (task,) = taken.json()["tasks"]
    path = f"/v1/tasks/{task['task_id']}"
    listener.values["task_id"] = task["task_id"]
    await listener.asks_everything("in hand")
    held = {"lease": task["lease"]}
    for what, body in (
        ("heartbeat", {}),
        ("flag", {"reason": "other", "text": "odd"}),
        ("comment", {"text": "odd"}),
        ("edge-case", {"text": "odd"}),
        ("decision", {"label": "sideways"}),
        ("decision", {"label": "positive"}),
    ):
        await listener.posts(f"{path}/{what}", **held, **body)
    await listener.asks_everything("decided, and not settled")
    undone = (await listener.posts(f"{path}/undo")).json()
    await listener.posts(f"{path}/skip", lease=undone["lease"])
    await listener.asks_everything("given back")

    other = Listener(bob, **values, task_id=task["task_id"])
    (task,) = (await other.posts(f"/v1/projects/{review.project}/tasks/claim", count=5)).json()["tasks"]
    await other.posts(f"{path}/decision", lease=task["lease"], label="negative")
    await other.asks_everything("decided by one of two")
    assert listener.leaks + other.leaks == []
    assert listener.asked > 60, "every endpoint was asked, several times"
    await close([ann, bob])


async def test_the_listener_would_notice(review: Review) -> None:
    one = item(review.project, 1)
    await review.send(one, requested(score(one, CONFIDENCE, votes=[vote()]), blind=False))
    await review.until_tasks(1)
    ann = await review.account("secret-cat", "reviewer")
    listener = Listener(ann)
    await listener.posts(f"/v1/projects/{review.project}/tasks/claim", count=5)
    assert listener.leaks, "an ordinary task shows its suggestion"
    await ann.aclose()


HELD = ("i1", "i2", "i3", "i4")


async def test_who_manages_and_reviews_is_told_no_label_of_what_they_may_be_asked_blind(
    review: Review,
) -> None:
    campaign = await _with_every_kind_of_blind_task(review)
    every = await review.account("secret-all", "reviewer", "manager", "admin")
    member = await review.account("secret-member", "manager")
    joined = f"/v1/projects/{review.project}/members/secret-member"
    (await review.admin.put(joined, json={"roles": ["reviewer"]})).raise_for_status()
    manager = await review.account("secret-boss", "manager")
    assert await _told(review, every, campaign) == set(), "roles that hold everywhere"
    assert await _told(review, member, campaign) == set(), "one role here, one everywhere"
    told = await _told(review, manager, campaign)
    project = "/v1/projects/{project}"
    assert {
        f"{project}/{path}"
        for path in (
            "labels", "routes", "decisions", "items", "items/{item_id:path}", "items/{item_id:path}/lineage",
            "lineage", "campaigns/{campaign_id}/items", "promise", "agreement", "gold-candidates",
        )
    } <= told, "who does not review is told all, and the listener would notice"  # fmt: skip
    await close([every, member, manager])


async def test_an_export_marks_and_counts_what_it_holds_back(review: Review) -> None:
    await _with_every_kind_of_blind_task(review)
    manager = await review.account("secret-export", "manager")

    async def labels(client: httpx.AsyncClient) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
        answer = await client.get(f"/v1/projects/{review.project}/labels?manifest=1")
        *lines, last = map(msgspec.json.decode, answer.raise_for_status().content.splitlines())
        return {line["item_id"]: line for line in lines}, last["manifest"]["by_decider"]

    found, counts = await labels(review.admin)
    assert counts == {"machine": 1, "withheld": 3}
    assert found["i5"]["label"] == "positive"
    assert "withheld" not in found["i5"]
    assert found["i1"] == dict.fromkeys(found["i5"]) | {"item_id": "i1", "reasons": [], "withheld": True}
    found, counts = await labels(manager)
    assert counts == {"machine": 2, "people": 2}
    assert all(line["label"] and "withheld" not in line for line in found.values())
    await manager.aclose()


async def _with_every_kind_of_blind_task(review: Review) -> int:
    """Make items with open blind tasks: i1 and i4 after a change of the guideline, i2 an audit that one of
    two has decided, i3 a second look at a doubted decision. i5 has none. Return the number of a campaign."""
    one, two, three, four, five = items = [item(review.project, number) for number in range(1, 6)]
    await review.send(*items)
    await review.until("items", len(items))
    await review.send(*(accepted(score(each, CONFIDENCE, votes=[vote()])) for each in (one, five)))
    for each in (three, four):
        await review.send(requested(score(each, CONFIDENCE, votes=[vote()]), decisions_needed=2))
    await review.until("final_labels", 2)
    await review.until_tasks(2)
    people = [await review.account(f"{review.project[:20]}-{name}", "reviewer") for name in ("bob", "cat")]
    for person, labels in zip(
        people, [{"i3": "negative", "i4": "positive"}, {"i3": "positive", "i4": "positive"}], strict=True
    ):
        for task in await review.claim(person, 2):
            await decide(person, task, labels[task["item_id"]])
    await review.until_left()

    spec = (await review.admin.get(f"/v1/projects/{review.project}")).json()["spec"]
    changed = {**spec, "guideline": "Say which, again."}
    (await review.admin.put(f"/v1/projects/{review.project}", json=changed)).raise_for_status()
    for each in (one, four):
        again = score(each, CONFIDENCE, votes=[vote()], event_id="again", guideline_version=2)
        asked = {"reasons": ["guideline_change"], "blind": True, "project_version": 2}
        await review.send(requested(again, event_id=f"asked again about {each.item_id}", **asked))
    audit = score(two, CONFIDENCE, votes=[vote()])
    await review.send(requested(audit, reasons=["audit"], blind=True, decisions_needed=2))
    await review.until_tasks(5)
    tasks = {task["item_id"]: task for task in await review.claim(people[0], 3)}
    await decide(people[0], tasks["i2"], "positive")
    await _doubt(review, 3)
    await rereviews(review, waiting=1)
    await close(people)

    path = f"/v1/projects/{review.project}/campaigns"
    planned = await review.admin.post(path, json={"mode": "relabel", "select": {"by": "all"}})
    number: int = planned.raise_for_status().json()["campaign_id"]

    async def is_planned() -> bool | None:
        return (await review.admin.get(f"{path}/{number}")).json()["state"] == "planned" or None

    await until(is_planned)
    return number


async def _doubt(review: Review, number: int) -> None:
    """Publish that a decision is doubted, and that people corrected the machine there."""
    example = SliceExample(item_id=f"i{number}", content="x", machine_label="positive", label="positive")
    part = Slice(
        kind="labels", name="positive", decisions=9, errors=5, error=0.5, error_elsewhere=0.1, q_value=0.01,
        examples=[example],
    )  # fmt: skip
    quality = Quality(
        release=1,
        decisions=9,
        accuracy=0.9,
        calibration_error=0.02,
        slices=[part],
        suspects=[suspect(number, await final_label(review, number))],
    )
    event = QualityPublished(project=review.project, quality=quality, published_at=now_ms())
    await review.publisher.publish(QUALITY.name, [OutRecord(0, review.project.encode(), encode(event))])


async def _told(review: Review, client: httpx.AsyncClient, campaign: int) -> set[str]:
    """Ask every endpoint; return the paths of those that told a label of an item that is held back."""
    told: set[str] = set()
    for path in safe_paths():
        for item_id in HELD if _is_about_one(path) else HELD[:1]:
            values = {"project": review.project, "campaign_id": campaign, "item_id": item_id}
            asked: dict[str, str | int] = {"item": item_id, "guideline_version": 1}
            answer = await client.get(filled(path, **values), params=asked)
            assert answer.status_code < 500, path
            if any(b'"positive"' in msgspec.json.encode(each) for each in _about_held(path, answer)):
                told.add(path)
    return told


def _about_held(path: str, answer: httpx.Response) -> Iterator[Any]:
    """Yield what an answer says of items that are held back: all of it, where it is about one item."""
    if answer.headers.get("content-type", "").split(";")[0] not in (
        "application/json",
        "application/x-ndjson",
    ):
        return
    for line in answer.content.splitlines():
        document = msgspec.json.decode(line)
        if _is_about_one(path):
            yield document
        else:
            yield from _parts_about_held(document)


def _is_about_one(path: str) -> bool:
    return "{item_id" in path or path.endswith("/lineage")


def _parts_about_held(document: Any) -> Iterator[Any]:
    if isinstance(document, dict):
        if document.get("item_id") in HELD:
            yield document
        for part in document.values():
            yield from _parts_about_held(part)
    elif isinstance(document, list):
        for part in document:
            yield from _parts_about_held(part)
