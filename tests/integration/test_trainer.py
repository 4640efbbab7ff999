"""The trainer as a process on a real Kafka and PostgreSQL: decisions in, releases out."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import numpy as np
import psutil
import pytest
from labelmill import ids
from labelmill.embedding import load_embedder
from labelmill.events import (
    Decision,
    EventDecoder,
    ProjectPublished,
    QualityPublished,
    ReleasePublished,
    ReviewDecided,
    Vote,
    encode,
)
from labelmill.projects import load_project
from labelmill.quality import Quality
from labelmill.releases import Release
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.student import probabilities
from labelmill.topics import PROJECTS, QUALITY, RELEASES, REVIEWS_DECIDED, item_key
from labelmill_local.system import Running, System
from labelmill_stubs.topics import read_to_end, until_handled

TWEETS = Path(__file__).parents[2] / "examples" / "tweets"
DLQ = f"{REVIEWS_DECIDED.name}.dlq"
pytestmark = pytest.mark.timeout(600)
PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: m}}, {{name: student, type: student}}]
training: {{min_decisions: {min_decisions}, every_corrections: {every}, sure_accuracy: 0.9}}
"""


class Tweet(msgspec.Struct):
    """A real tweet with what its raters say on average."""

    item_id: str
    content: str
    truth: str


def tweets() -> list[Tweet]:
    """All tweets of the example, in a fixed random order."""
    lines = (TWEETS / "raters.jsonl").read_bytes().splitlines()
    ratings = {line["item_id"]: line["ratings"] for line in map(msgspec.json.decode, lines)}
    found = []
    for line in map(msgspec.json.decode, (TWEETS / "items.jsonl").read_bytes().splitlines()):
        mean = sum(ratings[line["item_id"]]) / len(ratings[line["item_id"]])
        found.append(Tweet(line["item_id"], line["content"], "positive" if mean > 0 else "negative"))
    random.Random(3).shuffle(found)
    return found


def opposite(tweet: Tweet) -> Tweet:
    """The tweet as someone sees it who takes every word for its contrary."""
    return msgspec.structs.replace(tweet, truth="negative" if tweet.truth == "positive" else "positive")


def decided(project: str, tweet: Tweet, *, wrong: float = 0.25, **fields: Any) -> ReviewDecided:
    """A decision by a right person on a machine label that is wrong in a share of `wrong`."""
    machine = opposite(tweet).truth if ids.uniform("machine", tweet.item_id) < wrong else tweet.truth
    decision = Decision(reviewer="r", label=tweet.truth, decided_at=1, seconds=2.0)
    base: dict[str, Any] = {
        "project": project,
        "event_id": ids.event_id("decided", project, tweet.item_id),
        "item_id": tweet.item_id,
        "task_id": 1,
        "kind": "choice",
        "content": tweet.content,
        "metadata": {"lang": "en"},
        "label": tweet.truth,
        "machine_label": machine,
        "machine_confidence": 0.8,
        "decisions": [decision],
        "reasons": ["cold_start"],
        "propensity": 1.0,
        "blind": False,
        "guideline_version": 1,
        "release": 0,
        "decided_at": int(time.time() * 1000),
        "votes": [machine_vote(machine)],
    }
    return ReviewDecided(**{**base, **fields})


def machine_vote(label: str) -> Vote:
    """What the LLM says, always as sure."""
    probabilities = {each: 0.8 if each == label else 0.2 for each in ("positive", "negative")}
    return Vote(
        voter="llm", version="m", source="logprobs", label=label, confidence=0.8, probabilities=probabilities
    )


def out(event: ReviewDecided) -> OutRecord:
    return OutRecord(sum(event.item_id.encode()) % 8, item_key(event.project, event.item_id), encode(event))


class Bench:
    """What the tests do to the system."""

    def __init__(self, system: System, publisher: Publisher) -> None:
        self.system = system
        self.publisher = publisher

    async def apply(self, project: str, *, min_decisions: int = 100, every: int = 50) -> None:
        text = PROJECT.format(project=project, min_decisions=min_decisions, every=every)
        event = ProjectPublished(project=project, version=1, guideline_version=1, spec=load_project(text))
        await self.publisher.publish(PROJECTS.name, [OutRecord(0, project.encode(), encode(event))])

    async def decide(self, project: str, chosen: list[Tweet], **fields: Any) -> None:
        events = [decided(project, tweet, **fields) for tweet in chosen]
        await self.publisher.publish(REVIEWS_DECIDED.name, [out(event) for event in events])

    async def handled(self) -> None:
        """Wait until all that was decided is in the trainer's tables (or its DLQ)."""
        await until_handled(self.system.kafka_settings, "trainer")

    async def releases(self, project: str) -> list[Release]:
        """Every release on the topic so far, in the order of the topic."""
        records = await read_to_end(self.system.kafka_settings, RELEASES.name)
        mine = [record for record in records if record.key == project.encode()]
        return [EventDecoder(ReleasePublished).decode(record.value).release for record in mine]

    async def qualities(self, project: str) -> list[Quality]:
        """Every look at quality on the topic so far."""
        records = await read_to_end(self.system.kafka_settings, QUALITY.name)
        mine = [record for record in records if record.key == project.encode()]
        return [EventDecoder(QualityPublished).decode(record.value).quality for record in mine]

    async def dead_letters(self, project: str) -> list[str]:
        records = await read_to_end(self.system.kafka_settings, DLQ)
        return [
            dict(record.headers)["dlq-reason"].decode()
            for record in records
            if (record.key or b"").startswith(project.encode())
        ]

    def client(self, trainer: Running) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.system.trainer_token}"}
        return httpx.AsyncClient(base_url=trainer.url, headers=headers, timeout=10)

    async def told(self, trainer: Running, project: str) -> dict[str, Any]:
        async with self.client(trainer) as client:
            answer = await client.get(f"/v1/projects/{project}/releases")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def train(self, trainer: Running, project: str) -> int:
        async with self.client(trainer) as client:
            answer = await client.post(f"/v1/projects/{project}/train")
        assert answer.status_code == 202, answer.text
        return int(answer.json()["job"])

    async def finished(self, trainer: Running, project: str, trainings: int) -> list[dict[str, Any]]:
        """Return the project's trainings, newest first, once so many have ended."""
        told: list[dict[str, Any]] = []

        async def enough() -> bool:
            nonlocal told
            told = (await self.told(trainer, project))["trainings"]
            return sum(job["state"] in ("done", "failed") for job in told) >= trainings

        await until(enough)
        return told

    async def query(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(
            self.system.database_url("trainer"), server_settings={"search_path": "trainer"}
        )
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 150) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.1)


@pytest.fixture
async def trainer(system: System) -> Running:
    """The one trainer of all tests that let it work in peace."""
    running = next((each for each in system.services if each.process.running), None)
    return running or await system.add("trainer")


@pytest.fixture
async def no_trainer(system: System) -> None:
    """For tests that interrupt trainers of their own: no other takes up the work."""
    for each in system.services:
        await each.process.stop()


@pytest.fixture
async def bench(system: System) -> AsyncIterator[Bench]:
    publisher = Publisher(system.kafka_settings)
    await publisher.start()
    try:
        yield Bench(system, publisher)
    finally:
        await publisher.stop()


async def test_decisions_become_a_student_that_beats_the_machine(bench: Bench, trainer: Running) -> None:
    pool = tweets()
    await bench.apply("first", min_decisions=500)
    await bench.decide("first", pool[:499])
    await bench.handled()
    assert (await bench.told(trainer, "first"))["trainings"] == []
    started = time.monotonic()
    await bench.decide("first", pool[499:500])
    await bench.decide("first", pool[:100])  # delivered twice
    jobs = await bench.finished(trainer, "first", 1)
    took = time.monotonic() - started
    await until_release(bench, "first", 1)
    releases = await bench.releases("first")
    told = await bench.told(trainer, "first")
    metric = await trainer.metric("labelmill_trainings_total", project="first")

    assert [job["trigger"] for job in jobs] == ["first"]
    assert [release.number for release in releases] == [1]
    (release,) = releases
    assert release.student is not None
    assert release.evaluation.accuracy > release.evaluation.present_accuracy + 0.03
    assert release.decisions == 500
    assert release.reliabilities["llm"].accuracy == pytest.approx(0.75, abs=0.06)
    assert release.reliabilities["student"].accuracy > 0.75
    assert ["llm", "student"] in [calibrator.voters for calibrator in release.calibrators]
    assert told["releases"][0]["in_force"]
    assert told["releases"][0]["published_at"]
    assert told["candidates"][0]["promoted"]
    assert metric == 1
    unseen = pool[1000:1600]
    vectors = load_embedder().embed([tweet.content for tweet in unseen])
    shares = probabilities(release.student, vectors)
    right = [
        release.student.classes[best] == t.truth for best, t in zip(shares.argmax(1), unseen, strict=True)
    ]
    sure = shares.max(axis=1) >= release.student.sure_at
    assert np.mean(right) > 0.83
    assert sure.mean() > 0.2
    assert np.mean(np.array(right)[sure]) > 0.9
    print(f"500 decisions to a release: {took:.1f} s")

    async def looked() -> bool:
        return bool(await bench.qualities("first"))

    await until(looked)
    quality = (await bench.qualities("first"))[-1]
    assert (quality.release, quality.duplicates) == (1, 0)
    assert 60 < quality.decisions < 140, "held-out ones only"
    assert quality.accuracy > 0.75
    assert quality.reliability
    assert quality.risk_coverage[-1].coverage == pytest.approx(1.0)
    async with bench.client(trainer) as client:
        assert (await client.post("/v1/projects/first/quality")).status_code == 202

    async def looked_again() -> bool:
        return len(await bench.qualities("first")) > 1

    await until(looked_again)


async def until_release(bench: Bench, project: str, number: int) -> None:
    async def there() -> bool:
        return any(release.number == number for release in await bench.releases(project))

    await until(there)


async def test_corrections_train_again_and_a_rollback_brings_the_earlier_release_back(
    bench: Bench, trainer: Running
) -> None:
    pool = tweets()
    await bench.apply("again", min_decisions=120, every=60)
    # Two people of opposite minds: what the first taught is wrong by the second's lights, and promoted
    # all the same, for the machine is always overruled.
    await bench.decide("again", [opposite(tweet) for tweet in pool[:120]], wrong=1.0)
    await bench.finished(trainer, "again", 1)
    await bench.decide("again", pool[120:300], wrong=0.0)
    await bench.handled()
    assert len((await bench.told(trainer, "again"))["trainings"]) == 1
    await bench.decide("again", pool[300:360], wrong=1.0)
    jobs = await bench.finished(trainer, "again", 2)
    assert [job["trigger"] for job in jobs] == ["corrections", "first"]
    rows = await bench.query("SELECT * FROM datasets WHERE project = 'again' ORDER BY created_at")
    assert [row["decisions"] for row in rows] == [120, 360]
    async with bench.client(trainer) as client:
        answer = await client.post("/v1/projects/again/rollback")
    assert answer.json() == {"project": "again", "release": 3, "restores": 1}
    await until_release(bench, "again", 3)
    releases = {release.number: release for release in await bench.releases("again")}
    assert releases[3].student == releases[1].student != releases[2].student


async def test_a_worse_candidate_is_recorded_and_not_published(bench: Bench, trainer: Running) -> None:
    pool = tweets()
    await bench.apply("worse", min_decisions=150)
    await bench.decide("worse", pool[:150], wrong=0.0)
    jobs = await bench.finished(trainer, "worse", 1)
    told = await bench.told(trainer, "worse")
    assert jobs[0]["state"] == "done"
    assert told["releases"] == []
    (candidate,) = told["candidates"]
    assert not candidate["promoted"]
    assert candidate["reason"].startswith("worse: accuracy")
    assert candidate["evaluation"]["present_accuracy"] == 1.0
    assert await bench.releases("worse") == []


async def test_on_demand_needs_the_token_and_says_what_is_missing(bench: Bench, trainer: Running) -> None:
    pool = tweets()
    await bench.apply("demand")
    await bench.decide("demand", pool[:12])
    async with httpx.AsyncClient(base_url=trainer.url) as stranger:
        for path in ("train", "rollback"):
            assert (await stranger.post(f"/v1/projects/demand/{path}")).status_code == 401
        bad = {"Authorization": "Bearer nonsense"}
        assert (await stranger.get("/v1/projects/demand/releases", headers=bad)).status_code == 401
    async with bench.client(trainer) as client:
        assert (await client.post("/v1/projects/nobody/train")).status_code == 404
        assert (await client.post("/v1/projects/demand/rollback")).json()["error"] == "nothing_to_restore"
    await until_recorded(bench, "demand", 12)
    job = await bench.train(trainer, "demand")
    (told,) = await bench.finished(trainer, "demand", 1)
    assert told["id"] == job
    assert told["outcome"].startswith("not enough: ")
    one_sided = [tweet for tweet in pool[12:] if tweet.truth == "positive"][:80]
    await bench.decide("demand", one_sided)
    await until_recorded(bench, "demand", 90)
    await bench.train(trainer, "demand")
    told, _ = await bench.finished(trainer, "demand", 2)
    assert "two labels" in told["outcome"] or "held-out" in told["outcome"]


async def until_recorded(bench: Bench, project: str, decisions: int) -> None:
    async def recorded() -> bool:
        rows = await bench.query("SELECT count(*) AS n FROM decisions WHERE project = $1", project)
        return bool(rows[0]["n"] >= decisions)

    await until(recorded)


async def test_unusable_decisions_are_dead_letters_and_duplicates_stay_on_one_side(
    bench: Bench, trainer: Running
) -> None:
    pool = tweets()
    await bench.apply("sides", min_decisions=10_000)
    before = await trainer.metric("labelmill_dead_letters_total")
    good = decided("sides", pool[0])
    bad = [
        msgspec.structs.replace(good, event_id="b1", label="meh"),
        msgspec.structs.replace(good, event_id="b2", kind="spans"),
        msgspec.structs.replace(good, event_id="b3", content="nul \0"),
        msgspec.structs.replace(good, event_id="b4", propensity=7.0),
    ]
    records = [out(event) for event in bad]
    strange = decided("nowhere", pool[0])
    records += [OutRecord(1, b"sides/x", encode(strange)), OutRecord(1, b"sides/y", b"{")]
    await bench.publisher.publish(REVIEWS_DECIDED.name, records)
    copies = [
        Tweet(f"copy-{n}-{style}", text, tweet.truth)
        for n, tweet in enumerate(pool[:100])
        for style, text in enumerate(
            (tweet.content, tweet.content.upper(), f"{tweet.content} http://x.y/{n}")
        )
    ]
    await bench.decide("sides", copies)
    await until_recorded(bench, "sides", 300)
    rows = await bench.query("SELECT item_id, side FROM decisions WHERE project = 'sides'")
    found = {row["item_id"]: row["side"] for row in rows}
    for n in range(100):
        assert len({found[f"copy-{n}-{style}"] for style in range(3)}) == 1
    assert 0.05 < sum(side == "holdout" for side in found.values()) / 300 < 0.4
    await bench.handled()
    letters = await bench.dead_letters("sides")
    assert sorted(letters) == [
        "invalid_event",
        "label_outside_set",
        "malformed_json",
        "refused_by_database",
        "unknown_kind",
        "unknown_project",
    ]
    assert await trainer.metric("labelmill_dead_letters_total") - before == len(letters)


async def test_texts_of_one_template_stay_on_one_side_whatever_their_number(
    bench: Bench, trainer: Running
) -> None:
    await bench.apply("template", min_decisions=100_000)
    template = "your parcel with the number given below is on its way and will reach you by noon of the day"
    for copy in ("first", "again"):
        await bench.decide(
            "template", [Tweet(f"{copy}-{n}", f"{template} {n}", "positive") for n in range(250)]
        )
        await until_recorded(bench, "template", 250 if copy == "first" else 500)
    (row,) = await bench.query(
        "SELECT count(DISTINCT side) AS sides, count(DISTINCT group_key) AS groups FROM decisions"
        " WHERE project = 'template'"
    )
    assert (row["sides"], row["groups"]) == (1, 1)
    (row,) = await bench.query("SELECT count(*) AS texts FROM sketches WHERE project = 'template'")
    assert row["texts"] == 250, "equal texts are one, also those that are not compared"


async def test_memory_stays_flat_while_decisions_come_in(bench: Bench, trainer: Running) -> None:
    rng = random.Random(8)
    words = [word for tweet in tweets() for word in tweet.content.split()]
    made = [Tweet(f"made-{n}", " ".join(rng.choices(words, k=15)), "positive") for n in range(8000)]
    await bench.apply("flat", min_decisions=100_000)
    assert trainer.process.pid is not None
    process = psutil.Process(trainer.process.pid)
    sizes = []
    for end in (2000, 4000, 6000, 8000):
        await bench.decide("flat", made[end - 2000 : end])
        await until_recorded(bench, "flat", end)
        sizes.append(process.memory_info().rss)
    assert max(sizes) < 1.1 * sizes[0]


async def ended(processes: list[psutil.Process]) -> bool:
    alive = [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    return not alive


async def test_killed_in_the_middle_of_a_training_it_ends_with_one_release(
    bench: Bench, system: System, no_trainer: None
) -> None:
    pool = tweets()
    await bench.apply("killed", min_decisions=400)
    await bench.decide("killed", pool[:400])

    async def training() -> bool:
        return bool(await bench.query("SELECT 1 FROM jobs WHERE project = 'killed' AND state = 'running'"))

    async with system.running("trainer") as trainer:
        await until(training)
        assert trainer.process.pid is not None
        process = psutil.Process(trainer.process.pid)
        while not (children := process.children(recursive=True)):
            await asyncio.sleep(0.02)
        os.kill(trainer.process.pid, signal.SIGKILL)
        await trainer.process.wait()
        await until(lambda: ended(children))
    assert await bench.releases("killed") == []
    async with system.running("trainer") as another, system.running("trainer") as rival:
        jobs = await bench.finished(another, "killed", 1)
        await until_release(bench, "killed", 1)
        await bench.handled()
        assert [job["state"] for job in jobs] == ["done"]
        assert [release.number for release in await bench.releases("killed")] == [1]
        done = [await each.metric("labelmill_trainings_total", project="killed") for each in (another, rival)]
        assert sorted(done) == [0, 1]


async def test_a_stop_during_a_training_is_fast(bench: Bench, system: System, no_trainer: None) -> None:
    pool = tweets()
    await bench.apply("stopped", min_decisions=400)
    await bench.decide("stopped", pool[:400])

    async def training() -> bool:
        return bool(await bench.query("SELECT 1 FROM jobs WHERE project = 'stopped' AND state = 'running'"))

    async with system.running("trainer") as trainer:
        await until(training)
        assert trainer.process.pid is not None
        os.kill(trainer.process.pid, signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await trainer.process.wait() == 0
    async with system.running("trainer") as another:
        await bench.finished(another, "stopped", 1)
        await until_release(bench, "stopped", 1)
