"""No endpoint tells a reviewer what the machine thinks of an item under a blind check.

The endpoints are taken from the application, so that a new one is asked as well.
"""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from labelmill.events import Vote
from review_api.accounts.access import api_routes
from review_api.app import build
from review_api.settings import ReviewSettings

from .support import Review, close, item, requested, score

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
    await review.until("requested", 1)
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
    await review.until("requested", 1)
    ann = await review.account("secret-cat", "reviewer")
    listener = Listener(ann)
    await listener.posts(f"/v1/projects/{review.project}/tasks/claim", count=5)
    assert listener.leaks, "an ordinary task shows its suggestion"
    await ann.aclose()
