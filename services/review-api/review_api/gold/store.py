"""Gold items in PostgreSQL: handing in, retiring, listing."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec
from labelmill import ids
from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.gold import sql
from review_api.gold.choosing import GoldItem
from review_api.gold.disguise import lookalike
from review_api.gold.reading import GoldLine, Refused
from review_api.tasks.pools import Pools

_MOST_LISTED: Final = 5_000
_MOST_CHARACTERS: Final = 600
_LOOKED_AT: Final = 4_000
_MOST_CANDIDATES: Final = 20
_NO_ITEMS: Final = "item-1000"


@dataclass(frozen=True)
class Listed:
    """A gold item with how people fared: `correct` of `answers`, and what they said instead, by label.

    `added_at` is in Unix milliseconds; `content` may be cut; `is_item`: it is an item of the project;
    `sensitive`: it distresses.
    """

    item_id: str
    is_item: bool
    content: str
    sensitive: bool
    label: Any
    explanation: str
    skill: str | None
    added_by: str
    added_at: int
    retired: bool
    answers: int
    correct: int
    said: dict[str, int]


@dataclass(frozen=True)
class Candidate:
    """An item that people settled with one voice or an expert, and that is no gold yet; `sensitive`: it
    distresses."""

    item_id: str
    content: str
    sensitive: bool
    label: Any
    corrected: bool
    people: int
    expert: bool


@dataclass(frozen=True)
class Put:
    """What became of gold that was handed in."""

    added: int
    changed: int
    refused: list[Refused]


class GoldStore:
    """Gold items in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, project: str, entries: Sequence[tuple[int, GoldLine]], by: str) -> Put:
        """Store gold, or change what is there: known by its item, or by its text. Handing in the same again
        changes nothing; what was retired counts again."""
        refused: list[Refused] = []
        made: list[bool] = []
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.TAKE_TURNS, project)
            names = await _Names.of(connection, project, [line for _, line in entries])
            for number, line in entries:
                item_id, problem = await names.of_line(line)
                if problem:
                    refused.append(Refused(number, line.item_id or None, problem))
                    continue
                made.append(
                    await _put(connection, project, item_id, line, metadata=names.metadata(line), by=by)
                )
            if made:
                detail = {"added": sum(made), "changed": len(made) - sum(made)}
                await record(connection, by, "gold.saved", project, detail, project=project)
        return Put(sum(made), len(made) - sum(made), refused)

    async def retire(self, project: str, item_id: str, by: str) -> bool:
        """Hand an item out no more; its answers still count. Return whether it was gold."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            gold_id = await connection.fetchval(sql.RETIRE, project, item_id)
            if gold_id is not None:
                # Not the item: it may have to be erased, and the log cannot be changed.
                await record(connection, by, "gold.retired", str(gold_id), project=project)
        return gold_id is not None

    async def active(self, project: str) -> list[GoldItem]:
        rows = await self._database.pool.fetch(sql.ACTIVE, project)
        return [
            GoldItem(row["gold_id"], _decoded(row["label"]), _decoded(row["metadata"]), row["skill"])
            for row in rows
        ]

    async def all(self, project: str, pools: Pools) -> list[Listed]:
        """Return gold with how people fared with it, the newest first; `pools` tell which distresses."""
        rows = await self._database.pool.fetch(sql.LIST, project, _MOST_CHARACTERS, _MOST_LISTED)
        said: dict[str, dict[str, int]] = {}
        for row in await self._database.pool.fetch(sql.SAID, project):
            said.setdefault(row["item_id"], {})[as_text(row["label"])] = row["times"]
        return [Listed(**_shown(row, pools), said=said.get(row["item_id"], {})) for row in rows]

    async def candidates(self, project: str, pools: Pools, reviewer: str | None) -> list[Candidate]:
        """Return the best candidates, of which `reviewer` may be handed no blind task; `pools` tell which
        distress."""
        rows = await self._database.pool.fetch(
            sql.CANDIDATES, project, _LOOKED_AT, _MOST_CHARACTERS, _MOST_CANDIDATES, reviewer
        )
        return [Candidate(**_shown(row, pools)) for row in rows]


def _shown(row: asyncpg.Record, pools: Pools) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "metadata"}
    sensitive = pools.distresses(_decoded(row["metadata"]))
    return {**shown, "label": _decoded(row["label"]), "sensitive": sensitive}


class _Names:
    """Whether the ids that were handed in are items, and ids for texts that came without one."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        project: str,
        *,
        known: dict[str, Any],
        texts: dict[str, str],
        erased: set[str],
    ) -> None:
        self._connection = connection
        self._project = project
        self._known = known
        self._texts = texts
        self._erased = erased
        self._chance = random.Random(secrets.randbits(128))  # noqa: S311 - seeded with what nobody knows
        self._sample: str | None = None

    @classmethod
    async def of(cls, connection: asyncpg.Connection, project: str, lines: Sequence[GoldLine]) -> "_Names":
        wanted = [line.item_id for line in lines if line.item_id]
        known = {
            row["item_id"]: row["metadata"] for row in await connection.fetch(sql.ITEMS, project, wanted)
        }
        hashes = [_hash(line) for line in lines if line.content]
        texts = {row[0]: row[1] for row in await connection.fetch(sql.BY_HASH, project, hashes)}
        gone = await connection.fetch(sql.ERASED, [ids.item_hash(project, name) for name in wanted])
        return cls(connection, project, known=known, texts=texts, erased={row[0] for row in gone})

    async def of_line(self, line: GoldLine) -> tuple[str, str]:
        """Return the id of a line, and what is wrong with it, if anything."""
        if line.item_id and ids.item_hash(self._project, line.item_id) in self._erased:
            return line.item_id, f"{line.item_id!r} was erased, for good"
        if not line.content:
            lacking = f"the project has no item {line.item_id!r}: ingest it first, or give content"
            return line.item_id, "" if line.item_id in self._known else lacking
        if line.item_id in self._known:
            return line.item_id, f"{line.item_id!r} is an item of the project: leave content out"
        there = self._texts.get(_hash(line))
        if there and line.item_id not in ("", there):
            return line.item_id, f"this text is gold already, as {there!r}"
        name = there or line.item_id or await self._made_up()
        self._texts[_hash(line)] = name
        return name, ""

    def metadata(self, line: GoldLine) -> str:
        return msgspec.json.encode(line.metadata).decode() if line.content else self._known[line.item_id]

    async def _made_up(self) -> str:
        if self._sample is None:
            self._sample = await self._connection.fetchval(sql.ITEM_SAMPLE, self._project) or _NO_ITEMS
        tried = self._sample
        while True:
            tried = lookalike(tried, self._chance)
            if tried not in self._texts.values() and not await self._taken(tried):
                return tried
            tried += self._chance.choice("0123456789")  # all ids of this length may be taken

    async def _taken(self, item_id: str) -> bool:
        return bool(await self._connection.fetch(sql.TAKEN_IDS, self._project, item_id))


async def _put(
    connection: asyncpg.Connection, project: str, item_id: str, line: GoldLine, *, metadata: str, by: str
) -> bool:
    own = bool(line.content)
    return bool(
        await connection.fetchval(
            sql.PUT,
            project,
            item_id,
            line.content if own else None,
            _hash(line) if own else None,
            metadata,
            msgspec.json.encode(line.label).decode(),
            line.explanation,
            line.skill,
            by,
        )
    )


def _hash(line: GoldLine) -> str:
    return ids.content_hash(line.content, line.metadata)


def _decoded(text: str) -> Any:
    return msgspec.json.decode(text)


def as_text(label: str) -> str:
    """Return a label in JSON as people read it: a plain string without its quotes."""
    found = _decoded(label)
    return found if isinstance(found, str) else label
