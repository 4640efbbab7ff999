"""Getting the votes on a batch of items: functions first, then the student, then LLMs by price, from the
cache or anew."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, NamedTuple

from labelmill.runtime.metrics import Metrics

from autolabeler.calls import Calls
from autolabeler.cascade import is_sure, next_voter
from autolabeler.function_runs import Functions
from autolabeler.jobs import Job, Place, Wanted
from autolabeler.meters import Meters, VoterMeter
from autolabeler.parking import Parking
from autolabeler.pooling import Paid, student_vote
from autolabeler.store import Stored, VoteCache
from autolabeler.student import Students
from autolabeler.voters import Answer, Answerer

_CHUNK = 64
"""Texts embedded at a time: about a third of a second, so that the first do not wait for the last."""
_COLLECT_SECONDS = 0.005
"""How long jobs are collected whose next tier is to be asked: one look into the cache for all."""


class Open(NamedTuple):
    """A question whose answer is not known yet."""

    job: Job
    wanted: Wanted


class Voting:
    """Has jobs voted on. A job whose votes are all at hand is done before `vote` returns; calls to the LLM
    go on and complete theirs later."""

    def __init__(
        self,
        metrics: Metrics,
        answerer: Answerer,
        *,
        cache: VoteCache,
        calls: Calls,
        students: Students,
        functions: Functions,
        parking: Parking,
    ) -> None:
        self._metrics = metrics
        self._answerer = answerer
        self._cache = cache
        self._calls = calls
        self._students = students
        self._functions = functions
        self._parking = parking
        self._meters = Meters(metrics)
        self._begin: Callable[[Coroutine[Any, Any, None]], None] | None = None
        self._going_on: list[Job] = []

    def connect(self, begin: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Tell who runs what goes on in the background; to be called before the first vote."""
        self._begin = begin

    async def vote(self, jobs: Sequence[Job]) -> None:
        """Start (and, where possible, finish) the voting on `jobs`."""
        await self._ask_llms([job for job in jobs if job.plan.is_plain])
        for group in _by_plan(jobs):
            for first in range(0, len(group), _CHUNK):
                # The partitions of a batch may move away before its last texts are reached.
                live = [job for job in group[first : first + _CHUNK] if job.lane.live]
                if live:
                    await self._ask_llms(await self._look(await self._ask_functions(live)))

    async def _ask_functions(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Let the functions of the jobs' plan vote and return the jobs that need more."""
        plan = jobs[0].plan
        if not plan.functions:
            return jobs
        await self._functions.vote(jobs)
        return self._without_done(jobs, [plan.is_enough(job.item.item_id, job.votes) for job in jobs])

    async def _look(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Let the student of the jobs' plan vote, find examples, and return the jobs that need an LLM."""
        if not jobs or (jobs[0].plan.student is None and not jobs[0].plan.similar):
            return jobs
        plan = jobs[0].plan
        seen = await self._students.look(plan, [job.item.content for job in jobs])
        enough = []
        for job, (opinion, shots) in zip(jobs, seen, strict=True):
            job.shots = shots
            if opinion is None or plan.student is None:
                enough.append(False)
                continue
            job.votes.append(student_vote(plan.student, opinion))
            item_id = job.item.item_id
            sure = is_sure(opinion, plan.student.model.sure_at) and not plan.asks_all(item_id)
            enough.append(sure or not plan.llm or plan.is_enough(item_id, job.votes))
        return self._without_done(jobs, enough)

    def _without_done(self, jobs: Sequence[Job], enough: Sequence[bool]) -> list[Job]:
        """End the jobs that have enough votes without an LLM and return the others."""
        unsure = []
        for job, is_enough in zip(jobs, enough, strict=True):
            if is_enough:
                job.done()
            else:
                unsure.append(job)
        if len(unsure) < len(jobs):
            self._metrics.student_only.labels(jobs[0].plan.project).inc(len(jobs) - len(unsure))
        return unsure

    def llm_voters_for(self, job: Job) -> tuple[int, ...]:
        """Return the numbers of the LLM voters to be asked next about a job: here and nowhere else is it
        chosen who is paid."""
        return next_voter(job.plan.tiers, job.tier, is_enough=False) or ()

    def _questions(self, job: Job) -> list[Wanted]:
        doubtful = job.doubtful()
        return job.second_look(doubtful) if doubtful else job.questions(self.llm_voters_for(job))

    def go_on(self, job: Job) -> None:
        """Look again at answers that the text itself may have given; then ask the next tier, if that can
        change the decision."""
        is_last = job.tier >= len(job.plan.tiers)
        if not job.doubtful() and (is_last or job.plan.is_enough(job.item.item_id, job.all_votes())):
            job.done()
            return
        assert self._begin is not None, "connect the voting before the first vote"
        self._going_on.append(job)
        if len(self._going_on) == 1:
            self._begin(self._go_on())

    async def _go_on(self) -> None:
        await asyncio.sleep(_COLLECT_SECONDS)
        jobs, self._going_on = self._going_on, []
        await self._ask_llms([job for job in jobs if job.lane.live])

    async def _ask_llms(self, jobs: Sequence[Job]) -> None:
        asked = [Open(job, wanted) for job in jobs for wanted in self._questions(job)]
        for job in jobs:
            if job.missing == 0:
                job.done()
        known = await self._cache.get(list({each.wanted.question.key for each in asked}))
        # Jobs whose partition moved away meanwhile are not paid for.
        unknown = [each for each in asked if not self._is_answered(each, known) and each.job.lane.live]
        self._count_hits(asked, known)
        if self._answerer.at_once:
            await self._answer_at_once(unknown)
            return
        for job, wanted in await self._without_parked(unknown):
            meter = self._meter(job, wanted)
            self._calls.ask(wanted.question, Place(job, wanted.voter, wanted.turn), meter)

    async def _without_parked(self, unknown: Sequence[Open]) -> Sequence[Open]:
        """Park the jobs with a question for a batch and return what is to be asked now, of the others.

        Whoever else is to be asked with such a voter is asked once the item is back. A question that comes
        back without an answer ends here.
        """
        for_batches = [each for each in unknown if each.job.voter_of(each.wanted).in_batches]
        if not for_batches:
            return unknown
        parked: defaultdict[Job, list[Wanted]] = defaultdict(list)
        for job, wanted in for_batches:
            if wanted.question.key not in job.unanswered:
                parked[job].append(wanted)
        for job, wanted in for_batches:
            if job not in parked and job.failure is None:
                Place(job, wanted.voter, wanted.turn).take(job.unanswered[wanted.question.key])
        await self._parking.park(parked)
        asked = [each for each in unknown if not each.job.voter_of(each.wanted).in_batches]
        return [each for each in asked if each.job not in parked and each.job.failure is None]

    def _is_answered(self, each: Open, known: dict[bytes, Stored]) -> bool:
        job, (question, voter, turn) = each
        stored = known.get(question.key)
        if stored is None:
            return False
        job.take(voter, turn, Paid(stored.answer, stored.payer == job.payer))
        return True

    def _count_hits(self, asked: Sequence[Open], known: dict[bytes, Stored]) -> None:
        if known:
            hits = Counter(each.job.plan.project for each in asked if each.wanted.question.key in known)
            for project, count in hits.items():
                self._metrics.llm_cache_hits.labels(project).inc(count)

    async def _answer_at_once(self, unknown: Sequence[Open]) -> None:
        if not unknown:
            return
        payers = {each.wanted.question.key: each for each in reversed(unknown)}
        answers = await self._answerer.answer([each.wanted.question for each in payers.values()])
        bought = {
            key: Stored(payer.job.payer, answer)
            for (key, payer), answer in zip(payers.items(), answers, strict=True)
        }
        await self._cache.put_all(bought)
        self._count_bought(list(payers.values()), answers)
        for each in unknown:
            self._is_answered(each, bought)

    def _count_bought(self, payers: Sequence[Open], answers: Sequence[Answer]) -> None:
        by_voter: defaultdict[VoterMeter, list[Answer]] = defaultdict(list)
        for (job, wanted), answer in zip(payers, answers, strict=True):
            by_voter[self._meter(job, wanted)].append(answer)
        for meter, bought in by_voter.items():
            meter.answered_at_once(bought)

    def _meter(self, job: Job, wanted: Wanted) -> VoterMeter:
        return self._meters.of(job.plan.project, job.voter_of(wanted))


def _by_plan(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Yield the jobs that are not for the LLM alone, those of one plan together."""
    groups: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        if not job.plan.is_plain:
            groups[id(job.plan)].append(job)
    yield from groups.values()
