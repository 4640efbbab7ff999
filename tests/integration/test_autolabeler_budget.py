"""Budgets on a real PostgreSQL: many workers never pass a cap, whatever dies; a capped project end to end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from autolabeler.budget import most_cost, nano_usd
from autolabeler.budgets import Budgets
from autolabeler.settings import AutolabelerSettings
from autolabeler.store import BudgetStore
from autolabeler.voters import Answer, Question
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord
from labelmill.events import EventDecoder, ItemIngested, LabelScored, ProjectPublished, encode
from labelmill.projects import load_project
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.service import Context
from labelmill.topics import ITEMS, LABELS_SCORED, PROJECTS, item_key
from labelmill_local.system import System
from labelmill_stubs.process import running
from labelmill_stubs.topics import read_to_end, until_handled

PRICES = TokenPrices(1.0, 10.0)
PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say how the writers of {project} feel.
voters:
  - {{name: dear, type: llm, model: stub, input_usd_per_mtok: 10.0, output_usd_per_mtok: 100.0}}
  - {{name: free, type: llm, model: stub, method: samples, samples: 1, input_usd_per_mtok: 0.0}}
budget: {{usd_per_day: {cap}, when_spent: {when_spent}}}
policy: {{accept_threshold: 1.0, cold_start_threshold: 1.0}}
"""


class Call:
    """A call that takes a while, and costs what a die says."""

    project, voter, prices, live = "", "v", PRICES, True

    def __init__(self, project: str, size: int) -> None:
        self.project = project
        self.till, self.hold = None, 0
        self.question = Question(b"", "m", (b"x" * size, b"", b""), ("A", "B"))


class Worker:
    """A process of its own, as far as money goes; it may be killed at any moment."""

    def __init__(self, database: Database, spec: ProjectPublished, bank: "Bank", seed: int) -> None:
        context = Context.create("autolabeler", AutolabelerSettings())
        self.budgets = Budgets(context, SimpleNamespace(get=lambda _: spec), BudgetStore(database))
        self.budgets.connect(self._begin, self._refused)  # type: ignore[arg-type]
        self._bank, self._random = bank, random.Random(seed)
        self._project = spec.project
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused = 0

    async def run(self, calls: int) -> None:
        await self.budgets.start()
        for _ in range(calls):
            call = Call(self._project, self._random.randrange(50, 4000))
            if self.budgets.pay(call):  # type: ignore[arg-type]
                self._begin(call)
            await asyncio.sleep(self._random.random() * 0.004)
        while self._tasks:
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        """Die: nothing is settled, nothing given back; calls in flight may still be charged."""
        self.budgets._working.cancel()  # type: ignore[union-attr]

    def _begin(self, call: Any) -> None:
        task = asyncio.create_task(self._make(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make(self, call: Call) -> None:
        most = sum(map(len, call.question.parts))
        tokens = self._random.randrange(most // 8, most + 1)
        cost = nano_usd(PRICES.cost_usd(tokens, 1))
        assert cost <= most_cost(PRICES, call.question)  # type: ignore[arg-type]
        self._bank.charge(cost)
        await asyncio.sleep(self._random.random() * 0.01)
        self.budgets.settle(call, Answer((1.0, 0.0), tokens, 1))  # type: ignore[arg-type]

    def _refused(self, call: Any, error: InvalidRecord | None) -> None:
        self.refused += 1


class Bank:
    """What the provider has charged, and that it never passed the cap."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.charged = 0

    def charge(self, cost: int) -> None:
        self.charged += cost
        assert self.charged <= self.cap


def published(project: str, cap: float, when_spent: str, version: int = 1) -> ProjectPublished:
    spec = load_project(PROJECT.format(project=project, cap=cap, when_spent=when_spent))
    return ProjectPublished(project=project, version=version, guideline_version=1, spec=spec)


@pytest.fixture
async def database(system: System) -> AsyncIterator[Database]:
    settings = AutolabelerSettings(database_url=system.database_url("autolabeler"))  # type: ignore[arg-type]
    database = Database(settings, "autolabeler", "autolabeler", reset=False)
    await database.start()
    yield database
    await database.stop()


async def row(database: Database, project: str) -> tuple[int, int]:
    rows = await database.pool.fetch("SELECT spent, reserved FROM budgets WHERE project = $1", project)
    return sum(each[0] for each in rows), sum(each[1] for each in rows)


@pytest.mark.parametrize("seed", range(6))
async def test_workers_that_come_and_die_never_spend_more_than_the_cap(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    project, cap = f"bank-{seed}", dice.choice([0.05, 0.2, 0.5])
    bank = Bank(nano_usd(cap))
    spec = published(project, cap, "people")
    workers = [Worker(database, spec, bank, seed * 100 + number) for number in range(6)]
    runs = [asyncio.create_task(worker.run(120)) for worker in workers]
    for worker, run in list(zip(workers, runs, strict=True))[: dice.randrange(0, 4)]:
        await asyncio.sleep(dice.random() * 0.2)
        run.cancel()
        worker.kill()
    survivors = [(w, r) for w, r in zip(workers, runs, strict=True) if not r.cancelling()]
    await asyncio.gather(*(run for _, run in survivors))
    spent, reserved = await row(database, project)
    assert spent + reserved <= bank.cap
    await asyncio.gather(*(worker.budgets.stop() for worker, _ in survivors))
    spent, reserved = await row(database, project)
    assert bank.charged <= spent + reserved <= bank.cap, "what a dead one held counts as spent"
    if len(survivors) == len(workers):
        assert (spent, reserved) == (bank.charged, 0), "all of it is settled or given back"


async def test_reservations_are_refused_past_the_cap_and_days_are_apart(database: Database) -> None:
    store, day = BudgetStore(database), date(2025, 1, 1)
    tries = [store.reserve("race", day, 30, 100) for _ in range(20)]
    assert sum(await asyncio.gather(*tries)) == 3
    assert not await store.reserve("race", day, 11, 100)
    assert await store.reserve("race", day, 10, 100)
    assert not await store.reserve("fresh", day, 101, 100)
    await store.settle("race", day, 40)
    assert await store.taken("race", day) == (40, 60)
    await store.give_back("race", day, 60)
    assert await store.reserve("race", day, 60, 100)
    assert await store.reserve("race", date(2025, 1, 2), 100, 100)


@pytest.fixture(scope="module")
def llm() -> Iterator[str]:
    with running("llm") as stub:
        yield stub.url


async def publish(system: System, topic: str, outs: Sequence[OutRecord]) -> None:
    publisher = Publisher(system.kafka_settings)
    await publisher.start()
    try:
        await publisher.publish(topic, outs)
    finally:
        await publisher.stop()


async def apply(system: System, event: ProjectPublished) -> None:
    await publish(system, PROJECTS.name, [OutRecord(0, event.project.encode(), encode(event))])


async def feed(system: System, project: str, count: int) -> None:
    items = [
        ItemIngested(project=project, item_id=f"i{number}", content=f"a good day number {number}")
        for number in range(count)
    ]
    outs = [OutRecord(n % 8, item_key(project, item.item_id), encode(item)) for n, item in enumerate(items)]
    await publish(system, ITEMS.name, outs)


async def scores(system: System, project: str) -> list[LabelScored]:
    decoder = EventDecoder(LabelScored)
    prefix = f"{project}/".encode()
    records = await read_to_end(system.kafka_settings, LABELS_SCORED.name)
    return [decoder.decode(each.value) for each in records if (each.key or b"").startswith(prefix)]


def paid(events: Sequence[LabelScored]) -> float:
    return sum(vote.cost_usd for event in events for vote in event.votes if not vote.cached)


async def test_two_workers_park_what_the_cap_does_not_pay_and_go_on_once_it_is_raised(
    system: System, llm: str, database: Database
) -> None:
    project, cap = f"park-{time.time_ns()}", 0.05
    env = {"OPENAI_BASE_URL": f"{llm}/v1", "STALL_SECONDS": "4"}
    async with system.running("autolabeler", env=env) as one, system.running("autolabeler", env=env) as two:
        await apply(system, published(project, cap, "park"))
        await feed(system, project, 300)
        async with asyncio.timeout(90):
            while not all([await each.metric("labelmill_budget_exhausted") for each in (one, two)]):
                await asyncio.sleep(0.3)
        await asyncio.sleep(5)
        async with httpx.AsyncClient() as client:
            alive = [(await client.get(f"{each.url}/health/live")).status_code for each in (one, two)]
        assert alive == [200, 200], "to wait for tomorrow is no stall"
        events = await scores(system, project)
        waiting = await one.metric("labelmill_budget_waiting_calls")
        assert waiting + await two.metric("labelmill_budget_waiting_calls") == 300 - len(events) > 0
        assert 0.5 * cap < paid(events) <= cap
        assert not any(event.over_budget for event in events)
        await apply(system, published(project, 10.0, "park", version=2))
        await until_handled(system.kafka_settings, "autolabeler", seconds=90)
        events = await scores(system, project)
        assert len({event.item_id for event in events}) == 300
    spent, reserved = await row(database, project)
    assert (spent, reserved) == (pytest.approx(paid(events) * 1e9, abs=300), 0)


async def test_without_money_people_get_what_the_free_voters_say(system: System, llm: str) -> None:
    project, cap = f"people-{time.time_ns()}", 0.02
    async with system.running("autolabeler", env={"OPENAI_BASE_URL": f"{llm}/v1"}):
        await apply(system, published(project, cap, "people"))
        await feed(system, project, 150)
        await until_handled(system.kafka_settings, "autolabeler", seconds=90)
        events = await scores(system, project)
    short = [event for event in events if event.over_budget]
    assert len(events) == 150
    assert 0 < len(short) < 150
    assert paid(events) <= cap
    assert all([vote.voter for vote in event.votes] == ["free"] for event in short)
    full = [event for event in events if not event.over_budget]
    assert all({vote.voter for vote in event.votes} == {"free", "dear"} for event in full)
