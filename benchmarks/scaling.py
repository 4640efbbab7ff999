"""What a second process of the same service brings: autolabelers waiting for a 200 ms LLM, and routers."""

import asyncio
import time
from pathlib import Path

from labelmill.events import LabelScored, Vote, encode
from labelmill.ids import content_hash, event_id
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import LABELS_SCORED, item_key
from labelmill_local.system import System

from benchmarks.llm_calls import LATENCY_MS, labeler_env, scored_per_second
from benchmarks.load import PROJECT, apply_project, preload, publish, text, until
from benchmarks.results import Result
from benchmarks.start import held_still, joined
from benchmarks.stub import llm_stub

IN_FLIGHT = 64
"""Few enough that two processes and the stub fit on two cores: the wait for the LLM is what scales."""
WARM_UP, MEASURED = 1_000, 6_000
ROUTED = 200_000


async def run(folder: Path) -> list[Result]:
    """Measure one process of each, then two, on fresh systems."""
    one, two = [await _labelers(folder / f"labelers-{count}", count) for count in (1, 2)]
    router, routers = [await _routers(folder / f"routers-{count}", count) for count in (1, 2)]
    return [
        Result("two_autolabelers", two, "items/s", one, "one autolabeler", "1.9"),
        Result("two_routers", routers, "items/s", router, "one router", "none is set"),
    ]


async def _labelers(folder: Path, count: int) -> float:
    async with System(folder) as system, llm_stub(folder, LATENCY_MS) as url:
        await system.add("review-api")
        await apply_project(system)
        labelers = [await system.add("autolabeler", env=labeler_env(url, IN_FLIGHT)) for _ in range(count)]
        await joined(system, "autolabeler", count)
        await preload(system, 0, (WARM_UP + MEASURED) * count + 4_000)
        return await scored_per_second(labelers, WARM_UP * count, MEASURED * count)


async def _routers(folder: Path, count: int) -> float:
    async with System(folder) as system:
        review = await system.add("review-api")
        await apply_project(system)
        await review.process.stop()
        system.services.remove(review)
        routers = [await system.add("router") for _ in range(count)]
        await joined(system, "router", count)

        async def routed() -> float:
            counts = await asyncio.gather(*(each.metric("labelmill_routed_total") for each in routers))
            return sum(counts)

        records = [_scored(number) for number in range(ROUTED)]
        with held_still(routers):
            await publish(system, LABELS_SCORED.name, records)
        started = time.monotonic()
        return ROUTED / (await until("routed", routed, ROUTED, limit_s=120, every_s=0.02) - started)


def _scored(number: int) -> OutRecord:
    item_id, shares = f"i{number}", {"positive": 0.9, "negative": 0.1}
    vote = Vote(
        voter="llm",
        version="stub",
        source="logprobs",
        label="positive",
        confidence=0.9,
        probabilities=shares,
        input_tokens=100,
        output_tokens=1,
    )
    score = LabelScored(
        project=PROJECT,
        event_id=event_id("scored", PROJECT, item_id),
        item_id=item_id,
        content_hash=content_hash(text(number), {}),
        kind="choice",
        label="positive",
        confidence=0.9,
        probabilities=shares,
        votes=[vote],
        guideline_version=1,
        release=0,
    )
    return OutRecord(number % 8, item_key(PROJECT, item_id), encode(score), [])
