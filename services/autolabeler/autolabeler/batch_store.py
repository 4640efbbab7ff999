"""SQL of batches: parked items, the questions they wait for, and the batches those are in."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord
from labelmill.runtime.retry import outages

from autolabeler.batching import (
    Allot,
    Batch,
    BatchQuestion,
    Outcome,
    Told,
    Unanswered,
    problem_in,
    told,
    unanswered_header,
)
from autolabeler.store import Stored, pack
from autolabeler.voters import Question

_GATHER_LOCK: Final = 0x6262
"""Advisory lock key: one process at a time makes batches, or each would make a small one."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of the questions of a batch, which are in memory when it is uploaded. Providers take more."""

# A question that is there already is written again as it is: that holds its row, so that it cannot end
# between this look at its state and the moment its item is parked.
_ASK: Final = """
    INSERT INTO questions AS q
        (key, project, voter, payer, input_usd, output_usd, model, method, answers, body)
    SELECT key, project, voter, payer, input_usd, output_usd, model, method,
           ARRAY(SELECT jsonb_array_elements_text(answers)), body
    FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::float8[], $6::float8[], $7::text[],
                $8::text[], $9::jsonb[], $10::bytea[])
        AS n(key, project, voter, payer, input_usd, output_usd, model, method, answers, body)
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET key = q.key
    RETURNING key, state IN ('waiting', 'sent')
"""
_UNPARK: Final = """
    DELETE FROM parked WHERE (partition, "offset") IN (SELECT * FROM unnest($1::int[], $2::bigint[]))
"""
_PARK: Final = """
    INSERT INTO parked (partition, "offset", key, value, headers, open)
    SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::int[])
    ON CONFLICT (partition, "offset") DO UPDATE SET open = excluded.open
"""
_LINK: Final = """
    INSERT INTO parked_questions (question, partition, "offset")
    SELECT * FROM unnest($1::bytea[], $2::int[], $3::bigint[]) ON CONFLICT DO NOTHING
"""
_DUE: Final = """
    SELECT model FROM questions WHERE state = 'waiting' AND ready_at <= now() GROUP BY model
    HAVING count(*) >= $1 OR min(ready_at) <= now() - make_interval(secs => $2)
"""
_COLUMNS: Final = """q.key, q.model, q.body, q.answers, q.method, q.project, q.voter, q.payer,
    q.input_usd, q.output_usd, q.tries, q.reserved"""
# Within the limit of bytes, but at least one. An answer may have come another way meanwhile.
_TAKE: Final = f"""
    SELECT {_COLUMNS}, EXISTS (SELECT FROM vote_cache v WHERE v.key = q.key) AS is_known
    FROM questions q JOIN (
        SELECT key, sum(octet_length(body)) OVER (ORDER BY ready_at, key) - octet_length(body) AS before
        FROM (SELECT key, ready_at, body FROM questions
              WHERE state = 'waiting' AND ready_at <= now() AND model = $1
              ORDER BY ready_at, key LIMIT $2) AS first
    ) AS taken ON taken.key = q.key
    WHERE taken.before < $3 AND q.state = 'waiting'
    ORDER BY q.key FOR UPDATE OF q
"""  # noqa: S608 (constant column names)
# To be run under the locks of _TAKE: nobody can park an item on one of them meanwhile.
_DROP_UNWANTED: Final = """
    DELETE FROM questions q WHERE q.key = ANY($1::bytea[])
        AND NOT EXISTS (SELECT FROM parked_questions l WHERE l.question = q.key)
    RETURNING q.key
"""
_OF_BATCH: Final = f"SELECT {_COLUMNS} FROM questions q WHERE batch = $1 ORDER BY key"  # noqa: S608
_LOCK_BATCH: Final = "SELECT key FROM questions WHERE batch = $1 ORDER BY key FOR UPDATE"
_SEND: Final = """
    UPDATE questions q SET state = 'sent', batch = $1, reserved = n.reserved
    FROM unnest($2::bytea[], $3::bigint[]) AS n(key, reserved) WHERE q.key = n.key
"""
_DEFER: Final = """
    UPDATE questions SET ready_at = now() + make_interval(secs => $2) WHERE key = ANY($1::bytea[])
"""
_RETRY: Final = """
    UPDATE questions q SET state = 'waiting', batch = NULL, reserved = 0, tries = q.tries + n.counts,
        problem = n.problem, ready_at = now()
    FROM unnest($1::bytea[], $2::int[], $3::bytea[]) AS n(key, counts, problem) WHERE q.key = n.key
"""
_END: Final = """
    UPDATE questions q SET state = CASE WHEN n.problem IS NULL THEN 'refused' ELSE 'failed' END,
        batch = NULL, reserved = 0, problem = n.problem
    FROM unnest($1::bytea[], $2::bytea[]) AS n(key, problem) WHERE q.key = n.key
"""
_CLOSE: Final = """
    UPDATE parked p SET open = p.open - l.ended
    FROM (SELECT partition, "offset", count(*) AS ended FROM parked_questions
          WHERE question = ANY($1::bytea[]) GROUP BY 1, 2) AS l
    WHERE p.partition = l.partition AND p."offset" = l."offset"
"""
_ANSWERED: Final = "DELETE FROM questions WHERE key = ANY($1::bytea[])"
_KEEP: Final = """
    INSERT INTO vote_cache (key, answer) SELECT * FROM unnest($1::bytea[], $2::bytea[])
    ON CONFLICT (key) DO NOTHING
"""
_DAYS: Final = """
    INSERT INTO budgets (project, day) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING
"""
_LOCK_DAYS: Final = """
    SELECT project, spent, reserved FROM budgets WHERE project = ANY($1::text[]) AND day = $2
    ORDER BY project FOR UPDATE
"""
_RESERVE: Final = "UPDATE budgets SET reserved = reserved + $3 WHERE project = $1 AND day = $2"
_SETTLE: Final = """
    UPDATE budgets SET spent = spent + $3, reserved = reserved - $4 WHERE project = $1 AND day = $2
"""
_NEXT_BATCH: Final = """
    SELECT id, model, day, file_id, remote_id, waits FROM batches WHERE next_at <= now()
    ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_NOTE: Final = """
    UPDATE batches SET file_id = $2, remote_id = $3, waits = $4,
        next_at = now() + make_interval(secs => $5)
    WHERE id = $1
"""
_ROUND: Final = """
    SELECT partition, "offset", key, value, headers FROM parked
    WHERE open <= 0 ORDER BY parked_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_ENDED: Final = """
    SELECT l.partition, l."offset", q.key, q.problem
    FROM parked_questions l JOIN questions q ON q.key = l.question
    WHERE (l.partition, l."offset") IN (SELECT * FROM unnest($1::int[], $2::bigint[]))
        AND q.state IN ('failed', 'refused')
"""
_SWEEP: Final = """
    DELETE FROM questions q WHERE q.state IN ('failed', 'refused')
        AND NOT EXISTS (SELECT FROM parked_questions l WHERE l.question = q.key)
"""
_FIGURES: Final = """
    SELECT (SELECT count(*) FROM parked),
           (SELECT coalesce(extract(epoch FROM now() - min(parked_at)), 0)::float8 FROM parked),
           (SELECT count(*) FROM questions WHERE state = 'waiting'),
           (SELECT count(*) FROM batches)
"""

Days = Mapping[str, tuple[int, int]]
"""Each project's day: spent and reserved, in nano-dollars."""


class Parked(NamedTuple):
    """An item and the keys of the questions that it waits for."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes | None]]
    questions: Sequence[bytes]


class Gathered(NamedTuple):
    """What was made of the questions that waited: a batch of `asked` if there are any."""

    asked: list[BatchQuestion]
    waiting: list[BatchQuestion]
    refused: list[BatchQuestion]


class Figures(NamedTuple):
    """Parked items, the oldest one's age in seconds, questions that wait, and batches under way."""

    parked: int
    oldest_seconds: float
    waiting: int
    batches: int


class Held:
    """A batch whose row this process holds: nobody else takes a step with it meanwhile.

    A process that dies lets go of it with its connection.
    """

    def __init__(self, connection: asyncpg.Connection, batch: Batch, day: date) -> None:
        self._connection = connection
        self._day = day
        self.batch = batch

    async def questions(self) -> list[BatchQuestion]:
        """Return what is asked in the batch, in the order of the keys."""
        return [_question(row) for row in await self._connection.fetch(_OF_BATCH, UUID(self.batch.mark))]

    async def note(self, batch: Batch, seconds: float) -> None:
        """Store how far the batch has come; its next step is due in so many seconds."""
        marks = (UUID(batch.mark), batch.file_id, batch.remote_id, batch.waits)
        await self._connection.execute(_NOTE, *marks, seconds)

    async def end(self, questions: Sequence[BatchQuestion], outcomes: Mapping[bytes, Outcome]) -> None:
        """Store what came of the questions, settle their money, and remove the batch."""
        connection, mark = self._connection, UUID(self.batch.mark)
        await connection.execute(_LOCK_BATCH, mark)
        payers = {each.question.key: each.payer for each in questions}
        answers = {
            key: Stored(payers[key], outcome.answer)
            for key, outcome in outcomes.items()
            if outcome.answer is not None
        }
        open_ones = {key: each for key, each in outcomes.items() if each.answer is None}
        final = {key: each for key, each in open_ones.items() if each.is_final}
        again = {key: each for key, each in open_ones.items() if not each.is_final}
        if answers:
            values = [pack(stored) for stored in answers.values()]
            await connection.execute(_KEEP, list(answers), values)
        if again:
            counts = [int(each.counts) for each in again.values()]
            problems = [_json(each.problem) for each in again.values()]
            await connection.execute(_RETRY, list(again), counts, problems)
        await _close(connection, list(answers), {key: _json(each.problem) for key, each in final.items()})
        await self._settle(questions, outcomes)
        await connection.execute("DELETE FROM batches WHERE id = $1", mark)

    async def _settle(self, questions: Sequence[BatchQuestion], outcomes: Mapping[bytes, Outcome]) -> None:
        costs: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for each in questions:
            if each.reserved:
                costs[each.project] += outcomes[each.question.key].cost
                held[each.project] += each.reserved
        for project in sorted(held):
            await self._connection.execute(_SETTLE, project, self._day, costs[project], held[project])


class BatchStore:
    """Parked items and batches, shared by all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def park(self, items: Sequence[Parked], questions: Sequence[BatchQuestion]) -> None:
        """Keep items until their questions are answered. Done again it changes nothing."""
        questions = list({each.question.key: each for each in questions}.values())
        async for attempt in outages():
            with attempt:
                async with self._database.pool.acquire() as connection, connection.transaction():
                    rows = await connection.fetch(_ASK, *_question_columns(questions))
                    await _park(connection, items, {key for key, is_open in rows if is_open})

    async def due(self, requests: int, seconds: float) -> list[str]:
        """Return the models for which `requests` questions wait, or one for `seconds`."""
        return [row[0] for row in await self._database.pool.fetch(_DUE, requests, seconds)]

    async def gather(self, model: str, requests: int, day: date, allot: Allot, defer: float) -> Gathered:
        """Make a batch of the questions for a model, as far as `allot` lets them be paid from `day`'s money.

        Those that wait for money are looked at again after `defer` seconds; those that no item waits for any
        more are dropped.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _GATHER_LOCK):
                return Gathered([], [], [])
            rows = await connection.fetch(_TAKE, model, requests, _MOST_BYTES)
            known = [row["key"] for row in rows if row["is_known"]]
            keys = [row["key"] for row in rows]
            unwanted = {row[0] for row in await connection.fetch(_DROP_UNWANTED, keys)}
            open_ones = [row for row in rows if not row["is_known"] and row["key"] not in unwanted]
            questions = {row["key"]: _question(row) for row in open_ones}
            days = await _days(connection, {each.project for each in questions.values()}, day)
            asked, waiting, unanswered = allot(list(questions.values()), days)
            ended = {key: _json(why) for key, why in unanswered.items()}
            await _close(connection, known, ended)
            if waiting:
                await connection.execute(_DEFER, [each.question.key for each in waiting], defer)
            if asked:
                await _send(connection, model, day, asked)
            refused = [questions[key] for key in unanswered]
            return Gathered([each for each, _ in asked], waiting, refused)

    @asynccontextmanager
    async def next_batch(self) -> AsyncIterator[Held | None]:
        """Hold the batch whose next step is due, if there is one, for the time of the block.

        What the block stores is stored when it ends without an error.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_NEXT_BATCH)
            if row is None:
                yield None
                return
            mark, model, day, file_id, remote_id, waits = row
            yield Held(connection, Batch(mark.hex, model, file_id, remote_id, waits), day)

    async def send_round(self, publish: Callable[[Sequence[OutRecord]], Awaitable[None]], most: int) -> int:
        """Publish items that wait for nothing more and remove them; return how many.

        After a crash in between they are published again.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_ROUND, most)
            if not rows:
                return 0
            places = [row[0] for row in rows], [row[1] for row in rows]
            unanswered: dict[tuple[int, int], dict[bytes, InvalidRecord | None]] = {}
            for partition, offset, key, problem in await connection.fetch(_ENDED, *places):
                why = msgspec.json.decode(problem, type=Told) if problem else None
                unanswered.setdefault((partition, offset), {})[key] = problem_in(why)
            await publish([_round(row, unanswered.get((row[0], row[1]))) for row in rows])
            await connection.execute(_UNPARK, *places)
        return len(rows)

    async def sweep(self) -> None:
        """Forget questions without an answer once all items that waited for them were told."""
        await self._database.pool.execute(_SWEEP)

    async def figures(self) -> Figures:
        """Return how much is waiting, in all processes together."""
        return Figures(*await self._database.pool.fetchrow(_FIGURES))


async def _park(connection: asyncpg.Connection, items: Sequence[Parked], open_keys: set[bytes]) -> None:
    places = [item.partition for item in items], [item.offset for item in items]
    await connection.execute(_UNPARK, *places)
    await connection.execute(
        _PARK,
        *places,
        [item.key for item in items],
        [item.value for item in items],
        [msgspec.msgpack.encode(item.headers) for item in items],
        [len(open_keys.intersection(item.questions)) for item in items],
    )
    links = sorted({(key, item.partition, item.offset) for item in items for key in item.questions})
    await connection.execute(_LINK, *(list(column) for column in zip(*links, strict=True)))


async def _close(
    connection: asyncpg.Connection, answered: list[bytes], ended: Mapping[bytes, bytes | None]
) -> None:
    """Note that questions are open no more: those answered go, of others the reason is kept."""
    if answered or ended:
        await connection.execute(_CLOSE, [*answered, *ended])
    if ended:
        await connection.execute(_END, list(ended), list(ended.values()))
    if answered:
        await connection.execute(_ANSWERED, answered)


async def _send(
    connection: asyncpg.Connection, model: str, day: date, asked: Sequence[tuple[BatchQuestion, int]]
) -> None:
    mark = uuid4()
    await connection.execute("INSERT INTO batches (id, model, day) VALUES ($1, $2, $3)", mark, model, day)
    keys, needs = [each.question.key for each, _ in asked], [need for _, need in asked]
    await connection.execute(_SEND, mark, keys, needs)
    reserved: Counter[str] = Counter()
    for each, need in asked:
        reserved[each.project] += need
    for project, amount in sorted(reserved.items()):
        if amount:
            await connection.execute(_RESERVE, project, day, amount)


async def _days(connection: asyncpg.Connection, projects: set[str], day: date) -> Days:
    """Return the projects' days, and hold them until the transaction ends."""
    names = sorted(projects)
    await connection.execute(_DAYS, names, day)
    rows = await connection.fetch(_LOCK_DAYS, names, day)
    return {project: (spent, reserved) for project, spent, reserved in rows}


def _question(row: asyncpg.Record) -> BatchQuestion:
    question = Question(
        row["key"], row["model"], (row["body"], b"", b""), tuple(row["answers"]), row["method"]
    )
    return BatchQuestion(
        question,
        row["project"],
        row["voter"],
        row["payer"],
        TokenPrices(row["input_usd"], row["output_usd"]),
        row["tries"],
        row["reserved"],
    )


def _question_columns(questions: Sequence[BatchQuestion]) -> list[list[Any]]:
    rows = [
        (
            each.question.key,
            each.project,
            each.voter,
            each.payer,
            *each.prices,
            each.question.model,
            each.question.method,
            msgspec.json.encode(each.question.answers).decode(),
            each.question.body,
        )
        for each in questions
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _json(problem: InvalidRecord | None) -> bytes | None:
    return None if problem is None else msgspec.json.encode(told(problem))


def _round(row: asyncpg.Record, unanswered: Unanswered | None) -> OutRecord:
    partition, _, key, value, packed = row
    headers = msgspec.msgpack.decode(packed, type=list[tuple[str, bytes | None]])
    if unanswered:
        headers.append(unanswered_header(unanswered))
    return OutRecord(partition, key, value, headers)
