"""Who was at work when: read from what the database saw of people, remembered, and counted by day."""

import asyncio
import contextlib
import datetime
import time
from dataclasses import dataclass, field
from typing import Final

import structlog
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import is_passing

from review_api.care.active import Sign, Timeline, most_seconds, project_pace
from review_api.care.breaks import DAY_SECONDS
from review_api.care.pay import Workday, people_below_floor
from review_api.care.store import AttendanceStore, Counts
from review_api.errors import ApiError
from review_api.projects.in_force import InForce

log = structlog.get_logger(__name__)

_FRESH_SECONDS: Final = 5.0
_OVERLAP: Final = datetime.timedelta(seconds=10)
"""How far each reading goes back: what was begun before another thing can be seen after it."""
_COUNT_EVERY_SECONDS: Final = 60.0
_COUNTED_FOR_SECONDS: Final = 1800.0
"""How long somebody's days are counted again each minute after the last thing they did."""
_KEPT_SECONDS: Final = 2 * 3600.0
_INPUT_EVERY_SECONDS: Final = 10.0
"""A page holds several tasks and keeps each alive: one sign of input in so long says it all."""
_PACE_DAYS: Final = 14
_PACES_KEPT_SECONDS: Final = 3600.0
_MOST_DAYS_BACK: Final = 31
_COUNTED_TO_ITS_END: Final = datetime.timedelta(days=1, minutes=5)
"""After the begin of a day: by then all that was seen on it is in the database."""

_Paces = tuple[dict[str, float], float | None]


@dataclass
class _Person:
    since: datetime.datetime
    """The first moment that is not counted for good."""
    read_to: datetime.datetime
    recent: set[tuple[datetime.datetime, Sign]] = field(default_factory=set)
    """What was seen last, as far back as the next reading goes."""
    timeline: Timeline = field(default_factory=Timeline)
    worked: dict[tuple[str, datetime.date], float] = field(default_factory=dict)
    read_at: float = float("-inf")
    touched_at: float = float("-inf")
    input_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Attendance:
    """People's times at work; a component, which counts their days while it runs.

    The database holds what was seen, so any number of processes come to the same result. Each reads what is
    new of a person at most every few seconds, when it is asked about that person.
    """

    def __init__(
        self, store: AttendanceStore, in_force: InForce, metrics: Metrics, most_seconds_per_piece: float
    ) -> None:
        self._store = store
        self._in_force = in_force
        self._metrics = metrics
        self._most = most_seconds_per_piece
        self._people: dict[str, _Person] = {}
        self._paces: dict[str, tuple[_Paces, float]] = {}
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._counting = asyncio.create_task(self._count_for_ever())

    async def stop(self) -> None:
        if self._counting is not None:
            self._counting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._counting

    async def timeline(self, reviewer: str) -> Timeline:
        """Return when somebody was at work since yesterday at least, up to some seconds ago."""
        person = await self._person(reviewer)
        person.touched_at = time.monotonic()
        return person.timeline

    async def seen(self, reviewer: str) -> None:
        """Note that the page had input from somebody."""
        person = await self._person(reviewer)
        now = person.touched_at = time.monotonic()
        if now - person.input_at >= _INPUT_EVERY_SECONDS:
            person.input_at = now
            await self._store.add_sign(reviewer, "input", "")

    async def skipped(self, reviewer: str, task_id: int) -> None:
        """Note that somebody gave a task back."""
        await self._store.add_skip(reviewer, task_id)

    async def count(self, reviewer: str) -> None:
        """Count somebody's open days anew."""
        person = await self._person(reviewer)
        async with person.lock:
            counts = {(one.project, one.day): one for one in await self._store.counts(reviewer, person.since)}
            days = [
                (day, counts[key].pace if key in counts else None)
                for key in sorted({*counts, *person.worked})
                if (day := await self._workday(reviewer, key, person.worked.get(key, 0.0), counts.get(key)))
            ]
            await self._store.put_days(days)
            person.since = max(person.since, _yesterday())
            person.worked = {
                key: seconds for key, seconds in person.worked.items() if key[1] >= person.since.date()
            }

    async def _workday(
        self, reviewer: str, key: tuple[str, datetime.date], active: float, counts: Counts | None
    ) -> Workday | None:
        project, day = key
        try:
            spec = (await self._in_force.get(project)).spec
        except ApiError:
            return None  # the project is no more
        did = counts or Counts(project, day, 0, 0, 0, 0, None)
        pay = spec.review.pay
        return Workday(
            reviewer, day, project, did.decisions, did.checks, did.skips, did.reveals, active,
            spec.usd_per_hour, pay.usd_per_decision, pay.floor_usd_per_hour,
        )  # fmt: skip

    async def _person(self, reviewer: str) -> _Person:
        """Return somebody, with what was seen of them up to some seconds ago."""
        person = self._people.get(reviewer)
        if person is not None and time.monotonic() - person.read_at < _FRESH_SECONDS:
            return person
        if person is None:
            since = await self._open_since(reviewer)
            # Somebody else may have come first meanwhile.
            person = self._people.setdefault(reviewer, _Person(since, since))
        async with person.lock:
            if time.monotonic() - person.read_at >= _FRESH_SECONDS:
                await self._read_on(reviewer, person)
        return person

    async def _open_since(self, reviewer: str) -> datetime.datetime:
        """Return the begin of the first day that is not counted to its end. What was counted later than that
        stays: its signs may be gone by now, and it is paid on the terms of then."""
        counted = await self._store.last_counted(reviewer)
        yesterday = _yesterday()
        if counted is None:
            return yesterday
        begin = _midnight(counted[0])
        if counted[1] - begin >= _COUNTED_TO_ITS_END:
            begin += datetime.timedelta(days=1)
        return max(yesterday - datetime.timedelta(days=_MOST_DAYS_BACK), min(yesterday, begin))

    async def _read_on(self, reviewer: str, person: _Person) -> None:
        """Read what is new. What comes to light late belongs between what was added up already, so that all
        that is not counted for good is added up again then."""
        if not await self._read_new(reviewer, person):
            person.timeline, person.worked, person.recent = Timeline(), {}, set()
            person.read_to = person.since
            await self._read_new(reviewer, person)
        person.timeline.forget(time.time() - 2 * DAY_SECONDS)
        person.read_at = time.monotonic()

    async def _read_new(self, reviewer: str, person: _Person) -> bool:
        """Add up what was seen of somebody since; False if something older than that has come to light."""
        after = max(person.since, person.read_to - _OVERLAP)
        async for part in self._store.signs(reviewer, after):
            known = {one for one in part if one[0] <= person.read_to}
            if not known <= person.recent:
                return False
            new = [one for one in part if one not in known]
            paces = {project: await self._pace(project) for project in {sign.project for _, sign in new}}
            for moment, sign in new:
                people, usual = paces[sign.project]
                most = most_seconds(people.get(reviewer), usual, self._most)
                worked = person.timeline.add(sign, most)
                if sign.kind != "input":
                    key = (sign.project, _day(sign))
                    person.worked[key] = person.worked.get(key, 0.0) + worked
                person.read_to = moment
            person.recent.update(new)
        person.recent = {one for one in person.recent if one[0] > person.read_to - _OVERLAP}
        return True

    async def _pace(self, project: str) -> _Paces:
        known = self._paces.get(project)
        now = time.monotonic()
        if known is not None and now < known[1]:
            return known[0]
        since = _today() - datetime.timedelta(days=_PACE_DAYS)
        people = await self._store.paces(project, since)
        paces = (people, project_pace(people.values()))
        self._paces[project] = (paces, now + _PACES_KEPT_SECONDS)
        return paces

    async def _count_for_ever(self) -> None:
        everybody = True
        while True:
            try:
                await self._count_people(await self._store.people() if everybody else self._at_work())
                everybody = False
            except Exception as error:
                log.warning("cannot count people's days", error=repr(error), passing=is_passing(error))
            await asyncio.sleep(_COUNT_EVERY_SECONDS)

    async def _count_people(self, people: list[str]) -> None:
        for reviewer in people:
            await self.count(reviewer)
            if reviewer not in self._at_work():
                await self._store.forget_signs(reviewer)
        now = time.monotonic()
        self._people = {
            name: person for name, person in self._people.items() if now - person.touched_at < _KEPT_SECONDS
        }
        days = await self._store.days_since(_yesterday().date())
        for project, number in people_below_floor(days).items():
            self._metrics.below_floor.labels(project).set(number)

    def _at_work(self) -> list[str]:
        now = time.monotonic()
        return [
            name for name, person in self._people.items() if now - person.touched_at < _COUNTED_FOR_SECONDS
        ]


def _day(sign: Sign) -> datetime.date:
    return datetime.datetime.fromtimestamp(sign.at, datetime.UTC).date()


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def _yesterday() -> datetime.datetime:
    return _midnight(_today() - datetime.timedelta(days=1))
