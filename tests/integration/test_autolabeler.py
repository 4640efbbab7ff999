"""The autolabeler as a process on a real Kafka and PostgreSQL, with an LLM stub that misbehaves on demand."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
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
from labelmill.runtime import kafka
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.student import pack
from labelmill.topics import ITEMS, LABELS_SCORED, PROJECTS, RELEASES, item_key
from labelmill_local.ports import accepts, free_port
from labelmill_local.process import ChildProcess, Command
from labelmill_local.system import Running, System

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
    """The system, a project of the test's own, a stub of its own, and what is needed to look at them."""

    system: System
    project: str
    stub: str
    stub_process: ChildProcess
    labelers: list[Running] = field(default_factory=list)

    async def labeler(self, **env: str) -> Running:
        base = {
            "OPENAI_BASE_URL": f"{self.stub}/v1",
            "LLM_MAX_CONCURRENCY": str(IN_FLIGHT),
            "LLM_INITIAL_CONCURRENCY": str(IN_FLIGHT),
        }
        running = await self.system.add("autolabeler", env=base | env)
        self.labelers.append(running)
        return running

    async def control(self, **change: object) -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            (await client.post(f"{self.stub}/control", json=change)).raise_for_status()

    async def stats(self) -> dict[str, int]:
        async with httpx.AsyncClient(timeout=20) as client:
            stats: dict[str, int] = (await client.get(f"{self.stub}/stats")).json()
            return stats

    async def paid(self, count: int, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while (await self.stats())["answered"] < count:
                await asyncio.sleep(0.05)

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

    async def scored(self, until: int, seconds: float = 120) -> list[tuple[ConsumerRecord, LabelScored]]:
        records = await self.read(LABELS_SCORED.name, until, seconds)
        decoder = EventDecoder(LabelScored)
        return [(record, decoder.decode(record.value)) for record in records]

    async def letters(self, until: int, seconds: float = 60) -> Counter[str]:
        records = await self.read(DLQ, until, seconds)
        return Counter(dict(record.headers)["dlq-reason"].decode() for record in records)

    async def read(self, topic: str, until: int, seconds: float) -> list[ConsumerRecord]:
        """Return the project's records once they have `until` keys, and what comes a moment later."""
        consumer = kafka.reader(self.kafka, topic)
        await consumer.start()
        found: list[ConsumerRecord] = []
        prefix = f"{self.project}/".encode()

        async def more(milliseconds: int) -> None:
            batches = await consumer.getmany(timeout_ms=milliseconds)
            for records in batches.values():
                found.extend(record for record in records if (record.key or b"").startswith(prefix))

        try:
            async with asyncio.timeout(seconds):
                while len({record.key for record in found}) < until:
                    await more(200)
            await more(500)
        finally:
            await consumer.stop()
        return found

    async def votes_cached(self) -> int:
        connection = await asyncpg.connect(self.system.backends.postgres.admin_dsn)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM autolabeler.vote_cache"))
        finally:
            await connection.close()

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(kafka_bootstrap_servers=self.system.backends.kafka.bootstrap_servers)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One broker and database for the file."""
    loop = asyncio.new_event_loop()
    running = System(tmp_path_factory.mktemp("autolabeler"))
    loop.run_until_complete(running.__aenter__())
    try:
        yield running
    finally:
        loop.run_until_complete(running.__aexit__(None, None, None))
        loop.close()


@asynccontextmanager
async def stub(folder: Path) -> AsyncIterator[tuple[str, ChildProcess]]:
    port = free_port()
    argv = [sys.executable, "-m", "labelmill_stubs.llm", "--port", str(port), "--mode", "keyword"]
    process = ChildProcess(Command("llm-stub", [*argv, "--latency-ms", "50"], folder / "llm-stub.log"))
    await process.start(lambda: accepts(port))
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        await process.stop()


@pytest.fixture
async def world(system: System, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")[:60]
    async with stub(tmp_path) as (url, process):
        world = World(system, name, url, process)
        await world.apply()
        yield world
        for labeler in world.labelers:
            await labeler.process.stop()
            system.services.remove(labeler)


def each_once(scored: Sequence[tuple[ConsumerRecord, LabelScored]], count: int) -> None:
    """Every item has a score; repetitions are the same event."""
    by_item: dict[str, set[str]] = {}
    for _, event in scored:
        by_item.setdefault(event.item_id, set()).add(event.event_id)
    assert sorted(by_item, key=lambda item: int(item[5:])) == [f"item-{n}" for n in range(count)]
    assert all(len(events) == 1 for events in by_item.values())


async def test_every_item_is_scored_or_a_dead_letter(world: World) -> None:
    labeler = await world.labeler()
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
    scored = await world.scored(220)
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
    assert await world.letters(len(bad)) == Counter(
        malformed_json=1,
        invalid_utf8=1,
        empty_record=1,
        unknown_schema_version=1,
        content_too_large=1,
        content_empty=1,
        unknown_project=1,
    )
    stats = await world.stats()
    assert stats["answered"] == await labeler.metric("labelmill_llm_calls_total") == 220
    assert stats["max_in_flight"] <= IN_FLIGHT
    assert await labeler.metric("labelmill_scored_total") == 220
    async with asyncio.timeout(20):
        while await labeler.metric("labelmill_consumer_lag_records"):
            await asyncio.sleep(0.2)


async def test_a_text_seen_before_costs_nothing(world: World) -> None:
    labeler = await world.labeler()
    await world.feed(0, 40, text=lambda n: f"a good day number {n % 10}")
    scored = await world.scored(40)
    paid = [event for _, event in scored if not event.votes[0].cached]
    assert (await world.stats())["answered"] == len(paid) == 10
    await labeler.process.stop()
    await world.labeler()
    await world.feed(40, 50, text=lambda n: f"a good day number {n % 10}")
    again = [event for _, event in await world.scored(50) if int(event.item_id[5:]) >= 40]
    assert all(event.votes[0].cached for event in again)
    assert (await world.stats())["answered"] == 10


async def test_rate_limits_and_server_errors_are_waited_out(world: World) -> None:
    await world.labeler()
    await world.control(mode="429", for_s=4, retry_after_s=0.5)
    await world.feed(0, 100)
    await asyncio.sleep(4.5)
    refused = (await world.stats())["refused"]
    assert IN_FLIGHT <= refused < 60, "the provider is not to be hammered while it says to wait"
    await world.control(mode="500", for_s=2)
    await world.feed(100, 200)
    await asyncio.sleep(2)
    await world.control(mode="hang", share=0.01)
    await world.feed(200, 220)
    await world.control(mode="keyword")
    each_once(await world.scored(220), 220)
    stats = await world.stats()
    assert stats["paid_prompts"] == 220
    assert stats["repaid_prompts"] == 0


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("prose", "llm_prose"),
        ("no_logprobs", "llm_no_logprobs"),
        ("truncated", "llm_malformed"),
        ("garbage", "llm_malformed"),
    ],
)
async def test_answers_of_no_use(world: World, mode: str, reason: str) -> None:
    await world.labeler()
    await world.control(mode=mode)
    await world.feed(0, 5)
    assert await world.letters(5) == Counter({reason: 5})
    assert (await world.stats())["calls"] == 15
    await world.control(mode="keyword")
    await world.feed(5, 25)
    assert len(await world.scored(20)) == 20


async def test_a_kill_costs_no_more_than_the_calls_in_flight(world: World) -> None:
    labeler = await world.labeler()
    await world.feed(0, 400)
    for kill in (100, 250):
        await world.paid(kill)
        await labeler.process.kill()
        labeler = await world.labeler()
    each_once(await world.scored(400), 400)
    stats = await world.stats()
    assert stats["repaid_prompts"] + stats["abandoned"] <= 2 * IN_FLIGHT
    assert stats["calls"] <= 400 + 2 * IN_FLIGHT


async def test_a_stop_loses_nothing_and_pays_nothing_twice(world: World) -> None:
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
    scored = await world.scored(400)
    each_once(scored, 400)
    assert len(scored) == 400, "what was finished was committed"
    assert (await world.stats())["calls"] == 400


async def test_two_processes_share_the_work(world: World) -> None:
    await world.control(latency_ms=100)
    first = await world.labeler()
    await world.feed(0, 600)
    await world.paid(100)
    second = await world.labeler()
    await world.feed(600, 1200)
    each_once(await world.scored(1200), 1200)
    stats = await world.stats()
    assert stats["repaid_prompts"] == 0, "the partitions moved after the calls in flight were stored"
    assert stats["calls"] == 1200
    assert await first.metric("labelmill_scored_total") > 100
    assert await second.metric("labelmill_scored_total") > 100


async def test_the_database_may_go_away(world: World) -> None:
    await world.labeler()
    await world.feed(0, 300)
    await world.paid(60)
    postgres = world.system.backends.postgres
    await postgres.kill()
    await asyncio.sleep(1.5)
    await postgres.start()
    each_once(await world.scored(300), 300)
    assert (await world.stats())["calls"] == 300
    assert await world.letters(0) == Counter()


async def test_a_release_takes_effect_while_running(world: World) -> None:
    labeler = await world.labeler()
    await world.feed(0, 10)
    assert {event.release for _, event in await world.scored(10)} == {0}
    await world.publish(RELEASES.name, [OutRecord(0, world.project.encode(), encode(release(world.project)))])
    async with asyncio.timeout(20):
        while await labeler.metric("labelmill_release_number") != 3:
            await asyncio.sleep(0.1)
    texts = ("I love it, what a wonderful day", "I hate it, what an awful day", "the train leaves at noon")
    await world.feed(10, 40, text=lambda n: f"{texts[n % 3]} {n}")
    later = [event for _, event in await world.scored(40) if event.item_id >= "item-10" and event.release]
    voters = Counter(tuple(vote.voter for vote in event.votes) for event in later)
    assert len(later) == 30
    assert voters["student",] >= 15
    assert voters["student", "llm"] >= 1
    assert sum(voters.values()) == 30
    assert await labeler.metric("labelmill_student_only_total") == voters["student",]
    sure = [event for event in later if len(event.votes) == 1]
    assert {event.label for event in sure} == {"positive", "negative"}


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
