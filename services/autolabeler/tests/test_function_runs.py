"""Labeling functions in Python: what they may do, and what happens when they do worse."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from autolabeler.function_runs import Functions
from autolabeler.functions import function_voter
from labelmill.projects import FunctionSpec, VoterSpec
from labelmill.runtime.metrics import Metrics

LABELS = ["good", "bad"]
SOURCE = """
import itertools, os, signal, time
print("noise on standard output")

def label(content, metadata):
    print("more noise")
    if content == "raise":
        raise ValueError("no")
    if content == "stuck":
        while True:
            pass
    if content == "locked":
        max(itertools.repeat(0))  # for ever in C, with the interpreter's lock
    if content == "die":
        os._exit(3)
    if content == "outside":
        return "ugly"
    if content == "number":
        return 3
    if content == "secret":
        return "bad" if "DATABASE_URL" in os.environ else "good"
    return {"g": "good", "b": "bad"}.get(content[0] + metadata.get("x", ""))
"""

Make = Callable[..., Functions]


class Bench:
    """Functions over a folder, and jobs for them."""

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self.metrics = Metrics()
        self.functions = Functions(self.metrics, folder, seconds)

    async def votes(self, *texts: str, python: str = "rules:label") -> list[str | None]:
        spec = VoterSpec(name="f", type="function", function=FunctionSpec(python=python))
        plan = SimpleNamespace(project="p", functions=(function_voter(spec, LABELS),))
        jobs: list[Any] = [
            SimpleNamespace(plan=plan, votes=[], item=SimpleNamespace(content=text, metadata={}))
            for text in texts
        ]
        await self.functions.vote(jobs)
        self.jobs = jobs
        return [str(job.votes[0].label) if job.votes else None for job in jobs]

    def errors(self, error: str) -> float:
        labels = {"project": "p", "voter": "f", "error": error}
        return self.metrics.registry.get_sample_value("labelmill_function_errors_total", labels) or 0.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "rules.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
async def bench(folder: Path) -> AsyncIterator[Bench]:
    bench = Bench(folder, 0.3)
    yield bench
    await bench.functions.stop()


async def test_a_function_votes_or_abstains(bench: Bench) -> None:
    assert await bench.votes("good", "bad", "so so") == ["good", "bad", None]
    vote = bench.jobs[0].votes[0]
    assert (vote.voter, vote.source, vote.confidence) == ("f", "function", 0.7)
    assert len(vote.version) == 12
    assert bench.errors("raised") == 0


async def test_what_it_raises_or_invents_is_an_abstention_that_is_counted(bench: Bench) -> None:
    assert await bench.votes("raise", "good", "outside", "number") == [None, "good", None, None]
    assert (bench.errors("raised"), bench.errors("outside")) == (2, 1)


@pytest.mark.parametrize(("text", "error"), [("stuck", "timeout"), ("locked", "timeout"), ("die", "crashed")])
async def test_a_function_that_does_not_come_back_costs_its_item_only(
    bench: Bench, text: str, error: str
) -> None:
    await bench.votes("good")
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    started = time.monotonic()
    assert await bench.votes("good", text, "bad") == ["good", None, "bad"]
    took = time.monotonic() - started
    beating.cancel()
    assert bench.errors(error) == 1
    assert beats > took / 0.01 / 10, "the loop went on meanwhile"


async def test_a_function_that_is_stuck_again_and_again_gets_a_rest(bench: Bench) -> None:
    await bench.votes("good")
    started = time.monotonic()
    assert await bench.votes(*["stuck"] * 50, "good") == [None] * 51
    assert time.monotonic() - started < 20
    assert (bench.errors("timeout"), bench.errors("resting")) == (3, 48)


async def test_it_sees_nothing_of_the_services_secrets(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    assert await bench.votes("secret") == ["good"]


async def test_a_changed_file_is_taken_up(bench: Bench, folder: Path) -> None:
    await bench.votes("good")
    before = bench.jobs[0].votes[0].version
    (folder / "p" / "rules.py").write_text("def label(content, metadata):\n    return 'bad'\n")
    assert await bench.votes("good") == ["bad"]
    assert bench.jobs[0].votes[0].version != before


@pytest.mark.parametrize(
    "source", [None, "def label(:", "import nothing_of_the_kind", "x = 1", "raise SystemExit"]
)
async def test_a_function_that_cannot_be_loaded_abstains_until_its_file_is_mended(
    bench: Bench, folder: Path, source: str | None
) -> None:
    file = folder / "p" / "rules.py"
    if source is None:
        file.unlink()
    else:
        file.write_text(source)
    assert await bench.votes("good", "bad") == [None, None]
    assert bench.errors("unusable") == 2
    file.write_text(SOURCE)
    assert await bench.votes("good") == ["good"]


async def test_without_a_folder_functions_in_python_abstain() -> None:
    bench = Bench(None, 0.3)
    assert await bench.votes("good") == [None]
    assert bench.errors("unusable") == 1
