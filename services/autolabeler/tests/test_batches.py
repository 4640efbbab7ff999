"""The course of a batch through crashes and refusals, with a provider and a store that are faked."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from autolabeler.batches import Batches
from autolabeler.batching import Batch, BatchQuestion, Outcome, RemoteBatch
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Misconfigured, Passing, Question, Refused
from hypothesis import given
from hypothesis import strategies as st
from labelmill.cost import TokenPrices
from labelmill.runtime.service import Context

ASKED = [
    BatchQuestion(
        Question(bytes([number]) * 16, "m", (b'{"model":"m"}', b"", b""), ("A", "B")),
        "p",
        "slow",
        b"12345678",
        TokenPrices(1.0, 1.0),
    )
    for number in range(3)
]


class Crash(Exception):
    """The process dies."""


class Provider:
    """Makes what it is asked for. `script` is what happens instead, or (`after` first) right after, call by
    call."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.batches: dict[str, RemoteBatch] = {}
        self.script: list[Exception | None] = []
        self.made = 0
        self.removed: list[str] = []
        self.status = "completed"

    def _fail(self) -> None:
        problem = self.script.pop(0) if self.script else None
        if problem is not None:
            raise problem

    async def find_file(self, name: str) -> str | None:
        return self.files.get(name)

    async def upload(self, name: str, content: bytes) -> str:
        assert len(content.splitlines()) == len(ASKED)
        self.made += 1
        self.files[name] = f"file-{self.made}"
        self._fail()
        return self.files[name]

    async def find_batch(self, mark: str) -> RemoteBatch | None:
        return self.batches.get(mark)

    async def create(self, file_id: str, mark: str) -> RemoteBatch:
        self.made += 1
        self.batches[mark] = RemoteBatch(f"batch-{self.made}", "validating")
        self._fail()
        return self.batches[mark]

    async def batch(self, batch_id: str) -> RemoteBatch:
        self._fail()
        return RemoteBatch(batch_id, self.status, "out", "err" if self.status != "lost" else "")

    async def content(self, batch: RemoteBatch) -> bytes:
        tops = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -3.0}]
        logprobs = {"content": [{"top_logprobs": tops}]}
        body = {"choices": [{"logprobs": logprobs}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}
        lines = [
            {"custom_id": each.question.key.hex(), "response": {"status_code": 200, "body": body}}
            for each in ASKED
        ]
        return b"" if batch.status != "completed" else b"\n".join(json.dumps(line).encode() for line in lines)

    async def remove(self, *files: str) -> None:
        self.removed += files


class Held:
    """A batch in the fake store: what is noted counts once the block has ended well."""

    def __init__(self, batch: Batch) -> None:
        self.batch, self.noted = batch, batch
        self.seconds: float | None = None
        self.ended: Mapping[bytes, Outcome] | None = None

    async def questions(self) -> list[BatchQuestion]:
        return ASKED

    async def note(self, batch: Batch, seconds: float) -> None:
        self.noted, self.seconds = batch, seconds

    async def end(self, questions: Sequence[BatchQuestion], outcomes: Mapping[bytes, Outcome]) -> None:
        self.ended = outcomes


class Store:
    """One batch, and how it ended."""

    def __init__(self) -> None:
        self.batch: Batch | None = Batch("mark", "m")
        self.outcomes: Mapping[bytes, Outcome] = {}
        self.waits: list[float | None] = []

    @asynccontextmanager
    async def next_batch(self) -> AsyncIterator[Any]:
        held = None if self.batch is None else Held(self.batch)
        yield held
        if held is None:
            return
        self.batch = held.noted
        self.waits.append(held.seconds)
        if held.ended is not None:
            self.batch, self.outcomes = None, held.ended


class Rig:
    def __init__(self) -> None:
        settings = AutolabelerSettings(batch_poll_seconds=10.0)
        self.context = Context.create("autolabeler", settings)
        self.store, self.provider = Store(), Provider()
        fakes: dict[str, Any] = {"store": self.store, "provider": self.provider, "publisher": None}
        self.batches = Batches(self.context, settings, **fakes, projects={})  # type: ignore[arg-type]

    def metric(self, name: str, **labels: str) -> float:
        return self.context.metrics.registry.get_sample_value(name, labels) or 0.0


@given(st.lists(st.booleans(), max_size=8))
def test_however_often_it_crashes_one_file_and_one_batch_are_made(crashes: list[bool]) -> None:
    async def run() -> Rig:
        rig = Rig()
        rig.provider.script = [Crash() if crash else None for crash in crashes]
        while rig.store.batch is not None:
            try:
                await rig.batches.step()
            except Crash:
                continue
        return rig

    rig = asyncio.run(run())
    assert rig.provider.made == 2
    assert all(outcome.answer is not None for outcome in rig.store.outcomes.values())
    assert rig.provider.removed == ["file-1", "out", "err"]
    assert rig.metric("labelmill_llm_calls_total", project="p", voter="slow") == 3
    assert rig.metric("labelmill_batches_total", model="m", status="completed") == 1


@pytest.mark.parametrize("problem", [Passing("rate_limited"), Misconfigured("401: no")])
async def test_what_may_pass_or_be_mended_is_waited_for_longer_and_longer(problem: Exception) -> None:
    rig = Rig()
    rig.provider.script = [problem] * 3
    # The upload was done though its answer was lost: it is found, and the creation fails next.
    for _ in range(4):
        assert await rig.batches.step()
    assert rig.store.batch is not None
    assert rig.store.waits == [10.0, 0.0, 10.0, 10.0]
    assert rig.provider.made == 2
    while await rig.batches.step():
        pass
    assert len(rig.store.outcomes) == 3


async def test_a_batch_that_is_refused_gives_its_questions_back() -> None:
    rig = Rig()
    rig.provider.script = [Refused("400: this model does no batches")]
    await rig.batches.step()
    assert rig.store.batch is None
    problems = {outcome.problem.reason for outcome in rig.store.outcomes.values() if outcome.problem}
    assert problems == {"llm_batch_failed"}
    assert not any(outcome.is_final for outcome in rig.store.outcomes.values())
    assert rig.metric("labelmill_batches_total", model="m", status="refused") == 1


async def test_a_batch_under_way_is_looked_at_again_and_one_that_is_lost_ends() -> None:
    rig = Rig()
    rig.provider.status = "in_progress"
    for _ in range(5):
        await rig.batches.step()
    assert rig.store.waits == [0.0, 10.0, 10.0, 15.0, 22.5]
    rig.provider.status = "lost"
    await rig.batches.step()
    assert rig.metric("labelmill_batches_total", model="m", status="lost") == 1
    assert rig.metric("labelmill_llm_errors_total", voter="slow", error="batch_failed") == 3
    assert not await rig.batches.step()
