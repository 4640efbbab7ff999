"""Budgets: what a call can cost, a till's arithmetic, and what happens when a day's money is spent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from autolabeler.budget import Till, cap_of, chunks, day_of, most_cost, nano_usd
from autolabeler.budgets import Budgets
from autolabeler.calls import Calls
from autolabeler.meters import VoterMeter
from autolabeler.plan import plan_of
from autolabeler.pooling import Paid
from autolabeler.prompt import encode_text
from autolabeler.voters import Passing, Unusable
from hypothesis import given
from hypothesis import strategies as st
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord
from labelmill.runtime.service import Context

COST = nano_usd((100 * 2.0 + 10.0) / 1e6)
"""What every call of the fake answerer costs."""


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 80)), max_size=40), st.integers(0, 1000))
def test_what_was_reserved_is_always_the_sum_of_balance_holds_and_spending(
    calls: list[tuple[int, int]], reserved: int
) -> None:
    till = Till(day_of(0))
    till.add(reserved)
    spent, held = 0, []
    for need, cost in calls:
        if till.hold(need):
            held.append((need, cost))
        if len(held) > 2:
            ended = held.pop(0)
            till.settle(*ended)
            spent += ended[1]
        assert till.balance + till.held + spent == reserved
    assert till.take_spent() == spent
    assert till.take_leftover() + till.held + spent == reserved
    assert till.take_spent() == till.take_leftover() == 0


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_less_and_less_is_tried_down_to_the_need(need: int, cap: int) -> None:
    tried = chunks(need, cap)
    assert tried == sorted(set(tried), reverse=True)
    assert tried[-1] == need
    assert tried[0] == max(need, cap // 200)


def test_the_most_that_a_call_costs_bounds_its_tokens_by_bytes(make_project: Callable[..., Any]) -> None:
    (voter,) = plan_of(make_project(), None).llm
    question = voter.templates[0].question(encode_text("día 好"))
    body = sum(map(len, question.parts))
    assert most_cost(TokenPrices(1.0, 0.0), question) == body * 1000
    assert most_cost(TokenPrices(0.0, 1.0), question) == 1000, "one token is asked for"
    stated = question._replace(method="verbal")
    assert most_cost(TokenPrices(0.0, 1.0), stated) == 48_000


def test_only_where_dear_voters_go_first_have_voters_caps_of_their_own(
    make_project: Callable[..., Any],
) -> None:
    voters = [
        {"name": "free", "type": "llm", "model": "m"},
        {"name": "mid", "type": "llm", "model": "m", "input_usd_per_mtok": 1.0},
        {"name": "low", "type": "llm", "model": "m", "input_usd_per_mtok": 0.1},
        {"name": "top", "type": "llm", "model": "m", "input_usd_per_mtok": 9.0},
    ]

    def caps(when_spent: str) -> list[int | None]:
        spec = make_project(voters, budget={"usd_per_day": 1.0, "when_spent": when_spent}).spec
        return [cap_of(spec, name) for name in ("low", "mid", "top")]

    assert caps("cheaper") == [10**9, 9 * 10**8, 8 * 10**8]
    assert caps("park") == caps("people") == [10**9] * 3
    assert cap_of(make_project(voters).spec, "top") is None


class Waiter:
    """Somebody who asks, and keeps what they are told."""

    payer, live = b"payer-01", True

    def __init__(self) -> None:
        self.results: list[Paid | InvalidRecord | None] = []

    def take(self, result: Paid | InvalidRecord | None) -> None:
        self.results.append(result)


class World:
    """Calls under a budget, with a clock that is set by hand."""

    def __init__(self, context: Context, settings: Any, answerer: Any, cache: Any, store: Any) -> None:
        self.context, self.settings, self.answerer, self.cache, self.store = (
            context,
            settings,
            answerer,
            cache,
            store,
        )
        self.now = 1_000_000.0
        self.projects: dict[str, Any] = {}
        self.budgets = Budgets(context, self.projects, store, lambda: self.now)  # type: ignore[arg-type]
        self.calls = Calls(context, settings, answerer, cache=cache, budgets=self.budgets)
        self.asked = 0

    def apply(self, published: Any) -> None:
        self.projects["p"] = published
        self.meter = VoterMeter(self.context.metrics, "p", plan_of(published, None).llm[0])
        self.template = plan_of(published, None).llm[0].templates[0]

    def ask(self, count: int = 1, text: str = "") -> list[Waiter]:
        waiters = [Waiter() for _ in range(count)]
        for waiter in waiters:
            self.asked += 1
            self.calls.ask(self.template.question(encode_text(f"{self.asked} {text}")), waiter, self.meter)
        return waiters

    @property
    def most(self) -> int:
        """What a call can cost."""
        return most_cost(self.meter.prices, self.template.question(encode_text("10 ")))

    @property
    def taken(self) -> tuple[int, int]:
        return tuple(self.store.days.get(("p", day_of(self.now)), (0, 0)))


@pytest.fixture
async def world(
    context: Context,
    settings: Any,
    answerer: Any,
    cache: Any,
    budget_store: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.setattr("autolabeler.budgets._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("autolabeler.calls._FIRST_DELAY", 0.002)
    world = World(context, settings, answerer, cache, budget_store)
    await world.budgets.start()
    yield world
    await world.calls.stop()
    await world.budgets.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


def told(waiters: list[Waiter]) -> int:
    return sum(bool(waiter.results) for waiter in waiters)


def capped(make_project: Callable[..., Any], calls: float, when_spent: str, most: int = COST) -> Any:
    return make_project(budget={"usd_per_day": calls * most / 1e9, "when_spent": when_spent})


async def test_calls_are_made_up_to_the_cap_and_the_rest_waits_for_the_next_day(
    world: World, make_project: Callable[..., Any], answerer: Any
) -> None:
    world.apply(capped(make_project, 50, "park"))
    waiters = world.ask(60)
    await until(lambda: world.budgets.parked and world.calls.all_held)
    made = told(waiters)
    assert made * COST <= 50 * COST < made * COST + world.most, "as many as are sure to fit"
    assert len(answerer.asked) == made
    world.now += 86_400
    await until(lambda: told(waiters) == 60)
    assert all(isinstance(waiter.results[0], Paid) for waiter in waiters)


async def test_a_raised_cap_lets_parked_calls_go_on(world: World, make_project: Callable[..., Any]) -> None:
    world.apply(capped(make_project, 30, "park"))
    waiters = world.ask(40)
    await until(lambda: world.budgets.parked)
    world.projects["p"] = capped(make_project, 100, "park")
    await until(lambda: told(waiters) == 40)


@pytest.mark.parametrize("when_spent", ["people", "cheaper"])
async def test_voters_that_cannot_be_paid_are_done_without(
    world: World, make_project: Callable[..., Any], context: Context, when_spent: str
) -> None:
    world.apply(capped(make_project, 30, when_spent))
    waiters = world.ask(40)
    await until(lambda: told(waiters) == 40)
    refused = [waiter for waiter in waiters if waiter.results == [None]]
    assert 10 <= len(refused) < 20
    (late,) = world.ask()
    assert late.results == [None], "at once"
    labels = {"project": "p", "voter": "llm"}
    value = context.metrics.registry.get_sample_value
    assert value("labelmill_budget_refused_calls_total", labels) == len(refused) + 1
    assert value("labelmill_budget_exhausted", labels) == 1
    world.now += 86_400
    await until(lambda: value("labelmill_budget_exhausted", labels) == 0)
    (tomorrow,) = world.ask()
    await until(lambda: told([tomorrow]) == 1)
    assert isinstance(tomorrow.results[0], Paid)


async def test_money_that_comes_back_is_spent(
    world: World, make_project: Callable[..., Any], budget_store: Any
) -> None:
    world.apply(capped(make_project, 30, "people"))
    day = day_of(world.now)
    await budget_store.reserve("p", day, 30 * COST, 30 * COST)
    (waiter,) = world.ask()
    await asyncio.sleep(0.05)
    assert not waiter.results, "another process may give it back"
    await budget_store.give_back("p", day, 30 * COST)
    await until(lambda: isinstance((waiter.results or [None])[0], Paid))


async def test_money_that_a_crash_took_is_waited_for_only_so_long(
    world: World, make_project: Callable[..., Any], budget_store: Any
) -> None:
    world.apply(capped(make_project, 30, "people"))
    await budget_store.reserve("p", day_of(world.now), 30 * COST, 30 * COST)
    (waiter,) = world.ask()
    await asyncio.sleep(0.05)
    world.now += 6
    await until(lambda: waiter.results == [None])


async def test_a_call_that_no_day_can_pay_does_not_hold_up_the_others(
    world: World, make_project: Callable[..., Any]
) -> None:
    world.apply(capped(make_project, 20, "park"))
    waiters = world.ask(1, "x" * 100_000) + world.ask(3)
    await until(lambda: told(waiters) == 4)
    assert isinstance(waiters[0].results[0], InvalidRecord)
    assert waiters[0].results[0].reason == "over_budget"


@pytest.mark.parametrize("problem", [Passing("timeout"), Unusable("llm_prose", "?")])
async def test_a_try_that_may_be_charged_counts_as_charged(
    world: World, make_project: Callable[..., Any], answerer: Any, problem: Exception
) -> None:
    world.apply(capped(make_project, 100, "park"))
    answerer.script = [problem]
    (waiter,) = world.ask()
    await until(lambda: told([waiter]) == 1)
    await world.budgets.stop()
    spent, reserved = world.taken
    assert spent > COST * 2
    assert spent < world.most + COST + 1
    assert reserved == 0, "the rest was given back"


async def test_a_failure_that_costs_nothing_costs_nothing(
    world: World, make_project: Callable[..., Any], answerer: Any
) -> None:
    world.apply(capped(make_project, 100, "park"))
    answerer.script = [Passing("server_error"), Passing("rate_limited")]
    (waiter,) = world.ask()
    await until(lambda: told([waiter]) == 1)
    await world.budgets.stop()
    assert world.taken == (COST, 0)


async def test_paused_calls_give_their_money_back(
    world: World, make_project: Callable[..., Any], answerer: Any
) -> None:
    world.apply(capped(make_project, 100, "park"))
    answerer.gate.clear()
    world.ask(90)
    await until(lambda: answerer.in_flight == 4)
    world.calls.pause()
    answerer.gate.set()
    await world.calls.idle()
    await world.budgets.stop()
    assert world.taken == (4 * COST, 0)


async def test_an_idle_purse_is_emptied(world: World, make_project: Callable[..., Any]) -> None:
    world.apply(capped(make_project, 100_000, "park"))
    (waiter,) = world.ask()
    await until(lambda: told([waiter]) == 1)
    assert world.taken[1] > 0
    world.now += 6
    await until(lambda: world.taken == (COST, 0))
