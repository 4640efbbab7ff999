"""What the tests of review-api need: the system, accounts, and the events that other services would send."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import httpx
from aiokafka import ConsumerRecord
from labelmill import ids
from labelmill.events import Event, ItemIngested, LabelAccepted, LabelScored, ReviewRequested, Vote, encode
from labelmill.runtime import kafka
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import ITEMS, LABELS_ACCEPTED, REVIEWS_REQUESTED, item_key
from labelmill_local.system import Running, System

PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: m, permutations: 2}}, {{name: student, type: student}}]
"""

PASSWORD = "correct horse battery"

_WITHOUT_ITEM = """
SELECT count(*) FROM tasks t WHERE project = $1
  AND NOT EXISTS (SELECT FROM items i WHERE (i.project, i.item_id) = (t.project, t.item_id))
"""

T = TypeVar("T")


def item(
    project: str, number: int, content: str | None = None, metadata: dict[str, str] | None = None
) -> ItemIngested:
    """The item `i<number>`; the content follows from the number unless given."""
    text = f"what a day, number {number}" if content is None else content
    return ItemIngested(
        project=project, item_id=f"i{number}", content=text, metadata=metadata or {}, ingested_at=now_ms()
    )


def score(item: ItemIngested, confidence: float = 0.9, label: str = "positive", **fields: Any) -> LabelScored:
    vote = Vote(
        voter="llm",
        version="m@1",
        source="logprobs",
        label=label,
        confidence=confidence,
        probabilities={"positive": confidence, "negative": 1 - confidence},
        input_tokens=100,
        output_tokens=1,
        cost_usd=0.001,
        calls=2,
    )
    known: dict[str, Any] = {
        "project": item.project,
        "event_id": ids.event_id("scored", item.project, item.item_id, item.content_hash),
        "item_id": item.item_id,
        "content_hash": item.content_hash,
        "kind": "choice",
        "label": label,
        "confidence": confidence,
        "probabilities": vote.probabilities,
        "votes": [vote],
        "guideline_version": 1,
        "release": 0,
        "metadata": item.metadata,
        "ingested_at": item.ingested_at,
        "scored_at": now_ms(),
    }
    return LabelScored(**{**known, **fields})


def accepted(scored: LabelScored, **fields: Any) -> LabelAccepted:
    return LabelAccepted(**{**_route(scored), **fields})


def requested(scored: LabelScored, **fields: Any) -> ReviewRequested:
    return ReviewRequested(**{**_route(scored), "reasons": ["low_confidence"], **fields})


def _route(scored: LabelScored) -> dict[str, Any]:
    return {
        "project": scored.project,
        "event_id": ids.event_id("routed", scored.event_id),
        "item_id": scored.item_id,
        "reasons": [],
        "propensity": 0.5,
        "project_version": 1,
        "score": scored,
        "routed_at": now_ms(),
    }


def now_ms() -> int:
    return int(time.time() * 1000)


def partition_of(event: Any) -> int:
    return int(event.item_id[1:]) % 8


@dataclass
class Review:
    """One project of the system under test."""

    system: System
    publisher: Publisher
    admin: httpx.AsyncClient
    database: asyncpg.Pool
    project: str

    async def send(self, *events: Event | tuple[str, int, bytes | None]) -> None:
        """Publish events, or raw values as (topic, partition, value), as other services would."""
        by_topic: dict[str, list[OutRecord]] = {}
        for event in events:
            topic, record = _record(event, self.project)
            by_topic.setdefault(topic, []).append(record)
        for topic, records in by_topic.items():
            await self.publisher.publish(topic, records)

    async def make_tasks(self, count: int, needed: int = 1, first: int = 0, **fields: Any) -> None:
        """Make tasks with rising confidence, and wait until they are there."""
        before = (await self.status())["requested"]
        events: list[Event] = []
        for number in range(first, first + count):
            confidence = 0.5 + 0.4 * (number - first) / count
            one = item(self.project, number)
            events += [one, requested(score(one, confidence), decisions_needed=needed, **fields)]
        await self.send(*events)
        await self.until_tasks(before + count)

    async def account(self, name: str, *roles: str, password: str | None = None) -> httpx.AsyncClient:
        """Make an account with a token; return a client that uses it."""
        account = {"name": name, "roles": roles, "password": password}
        (await self.admin.post("/v1/accounts", json=account)).raise_for_status()
        made = await self.admin.post(f"/v1/accounts/{name}/tokens", json={"label": "test"})
        return self.client({"Authorization": f"Bearer {made.raise_for_status().json()['token']}"})

    def client(self, headers: dict[str, str] | None = None, url: str | None = None) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        return httpx.AsyncClient(
            base_url=url or str(self.admin.base_url), headers=headers, timeout=30, limits=limits
        )

    async def sign_in(self, name: str) -> httpx.AsyncClient:
        """Make a reviewer; return a client with a session, as the page has one."""
        await (await self.account(name, "reviewer", password=PASSWORD)).aclose()
        client = self.client()
        answer = await client.post("/v1/login", json={"name": name, "password": PASSWORD})
        client.headers["X-CSRF-Token"] = answer.raise_for_status().json()["csrf_token"]
        return client

    async def claim(self, client: httpx.AsyncClient, count: int = 1) -> list[dict[str, Any]]:
        answer = await client.post(f"/v1/projects/{self.project}/tasks/claim", json={"count": count})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["tasks"]
        return found

    async def ingest(self, lines: bytes, **headers: str) -> httpx.Response:
        return await self.admin.post(f"/v1/projects/{self.project}/items", content=lines, headers=headers)

    async def status(self) -> dict[str, Any]:
        answer = await self.admin.get(f"/v1/projects/{self.project}/status")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def undecided(self) -> int:
        """Return how many decisions the project's tasks still need."""
        count: int = await self.database.fetchval(
            "SELECT count(*) FROM assignments WHERE project = $1 AND state <> 'decided'", self.project
        )
        return count

    async def until(self, figure: str, value: float, seconds: float = 60) -> dict[str, Any]:
        """Wait until a figure of the status has reached a value; return the status."""

        async def reached() -> dict[str, Any] | None:
            status = await self.status()
            return status if status[figure] >= value else None

        return await until(reached, seconds)

    async def until_tasks(self, count: int) -> None:
        """Wait until `count` tasks were requested and their items are there: a route may overtake its item,
        and nobody is given its task before."""
        await self.until("requested", count)

        async def shown() -> bool | None:
            early = await self.database.fetchval(_WITHOUT_ITEM, self.project)
            return None if early else True

        await until(shown)

    async def let_go(self) -> None:
        """End the time in which what was settled can be taken back."""
        await self.database.execute(
            "UPDATE outbox SET not_before = least(not_before, now()) WHERE project = $1", self.project
        )

    async def until_left(self) -> None:
        """Wait until what was settled has left: its event is in Kafka a moment before the figures know."""

        async def nothing() -> bool | None:
            query = "SELECT count(*) FROM outbox WHERE project = $1"
            return None if await self.database.fetchval(query, self.project) else True

        await until(nothing)

    async def letters(self, topic: str, count: int) -> list[tuple[str, ConsumerRecord]]:
        """Wait for dead letters of this project; return reason and record of each."""
        records = await self.read(f"{topic}.dlq", count)
        return [(dict(record.headers)["dlq-reason"].decode(), record) for record in records]

    async def read(self, topic: str, count: int, seconds: float = 60) -> list[ConsumerRecord]:
        """Return the project's records in a topic once there are `count`, and what comes a moment later."""
        consumer = kafka.reader(kafka_settings(self.system), topic)
        await consumer.start()
        found: list[ConsumerRecord] = []
        prefix = f"{self.project}/".encode()
        try:
            async with asyncio.timeout(seconds):
                settled = False
                while not settled or len(found) < count:
                    settled = len(found) >= count
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        found += [record for record in records if (record.key or b"").startswith(prefix)]
        finally:
            await consumer.stop()
        return found


def _record(event: Event | tuple[str, int, bytes | None], project: str) -> tuple[str, OutRecord]:
    if isinstance(event, tuple):
        topic, partition, value = event
        return topic, OutRecord(partition, item_key(project, "raw"), value)
    topics = {ItemIngested: ITEMS, LabelAccepted: LABELS_ACCEPTED, ReviewRequested: REVIEWS_REQUESTED}
    key = item_key(event.project, event.item_id)  # type: ignore[attr-defined]
    return topics[type(event)].name, OutRecord(partition_of(event), key, encode(event))  # type: ignore[index]


def kafka_settings(system: System) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=system.backends.kafka.bootstrap_servers)


async def until(look: Callable[[], Awaitable[T | None]], seconds: float = 60) -> T:
    """Return what `look` finds, once it finds something."""
    async with asyncio.timeout(seconds):
        while (found := await look()) is None:
            await asyncio.sleep(0.1)
        return found


async def close(clients: Iterable[httpx.AsyncClient]) -> None:
    for client in clients:
        await client.aclose()


async def killed(running: Running) -> None:
    """Wait for a process to die."""
    async with asyncio.timeout(30):
        await running.process.wait()
