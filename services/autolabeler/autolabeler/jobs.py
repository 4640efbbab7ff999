"""One item at work: what was asked about it and what has come back."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from aiokafka import ConsumerRecord
from labelmill.errors import InvalidRecord
from labelmill.events import ItemIngested, Vote
from labelmill.projects import Example

from autolabeler.batching import Unanswered
from autolabeler.plan import LlmVoter, Plan
from autolabeler.pooling import Paid, event_id, llm_vote, payer, with_cost_of
from autolabeler.prompt import encode_text
from autolabeler.voters import Question
from autolabeler.window import Lane

_NOBODY: Final[frozenset[str]] = frozenset()


class Wanted(NamedTuple):
    """A question, and where its answer belongs: the number of the voter and of its call.

    Of a second look (`Job.second_look`) it is the complement of the voter's number.
    """

    question: Question
    voter: int
    turn: int


class Job:
    """An item, its plan, and the votes so far.

    `on_done` hears when the last answer, or a failure, is in; `on_tier` when all are in that were asked for,
    but there may be more to ask; `on_parked` when the item comes back later, by another record. `unanswered`
    are the questions of which a batch has shown that they have no answer.
    """

    __slots__ = (
        "_again",
        "_answers",
        "_named",
        "_on_done",
        "_on_parked",
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
        "unanswered",
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
        on_parked: Callable[["Job"], None],
        unanswered: Unanswered,
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
        """The text seems to speak to the LLM."""
        self.tier = 0
        """How many tiers of LLM voters were asked."""
        self.missing = 0
        self.over_budget = False
        """A voter was not asked because the day's budget is spent."""
        self.failure: InvalidRecord | None = None
        self.unanswered = unanswered
        self._answers: dict[int, list[Paid | None]] = {}
        self._again: dict[int, list[Paid | None]] = {}
        self._named: frozenset[str] | None = frozenset()
        self._on_done = on_done
        self._on_tier = on_tier
        self._on_parked = on_parked

    def questions(self, voters: Sequence[int]) -> list[Wanted]:
        """Return what LLM voters are to be asked; each answer is to be given back by `take`."""
        if self.tier == 0 and self.plan.suspicion is not None:
            self.suspicious, self._named = self.plan.suspicion.signs(self.item.content)
        text = encode_text(self.item.content)
        wanted = []
        for number in voters:
            templates = self.plan.llm[number].templates
            wanted += self._filled(number, number, text)
            self._answers[number] = [None] * len(templates)
        self.missing = len(wanted)
        self.tier += 1
        return wanted

    def doubtful(self) -> list[int]:
        """Return the LLM voters whose label the text names itself, and who were not asked again without that.

        Whether they label the text or do what it says is told by a second look. Where the text is suspicious
        anyway there is nothing more to be told.
        """
        if self.suspicious or self._named == _NOBODY:
            return []
        return [
            number
            for number, answers in self._answers.items()
            if number not in self._again and self._names_label_of(number, answers)
        ]

    def second_look(self, voters: Sequence[int]) -> list[Wanted]:
        """Return the questions to voters about the text without the options that it names."""
        assert self.plan.suspicion is not None
        text = encode_text(self.plan.suspicion.masked(self.item.content))
        wanted = []
        for number in voters:
            wanted += self._filled(number, ~number, text)
            self._again[number] = [None] * len(self.plan.llm[number].templates)
        self.missing = len(wanted)
        return wanted

    def take(self, voter: int, turn: int, paid: Paid) -> None:
        """Take an answer; the last one completes the job, or what was asked so far."""
        if voter >= 0:
            self._answers[voter][turn] = paid
        else:
            self._again[~voter][turn] = paid
            self._compare(~voter)
        self._one_less()

    def do_without(self, voter: int) -> None:
        """Note that a question is not asked, for want of money: its voter has no vote."""
        self.over_budget = True
        if voter < 0:
            self.suspicious = True
        self._one_less()

    def _filled(self, number: int, place: int, text: bytes) -> list[Wanted]:
        voter = self.plan.llm[number]
        examples = self.shots[: voter.similar][::-1] if self.shots else ()
        return [
            Wanted(template.question(text, examples), place, turn)
            for turn, template in enumerate(voter.templates)
        ]

    def _names_label_of(self, number: int, answers: list[Paid | None]) -> bool:
        vote = self._vote(number, answers)
        return vote is not None and (self._named is None or vote.label in self._named)

    def _compare(self, number: int) -> None:
        """Mark the item if a voter says something else once the text no longer names an option."""
        first = self._vote(number, self._answers[number])
        again = self._vote(number, self._again[number])
        if first is not None and again is not None and first.label != again.label:
            self.suspicious = True

    def _one_less(self) -> None:
        self.missing -= 1
        if self.missing == 0 and self.failure is None:
            if self.tier < len(self.plan.tiers) or self._named != _NOBODY:
                self._on_tier(self)
            else:
                self._on_done(self)

    def done(self) -> None:
        """End the job with the votes it has."""
        self._on_done(self)

    def park(self) -> None:
        """End the job without an outcome: the item is kept, and comes back by another record."""
        self._on_parked(self)

    def voter_of(self, wanted: Wanted) -> LlmVoter:
        """Return the voter that a question is for."""
        return self.plan.llm[wanted.voter if wanted.voter >= 0 else ~wanted.voter]

    def fail(self, voter: int, error: InvalidRecord) -> None:
        """End the job: the item cannot be labelled. Only the first failure counts, and none of a second look:
        a text that says nothing without an option's name is for people."""
        if voter < 0:
            self.suspicious = True
            self._one_less()
        elif self.failure is None:
            self.failure = error
            self._on_done(self)

    def all_votes(self) -> list[Vote]:
        """Return the votes: those of functions, the student's, then the LLMs' in the project's order."""
        votes = []
        for number in sorted(self._answers):
            vote = self._vote(number, self._answers[number])
            again = self._vote(number, self._again[number]) if number in self._again else None
            if vote is not None:
                votes.append(vote if again is None else with_cost_of(vote, again))
        return [*self.votes, *votes]

    def _vote(self, number: int, answers: list[Paid | None]) -> Vote | None:
        paid = [answer for answer in answers if answer is not None]
        complete = len(paid) == len(answers)
        return llm_vote(self.plan.llm[number], self.plan.labels, paid) if complete else None


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
            self._job.fail(self._voter, result)
        elif result is None:
            self._job.do_without(self._voter)
        else:
            self._job.take(self._voter, self._turn, result)
