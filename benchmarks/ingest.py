"""Items a second over HTTP: NDJSON in, acknowledged once Kafka has them; beside the same items sent straight
to Kafka."""

import asyncio
import json
import sys
import time
from pathlib import Path

from labelmill.topics import ITEMS as ITEMS_TOPIC
from labelmill_local.system import System

from benchmarks.load import PROJECT, apply_project, item_records, publish, text
from benchmarks.results import Result

ITEMS, REQUESTS = 200_000, 4
AIM = 20_000


async def run(folder: Path) -> list[Result]:
    """Post four bodies of 50,000 lines at once; the clock stops with the last acknowledgement."""
    bodies = [_body(start) for start in range(0, ITEMS, ITEMS // REQUESTS)]
    async with System(folder) as system:
        await system.add("review-api", argv=[sys.executable, "-m", "review_api", "http"])
        await apply_project(system)
        async with system.review_client(timeout_s=300) as client:
            started = time.monotonic()
            answers = await asyncio.gather(
                *(client.post(f"/v1/projects/{PROJECT}/items", content=body) for body in bodies)
            )
            seconds = time.monotonic() - started
        straight = await _straight_to_kafka(system)
        accepted = sum(answer.raise_for_status().json()["accepted"] for answer in answers)
        if accepted != ITEMS:
            raise RuntimeError(f"{accepted} of {ITEMS} items were accepted")
    return [
        Result(
            "ingest", ITEMS / seconds, "items/s", straight, "the same straight to Kafka", f"{AIM:,} items/s"
        )
    ]


async def _straight_to_kafka(system: System) -> float:
    """Return the items a second that one producer sends without HTTP, checks or duplicates looked up."""
    records = item_records(ITEMS, ITEMS)
    started = time.monotonic()
    await publish(system, ITEMS_TOPIC.name, records)
    return ITEMS / (time.monotonic() - started)


def _body(first: int) -> bytes:
    numbers = range(first, first + ITEMS // REQUESTS)
    return b"\n".join(json.dumps({"item_id": f"i{n}", "content": text(n)}).encode() for n in numbers)
