"""Items to load a system with, and waiting for what becomes of them."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from labelmill.events import ItemIngested, encode
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.runtime.tracing import new_traceparent
from labelmill.topics import ITEMS, item_key
from labelmill_local.system import System

PROJECT = "bench"
PROJECT_YAML = """
project: bench
title: Benchmark
labels: [{name: positive}, {name: negative}]
guideline: Decide whether the writer of the text feels good or bad about what it speaks of.
voters: [{name: llm, type: llm, model: stub}]
policy: {accept_threshold: 0.0, cold_start_threshold: 0.0, audit_rate: 0.0}
"""
_TEXT = "the quick brown fox jumps over a lazy dog while it rains and nobody minds the weather at all"
_WORDS = _TEXT.split()
_CHUNK = 5000


def text(number: int) -> str:
    """Return a text of about 100 characters that no other number has."""
    start = number % len(_WORDS)
    return " ".join([*_WORDS[start:], *_WORDS[:start], str(number)])


async def preload(system: System, first: int, count: int) -> None:
    """Put `count` items into Kafka, as ingestion would."""
    await publish(system, ITEMS.name, item_records(first, count))


async def publish(system: System, topic: str, records: Sequence[OutRecord]) -> None:
    """Publish `records` and return once Kafka has them."""
    publisher = Publisher(_kafka(system))
    await publisher.start()
    try:
        for start in range(0, len(records), _CHUNK):
            await publisher.publish(topic, records[start : start + _CHUNK])
    finally:
        await publisher.stop()


def item_records(first: int, count: int) -> list[OutRecord]:
    """Return `count` items as records of the topic of items, spread over 8 partitions."""
    headers = [("traceparent", new_traceparent(0.0))]
    now = int(time.time() * 1000)
    records = []
    for number in range(first, first + count):
        item = ItemIngested(project=PROJECT, item_id=f"i{number}", content=text(number), ingested_at=now)
        records.append(OutRecord(number % 8, item_key(PROJECT, item.item_id), encode(item), headers))
    return records


def _kafka(system: System) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=system.backends.kafka.bootstrap_servers)


async def apply_project(system: System, yaml: str = PROJECT_YAML) -> None:
    """Apply the benchmark's project through the API of the system's review-api."""
    async with system.review_client() as client:
        answer = await client.put(f"/v1/projects/{PROJECT}", content=yaml)
        answer.raise_for_status()


async def until(
    what: str, measure: Callable[[], Awaitable[float]], target: float, *, limit_s: float, every_s: float = 0.1
) -> float:
    """Return the time (`time.monotonic()`) at which `measure()` reached `target`, printing the progress."""
    started = said = time.monotonic()
    while True:
        reached = await measure()
        now = time.monotonic()
        if reached >= target:
            return now
        if now - started > limit_s:
            raise TimeoutError(f"{what}: {reached:,.0f} of {target:,.0f} after {limit_s:.0f} s")
        if now - said > 5:
            print(f"[bench]   {what}: {reached:,.0f} of {target:,.0f}", file=sys.stderr, flush=True)
            said = now
        await asyncio.sleep(every_s)
