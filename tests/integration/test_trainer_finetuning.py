"""The trainer `openai` as a process against a server that speaks the files, fine-tuning and chat API."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest
from labelmill import ids
from labelmill.events import Decision, EventDecoder, ProjectPublished, ReleasePublished, ReviewDecided, encode
from labelmill.projects import load_project
from labelmill.releases import Release
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.topics import PROJECTS, RELEASES, REVIEWS_DECIDED, item_key
from labelmill_local.system import Running, System
from labelmill_stubs.process import RunningStub, running
from labelmill_stubs.topics import read_to_end

pytestmark = pytest.mark.timeout(600)
PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: base, permutations: 2}}]
training: {{trainer: openai, base_model: base, min_decisions: 100}}
"""
WORDS = {"positive": "what a great and lovely day", "negative": "what an awful and terrible day"}


def decided(project: str, number: int, wrong: bool, confidence: float) -> ReviewDecided:
    """A decision that the chat stub (mode keyword) agrees with, on a machine label that may be wrong."""
    label = "positive" if ids.uniform("t", str(number)) < 0.5 else "negative"
    other = "negative" if label == "positive" else "positive"
    return ReviewDecided(
        project=project,
        event_id=ids.event_id(project, str(number)),
        item_id=f"item-{number}",
        task_id=number,
        kind="choice",
        content=f"{WORDS[label]}, said {ids.event_id(str(number))} to {ids.event_id('x', str(number))}",
        metadata={},
        label=label,
        machine_label=other if wrong else label,
        machine_confidence=confidence,
        decisions=[Decision(reviewer="r", label=label, decided_at=1, seconds=2.0)],
        reasons=["cold_start"],
        propensity=1.0,
        blind=False,
        guideline_version=1,
        release=0,
        decided_at=int(time.time() * 1000),
    )


@pytest.fixture(scope="module")
def chat() -> Iterator[RunningStub]:
    """The server that answers for every model."""
    with running("llm", "--mode", "keyword") as stub:
        yield stub


@pytest.fixture
def provider() -> Iterator[RunningStub]:
    """The server that takes files and makes jobs."""
    with running("finetune") as stub:
        yield stub


async def prepare(system: System, project: str, *, wrong_share: float, confidence: float = 0.8) -> None:
    """Publish the project and 120 decisions on machine labels of which some are wrong."""
    publisher = Publisher(system.kafka_settings)
    await publisher.start()
    try:
        spec = load_project(PROJECT.format(project=project))
        event = ProjectPublished(project=project, version=1, guideline_version=1, spec=spec)
        await publisher.publish(PROJECTS.name, [OutRecord(0, project.encode(), encode(event))])
        records = [
            OutRecord(number % 8, item_key(project, f"item-{number}"), encode(decision))
            for number in range(120)
            for decision in [decided(project, number, number % 10 < 10 * wrong_share, confidence)]
        ]
        await publisher.publish(REVIEWS_DECIDED.name, records)
    finally:
        await publisher.stop()


def env(chat: RunningStub, provider: RunningStub) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": chat.base_url,
        "FINETUNING_BASE_URL": provider.base_url,
        "FINETUNING_POLL_SECONDS": "0.1",
    }


async def query(system: System, sql: str, *args: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(
        system.database_url("trainer"), server_settings={"search_path": "trainer"}
    )
    try:
        return list(await connection.fetch(sql, *args))
    finally:
        await connection.close()


async def finished(system: System, project: str, seconds: float = 120) -> dict[str, Any]:
    """Return the project's only job once it has ended."""
    async with asyncio.timeout(seconds):
        while True:
            found = await query(system, "SELECT * FROM jobs WHERE project = $1 ORDER BY id", project)
            if found and found[0]["state"] in ("done", "failed"):
                (job,) = found
                return dict(job)
            await asyncio.sleep(0.1)


async def releases(system: System, project: str) -> list[Release]:
    """Every release of the project on the topic, once the trainer has published all that it recorded."""
    unpublished = "SELECT 1 FROM releases WHERE project = $1 AND published_at IS NULL"
    async with asyncio.timeout(60):
        while await query(system, unpublished, project):
            await asyncio.sleep(0.05)
    records = await read_to_end(system.kafka_settings, RELEASES.name)
    mine = [record for record in records if record.key == project.encode()]
    return [EventDecoder(ReleasePublished).decode(record.value).release for record in mine]


async def test_a_fine_tuned_model_that_is_better_becomes_the_release(
    system: System, chat: RunningStub, provider: RunningStub
) -> None:
    await prepare(system, "tuned", wrong_share=0.3)
    before = chat.stats()["calls"]
    async with system.running("trainer", env=env(chat, provider)):
        job = await finished(system, "tuned")
        (release,) = await releases(system, "tuned")
    assert job["state"] == "done"
    assert job["outcome"].startswith("better: accuracy 1.0000")
    assert release.finetuned is not None
    assert release.finetuned.voter == "llm"
    assert release.finetuned.model.startswith("ft:base:")
    assert release.student is None
    assert chat.stats()["calls"] - before == release.evaluation.items
    stats = provider.stats()
    assert (stats["uploads"], stats["jobs"], stats["duplicate_jobs"]) == (1, 1, 0)


async def test_one_that_is_no_better_is_recorded_only(
    system: System, chat: RunningStub, provider: RunningStub
) -> None:
    # As right as can be and certain of it: there is nothing left to gain.
    await prepare(system, "same", wrong_share=0.0, confidence=1.0)
    async with system.running("trainer", env=env(chat, provider)) as trainer:
        job = await finished(system, "same")
        headers = {"Authorization": f"Bearer {system.trainer_token}"}
        async with httpx.AsyncClient(base_url=trainer.url, headers=headers) as client:
            told = (await client.get("/v1/projects/same/releases")).json()
        assert await releases(system, "same") == []
    assert job["state"] == "done"
    assert job["outcome"].startswith("not better: accuracy 1.0000 against 1.0000")
    assert told["releases"] == []
    assert not told["candidates"][0]["promoted"]
    assert told["candidates"][0]["evaluation"]["present_accuracy"] == 1.0


async def test_the_providers_reason_is_recorded(
    system: System, chat: RunningStub, provider: RunningStub
) -> None:
    provider.control(mode="fail")
    await prepare(system, "refused", wrong_share=0.3)
    async with system.running("trainer", env=env(chat, provider)):
        job = await finished(system, "refused")
        assert await releases(system, "refused") == []
    assert job["state"] == "failed"
    assert "The job failed due to an internal error." in job["outcome"]


async def test_killed_again_and_again_it_uploads_once_and_makes_one_job(
    system: System, chat: RunningStub, provider: RunningStub
) -> None:
    provider.control(polls_per_stage=4, mode="429")
    await prepare(system, "resumed", wrong_share=0.3)

    async def kill_once(trainer: Running, what: str) -> None:
        async with asyncio.timeout(120):
            while not provider.stats()[what]:
                await asyncio.sleep(0.002)
        pid = trainer.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(120):
            while trainer.process.pid in (None, pid) or not await trainer.ready():
                await asyncio.sleep(0.05)

    async with system.running("trainer", env=env(chat, provider), restart_on_exit=True) as trainer:
        await kill_once(trainer, "refused")
        provider.control(mode="normal")
        for what in ("uploads", "jobs", "polls"):
            await kill_once(trainer, what)
        assert trainer.process.restarts == 4
        job = await finished(system, "resumed")
        published = await releases(system, "resumed")
    assert job["state"] == "done"
    assert job["failures"] == 0
    assert [release.number for release in published] == [1]
    stats = provider.stats()
    assert (stats["uploads"], stats["jobs"], stats["duplicate_jobs"]) == (1, 1, 0)
