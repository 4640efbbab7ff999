"""Publishing what was recorded, so that a crash neither loses nor doubles a release."""

import asyncio

import structlog
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import is_passing

from trainer.publications import Publications

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0


class Relay:
    """Publishes recorded releases, in order of their numbers, and other records; a component of the service.

    It marks one as published once Kafka has acknowledged it. A crash in between publishes the same
    bytes under the same key again, which changes nothing for who follows the topic.
    """

    def __init__(
        self, publications: Publications, publisher: Publisher, health: Health, metrics: Metrics
    ) -> None:
        self._publications = publications
        self._publisher = publisher
        self._health = health
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._relaying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._relaying = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._relaying is not None:
            self._relaying.cancel()
            await asyncio.gather(self._relaying, return_exceptions=True)

    def wake(self) -> None:
        """Note that there may be something to publish."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._publish()
            except Exception as error:
                if not is_passing(error):
                    self._health.fail(error)
                    return
                log.warning("not published yet", error=repr(error))
            await self._pause()

    async def _publish(self) -> None:
        async with self._publications.unpublished() as found:
            by_topic: dict[str, list[OutRecord]] = {}
            for each in found:
                record = OutRecord(0, each.project.encode(), each.payload)
                by_topic.setdefault(each.topic, []).append(record)
            for topic, records in by_topic.items():
                await self._publisher.publish(topic, records)
        for each in found:
            self._metrics.published.labels(each.topic).inc()
            log.info("published", topic=each.topic, project=each.project, number=each.revision)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_EVERY_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()
