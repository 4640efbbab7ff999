"""Who may be given tasks, and which: skills, and what the gates say."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.accounts.roles import Principal
from review_api.projects.versions import Version
from review_api.tasks.gates import Gate, Sensitivity
from review_api.tasks.pools import of_person, out_of_reach

_REMEMBERED_SECONDS: Final = 5.0
_MOST_REMEMBERED: Final = 10_000

Source = Literal["manager", "gold"]

_OF_PERSON: Final = "SELECT skill FROM skills WHERE project = $1 AND reviewer = $2"

_ALL: Final = """
SELECT reviewer, skill, source, (extract(epoch FROM granted_at) * 1000)::bigint AS granted_at
FROM skills WHERE project = $1 ORDER BY reviewer, skill
"""

_GRANT: Final = """
INSERT INTO skills (project, reviewer, skill, source) VALUES ($1, $2, $3, $4)
ON CONFLICT (project, reviewer, skill) DO NOTHING RETURNING true
"""

# What earned it once does not earn it again: else the next gold answer would undo what a manager wanted.
_REVOKE: Final = """
WITH taken AS (DELETE FROM skills WHERE project = $1 AND reviewer = $2 AND skill = $3 RETURNING true)
INSERT INTO lost_skills (project, reviewer, skill) SELECT $1, $2, $3 FROM taken
ON CONFLICT (project, reviewer, skill) DO UPDATE SET lost_at = now() RETURNING true
"""


@dataclass(frozen=True)
class Grant:
    """A skill that somebody has. `granted_at` is in Unix milliseconds."""

    reviewer: str
    skill: str
    source: Source
    granted_at: int


class SkillStore:
    """Skills in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, project: str, reviewer: str) -> frozenset[str]:
        rows = await self._database.pool.fetch(_OF_PERSON, project, reviewer)
        return frozenset(row["skill"] for row in rows)

    async def all(self, project: str) -> list[Grant]:
        return [Grant(**row) for row in await self._database.pool.fetch(_ALL, project)]

    async def grant(self, project: str, reviewer: str, skill: str, by: str) -> bool:
        """Give somebody a skill, as a manager wants; return whether it is new to them.

        Raises:
            asyncpg.ForeignKeyViolationError: there is no such account.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            granted = bool(await connection.fetchval(_GRANT, project, reviewer, skill, "manager"))
            if granted:
                await record(connection, by, "skill.granted", reviewer, {"skill": skill}, project=project)
        return granted

    async def qualify(self, project: str, reviewer: str, skill: str) -> None:
        """Give somebody a skill whose gold they have answered well."""
        await self._database.pool.execute(_GRANT, project, reviewer, skill, "gold")

    async def revoke(self, project: str, reviewer: str, skill: str, by: str) -> bool:
        """Take a skill from somebody, as a manager wants; return whether they had it."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            revoked = bool(await connection.fetchval(_REVOKE, project, reviewer, skill))
            if revoked:
                await record(connection, by, "skill.revoked", reviewer, {"skill": skill}, project=project)
        return revoked


class Entrance:
    """Says whether a person may be given tasks, and from which pools; skills as they were moments ago."""

    def __init__(self, store: SkillStore, sensitivity: Sensitivity, gates: Sequence[Gate] = ()) -> None:
        self._store = store
        self._sensitivity = sensitivity
        self._gates = gates
        self._known: dict[tuple[str, str], tuple[frozenset[str], float]] = {}

    async def pools(self, by: Principal, version: Version) -> Sequence[str]:
        """Return the pools that a person claims from, in the order in which they are searched.

        Raises:
            ApiError: 403, what a gate says.
        """
        for gate in self._gates:
            await gate.check(by, version)
        skills, known, sensitive = await self._standing(by, version)
        return of_person(skills, known, sensitive=sensitive)

    async def out_of_reach(self, by: Principal, version: Version) -> Sequence[str]:
        """Return the pools that a person could claim from besides, had they the skills."""
        skills, known, sensitive = await self._standing(by, version)
        return out_of_reach(skills, known, sensitive=sensitive)

    async def _standing(self, by: Principal, version: Version) -> tuple[frozenset[str], list[str], bool]:
        review = version.spec.review
        skills = await self._of(version.spec.project, by.name)
        sensitive = bool(review.care.sensitive) and await self._sensitivity.allowed(by, version)
        return skills, [skill.name for skill in review.skills], sensitive

    async def _of(self, project: str, name: str) -> frozenset[str]:
        key, now = (project, name), time.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[1]:
            return known[0]
        skills = await self._store.of(project, name)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = (skills, now + _REMEMBERED_SECONDS)
        return skills
