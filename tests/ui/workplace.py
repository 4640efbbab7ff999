"""What the tests do to the system and at the page."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import msgspec
from labelmill import ids
from labelmill.events import LabelAccepted, LabelScored, ReleasePublished, ReviewRequested, Vote, encode
from labelmill.releases import Evaluation, Release
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.topics import LABELS_ACCEPTED, RELEASES, REVIEWS_REQUESTED, item_key
from labelmill_local.system import System
from playwright.async_api import (
    BrowserContext,
    Page,
    Response,
    expect,
)

MOST_MS = 45_000  # the machine may be busy with other tests
expect.set_options(timeout=MOST_MS)

PASSWORD = "correct horse battery"
GUIDELINE = """\
# How to decide

Judge how **the writer** feels, not how you feel.

- *positive*: joy, thanks, pride
- *negative*: anger, worry, sadness

| Sign | Usually |
|---|---|
| `:)` | positive |
"""


@dataclass(frozen=True)
class Item:
    """An item with what the machine says about it. `accepted` items become no task; others need `needed`
    decisions."""

    item_id: str
    content: str
    label: str = "positive"
    confidence: float = 0.6
    blind: bool = False
    accepted: bool = False
    needed: int = 1
    metadata: dict[str, str] = field(default_factory=dict)
    cost_usd: float = 0.0


@dataclass
class Workplace:
    """One project with its items and one reviewer."""

    project: str
    reviewer: str
    system: System
    publisher: Publisher
    admin: httpx.AsyncClient
    version: int = 1
    guideline_version: int = 1

    async def add(self, items: Sequence[Item]) -> None:
        """Ingest `items`, route them as they say, and wait until the ledger has them all."""
        before = await self.status()
        lines = [{"item_id": one.item_id, "content": one.content, "metadata": one.metadata} for one in items]
        body = b"\n".join(msgspec.json.encode(line) for line in lines)
        ingested_at = _now()  # later, it would be another time that they came
        answer = await self.admin.post(f"/v1/projects/{self.project}/items", content=body)
        assert answer.json()["accepted"] == len(items), answer.text
        await self._route(items, ingested_at)
        wanted = before["accepted"] + before["requested"] + len(items)
        await until(lambda: self._has(routed=wanted, items=before["items"] + len(items)))

    async def _has(self, *, routed: int, items: int) -> bool:
        status = await self.status()
        return bool(status["accepted"] + status["requested"] >= routed and status["items"] >= items)

    async def _route(self, items: Sequence[Item], ingested_at: int) -> None:
        for topic in (LABELS_ACCEPTED, REVIEWS_REQUESTED):
            chosen = [one for one in items if one.accepted == (topic is LABELS_ACCEPTED)]
            records = []
            for one in chosen:
                key = item_key(self.project, one.item_id)
                partition = await self.publisher.partition_for(topic.name, key)
                records.append(OutRecord(partition, key, encode(_routed(self, one, ingested_at))))
            await self.publisher.publish(topic.name, records)

    async def release(self, number: int, accuracy: float, before: float) -> None:
        """Publish a release, as the trainer does."""
        evaluation = Evaluation(items=80, accuracy=accuracy, present_accuracy=before, sure_share=0.5)
        release = Release(
            number=number,
            dataset=f"d{number}",
            decisions=100 * number,
            evaluation=evaluation,
            created_at=_now(),
        )
        event = ReleasePublished(project=self.project, release=release, published_at=_now())
        await self.publisher.publish(RELEASES.name, [OutRecord(0, self.project.encode(), encode(event))])

    async def status(self) -> dict[str, Any]:
        return dict((await self.admin.get(f"/v1/projects/{self.project}/status")).json())

    async def stats(self) -> dict[str, Any]:
        return dict((await self.admin.get(f"/v1/projects/{self.project}/stats")).json())

    async def final_labels(self) -> dict[str, str]:
        """Return the final label of every item that has one."""
        lines = (await self.admin.get(f"/v1/projects/{self.project}/labels")).text.splitlines()
        return {line["item_id"]: line["label"] for line in map(msgspec.json.decode, lines)}

    async def decided(self, count: int) -> dict[str, str]:
        """Wait until `count` items are final and return their labels."""
        await until(lambda: self._decided(count))
        return await self.final_labels()

    async def _decided(self, count: int) -> bool:
        return len(await self.final_labels()) >= count

    async def let_go(self) -> None:
        """End the time in which what was settled can be taken back, and wait until it has left."""
        await self.query(
            "UPDATE outbox SET not_before = least(not_before, now()) WHERE project = $1", self.project
        )
        await until(self._has_left)

    async def _has_left(self) -> bool:
        return not await self.query("SELECT 1 FROM outbox WHERE project = $1", self.project)

    async def query(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Run SQL as the service's own role: for what no API does, such as letting leases run out."""
        connection = await asyncpg.connect(
            self.system.database_url("review"), server_settings={"search_path": "review"}
        )
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()


def _routed(work: Workplace, item: Item, ingested_at: int) -> LabelAccepted | ReviewRequested:
    project = work.project
    other = "negative" if item.label == "positive" else "positive"
    probabilities = {item.label: item.confidence, other: 1 - item.confidence}
    vote = Vote(
        voter="llm", version="m", source="logprobs", label=item.label, confidence=item.confidence,
        probabilities=probabilities, input_tokens=40, output_tokens=1, cost_usd=item.cost_usd,
    )  # fmt: skip
    score = LabelScored(
        project=project, event_id=ids.event_id("scored", project, item.item_id), item_id=item.item_id,
        content_hash=ids.content_hash(item.content, item.metadata), kind="choice", label=item.label,
        confidence=item.confidence, probabilities=probabilities, votes=[vote],
        guideline_version=work.guideline_version, release=0, metadata=item.metadata, ingested_at=ingested_at,
        scored_at=_now(),
    )  # fmt: skip
    common: dict[str, Any] = {
        "project": project, "event_id": ids.event_id("routed", project, item.item_id),
        "item_id": item.item_id, "project_version": work.version, "score": score, "routed_at": _now(),
    }  # fmt: skip
    if item.accepted:
        return LabelAccepted(reasons=["confident"], propensity=0.02, **common)
    reasons = ["audit"] if item.blind else ["low_confidence"]
    return ReviewRequested(
        reasons=reasons, propensity=1.0, blind=item.blind, decisions_needed=item.needed, **common
    )


@dataclass
class Reviewer:
    """A person at the page: what they do, and everything the browser received meanwhile."""

    page: Page
    context: BrowserContext
    url: str
    payloads: list[dict[str, Any]] = field(default_factory=list)
    """Every JSON object the API sent, with its path under `_path`."""
    complaints: list[str] = field(default_factory=list)
    """Errors on the console, uncaught exceptions and dialogs."""

    async def sign_in(self, work: Workplace, path: str = "/") -> None:
        await self.page.goto(f"{self.url}{path}?project={work.project}")
        await self.page.get_by_label("Name").fill(work.reviewer)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.keyboard.press("Enter")

    async def open_account_menu(self) -> None:
        await self.page.locator(".who").click()
        await expect(self.page.get_by_role("link", name="Your account")).to_be_visible()

    async def sees(self, text: str) -> None:
        """Wait for the task with this text, and until keys count again after the change."""
        await expect(self.page.locator(".task-text")).to_have_text(text)
        await self.page.wait_for_timeout(250)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def figure(self, name: str) -> str:
        return (await self.page.locator(f"[data-figure={name}]").inner_text()).strip()

    async def keep(self, response: Response) -> None:
        if "/v1/" not in response.url or response.status == 204:
            return
        try:
            body = await response.json()
        except Exception:
            return  # the page went on before the body was read
        self.payloads.append({"_path": response.url, **body})

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that any answer carried."""
        return [task for payload in self.payloads for task in payload.get("tasks", [])]


def _now() -> int:
    return int(time.time() * 1000)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.1)


async def apply(work: Workplace, changes: dict[str, Any]) -> None:
    """Define the project of `work`."""
    spec = {
        "project": work.project,
        "title": "Sentiment of tweets",
        "labels": [
            {"name": "positive", "description": "the writer feels good about it"},
            {"name": "negative", "description": "the writer feels bad about it"},
        ],
        "guideline": GUIDELINE,
        "voters": [{"name": "llm", "type": "llm", "model": "m"}],
        **changes,
    }
    answer = (await work.admin.put(f"/v1/projects/{work.project}", json=spec)).raise_for_status().json()
    work.version, work.guideline_version = answer["version"], answer["guideline_version"]
