"""All SQL that writes the ledger."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

import asyncpg
from aiokafka import ConsumerRecord
from labelmill import ids
from labelmill.errors import InvalidRecord
from labelmill.events import ItemIngested
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.postgres import Database

from review_api.ledger import rows
from review_api.ledger.counting import COLUMNS, Counts
from review_api.ledger.records import Accepted, Requested, Routed, VoteCost
from review_api.minutes import added
from review_api.tasks.ordering import Place
from review_api.tasks.sql import IS_SPARE

# `isinstance` of a msgspec struct asks an abstract base class each time: too slow for every item.

Key = tuple[str, str]
RouteKey = tuple[str, str, int]

_TRIES = 4

# LATERAL with LIMIT keeps these as look-ups by key, whatever size a table had when the plan was made.
_HASHES: Final = """
SELECT k.project, k.item_id, i.content_hash
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
CROSS JOIN LATERAL (
    SELECT content_hash FROM items i WHERE i.project = k.project AND i.item_id = k.item_id LIMIT 1
) i
"""

_ROUTED: Final = """
SELECT k.project, k.item_id, k.guideline_version, r.content_hash
FROM unnest($1::text[], $2::text[], $3::int[]) AS k(project, item_id, guideline_version)
CROSS JOIN LATERAL (
    SELECT content_hash FROM routes r
    WHERE r.project = k.project AND r.item_id = k.item_id AND r.guideline_version = k.guideline_version
    LIMIT 1
) r
"""

_ROUTED_BEFORE: Final = """
SELECT project, item_id, content_hash
FROM early_routes JOIN unnest($1::text[], $2::text[]) AS k(project, item_id) USING (project, item_id)
"""

_RARITIES: Final = """
SELECT EXISTS (SELECT FROM early_routes) AS early, EXISTS (SELECT FROM erased) AS erased
"""

_ERASED: Final = """
SELECT item_hash FROM erased JOIN unnest($1::text[]) AS k(item_hash) USING (item_hash)
"""

_KEEP_EARLY: Final = """
INSERT INTO early_routes (project, item_id, content_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
"""

_FORGET_EARLY: Final = """
DELETE FROM early_routes e USING unnest($1::text[], $2::text[]) AS k(project, item_id)
WHERE e.project = k.project AND e.item_id = k.item_id
"""

# An item and its routes come by the same partition. They wait for each other here, so that whichever is
# written last sees the other: for moments, around a rebalance, two processes may hold the partition.
# What is erased must not come back with a batch that began before: erasing waits for the lock that all share
# here (first, so that nobody waits for it with a partition in hand), and whoever comes later sees the erased.
_TAKE_TURNS: Final = """
SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '/erasing', 0))
UNION ALL
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/ledger/' || number, 0))
FROM unnest($1::int[]) AS p(number)
"""

_OPEN_TASKS_OF: Final = """
UPDATE assignments a SET state = 'open'
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
CROSS JOIN LATERAL (
    SELECT task_id FROM tasks t WHERE t.project = k.project AND t.item_id = k.item_id OFFSET 0
) t
WHERE a.task_id = t.task_id AND a.slot = 0 AND a.state = 'waiting'
"""

_FINAL: Final = """
SELECT k.project, k.item_id
FROM unnest($1::text[], $2::text[]) AS k(project, item_id)
CROSS JOIN LATERAL (
    SELECT FROM final_labels f WHERE f.project = k.project AND f.item_id = k.item_id LIMIT 1
) f
"""

# The machine's label by a newer guideline takes the place of its own by an older one. What people decided
# stays: a campaign asks people again.
_REPLACE_FINAL: Final = """
UPDATE final_labels f
SET label = k.label, confidence = k.confidence, guideline_version = k.guideline_version, release = k.release,
    decided_at = k.decided_at, routed_under = k.guideline_version
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::float8[], $5::int[], $6::int[], $7::bigint[])
    AS k(project, item_id, label, confidence, guideline_version, release, decided_at)
WHERE f.project = k.project AND f.item_id = k.item_id AND f.source = 'machine'
  AND f.guideline_version < k.guideline_version
"""

_REPLACED: Final = (
    "project", "item_id", "label", "confidence", "guideline_version", "release", "decided_at",
)  # fmt: skip

# An item that a campaign, or whoever hands it in again, has labelled anew is routed with the time of that;
# under the first guideline ($4 is 0) there is nothing to do anew.
_OTHER_THAN_ROUTED: Final = """
SELECT k.project, k.item_id, k.place, i.content_hash = k.content_hash AS known
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    WITH ORDINALITY AS k(project, item_id, content_hash, ingested_at, place)
LEFT JOIN LATERAL (
    SELECT content_hash, ingested_at FROM items i
    WHERE i.project = k.project AND i.item_id = k.item_id LIMIT 1
) i ON true
WHERE i.content_hash IS DISTINCT FROM k.content_hash OR i.ingested_at < k.ingested_at
"""

_NUMBERS: Final = """
SELECT number FROM (SELECT nextval('task_ids') AS number FROM generate_series(1, $1)) d WHERE NOT {is_spare}
""".replace("{is_spare}", IS_SPARE.format(number="number"))

_COUNT: Final = """
INSERT INTO minute_stats AS s (project, minute, {figures})
SELECT project, (extract(epoch FROM date_trunc('minute', now())) * 1000)::bigint, {figures}
FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::float8[]
) AS c(project, {figures})
{added}
""".replace("{figures}", ", ".join(COLUMNS)).replace("{added}", added(COLUMNS))


class Route(NamedTuple):
    """A route to write: its record, what its votes cost, and where its task lies, if it makes one."""

    record: ConsumerRecord
    event: Routed
    votes: list[VoteCost]
    place: Place | None = None


class Item(NamedTuple):
    """An item to write."""

    record: ConsumerRecord
    event: ItemIngested


@dataclass
class Written:
    """What became of a batch: dead letters for what contradicts the ledger, and what was new."""

    conflicts: list[DeadLetter] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    finals: list[Accepted] = field(default_factory=list)
    erased: list[ConsumerRecord] = field(default_factory=list)
    """Records of items that are erased for good."""


class _SeenError(Exception):
    """The batch touches what the ledger has already."""


class LedgerStore:
    """Writes batches in one transaction each, and each record once, however often it comes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, items: Sequence[Item], routes: Sequence[Route]) -> Written:
        """Write what is new of a batch.

        Almost always everything is new. So the rows are copied straight into the tables, and only if one
        of them turns out to be there already is the batch looked up and copied without it.

        Raises:
            asyncpg.PostgresError: if the database is away, or refuses a row (nothing is written then).
        """
        try:
            return await self._write_all(items, routes)
        except (asyncpg.UniqueViolationError, _SeenError):
            pass
        for _ in range(_TRIES):
            try:
                return await self._write_unseen(items, routes)
            except asyncpg.UniqueViolationError:
                # Another process wrote the same records meanwhile: it held the partition a moment ago.
                continue
        return await self._write_unseen(items, routes)

    async def _write_all(self, items: Sequence[Item], routes: Sequence[Route]) -> Written:
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _take_turns(connection, [*items, *routes])
            items, routes, erased, has_early = await _without_erased(connection, items, routes)
            before = await _routed_before(connection, items) if has_early else {}
            if any(before[_key(item)] != item.event.content_hash for item in _late(items, before)):
                raise _SeenError
            written = await _copy(connection, items, routes, before, had_final=frozenset())
            written.erased = erased
            return written

    async def _write_unseen(self, items: Sequence[Item], routes: Sequence[Route]) -> Written:
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _take_turns(connection, [*items, *routes])
            items, routes, erased, has_early = await _without_erased(connection, items, routes)
            hashes = await _item_hashes(connection, [*items, *routes])
            before = await _routed_before(connection, items) if has_early else {}
            conflicts: list[DeadLetter] = []
            new_items = [item for item in items if _is_new_item(item, hashes, before, conflicts)]
            routed = await _route_hashes(connection, routes)
            new_routes = [route for route in routes if _is_new_route(route, routed, hashes, conflicts)]
            had_final = await _with_final_label(connection, new_routes)
            written = await _copy(connection, new_items, new_routes, before, had_final)
        written.conflicts = conflicts
        written.erased = erased
        return written


def _is_new_item(
    item: Item, hashes: dict[Key, str], routed: Mapping[Key, str], conflicts: list[DeadLetter]
) -> bool:
    """Return whether an item is to be written; `hashes` learns of it, so that its repetition is not.

    `routed` are the content hashes by which items were routed before they came.
    """
    key, content_hash = _key(item), item.event.content_hash
    known = hashes.get(key) or routed.get(key, content_hash)
    if known != content_hash:
        conflicts.append(_conflict(item.record, *key))
        return False
    is_new = key not in hashes
    hashes[key] = content_hash
    return is_new


def _is_new_route(
    route: Route, routed: dict[RouteKey, str], hashes: dict[Key, str], conflicts: list[DeadLetter]
) -> bool:
    event = route.event
    key = (event.project, event.item_id, event.score.guideline_version)
    content_hash = event.score.content_hash
    known = routed.get(key) or hashes.get(_key(route), content_hash)
    if known != content_hash:
        conflicts.append(_conflict(route.record, *_key(route)))
        return False
    is_new = key not in routed
    routed[key] = content_hash
    return is_new


def _conflict(record: ConsumerRecord, project: str, item_id: str) -> DeadLetter:
    detail = f"item {item_id!r} of project {project!r} is known with other content"
    return DeadLetter(record, InvalidRecord("conflicting_duplicate", detail))


def _key(entry: Item | Route) -> Key:
    return (entry.event.project, entry.event.item_id)


def _late(items: Sequence[Item], routed_before: Mapping[Key, str]) -> list[Item]:
    """Return the items whose routes came first."""
    return [item for item in items if _key(item) in routed_before] if routed_before else []


def _columns(entries: Sequence[Item | Route]) -> tuple[list[str], list[str]]:
    """Return the projects and the item ids of entries."""
    return [entry.event.project for entry in entries], [entry.event.item_id for entry in entries]


async def _take_turns(connection: asyncpg.Connection, entries: Sequence[Item | Route]) -> None:
    await connection.execute(_TAKE_TURNS, sorted({entry.record.partition for entry in entries}))


async def _item_hashes(connection: asyncpg.Connection, entries: Sequence[Item | Route]) -> dict[Key, str]:
    found = await connection.fetch(_HASHES, *_columns(entries)) if entries else []
    return {(row[0], row[1]): row[2] for row in found}


async def _without_erased(
    connection: asyncpg.Connection, items: Sequence[Item], routes: Sequence[Route]
) -> tuple[Sequence[Item], Sequence[Route], list[ConsumerRecord], bool]:
    """Return what is not of erased items, the records that are, and whether any route came too early."""
    rarities = await connection.fetchrow(_RARITIES)
    if not rarities["erased"]:
        return items, routes, [], rarities["early"]
    entries: list[Item | Route] = [*items, *routes]
    hashes = {key: ids.item_hash(*key) for key in map(_key, entries)}
    found = {row[0] for row in await connection.fetch(_ERASED, list(set(hashes.values())))}
    if not found:
        return items, routes, [], rarities["early"]
    erased = [entry.record for entry in entries if hashes[_key(entry)] in found]
    items = [item for item in items if hashes[_key(item)] not in found]
    routes = [route for route in routes if hashes[_key(route)] not in found]
    return items, routes, erased, rarities["early"]


async def _routed_before(connection: asyncpg.Connection, items: Sequence[Item]) -> dict[Key, str]:
    """Return the content hashes by which items were routed before they came."""
    if not items:
        return {}
    found = await connection.fetch(_ROUTED_BEFORE, *_columns(items))
    return {(row[0], row[1]): row[2] for row in found}


async def _route_hashes(connection: asyncpg.Connection, routes: Sequence[Route]) -> dict[RouteKey, str]:
    versions = [route.event.score.guideline_version for route in routes]
    found = await connection.fetch(_ROUTED, *_columns(routes), versions)
    return {(row[0], row[1], row[2]): row[3] for row in found}


async def _with_final_label(connection: asyncpg.Connection, routes: Sequence[Route]) -> set[Key]:
    accepted = [route for route in routes if type(route.event) is Accepted]
    found = await connection.fetch(_FINAL, *_columns(accepted))
    return {(row[0], row[1]) for row in found}


async def _early(
    connection: asyncpg.Connection, routes: Sequence[Route], counts: dict[str, Counts]
) -> set[Key]:
    """Return, and note, which items are routed but not here yet; count those that are routed again.

    Raises:
        _SeenError: an item that is here has other content than what was routed.
    """
    scores = [route.event.score for route in routes]
    hashes = [score.content_hash for score in scores]
    times = [score.ingested_at if score.guideline_version > 1 else 0 for score in scores]
    others = await connection.fetch(_OTHER_THAN_ROUTED, *_columns(routes), hashes, times) if routes else []
    if any(row["known"] is False for row in others):
        raise _SeenError
    for row in others:
        if row["known"]:
            _count_again(routes[row["place"] - 1], counts)
    early = {(row["project"], row["item_id"]) for row in others if row["known"] is None}
    if early:
        noted = [route for route in routes if _key(route) in early]
        hashes = [route.event.score.content_hash for route in noted]
        await connection.execute(_KEEP_EARLY, *_columns(noted), hashes)
    return early


async def _copy(
    connection: asyncpg.Connection,
    items: Sequence[Item],
    routes: Sequence[Route],
    routed_before: Mapping[Key, str],
    had_final: AbstractSet[Key],
) -> Written:
    """Copy the rows of a batch and count it. `routed_before` are the items whose routes came first."""
    now_ms = int(time.time() * 1000)
    written = Written()
    counts = written.counts
    for item in items:
        counts[item.event.project].items += 1
    route_rows = [rows.route_row(route.event, _count(route, counts)) for route in routes]
    again: dict[Key, Accepted] = {}
    for event in (route.event for route in routes):
        if type(event) is not Accepted:
            continue
        if (key := (event.project, event.item_id)) in had_final:
            again[key] = _newer(event, again.get(key))
        else:
            written.finals.append(event)
            counts[event.project].final_labels += 1
    await _copy_into(connection, "items", rows.ITEM_COLUMNS, [rows.item_row(item.event) for item in items])
    await _copy_into(connection, "item_owners", rows.OWNER_COLUMNS, rows.owner_rows(i.event for i in items))
    if late := _late(items, routed_before):
        await connection.execute(_OPEN_TASKS_OF, *_columns(late))
        await connection.execute(_FORGET_EARLY, *_columns(late))
    early = await _early(connection, routes, counts)
    await _copy_into(connection, "routes", rows.ROUTE_COLUMNS, route_rows)
    finals = [rows.final_row(event, now_ms) for event in written.finals]
    await _copy_into(connection, "final_labels", rows.FINAL_COLUMNS, finals)
    await _replace(connection, list(again.values()), now_ms)
    requested = [route for route in routes if route.place is not None]
    await _copy_tasks(connection, requested, early, now_ms)
    await _add_up(connection, counts)
    return written


def _newer(event: Accepted, other: Accepted | None) -> Accepted:
    if other is None or event.score.guideline_version > other.score.guideline_version:
        return event
    return other


async def _replace(connection: asyncpg.Connection, events: Sequence[Accepted], now_ms: int) -> None:
    """Replace the machine's labels by an older guideline."""
    if events:
        columns = [rows.FINAL_COLUMNS.index(name) for name in _REPLACED]
        found = [rows.final_row(event, now_ms) for event in events]
        await connection.execute(_REPLACE_FINAL, *([row[column] for row in found] for column in columns))


def _count(route: Route, counts: dict[str, Counts]) -> float:
    """Count a route and return what its votes cost."""
    of_project = counts[route.event.project]
    if type(route.event) is Accepted:
        of_project.accepted += 1
    else:
        of_project.requested += 1
    return of_project.add_votes(route.votes)


def _count_again(route: Route, counts: dict[str, Counts]) -> None:
    """Count a route of an item that was routed before, by an older guideline."""
    of_project = counts[route.event.project]
    if type(route.event) is Accepted:
        of_project.accepted_again += 1
    else:
        of_project.requested_again += 1


async def _copy_tasks(
    connection: asyncpg.Connection, routes: Sequence[Route], early: AbstractSet[Key], now_ms: int
) -> None:
    if not routes:
        return
    numbers = await _numbers(connection, len(routes))
    tasks: list[rows.Row] = []
    assignments: list[rows.Row] = []
    for task_id, route in zip(numbers, routes, strict=True):
        event, place = cast("Requested", route.event), cast("Place", route.place)
        tasks.append(rows.task_row(event, task_id, route.record.partition, now_ms))
        assignments += rows.assignment_rows(event, task_id, place, item_is_here=_key(route) not in early)
    await _copy_into(connection, "tasks", rows.TASK_COLUMNS, tasks)
    await _copy_into(connection, "assignments", rows.ASSIGNMENT_COLUMNS, assignments)


async def _numbers(connection: asyncpg.Connection, count: int) -> list[int]:
    """Return new numbers of tasks, ascending; a quarter of what is drawn is spare, and a few more are drawn
    so that one trip is almost always enough."""
    numbers: list[int] = []
    while len(numbers) < count:
        drawn = await connection.fetch(_NUMBERS, (count - len(numbers)) * 3 // 2 + 4)
        numbers += [row["number"] for row in drawn]
    return numbers[:count]


async def _copy_into(
    connection: asyncpg.Connection, table: str, columns: list[str], records: list[rows.Row]
) -> None:
    if records:
        await connection.copy_records_to_table(table, columns=columns, records=records)


async def _add_up(connection: asyncpg.Connection, counts: Mapping[str, Counts]) -> None:
    """Add to the minute's figures: last, for other writers of the same minute wait until the commit."""
    if counts:
        projects = sorted(counts)
        columns = [[getattr(counts[project], name) for project in projects] for name in COLUMNS]
        await connection.execute(_COUNT, projects, *columns)
