"""Erasures in PostgreSQL: what was asked for, and taking items out of the ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec
from labelmill import ids
from labelmill.quality import Quality
from labelmill.runtime.postgres import Database
from labelmill.topics import QUALITY

from review_api.accounts import audit
from review_api.rights import sql
from review_api.rights.tombstones import Place, Task, places
from review_api.tasks import outbox

SERVICES: Final = ("autolabeler", "trainer")
"""Who has to confirm; the router keeps nothing."""

_quality = msgspec.json.Decoder(Quality)
_places = msgspec.json.Decoder(list[Place])


class Erasure(NamedTuple):
    """An erasure that is under way: the items that were named, or all of an owner's."""

    erasure_id: int
    owner: str | None
    project: str | None


class Item(NamedTuple):
    """An item by name."""

    project: str
    item_id: str

    @property
    def hash(self) -> str:
        return ids.item_hash(self.project, self.item_id)


@dataclass(frozen=True)
class Gone:
    """An item that the ledger has forgotten, and that others still have to."""

    project: str
    item_id: str
    erasure_id: int
    item_hash: str
    content_hash: str
    places: list[Place]


class ErasureStore:
    """What was asked to be erased, and how far that is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owned(self, owner: str, project: str | None) -> dict[str, int]:
        """Return how many items an owner has, by project."""
        return dict(await self._database.pool.fetch(sql.OWNED, owner, project))

    async def is_known(self, item: Item) -> bool:
        """Return whether the ledger has an item or a route of it."""
        return bool(await self._database.pool.fetchval(sql.IS_KNOWN, *item))

    async def in_hand(self, item: Item) -> int | None:
        """Return the erasure that an item fell or falls under."""
        found: int | None = await self._database.pool.fetchval(sql.IN_HAND, item.hash)
        return found

    async def begin(
        self, by: str, *, item: Item | None = None, owner: str | None = None, project: str | None = None
    ) -> int:
        """Ask for an item, or for all items that an owner has now; return the erasure's id.

        Asked again while it goes on, an owner's erasure is the same.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            if owner is not None and (known := await connection.fetchval(sql.BEING_ERASED, owner, project)):
                return int(known)
            erasure_id: int = await connection.fetchval(sql.BEGIN, by, owner, project)
            if item is not None:
                await connection.execute(
                    sql.ADD_ITEMS, [item.project], [item.item_id], erasure_id, [item.hash]
                )
            # Neither the owner nor the item is named: the log cannot be changed, and would keep the name.
            kind = "item" if item is not None else "owner"
            await audit.record(connection, by, "erasure.requested", str(erasure_id), {"kind": kind})
        return erasure_id

    async def show(self, erasure_id: int) -> dict[str, Any] | None:
        """Return how an erasure stands."""
        row = await self._database.pool.fetchrow(sql.SHOW, erasure_id)
        if row is None:
            return None
        removed: dict[str, Counter[str]] = {"review-api": Counter(msgspec.json.decode(row["removed"]))}
        for each in msgspec.json.decode(row["confirmations"]):
            removed.setdefault(each["service"], Counter()).update(each["removed"])
        shown = {name: value for name, value in row.items() if name not in ("removed", "confirmations")}
        return {**shown, "removed": {service: dict(counts) for service, counts in removed.items()}}

    async def open(self) -> Erasure | None:
        """Return the oldest erasure whose items are not all out of the ledger."""
        row = await self._database.pool.fetchrow(sql.OPEN)
        return Erasure(*row) if row else None

    async def erase_some(self, erasure: Erasure, most: int, partitions: int) -> int:
        """Take up to `most` items of an erasure out of the ledger, in one transaction; return how many.

        After the last one the others' confirmations are waited for.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            if erasure.owner is not None:
                owned = await connection.fetch(sql.NAME_OWNED, erasure.owner, erasure.project, most)
                await _add_items(connection, erasure.erasure_id, [Item(*row) for row in owned])
            rows = await connection.fetch(sql.REQUESTED, erasure.erasure_id, most)
            items = [Item(*row) for row in rows]
            if not items:
                await connection.execute(sql.ALL_ERASED, erasure.erasure_id)
                return 0
            await _erase(connection, erasure.erasure_id, items, partitions)
        return len(items)

    async def to_publish(self, most: int) -> list[Gone]:
        """Return items that are out of the ledger and not yet out of Kafka."""
        return [_gone(row) for row in await self._database.pool.fetch(sql.TO_PUBLISH, most)]

    async def published(self, gone: Sequence[Gone]) -> None:
        """Note that the tombstones of items are in Kafka, and that the other services were asked."""
        await self._database.pool.execute(sql.PUBLISHED, [each.item_hash for each in gone])

    async def confirm(self, place: tuple[int, int], erasure_id: int, service: str, event: Any) -> None:
        """Note a service's confirmation, which came at a place (partition and offset) in Kafka."""
        removed = msgspec.json.encode(event.removed).decode()
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.KEEP_CONFIRMATION, *place, erasure_id, service, removed)
            await connection.execute(sql.CONFIRM, event.items, service)

    async def confirmed(self, most: int) -> list[Item]:
        """Return items that every service has confirmed."""
        rows = await self._database.pool.fetch(sql.CONFIRMED, list(SERVICES), most)
        return [Item(row["project"], row["item_id"]) for row in rows]

    async def forget(self, items: Sequence[Item]) -> None:
        """Drop the names of items."""
        await self._database.pool.execute(sql.FORGET, [item.hash for item in items])

    async def finish(self) -> list[int]:
        """End the erasures of which nothing is left, and return their ids."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            done = [row["erasure_id"] for row in await connection.fetch(sql.FINISH)]
            for erasure_id in done:
                await audit.record(connection, "labelmill", "erasure.done", str(erasure_id))
        return done


async def _add_items(connection: asyncpg.Connection, erasure_id: int, items: Sequence[Item]) -> None:
    projects, names = _columns(items)
    await connection.execute(sql.ADD_ITEMS, projects, names, erasure_id, [item.hash for item in items])


async def _erase(
    connection: asyncpg.Connection, erasure_id: int, items: Sequence[Item], partitions: int
) -> None:
    columns, hashes = _columns(items), [item.hash for item in items]
    await connection.execute(sql.LOCK)
    tasks = await connection.fetch(sql.TASKS, *columns)
    contents = {Item(row[0], row[1]): row[2] for row in await connection.fetch(sql.CONTENT_HASHES, *columns)}
    await connection.execute(sql.REMEMBER, hashes, erasure_id)
    await _keep_figures(connection, columns, [row["task_id"] for row in tasks])
    await connection.execute(sql.QUOTED, erasure_id, *columns)
    removed = await _remove(connection, columns, [row["task_id"] for row in tasks])
    for project in sorted(set(columns[0])):
        removed["published"] += await _blank_quality(connection, project, set(columns[1]))
    by_item: dict[Item, list[Task]] = {}
    for row in tasks:
        task = Task(row["task_id"], row["partition"])
        by_item.setdefault(Item(row["project"], row["item_id"]), []).append(task)
    records = [
        msgspec.json.encode(places(*item, by_item.get(item, []), partitions)).decode() for item in items
    ]
    await connection.execute(
        sql.ERASED_NOW, hashes, columns[1], [contents.get(item, "") for item in items], records
    )
    counts = msgspec.json.encode({table: rows for table, rows in removed.items() if rows}).decode()
    await connection.execute(sql.COUNT, erasure_id, len(items), counts)


async def _keep_figures(
    connection: asyncpg.Connection, columns: tuple[list[str], list[str]], task_ids: Sequence[int]
) -> None:
    """Count what the tasks came to, as if their events had left (the figures name no item), and that the
    items are gone."""
    waiting = await connection.fetch(sql.OUTBOX, task_ids)
    await connection.execute(outbox.DONE, [row["outbox_id"] for row in waiting])
    await connection.execute(sql.FIGURES, *columns)


async def _remove(
    connection: asyncpg.Connection, columns: tuple[list[str], list[str]], task_ids: Sequence[int]
) -> Counter[str]:
    removed: Counter[str] = Counter()
    owners = await connection.fetch(sql.OWNERS_OF, *columns)
    owned = [list(column) for column in zip(*owners, strict=True)] if owners else [[], [], []]
    removed["item_owners"] = _rows(await connection.execute(sql.OWNERS, *owned))
    for table, statement in sql.BY_TASK.items():
        removed[table] = _rows(await connection.execute(statement, task_ids))
    for table, statement in sql.BY_ITEM.items():
        removed[table] = _rows(await connection.execute(statement, *columns))
    return removed


async def _blank_quality(connection: asyncpg.Connection, project: str, items: set[str]) -> int:
    """Take examples of items out of what the dashboard shows; the trainer does the same at its end."""
    payload = await connection.fetchval(sql.QUALITY, project, QUALITY.name)
    if payload is None:
        return 0
    shown = _quality.decode(payload)
    left = shown.without(items)
    if left == shown:
        return 0
    await connection.execute(sql.PUT_QUALITY, project, QUALITY.name, msgspec.json.encode(left).decode())
    return 1


def _columns(items: Sequence[Item]) -> tuple[list[str], list[str]]:
    return [item.project for item in items], [item.item_id for item in items]


def _rows(status: str) -> int:
    """Return how many rows a statement says that it touched."""
    return int(status.rsplit(" ", 1)[-1])


def _gone(row: Mapping[str, Any]) -> Gone:
    return Gone(
        project=row["project"],
        item_id=row["item_id"],
        erasure_id=row["erasure_id"],
        item_hash=row["item_hash"],
        content_hash=row["content_hash"],
        places=_places.decode(row["records"]),
    )
