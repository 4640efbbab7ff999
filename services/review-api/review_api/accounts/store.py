"""All SQL about accounts, tokens and sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record


@dataclass(frozen=True)
class Account:
    """An account without its secrets. `created_at` is in Unix milliseconds."""

    name: str
    roles: list[str]
    has_password: bool
    created_at: int


@dataclass(frozen=True)
class Token:
    """An API token without its secret."""

    token_id: int
    label: str
    created_at: int


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
INSERT INTO tokens (account, label, token_hash) VALUES ($1, $2, $3)
ON CONFLICT (token_hash) DO NOTHING RETURNING token_id
"""

_REVOKE = "DELETE FROM tokens WHERE account = $1 AND token_id = $2 RETURNING label"


class AccountStore:
    """Accounts in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, name: str, roles: Sequence[str], password_hash: str | None, by: str) -> bool:
        """Make an account or change it (None leaves the password as it is); return whether it is new."""
        roles = sorted(set(roles))
        async with self._database.pool.acquire() as connection, connection.transaction():
            created = bool(await connection.fetchval(_PUT, name, roles, password_hash))
            detail = {"roles": roles, "created": created, "password_set": password_hash is not None}
            await record(connection, by, "account.saved", name, detail)
        return created

    async def put_first(self, name: str, password_hash: str | None) -> None:
        """Make the admin of the settings or bring it up to date; only its making goes into the log."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_PUT, name, ["admin"], password_hash):
                await record(connection, _SETTINGS, "account.saved", name, {"roles": ["admin"]})

    async def end_sessions(self, name: str) -> None:
        await self._database.pool.execute("DELETE FROM sessions WHERE account = $1", name)

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

    async def add_token(self, name: str, label: str, token_hash: bytes, by: str) -> int:
        """Store a token's hash and return its id."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            token_id: int = await connection.fetchval(_ADD, name, label, token_hash)
            await record(connection, by, "token.made", name, {"token_id": token_id, "label": label})
        return token_id

    async def tokens(self, name: str) -> list[Token]:
        rows = await self._database.pool.fetch(
            """
            SELECT token_id, label, (extract(epoch FROM created_at) * 1000)::bigint AS created_at
            FROM tokens WHERE account = $1 ORDER BY token_id
            """,
            name,
        )
        return [Token(**row) for row in rows]

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
            if await connection.fetchval(_ADD, name, label, token_hash):
                await record(connection, _SETTINGS, "token.made", name, {"label": label})

    async def by_token(self, token_hash: bytes) -> tuple[str, list[str]] | None:
        """Return name and roles of the token's account."""
        row = await self._database.pool.fetchrow(
            """
            SELECT a.name, a.roles FROM tokens t JOIN accounts a ON a.name = t.account
            WHERE t.token_hash = $1
            """,
            token_hash,
        )
        return None if row is None else (row["name"], row["roles"])

    async def by_session(self, session_hash: bytes) -> tuple[str, list[str]] | None:
        """Return name and roles of a session's account, if it has not expired."""
        row = await self._database.pool.fetchrow(
            """
            SELECT a.name, a.roles FROM sessions s JOIN accounts a ON a.name = s.account
            WHERE s.session_hash = $1 AND s.expires_at > now()
            """,
            session_hash,
        )
        return None if row is None else (row["name"], row["roles"])

    async def open_session(self, name: str, session_hash: bytes, seconds: float) -> None:
        """Store a session, and clear away those that have expired."""
        await self._database.pool.execute("DELETE FROM sessions WHERE expires_at <= now()")
        await self._database.pool.execute(
            """
            INSERT INTO sessions (session_hash, account, expires_at)
            VALUES ($1, $2, now() + make_interval(secs => $3))
            """,
            session_hash,
            name,
            seconds,
        )

    async def close_session(self, session_hash: bytes) -> None:
        await self._database.pool.execute("DELETE FROM sessions WHERE session_hash = $1", session_hash)

    async def decisions_today(self, name: str) -> int:
        """Return how many decisions the account made since midnight (UTC)."""
        count: int = await self._database.pool.fetchval(
            """
            SELECT count(*) FROM decisions
            WHERE reviewer = $1 AND decided_at >= date_trunc('day', now(), 'UTC')
            """,
            name,
        )
        return count
