"""The router as a process on a real Kafka: what goes in comes out once, whatever happens in between."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
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
from labelmill.projects import load_project
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.topics import LABELS_ACCEPTED, LABELS_SCORED, PROJECTS, REVIEWS_REQUESTED, item_key
from labelmill_local.system import Running, System
from labelmill_stubs.topics import read_to_end, skip, until_handled, waiting

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


@asynccontextmanager
async def publishing(system: System) -> AsyncIterator[Publisher]:
    publisher = Publisher(system.kafka_settings)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def apply(publisher: Publisher, project: str) -> None:
    spec = load_project(PROJECT.format(project=project))
    event = ProjectPublished(project=project, version=1, guideline_version=1, spec=spec)
    await publisher.publish(PROJECTS.name, [OutRecord(0, project.encode(), encode(event))])


async def routed_of(system: System, project: str, topics: Sequence[str] = ROUTED) -> list[ConsumerRecord]:
    """Return what lies on the topics of the project, once the routers have handled all that came in."""
    await until_handled(system.kafka_settings, "router", seconds=120)
    prefix = f"{project}/".encode()
    records = await read_to_end(system.kafka_settings, *topics)
    return [record for record in records if (record.key or b"").startswith(prefix)]


def route_of(record: ConsumerRecord) -> LabelAccepted | ReviewRequested:
    if record.topic == LABELS_ACCEPTED.name:
        return EventDecoder(LabelAccepted).decode(record.value)
    return EventDecoder(ReviewRequested).decode(record.value)


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
    async with publishing(system) as publisher, system.running("router") as router:
        await apply(publisher, "plain")
        await publisher.publish(LABELS_SCORED.name, outs(0, good, "plain"))
        await publisher.publish(LABELS_SCORED.name, [out(n, value, "plain") for n, value in enumerate(bad)])
        await publisher.publish(LABELS_SCORED.name, outs(good, good + 50, "plain"))
        routed = await routed_of(system, "plain")
        letters = await routed_of(system, "plain", [DLQ])
        assert await router.metric("labelmill_routed_total") == good + 50
        assert await router.metric("labelmill_dead_letters_total") == len(bad)

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


async def test_a_stop_is_orderly_fast_and_loses_nothing(system: System) -> None:
    async with publishing(system) as publisher:
        await apply(publisher, "stopped")
        async with system.running("router", env={"ROUTER_BATCH_RECORDS": "100"}) as router:
            await publisher.publish(LABELS_SCORED.name, outs(0, 3000, "stopped"))
            await at_work(router)
            assert router.process.pid is not None
            os.kill(router.process.pid, signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await router.process.wait() == 0
        async with system.running("router"):
            routed = await routed_of(system, "stopped")
    assert sorted(int(record.key.split(b"-")[1]) for record in routed) == list(range(3000))


async def at_work(router: Running, seconds: float = 60) -> None:
    """Wait until the process has handled records: it is ready before the group lets it in."""
    async with asyncio.timeout(seconds):
        while not await router.ready() or not await router.metric("labelmill_records_total"):
            await asyncio.sleep(0.02)


async def test_killed_and_cut_off_it_loses_nothing_and_decides_the_same(system: System) -> None:
    kills, total = 2, 6000
    async with publishing(system) as publisher:
        await apply(publisher, "killed")
        async with system.running(
            "router", env={"ROUTER_BATCH_RECORDS": "50"}, restart_on_exit=True
        ) as router:
            for kill in range(kills):
                first = kill * total // kills
                await publisher.publish(LABELS_SCORED.name, outs(first, first + total // kills, "killed"))
                await at_work(router)
                await router.process.kill()
                if kill == kills - 1:
                    await system.backends.kafka.kill()
                    await system.backends.kafka.start()
            routed = await routed_of(system, "killed")
            assert router.process.restarts == kills
    events = [route_of(record) for record in routed]
    assert len({event.item_id for event in events}) == total
    assert len({event.event_id for event in events}) == total
    assert len({(event.event_id, event.item_id, tuple(event.reasons)) for event in events}) == total


async def test_too_many_dead_letters_stop_it_loudly(system: System) -> None:
    async with publishing(system) as publisher:
        await publisher.publish(LABELS_SCORED.name, [out(n, b"{", "broken") for n in range(300)])
    try:
        async with system.running("router", wait=False) as router, asyncio.timeout(90):
            assert await router.process.wait() == 1
        log = router.process.command.log_file.read_text()
        assert "records were dead letters" in log
        assert "labelmill dlq list" in log
        assert await waiting(system.kafka_settings, "router") > 0
    finally:
        # What it did not commit, the next router would trip over as well.
        await skip(system.kafka_settings, "router")
