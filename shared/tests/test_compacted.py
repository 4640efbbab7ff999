"""Following a compacted topic without a broker: what happens when following fails."""

import asyncio

import pytest
from aiokafka import TopicPartition
from labelmill.events import ProjectPublished
from labelmill.runtime import kafka
from labelmill.runtime.compacted import Follower
from labelmill.runtime.health import Health
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import PROJECTS

PARTITION = TopicPartition(PROJECTS.name, 0)


class Reader:
    """A consumer of an empty topic, in place of aiokafka's."""

    def __init__(self) -> None:
        self.end = 0
        self.failure: Exception | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.end)

    async def position(self, _: TopicPartition) -> int:
        return 0

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[object]]:
        await asyncio.sleep(0.001)
        if self.failure is not None:
            raise self.failure
        return {}


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader()
    monkeypatch.setattr(kafka, "reader", lambda *_: reader)
    return reader


async def test_a_follower_that_died_stops_the_service_and_keeps_nobody_waiting(reader: Reader) -> None:
    health = Health(stall_seconds=10)
    follower = Follower(KafkaSettings(), PROJECTS, ProjectPublished, health=health)
    await follower.start()
    reader.end = 5
    waiting = asyncio.create_task(follower.catch_up())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    reader.failure = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(waiting, 20)
    assert health.failure is reader.failure
    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(follower.catch_up(), 20)
    await follower.stop()


async def test_a_stop_is_no_failure(reader: Reader) -> None:
    health = Health(stall_seconds=10)
    follower = Follower(KafkaSettings(), PROJECTS, ProjectPublished, health=health)
    await follower.start()
    reader.end = 5
    waiting = asyncio.create_task(follower.catch_up())
    await asyncio.sleep(0.01)
    await follower.stop()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 20)
    assert health.failure is None
