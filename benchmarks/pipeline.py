"""Items a second from Kafka to the final label in PostgreSQL, beside the ceiling of bare loops.

All of production is on: vote cache, lineage, idempotent sinks, metrics, trace context in the headers. Only
the voter is made of nothing (`zero_latency`), so that the system is measured and not a model. The processes
have joined their groups and labelled `WARM_UP` items (a broker compiles its code as it runs), then stand
still while the items are put into Kafka: the clock starts when they are let go. The ceiling comes second, on
the warm broker; its clock starts when the first of its processes sees its first record.
"""

import asyncio
import base64
import sys
import time
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from labelmill.runtime import kafka
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import ITEMS as ITEMS_TOPIC
from labelmill_local.system import Running, System

from benchmarks.ceiling import Hop, Table, run_hops
from benchmarks.load import apply_project, item_records, preload, publish, until
from benchmarks.results import Result
from benchmarks.start import held_still, joined

ITEMS, WARM_UP = 200_000, 40_000
ZERO_LATENCY = [sys.executable, "-m", "benchmarks.zero_latency"]
_TABLES = {
    "items": [Table("ceiling.items", "review.items", "item_id")],
    "ceiling.accepted": [
        Table("ceiling.routes", "review.routes", "item_id"),
        Table("ceiling.final_labels", "review.final_labels", "item_id"),
    ],
}
_VOTES = {"items": [Table("ceiling.vote_cache", "autolabeler.vote_cache", "key")]}


async def run(folder: Path) -> list[Result]:
    """Measure the pipeline, then the ceiling on the same broker, database and items."""
    async with System(folder) as system:
        review = await system.add("review-api")
        await apply_project(system)
        await review.process.stop()
        system.services.remove(review)
        seconds = await _pipeline_seconds(system)
        ceiling_seconds = await _ceiling_seconds(system, folder)
    return [
        Result(
            name="pipeline",
            value=ITEMS / seconds,
            unit="items/s",
            baseline=(WARM_UP + ITEMS) / ceiling_seconds,
            baseline_is="the ceiling of bare loops",
            aim="0.5",
            details={
                "items": ITEMS,
                "warm_up": WARM_UP,
                "seconds": seconds,
                "ceiling_seconds": ceiling_seconds,
            },
        )
    ]


async def _pipeline_seconds(system: System) -> float:
    ledger, _, _ = await asyncio.gather(
        system.add("review-api", argv=[sys.executable, "-m", "review_api", "ledger"]),
        system.add("router"),
        system.add("autolabeler", argv=ZERO_LATENCY),
    )
    for group in ("autolabeler", "router", "review-ledger"):
        await joined(system, group, 1)
    await preload(system, 0, WARM_UP)
    await _final(ledger, WARM_UP)
    records = item_records(WARM_UP, ITEMS)
    with held_still(system.services):
        await publish(system, ITEMS_TOPIC.name, records)
    started = time.monotonic()
    finished = await _final(ledger, WARM_UP + ITEMS)
    await _check(system)
    await asyncio.gather(*(running.process.stop() for running in system.services))
    system.services.clear()
    return finished - started


async def _final(ledger: Running, count: int) -> float:
    return await until(
        "final labels", lambda: ledger.metric("labelmill_final_labels_total"), count, limit_s=300
    )


async def _check(system: System) -> None:
    """The figure counts only if every item has its final label and its lineage."""
    connection = await asyncpg.connect(system.backends.postgres.admin_dsn)
    try:
        for table in ("review.items", "review.routes", "review.final_labels", "autolabeler.vote_cache"):
            count = await connection.fetchval(f"SELECT count(*) FROM {table}")
            if count != WARM_UP + ITEMS:
                raise RuntimeError(f"{table} has {count} rows after {WARM_UP + ITEMS} items")
    finally:
        await connection.close()


async def _ceiling_seconds(system: System, folder: Path) -> float:
    admin = system.backends.postgres.admin_dsn
    servers = system.backends.kafka.bootstrap_servers
    connection = await asyncpg.connect(admin)
    try:
        await connection.execute("CREATE SCHEMA ceiling")
        for table in [table for tables in [*_TABLES.values(), *_VOTES.values()] for table in tables]:
            await connection.execute(f"CREATE TABLE {table.name} (LIKE {table.sample_from} INCLUDING ALL)")
    finally:
        await connection.close()
    await _create_topics(servers, system.partitions)
    scored = await _sample(servers, "labels.scored")
    accepted = await _sample(servers, "labels.accepted")
    count = WARM_UP + ITEMS
    hops = [
        Hop("label", servers, count, ["items"], "ceiling.scored", scored, admin, _VOTES),
        Hop("route", servers, count, ["ceiling.scored"], "ceiling.accepted", accepted),
        Hop("ledger", servers, 2 * count, ["items", "ceiling.accepted"], dsn=admin, tables=_TABLES),
    ]
    return await run_hops(hops, folder)


async def _create_topics(servers: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics(
        [NewTopic(name, partitions, 1) for name in ("ceiling.scored", "ceiling.accepted")]
    )
    await admin.close()


async def _sample(servers: str, topic: str) -> str:
    reader = kafka.reader(KafkaSettings(kafka_bootstrap_servers=servers), topic)
    await reader.start()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for records in (await reader.getmany(timeout_ms=500, max_records=1)).values():
                return base64.b64encode(records[0].value).decode()
    finally:
        await reader.stop()
    raise RuntimeError(f"no record in {topic}")
