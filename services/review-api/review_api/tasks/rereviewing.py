"""When the trainer doubts decisions: their tasks are opened again, for people who have not decided them."""

import asyncio

import structlog
from labelmill.events import QualityPublished
from labelmill.quality import Suspect
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import outages
from labelmill.runtime.tasks import break_off, supervised

from review_api.projects.published import IsNewest, News
from review_api.tasks.rereviews import Rereviews

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 3600.0
"""How often room for more is looked for: looks at quality may be days apart."""


class Rereviewing:
    """Opens doubted tasks again as they become known, and the rest as the days' bounds allow; a component."""

    def __init__(self, store: Rereviews, metrics: Metrics, health: Health) -> None:
        self._store = store
        self._metrics = metrics
        self._health = health
        self._suspects: dict[str, list[Suspect]] = {}
        self._clock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._clock = supervised(self._run(), self._health)

    async def stop(self) -> None:
        await break_off(self._clock)

    async def hear(self, event: News, _: IsNewest) -> None:
        """Open the tasks of the decisions that are doubted; hearing of one again changes nothing."""
        if isinstance(event, QualityPublished):
            self._suspects[event.project] = event.quality.suspects
            await self._open(event.project)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            for project in list(self._suspects):
                async for attempt in outages():
                    with attempt:
                        await self._open(project)

    async def _open(self, project: str) -> None:
        if not (suspects := self._suspects[project]):
            return
        if opened := await self._store.open(project, suspects):
            self._metrics.rereviews.labels(project, "opened").inc(opened)
            log.info("doubtful decisions are reviewed again", project=project, tasks=opened)
