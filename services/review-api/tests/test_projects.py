"""Projects and releases while Kafka or the database is away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from labelmill.events import EventDecoder, ProjectPublished, ReleasePublished
from labelmill.projects import load_project
from labelmill.releases import Evaluation, Release
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.publisher import OutRecord
from review_api.errors import ApiError
from review_api.projects.in_force import InForce
from review_api.projects.publishing import ProjectPublisher
from review_api.projects.releases import ReleaseLog
from review_api.projects.versions import Version

SPEC = load_project(
    "{project: p, title: P, labels: [{name: a}, {name: b}], guideline: G, voters: [{name: s, type: student}]}"
)


class Store:
    """Projects in memory. It counts the connections that publishing holds."""

    def __init__(self) -> None:
        self.version: Version | None = Version(1, 1, SPEC)
        self.published: list[int] = []
        self.held = self.most_held = self.looked = 0

    async def get(self, project: str) -> Version | None:
        self.looked += 1
        return self.version if project == "p" else None

    async def unpublished(self) -> list[str]:
        return []

    async def put_release(self, event: ReleasePublished) -> None:
        raise ValueError("a bug")

    @asynccontextmanager
    async def publishing(self, project: str) -> AsyncIterator[Version]:
        assert self.version is not None
        self.held += 1
        self.most_held = max(self.most_held, self.held)
        try:
            yield self.version
            self.published.append(self.version.version)
        finally:
            self.held -= 1


class Broker:
    """A Kafka that may be away."""

    def __init__(self) -> None:
        self.here = asyncio.Event()
        self.records: list[OutRecord] = []

    async def partition_for(self, topic: str, key: bytes) -> int:
        return 0

    async def publish(self, topic: str, records: Sequence[OutRecord]) -> None:
        await self.here.wait()
        self.records += records


def publisher_of(store: Store, broker: Broker) -> ProjectPublisher:
    fakes: tuple[Any, Any] = (store, broker)
    return ProjectPublisher(*fakes, Health(60), most_seconds=0.1, retry_seconds=0.05)


async def test_while_kafka_is_away_changes_are_answered_in_time_and_made_up_for() -> None:
    store, broker = Store(), Broker()
    publishing = publisher_of(store, broker)
    await publishing.start()
    started = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(publishing.publish("p") for _ in range(20)), return_exceptions=True)
    assert asyncio.get_running_loop().time() - started < 5
    refused = Counter((each.status, each.error) for each in answers if isinstance(each, ApiError))
    assert refused == {(503, "not_published"): 20}
    assert store.most_held == 1, "the pool is for everybody"
    broker.here.set()
    async with asyncio.timeout(20):
        while not store.published:
            await asyncio.sleep(0.01)
    store.version = Version(2, 1, SPEC)
    await publishing.publish("p")
    told = [EventDecoder(ProjectPublished).decode(record.value).version for record in broker.records]
    assert told == [1, 2]
    await publishing.stop()
    assert store.held == 0


async def test_a_bug_in_the_release_log_stops_the_service() -> None:
    health = Health(60)
    store: Any = Store()
    log = ReleaseLog(store, Metrics(), health)
    await log.start()
    evaluation = Evaluation(items=1, accuracy=1, present_accuracy=1, sure_share=1)
    for _ in range(3):
        release = Release(number=1, dataset="d", decisions=1, evaluation=evaluation, created_at=0)
        log.hear(ReleasePublished(project="p", release=release))
    await asyncio.wait_for(health.failed.wait(), 5)
    assert isinstance(health.failure, ValueError)
    await log.stop()


async def test_versions_in_force_are_remembered_for_moments_and_made_up_names_are_not() -> None:
    store: Any = Store()
    in_force = InForce(store)
    for _ in range(5):
        assert (await in_force.get("p")).version == 1
    assert store.looked == 1
    store.version = Version(2, 2, SPEC)
    assert (await in_force.get("p", afresh=True)).version == 2
    for number in range(5):
        with pytest.raises(ApiError, match="unknown_project"):
            await in_force.get(f"made-up-{number}")
    assert list(in_force._known) == ["p"]
