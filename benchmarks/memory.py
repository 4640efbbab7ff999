"""Memory of each service from item 50,000 to item 500,000: it must stay flat."""

import asyncio
from pathlib import Path

import psutil
from labelmill_local.system import Running, System

from benchmarks.load import apply_project, preload, until
from benchmarks.pipeline import ZERO_LATENCY
from benchmarks.results import Result

MARKS = (50_000, 500_000)
_MIB = 1024 * 1024


async def run(folder: Path) -> list[Result]:
    """Let the items flow and read each service's resident memory at both marks."""
    async with System(folder) as system:
        review = await system.add("review-api")
        await apply_project(system)
        await system.add("router")
        await system.add("trainer")
        await system.add("autolabeler", argv=ZERO_LATENCY)
        feeding = asyncio.create_task(_feed(system))
        early, late = [await _memory_at(mark, review, system) for mark in MARKS]
        await feeding
    return [
        Result(f"memory_{name}", late[name], "MiB at 500,000", early[name], "at 50,000", "within 10%")
        for name in sorted(early)
    ]


async def _feed(system: System) -> None:
    for first in range(0, MARKS[-1], 25_000):
        await preload(system, first, 25_000)


async def _memory_at(mark: int, review: Running, system: System) -> dict[str, float]:
    await until(
        f"final labels to {mark:,}", lambda: review.metric("labelmill_final_labels_total"), mark, limit_s=600
    )
    return {running.service: _resident_mib(running) for running in system.services}


def _resident_mib(running: Running) -> float:
    assert running.process.pid is not None
    return psutil.Process(running.process.pid).memory_info().rss / _MIB
