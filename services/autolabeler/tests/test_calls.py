"""Calls: limits, waiting out failures, dead letters, single flight."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from autolabeler.calls import Calls
from autolabeler.meters import VoterMeter
from autolabeler.plan import Plan
from autolabeler.pooling import Paid
from autolabeler.prompt import encode_text
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Misconfigured, Passing, Question, Refused, Unusable
from labelmill.errors import InvalidRecord
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.service import Context


class Waiter:
    """Somebody who asks, and keeps what they are told."""

    def __init__(self, payer: bytes = b"payer-01") -> None:
        self.payer = payer
        self.live = True
        self.results: list[Paid | InvalidRecord] = []
        self.told = asyncio.Event()

    def take(self, result: Paid | InvalidRecord) -> None:
        self.results.append(result)
        self.told.set()

    async def result(self, timeout: float = 20.0) -> Paid | InvalidRecord:
        await asyncio.wait_for(self.told.wait(), timeout)
        return self.results[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autolabeler.calls._FIRST_DELAY", 0.002)
    monkeypatch.setattr("autolabeler.calls._MAX_DELAY", 0.01)


@pytest.fixture
async def calls(
    context: Context, settings: AutolabelerSettings, answerer, cache, budgets
) -> AsyncIterator[Calls]:  # type: ignore[no-untyped-def]
    calls = Calls(context, settings, answerer, cache=cache, budgets=budgets)
    yield calls
    await calls.stop()


@pytest.fixture
def ask(calls: Calls, plan: Plan, context: Context) -> Callable[..., Waiter]:
    meter = VoterMeter(context.metrics, "p", plan.llm[0])

    def ask(text: str, waiter: Waiter | None = None, model: str = "small") -> Waiter:
        waiter = waiter or Waiter()
        calls.ask(question(plan, text)._replace(model=model), waiter, meter)
        return waiter

    return ask


def question(plan: Plan, text: str) -> Question:
    return plan.llm[0].templates[0].question(encode_text(text))


async def until(holds: Callable[[], object]) -> None:
    """Wait for a state, and never for a time: the machine may be busy."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.002)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_an_answer_is_durable_before_anybody_hears_of_it(ask, cache, plan) -> None:  # type: ignore[no-untyped-def]
    cache.gate.clear()
    waiter = ask("x")
    await asyncio.sleep(0.02)
    assert not waiter.results
    cache.gate.set()
    paid = await waiter.result()
    assert isinstance(paid, Paid)
    assert paid.is_payer
    assert cache.rows[question(plan, "x").key].payer == b"payer-01"


async def test_no_more_in_flight_than_the_limit_until_they_are_durable(ask, answerer, cache, calls) -> None:  # type: ignore[no-untyped-def]
    cache.gate.clear()
    waiters = [ask(f"text {number}") for number in range(12)]
    await until(lambda: len(answerer.asked) >= 4)
    await asyncio.sleep(0.02)
    assert len(answerer.asked) == 4, "their answers came, but are not durable"
    cache.gate.set()
    for waiter in waiters:
        await waiter.result()
    assert answerer.most_in_flight <= 4


async def test_the_same_prompt_is_asked_once_and_one_pays(ask, answerer) -> None:  # type: ignore[no-untyped-def]
    answerer.gate.clear()
    waiters = [ask("same", Waiter(payer)) for payer in (b"first---", b"second--", b"first---")]
    answerer.gate.set()
    paid = [await waiter.result() for waiter in waiters]
    assert len(answerer.asked) == 1
    assert [each.is_payer for each in paid] == [True, False, True], "a repetition of the payer is the payer"
    late = ask("same", Waiter(b"late----"))
    assert not (await late.result()).is_payer
    assert len(answerer.asked) == 1, "the answer was stored after the late one had looked"


@pytest.mark.parametrize(
    "problem",
    [Passing("rate_limited", 0.05), Passing("rate_limited"), Passing("server_error"), Passing("timeout")],
)
async def test_what_passes_is_waited_out(ask, answerer, context, problem) -> None:  # type: ignore[no-untyped-def]
    answerer.script = [problem]
    paid = await ask("x").result()
    assert isinstance(paid, Paid)
    assert len(answerer.asked) == 2
    assert value(context.metrics, "labelmill_llm_errors_total", voter="llm", error=problem.kind) == 1
    assert value(context.metrics, "labelmill_llm_calls_total", project="p", voter="llm") == 1


async def test_rate_limits_hold_back_the_other_calls_too(ask, answerer) -> None:  # type: ignore[no-untyped-def]
    answerer.script = [Passing("rate_limited", 0.2)] * 4
    answer, asked_at = answerer.answer, []

    async def noting(questions):  # type: ignore[no-untyped-def]
        asked_at.append(asyncio.get_running_loop().time())
        return await answer(questions)

    answerer.answer = noting
    waiters = [ask(f"text {number}") for number in range(20)]
    for waiter in waiters:
        assert isinstance(await waiter.result(), Paid)
    assert asked_at[4] - asked_at[3] >= 0.2, "four were in flight when the provider said to wait"


async def test_unusable_answers_are_tried_three_times(ask, answerer) -> None:  # type: ignore[no-untyped-def]
    answerer.script = [Unusable("llm_prose", "words")] * 2
    assert isinstance(await ask("x").result(), Paid)
    answerer.asked.clear()
    answerer.script = [Unusable("llm_prose", "words")] * 3
    error = await ask("y").result()
    assert isinstance(error, InvalidRecord)
    assert error.reason == "llm_prose"
    assert len(answerer.asked) == 3


async def test_a_refused_prompt_is_not_tried_again(ask, answerer) -> None:  # type: ignore[no-untyped-def]
    answerer.script = [Refused("400: too long")]
    error = await ask("x").result()
    assert isinstance(error, InvalidRecord)
    assert (error.reason, len(answerer.asked)) == ("llm_refused", 1)


async def test_a_wrong_key_holds_all_calls_and_loses_none(ask, answerer, context) -> None:  # type: ignore[no-untyped-def]
    answerer.script = [Misconfigured("401: wrong key")]
    waiter = ask("x")
    await until(lambda: value(context.metrics, "labelmill_llm_breaker_open") == 1)
    assert not waiter.results
    assert isinstance(await waiter.result(), Paid)
    assert value(context.metrics, "labelmill_llm_breaker_open") == 0


async def test_a_model_that_stays_refused_keeps_nobody_waiting_for_ever(  # type: ignore[no-untyped-def]
    ask, answerer, settings
) -> None:
    settings.llm_misconfigured_seconds = 0.5
    answerer.script = [Misconfigured("404: no such model")] * 5
    waiters = [ask(f"text {number}") for number in range(6)]
    await asyncio.sleep(0.1)
    assert not any(waiter.results for waiter in waiters)
    errors = [await waiter.result() for waiter in waiters]
    assert {error.reason for error in errors} == {"llm_misconfigured"}  # type: ignore[union-attr]
    assert all(error.is_blameless for error in errors)  # type: ignore[union-attr]
    assert len(answerer.asked) == 5, "four at first, then the probe"
    assert isinstance(await ask("text 0").result(), Paid), "it is tried again as soon as somebody asks"


async def test_calls_that_the_breaker_holds_are_told_from_calls_that_hang(ask, answerer, calls) -> None:  # type: ignore[no-untyped-def]
    assert not calls.all_held
    answerer.script = [Passing("rate_limited", 30.0)]
    ask("x")
    await until(lambda: calls.all_held)
    answerer.gate.clear()
    ask("x of another model", model="other")
    await until(lambda: not calls.all_held)


async def test_a_prompt_that_fails_while_others_are_answered_is_to_blame(  # type: ignore[no-untyped-def]
    ask, answerer, settings, plan
) -> None:
    poison = question(plan, "poison").key
    good = answerer.good

    async def answer(questions):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        if questions[0].key == poison:
            raise Passing("server_error", detail="500")
        return [good(questions[0])]

    answerer.answer = answer
    waiter = ask("poison")
    for number in range(500):
        await ask(f"text {number}").result()
        if waiter.results:
            break
        await asyncio.sleep(0.002)
    error = await waiter.result()
    assert isinstance(error, InvalidRecord)
    assert error.reason == "llm_failing"


async def test_pausing_forgets_what_waits_and_lets_finish_what_is_in_flight(ask, answerer, calls) -> None:  # type: ignore[no-untyped-def]
    answerer.gate.clear()
    waiters = [ask(f"text {number}") for number in range(6)]
    await asyncio.sleep(0)
    calls.pause()
    ignored = ask("while paused")
    answerer.gate.set()
    await calls.idle()
    assert [len(waiter.results) for waiter in waiters] == [1, 1, 1, 1, 0, 0]
    calls.resume()
    assert isinstance(await ask("text 5").result(), Paid)
    assert not ignored.results


async def test_a_failed_call_nobody_waits_for_is_not_tried_again(ask, answerer) -> None:  # type: ignore[no-untyped-def]
    answerer.script = [Passing("timeout")]
    waiter = ask("x")
    waiter.live = False
    await asyncio.sleep(0.1)
    assert len(answerer.asked) == 1
    answerer.script = []
    assert isinstance(await ask("x").result(), Paid), "and it can be asked again"


async def test_a_bug_stops_the_service(ask, answerer, context) -> None:  # type: ignore[no-untyped-def]
    async def answer(questions):  # type: ignore[no-untyped-def]
        raise RuntimeError("bug")

    answerer.answer = answer
    ask("x")
    await asyncio.wait_for(context.health.failed.wait(), 1)
