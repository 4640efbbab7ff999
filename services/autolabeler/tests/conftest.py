"""Projects, plans, records and fakes for the autolabeler's tests."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pytest
from aiokafka import ConsumerRecord
from autolabeler.batch_store import Parked
from autolabeler.batching import BatchQuestion
from autolabeler.budgets import Budgets
from autolabeler.plan import Plan, plan_of
from autolabeler.settings import AutolabelerSettings
from autolabeler.store import Stored, Taken
from autolabeler.voters import Answer, NoAnswer, Question
from labelmill.events import ItemIngested, ProjectPublished, encode
from labelmill.projects import project_from
from labelmill.runtime.service import Context

LABELS = ["positive", "negative", "neutral"]
LLM = {
    "name": "llm",
    "type": "llm",
    "model": "small",
    "input_usd_per_mtok": 2.0,
    "output_usd_per_mtok": 10.0,
}


class FakeCache:
    """The vote cache without a database."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Stored] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        return {key: self.rows[key] for key in keys if key in self.rows}

    async def put_all(self, answers: Mapping[bytes, Stored]) -> None:
        for key, stored in answers.items():
            self.rows.setdefault(key, stored)

    async def put(self, key: bytes, stored: Stored) -> None:
        await self.gate.wait()
        self.rows.setdefault(key, stored)


class FakeParkingStore:
    """Where items are parked, without a database."""

    def __init__(self) -> None:
        self.items: list[Parked] = []
        self.questions: dict[bytes, BatchQuestion] = {}

    async def park(self, items: Sequence[Parked], questions: Sequence[BatchQuestion]) -> None:
        self.items += items
        for each in questions:
            self.questions.setdefault(each.question.key, each)


class FakeBudgetStore:
    """The days' money without a database."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, date], Taken] = {}

    async def reserve(self, project: str, day: date, amount: int, cap: int) -> bool:
        spent, reserved = await self.taken(project, day)
        if spent + reserved + amount > cap:
            return False
        self.days[project, day] = Taken(spent, reserved + amount)
        return True

    async def settle(self, project: str, day: date, cost: int) -> None:
        spent, reserved = await self.taken(project, day)
        self.days[project, day] = Taken(spent + cost, reserved - cost)

    async def give_back(self, project: str, day: date, amount: int) -> None:
        spent, reserved = await self.taken(project, day)
        self.days[project, day] = Taken(spent, reserved - amount)

    async def taken(self, project: str, day: date) -> Taken:
        return self.days.get((project, day), Taken(0, 0))


class FakeProjects:
    """The projects in force, to be changed at will."""

    def __init__(self) -> None:
        self.known: dict[str, ProjectPublished] = {}

    def get(self, key: str) -> ProjectPublished | None:
        return self.known.get(key)


class FakeAnswerer:
    """Answers by a script: a list of outcomes for each model, then the same good answer for ever."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.at_once = at_once
        self.script: list[NoAnswer] = []
        self.asked: list[Question] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def answer(self, questions: Sequence[Question]) -> Sequence[Answer]:
        self.asked.extend(questions)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gate.wait()
            if not self.at_once:
                await asyncio.sleep(0)
            if self.script:
                raise self.script.pop(0)
            return [self.good(question) for question in questions]
        finally:
            self.in_flight -= 1

    @staticmethod
    def good(question: Question) -> Answer:
        rest = 0.3 / (len(question.answers) - 1)
        return Answer((0.7, *[round(rest, 6)] * (len(question.answers) - 1)), 100, 1)


@pytest.fixture
def settings() -> AutolabelerSettings:
    return AutolabelerSettings(
        llm_max_concurrency=4, llm_initial_concurrency=4, autolabeler_drain_seconds=0.5
    )


@pytest.fixture
def context(settings: AutolabelerSettings) -> Context:
    return Context.create("autolabeler", settings)


@pytest.fixture
def cache() -> FakeCache:
    return FakeCache()


@pytest.fixture
def parking_store() -> FakeParkingStore:
    return FakeParkingStore()


@pytest.fixture
def budget_store() -> FakeBudgetStore:
    return FakeBudgetStore()


@pytest.fixture
def projects() -> FakeProjects:
    return FakeProjects()


@pytest.fixture
def budgets(context: Context, projects: FakeProjects, budget_store: FakeBudgetStore) -> Budgets:
    return Budgets(context, projects, budget_store)


@pytest.fixture
def answerer() -> FakeAnswerer:
    return FakeAnswerer()


@pytest.fixture
def at_once() -> FakeAnswerer:
    return FakeAnswerer(at_once=True)


def published(voters: Sequence[Mapping[str, object]] = (LLM,), **fields: object) -> ProjectPublished:
    document = {
        "project": "p",
        "title": "P",
        "labels": [{"name": name} for name in LABELS],
        "guideline": "Say how it sounds.",
        "voters": [dict(voter) for voter in voters],
        **fields,
    }
    return ProjectPublished(project="p", version=3, guideline_version=2, spec=project_from(document))


@pytest.fixture
def make_project() -> Callable[..., ProjectPublished]:
    return published


@pytest.fixture
def plan() -> Plan:
    return plan_of(published(), None)


@pytest.fixture
def make_record() -> Callable[..., ConsumerRecord]:
    offsets = itertools.count()

    def make(
        content: str = "good", *, partition: int = 0, value: bytes | None = None, **fields: str
    ) -> ConsumerRecord:
        offset = next(offsets)
        item = ItemIngested(**{"project": "p", "item_id": f"i{offset}", "content": content, **fields})  # type: ignore[arg-type]
        return ConsumerRecord(
            topic="items",
            partition=partition,
            offset=offset,
            timestamp=0,
            timestamp_type=0,
            key=f"{item.project}/{item.item_id}".encode(),
            value=encode(item) if value is None else value,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=[("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00")],
        )

    return make
