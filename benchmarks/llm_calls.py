"""LLM calls a second of one autolabeler process: 200 ms latency, 256 in flight, ideal 1,280 a second."""

import asyncio
import os
import sys
from pathlib import Path

from labelmill_local.system import Running, System

from benchmarks.load import apply_project, preload, until
from benchmarks.results import Result
from benchmarks.stub import llm_stub

LATENCY_MS = 200
IN_FLIGHT = 256
IDEAL = IN_FLIGHT / (LATENCY_MS / 1000)
WARM_UP, MEASURED = 4_000, 20_000


async def run(folder: Path) -> list[Result]:
    """Let the limiter open up over the first calls, then time the next 20,000."""
    async with System(folder) as system, llm_stub(folder, LATENCY_MS) as url:
        await system.add("review-api")
        await apply_project(system)
        await preload(system, 0, WARM_UP + MEASURED + 2_000)
        labeler = await system.add("autolabeler", env=labeler_env(url, IN_FLIGHT))
        rate = await scored_per_second([labeler], WARM_UP, MEASURED)
        await labeler.process.stop()
        alone = await _client_alone({**system.service_env("autolabeler"), **labeler_env(url, IN_FLIGHT)})
    return [
        Result(
            name="llm_calls",
            value=rate,
            unit="calls/s",
            baseline=IDEAL,
            baseline_is="256 in flight over 200 ms",
            aim="850 calls/s",
        ),
        Result("llm_client_alone", alone, "calls/s", IDEAL, "256 in flight over 200 ms", "none is set"),
    ]


async def _client_alone(env: dict[str, str]) -> float:
    argv = [sys.executable, "-m", "benchmarks.client_alone", str(MEASURED), str(IN_FLIGHT)]
    process = await asyncio.create_subprocess_exec(
        *argv, env={**os.environ, **env}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return float(out)


def labeler_env(url: str, in_flight: int) -> dict[str, str]:
    """Return the settings of an autolabeler that may keep `in_flight` calls going from the start."""
    return {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "stub",
        "LLM_MAX_CONCURRENCY": str(in_flight),
        "LLM_INITIAL_CONCURRENCY": str(in_flight),
    }


async def scored_per_second(labelers: list[Running], warm_up: int, measured: int) -> float:
    """Return the items a second that the labelers score together, after `warm_up` items."""

    async def scored() -> float:
        counts = await asyncio.gather(*(each.metric("labelmill_scored_total") for each in labelers))
        return sum(counts)

    started = await until("warm-up", scored, warm_up, limit_s=120)
    before = await scored()
    finished = await until("scored", scored, before + measured, limit_s=300)
    return (await scored() - before) / (finished - started)
