"""Has the LLM memorised a data set? `python -m benchmarks.evaluation.memorised`, some two minutes.

A model that has read the items of an evaluation, perhaps with their labels, looks better on them than it is.
It is given the first half of an item and goes on by itself, greedily. What it says is compared with the true
second half and, as chance, with the second half of another item: the longest run of words that both share
(Carlini et al. 2021 and 2023 tell memorised text by verbatim continuation; Golchin and Surdeanu 2024 compare
overlaps in this way). An item counts as recalled from `RUN` words in a row on. results/memorised.json keeps
it; needs the files that scripts/prepare_bbc.py makes.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from labelmill_local.llm import LlmServer, LlmSettings
from labelmill_local.ports import free_port
from rich.console import Console
from rich.progress import Progress
from scipy.stats import binomtest

from benchmarks.evaluation.votes import NAMES, ROOT

RESULT = ROOT / "benchmarks/results/memorised.json"
ITEMS, SEED = 150, 6
RUN = 5
"""Words in a row that are no chance: of second halves of other items fewer than 1 in 100 share so many."""
_LEAST_WORDS = 10
_MOST_TOKENS = 32
"""How long the model goes on: some 20 words."""
_AT_ONCE = 2


def halves(text: str) -> tuple[str, list[str]]:
    """Return the beginning of a text, as it stands, and the words of the rest."""
    words = text.split()
    middle = len(words) // 2
    return " ".join(words[:middle]), words[middle:]


def longest_run(said: Sequence[str], true: Sequence[str]) -> int:
    """Return the number of words of the longest run that both have, whatever the case."""
    first, second = ([word.casefold() for word in words] for words in (said, true))
    return SequenceMatcher(None, first, second, autojunk=False).find_longest_match().size


def figures(said: Sequence[Sequence[str]], true: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return how many continuations recall their item, and how many of them recall the next one by chance.

    `p_value`: of McNemar's exact test that recall is no more likely than chance.
    """
    own = np.array([longest_run(a, b) for a, b in zip(said, true, strict=True)])
    other = np.array([longest_run(a, b) for a, b in zip(said, [*true[1:], true[0]], strict=True)])
    only_own = int(((own >= RUN) & (other < RUN)).sum())
    only_other = int(((own < RUN) & (other >= RUN)).sum())
    pairs = only_own + only_other
    return {
        "items": len(own),
        "recalled": int((own >= RUN).sum()),
        "recalled_by_chance": int((other >= RUN).sum()),
        "mean_run": round(float(own.mean()), 3),
        "mean_run_by_chance": round(float(other.mean()), 3),
        "longest_run": int(own.max()),
        "p_value": round(float(binomtest(only_own, pairs, alternative="greater").pvalue), 4)
        if pairs
        else 1.0,
    }


def texts_of(name: str) -> list[str]:
    """Return some of a data set's items, those long enough to be halved."""
    lines = (ROOT / "examples" / name / "items.jsonl").read_text().splitlines()
    texts = [json.loads(line)["content"] for line in lines]
    long = [text for text in texts if len(text.split()) >= _LEAST_WORDS]
    return [long[n] for n in np.random.default_rng(SEED).permutation(len(long))[:ITEMS]]


async def _continuations(client: httpx2.AsyncClient, name: str, texts: Sequence[str]) -> list[list[str]]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(text: str) -> list[str]:
        prompt, _ = halves(text)
        body = {"prompt": prompt, "temperature": 0, "max_tokens": _MOST_TOKENS}
        async with slots:
            response = await client.post("/completions", json=body)
        response.raise_for_status()
        words: list[str] = response.json()["choices"][0]["text"].split()
        progress.advance(task)
        return words

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=len(texts))
        return list(await asyncio.gather(*(one(text) for text in texts)))


async def measured() -> dict[str, Any]:
    """Return the figures of both data sets."""
    found: dict[str, Any] = {"model": "SmolLM2-135M-Instruct", "run": RUN}
    with tempfile.TemporaryDirectory() as folder:
        server = LlmServer(LlmSettings(port=free_port(), threads=2), Path(folder) / "llm.log")
        await server.start()
        try:
            async with httpx2.AsyncClient(base_url=server.base_url, timeout=120) as client:
                for name in NAMES:
                    texts = texts_of(name)
                    said = await _continuations(client, name, texts)
                    found[name] = figures(said, [halves(text)[1] for text in texts])
        finally:
            await server.stop()
    return found


def main() -> None:
    found = asyncio.run(measured())
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
