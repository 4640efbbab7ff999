"""What the desk asks before it hands out a task: is it time to rest, and may it be a distressing one."""

import time
from dataclasses import dataclass
from typing import Final, Literal

from labelmill.projects.review import CareSpec

from review_api.accounts.roles import Principal
from review_api.care.active import Timeline
from review_api.care.attendance import Attendance
from review_api.care.breaks import DAY_SECONDS, break_until, full_until, since_pause, worked
from review_api.care.consent import ConsentStore, Revealed
from review_api.errors import ApiError
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version

_REMEMBERED_SECONDS: Final = 5.0
_MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True)
class Rest:
    """Why somebody is given no task now, and until when (Unix seconds)."""

    reason: Literal["break_due", "day_full"]
    until: float


@dataclass(frozen=True)
class Workload:
    """How long somebody has worked: in the last 24 hours, and since the last pause, in seconds."""

    active_seconds: float
    since_pause_seconds: float
    rest: Rest | None


@dataclass(frozen=True)
class Shown:
    """Distressing items of a project: whether it has any (`applies`), what somebody said to them (None:
    nothing yet), and how many of any project they were shown in the last 24 hours, of how many at most."""

    applies: bool
    consent: bool | None
    shown: int
    most: int


class Breaks:
    """The gate that enforces breaks and the length of a day. Tasks in hand may be finished."""

    def __init__(self, attendance: Attendance) -> None:
        self._attendance = attendance
        self._open_until: dict[tuple[str, str], float] = {}

    async def check(self, by: Principal, version: Version) -> None:
        """Raises ApiError 403 `break_due` or `day_full`, with the seconds to wait in Retry-After."""
        key, now = (by.name, version.spec.project), time.monotonic()
        if now < self._open_until.get(key, 0.0):
            return
        timeline = await self._attendance.timeline(by.name)
        care = version.spec.review.care
        rest = _rest(timeline, care, time.time())
        if rest is not None:
            raise _refusal(rest, care)
        if len(self._open_until) >= _MOST_REMEMBERED:
            self._open_until.clear()
        self._open_until[key] = now + _REMEMBERED_SECONDS

    async def workload(self, reviewer: str, care: CareSpec) -> Workload:
        """Return how long somebody has worked, and whether that is enough for now."""
        timeline, now = await self._attendance.timeline(reviewer), time.time()
        return Workload(
            worked(timeline.stretches, now - DAY_SECONDS, now),
            since_pause(timeline.stretches, now, care.break_minutes * 60),
            _rest(timeline, care, now),
        )


def _rest(timeline: Timeline, care: CareSpec, now: float) -> Rest | None:
    full = full_until(timeline.stretches, now, care.active_hours_per_day * 3600)
    if full is not None:
        return Rest("day_full", full)
    due = break_until(timeline.stretches, now, care.break_after_minutes * 60, care.break_minutes * 60)
    return None if due is None else Rest("break_due", due)


def _refusal(rest: Rest, care: CareSpec) -> ApiError:
    seconds = max(1, int(rest.until - time.time()) + 1)
    if rest.reason == "break_due":
        detail = (
            f"you have worked for {care.break_after_minutes:g} minutes without a pause: take a break of "
            f"{care.break_minutes:g} minutes; the tasks wait for you"
        )
    else:
        detail = (
            f"you have worked {care.active_hours_per_day:g} hours within 24: that is enough for a day; the "
            "tasks will be here when you have rested"
        )
    return ApiError(403, rest.reason, detail, {"Retry-After": str(seconds)})


class Exposure:
    """Who is shown distressing items, and how many of them."""

    def __init__(self, store: ConsentStore, in_force: InForce) -> None:
        self._store = store
        self._in_force = in_force
        self._known: dict[tuple[str, str], tuple[bool, float]] = {}

    async def allowed(self, by: Principal, version: Version) -> bool:
        """Return whether somebody may be given distressing items: they would see them, and have not been
        shown enough in the last 24 hours."""
        key, now = (by.name, version.spec.project), time.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[1]:
            return known[0]
        into = self._known
        state = await self.state(by.name, version)
        allowed = state.consent is True and state.shown < state.most
        if len(into) >= _MOST_REMEMBERED:
            into.clear()
        into[key] = (allowed, now + _REMEMBERED_SECONDS)
        return allowed

    async def state(self, reviewer: str, version: Version) -> Shown:
        """Return what somebody said, and how many distressing items they were shown."""
        consent = await self._store.consent(reviewer, version.spec.project)
        care = version.spec.review.care
        return Shown(bool(care.sensitive), consent, await self._store.shown(reviewer), care.sensitive_per_day)

    async def waiting(self, reviewer: str, project: str) -> bool:
        """Return whether distressing items wait that somebody could be given if they would see them."""
        return await self._store.waiting(reviewer, project)

    async def set_consent(self, reviewer: str, project: str, *, given: bool) -> int:
        """Store what somebody said; return how many tasks they gave back by it."""
        await self._in_force.get(project)
        given_back = await self._store.set_consent(reviewer, project, given=given)
        self._forget(reviewer, project)
        return given_back

    async def may_ask(self, reviewer: str, project: str) -> bool:
        """Return whether to ask somebody now; that counts as asked."""
        care = (await self._in_force.get(project)).spec.review.care
        return bool(care.sensitive) and await self._store.may_ask(reviewer, project)

    async def reveal(self, by: Principal, task_id: int, fence: int) -> Revealed:
        """Return the text of a distressing task in hand, and count it as shown. Once enough were shown, what
        they hold besides goes to others.

        Raises:
            ApiError: 403 `consent_needed` or `sensitive_full`; 404; 409 `lease_lost`.
        """
        project = await self._store.project_of(task_id)
        if project is None or not by.may({"reviewer"}, project):
            raise ApiError(404, "unknown_task", f"there is no task {task_id}, or it is needless by now")
        reviewer = by.name
        most = (await self._in_force.get(project)).spec.review.care.sensitive_per_day
        if await self._store.consent(reviewer, project) is not True:
            raise ApiError(403, "consent_needed", "you have not said that you would see distressing items")
        revealed = await self._store.reveal(reviewer, task_id, fence, most)
        if revealed is None:
            raise ApiError(409, "lease_lost", "the lease on this task has ended, or it is somebody else's")
        if revealed.shown >= most:
            self._forget(reviewer, project)
        if revealed.content is None:
            detail = (
                f"you have seen {most} distressing items within 24 hours: leave this one to somebody else"
            )
            raise ApiError(403, "sensitive_full", detail)
        return revealed

    def _forget(self, reviewer: str, project: str) -> None:
        """Ask again; what is being asked now is not remembered: it may be older."""
        self._known = {key: known for key, known in self._known.items() if key != (reviewer, project)}
