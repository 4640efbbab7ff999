"""The autolabeler as a process on a real Kafka and PostgreSQL, with an LLM stub that misbehaves on demand."""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from aiokafka import ConsumerRecord
from labelmill.embedding import MINILM, load_embedder
from labelmill.events import (
    EventDecoder,
    ItemIngested,
    LabelScored,
    ProjectPublished,
    ReleasePublished,
    encode,
)
from labelmill.projects import load_project
from labelmill.releases import Evaluation, Release, StudentModel
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.student import pack
from labelmill.topics import ITEMS, LABELS_SCORED, PROJECTS, RELEASES, item_key
from labelmill_local.system import Running, System
from labelmill_stubs.process import running
from labelmill_stubs.topics import read_to_end, until_handled

PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say how the writers of {project} feel.
voters:
  - {{name: llm, type: llm, model: stub, input_usd_per_mtok: 1.0, output_usd_per_mtok: 10.0}}
  - {{name: student, type: student}}
"""
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
IN_FLIGHT = 16
DLQ = f"{ITEMS.name}.dlq"


@dataclass
class World:
    """The system, a project of the test's own, the stub, and what is needed to look at them."""

    system: System
    project: str
    stub: str
    stack: AsyncExitStack
    """Stops the test's own processes at its end."""
    own: list[Running] = field(default_factory=list)

    async def shared_labeler(self) -> Running:
        """The one process of all tests that let it work in peace."""
        running = next((each for each in self.system.services if each.process.running), None)
        return running or await self.system.add("autolabeler", env=self._env())

    async def labeler(self, **env: str) -> Running:
        """A process of the test's own; the shared one is stopped, or it would take up the work."""
        for each in self.system.services:
            if each not in self.own:
                await each.process.stop()
        made = self.system.running("autolabeler", env=self._env() | env)
        self.own.append(await self.stack.enter_async_context(made))
        return self.own[-1]

    def _env(self) -> dict[str, str]:
        return {
            "OPENAI_BASE_URL": f"{self.stub}/v1",
            "LLM_MAX_CONCURRENCY": str(IN_FLIGHT),
            "LLM_INITIAL_CONCURRENCY": str(IN_FLIGHT),
        }

    async def control(self, **change: object) -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            (await client.post(f"{self.stub}/control", json=change)).raise_for_status()

    async def stats(self) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=20) as client:
            stats: dict[str, Any] = (await client.get(f"{self.stub}/stats")).json()
            return stats

    async def until_stats(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not holds(await self.stats()):
                await asyncio.sleep(0.05)

    async def paid(self, count: int) -> None:
        await self.until_stats(lambda stats: stats["answered"] >= count)

    async def feed(
        self, first: int, end: int, text: Callable[[int], str] = "a good day number {}".format
    ) -> None:
        items = [
            ItemIngested(project=self.project, item_id=f"item-{n}", content=text(n), metadata={"n": str(n)})
            for n in range(first, end)
        ]
        await self.feed_raw([encode(item) for item in items], first)

    async def feed_raw(self, values: Sequence[bytes | None], first: int = 0) -> None:
        outs = [
            OutRecord(n % 8, item_key(self.project, f"item-{n}"), value, [("traceparent", TRACE)])
            for n, value in enumerate(values, first)
        ]
        await self.publish(ITEMS.name, outs)

    async def publish(self, topic: str, outs: Sequence[OutRecord]) -> None:
        publisher = Publisher(self.kafka)
        await publisher.start()
        try:
            await publisher.publish(topic, outs)
        finally:
            await publisher.stop()

    async def apply(self) -> None:
        spec = load_project(PROJECT.format(project=self.project))
        event = ProjectPublished(project=self.project, version=1, guideline_version=1, spec=spec)
        await self.publish(PROJECTS.name, [OutRecord(0, self.project.encode(), encode(event))])

    async def scored(self) -> list[tuple[ConsumerRecord, LabelScored]]:
        decoder = EventDecoder(LabelScored)
        return [(record, decoder.decode(record.value)) for record in await self.read(LABELS_SCORED.name)]

    async def letters(self) -> Counter[str]:
        return Counter(dict(record.headers)["dlq-reason"].decode() for record in await self.read(DLQ))

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Return the project's records once all that was fed has been handled."""
        await until_handled(self.kafka, "autolabeler", seconds=120)
        prefix = f"{self.project}/".encode()
        return [
            record
            for record in await read_to_end(self.kafka, topic)
            if (record.key or b"").startswith(prefix)
        ]

    @property
    def kafka(self) -> KafkaSettings:
        return self.system.kafka_settings


@pytest.fixture(scope="module")
def llm() -> Iterator[str]:
    """The URL of the stub."""
    with running("llm") as stub:
        yield stub.url


@pytest.fixture
async def world(system: System, llm: str, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")[:60]
    async with AsyncExitStack() as stack:
        world = World(system, name, llm, stack)
        await world.control(mode="keyword", latency_ms=50, reset_stats=True)
        await world.apply()
        yield world


def each_once(scored: Sequence[tuple[ConsumerRecord, LabelScored]], count: int) -> None:
    """Every item has a score; repetitions are the same event."""
    by_item: dict[str, set[str]] = {}
    for _, event in scored:
        by_item.setdefault(event.item_id, set()).add(event.event_id)
    assert sorted(by_item, key=lambda item: int(item[5:])) == [f"item-{n}" for n in range(count)]
    assert all(len(events) == 1 for events in by_item.values())


async def test_every_item_is_scored_or_a_dead_letter(world: World) -> None:
    labeler = await world.shared_labeler()
    await world.feed(0, 200)
    good = msgspec.json.decode(encode(ItemIngested(project=world.project, item_id="x", content="y")))
    bad: list[bytes | None] = [
        b"{",
        b"\xff\xfe",
        None,
        msgspec.json.encode(good | {"v": 9}),
        msgspec.json.encode(good | {"content": "x" * 2_000_000}),
        msgspec.json.encode(good | {"content": " "}),
        msgspec.json.encode(good | {"project": "nowhere"}),
    ]
    await world.feed_raw(bad, 1000)
    await world.feed(200, 220)
    scored = await world.scored()
    each_once(scored, 220)
    for record, event in scored:
        number = int(event.metadata["n"])
        assert record.partition == number % 8
        assert record.headers == (("traceparent", TRACE),)
        (vote,) = event.votes
        assert (vote.source, vote.version, vote.cached) == ("logprobs", "stub", False)
        assert sum(event.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert vote.cost_usd == pytest.approx((vote.input_tokens + 10 * vote.output_tokens) / 1e6)
        assert event.label == "positive"
    assert await world.letters() == Counter(
        malformed_json=1,
        invalid_utf8=1,
        empty_record=1,
        unknown_schema_version=1,
        content_too_large=1,
        content_empty=1,
        unknown_project=1,
    )
    stats = await world.stats()
    assert (
        stats["answered"] == await labeler.metric("labelmill_llm_calls_total", project=world.project) == 220
    )
    assert stats["max_in_flight"] <= IN_FLIGHT
    assert await labeler.metric("labelmill_scored_total", project=world.project) == 220
    async with asyncio.timeout(20):
        while await labeler.metric("labelmill_consumer_lag_records"):
            await asyncio.sleep(0.2)


async def test_a_text_seen_before_costs_nothing(world: World) -> None:
    labeler = await world.shared_labeler()
    await world.feed(0, 40, text=lambda n: f"a good day number {n % 10}")
    scored = await world.scored()
    paid = [event for _, event in scored if not event.votes[0].cached]
    assert (await world.stats())["answered"] == len(paid) == 10
    await labeler.process.stop()
    await world.shared_labeler()
    await world.feed(40, 50, text=lambda n: f"a good day number {n % 10}")
    again = [event for _, event in await world.scored() if int(event.item_id[5:]) >= 40]
    assert all(event.votes[0].cached for event in again)
    assert (await world.stats())["answered"] == 10


async def test_answers_of_no_use(world: World) -> None:
    reasons = {
        "prose": "llm_prose",
        "no_logprobs": "llm_no_logprobs",
        "truncated": "llm_malformed",
        "garbage": "llm_malformed",
    }
    await world.shared_labeler()
    buried: Counter[str] = Counter()
    for number, (mode, reason) in enumerate(reasons.items()):
        await world.control(mode=mode, reset_stats=True)
        await world.feed(100 * number, 100 * number + 5)
        buried[reason] += 5
        assert await world.letters() == buried
        assert (await world.stats())["calls"] == 15
        await world.control(mode="keyword")
        await world.feed(100 * number + 5, 100 * number + 25)
        assert len(await world.scored()) == 20 * (number + 1)


async def test_the_database_may_go_away(world: World) -> None:
    await world.shared_labeler()
    await world.feed(0, 300)
    await world.paid(60)
    postgres = world.system.backends.postgres
    await postgres.kill()
    await asyncio.sleep(1.5)
    await postgres.start()
    each_once(await world.scored(), 300)
    assert (await world.stats())["calls"] == 300
    assert await world.letters() == Counter()


async def test_a_release_takes_effect_while_running(world: World) -> None:
    labeler = await world.shared_labeler()
    await world.feed(0, 10)
    assert {event.release for _, event in await world.scored()} == {0}
    await world.publish(RELEASES.name, [OutRecord(0, world.project.encode(), encode(release(world.project)))])
    async with asyncio.timeout(20):
        while await labeler.metric("labelmill_release_number", project=world.project) != 3:
            await asyncio.sleep(0.1)
    texts = ("I love it, what a wonderful day", "I hate it, what an awful day", "the train leaves at noon")
    await world.feed(10, 40, text=lambda n: f"{texts[n % 3]} {n}")
    later = [event for _, event in await world.scored() if event.item_id >= "item-10" and event.release]
    voters = Counter(tuple(vote.voter for vote in event.votes) for event in later)
    assert len(later) == 30
    assert voters["student",] >= 15
    assert voters["student", "llm"] >= 1
    assert sum(voters.values()) == 30
    assert await labeler.metric("labelmill_student_only_total", project=world.project) == voters["student",]
    sure = [event for event in later if len(event.votes) == 1]
    assert {event.label for event in sure} == {"positive", "negative"}


async def test_rate_limits_errors_and_silence_are_waited_out(world: World) -> None:
    def passed(stats: dict[str, Any]) -> bool:
        return stats["now"]["over"] is None

    await world.labeler(LLM_TIMEOUT_SECONDS="3")
    await world.control(mode="429", retry_after_s=0.5)
    await world.feed(0, 100)
    await world.until_stats(lambda stats: stats["refused"] >= IN_FLIGHT)
    await world.control(mode="429", for_s=4)
    await world.until_stats(passed)
    refused = (await world.stats())["refused"]
    assert refused < 60, "the provider is not to be hammered while it says to wait"
    each_once(await world.scored(), 100)
    await world.control(mode="500")
    await world.feed(100, 200)
    await world.until_stats(lambda stats: stats["by_mode"].get("500", 0) >= 2)
    await world.control(mode="keyword")
    each_once(await world.scored(), 200)
    await world.control(mode="hang")
    await world.feed(200, 220)
    await world.until_stats(lambda stats: stats["by_mode"].get("hang", 0) >= 2)
    await world.control(mode="keyword")
    each_once(await world.scored(), 220)
    stats = await world.stats()
    assert stats["abandoned"] == stats["by_mode"]["hang"]
    assert stats["paid_prompts"] == 220
    assert stats["repaid_prompts"] == 0


async def test_a_kill_costs_no_more_than_the_calls_in_flight(world: World) -> None:
    labeler = await world.labeler()
    await world.feed(0, 400)
    for kill in (100, 250):
        await world.paid(kill)
        await labeler.process.kill()
        labeler = await world.labeler()
    each_once(await world.scored(), 400)
    stats = await world.stats()
    assert stats["repaid_prompts"] + stats["abandoned"] <= 2 * IN_FLIGHT
    assert stats["calls"] <= 400 + 2 * IN_FLIGHT


async def test_a_stop_loses_nothing_and_pays_nothing_twice(world: World) -> None:
    await world.control(latency_ms=150)  # so that much is left when it is told
    labeler = await world.labeler()
    await world.feed(0, 400)
    await world.paid(150)
    assert labeler.process.pid is not None
    os.kill(labeler.process.pid, signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await labeler.process.wait() == 0
    stats = await world.stats()
    assert stats["abandoned"] == 0
    assert stats["answered"] < 400
    await world.labeler()
    scored = await world.scored()
    each_once(scored, 400)
    assert len(scored) == 400, "what was finished was committed"
    assert (await world.stats())["calls"] == 400


async def test_two_processes_share_the_work(world: World) -> None:
    await world.control(latency_ms=200)
    first = await world.labeler()
    await world.feed(0, 600)
    await world.paid(100)
    second = await world.labeler()
    async with asyncio.timeout(60):
        while not await second.samples("labelmill_consumer_lag_records"):  # it has no partitions yet
            await asyncio.sleep(0.05)
    await world.control(latency_ms=100)
    await world.feed(600, 1200)
    each_once(await world.scored(), 1200)
    stats = await world.stats()
    assert stats["repaid_prompts"] == 0, "the partitions moved after the calls in flight were stored"
    assert stats["calls"] == 1200
    assert await first.metric("labelmill_scored_total") > 100
    assert await second.metric("labelmill_scored_total") > 100


def release(project: str) -> ReleasePublished:
    """A student that compares a text with one of each label."""
    good, bad = load_embedder().embed(["I love it, what a wonderful day", "I hate it, what an awful day"])
    model = StudentModel(
        embedder=MINILM,
        dimensions=good.shape[0],
        classes=["positive", "negative"],
        weights=pack(np.stack([good, bad]) * 10),
        bias=pack(np.zeros(2)),
        temperature=1.0,
        sure_at=0.9,
    )
    evaluation = Evaluation(items=1, accuracy=1.0, present_accuracy=0.5)
    made = Release(number=3, dataset="d1", decisions=2, evaluation=evaluation, created_at=0, student=model)
    return ReleasePublished(project=project, release=made)
