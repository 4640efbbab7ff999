"""Questions in batches: what is asked, what it may cost, what came back, what an item is told of it. Pure.

The course of a batch is a state machine; every step is stored before the next one:

    UPLOAD -> CREATE -> POLL ... POLL -> its answers are read, and it is gone

A crash between a step and its record repeats the step, which looks for what it may have made already: the
batch's mark is in the file's name and in the metadata of the provider's batch.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord

from autolabeler.budget import most_cost, nano_usd, usd
from autolabeler.completion import MAX_DETAIL_CHARS, answer_in, problem_of_status
from autolabeler.voters import Answer, NoAnswer, Passing, Question, Refused, Unusable

PATH: Final = "/v1/chat/completions"
UNANSWERED: Final = "labelmill-unanswered"
"""Header of an item that comes from a batch: which of its questions have no answer, and why."""
_GROWTH: Final = 1.5
_MOST_WAITS: Final = 12
_BUSY: Final = frozenset({"token_limit_exceeded", "rate_limit_exceeded"})
"""Errors of a batch that say that others are still in the provider's queue."""
_FAILED: Final = "llm_batch_failed"

Unanswered = Mapping[bytes, InvalidRecord | None]
"""Questions that are not asked again, by their keys: why they failed, or None for want of money."""

Told = tuple[str, str, bool] | None
"""A problem's reason and detail, and whether the record is blameless."""


class Step(StrEnum):
    """What is to be done next with a batch."""

    UPLOAD = "upload"
    CREATE = "create"
    POLL = "poll"


class Batch(NamedTuple):
    """A batch and how far it has come. `mark` is what it is known by at the provider."""

    mark: str
    model: str
    file_id: str = ""
    remote_id: str = ""
    waits: int = 0

    @property
    def file_name(self) -> str:
        return f"labelmill-batch-{self.mark}.jsonl"

    @property
    def step(self) -> Step:
        if self.remote_id:
            return Step.POLL
        return Step.CREATE if self.file_id else Step.UPLOAD


class RemoteBatch(NamedTuple):
    """What the provider says of a batch. `status` `lost` is for one that it no longer knows."""

    id: str
    status: str
    output_file: str = ""
    error_file: str = ""
    code: str = ""
    problem: str = ""

    @property
    def is_ended(self) -> bool:
        return self.status in {"completed", "expired", "failed", "cancelled", "lost"}


class BatchQuestion(NamedTuple):
    """A question for a batch and who pays for it; `reserved` nano-dollars are held for it."""

    question: Question
    project: str
    voter: str
    payer: bytes
    prices: TokenPrices
    tries: int = 0
    reserved: int = 0


class Funds(NamedTuple):
    """A voter's day in nano-dollars: its cap, what is settled, and what is held in reserve."""

    cap: int
    parks: bool
    spent: int
    reserved: int


class Allotment(NamedTuple):
    """Who is asked now and with how much held; who waits for money; who is never asked, and why."""

    asked: list[tuple[BatchQuestion, int]]
    waiting: list[BatchQuestion]
    unanswered: dict[bytes, InvalidRecord | None]


class Outcome(NamedTuple):
    """What came of a question: an answer, or a problem that is final or to be tried again.

    `cost` is what it took of its budget, in nano-dollars. `counts` is false for a try that was none.
    """

    answer: Answer | None = None
    problem: InvalidRecord | None = None
    is_final: bool = False
    cost: int = 0
    counts: bool = True


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error | None = None


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


_line_decoder = msgspec.json.Decoder(_Line)
_error_decoder = msgspec.json.Decoder(_ErrorBody)
_header_decoder = msgspec.json.Decoder(dict[str, Told])


def wait_seconds(waits: int, first: float) -> float:
    """Return how long to wait for the next look; grows by half each time, to 12 times the first."""
    growth: float = _GROWTH ** min(max(waits - 1, 0), _MOST_WAITS)
    return first * min(growth, float(_MOST_WAITS))


def requests_file(questions: Sequence[BatchQuestion]) -> bytes:
    """Return the questions as the JSON lines that the provider takes, each under its key."""
    return b"".join(
        b'{"custom_id":"%b","method":"POST","url":"%b","body":%b}\n'
        % (each.question.key.hex().encode(), PATH.encode(), each.question.body)
        for each in questions
    )


def allot(questions: Sequence[BatchQuestion], funds: Mapping[tuple[str, str], Funds]) -> Allotment:
    """Divide what the projects may still spend among the questions, first come, first served.

    `funds` are by project and voter; who is not in it spends freely. Money that others hold may come back, so
    a question waits for that; where its project does not park, it waits no longer than until the money is
    spent. A question that no day can pay is never asked.
    """
    allotment = Allotment([], [], {})
    held: Counter[str] = Counter()
    for each in questions:
        own = funds.get((each.project, each.voter))
        need = most_cost(each.prices, each.question) if own is not None else 0
        key = each.question.key
        if own is None or own.spent + own.reserved + held[each.project] + need <= own.cap:
            held[each.project] += need
            allotment.asked.append((each, need))
        elif not own.parks and own.spent + need > own.cap:
            allotment.unanswered[key] = None
        elif need > own.cap:
            detail = f"voter {each.voter} may cost ${usd(need):.6f}, and a day's cap is ${usd(own.cap):.6f}"
            allotment.unanswered[key] = InvalidRecord("over_budget", detail)
        else:
            allotment.waiting.append(each)
    return allotment


def outcomes(
    questions: Sequence[BatchQuestion], remote: RemoteBatch, content: bytes, *, floor: float, most_tries: int
) -> dict[bytes, Outcome]:
    """Return what came of the questions of a batch that has ended.

    `content` are the lines of its output and of its errors; `floor` is the least probability that the options
    must have together. What the provider is sure not to have done costs nothing.
    """
    lines: dict[str, _Line] = {}
    for raw in content.splitlines():
        try:
            line = _line_decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        lines.setdefault(line.custom_id, line)
    return {
        each.question.key: _last_try(
            _outcome(each, lines.get(each.question.key.hex()), remote, floor), each, most_tries
        )
        for each in questions
    }


def _outcome(each: BatchQuestion, line: _Line | None, remote: RemoteBatch, floor: float) -> Outcome:
    if line is None or line.response is None:
        return _not_done(each, line, remote)
    response = line.response
    if response.status_code != 200:
        return _refused(response)
    question = each.question
    try:
        answer = answer_in(bytes(response.body), question.answers, floor, question.method)
    except Unusable as problem:
        return Outcome(problem=InvalidRecord(problem.reason, problem.detail), cost=each.reserved)
    cost = nano_usd(each.prices.cost_usd(answer.input_tokens, answer.output_tokens))
    return Outcome(answer, cost=cost if each.reserved else 0)


def _not_done(each: BatchQuestion, line: _Line | None, remote: RemoteBatch) -> Outcome:
    """Return the outcome of a request that was never made, for want of time or because the batch failed."""
    said = (line.error.message if line is not None and line.error else None) or remote.problem
    detail = f"the batch {remote.id} has {remote.status}: {said or 'no reason given'}"[:MAX_DETAIL_CHARS]
    # Of a batch that is gone nobody knows what was done.
    cost = each.reserved if remote.status == "lost" else 0
    problem = InvalidRecord(_FAILED, detail, is_blameless=True)
    return Outcome(problem=problem, cost=cost, counts=remote.code not in _BUSY)


def _refused(response: _Response) -> Outcome:
    try:
        error = _error_decoder.decode(response.body).error
    except msgspec.DecodeError:
        error = None
    problem = problem_of_status(response.status_code, (error.message if error else None) or "no reason given")
    return Outcome(problem=_record(problem), is_final=isinstance(problem, Refused))


def _record(problem: NoAnswer) -> InvalidRecord:
    if isinstance(problem, Refused):
        return InvalidRecord("llm_refused", str(problem))
    if isinstance(problem, Passing):
        return InvalidRecord("llm_failing", str(problem))
    return InvalidRecord("llm_misconfigured", str(problem), is_blameless=True)


def _last_try(outcome: Outcome, each: BatchQuestion, most_tries: int) -> Outcome:
    if outcome.problem is None or not outcome.counts or each.tries + 1 < most_tries:
        return outcome
    return outcome._replace(is_final=True)


def outcomes_of_refusal(
    questions: Sequence[BatchQuestion], problem: NoAnswer, most_tries: int
) -> dict[bytes, Outcome]:
    """Return what came of the questions of a batch that the provider would not take."""
    outcome = Outcome(problem=InvalidRecord(_FAILED, str(problem), is_blameless=True))
    return {each.question.key: _last_try(outcome, each, most_tries) for each in questions}


def told(problem: InvalidRecord | None) -> Told:
    """Return a problem as it is stored, and told in the header of an item; None for want of money."""
    if problem is None:
        return None
    # A provider's words may hold what is no text.
    detail = problem.detail[:MAX_DETAIL_CHARS].encode("utf-8", "replace").decode()
    return problem.reason, detail, problem.is_blameless


def problem_in(told: Told) -> InvalidRecord | None:
    """Return what `told` took."""
    return None if told is None else InvalidRecord(told[0], told[1], is_blameless=told[2])


def unanswered_header(unanswered: Unanswered) -> tuple[str, bytes]:
    """Return the header that tells an item which of its questions are not asked again."""
    return UNANSWERED, msgspec.json.encode({key.hex(): told(why) for key, why in unanswered.items()})


def unanswered_in(value: bytes | None) -> Unanswered:
    """Return what a header tells; nothing if it cannot be read, and then the questions are asked again."""
    try:
        found = _header_decoder.decode(value or b"{}")
        return {bytes.fromhex(key): problem_in(why) for key, why in found.items()}
    except ValueError:
        return {}


Allot = Callable[[Sequence[BatchQuestion], Mapping[str, tuple[int, int]]], Allotment]
"""Takes questions and each project's day (spent, reserved) and returns who is asked."""
