"""What may be asked in a batch, what is made of the lines that come back, and what items are told."""

import json
from typing import Any

import pytest
from autolabeler.batching import (
    PATH,
    UNANSWERED,
    Batch,
    BatchQuestion,
    Funds,
    RemoteBatch,
    Step,
    allot,
    outcomes,
    outcomes_of_refusal,
    requests_file,
    unanswered_header,
    unanswered_in,
    wait_seconds,
)
from autolabeler.budget import most_cost
from autolabeler.parking import back_from_batch
from autolabeler.voters import Question, Refused
from hypothesis import given
from hypothesis import strategies as st
from labelmill.cost import TokenPrices, typical_cost
from labelmill.errors import InvalidRecord
from labelmill.projects import VoterSpec

PRICES = TokenPrices(1.0, 2.0)
DONE = RemoteBatch("b1", "completed", "out", "err")


def ask(number: int, *, tries: int = 0, reserved: int = 10**9, project: str = "p") -> BatchQuestion:
    body = json.dumps({"model": "m", "text": "x" * number}).encode()
    question = Question(bytes([number]) * 16, "m", (body, b"", b""), ("A", "B"))
    return BatchQuestion(question, project, "v", b"12345678", PRICES, tries, reserved)


def line(number: int, *, status: int = 200, body: Any = None, **fields: Any) -> bytes:
    response = {"status_code": status, "request_id": "r", "body": body}
    full = {"id": "x", "custom_id": ask(number).question.key.hex(), "response": response, "error": None}
    return json.dumps({**full, **fields}).encode()


def completion(mass: float = 0.9) -> dict[str, Any]:
    tops = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.0}]
    logprobs = {"content": [{"token": "A", "top_logprobs": tops if mass > 0.1 else []}]}
    choice = {"index": 0, "message": {"content": "A"}, "logprobs": logprobs}
    return {"choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 1}}


def read(questions: list[BatchQuestion], *lines: bytes, remote: RemoteBatch = DONE) -> list[Any]:
    found = outcomes(questions, remote, b"\n".join(lines), floor=0.005, most_tries=3)
    return [found[each.question.key] for each in questions]


def test_each_request_is_a_line_with_its_key() -> None:
    lines = requests_file([ask(1), ask(2)]).splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 2
    assert first["custom_id"] == "01" * 16
    assert (first["method"], first["url"], first["body"]) == ("POST", PATH, {"model": "m", "text": "x"})


def test_answers_are_found_by_their_keys_and_cost_what_they_took() -> None:
    first, second = read([ask(1), ask(2)], line(2, body=completion()), line(1, body=completion()))
    assert first.answer is not None
    assert first.answer.input_tokens == 50
    assert (first.cost, second.cost) == (52_000, 52_000)
    assert read([ask(1, reserved=0)], line(1, body=completion()))[0].cost == 0, "no cap, no account"


@pytest.mark.parametrize(
    ("raw", "reason", "is_final", "cost"),
    [
        (line(1, body=completion(mass=0.0)), "llm_no_logprobs", False, 10**9),
        (line(1, body={"what": 1}), "llm_malformed", False, 10**9),
        (line(1, status=400, body={"error": {"message": "too long"}}), "llm_refused", True, 0),
        (line(1, status=500, body={"error": {"message": "oh"}}), "llm_failing", False, 0),
        (line(1, status=500, body="oh"), "llm_failing", False, 0),
        (line(1, status=404, body=None), "llm_misconfigured", False, 0),
        (
            line(1, response=None, error={"code": "batch_expired", "message": "late"}),
            "llm_batch_failed",
            False,
            0,
        ),
        (b"{", "llm_batch_failed", False, 0),
        (b"", "llm_batch_failed", False, 0),
    ],
)
def test_what_can_go_wrong_with_a_request(raw: bytes, reason: str, is_final: bool, cost: int) -> None:
    (outcome,) = read([ask(1)], raw)
    assert outcome.problem.reason == reason
    assert (outcome.answer, outcome.is_final, outcome.cost) == (None, is_final, cost)
    (last,) = read([ask(1, tries=2)], raw)
    assert last.is_final, "the third try is the last"


def test_a_batch_that_is_lost_may_have_cost_and_one_that_failed_has_not() -> None:
    (lost,) = read([ask(1)], remote=RemoteBatch("b1", "lost"))
    failed = RemoteBatch("b1", "failed", code="invalid", problem="no such model")
    (told,) = read([ask(1)], remote=failed)
    assert (lost.cost, told.cost) == (10**9, 0)
    assert "no such model" in told.problem.detail
    assert told.problem.is_blameless


def test_a_full_queue_of_the_provider_is_no_try() -> None:
    (outcome,) = read([ask(1, tries=2)], remote=RemoteBatch("b1", "failed", code="token_limit_exceeded"))
    assert (outcome.is_final, outcome.counts) == (False, False)


def test_a_batch_that_is_refused_is_tried_again_in_others() -> None:
    refusal = Refused("400: no")
    first, last = outcomes_of_refusal([ask(1), ask(2, tries=2)], refusal, 3).values()
    assert (first.is_final, last.is_final) == (False, True)


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=40, unique=True),
    st.integers(0, 2_000_000),
    st.integers(0, 1_000_000),
    st.integers(0, 1_000_000),
    st.booleans(),
)
def test_a_batch_never_takes_more_than_the_cap_leaves(
    numbers: list[int], cap: int, spent: int, reserved: int, parks: bool
) -> None:
    questions = [ask(number, project="p" if number % 3 else "free") for number in numbers]
    allotment = allot(questions, {("p", "v"): Funds(cap, parks, spent, reserved)})
    held = sum(need for _, need in allotment.asked)
    assert held == 0 or spent + reserved + held <= cap
    told = [each.question.key for each, _ in allotment.asked] + [e.question.key for e in allotment.waiting]
    assert sorted([*told, *allotment.unanswered]) == sorted(each.question.key for each in questions)
    assert {each.project for each in questions if each.project == "free"} <= {
        each.project for each, need in allotment.asked if need == 0
    }
    for each in allotment.waiting:
        need = most_cost(PRICES, each.question)
        assert need <= cap, "it would wait for ever"
        assert parks or spent + need <= cap, "people wait for no other day"


def test_what_no_day_can_pay_is_told() -> None:
    funds = Funds(cap=5, parks=True, spent=0, reserved=0)
    ((_, parked),) = allot([ask(1)], {("p", "v"): funds}).unanswered.items()
    ((_, people),) = allot([ask(1)], {("p", "v"): funds._replace(parks=False)}).unanswered.items()
    assert parked is not None
    assert parked.reason == "over_budget"
    assert people is None


def test_a_record_comes_back_as_it_was_with_what_became_of_its_questions(make_record: Any) -> None:
    record = make_record()
    assert back_from_batch(record) == (record, {})
    told = {b"k" * 16: InvalidRecord("llm_prose", "words\x00\ud800", is_blameless=True)}
    headers = [*record.headers, unanswered_header(told), unanswered_header({b"n" * 16: None})]
    record.headers = headers
    clean, unanswered = back_from_batch(record)
    assert (len(headers), clean.headers) == (3, headers[:1])
    why = unanswered[b"k" * 16]
    assert why is not None
    assert (why.reason, why.detail, why.is_blameless) == ("llm_prose", "words\x00?", True)
    assert unanswered[b"n" * 16] is None


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"zz": null}', b'{"00": ["a"]}', b"\xff"])
def test_a_header_that_cannot_be_read_tells_nothing(value: bytes | None) -> None:
    assert unanswered_in(value) == {}
    assert UNANSWERED == "labelmill-unanswered"


def test_a_batch_goes_step_by_step_and_is_looked_at_less_and_less() -> None:
    batch = Batch("m", "model")
    assert [
        b.step for b in (batch, batch._replace(file_id="f"), batch._replace(file_id="f", remote_id="b"))
    ] == [
        Step.UPLOAD,
        Step.CREATE,
        Step.POLL,
    ]
    waits = [wait_seconds(number, 10.0) for number in range(1, 30)]
    assert waits[0] == 10.0
    assert waits == sorted(waits)
    assert waits[-1] == 120.0


def test_a_batch_voter_costs_what_its_discount_leaves() -> None:
    live = VoterSpec(
        name="v", type="llm", model="m", input_usd_per_mtok=2.0, output_usd_per_mtok=8.0, batch_discount=0.5
    )
    batch = VoterSpec(**{name: getattr(live, name) for name in live.__struct_fields__} | {"mode": "batch"})
    assert TokenPrices.of(live) == TokenPrices.live(batch) == TokenPrices(2.0, 8.0)
    assert TokenPrices.of(batch) == TokenPrices(1.0, 4.0)
    assert typical_cost(batch) == typical_cost(live) / 2
