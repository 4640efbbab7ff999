"""The flow from a batch of items to scores and offsets, with fakes at its edges."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from autolabeler.budgets import Budgets
from autolabeler.calls import Calls
from autolabeler.function_runs import Functions
from autolabeler.handlers import Labeler
from autolabeler.parking import Parking
from autolabeler.planning import Plans
from autolabeler.settings import AutolabelerSettings
from autolabeler.sink import Sink
from autolabeler.student import Students
from autolabeler.voters import Passing, Unusable
from autolabeler.voting import Voting
from autolabeler.window import Window
from labelmill.errors import EmbedderUnavailable, TooManyDeadLetters
from labelmill.events import EventDecoder, ItemIngested, LabelScored, ProjectPublished, ReleasePublished
from labelmill.releases import Evaluation, Release, StudentModel
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.erasing import ERASED
from labelmill.runtime.publisher import OutRecord
from labelmill.runtime.service import Context
from labelmill.student import pack

LLM = {"name": "llm", "type": "llm", "model": "small"}
STUDENT = {"name": "student", "type": "student"}


class Known(dict):  # type: ignore[type-arg]
    """The follower of a compacted topic, without the topic. `late` is what catching up finds."""

    late: dict[str, object]

    async def catch_up(self) -> None:
        self.update(getattr(self, "late", {}))


class Letterhead:
    """An embedder: the first letter of a text is its place on a line from a (-1) to z (+1)."""

    name = "letterhead"
    dimensions = 1

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[(ord(text[0]) - 109.5) / 12.5] for text in texts], np.float32)


def release(number: int = 1, **student: object) -> ReleasePublished:
    """A student that says positive to texts that begin with a letter after m, and is surer the farther."""
    base: dict[str, object] = {
        "embedder": "letterhead",
        "dimensions": 1,
        "classes": ["positive", "negative"],
        "weights": pack(np.array([[3.0], [-3.0]])),
        "bias": pack(np.zeros(2)),
        "temperature": 1.0,
        "sure_at": 0.9,
    }
    model = StudentModel(**{**base, **student})  # type: ignore[arg-type]
    evaluation = Evaluation(items=1, accuracy=1.0, present_accuracy=0.0)
    made = Release(
        number=number, dataset="d", decisions=1, evaluation=evaluation, created_at=0, student=model
    )
    return ReleasePublished(project="p", release=made)


class Rig:
    """The labeler with everything around it faked."""

    def __init__(  # type: ignore[no-untyped-def]
        self, context: Context, settings: AutolabelerSettings, answerer, cache, parking_store
    ) -> None:
        self.context = context
        self.published: list[OutRecord] = []
        self.buried: list[DeadLetter] = []
        self.commits: list[dict[int, int]] = []
        self.projects, self.releases, self.acceptances = Known(), Known(), Known()
        self.too_many = False
        budgets = Budgets(context, self.projects, None)  # type: ignore[arg-type] # no project has a cap
        self.calls = Calls(context, settings, answerer, cache=cache, budgets=budgets)
        self.students = Students(self._load)
        self.functions = Functions(context.metrics, settings.functions_dir, settings.function_seconds)
        self.window = Window(
            settings.autolabeler_window_items,
            settings.autolabeler_window_bytes,
            settings.autolabeler_window_span,
        )
        self.erased: set[tuple[str, str]] = set()
        self.sink = Sink(context, self, 0.001)  # type: ignore[arg-type]
        self.labeler = Labeler(
            context=context,
            settings=settings,
            window=self.window,
            plans=Plans(self.projects, self.releases, self.acceptances, "max_tokens"),
            voting=Voting(
                context.metrics,
                answerer,
                cache=cache,
                calls=self.calls,
                students=self.students,
                functions=self.functions,
                parking=Parking(parking_store),
            ),
            calls=self.calls,
            sink=self.sink,
            erased=self,  # type: ignore[arg-type]
        )
        self.sink.connect(self.bury, self.labeler.make_room)
        self.labeler.connect(SimpleNamespace(commit=self.commit))  # type: ignore[arg-type]

    @staticmethod
    def _load(name: str) -> Letterhead:
        if name != "letterhead":
            raise EmbedderUnavailable(name)
        return Letterhead()

    async def of(self, items: Iterable[ItemIngested]) -> set[tuple[str, str]]:
        return {(item.project, item.item_id) for item in items} & self.erased

    async def publish(self, topic: str, records: Sequence[OutRecord]) -> None:
        assert topic == "labels.scored"
        self.published.extend(records)

    async def bury(self, letters: Sequence[DeadLetter], good: int) -> None:
        self.buried.extend(letters)
        if self.too_many:
            raise TooManyDeadLetters("stop")

    async def commit(self, offsets) -> bool:  # type: ignore[no-untyped-def]
        self.commits.append({tp.partition: offset for tp, offset in offsets.items()})
        return True

    def scores(self) -> list[LabelScored]:
        decoder = EventDecoder(LabelScored)
        return [decoder.decode(record.value) for record in self.published]

    async def settled(self, count: int) -> list[LabelScored]:
        await until(lambda: len(self.published) + len(self.buried) >= count)
        return self.scores()

    def metric(self, name: str, **labels: str) -> float:
        return self.context.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def make_rig(  # type: ignore[no-untyped-def]
    context, settings, cache, make_project, parking_store
) -> AsyncIterator[Callable[..., Rig]]:
    rigs = []

    async def make(answerer, *, voters=(LLM,), **changes) -> Rig:  # type: ignore[no-untyped-def]
        rig = Rig(context, settings.model_copy(update=changes), answerer, cache, parking_store)
        rig.projects["p"] = make_project(voters)
        await rig.sink.start()
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        await rig.calls.stop()
        await rig.sink.stop()
        await rig.students.stop()
        await rig.functions.stop()


async def test_every_item_is_scored_and_its_partition_and_trace_kept(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    records = [make_record(f"text {number}", partition=number % 3) for number in range(30)]
    assert await rig.labeler.handle(records) == []
    scores = await rig.settled(30)
    assert {score.item_id for score in scores} == {f"i{number}" for number in range(30)}
    assert {(r.partition, r.key) for r in rig.published} == {(r.partition, r.key) for r in records}
    assert all(out.headers == records[0].headers for out in rig.published)
    await rig.labeler.stop()
    assert rig.commits[-1] == {0: 28, 1: 29, 2: 30}
    assert rig.metric("labelmill_scored_total", project="p") == 30


async def test_a_batch_answered_at_once_needs_no_call_and_is_cached(
    make_rig, at_once, make_record, cache
) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(at_once)
    await rig.labeler.handle([make_record("same"), make_record("same"), make_record("other")])
    scores = await rig.settled(3)
    assert len(at_once.asked) == len(cache.rows) == 2
    assert [score.votes[0].cached for score in scores] == [False, True, False]
    assert rig.metric("labelmill_llm_calls_total", project="p", voter="llm") == 2


async def test_what_is_in_the_cache_is_not_paid_again(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    await rig.labeler.handle([make_record("same")])
    await rig.settled(1)
    repeated, another = make_record("same", item_id="i0"), make_record("same", item_id="another")
    await rig.labeler.handle([repeated, another])
    scores = await rig.settled(3)
    assert len(answerer.asked) == 1
    assert [score.votes[0].cached for score in scores] == [False, False, True]
    assert scores[0].event_id == scores[1].event_id, "a repetition is the same event, cost and all"
    assert rig.metric("labelmill_llm_cache_hits_total", project="p") == 2


async def test_erased_items_and_tombstones_are_passed_over(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    rig.erased.add(("p", "gone"))
    gone, tombstone, fine = make_record("a text", item_id="gone"), make_record("b"), make_record("fine")
    tombstone = replace(tombstone, value=None, headers=((ERASED, b"1"),))
    await rig.labeler.handle([gone, tombstone, fine])
    (score,) = await rig.settled(1)
    await rig.labeler.stop()
    assert (score.item_id != "gone", rig.window.unfinished) == (True, 0)
    assert (len(answerer.asked), rig.buried) == (1, [])


async def test_bad_records_are_buried_and_the_others_go_on(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    bad = [
        make_record(value=b"{"),
        make_record(value=b'{"v":2,"project":"p","item_id":"x","content":"y"}'),
        make_record(value=b'{"v":1,"project":"p","item_id":"\xff","content":"y"}'),
        make_record("x" * 300_000),
        make_record("  "),
        make_record(project="nobody"),
    ]
    await rig.labeler.handle([*bad, make_record("fine")])
    await rig.settled(7)
    assert {letter.error.reason for letter in rig.buried} == {
        "malformed_json",
        "unknown_schema_version",
        "invalid_utf8",
        "content_too_large",
        "content_empty",
        "unknown_project",
    }
    assert len(rig.published) == 1
    await rig.labeler.stop()
    assert rig.commits[-1] == {0: 7}


async def test_a_project_that_has_just_been_applied_is_found(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    rig.projects.late = {"p": rig.projects.pop("p")}
    await rig.labeler.handle([make_record()])
    assert len(await rig.settled(1)) == 1


async def test_an_item_the_llm_has_no_use_for_is_a_dead_letter(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, llm_unusable_tries=1)
    answerer.script = [Unusable("llm_prose", "words")]
    await rig.labeler.handle([make_record("one"), make_record("two")])
    await rig.settled(2)
    assert [letter.error.reason for letter in rig.buried] == ["llm_prose"]
    assert len(rig.published) == 1


async def test_the_student_answers_alone_where_it_is_sure(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, voters=(LLM, STUDENT))
    rig.releases["p"] = release()
    await rig.labeler.handle([make_record(text) for text in ("zoo", "axe", "man")])
    scores = {score.item_id: score for score in await rig.settled(3)}
    assert [(s.label, [v.voter for v in s.votes]) for s in (scores["i0"], scores["i1"])] == [
        ("positive", ["student"]),
        ("negative", ["student"]),
    ]
    assert [vote.voter for vote in scores["i2"].votes] == ["student", "llm"]
    assert {score.release for score in scores.values()} == {1}
    assert len(answerer.asked) == 1
    assert rig.metric("labelmill_student_only_total", project="p") == 2


async def test_a_release_is_used_for_the_next_items(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, voters=(LLM, STUDENT))
    await rig.labeler.handle([make_record("zoo")])
    await rig.settled(1)
    rig.releases["p"] = release(number=2)
    await rig.labeler.handle([make_record("zoo")])
    before, after = await rig.settled(2)
    assert ([vote.source for vote in before.votes], before.release) == (["logprobs"], 0)
    assert ([vote.source for vote in after.votes], after.release) == (["student"], 2)


@pytest.mark.parametrize(
    "flaw", [{"embedder": "gone"}, {"classes": ["yes", "no"]}, {"dimensions": 7}, {"weights": b"x"}]
)
async def test_a_student_that_cannot_be_used_is_left_out(make_rig, answerer, make_record, flaw) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, voters=(LLM, STUDENT))
    rig.releases["p"] = release(**flaw)
    await rig.labeler.handle([make_record("zoo")])
    (score,) = await rig.settled(1)
    assert [vote.voter for vote in score.votes] == ["llm"]


async def test_with_a_student_only_and_no_release_people_are_asked(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, voters=(STUDENT,))
    await rig.labeler.handle([make_record("zoo")])
    (score,) = await rig.settled(1)
    assert (score.votes, score.release) == ([], 0)
    assert score.confidence == pytest.approx(1 / 3)


async def until(holds: Callable[[], object]) -> None:
    """Wait for a state, and never for a time: the machine may be busy."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.002)


async def test_takes_no_more_than_the_window_holds(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, autolabeler_window_items=10)
    answerer.gate.clear()
    await rig.labeler.handle([make_record(f"a{number}") for number in range(8)])
    second = asyncio.create_task(rig.labeler.handle([make_record(f"b{number}") for number in range(8)]))
    await asyncio.sleep(0.05)
    assert (second.done(), rig.window.unfinished) == (False, 8)
    answerer.gate.set()
    await asyncio.wait_for(second, 20)
    await rig.settled(16)


async def test_partitions_that_move_away_are_drained_first(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    answerer.gate.clear()
    records = [make_record(f"text {number}") for number in range(10)]
    await rig.labeler.handle(records)
    await until(lambda: answerer.in_flight == 4)
    revoking = asyncio.create_task(rig.labeler.revoked())
    await asyncio.sleep(0.02)
    assert await rig.labeler.handle([make_record("stale")]) == []
    answerer.gate.set()
    await revoking
    assert len(rig.published) == 4, "those in flight were finished, no others begun"
    assert rig.commits[-1] == {0: 4}
    assert rig.window.unfinished == 0
    await rig.labeler.handle(records[4:])
    await rig.settled(10)
    assert len(answerer.asked) == 10


class Slow(Letterhead):
    """An embedder that waits until it may go on, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.gate = threading.Event()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.given.extend(texts)
        self.gate.wait(5)
        return super().embed(texts)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    embedder = Slow()
    monkeypatch.setattr(Rig, "_load", staticmethod(lambda _: embedder))
    return embedder


async def test_what_was_given_up_is_not_embedded(make_rig, answerer, make_record, slow) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, voters=(LLM, STUDENT), autolabeler_drain_seconds=0.05)
    rig.releases["p"] = release()
    await rig.labeler.handle([make_record("zoo") for _ in range(150)])
    await until(lambda: len(slow.given) == 64)
    await rig.labeler.revoked()
    slow.gate.set()
    await asyncio.sleep(0.1)
    assert len(slow.given) == 64
    assert rig.published == []


async def test_a_stop_in_the_middle_of_embedding_is_no_failure(  # type: ignore[no-untyped-def]
    make_rig, answerer, make_record, slow
) -> None:
    rig = await make_rig(answerer, voters=(LLM, STUDENT), autolabeler_drain_seconds=0.05)
    rig.releases["p"] = release()
    await rig.labeler.handle([make_record("zoo") for _ in range(150)])
    await rig.labeler.handle([make_record("axe") for _ in range(150)])
    await until(lambda: len(slow.given) == 64)
    await rig.labeler.stop()
    await rig.students.stop()
    slow.gate.set()
    await asyncio.sleep(0.1)
    assert rig.context.health.failure is None
    assert len(slow.given) == 64


async def test_waiting_as_long_as_the_provider_asks_is_no_stall(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, autolabeler_commit_seconds=0.01)
    health = rig.context.health
    answerer.script = [Passing("rate_limited", 600.0)]
    await rig.labeler.handle([make_record()])
    await until(lambda: answerer.asked and not answerer.in_flight)
    health.progress("items", idle=False, now=-1e9)
    assert health.stalled() == ["items"]
    await rig.labeler.start()
    await until(lambda: health.stalled() == [])
    await rig.labeler.stop()


async def test_what_was_paid_before_a_release_is_told_after_it(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    await rig.labeler.handle([make_record("same")])
    await rig.settled(1)
    rig.releases["p"] = release()
    await rig.labeler.handle([make_record("same", item_id="i0"), make_record("same", item_id="another")])
    _, again, another = await rig.settled(3)
    assert len(answerer.asked) == 1
    assert (again.release, again.votes[0].cached) == (1, False)
    assert another.votes[0].cached


async def test_who_waited_for_room_takes_nothing_after_a_drain_that_never_paused(  # type: ignore[no-untyped-def]
    make_rig, answerer, make_record
) -> None:
    rig = await make_rig(answerer, autolabeler_window_items=1)
    answerer.script = [Passing("rate_limited", 60.0)]
    first, second = make_record("one"), make_record("two")
    await rig.labeler.handle([first])
    waiting = asyncio.create_task(rig.labeler.handle([second]))
    await until(lambda: answerer.asked and not answerer.in_flight)  # the breaker holds the only call
    await rig.labeler.revoked()
    assert await waiting == []
    assert rig.window.unfinished == 0
    await rig.labeler.handle([first])
    assert rig.window.unfinished == 1


async def test_takes_no_more_bytes_than_the_window_holds(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, autolabeler_window_bytes=1500)
    answerer.gate.clear()
    await rig.labeler.handle([make_record("a" * 1000)])
    second = asyncio.create_task(rig.labeler.handle([make_record("b" * 1000)]))
    await asyncio.sleep(0.02)
    assert not second.done()
    answerer.gate.set()
    await asyncio.wait_for(second, 20)
    await rig.settled(2)


async def test_calls_that_outlast_the_drain_are_still_cached(make_rig, answerer, make_record, cache) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, autolabeler_drain_seconds=0.05)
    answerer.gate.clear()
    record = make_record("slow")
    await rig.labeler.handle([record])
    await until(lambda: answerer.in_flight == 1)
    await rig.labeler.revoked()
    assert rig.commits == []
    await rig.labeler.handle([record])
    await asyncio.sleep(0.02)
    answerer.gate.set()
    await rig.settled(1)
    await asyncio.sleep(0.05)
    assert len(rig.published) == len(answerer.asked) == len(cache.rows) == 1
    assert not rig.scores()[0].votes[0].cached


async def test_too_many_dead_letters_stop_the_service(make_rig, answerer, make_record) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    rig.too_many = True
    await rig.labeler.handle([make_record(value=b"{")])
    await asyncio.wait_for(rig.context.health.failed.wait(), 20)
    await rig.labeler.stop()
    assert rig.commits == [], "the letter may not have been sent"


async def test_a_changed_guideline_asks_anew(make_rig, answerer, make_record, make_project) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer)
    await rig.labeler.handle([make_record("same")])
    await rig.settled(1)
    changed: ProjectPublished = make_project((LLM,), guideline="Say it otherwise.")
    rig.projects["p"] = msgspec.structs.replace(changed, guideline_version=3)
    await rig.labeler.handle([make_record("same")])
    scores = await rig.settled(2)
    assert len(answerer.asked) == 2
    assert [score.guideline_version for score in scores] == [2, 3]


async def test_what_waits_for_a_batch_holds_back_no_offset(
    make_rig, answerer, make_record, parking_store
) -> None:  # type: ignore[no-untyped-def]
    rig = await make_rig(answerer, voters=[{**LLM, "mode": "batch", "permutations": 2}])
    records = [make_record(f"text {number}") for number in range(3)]
    await rig.labeler.handle(records)
    await until(lambda: not rig.window.unfinished)
    await rig.labeler.stop()
    assert rig.commits[-1] == {0: 3}
    assert (answerer.asked, rig.published) == ([], [])
    places = [(item.partition, item.offset, item.key, item.value) for item in parking_store.items]
    assert places == [(0, r.offset, r.key, r.value) for r in records]
    assert [item.headers for item in parking_store.items] == [r.headers for r in records]
    assert all(len(item.questions) == 2 for item in parking_store.items)
    assert len(parking_store.questions) == 6
