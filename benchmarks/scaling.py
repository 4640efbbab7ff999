"""What a second process of the same service brings: autolabelers waiting for a 200 ms LLM, and routers."""

import asyncio
from pathlib import Path

from labelmill_local.system import Running, System

from benchmarks.llm_calls import LATENCY_MS, labeler_env, scored_per_second
from benchmarks.load import apply_project, preload, until
from benchmarks.pipeline import ZERO_LATENCY
from benchmarks.results import Result
from benchmarks.stub import llm_stub

IN_FLIGHT = 64
"""Few enough that two processes and the stub fit on two cores: the wait for the LLM is what scales."""
WARM_UP, MEASURED = 1_000, 6_000
ROUTED = 100_000


async def run(folder: Path) -> list[Result]:
    """Measure one process of each, then two, on fresh systems."""
    one, two = [await _labelers(folder / f"labelers-{count}", count) for count in (1, 2)]
    router, routers = [await _routers(folder / f"routers-{count}", count) for count in (1, 2)]
    return [
        Result("two_autolabelers", two, "items/s", one, "one autolabeler", "1.9"),
        Result("two_routers", routers, "items/s", router, "one router", "(stated, no bar)"),
    ]


async def _labelers(folder: Path, count: int) -> float:
    async with System(folder) as system, llm_stub(folder, LATENCY_MS) as url:
        await system.add("review-api")
        await apply_project(system)
        labelers = [await system.add("autolabeler", env=labeler_env(url, IN_FLIGHT)) for _ in range(count)]
        await _settled(labelers)
        await preload(system, 0, (WARM_UP + MEASURED) * count + 4_000)
        return await scored_per_second(labelers, WARM_UP * count, MEASURED * count)


async def _settled(services: list[Running]) -> None:
    """Wait until the group has shared out the partitions: the rebalance is no part of the figure."""
    await asyncio.sleep(8 if len(services) > 1 else 3)


async def _routers(folder: Path, count: int) -> float:
    async with System(folder) as system:
        await system.add("review-api")
        await apply_project(system)
        await preload(system, 0, ROUTED)
        labeler = await system.add("autolabeler", argv=ZERO_LATENCY)
        await until("scored", lambda: labeler.metric("labelmill_scored_total"), ROUTED, limit_s=120)
        await labeler.process.stop()
        for review in [running for running in system.services if running.service == "review-api"]:
            await review.process.stop()
        routers = await asyncio.gather(*(system.add("router") for _ in range(count)))

        async def routed() -> float:
            counts = await asyncio.gather(*(each.metric("labelmill_routed_total") for each in routers))
            return sum(counts)

        started = await until("started", routed, 1, limit_s=60, every_s=0.02)
        finished = await until("routed", routed, ROUTED, limit_s=120, every_s=0.02)
        return ROUTED / (finished - started)
