"""The desk in front of the desk: it mixes gold into what people are handed, and takes the answers to it.

A check that is hidden goes through the same routes as a task, under a number of the same sequence, and is
answered in the same words. How it stays hidden is told in docs/decisions/0022-gold.md.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import structlog
from labelmill.events import Label
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import is_passing

from review_api.accounts.roles import Principal
from review_api.errors import ApiError
from review_api.gold.checks import Answered, CheckStanding, CheckStore
from review_api.gold.choosing import in_turn, left_to_train, suitable, to_train
from review_api.gold.draw import Draw
from review_api.gold.judge import Judge
from review_api.gold.people import People
from review_api.gold.records import Check, Purpose
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.settings import ReviewSettings
from review_api.tasks.answering import check_role, late, lease_of, lost, too_late, unknown_task, validated
from review_api.tasks.desk import Decided, Desk
from review_api.tasks.pools import Pools
from review_api.tasks.skills import Entrance
from review_api.tasks.store import Claimed, Lease, Subject

log = structlog.get_logger(__name__)

_MOST_KNOWN: Final = 20_000
_TRIES: Final = 3


@dataclass(frozen=True)
class Taught(Decided):
    """What became of a task in training: what would have been right, and why."""

    right_label: Any
    explanation: str


class GoldDesk:
    """Has the methods of the Desk. What is not gold it passes on, without a query of its own."""

    def __init__(
        self,
        desk: Desk,
        *,
        checks: CheckStore,
        people: People,
        judge: Judge,
        draw: Draw,
        in_force: InForce,
        entrance: Entrance,
        metrics: Metrics,
        settings: ReviewSettings,
    ) -> None:
        self._desk = desk
        self._checks = checks
        self._people = people
        self._judge = judge
        self._draw = draw
        self._in_force = in_force
        self._entrance = entrance
        self._metrics = metrics
        self._settings = settings
        self._numbers: dict[tuple[str, str], int] = {}
        self._ours: dict[int, str] = {}
        """The projects of checks that this process has met, by their number."""

    async def claim(self, by: Principal, project: str, count: int) -> list[Claimed]:
        """Lease up to `count` tasks, some of them checks. Raises ApiError: 404; 403 of a gate."""
        version = await self._in_force.get(project)
        gold = version.spec.review.gold
        if gold.rate <= 0 and gold.training_tasks == 0:
            return await self._desk.claim(by, project, count)
        pools = await self._entrance.pools(by, version)
        items = await self._people.gold(project)
        record = await self._people.record(project, by.name)
        stage = record.stage(gold, left=left_to_train(items, record, version.spec))
        if stage == "failed":
            await self._judge.judge(project, by.name)
            await self._entrance.pools(by, version)
        now = _now()
        free = in_turn(self._draw, by.name, suitable(items, record, version.spec, pools, now), record, now)
        if stage == "trained":
            # Who manages the project can read its gold: a check would tell nothing of them.
            reads = by.may(("manager",), project)
            hidden = [] if reads else [gold_id for gold_id in free if not record.is_given_away(gold_id)]
            return await self._mixed(by, version, pools, hidden, count)
        train = to_train(free, items, record, version.spec)
        return await self._hand_out(by, version, train, count, purpose="training", pools=pools)

    async def claim_for_skill(self, by: Principal, project: str, skill: str, count: int) -> list[Claimed]:
        """Lease up to `count` gold tasks that qualify for a skill. Raises ApiError: 404; 403 of a gate."""
        version = await self._in_force.get(project)
        if skill not in {one.name for one in version.spec.review.skills}:
            raise ApiError(404, "unknown_skill", f"project {project!r} knows no skill {skill!r}")
        pools = await self._entrance.pools(by, version)
        items = await self._people.gold(project)
        record, now = await self._people.record(project, by.name), _now()
        free = suitable(items, record, version.spec, pools, now, skill=skill)
        ordered = in_turn(self._draw, by.name, free, record, now)
        return await self._hand_out(by, version, ordered, count, purpose="qualification", pools=pools)

    async def heartbeat(self, by: Principal, task_id: int, lease: str) -> int:
        """Extend a lease and return its new end in Unix milliseconds. Raises ApiError 404, 409."""
        if task_id not in self._ours:
            try:
                return await self._desk.heartbeat(by, task_id, lease)
            except ApiError as error:
                await self._own(task_id, error)
        held = self._held(by, task_id, lease)
        end = await self._checks.extend(held, self._settings.lease_seconds)
        if end is None:
            raise lost()
        self._forget(by, task_id)
        return end

    async def skip(self, by: Principal, task_id: int, lease: str, reason: str) -> None:
        """Give a task back; it is not offered to the same person again soon. Raises ApiError 404, 409."""
        if task_id not in self._ours:
            try:
                return await self._desk.skip(by, task_id, lease, reason)
            except ApiError as error:
                await self._own(task_id, error)
        held = self._held(by, task_id, lease)
        if not await self._checks.skip(held, reason, self._settings.skip_seconds):
            raise lost()
        self._forget(by, task_id)
        return None

    async def give_back(self, by: Principal, task_id: int, lease: str) -> None:
        """Give a task back that nobody looked at. Raises ApiError 404, 409."""
        if task_id not in self._ours:
            try:
                return await self._desk.give_back(by, task_id, lease)
            except ApiError as error:
                await self._own(task_id, error)
        if not await self._checks.give_back(self._held(by, task_id, lease)):
            raise lost()
        self._forget(by, task_id)
        return None

    async def subject(self, by: Principal, task_id: int, lease: str) -> Subject:
        """Return what a task is about that is in hand, or was decided. Raises ApiError 404, 409."""
        if task_id not in self._ours:
            try:
                return await self._desk.subject(by, task_id, lease)
            except ApiError as error:
                await self._own(task_id, error)
        subject = await self._checks.subject(self._held(by, task_id, lease))
        if subject is None:
            raise lost()
        return subject

    async def undo(self, by: Principal, task_id: int) -> tuple[str, int]:
        """Take a decision back and return the task's new lease and its end. Raises ApiError 404, 409."""
        if task_id not in self._ours:
            try:
                return await self._desk.undo(by, task_id)
            except ApiError as error:
                await self._own(task_id, error)
        self._held(by, task_id, "")
        lease = await self._checks.undo(task_id, by.name, self._settings.lease_seconds)
        if lease is None:
            raise too_late()
        self._forget(by, task_id)
        return str(lease[0]), lease[1]

    async def decide(self, by: Principal, task_id: int, lease: str, label: Label) -> Decided:
        """Count a decision, as the Desk does. Raises ApiError 404, 409, 422."""
        if task_id not in self._ours:
            try:
                return await self._desk.decide(by, task_id, lease, label)
            except ApiError as error:
                await self._own(task_id, error)
        held = self._held(by, task_id, lease)
        project = self._ours[task_id]
        valid, version = await validated(self._in_force, label, project)
        answered = await self._checks.decide(
            held,
            _json(valid),
            guideline=version.guideline_version,
            most_seconds=self._settings.most_seconds_per_decision,
            hold=self._settings.undo_seconds if by.on_page else 0.0,
            hold_unsettled=self._settings.skip_seconds,
        )
        if answered is None:
            return await self._late(held, valid)
        self._metrics.decisions.labels(project).inc()
        self._metrics.gold_answers.labels(project, "right" if answered.correct else "wrong").inc()
        self._forget(by, task_id)
        self._judge.hear(project, by.name)
        return _decided(task_id, answered)

    async def _mixed(
        self, by: Principal, version: Version, pools: Sequence[str], free: Sequence[int], count: int
    ) -> list[Claimed]:
        """A check takes the place of an ordinary task that could be had: where nothing waits, one out of
        nowhere would be known for what it is. Only what somebody let run out comes back whatever waits."""
        project, rate = version.spec.project, version.spec.review.gold.rate
        record = await self._people.record(project, by.name)
        back = [gold_id for gold_id in record.ran_out(_now()) if gold_id in free][:count]
        drawn = [place < len(back) or one for place, one in enumerate(self._drawn(by, project, count, rate))]
        wanted = min(sum(drawn), len(free))
        if wanted == count and len(back) < count and not await self._checks.is_work(project, pools):
            wanted = len(back)
        tasks: list[Claimed] = []
        if wanted < count:
            tasks = await self._desk.claim(by, project, count - wanted)
        if len(tasks) < count - wanted:
            wanted = len(back)
        checks: list[Claimed] = []
        try:
            tasks = await self._as_checks_are(by, tasks, rate)
            checks = await self._hand_out(by, version, free, wanted, purpose="check", pools=pools)
        except Exception as error:
            # The tasks are leased: lost with the answer, they would lie idle until their leases end. So while
            # the database is away they are handed out alone; anything else is a fault, and is to be seen.
            if not tasks or not is_passing(error):
                raise
            log.warning("no checks handed out", project=project, error=repr(error))
        return _ending_together(_woven(tasks, checks, drawn))

    def _drawn(self, by: Principal, project: str, count: int, rate: float) -> list[bool]:
        key = project, by.name
        if len(self._numbers) >= _MOST_KNOWN:
            self._numbers.clear()
        number = self._numbers.get(key, 0)
        self._numbers[key] = number + count
        return [self._draw.is_gold(project, by.name, number + place, rate) for place in range(count)]

    async def _as_checks_are(self, by: Principal, tasks: list[Claimed], rate: float) -> list[Claimed]:
        """Return ordinary tasks as a person sees them: blind now and then, for most checks are. It is stored
        before it is shown, so that the decision counts as made blind."""
        drawn = [
            task
            for task in tasks
            if not task.blind and task.answers is None and self._draw.is_decoy(task.task_id, by.name, rate)
        ]
        if not drawn:
            return tasks
        stored = await self._checks.show_blind(by.name, drawn)
        return [replace(task, blind=True) if task.task_id in stored else task for task in tasks]

    async def _hand_out(
        self,
        by: Principal,
        version: Version,
        free: Sequence[int],
        count: int,
        *,
        purpose: Purpose,
        pools: Sequence[str],
    ) -> list[Claimed]:
        """Hand out up to `count` checks of `free`, among the tasks of `pools`; one that another process gave
        this person just now is stepped over. A database that is away after the first takes nothing away of
        what was handed out."""
        handed: list[Claimed] = []
        for gold_id in free[: count * _TRIES]:
            if len(handed) == count:
                break
            try:
                task = await self._claim(by, version, gold_id, purpose, pools)
            except Exception as error:
                if not handed or not is_passing(error):
                    raise
                log.warning("fewer checks handed out", project=version.spec.project, error=repr(error))
                break
            if task is not None:
                handed.append(task)
        return handed

    async def _claim(
        self, by: Principal, version: Version, gold_id: int, purpose: Purpose, pools: Sequence[str]
    ) -> Claimed | None:
        project, needed = version.spec.project, version.spec.policy.decisions_per_task
        place = self._draw.place(gold_id, by.name, needed)
        seconds = self._settings.lease_seconds
        metadata = {item.gold_id: item.metadata for item in await self._people.gold(project)}
        pool = Pools.of(version.spec.review).pool(None, metadata.get(gold_id, {}))
        task = await self._checks.claim(
            gold_id, by.name, purpose, pool=pool, among=pools, place=place, needed=needed, seconds=seconds
        )
        if task is None:
            self._people.forget(project, by.name)
            return None
        self._remember(task.task_id, project)
        record = await self._people.record(project, by.name)
        record.checks[gold_id] = Check(
            task.task_id, gold_id, purpose, not task.blind, None, "", None, None, task.lease_until, None
        )
        return task

    async def _own(self, task_id: int, error: ApiError) -> None:
        """Take over from the desk if the task it does not know is a check; raise its error if not."""
        standing = await self._checks.standing(task_id) if error.error == "unknown_task" else None
        if standing is None:
            raise error
        self._remember(task_id, standing.project)

    async def _late(self, held: Lease, label: Label) -> Decided:
        standing = await self._checks.standing(held.task_id)
        if standing is None:
            raise unknown_task(held.task_id)
        if _is_of(standing, held) and standing.said == label:
            return _decided(held.task_id, standing.answered)
        settled = standing.said is not None
        if not settled:
            await self._checks.keep_late(held, _json(label))
        raise late(settled=settled)

    def _held(self, by: Principal, task_id: int, lease: str) -> Lease:
        check_role(by, task_id, self._ours[task_id])
        return lease_of(by, task_id, lease)

    def _remember(self, task_id: int, project: str) -> None:
        if len(self._ours) >= _MOST_KNOWN:
            self._ours.clear()
        self._ours[task_id] = project

    def _forget(self, by: Principal, task_id: int) -> None:
        self._people.forget(self._ours[task_id], by.name)


def _woven(tasks: Sequence[Claimed], checks: Sequence[Claimed], drawn: Sequence[bool]) -> list[Claimed]:
    """Return tasks and checks in the places that were drawn; where one kind runs out, the other follows."""
    rest, gold = deque(tasks), deque(checks)
    woven = [(gold if is_check else rest).popleft() for is_check in drawn if (gold if is_check else rest)]
    return [*woven, *gold, *rest]


def _ending_together(tasks: Sequence[Claimed]) -> list[Claimed]:
    """Return tasks with the first end of their leases: checks are leased last, and would end last."""
    end = min((task.lease_until for task in tasks), default=0)
    return [replace(task, lease_until=end) for task in tasks]


def _is_of(standing: CheckStanding, held: Lease) -> bool:
    return (standing.reviewer, standing.fence) == (held.reviewer, held.fence)


def _decided(task_id: int, answered: Answered) -> Decided:
    final = answered.place == answered.needed
    if answered.purpose == "check":
        return Decided(task_id, answered.place, final)
    return Taught(task_id, answered.place, final, answered.truth, answered.explanation)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _now() -> int:
    return int(time.time() * 1000)
