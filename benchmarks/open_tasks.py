"""Open tasks in PostgreSQL, by the tens of thousands: written by the ledger's own store, without Kafka."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiokafka import ConsumerRecord
from labelmill.events import ItemIngested
from labelmill.ids import content_hash
from labelmill.runtime.postgres import Database
from labelmill.runtime.settings import DatabaseSettings
from labelmill_local.system import System
from pydantic import SecretStr
from review_api.ledger.records import Requested, Score, VoteCost
from review_api.ledger.store import Item, LedgerStore, Route
from review_api.tasks.ordering import Place

from benchmarks.load import text

PARTITIONS = 8
_BATCH = 4000
_SHARES = msgspec.Raw(b'{"positive":0.7,"negative":0.3}')
_VOTES = msgspec.Raw(
    b'[{"voter":"llm","version":"m@1","source":"logprobs","label":"positive","confidence":0.7,'
    b'"probabilities":{"positive":0.7,"negative":0.3},"input_tokens":100,"output_tokens":1,"cost_usd":0.001,'
    b'"cached":false,"calls":2}]'
)


@asynccontextmanager
async def review_database(system: System) -> AsyncIterator[Database]:
    """Give a pool on review-api's schema, under its role."""
    url = SecretStr(system.database_url("review"))
    database = Database(DatabaseSettings(database_url=url), "review", "review_api")
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


async def add_tasks(database: Database, project: str, first: int, count: int, *, needed: int = 1) -> None:
    """Write `count` items and their open tasks, as the ledger does: in order of arrival, not of the queue.
    The project must have been applied."""
    store = LedgerStore(database)
    for start in range(first, first + count, _BATCH):
        numbers = range(start, min(start + _BATCH, first + count))
        written = [_written(project, number, needed) for number in numbers]
        await store.write([item for item, _ in written], [route for _, route in written])


def _written(project: str, number: int, needed: int) -> tuple[Item, Route]:
    """Return an item and its route, of a confidence that follows from the number alone."""
    content = text(number)
    item = ItemIngested(
        project=project, item_id=f"i{number}", content=content, ingested_at=int(time.time() * 1000)
    )
    score = Score(
        content_hash=content_hash(content, {}),
        kind="choice",
        label=msgspec.Raw(b'"positive"'),
        confidence=random.Random(number).uniform(0.5, 0.9),
        probabilities=_SHARES,
        votes=_VOTES,
        guideline_version=1,
        release=0,
        ingested_at=item.ingested_at,
        scored_at=item.ingested_at,
    )
    requested = Requested(
        project=project,
        event_id=f"{number:032x}",
        item_id=item.item_id,
        reasons=["low_confidence"],
        propensity=1.0,
        project_version=1,
        score=score,
        routed_at=item.ingested_at,
        decisions_needed=needed,
    )
    record = _record(number % PARTITIONS)
    votes, place = [VoteCost(voter="llm", source="logprobs")], Place(pool="", priority=score.confidence)
    return Item(record, item), Route(record, requested, votes, place)


def _record(partition: int) -> ConsumerRecord:
    """Return a record of which only the partition counts."""
    return ConsumerRecord("", partition, 0, 0, 0, None, None, None, 0, 0, ())
