"""All SQL about invitations: roles that wait for who brings the secret."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from labelmill.runtime.postgres import Database

from review_api.accounts import members
from review_api.accounts.audit import record
from review_api.errors import ApiError

_MAKE = """
INSERT INTO invitations (token_hash, project, roles, note, made_by, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(hours => $6))
RETURNING invitation_id, (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at
"""

# Of the last ones only: what is long over is in the audit log.
_ALL = """
SELECT invitation_id, project, roles, note, made_by, used_by,
       (extract(epoch FROM made_at) * 1000)::bigint AS made_at,
       (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at
FROM invitations
WHERE $1::text IS NULL OR project = $1
ORDER BY invitation_id DESC LIMIT 200
"""

_REVOKE = """
DELETE FROM invitations
WHERE invitation_id = $1 AND ($2::text IS NULL OR project = $2) AND used_at IS NULL
RETURNING note, project
"""

_LOOK = """
SELECT project, roles, (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at
FROM open_invitations WHERE token_hash = $1
"""

_USE = """
UPDATE invitations SET used_by = $2, used_at = now()
WHERE token_hash = $1 AND used_at IS NULL
  AND invitation_id IN (SELECT invitation_id FROM open_invitations WHERE token_hash = $1)
RETURNING invitation_id, project, roles, made_by
"""

_NEW_ACCOUNT = """
INSERT INTO accounts (name, roles, password_hash) VALUES ($1, '{}', $2)
ON CONFLICT (name) DO NOTHING RETURNING true
"""

_MORE_ROLES = """
UPDATE accounts SET roles = ARRAY(SELECT DISTINCT unnest(roles || $2::text[]) ORDER BY 1) WHERE name = $1
"""


@dataclass(frozen=True)
class Offer:
    """What an invitation gives. `project` is None for roles that hold everywhere.

    `expires_at` is in Unix milliseconds.
    """

    project: str | None
    roles: list[str]
    expires_at: int


@dataclass(frozen=True)
class Invitation:
    """An invitation without its secret. `used_by` is None while nobody has used it."""

    invitation_id: int
    project: str | None
    roles: list[str]
    note: str
    made_by: str
    used_by: str | None
    made_at: int
    expires_at: int


class InvitationStore:
    """Invitations in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(
        self, token_hash: bytes, project: str | None, roles: Sequence[str], *, note: str, hours: int, by: str
    ) -> tuple[int, int]:
        """Store an invitation; return its id and its end in Unix milliseconds."""
        roles = sorted(set(roles))
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_MAKE, token_hash, project, roles, note, by, hours)
            detail = {"invitation_id": row["invitation_id"], "roles": roles, "hours": hours}
            await record(connection, by, "invitation.made", note, detail, project=project)
        return row["invitation_id"], row["expires_at"]

    async def all(self, project: str | None) -> list[Invitation]:
        """Return the newest invitations of a project, or of all, the newest first."""
        return [Invitation(**row) for row in await self._database.pool.fetch(_ALL, project)]

    async def revoke(self, invitation_id: int, project: str | None, by: str) -> bool:
        """Delete an invitation that nobody has used, of a project or of any; return whether there was one."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_REVOKE, invitation_id, project)
            if row is not None:
                detail = {"invitation_id": invitation_id}
                await record(
                    connection, by, "invitation.revoked", row["note"], detail, project=row["project"]
                )
        return row is not None

    async def look(self, token_hash: bytes) -> Offer | None:
        """Return what an invitation gives; None if it is used, revoked, expired or was never made."""
        row = await self._database.pool.fetchrow(_LOOK, token_hash)
        return None if row is None else Offer(**row)

    async def accept(self, token_hash: bytes, name: str) -> None:
        """Give an account what an invitation promises, and use it up. Raises ApiError 403 or 404."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _use(connection, token_hash, name)

    @asynccontextmanager
    async def accepting(
        self, token_hash: bytes, name: str, password_hash: str | None
    ) -> AsyncIterator[asyncpg.Connection]:
        """Make a new account with what an invitation promises; give the connection, for what else belongs
        into the transaction.

        Raises:
            ApiError: 404 `unknown_invitation`, 409 `name_taken`.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_NEW_ACCOUNT, name, password_hash):
                raise ApiError(
                    409, "name_taken", f"there is an account {name!r} already: choose another name"
                )
            await _use(connection, token_hash, name)
            yield connection


async def _use(connection: asyncpg.Connection, token_hash: bytes, name: str) -> None:
    row = await connection.fetchrow(_USE, token_hash, name)
    if row is None:
        raise unknown_invitation()
    if row["made_by"] == name:
        raise ApiError(
            403, "own_roles", "nobody gives roles to themselves: this invitation is for somebody else"
        )
    if row["project"] is None:
        await connection.execute(_MORE_ROLES, name, row["roles"])
    else:
        await members.join(connection, name, row["project"], row["roles"])
    detail = {"invitation_id": row["invitation_id"], "roles": row["roles"], "made_by": row["made_by"]}
    await record(connection, name, "invitation.accepted", name, detail, project=row["project"])


def unknown_invitation() -> ApiError:
    """404 for an invitation that does not stand."""
    return ApiError(404, "unknown_invitation", "this invitation was used or revoked, or has expired")
