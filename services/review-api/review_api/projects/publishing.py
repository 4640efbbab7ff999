"""Telling the other services about projects."""

import time

from labelmill.events import ProjectPublished, encode
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.topics import PROJECTS

from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version


class ProjectPublisher:
    """Publishes definitions; as a component, it makes up at the start for what a crash left unpublished."""

    def __init__(self, store: ProjectStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def start(self) -> None:
        for spec in await self._store.unpublished():
            await self._store.put(spec, "recovery", self.publish)

    async def stop(self) -> None:
        """Nothing to stop."""

    async def publish(self, version: Version) -> None:
        """Publish a version and return once it is acknowledged."""
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
