"""What reviewers do with tasks, between the HTTP routes and the store."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from labelmill.events import Label
from labelmill.kinds import kind_named
from labelmill.projects import OverlapSpec
from labelmill.runtime.metrics import Metrics

from review_api.accounts.roles import Principal, allows
from review_api.errors import ApiError
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.settings import ReviewSettings
from review_api.tasks import second_look
from review_api.tasks.answering import (
    WHO_DECIDES,
    check_role,
    late,
    lease_of,
    lost,
    too_late,
    unknown_task,
    validated,
)
from review_api.tasks.overlap import Asked, Settled, next_step
from review_api.tasks.pools import for_experts
from review_api.tasks.skills import Entrance
from review_api.tasks.store import Claimed, Deciding, Facts, Lease, Standing, Subject, TaskStore, Verdict

_SWEEP_SECONDS = 1.0
_MOST_LABEL_BYTES = 64 * 1024
_MOST_KNOWN = 20_000


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
        in_force: InForce,
        entrance: Entrance,
        metrics: Metrics,
        settings: ReviewSettings,
    ) -> None:
        self._store = store
        self._in_force = in_force
        self._entrance = entrance
        self._metrics = metrics
        self._settings = settings
        self._swept: dict[str, float] = {}
        self._known: dict[Lease, Facts] = {}

    async def claim(self, by: Principal, project: str, count: int) -> list[Claimed]:
        """Lease up to `count` tasks, in the order of the project. Raises ApiError: 404; 403 of a gate."""
        version = await self._in_force.get(project)
        pools = await self._entrance.pools(by, version)
        await self._sweep(project)
        seconds = self._settings.lease_seconds
        claimed = await self._store.claim(project, by.name, pools, seconds, count)
        if not claimed:
            await self._store.reopen_expired(project)
            claimed = await self._store.claim(project, by.name, pools, seconds, count)
        return self._remember(by, project, await self._store.with_answers(claimed))

    async def heartbeat(self, by: Principal, task_id: int, lease: str) -> int:
        """Extend a lease and return its new end in Unix milliseconds. Raises ApiError 404 or 409."""
        held = lease_of(by, task_id, lease)
        await self._check(by, held)
        end = await self._store.extend(held, self._settings.lease_seconds)
        if end is None:
            raise await self._lost(task_id)
        return end

    async def skip(self, by: Principal, task_id: int, lease: str, reason: str) -> None:
        """Give a task back; it is not offered to the same person again soon. Raises ApiError 404 or 409."""
        held = lease_of(by, task_id, lease)
        await self._check(by, held)
        if not await self._store.skip(held, reason, self._settings.skip_seconds):
            raise await self._lost(task_id)

    async def give_back(self, by: Principal, task_id: int, lease: str) -> None:
        """Give a task back that nobody looked at: anybody may get it at once. Raises ApiError 404 or 409."""
        held = lease_of(by, task_id, lease)
        await self._check(by, held)
        if not await self._store.give_back(held):
            raise await self._lost(task_id)

    async def subject(self, by: Principal, task_id: int, lease: str) -> Subject:
        """Return what a task is about that is in hand, or was decided, under this lease. Raises ApiError 404
        or 409."""
        held = lease_of(by, task_id, lease)
        await self._check(by, held)
        subject = await self._store.subject(held)
        if subject is None:
            raise await self._lost(task_id)
        return subject

    async def undo(self, by: Principal, task_id: int) -> tuple[str, int]:
        """Take a decision back and return the task's new lease and its end. Raises ApiError 404 or 409."""
        await self._check(by, lease_of(by, task_id, ""))
        lease = await self._store.undo(task_id, by.name, self._settings.lease_seconds)
        if lease is None:
            await self._standing(task_id)
            raise too_late()
        return str(lease[0]), lease[1]

    async def decide(self, by: Principal, task_id: int, lease: str, label: Label) -> Decided:
        """Count a decision.

        Sent again under the same lease (the answer was lost on its way), it is answered the same way.

        Raises:
            ApiError: 404; 422 `invalid_label`; 409 `lease_lost`, the answer being kept for the person.
        """
        held = lease_of(by, task_id, lease)
        facts = await self._facts(held)
        check_role(by, held.task_id, facts.project)
        valid, version = await validated(self._in_force, label, facts.project, facts.guideline_version)
        hold = self._settings.undo_seconds if by.on_page else 0.0
        standing = await self._store_decision(held, valid, version, facts.needed, hold)
        if standing is None:
            return await self._late(held, valid)
        self._metrics.decisions.labels(facts.project).inc()
        final = standing.decided == standing.needed
        if final:
            self._known.pop(held, None)
        return Decided(task_id, standing.decided, final)

    async def _check(self, by: Principal, held: Lease) -> None:
        """Refuse who is no reviewer where the task belongs. For who is one everywhere, that need not be
        known; for others it is, in the process that handed the task out."""
        if not allows(by.roles, WHO_DECIDES):
            facts = await self._facts(held)
            check_role(by, held.task_id, facts.project)

    async def _facts(self, held: Lease) -> Facts:
        known = self._known.get(held) or await self._store.facts(held.task_id)
        if known is None:
            raise unknown_task(held.task_id)
        return known

    async def _store_decision(
        self, held: Lease, label: Label, version: Version, needed: int, hold: float
    ) -> Standing | None:
        kind = kind_named(version.spec.kind)

        def verdict(settled: str | None) -> Verdict:
            most_seconds = self._settings.most_seconds_per_decision
            return Verdict(_json(label), settled, version.guideline_version, most_seconds, hold)

        if needed == 1:
            return await self._store.decide_alone(held, verdict(_json(kind.merge_decisions([label]))))
        async with self._store.deciding(held) as deciding:
            if deciding is None:
                return None
            step = await _next_step(deciding, label, version.spec.review.overlap, kind.merge_decisions)
            if step is None:
                return await deciding.decide(verdict(None))
            if isinstance(step, Settled):
                return await deciding.decide(verdict(_json(step.label)))
            pool, adjudicates = deciding.held.pool, step == "expert"
            return await deciding.decide_and_ask_another(
                verdict(None), for_experts(pool) if adjudicates else pool, adjudicates=adjudicates
            )

    def _remember(self, by: Principal, project: str, tasks: list[Claimed]) -> list[Claimed]:
        if len(self._known) + len(tasks) > _MOST_KNOWN:
            self._known.clear()
        for task in tasks:
            facts = Facts(project, task.needed, task.guideline_version)
            self._known[Lease(task.task_id, by.name, task.fence)] = facts
        return tasks

    async def _late(self, held: Lease, label: Label) -> Decided:
        standing = await self._standing(held.task_id)
        text = _json(label)
        decided = await self._store.decided_as(held)
        if decided is not None and msgspec.json.decode(decided) == label:
            return Decided(held.task_id, standing.decided, standing.decided == standing.needed)
        if len(text) > _MOST_LABEL_BYTES:
            raise ApiError(422, "invalid_label", "the label is too large")
        settled = standing.decided == standing.needed
        if not settled:
            await self._store.keep_late(held, text)
        raise late(settled=settled)

    async def _lost(self, task_id: int) -> ApiError:
        await self._standing(task_id)
        return lost()

    async def _standing(self, task_id: int) -> Standing:
        standing = await self._store.standing(task_id)
        if standing is None:
            raise unknown_task(task_id)
        return standing

    async def _sweep(self, project: str) -> None:
        """Reopen expired leases, at most once a second: the claim itself then needs one index only."""
        now = time.monotonic()
        if now - self._swept.get(project, 0.0) >= _SWEEP_SECONDS:
            self._swept[project] = now
            await self._store.reopen_expired(project)


async def _next_step(
    deciding: Deciding, label: Label, overlap: OverlapSpec, merge: Callable[[Sequence[Any]], Any]
) -> Settled | Asked | None:
    """Return what becomes of a task with one more decision; None if it waits for those already asked."""
    if deciding.held.adjudicates:
        return Settled(label)
    if deciding.standing.decided + 1 < deciding.standing.needed:
        return None
    labels = [*await deciding.earlier_labels(), label]
    if deciding.doubted is not None:
        outcome = second_look.outcome(deciding.doubted, labels, merge)
        return "person" if outcome is None else Settled(outcome)
    if deciding.blind:
        # How many decide an audit is part of the promise; who differ there are its evidence.
        return Settled(merge(labels))
    return next_step(labels, overlap, merge)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
