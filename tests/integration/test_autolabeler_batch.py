"""Voters in batches against a server that speaks the batch API: every item once, every prompt paid once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, date, datetime

import pytest
from aiokafka import ConsumerRecord
from autolabeler.batch_store import BatchStore, Parked
from autolabeler.batching import BatchQuestion, Outcome, allot
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Answer, Question
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord
from labelmill.events import EventDecoder, ItemIngested, LabelScored, ProjectPublished, encode
from labelmill.projects import load_project
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.topics import ITEMS, LABELS_SCORED, PROJECTS, item_key
from labelmill_local.system import Running, System
from labelmill_stubs.process import RunningStub, running
from labelmill_stubs.topics import read_to_end, until_handled

pytestmark = pytest.mark.timeout(300)
INPUT_USD = 10.0
PROJECT = """
project: {project}
title: Tweets
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say how the writers of {project} feel.
voters:
  - {{name: slow, type: llm, model: stub, mode: batch, batch_discount: 0.5, input_usd_per_mtok: {usd},
      output_usd_per_mtok: 0.0}}
{more}
policy: {{accept_threshold: 1.0, cold_start_threshold: 1.0}}
"""
TRACE = b"00-" + b"5" * 32 + b"-" + b"2" * 16 + b"-00"


@pytest.fixture(scope="module")
def llm() -> Iterator[RunningStub]:
    """The server that answers live."""
    with running("llm", "--mode", "keyword", "--latency-ms", "5") as stub:
        yield stub


@pytest.fixture
def provider() -> Iterator[RunningStub]:
    """The server that takes files and batches."""
    with running("finetune") as stub:
        yield stub


@pytest.fixture
async def database(system: System) -> AsyncIterator[Database]:
    settings = AutolabelerSettings(database_url=system.database_url("autolabeler"))  # type: ignore[arg-type]
    database = Database(settings, "autolabeler", "autolabeler", reset=False)
    await database.start()
    yield database
    await database.stop()


def env(llm: RunningStub, provider: RunningStub, **more: str) -> dict[str, str]:
    fast = {"BATCH_SECONDS": "0.4", "BATCH_POLL_SECONDS": "0.05"}
    return {"OPENAI_BASE_URL": llm.base_url, "BATCH_BASE_URL": provider.base_url, **fast, **more}


async def publish(system: System, topic: str, outs: Sequence[OutRecord]) -> None:
    publisher = Publisher(system.kafka_settings)
    await publisher.start()
    try:
        await publisher.publish(topic, outs)
    finally:
        await publisher.stop()


async def apply(system: System, project: str, more: str = "", version: int = 1) -> None:
    spec = load_project(PROJECT.format(project=project, more=more, usd=INPUT_USD))
    event = ProjectPublished(project=project, version=version, guideline_version=1, spec=spec)
    await publish(system, PROJECTS.name, [OutRecord(0, project.encode(), encode(event))])


async def feed(system: System, project: str, texts: Sequence[str]) -> None:
    items = [ItemIngested(project=project, item_id=f"i{n}", content=text) for n, text in enumerate(texts)]
    outs = [
        OutRecord(n % 8, item_key(project, item.item_id), encode(item), [("traceparent", TRACE)])
        for n, item in enumerate(items)
    ]
    await publish(system, ITEMS.name, outs)


async def records(system: System, topic: str, project: str) -> list[ConsumerRecord]:
    prefix = f"{project}/".encode()
    found = await read_to_end(system.kafka_settings, topic)
    return [record for record in found if (record.key or b"").startswith(prefix)]


async def scored(system: System, project: str, count: int, seconds: float = 60) -> list[LabelScored]:
    """Return the project's scores once `count` items have one. One published again counts once, as it does
    for everybody who reads it."""
    decoder = EventDecoder(LabelScored)
    async with asyncio.timeout(seconds):
        while True:
            found = [decoder.decode(r.value) for r in await records(system, LABELS_SCORED.name, project)]
            distinct = {score.event_id: score for score in found}
            if len(distinct) >= count:
                return list(distinct.values())
            await asyncio.sleep(0.2)


async def left(database: Database) -> tuple[int, int, int]:
    """Return how many parked items, questions and batches there are."""
    counts = [f"(SELECT count(*) FROM {table})" for table in ("parked", "questions", "batches")]
    return tuple(await database.pool.fetchrow(f"SELECT {', '.join(counts)}"))


async def until_empty(database: Database) -> None:
    async with asyncio.timeout(60):
        while await left(database) != (0, 0, 0):
            await asyncio.sleep(0.05)


async def taken(database: Database, project: str) -> tuple[int, int]:
    rows = await database.pool.fetch("SELECT spent, reserved FROM budgets WHERE project = $1", project)
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def cost(scores: Sequence[LabelScored]) -> float:
    return sum(vote.cost_usd for score in scores for vote in score.votes if not vote.cached)


async def test_items_are_labelled_by_a_batch_once_and_at_its_price(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project = f"plain-{time.time_ns()}"
    texts = [f"a {'good' if n % 2 else 'bad'} day number {n % 50}" for n in range(60)]
    live = llm.stats()["calls"]
    async with system.running("autolabeler", env=env(llm, provider)) as autolabeler:
        await apply(system, project)
        await feed(system, project, texts)
        scores = await scored(system, project, 60)
        await until_empty(database)
        await until_handled(system.kafka_settings, "autolabeler")
        assert await autolabeler.metric("labelmill_batches_total", model="stub", status="completed") >= 1
    stats = provider.stats()
    assert len(scores) == 60
    assert all(score.label == ("positive" if int(score.item_id[1:]) % 2 else "negative") for score in scores)
    assert cost(scores) == pytest.approx(stats["prompt_tokens"] * INPUT_USD / 2 / 1e6)
    assert sum(not score.votes[0].cached for score in scores) == 50, "equal texts are asked about once"
    assert (stats["paid_prompts"], stats["repaid_prompts"], stats["duplicate_batches"]) == (50, 0, 0)
    assert stats["files"] == 0, "texts do not stay with the provider"
    assert llm.stats()["calls"] == live
    out = await records(system, LABELS_SCORED.name, project)
    assert len(out) == 60
    assert {record.partition for record in out} == set(range(8))
    assert all(record.headers == (("traceparent", TRACE),) for record in out)


async def test_a_dear_voter_in_batches_is_asked_only_where_the_live_one_is_unsure(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project = f"mixed-{time.time_ns()}"
    more = "  - {name: quick, type: llm, model: quick, input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.0}\n"
    more += "budget: {usd_per_day: 50.0}"
    spec = PROJECT.replace("accept_threshold: 1.0, cold_start_threshold: 1.0", "cold_start_threshold: 0.8")
    published = load_project(spec.format(project=project, more=more, usd=INPUT_USD))
    event = ProjectPublished(project=project, version=1, guideline_version=1, spec=published)
    async with system.running("autolabeler", env=env(llm, provider)):
        await publish(system, PROJECTS.name, [OutRecord(0, project.encode(), encode(event))])
        await feed(system, project, ["what a great and lovely day", "neither here nor there"])
        scores = await scored(system, project, 2)
        await until_empty(database)
    by_item = {score.item_id: [vote.voter for vote in score.votes] for score in scores}
    assert by_item == {"i0": ["quick"], "i1": ["slow", "quick"]}
    assert provider.stats()["answered"] == 1
    spent, _ = await taken(database, project)
    assert spent == pytest.approx(cost(scores) * 1e9, abs=10)


async def test_killed_at_every_step_it_uploads_once_and_pays_once(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project = f"killed-{time.time_ns()}"
    provider.control(polls_per_stage=3, mode="429")

    async def kill_once(autolabeler: Running, what: str) -> None:
        async with asyncio.timeout(90):
            while not provider.stats()[what]:
                await asyncio.sleep(0.002)
        pid = autolabeler.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(90):
            while autolabeler.process.pid in (None, pid) or not await autolabeler.ready():
                await asyncio.sleep(0.05)

    fast = env(llm, provider)
    async with system.running("autolabeler", env=fast, restart_on_exit=True) as autolabeler:
        await apply(system, project)
        await feed(system, project, [f"a good day number {number}" for number in range(40)])
        await kill_once(autolabeler, "refused")
        provider.control(mode="normal")
        for what in ("uploads", "batches", "answered"):
            await kill_once(autolabeler, what)
        assert autolabeler.process.restarts == 4
        scores = await scored(system, project, 40, seconds=90)
        await until_empty(database)
    stats = provider.stats()
    assert (stats["batches"], stats["duplicate_batches"], stats["repaid_prompts"]) == (1, 0, 0)
    paid = {score.item_id: cost([score]) for score in scores}
    assert sum(paid.values()) == pytest.approx(stats["prompt_tokens"] * INPUT_USD / 2 / 1e6)
    assert len(paid) == 40


async def test_single_requests_fail_and_the_others_are_labelled(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project = f"errors-{time.time_ns()}"
    texts = ["a good day", "stub:refuse", "stub:fail", "stub:prose", "a bad day"]
    async with system.running("autolabeler", env=env(llm, provider)):
        await apply(system, project)
        await feed(system, project, texts)
        await scored(system, project, 2)
        await until_empty(database)
        await until_handled(system.kafka_settings, "autolabeler")
        letters = await records(system, "items.dlq", project)
    why = {letter.key.rpartition(b"/")[2]: dict(letter.headers)["dlq-reason"] for letter in letters}
    assert why == {b"i1": b"llm_refused", b"i2": b"llm_failing", b"i3": b"llm_prose"}
    assert all("labelmill-unanswered" not in dict(letter.headers) for letter in letters), "a retry asks anew"
    stats = provider.stats()
    # The sentence is paid for at each of its tries.
    assert (stats["batches"], stats["repaid_prompts"]) == (3, 2)


async def test_what_an_expired_or_failed_batch_left_goes_into_the_next(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project = f"expired-{time.time_ns()}"
    provider.control(fail_batches=1, expire_batches=1)
    async with system.running("autolabeler", env=env(llm, provider)):
        await apply(system, project, "budget: {usd_per_day: 50.0}")
        await feed(system, project, [f"a good day number {number}" for number in range(20)])
        scores = await scored(system, project, 20)
        await until_empty(database)
    stats = provider.stats()
    assert stats["batches_by_status"] == {"completed": 1, "expired": 1, "failed": 1}
    assert (stats["answered"], stats["repaid_prompts"], len(scores)) == (20, 0, 20)
    spent, _ = await taken(database, project)
    assert spent == pytest.approx(stats["prompt_tokens"] * INPUT_USD / 2 * 1e3)


async def test_a_batch_that_never_works_makes_dead_letters_that_blame_nobody(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project = f"never-{time.time_ns()}"
    provider.control(fail_batches=99)
    async with system.running("autolabeler", env=env(llm, provider, DLQ_WINDOW="2")) as autolabeler:
        await apply(system, project)
        await feed(system, project, [f"a good day number {number}" for number in range(10)])
        async with asyncio.timeout(60):
            while len(letters := await records(system, "items.dlq", project)) < 10:
                await asyncio.sleep(0.2)
        await until_empty(database)
        assert await autolabeler.ready()
    assert {dict(letter.headers)["dlq-reason"] for letter in letters} == {b"llm_batch_failed"}
    assert provider.stats()["batches"] == 3


async def test_batches_of_two_workers_never_pass_the_cap(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project, cap = f"capped-{time.time_ns()}", 0.05
    budget = "budget: {{usd_per_day: {cap}, when_spent: park}}"
    small = env(llm, provider, BATCH_REQUESTS="7")
    async with system.running("autolabeler", env=small) as one, system.running("autolabeler", env=small):
        await apply(system, project, budget.format(cap=cap))
        await feed(system, project, [f"a good day number {number}" for number in range(150)])
        async with asyncio.timeout(90):
            while True:
                spent, reserved = await taken(database, project)
                assert spent + reserved <= cap * 1e9
                # What is left then pays no question any more: one may cost a tenth of the cap.
                if spent > 0.8 * cap * 1e9 and not reserved and not (await left(database))[2]:
                    break
                await asyncio.sleep(0.02)
            while True:
                first = await scored(system, project, 1)
                if len(first) + (await left(database))[0] == 150:
                    break
                await asyncio.sleep(0.1)
        assert 0.5 * cap < cost(first) <= cap
        assert 0 < len(first) < 150
        await apply(system, project, budget.format(cap=10.0), version=2)
        scores = await scored(system, project, 150)
        await until_empty(database)
        assert await one.ready()
    stats = provider.stats()
    assert stats["largest_batch"] == 7
    assert (stats["repaid_prompts"], stats["duplicate_batches"]) == (0, 0)
    spent, reserved = await taken(database, project)
    assert (spent, reserved) == (pytest.approx(cost(scores) * 1e9, abs=200), 0)


async def test_without_money_for_a_batch_people_are_asked(
    system: System, llm: RunningStub, provider: RunningStub, database: Database
) -> None:
    project, cap = f"people-{time.time_ns()}", 0.02
    more = "  - {name: free, type: llm, model: free, method: samples, samples: 1, input_usd_per_mtok: 0.0}\n"
    more += f"budget: {{usd_per_day: {cap}, when_spent: people}}"
    async with system.running("autolabeler", env=env(llm, provider, BATCH_REQUESTS="20")):
        await apply(system, project, more)
        await feed(system, project, [f"a good day number {number}" for number in range(100)])
        scores = await scored(system, project, 100)
        await until_empty(database)
    short = [score for score in scores if score.over_budget]
    assert 0 < len(short) < 100
    assert 0 < cost(scores) <= cap
    assert all([vote.voter for vote in score.votes] == ["free"] for score in short)
    assert all(len(score.votes) == 2 for score in scores if not score.over_budget)


def question(number: int, project: str) -> BatchQuestion:
    key = number.to_bytes(16, "big")
    asked = Question(key, project, (b'{"model": "race"}', b"", b""), ("A", "B"))
    return BatchQuestion(asked, project, "v", b"12345678", TokenPrices(1.0, 1.0))


def item(offset: int, *questions: BatchQuestion) -> Parked:
    return Parked(99, offset, b"k", b"v", [("h", None)], [each.question.key for each in questions])


async def test_an_item_that_comes_while_its_question_ends_is_never_left_behind(database: Database) -> None:
    """Parking and reading run at once, on the same questions: whatever the order, every item goes round."""
    store, model = BatchStore(database), f"race-{time.time_ns()}"
    questions = [question(number, model) for number in range(30)]
    rounds: list[OutRecord] = []
    done = asyncio.Event()

    async def publish(outs: Sequence[OutRecord]) -> None:
        rounds.extend(outs)

    async def read() -> None:
        while not done.is_set() or (await left(database))[0]:
            await store.gather(model, 10, time_day(), lambda qs, _: allot(qs, {}), 0.0)
            async with store.next_batch() as held:
                if held is not None:
                    asked = await held.questions()
                    outcomes = {
                        each.question.key: Outcome(Answer((1.0, 0.0), 1, 1))
                        if each.question.key[-1] % 3
                        else Outcome(problem=InvalidRecord("llm_prose", "x"), is_final=True)
                        for each in asked
                    }
                    await held.end(asked, outcomes)
            await store.send_round(publish, 5)
            await store.sweep()

    readers = [asyncio.create_task(read()) for _ in range(2)]
    for first in range(0, 300, 3):
        some = [questions[(first * 7 + turn) % 30] for turn in range(4)]
        items = [item(first + turn, some[turn], some[turn + 1]) for turn in range(3)]
        await asyncio.gather(store.park(items, some), store.park(items[:1], some[:2]))
    done.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*readers)
    assert {out.partition for out in rounds} == {99}
    assert len(rounds) >= 300
    assert await left(database) == (0, 0, 0)


def time_day() -> date:
    return datetime.now(UTC).date()


async def test_a_batch_is_held_by_one_process_and_let_go_if_that_fails(database: Database) -> None:
    store, model = BatchStore(database), f"held-{time.time_ns()}"
    asked = question(1000, model)
    await store.park([item(1, asked)], [asked])
    await store.gather(model, 10, time_day(), lambda qs, _: allot(qs, {}), 0.0)

    async def step_that_fails() -> None:
        async with store.next_batch() as held:
            assert held is not None
            async with store.next_batch() as other:
                assert other is None
            await held.note(held.batch._replace(file_id="f"), 0.0)
            raise RuntimeError("it leaves no trace")

    with pytest.raises(RuntimeError):
        await step_that_fails()
    async with store.next_batch() as held:
        assert held is not None
        assert held.batch.file_id == ""
        await held.end([asked], {asked.question.key: Outcome(Answer((1.0, 0.0), 1, 1))})
    assert await left(database) == (1, 0, 0)

    async def fail(outs: Sequence[OutRecord]) -> None:
        raise RuntimeError("Kafka did not take it")

    async def take(outs: Sequence[OutRecord]) -> None:
        assert [(out.partition, out.key, out.value, out.headers) for out in outs] == [
            (99, b"k", b"v", [("h", None)])
        ]

    with pytest.raises(RuntimeError):
        await store.send_round(fail, 10)
    assert await left(database) == (1, 0, 0)
    assert await store.send_round(take, 10) == 1
    assert await left(database) == (0, 0, 0)


async def test_a_question_that_no_item_waits_for_any_more_is_not_paid_for(database: Database) -> None:
    store, model = BatchStore(database), f"unwanted-{time.time_ns()}"
    wanted, unwanted = question(2000, model), question(2001, model)
    await store.park([item(1, wanted), item(2, unwanted)], [wanted, unwanted])
    await database.pool.execute('UPDATE parked SET open = 0 WHERE "offset" = 2')

    async def take(outs: Sequence[OutRecord]) -> None:
        assert len(outs) == 1

    assert await store.send_round(take, 10) == 1
    gathered = await store.gather(model, 10, time_day(), lambda qs, _: allot(qs, {}), 0.0)
    assert [each.question.key for each in gathered.asked] == [wanted.question.key]
    async with store.next_batch() as held:
        assert held is not None
        await held.end([wanted], {wanted.question.key: Outcome(Answer((1.0, 0.0), 1, 1))})
    assert await store.send_round(take, 10) == 1
    assert await left(database) == (0, 0, 0)
