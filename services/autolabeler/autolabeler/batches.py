"""Sending questions in batches and bringing their items back; a component of the service.

Everything that is waited for is in the database, so any process takes the next step, and none remembers
anything: a batch is made of questions that wait, taken on step by step while its row is held, and items
whose questions are all settled go to their topic again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Final

import structlog
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import is_passing
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import ITEMS

from autolabeler import batching
from autolabeler.batch_api import BatchProvider
from autolabeler.batch_store import BatchStore, Days, Gathered, Held
from autolabeler.batching import (
    Allotment,
    Batch,
    BatchQuestion,
    Funds,
    Outcome,
    RemoteBatch,
    Step,
    wait_seconds,
)
from autolabeler.budget import cap_of, day_of, usd
from autolabeler.budgets import Projects
from autolabeler.meters import VoterMeter
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Misconfigured, NoAnswer, Refused

log = structlog.get_logger(__name__)

_TICK_SECONDS: Final = 1.0
_SHOW_SECONDS: Final = 5.0
_MOST_IN_A_ROUND: Final = 500
"""Items that are published again in one transaction."""


class _Voter:
    """A voter as its questions remember it, for the counters."""

    def __init__(self, each: BatchQuestion) -> None:
        self.name = each.voter
        self.prices = each.prices


class Batches:
    """Gathers, sends, reads, and brings back."""

    def __init__(
        self,
        context: Context,
        settings: AutolabelerSettings,
        *,
        store: BatchStore,
        provider: BatchProvider,
        publisher: Publisher,
        projects: Projects,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives Unix time, which decides whose day pays a batch."""
        self._context = context
        self._settings = settings
        self._store = store
        self._provider = provider
        self._publisher = publisher
        self._projects = projects
        self._clock = clock
        self._short: dict[tuple[str, str], date] = {}
        """Voters without money, and on which day: for the gauge, which must fall with the day."""
        self._working: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        tick = min(_TICK_SECONDS, self._settings.batch_poll_seconds)
        turns = ((self.gather, tick), (self.step, tick), (self.bring_back, tick), (self._show, _SHOW_SECONDS))
        self._working = [
            supervised(self._again_and_again(turn, seconds), self._context.health) for turn, seconds in turns
        ]

    async def stop(self) -> None:
        """Break off whatever is going on: the next process finds what was made."""
        await break_off(*self._working)

    async def _again_and_again(self, turn: Callable[[], Awaitable[bool]], seconds: float) -> None:
        while True:
            try:
                more = await turn()
            except Exception as error:
                if not is_passing(error):
                    raise
                log.warning("batches wait for the database", error=repr(error))
                self._context.health.waiting()
                more = False
            if not more:
                await asyncio.sleep(seconds)

    async def gather(self) -> bool:
        """Make batches of the questions that have waited long enough, or are many enough."""
        settings = self._settings
        made = False
        for model in await self._store.due(settings.batch_requests, settings.batch_seconds):
            gathered = await self._store.gather(
                model, settings.batch_requests, day_of(self._clock()), self._allot, settings.batch_seconds
            )
            self._tell_short(model, gathered)
            if gathered.asked:
                log.info("batch made", model=model, requests=len(gathered.asked))
                made = True
        return made

    def _tell_short(self, model: str, gathered: Gathered) -> None:
        """Count and log what the day's budgets do not pay."""
        metrics = self._context.metrics
        for each in gathered.refused:
            metrics.budget_refused.labels(each.project, each.voter).inc()
        short = {(each.project, each.voter) for each in (*gathered.waiting, *gathered.refused)}
        for project, voter in {(each.project, each.voter) for each in gathered.asked} | short:
            metrics.budget_exhausted.labels(project, voter).set((project, voter) in short)
        self._short |= dict.fromkeys(short, day_of(self._clock()))
        if short:
            log.warning(
                "a batch leaves questions out that the day's budget does not pay",
                model=model,
                waiting=len(gathered.waiting),
                refused=len(gathered.refused),
                voters=sorted(f"{project}/{voter}" for project, voter in short),
            )

    def _allot(self, questions: Sequence[BatchQuestion], days: Days) -> Allotment:
        funds: dict[tuple[str, str], Funds] = {}
        metrics = self._context.metrics
        for project, voter in {(each.project, each.voter) for each in questions}:
            published = self._projects.get(project)
            cap = cap_of(published.spec, voter) if published is not None else None
            if published is None or cap is None:
                continue
            spent, reserved = days[project]
            funds[project, voter] = Funds(cap, published.spec.budget.when_spent == "park", spent, reserved)
            metrics.budget_cap.labels(project).set(published.spec.budget.usd_per_day or 0.0)
            metrics.budget_used.labels(project).set(usd(spent + reserved))
        return batching.allot(questions, funds)

    async def step(self) -> bool:
        """Take the next step of the batch that is due, if there is one."""
        async with self._store.next_batch() as held:
            if held is None:
                return False
            try:
                done = await self._step(held)
            except Refused as problem:
                done = await self._refused(held, problem)
            except NoAnswer as problem:
                await self._put_off(held, problem)
                return True
        if done is not None:
            await self._provider.remove(held.batch.file_id, done.output_file, done.error_file)
        return True

    async def _step(self, held: Held) -> RemoteBatch | None:
        """Return the provider's batch if this was its last step."""
        batch, provider = held.batch, self._provider
        if batch.step is Step.UPLOAD:
            file_id = await provider.find_file(batch.file_name)
            if file_id is None:
                content = await asyncio.to_thread(batching.requests_file, await held.questions())
                file_id = await provider.upload(batch.file_name, content)
            await held.note(batch._replace(file_id=file_id, waits=0), 0.0)
            return None
        if batch.step is Step.CREATE:
            remote = await provider.find_batch(batch.mark) or await provider.create(batch.file_id, batch.mark)
            await held.note(batch._replace(remote_id=remote.id, waits=0), self._settings.batch_poll_seconds)
            log.info("batch created", model=batch.model, batch=remote.id, mark=batch.mark)
            return None
        remote = await provider.batch(batch.remote_id)
        if not remote.is_ended:
            await self._wait(held)
            return None
        await self._read(held, remote)
        return remote

    async def _read(self, held: Held, remote: RemoteBatch) -> None:
        questions = await held.questions()
        content = await self._provider.content(remote)
        outcomes = await asyncio.to_thread(
            batching.outcomes,
            questions,
            remote,
            content,
            floor=self._settings.llm_min_option_mass,
            most_tries=self._settings.batch_tries,
        )
        await held.end(questions, outcomes)
        self._count(questions, outcomes)
        self._ended(held.batch, remote.status, remote.problem, outcomes)

    async def _refused(self, held: Held, problem: NoAnswer) -> RemoteBatch:
        """End a batch that the provider will not have: its questions are put into others."""
        questions = await held.questions()
        outcomes = batching.outcomes_of_refusal(questions, problem, self._settings.batch_tries)
        await held.end(questions, outcomes)
        self._ended(held.batch, "refused", str(problem), outcomes)
        return RemoteBatch("", "refused")

    async def _put_off(self, held: Held, problem: NoAnswer) -> None:
        say = log.error if isinstance(problem, Misconfigured) else log.warning
        say("batch held back", model=held.batch.model, step=held.batch.step, problem=str(problem))
        await self._wait(held)

    async def _wait(self, held: Held) -> None:
        waits = held.batch.waits + 1
        seconds = wait_seconds(waits, self._settings.batch_poll_seconds)
        await held.note(held.batch._replace(waits=waits), seconds)

    def _ended(self, batch: Batch, status: str, problem: str, outcomes: Mapping[bytes, Outcome]) -> None:
        answered = sum(outcome.answer is not None for outcome in outcomes.values())
        failed = sum(outcome.is_final for outcome in outcomes.values())
        self._context.metrics.batches.labels(batch.model, status).inc()
        say = log.info if answered == len(outcomes) else log.warning
        say(
            "batch ended",
            model=batch.model,
            batch=batch.remote_id,
            status=status,
            answered=answered,
            failed=failed,
            again=len(outcomes) - answered - failed,
            problem=problem,
        )

    def _count(self, questions: Sequence[BatchQuestion], outcomes: Mapping[bytes, Outcome]) -> None:
        meters: dict[tuple[str, str], VoterMeter] = {}
        for each in questions:
            meter = meters.get((each.project, each.voter))
            if meter is None:
                meter = VoterMeter(self._context.metrics, each.project, _Voter(each))
                meters[each.project, each.voter] = meter
            outcome = outcomes[each.question.key]
            if outcome.answer is not None:
                meter.answered(outcome.answer)
            elif outcome.problem is not None:
                meter.failed(outcome.problem.reason.removeprefix("llm_"))

    async def bring_back(self) -> bool:
        """Publish items again whose questions are all settled."""
        count = await self._store.send_round(self._publish, _MOST_IN_A_ROUND)
        if count:
            self._context.metrics.published.labels(ITEMS.name).inc(count)
            await self._store.sweep()
        return count > 0

    async def _publish(self, records: Sequence[OutRecord]) -> None:
        await self._publisher.publish(ITEMS.name, records)

    async def _show(self) -> bool:
        figures = await self._store.figures()
        metrics = self._context.metrics
        metrics.parked_items.set(figures.parked)
        metrics.parked_seconds.set(figures.oldest_seconds)
        metrics.batch_waiting.set(figures.waiting)
        metrics.batches_open.set(figures.batches)
        today = day_of(self._clock())
        for voter in [voter for voter, day in self._short.items() if day != today]:
            del self._short[voter]
            metrics.budget_exhausted.labels(*voter).set(0)
        return False
