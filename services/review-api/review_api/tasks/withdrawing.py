"""When evidence opens acceptance, or lowers its threshold: tasks that wait for nothing else are done."""

import structlog
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import AcceptancePublished, ProjectPublished
from labelmill.runtime.metrics import Metrics

from review_api.projects.published import IsNewest, News
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
        self._done: dict[str, list[Threshold]] = {}

    async def hear(self, event: News, is_newest: IsNewest) -> None:
        """Look through the project's queue if other things are accepted than at the last look.

        That may take minutes. It ends early when something newer is heard: an alarm, perhaps.
        """
        if not isinstance(event, AcceptancePublished):
            return
        if event.acceptance.state != "open":
            # What comes meanwhile may be covered once it opens, though by the same thresholds.
            self._done.pop(event.project, None)
            return
        if self._done.get(event.project) == event.acceptance.thresholds:
            return
        if await self._withdraw(event.project, event.acceptance, is_newest):
            self._done[event.project] = event.acceptance.thresholds

    async def _withdraw(self, project: str, acceptance: Acceptance, is_newest: IsNewest) -> bool:
        """Withdraw what is covered; return whether the whole queue was looked through."""
        version = await self._projects.get(project)
        least = least_confidence(acceptance)
        if version is None or not least:
            return True
        in_force = ProjectPublished(
            project=project,
            version=version.version,
            guideline_version=version.guideline_version,
            spec=version.spec,
        )
        withdrawn = 0
        following: Place | None = START
        while following is not None and is_newest():
            waiting, following = await self._store.waiting(project, following, least, _AT_ONCE)
            if tasks := covered(waiting, acceptance, in_force):
                withdrawn += await self._store.withdraw(tasks)
        if withdrawn:
            self._metrics.final_labels.labels(project, "machine").inc(withdrawn)
            log.info("tasks withdrawn", project=project, tasks=withdrawn)
        return following is None
