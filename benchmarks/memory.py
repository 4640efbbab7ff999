"""Memory of each service from item 50,000 to item 500,000: it must stay flat.

A share of the items is audited by a reviewer over HTTP, so that all four services have work.
"""

import asyncio
from pathlib import Path

import psutil
from labelmill_local.system import Running, System

from benchmarks.load import PROJECT, PROJECT_YAML, apply_project, preload, until
from benchmarks.pipeline import ZERO_LATENCY
from benchmarks.results import Result

MARKS = (50_000, 500_000)
AUDIT_RATE = 0.004
_MIB = 1024 * 1024


async def run(folder: Path) -> list[Result]:
    """Let the items flow and read each service's resident memory at both marks."""
    async with System(folder) as system:
        review = await system.add("review-api")
        await apply_project(system, PROJECT_YAML.replace("audit_rate: 0.0", f"audit_rate: {AUDIT_RATE}"))
        await system.add("router")
        await system.add("trainer")
        await system.add("autolabeler", argv=ZERO_LATENCY)
        working = [asyncio.create_task(_feed(system)), asyncio.create_task(_review(system))]
        try:
            early, late = [await _memory_at(mark, review, system) for mark in MARKS]
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
    return [
        Result(f"memory_{name}", late[name], "MiB at 500,000", early[name], "at 50,000", "within 10%")
        for name in sorted(early)
    ]


async def _feed(system: System) -> None:
    for first in range(0, MARKS[-1], 25_000):
        await preload(system, first, 25_000)


async def _review(system: System) -> None:
    """Audit as a person would, only faster: everything is positive, as the voter says."""
    async with system.review_client() as client:
        while True:
            claim = await client.post(f"/v1/projects/{PROJECT}/tasks/claim", json={"count": 10})
            tasks = claim.raise_for_status().json()["tasks"]
            for task in tasks:
                body = {"lease": task["lease"], "label": "positive"}
                (await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
            await asyncio.sleep(0 if tasks else 0.2)


async def _memory_at(mark: int, review: Running, system: System) -> dict[str, float]:
    await until(
        f"final labels to {mark:,}", lambda: review.metric("labelmill_final_labels_total"), mark, limit_s=600
    )
    return {running.service: _resident_mib(running) for running in system.services}


def _resident_mib(running: Running) -> float:
    assert running.process.pid is not None
    return psutil.Process(running.process.pid).memory_info().rss / _MIB
