"""One item at work: what was asked about it and what has come back."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from aiokafka import ConsumerRecord
from labelmill.errors import InvalidRecord
from labelmill.events import ItemIngested, Vote
from labelmill.projects import Example

from autolabeler.plan import LlmVoter, Plan
from autolabeler.pooling import Paid, event_id, llm_vote, payer
from autolabeler.prompt import encode_text
from autolabeler.voters import Question
from autolabeler.window import Lane


class Wanted(NamedTuple):
    """A question, and where its answer belongs: the number of the voter and of its call."""

    question: Question
    voter: int
    turn: int


class Job:
    """An item, its plan, and the votes so far.

    `on_done` hears when the last answer, or a failure, is in; `on_tier` when all are in that were asked for,
    but dearer voters are left.
    """

    __slots__ = (
        "_answers",
        "_on_done",
        "_on_tier",
        "content_hash",
        "event_id",
        "failure",
        "item",
        "lane",
        "missing",
        "over_budget",
        "payer",
        "plan",
        "record",
        "shots",
        "suspicious",
        "tier",
        "votes",
    )

    def __init__(
        self,
        record: ConsumerRecord,
        item: ItemIngested,
        plan: Plan,
        lane: Lane,
        *,
        on_done: Callable[["Job"], None],
        on_tier: Callable[["Job"], None],
    ) -> None:
        self.record = record
        self.item = item
        self.plan = plan
        self.lane = lane
        self.content_hash = item.content_hash
        self.event_id = event_id(item, self.content_hash, plan)
        self.payer = payer(item, self.content_hash)
        self.votes: list[Vote] = []
        """Those of functions and of the student."""
        self.shots: tuple[Example, ...] = ()
        """Decided items near this one, the nearest first."""
        self.suspicious = False
        self.tier = 0
        """How many tiers of LLM voters were asked."""
        self.missing = 0
        self.over_budget = False
        """A voter was not asked because the day's budget is spent."""
        self.failure: InvalidRecord | None = None
        self._answers: dict[int, list[Paid | None]] = {}
        self._on_done = on_done
        self._on_tier = on_tier

    def questions(self, voters: Sequence[int]) -> list[Wanted]:
        """Return what LLM voters are to be asked; each answer is to be given back by `take`."""
        text = encode_text(self.item.content)
        wanted = []
        for number in voters:
            voter = self.plan.llm[number]
            examples = self.shots[: voter.similar][::-1] if self.shots else ()
            for turn, template in enumerate(voter.templates):
                wanted.append(Wanted(template.question(text, examples), number, turn))
            self._answers[number] = [None] * len(voter.templates)
        self.missing = len(wanted)
        self.tier += 1
        return wanted

    def take(self, voter: int, turn: int, paid: Paid) -> None:
        """Take an answer; the last one completes the job, or its present tier."""
        self._answers[voter][turn] = paid
        self._one_less()

    def do_without(self) -> None:
        """Note that a question is not asked, for want of money: its voter has no vote."""
        self.over_budget = True
        self._one_less()

    def _one_less(self) -> None:
        self.missing -= 1
        if self.missing == 0 and self.failure is None:
            if self.tier < len(self.plan.tiers):
                self._on_tier(self)
            else:
                self._on_done(self)

    def done(self) -> None:
        """End the job with the votes it has."""
        self._on_done(self)

    def fail(self, error: InvalidRecord) -> None:
        """End the job: the item cannot be labelled. Only the first failure counts."""
        if self.failure is None:
            self.failure = error
            self._on_done(self)

    def all_votes(self) -> list[Vote]:
        """Return the votes: those of functions, the student's, then the LLMs' in the project's order."""
        votes = [self._vote(self.plan.llm[number], self._answers[number]) for number in sorted(self._answers)]
        return [*self.votes, *(vote for vote in votes if vote is not None)]

    def _vote(self, voter: LlmVoter, answers: list[Paid | None]) -> Vote | None:
        paid = [answer for answer in answers if answer is not None]
        return llm_vote(voter, self.plan.labels, paid) if len(paid) == len(answers) else None


class Place:
    """Where a call's answer goes: one question of one job."""

    __slots__ = ("_job", "_turn", "_voter")

    def __init__(self, job: Job, voter: int, turn: int) -> None:
        self._job = job
        self._voter = voter
        self._turn = turn

    @property
    def payer(self) -> bytes:
        return self._job.payer

    @property
    def live(self) -> bool:
        return self._job.lane.live and self._job.failure is None

    def take(self, result: Paid | InvalidRecord | None) -> None:
        if isinstance(result, InvalidRecord):
            self._job.fail(result)
        elif result is None:
            self._job.do_without()
        else:
            self._job.take(self._voter, self._turn, result)
