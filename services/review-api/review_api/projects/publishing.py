"""Telling the other services about projects."""

import asyncio
import time

import structlog
from labelmill.events import ProjectPublished, encode
from labelmill.runtime.health import Health
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import is_passing
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import PROJECTS

from review_api.errors import ApiError
from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version

log = structlog.get_logger(__name__)

_MOST_SECONDS = 10.0
_RETRY_SECONDS = 5.0


class ProjectPublisher:
    """Publishes versions in force; a component that also makes up for what was left unpublished.

    Kafka may be away for long. So each try is bounded in time, and only one of a process runs at once: it
    holds a connection of the pool.
    """

    def __init__(
        self,
        store: ProjectStore,
        publisher: Publisher,
        health: Health,
        *,
        most_seconds: float = _MOST_SECONDS,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._health = health
        self._most_seconds = most_seconds
        self._retry_seconds = retry_seconds
        self._turn = asyncio.Lock()
        self._owed: set[str] = set()
        self._owing = asyncio.Event()
        self._making_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for project in await self._store.unpublished():
            self._owe(project)
        self._making_up = supervised(self._make_up(), self._health)

    async def stop(self) -> None:
        await break_off(self._making_up)

    async def publish(self, project: str) -> None:
        """Publish a project's version in force and return once it is acknowledged.

        Raises ApiError 503 if Kafka does not take it in time; it is then published as soon as Kafka is back.
        """
        try:
            await self._try(project)
        except Exception as error:
            if not is_passing(error):
                raise
            self._owe(project)
            detail = "the definition is stored, and the other services are told as soon as Kafka is back"
            retry_after = str(max(1, int(self._retry_seconds)))
            raise ApiError(503, "not_published", detail, {"Retry-After": retry_after}) from error

    async def _try(self, project: str) -> None:
        async with (
            asyncio.timeout(self._most_seconds),
            self._turn,
            self._store.publishing(project) as version,
        ):
            await self._send(version)

    def _owe(self, project: str) -> None:
        self._owed.add(project)
        self._owing.set()

    async def _make_up(self) -> None:
        """Try again whatever was given up. What was given up may still reach Kafka, from within the client,
        and after what another process published since: so this process tries until it has the last word."""
        while True:
            await self._owing.wait()
            for project in sorted(self._owed):
                await self._try_again(project)
            if self._owed:
                await asyncio.sleep(self._retry_seconds)
            else:
                self._owing.clear()

    async def _try_again(self, project: str) -> None:
        try:
            await self._try(project)
        except Exception as error:
            if not is_passing(error):
                raise
            log.warning("project not published yet", project=project, error=repr(error))
        else:
            self._owed.discard(project)

    async def _send(self, version: Version) -> None:
        project = version.spec.project
        event = ProjectPublished(
            project=project,
            version=version.version,
            guideline_version=version.guideline_version,
            spec=version.spec,
            published_at=int(time.time() * 1000),
        )
        key = project.encode()
        partition = await self._publisher.partition_for(PROJECTS.name, key)
        await self._publisher.publish(PROJECTS.name, [OutRecord(partition, key, encode(event))])
