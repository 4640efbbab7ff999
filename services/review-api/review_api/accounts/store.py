"""All SQL about accounts, tokens and sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec
from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.accounts.roles import Principal

_SETTINGS = "(settings)"
"""Stands in the log for the operator, who sets the environment; no account can have this name."""

_PUT = """
INSERT INTO accounts (name, roles, password_hash) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE
SET roles = EXCLUDED.roles,
    password_hash = coalesce(EXCLUDED.password_hash, accounts.password_hash)
RETURNING xmax = 0
"""

_ADD = """
INSERT INTO tokens (account, label, token_hash, scopes, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(days => $5))
ON CONFLICT (token_hash) DO NOTHING RETURNING token_id
"""

_TOKENS = """
SELECT token_id, label, (extract(epoch FROM created_at) * 1000)::bigint AS created_at, scopes,
       (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at, last_used::text
FROM tokens WHERE account = $1 ORDER BY token_id
"""

_REVOKE = "DELETE FROM tokens WHERE account = $1 AND token_id = $2 RETURNING label"

_BEARER = """
SELECT a.name, a.roles, t.scopes,
       (SELECT jsonb_object_agg(project, m.roles) FROM memberships m WHERE account = a.name) AS memberships,
       t.last_used IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date AS is_first_of_day
FROM tokens t JOIN accounts a ON a.name = t.account
WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now())
"""

_USED_TODAY = "UPDATE tokens SET last_used = (now() AT TIME ZONE 'UTC')::date WHERE token_hash = $1"

_BY_SESSION = """
SELECT a.name, a.roles, s.seen_at < now() - interval '1 minute' AS is_long_ago,
       (SELECT jsonb_object_agg(project, m.roles) FROM memberships m WHERE account = a.name) AS memberships
FROM sessions s JOIN accounts a ON a.name = s.account
WHERE s.session_hash = $1 AND s.expires_at > now() AND s.seen_at > now() - make_interval(secs => $2)
"""

_SEEN = "UPDATE sessions SET seen_at = now() WHERE session_hash = $1"

_OPEN = """
INSERT INTO sessions (session_hash, account, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
"""

_decode_memberships = msgspec.json.Decoder(dict[str, frozenset[str]]).decode


@dataclass(frozen=True)
class Account:
    """An account without its secrets. `created_at` is in Unix milliseconds."""

    name: str
    roles: list[str]
    has_password: bool
    created_at: int


@dataclass(frozen=True)
class Token:
    """An API token without its secret.

    `scopes` is None for everything that its account may. `expires_at` is in Unix milliseconds, `last_used` a
    date (UTC).
    """

    token_id: int
    label: str
    created_at: int
    scopes: list[str] | None
    expires_at: int | None
    last_used: str | None


@dataclass(frozen=True)
class NewToken:
    """What a token is for. `scopes`: what it may do of what its account may, None for all of it; `days`: how
    long it is valid, None for good."""

    label: str
    scopes: Sequence[str] | None = None
    days: int | None = None


class AccountStore:
    """Accounts in PostgreSQL."""

    def __init__(self, database: Database, idle_seconds: float) -> None:
        """A session that nobody has used for `idle_seconds` is over."""
        self._database = database
        self._idle_seconds = idle_seconds

    async def put(self, name: str, roles: Sequence[str], password_hash: str | None, by: str) -> bool:
        """Make an account or change it (None leaves the password as it is); return whether it is new.

        A new password ends the account's sessions.
        """
        roles = sorted(set(roles))
        async with self._database.pool.acquire() as connection, connection.transaction():
            created = bool(await connection.fetchval(_PUT, name, roles, password_hash))
            if password_hash is not None:
                await _end_sessions(connection, name)
            detail = {"roles": roles, "created": created, "password_set": password_hash is not None}
            await record(connection, by, "account.saved", name, detail)
        return created

    async def put_first(self, name: str, password_hash: str | None) -> None:
        """Make the admin of the settings or bring it up to date; only its making goes into the log."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_PUT, name, ["admin"], password_hash):
                await record(connection, _SETTINGS, "account.saved", name, {"roles": ["admin"]})

    async def all(self) -> list[Account]:
        rows = await self._database.pool.fetch(
            """
            SELECT name, roles, password_hash IS NOT NULL AS has_password,
                   (extract(epoch FROM created_at) * 1000)::bigint AS created_at
            FROM accounts ORDER BY name
            """
        )
        return [Account(**row) for row in rows]

    async def exists(self, name: str) -> bool:
        return bool(await self._database.pool.fetchval("SELECT true FROM accounts WHERE name = $1", name))

    async def password_hash(self, name: str) -> str | None:
        """Return the hash of an account's password; None if there is no such account, or no password."""
        found: str | None = await self._database.pool.fetchval(
            "SELECT password_hash FROM accounts WHERE name = $1", name
        )
        return found

    async def change_password(self, name: str, password_hash: str) -> None:
        """Give an account another password, as its owner wants, and end its sessions."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE accounts SET password_hash = $2 WHERE name = $1", name, password_hash
            )
            await _end_sessions(connection, name)
            await record(connection, name, "password.changed", name)

    async def add_token(self, name: str, token: NewToken, token_hash: bytes, by: str) -> int:
        """Store a token's hash and return its id."""
        scopes = None if token.scopes is None else sorted(set(token.scopes))
        async with self._database.pool.acquire() as connection, connection.transaction():
            token_id: int = await connection.fetchval(_ADD, name, token.label, token_hash, scopes, token.days)
            detail = {"token_id": token_id, "label": token.label, "scopes": scopes, "days": token.days}
            await record(connection, by, "token.made", name, detail)
        return token_id

    async def tokens(self, name: str) -> list[Token]:
        """Return an account's tokens, also those that have expired."""
        return [Token(**row) for row in await self._database.pool.fetch(_TOKENS, name)]

    async def revoke_token(self, name: str, token_id: int, by: str) -> bool:
        """Delete a token; return whether there was one."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            label = await connection.fetchval(_REVOKE, name, token_id)
            if label is not None:
                await record(connection, by, "token.revoked", name, {"token_id": token_id, "label": label})
        return label is not None

    async def set_first_token(self, name: str, label: str, token_hash: bytes) -> None:
        """Make this the only token of the account with this label; only a new one goes into the log."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "DELETE FROM tokens WHERE account = $1 AND label = $2 AND token_hash <> $3",
                name,
                label,
                token_hash,
            )
            if await connection.fetchval(_ADD, name, label, token_hash, None, None):
                await record(connection, _SETTINGS, "token.made", name, {"label": label})

    async def by_token(self, token_hash: bytes) -> Principal | None:
        """Return whom a token stands for, unless it has expired, and note the day."""
        row = await self._database.pool.fetchrow(_BEARER, token_hash)
        if row is None:
            return None
        if row["is_first_of_day"]:
            await self._database.pool.execute(_USED_TODAY, token_hash)
        scopes = None if row["scopes"] is None else frozenset(row["scopes"])
        return Principal(row["name"], frozenset(row["roles"]), False, _memberships(row), scopes)

    async def by_session(self, session_hash: bytes) -> Principal | None:
        """Return whose session it is, unless it is over, and note that it is in use."""
        row = await self._database.pool.fetchrow(_BY_SESSION, session_hash, self._idle_seconds)
        if row is None:
            return None
        if row["is_long_ago"]:
            await self._database.pool.execute(_SEEN, session_hash)
        return Principal(row["name"], frozenset(row["roles"]), True, _memberships(row))

    async def open_session(self, name: str, session_hash: bytes, seconds: float) -> None:
        """Store a session, and clear away those that have expired."""
        await self._database.pool.execute("DELETE FROM sessions WHERE expires_at <= now()")
        await self._database.pool.execute(_OPEN, session_hash, name, seconds)

    async def close_session(self, session_hash: bytes) -> None:
        await self._database.pool.execute("DELETE FROM sessions WHERE session_hash = $1", session_hash)

    async def end_sessions(self, name: str) -> None:
        """End all sessions of an account, as its owner wants."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _end_sessions(connection, name)
            await record(connection, name, "sessions.ended", name)

    async def decisions_today(self, name: str) -> int:
        """Return how many decisions the account made since midnight (UTC)."""
        count: int = await self._database.pool.fetchval(
            """
            SELECT count(*) FROM decided_by_people
            WHERE reviewer = $1 AND decided_at >= date_trunc('day', now(), 'UTC')
            """,
            name,
        )
        return count


async def _end_sessions(connection: asyncpg.Connection, name: str) -> None:
    await connection.execute("DELETE FROM sessions WHERE account = $1", name)


def _memberships(row: asyncpg.Record) -> dict[str, frozenset[str]]:
    return _decode_memberships(row["memberships"] or "{}")
