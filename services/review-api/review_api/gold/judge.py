"""Judges people by their answers to gold, beside the requests: how long a request takes tells nothing."""

import asyncio
import time
from dataclasses import replace
from typing import Final

import structlog
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.postgres import Database
from labelmill.runtime.retry import outages
from labelmill.runtime.tasks import break_off, supervised

from review_api.gold import sql
from review_api.gold.choosing import left_to_train
from review_api.gold.judging import Fall, judged, qualifies
from review_api.gold.pauses import PauseGate, PauseStore
from review_api.gold.people import People
from review_api.gold.records import Cause, Record
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.tasks.rereviews import Rereviews
from review_api.tasks.skills import SkillStore

log = structlog.get_logger(__name__)

_EVERY_SECONDS: Final = 5.0
_MARGIN_SECONDS: Final = 2.0
_AFTER_SECONDS: Final = 0.5


class Judge:
    """Pauses people, grants and takes skills, and has the work of paused people done again; a component.

    A judgement that a crash cuts off follows the person's next answer; the reviews that a pause asks for are
    remembered in the database.
    """

    def __init__(
        self,
        database: Database,
        *,
        people: People,
        gate: PauseGate,
        pauses: PauseStore,
        skills: SkillStore,
        rereviews: Rereviews,
        in_force: InForce,
        metrics: Metrics,
        health: Health,
        undo_seconds: float,
    ) -> None:
        self._database = database
        self._people = people
        self._gate = gate
        self._pauses = pauses
        self._skills = skills
        self._rereviews = rereviews
        self._in_force = in_force
        self._metrics = metrics
        self._health = health
        self._wait_seconds = undo_seconds + _MARGIN_SECONDS
        self._heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._waiting: dict[tuple[str, str], asyncio.TimerHandle] = {}
        """When people are judged again, by project and name."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [supervised(work, self._health) for work in (self._listen(), self._look())]

    async def stop(self) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()
        await break_off(*self._tasks)

    def hear(self, project: str, reviewer: str) -> None:
        """Judge somebody soon: they answered a check, or an answer of theirs has become final."""
        self._heard.put_nowait((project, reviewer))

    async def judge(self, project: str, reviewer: str) -> None:
        """Judge somebody now, by what can no longer be undone, and again once more of it is so."""
        # What was remembered would stand until the person's next answer.
        version = await self._in_force.get(project, afresh=True)
        record, now = await self._people.record(project, reviewer, afresh=True), int(time.time() * 1000)
        final = record.final(now)
        await self._judge_work(version, reviewer, final)
        await self._judge_training(version, reviewer, record)
        for skill in version.spec.review.skills:
            await self._judge_skill(version, reviewer, final, skill.name, skill.gold_needed)
        self._judge_later(project, reviewer, record.changes_until(now), now)

    def _judge_later(self, project: str, reviewer: str, at: int | None, now: int) -> None:
        """Hear of somebody again at a point in time (Unix milliseconds), and only then."""
        key = project, reviewer
        if (waiting := self._waiting.pop(key, None)) is not None:
            waiting.cancel()
        if at is not None:
            seconds = (at - now) / 1000 + _AFTER_SECONDS
            self._waiting[key] = asyncio.get_running_loop().call_later(seconds, self.hear, *key)

    async def _judge_work(self, version: Version, reviewer: str, record: Record) -> None:
        gold = version.spec.review.gold
        fall = judged(record.judged, gold.bar, gold.min_answers)
        if fall is not None:
            # What came before the last pause was looked at then.
            fall = replace(fall, since=max(fall.since, record.lifted_at))
            await self._pause(version.spec.project, reviewer, "accuracy", fall)

    async def _judge_training(self, version: Version, reviewer: str, record: Record) -> None:
        project, gold = version.spec.project, version.spec.review.gold
        left = left_to_train(await self._people.gold(project), record, version.spec)
        if record.stage(gold, left=left) == "failed":
            answers = record.answers
            right = sum(answer.right for answer in answers)
            await self._pause(project, reviewer, "training", Fall(right, len(answers), 0))

    async def _judge_skill(
        self, version: Version, reviewer: str, record: Record, skill: str, needed: int
    ) -> None:
        project, gold = version.spec.project, version.spec.review.gold
        granted = await self._database.pool.fetchrow(sql.SKILL, project, reviewer, skill)
        answers = record.of_skill(skill)
        if granted is None:
            if qualifies(answers, needed, gold.bar):
                await self._skills.qualify(project, reviewer, skill)
                log.info("gold granted a skill", project=project, skill=skill)
        elif granted["source"] == "gold":
            since = [one for one in answers if one.decided_at > granted["granted_at"]]
            if judged(since, gold.bar, needed) is not None:
                await self._database.pool.execute(sql.TAKE_SKILL, project, reviewer, skill)
                self._people.forget(project, reviewer)
                log.info("gold took a skill away", project=project, skill=skill)

    async def _pause(self, project: str, reviewer: str, cause: Cause, fall: Fall) -> None:
        if await self._pauses.pause(project, reviewer, cause, fall):
            self._metrics.pauses.labels(project, cause).inc()
            log.warning("a reviewer is paused", project=project, cause=cause, answers=fall.answers)
        self._gate.forget(project)
        self._people.forget(project, reviewer)

    async def _listen(self) -> None:
        while True:
            project, reviewer = await self._heard.get()
            async for attempt in outages():
                with attempt:
                    await self.judge(project, reviewer)

    async def _look(self) -> None:
        """Open what paused people decided again, and count who is paused."""
        while True:
            async for attempt in outages():
                with attempt:
                    while (
                        opened := await self._pauses.reopen(self._rereviews, self._wait_seconds)
                    ) is not None:
                        project, count = opened
                        self._metrics.rereviews.labels(project, "opened").inc(count)
                        log.info("work of a paused reviewer is reviewed again", project=project, tasks=count)
                    for project, paused in (await self._pauses.counts()).items():
                        self._metrics.paused_reviewers.labels(project).set(paused)
            await asyncio.sleep(_EVERY_SECONDS)
