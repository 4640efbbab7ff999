"""When a release changes the scores, or a project its order: what waits gets new places."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from labelmill.embedding import Embedder, load_embedder
from labelmill.events import ReleasePublished
from labelmill.projects import ProjectSpec
from labelmill.releases import Release
from labelmill.runtime.health import Health
from labelmill.runtime.retry import outages
from labelmill.runtime.tasks import break_off, supervised

from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version
from review_api.tasks import diversity
from review_api.tasks.ordering import Places
from review_api.tasks.reorders import Reorders, Waiting, WaitingIds
from review_api.tasks.rescoring import Rescoring

log = structlog.get_logger(__name__)

_EVERY_SECONDS: Final = 2.0
_AT_ONCE: Final = 500
_MOST_CLUSTERED: Final = 5_000
"""Texts of one clustering: half a minute of a core."""
_LEAST_CLUSTERED: Final = 20
_GROWTH: Final = 1.5
"""A queue in the order of clusters is clustered anew when it has grown by this factor."""
_GROWTH_EVERY: Final = 15
"""Of so many looks, one counts what waits."""


class Reordering:
    """Keeps the queues in the order that release and project ask for; a component.

    It looks for what has changed every few seconds, so that it also goes on where a process before it was
    stopped. Of several processes one works on a project.
    """

    def __init__(self, store: Reorders, projects: ProjectStore, health: Health) -> None:
        self._store = store
        self._projects = projects
        self._health = health
        self._releases: dict[str, Release] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._clustered: dict[str, int] = {}
        self._embedder: Embedder | None = None
        self._clock: asyncio.Task[None] | None = None

    def hear(self, event: ReleasePublished) -> None:
        """Take note of the release in force; returns at once."""
        self._releases[event.project] = event.release

    async def start(self) -> None:
        self._clock = supervised(self._run(), self._health)

    async def stop(self) -> None:
        await break_off(self._clock)

    async def _run(self) -> None:
        for look in itertools.count(1):
            await asyncio.sleep(_EVERY_SECONDS)
            async for attempt in outages():
                with attempt:
                    await self._look(count=look % _GROWTH_EVERY == 0)

    async def _look(self, *, count: bool) -> None:
        for row in await self._projects.all():
            release = self._releases.get(row.project)
            seen = (row.version, _number(release))
            if self._seen.get(row.project) != seen or (count and await self._has_grown(row.project)):
                version = await self._projects.get(row.project)
                if version is not None and await self._order(version, release):
                    self._seen[row.project] = seen

    async def _has_grown(self, project: str) -> bool:
        before = self._clustered.get(project)
        return before is not None and await self._store.count(project) > _GROWTH * before

    async def _order(self, version: Version, release: Release | None) -> bool:
        """Order a project's queue if it is in another order; return whether it is in order now."""
        spec = version.spec
        basis = _basis(spec, release)
        async with self._store.alone(spec.project) as waiting:
            if waiting is None:
                return False
            by_clusters = spec.review.order == "diversity"
            if await self._store.basis(spec.project) == basis and not by_clusters:
                return True
            moved = await (self._by_clusters if by_clusters else self._one_by_one)(waiting, version, release)
            # Afterwards, with what was taken meanwhile: else it would come back to where it lay.
            in_hand = await self._store.in_hand(spec.project)
            for start in range(0, len(in_hand), _AT_ONCE):
                moved += await self._place(in_hand[start : start + _AT_ONCE], version, release)
            await self._store.done(spec.project, basis)
        if moved:
            log.info("queue reordered", project=spec.project, tasks=moved, release=_number(release))
        return True

    async def _one_by_one(self, waiting: WaitingIds, version: Version, release: Release | None) -> int:
        moved = 0
        async with aclosing(waiting.pages(_AT_ONCE)) as pages:
            async for task_ids in pages:
                moved += await self._place(task_ids, version, release)
        return moved

    async def _place(self, task_ids: Sequence[int], version: Version, release: Release | None) -> int:
        spec = version.spec
        places = Places(spec)
        tasks = _rescored(await self._store.facts(task_ids), spec, release)
        placed = [(task.task_id, places.place(task.facts)) for task in tasks]
        return await self._store.move(spec.project, version.version, placed)

    async def _by_clusters(self, waiting: WaitingIds, version: Version, release: Release | None) -> int:
        """Order by kinds of text; those beyond a bound keep the places that chance gave them."""
        spec = version.spec
        self._clustered[spec.project] = max(_LEAST_CLUSTERED, await self._store.count(spec.project))
        tasks: list[Waiting] = []
        async with aclosing(waiting.pages(_AT_ONCE, _MOST_CLUSTERED)) as pages:
            async for task_ids in pages:
                tasks += _rescored(await self._store.facts(task_ids, with_content=True), spec, release)
        values = await asyncio.to_thread(self._values, tasks)
        places, moved = Places(spec), 0
        placed = [
            (task.task_id, places.place(task.facts, None if task.facts.blind else value))
            for task, value in zip(tasks, values, strict=True)
        ]
        for start in range(0, len(placed), _AT_ONCE):
            part = placed[start : start + _AT_ONCE]
            moved += await self._store.move(spec.project, version.version, part)
        return moved

    def _values(self, tasks: list[Waiting]) -> list[float]:
        """Return the tasks' values; takes milliseconds a text, and a second for the model the first time."""
        if self._embedder is None:
            self._embedder = load_embedder()
        vectors = self._embedder.embed([task.content for task in tasks])
        return diversity.values(vectors, [task.facts.confidence for task in tasks])


def _rescored(tasks: list[Waiting], spec: ProjectSpec, release: Release | None) -> list[Waiting]:
    if release is None:
        return tasks
    rescore = Rescoring(spec, release)
    return [Waiting(task.task_id, task.content, rescore(task.facts)) for task in tasks]


def _basis(spec: ProjectSpec, release: Release | None) -> str:
    """Return what the places in a queue follow from, as text."""
    review = spec.review
    what = (
        review.order,
        review.sla_hours,
        review.skills,
        review.care.sensitive,
        spec.policy.always_review.expert_labels,
        spec.label_names,
        _number(release),
    )
    return msgspec.json.encode(what).decode()


def _number(release: Release | None) -> int:
    return 0 if release is None else release.number
