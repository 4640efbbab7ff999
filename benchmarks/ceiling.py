"""The ceiling: bare aiokafka loops over the same hops in as many processes, plus COPY of the same rows.

Nothing is decoded, decided or checked: each hop takes batches, sends a payload of the real size on and
commits; the tables are copies of the real ones, filled with real rows under new keys. Run as
`python -m benchmarks.ceiling SPEC` (JSON); it prints when it saw its first record and handled its last.
"""

import asyncio
import base64
import itertools
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from labelmill.runtime import kafka
from labelmill.runtime.settings import KafkaSettings

BATCH = 2000


@dataclass(frozen=True)
class Table:
    """A table to fill: one sample row, in which the column `key` gets a new value for every record."""

    name: str
    sample_from: str
    key: str


@dataclass(frozen=True)
class Hop:
    """One process of the ceiling: what it reads, what it sends on, what it copies."""

    name: str
    bootstrap_servers: str
    expected: int
    topics: list[str]
    out_topic: str = ""
    payload: str = ""
    """The value to send on, in base64."""
    dsn: str = ""
    tables: dict[str, list[Table]] = field(default_factory=dict)
    """Per topic, the tables that get a row per record."""

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.ceiling", json.dumps(asdict(self))]


class _Copier:
    """Copies sample rows under new keys."""

    def __init__(self, connection: asyncpg.Connection, tables: dict[str, list[Table]]) -> None:
        self._connection = connection
        self._tables = tables
        self._samples: dict[str, tuple[list[str], list[Any], int, bool]] = {}
        self._numbers = itertools.count()

    async def prepare(self) -> None:
        for table in itertools.chain.from_iterable(self._tables.values()):
            row = await self._connection.fetchrow(f"SELECT * FROM {table.sample_from} LIMIT 1")
            assert row is not None, f"{table.sample_from} is empty"
            columns = list(row.keys())
            at = columns.index(table.key)
            self._samples[table.name] = (columns, list(row.values()), at, isinstance(row[table.key], bytes))

    async def copy(self, counts: dict[str, int]) -> None:
        async with self._connection.transaction():
            for topic, count in counts.items():
                for table in self._tables.get(topic, []):
                    await self._copy_rows(table, count)

    async def _copy_rows(self, table: Table, count: int) -> None:
        columns, values, at, is_bytes = self._samples[table.name]
        rows = []
        for number in itertools.islice(self._numbers, count):
            values[at] = number.to_bytes(16, "big") if is_bytes else f"i{number}"
            rows.append(tuple(values))
        schema, name = table.name.split(".")
        await self._connection.copy_records_to_table(name, schema_name=schema, columns=columns, records=rows)


async def work(hop: Hop) -> None:
    """Handle `hop.expected` records."""
    settings = KafkaSettings(kafka_bootstrap_servers=hop.bootstrap_servers)
    consumer = AIOKafkaConsumer(
        *hop.topics,
        **kafka.client_options(settings),
        group_id=f"ceiling-{hop.name}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    producer = kafka.producer(settings)
    connection = await asyncpg.connect(hop.dsn) if hop.dsn else None
    copier = _Copier(connection, hop.tables) if connection else None
    if copier:
        await copier.prepare()
    await producer.start()
    await consumer.start()
    first, handled = 0.0, 0
    while handled < hop.expected:
        records = [
            record
            for batch in (await consumer.getmany(timeout_ms=50, max_records=BATCH)).values()
            for record in batch
        ]
        if not records:
            continue
        first = first or time.monotonic()
        await _handle(hop, records, producer, copier)
        await consumer.commit()
        handled += len(records)
    print(json.dumps({"first": first, "last": time.monotonic()}), flush=True)
    await consumer.stop()
    await producer.stop()


async def _handle(
    hop: Hop, records: list[ConsumerRecord], producer: AIOKafkaProducer, copier: _Copier | None
) -> None:
    if copier:
        counts: dict[str, int] = defaultdict(int)
        for record in records:
            counts[record.topic] += 1
        await copier.copy(counts)
    if hop.out_topic:
        await _send(hop, records, producer)


async def _send(hop: Hop, records: list[ConsumerRecord], producer: AIOKafkaProducer) -> None:
    payload = base64.b64decode(hop.payload)
    batches: dict[int, Any] = {}
    sendings = []
    for record in records:
        batch = batches.get(record.partition)
        if batch is None:
            batch = batches[record.partition] = producer.create_batch()
        fields = {
            "key": record.key,
            "value": payload,
            "timestamp": record.timestamp,
            "headers": list(record.headers),
        }
        if batch.append(**fields) is None:
            sendings.append(await producer.send_batch(batch, hop.out_topic, partition=record.partition))
            batches[record.partition] = batch = producer.create_batch()
            batch.append(**fields)
    sendings += [await producer.send_batch(batch, hop.out_topic, partition=p) for p, batch in batches.items()]
    await asyncio.gather(*sendings)


def _from_json(text: str) -> Hop:
    fields = json.loads(text)
    tables = {topic: [Table(**table) for table in tables] for topic, tables in fields.pop("tables").items()}
    return Hop(**fields, tables=tables)


async def _start(hop: Hop, folder: Path) -> asyncio.subprocess.Process:
    log = (folder / f"ceiling-{hop.name}.log").open("wb")
    return await asyncio.create_subprocess_exec(*hop.argv(), stdout=asyncio.subprocess.PIPE, stderr=log)


async def run_hops(hops: list[Hop], folder: Path) -> float:
    """Run the hops as processes at once and return the seconds from the first record to the last row.

    Raises RuntimeError as soon as one of them fails; the others, which wait for its records, are ended.
    """
    processes = [await _start(hop, folder) for hop in hops]
    try:
        times = await asyncio.gather(*(_times(hop, p) for hop, p in zip(hops, processes, strict=True)))
    except RuntimeError as error:
        log = folder / f"ceiling-{error}.log"
        raise RuntimeError(f"the ceiling's {error} failed: {log.read_text()[-500:]}") from error
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
    return max(t["last"] for t in times) - min(t["first"] for t in times)


async def _times(hop: Hop, process: asyncio.subprocess.Process) -> dict[str, float]:
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(hop.name)
    times: dict[str, float] = json.loads(out)
    return times


if __name__ == "__main__":
    uvloop.run(work(_from_json(sys.argv[1])))
