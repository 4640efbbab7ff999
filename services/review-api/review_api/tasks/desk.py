"""What reviewers do with tasks, between the HTTP routes and the store."""

import time
from dataclasses import dataclass
from typing import Any

import msgspec
from labelmill.errors import InvalidLabel
from labelmill.events import Label
from labelmill.kinds import kind_named
from labelmill.runtime.metrics import Metrics

from review_api.accounts.roles import Principal
from review_api.errors import ApiError, unknown_project
from review_api.projects.store import ProjectStore, Specs
from review_api.settings import ReviewSettings
from review_api.tasks.store import Claimed, Deciding, Standing, TaskStore

_SWEEP_SECONDS = 1.0
_MOST_LABEL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Decided:
    """What became of a task with a decision: how many it has, and whether that settled it."""

    task_id: int
    decisions: int
    final: bool


class Desk:
    """Hands out tasks and takes decisions. `lease` is the fence as text, opaque to clients."""

    def __init__(
        self,
        store: TaskStore,
        projects: ProjectStore,
        specs: Specs,
        metrics: Metrics,
        settings: ReviewSettings,
    ) -> None:
        self._store = store
        self._projects = projects
        self._specs = specs
        self._metrics = metrics
        self._settings = settings
        self._swept: dict[str, float] = {}

    async def claim(self, by: Principal, project: str, count: int) -> list[Claimed]:
        """Lease up to `count` tasks, those the machine is least sure of first."""
        await self._sweep(project)
        seconds = self._settings.lease_seconds
        claimed = await self._store.claim(project, by.name, seconds, count)
        if claimed:
            return claimed
        if not await self._projects.exists(project):
            raise unknown_project(project)
        await self._store.reopen_expired(project)
        return await self._store.claim(project, by.name, seconds, count)

    async def heartbeat(self, by: Principal, task_id: int, lease: str) -> int:
        """Extend a lease and return its new end in Unix milliseconds. Raises ApiError 409."""
        end = await self._store.extend(task_id, by.name, _fence(lease), self._settings.lease_seconds)
        if end is None:
            raise await self._lost(task_id)
        return end

    async def skip(self, by: Principal, task_id: int, lease: str, reason: str) -> None:
        """Give a task back; it is not offered to the same person again soon. Raises ApiError 409."""
        seconds = self._settings.skip_seconds
        if not await self._store.skip(task_id, by.name, _fence(lease), reason, seconds):
            raise await self._lost(task_id)

    async def undo(self, by: Principal, task_id: int) -> tuple[str, int]:
        """Take a decision back and return the task's new lease and its end. Raises ApiError 409."""
        lease = await self._store.undo(task_id, by.name, self._settings.lease_seconds)
        if lease is None:
            await self._standing(task_id)
            raise ApiError(409, "too_late", "the decision has left already, or there is none of yours")
        return str(lease[0]), lease[1]

    async def decide(self, by: Principal, task_id: int, lease: str, label: Label) -> Decided:
        """Count a decision.

        Sent again under the same lease (the answer was lost on its way), it is answered the same way.

        Raises:
            ApiError: 404; 422 `invalid_label`; 409 `lease_lost`, the answer being kept for the person.
        """
        fence = _fence(lease)
        async with self._store.deciding(task_id, by.name, fence) as deciding:
            if deciding is not None:
                return await self._count(deciding, by, label)
        return await self._late(by, task_id, fence, label)

    async def _count(self, deciding: Deciding, by: Principal, label: Label) -> Decided:
        taken = deciding.taken
        spec = await self._specs.get(taken.project, taken.project_version)
        kind = kind_named(spec.kind)
        try:
            valid = kind.validate(label, spec.label_names)
        except InvalidLabel as error:
            raise ApiError(422, "invalid_label", str(error)) from error
        text = _json(valid)
        seconds = min(max(taken.seconds, 0.0), self._settings.most_seconds_per_decision)
        final = taken.decided + 1 == taken.needed
        if final:
            settled = kind.merge_decisions([*await deciding.earlier_labels(), valid])
            correction = settled != msgspec.json.decode(taken.label)
            hold = self._settings.undo_seconds if by.on_page else 0.0
            await deciding.settle(text, seconds, _json(settled), correction=correction, hold=hold)
        else:
            await deciding.keep(text, seconds)
        self._metrics.decisions.labels(taken.project).inc()
        return Decided(taken.task_id, taken.decided + 1, final)

    async def _late(self, by: Principal, task_id: int, fence: int, label: Label) -> Decided:
        standing = await self._standing(task_id)
        text = _json(label)
        if await self._store.decided_as(task_id, by.name, fence) == text:
            return Decided(task_id, standing.decided, standing.decided == standing.needed)
        if len(text) > _MOST_LABEL_BYTES:
            raise ApiError(422, "invalid_label", "the label is too large")
        await self._store.keep_late(task_id, by.name, text)
        raise ApiError(
            409, "lease_lost", "the lease on this task ended before the answer came; the answer is kept"
        )

    async def _lost(self, task_id: int) -> ApiError:
        await self._standing(task_id)
        return ApiError(409, "lease_lost", "the lease on this task has ended, or it is somebody else's")

    async def _standing(self, task_id: int) -> Standing:
        standing = await self._store.standing(task_id)
        if standing is None:
            raise ApiError(404, "unknown_task", f"there is no task {task_id}")
        return standing

    async def _sweep(self, project: str) -> None:
        """Reopen expired leases, at most once a second: the claim itself then needs one index only."""
        now = time.monotonic()
        if now - self._swept.get(project, 0.0) >= _SWEEP_SECONDS:
            self._swept[project] = now
            await self._store.reopen_expired(project)


def _fence(lease: str) -> int:
    """Return the fence in a lease; one that no lease ever had if the text is not a lease."""
    return int(lease) if lease.isascii() and lease.isdigit() and len(lease) <= 18 else 0


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
