"""Erasing through all services: afterwards nothing that holds a marker of the item is found anywhere.

The search is generic: every column of every table of every schema, every record of every topic after
compaction. The stand-in for the LLM goes by words of mood.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from labelmill import ids
from labelmill.bootstrap import DLQ_CONFIG, topic_config
from labelmill.runtime import kafka
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import ITEMS, LABELS_SCORED, REVIEWS_DECIDED, TOPICS, item_key
from labelmill_local.system import System
from labelmill_stubs.process import running
from labelmill_stubs.topics import read_to_end, until_handled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

PROJECT = """
project: notes
title: How does the writer feel?
labels: [{name: positive}, {name: negative}]
guideline: Say how the writer feels.
voters:
  - {name: llm, type: llm, model: stub, similar_examples: 2}
  - {name: student, type: student}
policy: {always_review: {labels: [positive, negative]}}
training: {min_decisions: 81, every_corrections: 100000, holdout_share: 0.2, sure_accuracy: 1.0}
"""
MARKER = "zorblaxian"
ITEM = f"{MARKER}-7"
OWNER = f"{MARKER}-owner"
NOUNS = [
    "apple",
    "bridge",
    "candle",
    "desk",
    "engine",
    "feather",
    "garden",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "lantern",
]
GOOD, BAD = ("wonderful", "happy", "great", "love"), ("terrible", "sad", "awful", "hate")


def texts() -> dict[str, str]:
    """Return items that resemble one another little; one of them has the marker."""
    made = {}
    for number in range(80):
        nouns = [
            NOUNS[(number * 5 + step * (1 + number % 3)) % len(NOUNS)] + str(number) for step in range(6)
        ]
        mood = (GOOD if number % 2 else BAD)[number // 2 % 4]
        made[f"n-{number}"] = " ".join([*nouns[:3], mood, *nouns[3:]])
    made[ITEM] = f"the {MARKER} engine of my neighbour is wonderful and I love it"
    return made


def truth(text: str) -> str:
    return "positive" if any(word in text.split() for word in GOOD) else "negative"


MADE = texts()
LINES = [{"item_id": name, "content": text} for name, text in MADE.items()]
LINES[-1] |= {"owner": OWNER, "licence": "CC0-1.0"}
NEEDLES = tuple(
    needle.encode()
    for needle in (
        MARKER,
        ids.content_hash(MADE[ITEM], {"@owner": OWNER, "@licence": "CC0-1.0"}),
        ids.content_hash(MADE[ITEM], {}),
    )
)
FIGURES = ("items", "requested", "decided", "open_tasks", "final_labels", "corrections", "withdrawn")


async def eventually(look: Callable[[], Awaitable[Any]], what: str, seconds: float = 60) -> Any:
    found = None
    try:
        async with asyncio.timeout(seconds):
            while not (found := await look()):
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"never happened: {what}")
    return found


async def in_database(dsn: str, *needles: bytes) -> list[str]:
    """Return table and column of everything in the services' schemas that holds one of `needles`.

    Text is searched as it is, bytes as bytes, and what has another type (arrays, JSON) as it is written.
    """
    connection = await asyncpg.connect(dsn)
    try:
        columns = await connection.fetch(
            "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_type = 'BASE TABLE' AND table_schema IN ('review', 'trainer', 'autolabeler')"
        )
        assert len(columns) > 150
        found = []
        for schema, table, column, kind in columns:
            as_bytes = f'"{column}"' if kind == "bytea" else f"convert_to(\"{column}\"::text, 'UTF8')"
            query = f'SELECT count(*) FROM "{schema}"."{table}" WHERE position($1::bytea IN {as_bytes}) > 0'
            for needle in needles:
                if await connection.fetchval(query, needle):
                    found.append(f"{schema}.{table}.{column}: {needle!r}")
        return found
    finally:
        await connection.close()


async def in_topics(settings: KafkaSettings, *needles: bytes) -> list[str]:
    """Return topic and offset of every record that holds one of `needles` in its key, value or headers.

    A tombstone's own key does not count: compaction drops it too, a day later.
    """
    names = [name for topic in TOPICS for name in (topic.name, topic.dlq) if name]
    found = []
    for record in await read_to_end(settings, *names):
        if record.value is None:
            continue
        whole = b"\n".join([record.key or b"", record.value, *(value or b"" for _, value in record.headers)])
        found += [
            f"{record.topic}/{record.partition}/{record.offset}: {needle!r}"
            for needle in needles
            if needle in whole
        ]
    return found


def in_files(folder: Path, *needles: bytes) -> list[str]:
    """Return files under `folder`, other than the backends' own, that hold one of `needles`."""
    files = [path for path in folder.rglob("*") if path.is_file() and "backends" not in path.parts]
    return [f"{path}: {needle!r}" for path in files for needle in needles if needle in path.read_bytes()]


async def compact(settings: KafkaSettings) -> None:
    """Have Kafka do at once what it does within a day: roll segments, and compact them."""
    at_once = {
        "segment.ms": "500",
        "min.cleanable.dirty.ratio": "0.001",
        "min.compaction.lag.ms": "0",
        "max.compaction.lag.ms": "1000",
    }
    resources = []
    for topic in TOPICS:
        resources.append((topic.name, topic_config(topic)))
        if topic.dlq:
            resources.append((topic.dlq, DLQ_CONFIG))
    admin = AIOKafkaAdminClient(**kafka.client_options(settings))
    await admin.start()
    try:
        await admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, name, {**config, **at_once})
                for name, config in resources
            ]
        )
    finally:
        await admin.close()


async def nudge(settings: KafkaSettings) -> None:
    """Write to every partition: a segment is rolled when something comes after it."""
    publisher = Publisher(settings)
    await publisher.start()
    try:
        for name in [name for topic in TOPICS for name in (topic.name, topic.dlq) if name]:
            partitions = await publisher.partitions(name)
            records = [OutRecord(p, b"nudge", None, [("erased", b"1")]) for p in range(partitions)]
            await publisher.publish(name, records)
    finally:
        await publisher.stop()


@dataclass
class Scene:
    """The system and a client of it."""

    system: System
    admin: httpx.AsyncClient

    async def status(self) -> dict[str, Any]:
        return dict((await self.admin.get("/v1/projects/notes/status")).raise_for_status().json())

    async def ingest(self, lines: list[dict[str, str]]) -> dict[str, Any]:
        body = "\n".join(map(json.dumps, lines))
        answer = await self.admin.post("/v1/projects/notes/items", content=body)
        return dict(answer.raise_for_status().json())

    async def decide_all(self) -> None:
        """Decide as people do."""
        while True:
            claim = await self.admin.post("/v1/projects/notes/tasks/claim", json={"count": 1})
            tasks = claim.raise_for_status().json()["tasks"]
            if not tasks:
                return
            decision = {"lease": tasks[0]["lease"], "label": truth(tasks[0]["content"])}
            answer = await self.admin.post(f"/v1/tasks/{tasks[0]['task_id']}/decision", json=decision)
            answer.raise_for_status()

    async def releases(self) -> dict[str, Any]:
        (trainer,) = [each for each in self.system.services if each.service == "trainer"]
        headers = {"Authorization": f"Bearer {self.system.trainer_token}"}
        async with httpx.AsyncClient(base_url=trainer.url, headers=headers) as client:
            return dict((await client.get("/v1/projects/notes/releases")).raise_for_status().json())

    async def in_database(self) -> list[str]:
        return await in_database(self.system.backends.postgres.admin_dsn, *NEEDLES)

    async def in_topics(self) -> list[str]:
        return await in_topics(self.system.kafka_settings, *NEEDLES)


async def test_nothing_of_an_erased_item_is_found_anywhere(tmp_path: Path) -> None:
    with running("llm") as stub:
        stub.control(mode="keyword")
        environment = {"OPENAI_BASE_URL": stub.base_url, "UNDO_SECONDS": "0", "SPLIT_KEY": "fixed"}
        async with System(tmp_path, env=environment, partitions=2) as system:
            for service in ("autolabeler", "router", "review-api", "trainer"):
                await system.add(service)
            async with system.review_client() as admin:
                scene = Scene(system, admin)
                await _learn(scene)
                records = await _records(scene)
                await _erase(scene)
                await _replay(scene, records)
                await _compact(scene)
                assert await scene.in_database() == []
                await _look_by_api(scene)
            assert in_files(tmp_path, *NEEDLES) == []


async def _learn(scene: Scene) -> None:
    """People decide everything, the marked item too, and the student learns from it."""
    (await scene.admin.put("/v1/projects/notes", content=PROJECT)).raise_for_status()
    assert (await scene.ingest(LINES))["accepted"] == len(MADE)

    async def all_are_asked() -> bool:
        return bool((await scene.status())["requested"] == len(MADE))

    await eventually(all_are_asked, "every item is for people")
    await scene.decide_all()

    async def is_trained() -> bool:
        return bool((await scene.status())["release"] >= 1)

    await eventually(is_trained, "a release")
    there = {place.split(":")[0] for place in await scene.in_database()}
    assert {"review.items.content", "trainer.decisions.content", "trainer.releases.payload"} <= there


async def _records(scene: Scene) -> list[ConsumerRecord]:
    """Return the item's records, for a replay."""
    settings = scene.system.kafka_settings
    records = await read_to_end(settings, ITEMS.name, LABELS_SCORED.name, REVIEWS_DECIDED.name)
    mine = [record for record in records if (record.key or b"").startswith(item_key("notes", ITEM))]
    assert {record.topic for record in mine} == {ITEMS.name, LABELS_SCORED.name, REVIEWS_DECIDED.name}
    return mine


async def _erase(scene: Scene) -> None:
    before = await scene.status()
    subject = {"project": "notes", "item_id": ITEM}
    begun = (await scene.admin.post("/v1/erasures", json=subject)).raise_for_status().json()

    async def done() -> Any:
        shown = (await scene.admin.get(f"/v1/erasures/{begun['erasure_id']}")).json()
        return shown if shown["state"] == "done" else None

    removed = (await eventually(done, "the erasure is done"))["removed"]
    assert removed["review-api"]["items"] == removed["trainer"]["decisions"] == 1
    assert min(removed["trainer"]["releases"], removed["autolabeler"]["vote_cache"]) >= 1

    async def is_clean() -> bool:
        return not await scene.in_database()

    await eventually(is_clean, "nothing in the database", 15)
    assert (await scene.releases())["releases"][-1]["retrain"] is True

    async def is_trained_anew() -> bool:
        trainings = (await scene.releases())["trainings"]
        return any(each["trigger"] == "erasure" and each["state"] == "done" for each in trainings)

    await eventually(is_trained_anew, "another training")
    after = await scene.status()
    gone = dict.fromkeys(("items", "requested", "final_labels"), 1)
    expected = {name: before[name] - gone.get(name, 0) for name in FIGURES}
    assert {name: after[name] for name in FIGURES} == expected


async def _replay(scene: Scene, records: list[ConsumerRecord]) -> None:
    """What there was comes again, as from a backup."""
    publisher = Publisher(scene.system.kafka_settings)
    await publisher.start()
    for record in records:
        again = OutRecord(record.partition, record.key, record.value, record.headers)
        await publisher.publish(record.topic, [again])
    await publisher.stop()
    refused = await scene.ingest([LINES[-1]])
    assert refused["rejected"][0]["reason"] == "erased"
    for service in ("autolabeler", "router", "trainer"):
        await until_handled(scene.system.kafka_settings, service)


async def _compact(scene: Scene) -> None:
    settings = scene.system.kafka_settings
    await compact(settings)
    async with asyncio.timeout(150):
        while left := await scene.in_topics():
            print(left)
            await nudge(settings)
            await asyncio.sleep(2)


async def _look_by_api(scene: Scene) -> None:
    labels = (await scene.admin.get("/v1/projects/notes/labels?content=1&owners=1")).text
    assert MARKER not in labels
    assert len(labels.splitlines()) == len(MADE) - 1
    assert (await scene.admin.get(f"/v1/projects/notes/items/{ITEM}")).status_code == 404
    for page in ("routes", "decisions", "promise"):
        assert MARKER not in (await scene.admin.get(f"/v1/projects/notes/{page}")).raise_for_status().text
