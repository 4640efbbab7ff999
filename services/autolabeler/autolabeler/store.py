"""All SQL of the autolabeler: the durable vote cache (what an LLM answered, by what it was asked), and the
days' budgets."""

import asyncio
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from labelmill.runtime.postgres import Database
from labelmill.runtime.retry import outages
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised

from autolabeler.logprobs import DECIMALS
from autolabeler.voters import Answer

_LOOKUP = "SELECT key, answer FROM vote_cache WHERE key = ANY($1::bytea[])"
_INSERT = """
    INSERT INTO vote_cache (key, answer)
    SELECT * FROM unnest($1::bytea[], $2::bytea[])
    ON CONFLICT (key) DO NOTHING
"""
_PRUNE = """
    DELETE FROM vote_cache WHERE key IN (
        SELECT key FROM vote_cache WHERE created_at < now() - make_interval(days => $1) LIMIT $2
    )
"""
# One statement, so that processes that reserve at once see each other's reservations: the row's lock is held
# from the look to the write.
_RESERVE = """
    INSERT INTO budgets AS b (project, day, reserved) SELECT $1, $2::date, $3 WHERE $3::bigint <= $4::bigint
    ON CONFLICT (project, day) DO UPDATE SET reserved = b.reserved + $3
        WHERE b.spent + b.reserved + $3 <= $4
    RETURNING 1
"""
_SETTLE = "UPDATE budgets SET spent = spent + $3, reserved = reserved - $3 WHERE project = $1 AND day = $2"
_GIVE_BACK = "UPDATE budgets SET reserved = reserved - $3 WHERE project = $1 AND day = $2"
_TAKEN = "SELECT spent, reserved FROM budgets WHERE project = $1 AND day = $2"
_COLLECT_SECONDS = 0.005
"""How long answers are collected for one statement: short beside any call, and a handful at 900 a second."""
_PRUNE_ROWS = 5000
_PRUNE_EVERY_SECONDS = 3600.0

_HEAD = struct.Struct("<8sII")
"""Payer, input tokens, output tokens; a float32 for each option follows."""


class Stored(NamedTuple):
    """An answer and who paid for it: the item it was bought for, by 8 bytes (see `pooling.payer`)."""

    payer: bytes
    answer: Answer


def pack(stored: Stored) -> bytes:
    """Return the row's value."""
    payer, (shares, input_tokens, output_tokens) = stored
    return _HEAD.pack(payer, input_tokens, output_tokens) + struct.pack(f"<{len(shares)}f", *shares)


def unpack(value: bytes) -> Stored:
    """Return what `pack` packed."""
    payer, input_tokens, output_tokens = _HEAD.unpack_from(value)
    shares = struct.unpack_from(f"<{(len(value) - _HEAD.size) // 4}f", value, _HEAD.size)
    rounded = tuple([round(share, DECIMALS) for share in shares])
    return Stored(payer, Answer(rounded, input_tokens, output_tokens))


class VoteCache:
    """Looks up and stores answers in batches; a component of the service.

    An answer is safe once `put` or `put_all` has returned. Both wait out a database that is away.
    """

    def __init__(self, context: Context, database: Database, retention_days: int) -> None:
        """Answers older than `retention_days` are removed; 0 keeps them for ever."""
        self._context = context
        self._database = database
        self._retention_days = retention_days
        self._waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        health = self._context.health
        self._tasks = [supervised(self._write(), health)]
        if self._retention_days:
            self._tasks.append(supervised(self._prune(), health))

    async def stop(self) -> None:
        await break_off(*self._tasks)

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Return the answers known for `keys`."""
        if not keys:
            return {}
        async for attempt in outages():
            with attempt:
                rows = await self._database.pool.fetch(_LOOKUP, keys)
        return {key: unpack(answer) for key, answer in rows}

    async def put_all(self, answers: Mapping[bytes, Stored]) -> None:
        """Store answers; a key that is there already keeps its first."""
        if answers:
            await self._insert([(key, pack(stored)) for key, stored in answers.items()])

    async def put(self, key: bytes, stored: Stored) -> None:
        """Store one answer together with those that others put meanwhile (group commit)."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((key, pack(stored), future))
        self._wake.set()
        await future

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_COLLECT_SECONDS)
            self._wake.clear()
            taken, self._waiting = self._waiting, []
            await self._insert([(key, value) for key, value, _ in taken])
            for _, _, future in taken:
                if not future.done():
                    future.set_result(None)

    async def _insert(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        # In the order of the keys: two processes that store the same answers must not deadlock.
        keys, values = zip(*sorted(rows), strict=True)
        async for attempt in outages():
            with attempt:
                await self._database.pool.execute(_INSERT, keys, values)

    async def _prune(self) -> None:
        while True:
            async for attempt in outages():
                with attempt:
                    status = await self._database.pool.execute(_PRUNE, self._retention_days, _PRUNE_ROWS)
            more = status == f"DELETE {_PRUNE_ROWS}"
            await asyncio.sleep(1.0 if more else _PRUNE_EVERY_SECONDS)


class Taken(NamedTuple):
    """A project's day, in nano-dollars: settled cost, and what processes hold in reserve."""

    spent: int
    reserved: int


class BudgetStore:
    """The days' money of all projects, shared by all processes (see `budget.py`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, project: str, day: date, amount: int, cap: int) -> bool:
        """Reserve `amount` if that keeps the day within `cap`, and return whether it did.

        A try whose outcome is lost with the connection is made again: it may then be reserved twice, of which
        one is lost, as in a crash.
        """
        async for attempt in outages():
            with attempt:
                row = await self._database.pool.fetchrow(_RESERVE, project, day, amount, cap)
        return row is not None

    async def settle(self, project: str, day: date, cost: int) -> None:
        """Turn reserved money into spent. Their sum stays, so that this can be done twice without harm."""
        async for attempt in outages():
            with attempt:
                await self._database.pool.execute(_SETTLE, project, day, cost)

    async def give_back(self, project: str, day: date, amount: int) -> None:
        """Give up a reservation. Tried once: done twice it would let others spend what is spent."""
        await self._database.pool.execute(_GIVE_BACK, project, day, amount)

    async def taken(self, project: str, day: date) -> Taken:
        """Return how a day stands."""
        async for attempt in outages():
            with attempt:
                row = await self._database.pool.fetchrow(_TAKEN, project, day)
        return Taken(*row) if row else Taken(0, 0)
