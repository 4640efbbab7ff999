"""The router as a process on a real Kafka: what goes in comes out once, whatever happens in between."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
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
from labelmill.projects import load_project
from labelmill.runtime import kafka
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import LABELS_ACCEPTED, LABELS_SCORED, PROJECTS, REVIEWS_REQUESTED, item_key
from labelmill_local.system import Running, System

PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: m}}]
policy: {{accept_threshold: 0.8, audit_rate: 0.1}}
"""
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
ROUTED = [LABELS_ACCEPTED.name, REVIEWS_REQUESTED.name]
DLQ = f"{LABELS_SCORED.name}.dlq"


def score(number: int, project: str, **fields: object) -> LabelScored:
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


def out(number: int, value: bytes | None, project: str) -> OutRecord:
    headers = [("traceparent", TRACE), ("x", b"\xff")]
    return OutRecord(number % 8, item_key(project, f"item-{number}"), value, headers)


def outs(first: int, end: int, project: str) -> list[OutRecord]:
    return [out(number, encode(score(number, project)), project) for number in range(first, end)]


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


async def apply(publisher: Publisher, project: str) -> None:
    spec = load_project(PROJECT.format(project=project))
    event = ProjectPublished(project=project, version=1, guideline_version=1, spec=spec)
    await publisher.publish(PROJECTS.name, [OutRecord(0, project.encode(), encode(event))])


async def read_all(
    system: System, topics: Sequence[str], project: str, until: int, seconds: float = 60
) -> list[ConsumerRecord]:
    """Return the project's records once they have `until` different keys, and what comes a moment later."""
    consumer = kafka.reader(settings(system), *topics)
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(seconds):
            while len({record.key for record in found}) < until:
                found += await read_some(consumer, project, 200)
        found += await read_some(consumer, project, 500)
    finally:
        await consumer.stop()
    return found


async def read_some(consumer: AIOKafkaConsumer, project: str, milliseconds: int) -> list[ConsumerRecord]:
    batches = await consumer.getmany(timeout_ms=milliseconds)
    prefix = f"{project}/".encode()
    return [record for records in batches.values() for record in records if record.key.startswith(prefix)]


def route_of(record: ConsumerRecord) -> LabelAccepted | ReviewRequested:
    if record.topic == LABELS_ACCEPTED.name:
        return EventDecoder(LabelAccepted).decode(record.value)
    return EventDecoder(ReviewRequested).decode(record.value)


async def until_idle(router: Running, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while await router.metric("labelmill_records_total") == 0 or await router.metric(
            "labelmill_consumer_lag_records"
        ):
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One broker for the file; each test has a project of its own and starts the routers it needs."""
    loop = asyncio.new_event_loop()
    running = System(tmp_path_factory.mktemp("router"))
    loop.run_until_complete(running.__aenter__())
    try:
        yield running
    finally:
        loop.run_until_complete(running.__aexit__(None, None, None))
        loop.close()


async def test_every_score_is_routed_or_a_dead_letter(system: System) -> None:
    good = 3000
    document = msgspec.json.decode(encode(score(0, "plain")))
    bad = [
        b"{",
        b"\xff\xfe",
        None,
        msgspec.json.encode(document | {"v": 9}),
        msgspec.json.encode(document | {"label": "meh"}),
        encode(score(1, "nowhere")),
        msgspec.json.encode(document | {"kind": "spans"}),
        msgspec.json.encode(document | {"metadata": {"blob": "x" * 2_500_000}}),
    ]
    async with publishing(system) as publisher:
        await apply(publisher, "plain")
        router = await system.add("router")
        await publisher.publish(LABELS_SCORED.name, outs(0, good, "plain"))
        await publisher.publish(LABELS_SCORED.name, [out(n, value, "plain") for n, value in enumerate(bad)])
        await publisher.publish(LABELS_SCORED.name, outs(good, good + 50, "plain"))

    routed = await read_all(system, ROUTED, "plain", good + 50)
    letters = await read_all(system, [DLQ], "plain", len(bad))
    assert sorted(int(record.key.split(b"-")[1]) for record in routed) == list(range(good + 50))
    reasons: Counter[str] = Counter()
    for record in routed:
        event = route_of(record)
        number = int(event.item_id.split("-")[1])
        assert event.score == score(number, "plain")
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
        "record_too_large",
        "unknown_kind",
        "unknown_project",
        "unknown_schema_version",
    ]
    assert all(dict(letter.headers)["x"] == b"\xff" for letter in letters)
    assert sorted(letter.value or b"" for letter in letters) == sorted(value or b"" for value in bad)
    await until_idle(router)
    assert await router.metric("labelmill_routed_total") == good + 50
    assert await router.metric("labelmill_dead_letters_total") == len(bad)
    await router.process.stop()


async def test_a_stop_is_orderly_and_fast(system: System) -> None:
    async with publishing(system) as publisher:
        await apply(publisher, "stopped")
        router = await system.add("router")
        await publisher.publish(LABELS_SCORED.name, outs(0, 1000, "stopped"))
        assert router.process.pid is not None
        os.kill(router.process.pid, signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await router.process.wait() == 0


async def test_killed_and_cut_off_it_loses_nothing_and_decides_the_same(system: System) -> None:
    total = 4000
    async with publishing(system) as publisher:
        await apply(publisher, "killed")
        router = await system.add("router", env={"ROUTER_BATCH_RECORDS": "200"}, restart_on_exit=True)
        for start in range(0, total, 1000):
            await publisher.publish(LABELS_SCORED.name, outs(start, start + 1000, "killed"))
            await router.process.kill()
            if start == 2000:
                await system.backends.kafka.kill()
                await system.backends.kafka.start()
    routed = await read_all(system, ROUTED, "killed", total, seconds=120)
    await until_idle(router)
    await router.process.stop()
    events = [route_of(record) for record in routed]
    assert len({event.event_id for event in events}) == total
    assert len({(event.event_id, event.item_id, tuple(event.reasons)) for event in events}) == total


async def test_too_many_dead_letters_stop_it_loudly(system: System) -> None:
    """The last one: it leaves its records uncommitted."""
    async with publishing(system) as publisher:
        router = await system.add("router", wait=False)
        await publisher.publish(LABELS_SCORED.name, [out(n, b"{", "broken") for n in range(300)])
        async with asyncio.timeout(30):
            assert await router.process.wait() == 1
    log = router.process.command.log_file.read_text()
    assert "records were dead letters" in log
    assert "labelmill dlq list" in log
