"""Get the real votes that the evaluation runs on: `python -m benchmarks.evaluation.votes`.

Asks SmolLM2-135M on this machine about every tweet and every BBC article; takes about an hour of one core.
Every answer is kept in a file as soon as it is there, so a second run pays only for what is missing. The
votes that `make eval` reads are in votes/*.npz.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import numpy as np
from autolabeler.voters import Question
from labelmill.embedding import MINILM
from labelmill.embedding.minilm import MiniLm
from labelmill.projects import ProjectSpec, load_project
from labelmill_local.llm import LlmServer, LlmSettings
from labelmill_local.ports import free_port
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from trainer.splitting import place_all, sketch

from benchmarks.evaluation.asking import SOURCES, Asker, Reply, Vote

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "votes"
NAMES = ("tweets", "bbc")
CHEAP = "logprobs"
"""The source that is asked about everything."""
SUBSET, SUBSET_SEED = 600, 4
"""How many items the dear sources are asked about, and the seed they are drawn with."""
AT_ONCE, THREADS = 4, 1


@dataclass(frozen=True)
class Item:
    """An item with the number of its true label."""

    item_id: str
    content: str
    truth: int


class Answers:
    """Answers by the key of their question, in memory and in a file that only grows."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Reply] = {}
        decoder = msgspec.json.Decoder(Reply)
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                reply = decoder.decode(line)
            except msgspec.DecodeError:  # the last line of a run that was killed
                continue
            self._known[reply.key] = reply
        self._file = path.open("ab", buffering=0)
        self._file.write(b"\n")

    def get(self, question: Question) -> Reply | None:
        return self._known.get(question.key.hex())

    def add(self, reply: Reply) -> None:
        self._known[reply.key] = reply
        self._file.write(msgspec.json.encode(reply) + b"\n")


def read_items(name: str, spec: ProjectSpec) -> list[Item]:
    """Return the data set's items. Exits if its files have not been prepared."""
    folder = ROOT / "examples" / name
    if not (folder / "items.jsonl").exists():
        sys.exit(f"error: run `python scripts/prepare_{name}.py` first")
    truth = _truths(folder, spec.label_names)
    lines = map(json.loads, (folder / "items.jsonl").read_text().splitlines())
    return [Item(line["item_id"], line["content"], truth[line["item_id"]]) for line in lines]


def _truths(folder: Path, labels: Sequence[str]) -> dict[str, int]:
    """Return the number of each item's label: that of the section, or of the mean of the raters kept back."""
    if (folder / "truth.jsonl").exists():
        lines = map(json.loads, (folder / "truth.jsonl").read_text().splitlines())
        return {line["item_id"]: labels.index(line["label"]) for line in lines}
    lines = map(json.loads, (folder / "raters.jsonl").read_text().splitlines())
    return {line["item_id"]: labels.index(_side(line["ratings"][5:])) for line in lines}


def _side(ratings: Sequence[int]) -> str:
    return "positive" if sum(ratings) > 0 else "negative"


def subset(count: int) -> NDArray[np.int64]:
    """Return the rows that the dear sources are asked about."""
    drawn = np.random.default_rng(SUBSET_SEED).permutation(count)[:SUBSET]
    rows: NDArray[np.int64] = np.sort(drawn)
    return rows


class Collector:
    """Asks about one data set's items by one source."""

    def __init__(self, asker: Asker, texts: Mapping[int, str], answers: Answers) -> None:
        """`texts` by row are those to ask about."""
        self._asker = asker
        self._answers = answers
        self._questions = {row: asker.questions(text) for row, text in texts.items()}

    def ask(self, url: str, progress: Progress, task: str) -> None:
        """Ask what has not been answered yet."""
        wanted = [question for questions in self._questions.values() for question in questions]
        missing = list({each.key: each for each in wanted if self._answers.get(each) is None}.values())
        number = progress.add_task(task, total=len(missing))
        with httpx2.Client(base_url=url, timeout=120) as client, ThreadPoolExecutor(AT_ONCE) as pool:
            for reply in pool.map(lambda question: _reply(client, question), missing):
                self._answers.add(reply)
                progress.advance(number)

    def votes(self) -> Iterator[tuple[int, Vote]]:
        """Yield the votes with their rows, without those not asked yet or whose answer cannot be used."""
        for row, questions in self._questions.items():
            replies = [reply for reply in map(self._answers.get, questions) if reply is not None]
            vote = self._asker.vote(questions, replies) if len(replies) == len(questions) else None
            if vote is not None:
                yield row, vote


def _reply(client: httpx2.Client, question: Question) -> Reply:
    response = client.post(
        "/chat/completions", content=question.body, headers={"content-type": "application/json"}
    )
    response.raise_for_status()
    document: dict[str, Any] = response.json()
    choice, usage = document["choices"][0], document["usage"]
    positions = (choice.get("logprobs") or {}).get("content") or [{}]
    first = [(each["token"], each["logprob"]) for each in positions[0].get("top_logprobs", [])]
    tokens = usage["prompt_tokens"], usage["completion_tokens"]
    return Reply(question.key.hex(), choice["message"]["content"], first, *tokens)


def arrays_of(collectors: Mapping[str, Collector], items: int, labels: int) -> dict[str, NDArray[Any]]:
    """Return a float32 array of shape (items, labels) a source, NaN where there is no vote, and the input and
    output tokens it took, shape (items,)."""
    arrays: dict[str, NDArray[Any]] = {}
    for source, collector in collectors.items():
        shares = np.full((items, labels), np.nan, np.float32)
        tokens = np.zeros((items, 2), np.uint16)
        for row, vote in collector.votes():
            shares[row], tokens[row] = vote.shares, (vote.input_tokens, vote.output_tokens)
        arrays[source], arrays[f"{source}_tokens"] = shares, tokens
    return arrays


def groups_of(name: str, texts: Iterable[str]) -> NDArray[np.int32]:
    """Return a number a text; near duplicates (as the trainer tells them) share it."""
    placed = place_all([(sketch(name, text), 0.0) for text in texts], [], 0.0)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(each.group, len(numbers)) for each in placed], np.int32)


def vectors_of(items: Sequence[Item], folder: Path) -> NDArray[np.float32]:
    """Return the items' embeddings, shape (items, 384), from `folder` if they were made before."""
    texts = [item.content for item in items]
    path = folder / f"vectors-{blake2b(json.dumps(texts).encode(), digest_size=8).hexdigest()}.npy"
    if not path.exists():
        np.save(path, MiniLm().embed(texts))
    vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return vectors


def save(
    name: str,
    spec: ProjectSpec,
    items: Sequence[Item],
    arrays: dict[str, NDArray[Any]],
    vectors: NDArray[np.float32],
) -> None:
    """Write votes/NAME.npz: plain arrays, no pickles."""
    stored: dict[str, Any] = {
        "item_ids": np.array([item.item_id for item in items], "S"),
        "labels": np.array(spec.label_names, "U"),
        "truth": np.array([item.truth for item in items], np.int8),
        "groups": groups_of(name, (item.content for item in items)),
        "embedder": np.array(MINILM, "U"),
        "embeddings": vectors.astype(np.float16),
        **arrays,
    }
    np.savez_compressed(FOLDER / f"{name}.npz", **stored)


@asynccontextmanager
async def server(log: Path) -> AsyncIterator[str]:
    """The local LLM, up for the while."""
    llm = LlmServer(LlmSettings(port=free_port(), threads=THREADS), log)
    await llm.start()
    try:
        yield llm.base_url
    finally:
        await llm.stop()


def collect(name: str, answers: Answers, url: str, sources: Sequence[str], folder: Path) -> None:
    """Ask what is missing of `sources` and write the data set's votes, made ready in `folder`."""
    spec = load_project((ROOT / "examples" / name / "project.yaml").read_text())
    items = read_items(name, spec)
    everything, some = range(len(items)), subset(len(items)).tolist()
    collectors = {
        source: Collector(
            Asker.of(spec, spec.voters[0], source),
            {row: items[row].content for row in (everything if source == CHEAP else some)},
            answers,
        )
        for source in SOURCES
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for source in sources:
            collectors[source].ask(url, progress, f"{name} {source}")
    arrays = arrays_of(collectors, len(items), len(spec.labels))
    save(name, spec, items, arrays, vectors_of(items, folder))


async def run(names: Sequence[str], sources: Sequence[str], cache: Path) -> None:
    answers = Answers(cache)
    async with server(cache.with_suffix(".log")) as url:
        for some in ([CHEAP], sources):  # the votes on everything first
            for name in names:
                await asyncio.to_thread(collect, name, answers, url, some, cache.parent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(NAMES), help="tweets, bbc (both)")
    parser.add_argument("--sources", nargs="+", choices=tuple(SOURCES), default=tuple(SOURCES))
    parser.add_argument("--cache", type=Path, default=ROOT / ".labelmill" / "evaluation" / "answers.jsonl")
    args = parser.parse_args()
    asyncio.run(run(args.names, args.sources, args.cache))


if __name__ == "__main__":
    main()
