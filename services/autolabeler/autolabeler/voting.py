"""Getting the votes on a batch of items: the student first, then the cache, then the LLM."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from labelmill.runtime.metrics import Metrics

from autolabeler.calls import Calls
from autolabeler.cascade import is_enough
from autolabeler.jobs import Job, Place, Wanted
from autolabeler.meters import Meters, VoterMeter
from autolabeler.pooling import Paid, student_vote
from autolabeler.store import Stored, VoteCache
from autolabeler.student import Students
from autolabeler.voters import Answer, Answerer

_STUDENT_TEXTS = 64
"""Texts embedded at a time: about a third of a second, so that the first do not wait for the last."""


class Open(NamedTuple):
    """A question whose answer is not known yet."""

    job: Job
    wanted: Wanted


class Voting:
    """Has jobs voted on. A job whose votes are all at hand is done before `vote` returns; calls to the LLM
    go on and complete theirs later."""

    def __init__(
        self, metrics: Metrics, answerer: Answerer, cache: VoteCache, calls: Calls, students: Students
    ) -> None:
        self._metrics = metrics
        self._answerer = answerer
        self._cache = cache
        self._calls = calls
        self._students = students
        self._meters = Meters(metrics)

    async def vote(self, jobs: Sequence[Job]) -> None:
        """Start (and, where possible, finish) the voting on `jobs`."""
        without = [job for job in jobs if job.plan.student is None]
        await self._ask_llms(without)
        for group in _by_plan(jobs):
            for first in range(0, len(group), _STUDENT_TEXTS):
                # The partitions of a batch may move away before its last texts are reached.
                live = [job for job in group[first : first + _STUDENT_TEXTS] if job.lane.live]
                if live:
                    await self._ask_llms(await self._ask_student(live))

    async def _ask_student(self, jobs: Sequence[Job]) -> list[Job]:
        """Let the student of the jobs' plan vote and return the jobs that need the LLM as well."""
        plan = jobs[0].plan
        assert plan.student is not None
        texts = [job.item.content for job in jobs]
        opinions = await self._students.opinions(plan.student, plan.labels, texts)
        if opinions is None:
            return list(jobs)
        unsure = []
        for job, opinion in zip(jobs, opinions, strict=True):
            job.votes.append(student_vote(plan.student, opinion))
            if is_enough(opinion, plan.student.model.sure_at, has_llm=bool(plan.llm)):
                job.done()
            else:
                unsure.append(job)
        self._metrics.student_only.labels(plan.project).inc(len(jobs) - len(unsure))
        return unsure

    async def _ask_llms(self, jobs: Sequence[Job]) -> None:
        asked = [Open(job, wanted) for job in jobs for wanted in job.questions()]
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
        for job, wanted in unknown:
            meter = self._meter(job, wanted)
            self._calls.ask(wanted.question, Place(job, wanted.voter, wanted.turn), meter)

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
        return self._meters.of(job.plan.project, job.plan.llm[wanted.voter])


def _by_plan(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Yield the jobs that have a student, those of one plan together."""
    groups: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.plan.student is not None:
            groups[id(job.plan)].append(job)
    yield from groups.values()
