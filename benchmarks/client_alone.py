"""The autolabeler's LLM client alone, without Kafka, cache and scores: what its process can call at most.

Run as `python -m benchmarks.client_alone CALLS IN_FLIGHT`, with the settings of an autolabeler in the
environment; it prints the calls a second.
"""

import asyncio
import sys
import time
from itertools import repeat

import msgspec
import uvloop
from autolabeler.llm import LlmAnswerer
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Question

from benchmarks.load import text


async def measure(calls: int, in_flight: int) -> float:
    """Return the calls a second with `in_flight` of them open all the time."""
    client = LlmAnswerer(AutolabelerSettings())
    await client.start()
    numbers = iter(range(calls))

    async def worker(_: None) -> None:
        for number in numbers:
            await client.answer([_question(number)])

    started = time.monotonic()
    try:
        await asyncio.gather(*map(worker, repeat(None, in_flight)))
    finally:
        await client.stop()
    return calls / (time.monotonic() - started)


def _question(number: int) -> Question:
    body = {
        "model": "stub",
        "messages": [{"role": "user", "content": text(number)}],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }
    return Question(number.to_bytes(16, "big"), "stub", (b"", msgspec.json.encode(body), b""), ("A", "B"))


if __name__ == "__main__":
    print(uvloop.run(measure(int(sys.argv[1]), int(sys.argv[2]))))
