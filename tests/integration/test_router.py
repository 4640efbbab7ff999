"""The router as a process on a real Kafka: what goes in comes out once, whatever happens in between."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from aiokafka import ConsumerRecord
from labelmill import ids
from labelmill.events import (
    EventDecoder,
    LabelAccepted,
    LabelScored,
    ProjectPublished,
    ReviewRequested,
    Vote,
    encode,
)
from labelmill.projects import ProjectSpec, load_project
from labelmill.runtime import kafka
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import LABELS_ACCEPTED, LABELS_SCORED, PROJECTS, REVIEWS_REQUESTED, item_key
from labelmill_local.system import Running, System

PROJECT = """
project: tweets
title: Tweets
labels: [{name: positive}, {name: negative}]
guideline: Say which.
voters: [{name: llm, type: llm, model: m}]
policy: {accept_threshold: 0.8, audit_rate: 0.1}
"""
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
DLQ = f"{LABELS_SCORED.name}.dlq"


def score(number: int, project: str = "tweets", **fields: object) -> LabelScored:
    confidence = 0.6 + 0.4 * ids.uniform("test", str(number))
    probabilities = {"positive": confidence, "negative": 1 - confidence}
    vote = Vote(voter="llm", version="1", source="logprobs", label="positive", confidence=confidence)
    base: dict[str, object] = {
        "project": project,
        "event_id": ids.event_id("scored", str(number)),
        "item_id": f"item-{number}",
        "content_hash": "0" * 32,
        "kind": "choice",
        "label": "positive",
        "confidence": confidence,
        "probabilities": probabilities,
        "votes": [vote],
        "guideline_version": 1,
        "release": 1,
    }
    return LabelScored(**{**base, **fields})  # type: ignore[arg-type]


def out(number: int, value: bytes | None) -> OutRecord:
    return OutRecord(
        number % 8, item_key("tweets", f"item-{number}"), value, [("traceparent", TRACE), ("x", b"\xff")]
    )


def settings(system: System) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=system.backends.kafka.bootstrap_servers)


@asynccontextmanager
async def publishing(system: System) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings(system))
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def apply(publisher: Publisher, spec: ProjectSpec) -> None:
    event = ProjectPublished(project=spec.project, version=1, guideline_version=1, spec=spec)
    await publisher.publish(PROJECTS.name, [OutRecord(0, spec.project.encode(), encode(event))])


async def read_all(
    system: System, topics: Iterable[str], until: int, seconds: float = 60
) -> list[ConsumerRecord]:
    """Return the topics' records once there are `until` of them, and what else comes in the next moment."""
    consumer = kafka.reader(settings(system), *topics)
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(seconds):
            while len(found) < until:
                found += chain.from_iterable((await consumer.getmany(timeout_ms=200)).values())
        found += chain.from_iterable((await consumer.getmany(timeout_ms=500)).values())
    finally:
        await consumer.stop()
    return found


def route_of(record: ConsumerRecord) -> LabelAccepted | ReviewRequested:
    event = LabelAccepted if record.topic == LABELS_ACCEPTED.name else ReviewRequested
    return EventDecoder(event).decode(record.value)


async def until_idle(router: Running, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while await router.metric("labelmill_records_total") == 0 or await router.metric(
            "labelmill_consumer_lag_records"
        ):
            await asyncio.sleep(0.2)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with System(tmp_path) as running:
        yield running


async def test_every_score_is_routed_or_a_dead_letter(system: System) -> None:
    async with publishing(system) as publisher:
        await apply(publisher, load_project(PROJECT))
        router = await system.add("router")
        document = msgspec.json.decode(encode(score(0)))
        bad = [
            b"{",
            b"\xff\xfe",
            None,
            msgspec.json.encode(document | {"v": 9}),
            msgspec.json.encode(document | {"label": "meh"}),
            encode(score(1, project="nowhere")),
            msgspec.json.encode(document | {"metadata": {"blob": "x" * 2_500_000}, "kind": "spans"}),
        ]
        good = 3000
        await publisher.publish(LABELS_SCORED.name, outs(0, good))
        await publisher.publish(LABELS_SCORED.name, [out(n, value) for n, value in enumerate(bad)])
        await publisher.publish(LABELS_SCORED.name, outs(good, good + 50))

    routed = await read_all(system, [LABELS_ACCEPTED.name, REVIEWS_REQUESTED.name], good + 50)
    letters = await read_all(system, [DLQ], len(bad))
    assert sorted(int(r.key.split(b"-")[1]) for r in routed) == list(range(good + 50))
    reasons: Counter[str] = Counter()
    for record in routed:
        event = route_of(record)
        number = int(event.item_id.split("-")[1])
        assert event.score == score(number)
        assert record.partition == number % 8
        assert record.headers == (("traceparent", TRACE),)
        assert (record.topic == LABELS_ACCEPTED.name) == (not event.reasons)
        reasons[event.reasons[0] if event.reasons else "accepted"] += 1
    assert set(reasons) == {"accepted", "audit", "low_confidence"}

    assert sorted(dict(letter.headers)["dlq-reason"].decode() for letter in letters) == [
        "empty_record",
        "invalid_utf8",
        "label_outside_set",
        "malformed_json",
        "unknown_kind",
        "unknown_project",
        "unknown_schema_version",
    ]
    assert all(dict(letter.headers)["x"] == b"\xff" for letter in letters)
    assert {len(letter.value or b"") for letter in letters} == {len(value or b"") for value in bad}
    await until_idle(router)
    assert await router.metric("labelmill_routed_total") == good + 50
    assert await router.metric("labelmill_dead_letters_total") == len(bad)


@pytest.mark.slow
async def test_killed_and_cut_off_it_loses_nothing_and_decides_the_same(system: System) -> None:
    async with publishing(system) as publisher:
        await apply(publisher, load_project(PROJECT))
        router = await system.add("router", env={"ROUTER_BATCH_RECORDS": "200"}, restart_on_exit=True)
        total = 4000
        for start in range(0, total, 1000):
            await publisher.publish(LABELS_SCORED.name, outs(start, start + 1000))
            await router.process.kill()
            if start == 2000:
                await system.backends.kafka.kill()
                await system.backends.kafka.start()
    routed = await read_all(system, [LABELS_ACCEPTED.name, REVIEWS_REQUESTED.name], total, seconds=90)
    async with asyncio.timeout(90):
        while len({r.key for r in routed}) < total:
            routed = await read_all(system, [LABELS_ACCEPTED.name, REVIEWS_REQUESTED.name], len(routed))
    events = [route_of(record) for record in routed]
    assert len({(e.event_id, e.item_id, tuple(e.reasons)) for e in events}) == total


async def test_a_stop_is_orderly_and_fast(system: System) -> None:
    async with publishing(system) as publisher:
        await apply(publisher, load_project(PROJECT))
        router = await system.add("router")
        await publisher.publish(LABELS_SCORED.name, outs(0, 1000))
        pid = router.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await router.process.wait() == 0


async def test_too_many_dead_letters_stop_it_loudly(system: System) -> None:
    async with publishing(system) as publisher:
        router = await system.add("router")
        await publisher.publish(LABELS_SCORED.name, [out(n, b"{") for n in range(300)])
        async with asyncio.timeout(30):
            assert await router.process.wait() == 1
    log = (system.folder / "logs" / "router-0.log").read_text()
    assert "records were dead letters" in log
    assert "labelmill dlq list" in log
