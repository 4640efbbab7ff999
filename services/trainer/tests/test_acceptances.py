"""Judging promises: one project's trouble is not the others'."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from labelmill.events import ProjectPublished
from labelmill.projects import LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from trainer.acceptances import Acceptances
from trainer.errors import WorkerFailed

SPEC = ProjectSpec(
    project="p",
    title="P",
    labels=[LabelSpec(name="a"), LabelSpec(name="b")],
    guideline="Say which.",
    voters=[VoterSpec(name="llm", type="llm", model="m")],
    policy=PolicySpec(target_error=0.02),
)


class Projects:
    def all(self) -> list[str]:
        return ["broken", "sound"]

    def get(self, project: str) -> ProjectPublished:
        return ProjectPublished(project=project, version=1, guideline_version=1, spec=SPEC)


class Gates:
    """Notes who is judged; of `broken` a text cannot be embedded. Another process judges `sound`."""

    def __init__(self) -> None:
        self.judged: list[str] = []
        self.done = asyncio.Event()

    @asynccontextmanager
    async def judging(self, project: str) -> AsyncIterator[None]:
        self.judged.append(project)
        if project == "broken":
            raise WorkerFailed("no memory")
        self.done.set()
        yield None


class Health:
    """Fails the test where the service would end."""

    def fail(self, error: Exception) -> None:
        raise error


async def test_a_text_that_cannot_be_embedded_keeps_only_its_own_project_from_being_judged() -> None:
    gates = Gates()
    others: dict[str, Any] = dict.fromkeys(
        ("audits", "publications", "present", "rescores", "relay", "metrics")
    )
    acceptances = Acceptances(
        gates=cast("Any", gates), projects=cast("Any", Projects()), health=cast("Any", Health()), **others
    )
    await acceptances.start()
    async with asyncio.timeout(10):
        await gates.done.wait()
    assert gates.judged == ["broken", "sound"]
    await acceptances.stop()
