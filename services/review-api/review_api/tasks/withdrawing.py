"""When evidence opens acceptance, or lowers its threshold: tasks that wait for nothing else are done."""

import structlog
from labelmill.acceptance import Acceptance
from labelmill.events import AcceptancePublished
from labelmill.runtime.metrics import Metrics

from review_api.projects.published import News
from review_api.projects.store import ProjectStore
from review_api.tasks.covering import covered, least_confidence
from review_api.tasks.withdrawal import START, Place, Withdrawal

log = structlog.get_logger(__name__)

_AT_ONCE = 1000


class Withdrawing:
    """Withdraws the waiting tasks that a promise has come to cover."""

    def __init__(self, store: Withdrawal, projects: ProjectStore, metrics: Metrics) -> None:
        self._store = store
        self._projects = projects
        self._metrics = metrics
        self._done: dict[str, dict[int, float]] = {}

    async def hear(self, event: News) -> None:
        """Look through the project's queue if more is accepted than at the last look."""
        if not isinstance(event, AcceptancePublished) or event.acceptance.state != "open":
            return
        least = least_confidence(event.acceptance)
        if not least or self._done.get(event.project) == least:
            return
        await self._withdraw(event.project, event.acceptance, least)
        self._done[event.project] = least

    async def _withdraw(self, project: str, acceptance: Acceptance, least: dict[int, float]) -> None:
        version = await self._projects.get(project)
        if version is None:
            return
        withdrawn = 0
        following: Place | None = START
        while following is not None:
            waiting, following = await self._store.waiting(project, following, least, _AT_ONCE)
            if tasks := covered(waiting, acceptance, version.spec):
                withdrawn += await self._store.withdraw(tasks)
        if withdrawn:
            self._metrics.final_labels.labels(project, "machine").inc(withdrawn)
            log.info("tasks withdrawn", project=project, tasks=withdrawn)
