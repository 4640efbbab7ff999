"""All SQL about roles in single projects."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record

_MEMBERS = """
SELECT a.name, coalesce(m.roles, '{}') AS roles, a.roles AS everywhere
FROM memberships m JOIN accounts a ON a.name = m.account
WHERE m.project = $1 ORDER BY a.name
"""

_EVERYWHERE = """
SELECT a.name, '{}'::text[] AS roles, a.roles AS everywhere
FROM accounts a
WHERE cardinality(a.roles) > 0
  AND NOT EXISTS (SELECT FROM memberships m WHERE m.account = a.name AND m.project = $1)
ORDER BY a.name
"""

_SET = """
INSERT INTO memberships (account, project, roles)
SELECT name, $2, $3 FROM accounts WHERE name = $1
ON CONFLICT (account, project) DO UPDATE SET roles = EXCLUDED.roles
RETURNING true
"""

_JOIN = """
INSERT INTO memberships (account, project, roles) VALUES ($1, $2, $3)
ON CONFLICT (account, project) DO UPDATE
SET roles = ARRAY(SELECT DISTINCT unnest(memberships.roles || EXCLUDED.roles) ORDER BY 1)
"""

_REMOVE = "DELETE FROM memberships WHERE account = $1 AND project = $2 RETURNING roles"


@dataclass(frozen=True)
class Member:
    """Somebody with roles in a project: `roles` in this one, `everywhere` in all."""

    name: str
    roles: list[str]
    everywhere: list[str]


async def join(connection: asyncpg.Connection, account: str, project: str, roles: Sequence[str]) -> None:
    """Give an account further roles in a project, as part of the connection's transaction."""
    await connection.execute(_JOIN, account, project, sorted(set(roles)))


class MemberStore:
    """Memberships in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def members(self, project: str) -> list[Member]:
        """Return who has roles in a project: its own members, then those whose roles hold everywhere."""
        rows = await self._database.pool.fetch(_MEMBERS, project)
        rows += await self._database.pool.fetch(_EVERYWHERE, project)
        return [Member(**row) for row in rows]

    async def set(self, project: str, account: str, roles: Sequence[str], by: str) -> bool:
        """Give an account these roles in a project instead of those it had; return whether it exists."""
        roles = sorted(set(roles))
        async with self._database.pool.acquire() as connection, connection.transaction():
            exists = bool(await connection.fetchval(_SET, account, project, roles))
            if exists:
                await record(connection, by, "membership.set", account, {"roles": roles}, project=project)
        return exists

    async def remove(self, project: str, account: str, by: str) -> bool:
        """Take an account's roles in a project; return whether it had any."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            roles = await connection.fetchval(_REMOVE, account, project)
            if roles is not None:
                await record(connection, by, "membership.removed", account, {"roles": roles}, project=project)
        return roles is not None
