"""Remembers gold and people's records for moments, so that a claim seldom asks the database about them."""

import time
from collections.abc import Sequence
from typing import Final

from labelmill.runtime.postgres import Database

from review_api.gold import sql
from review_api.gold.checks import CheckStore
from review_api.gold.choosing import GoldItem
from review_api.gold.pauses import PauseStore
from review_api.gold.records import Record
from review_api.gold.store import GoldStore

_GOLD_SECONDS: Final = 15.0
_PERSON_SECONDS: Final = 15.0
_MOST_PEOPLE: Final = 10_000


class People:
    """Records of people. Who changes one says so, or changes what it was given."""

    def __init__(self, database: Database, gold: GoldStore, checks: CheckStore, pauses: PauseStore) -> None:
        self._database = database
        self._gold = gold
        self._checks = checks
        self._pauses = pauses
        self._items: dict[str, tuple[Sequence[GoldItem], float]] = {}
        self._records: dict[tuple[str, str], tuple[Record, float]] = {}
        self._reading: dict[tuple[str, str], object] = {}
        """The last begun reading of each record; what was forgotten meanwhile is none of these any more."""

    async def gold(self, project: str) -> Sequence[GoldItem]:
        """Return the gold that can be handed out, as it was moments ago."""
        known, now = self._items.get(project), time.monotonic()
        if known is not None and now < known[1]:
            return known[0]
        into = self._items
        items = await self._gold.active(project)
        into[project] = (items, now + _GOLD_SECONDS)
        return items

    async def record(self, project: str, reviewer: str, *, afresh: bool = False) -> Record:
        """Return a person's record; it may be changed in place."""
        key, now = (project, reviewer), time.monotonic()
        known = self._records.get(key)
        if known is not None and now < known[1] and not afresh:
            return known[0]
        reading = self._reading[key] = object()
        try:
            record = await self._read(project, reviewer)
        finally:
            is_last = self._reading.get(key) is reading
            if is_last:
                del self._reading[key]
        if is_last:
            if len(self._records) >= _MOST_PEOPLE:
                self._records.clear()
            self._records[key] = (record, now + _PERSON_SECONDS)
        return record

    def forget_gold(self, project: str) -> None:
        """Read the gold of a project again, and all records with it: what is right may have changed."""
        self._items = {name: known for name, known in self._items.items() if name != project}
        self._reading.clear()
        self._records = {key: known for key, known in self._records.items() if key[0] != project}

    def forget(self, project: str, reviewer: str) -> None:
        """Read a record again, and remember nothing that is being read now: it may be older."""
        self._reading.pop((project, reviewer), None)
        self._records.pop((project, reviewer), None)

    async def _read(self, project: str, reviewer: str) -> Record:
        checks = await self._checks.history(project, reviewer)
        lost = await self._database.pool.fetch(sql.LOST, project, reviewer)
        return Record(
            checks={check.gold_id: check for check in checks},
            pauses=await self._pauses.of(project, reviewer),
            met=await self._checks.met_or_to_come(project, reviewer),
            lost={row["skill"]: row["lost_at"] for row in lost},
        )
