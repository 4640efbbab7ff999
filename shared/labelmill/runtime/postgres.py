"""PostgreSQL: a pool on the service's own schema, and forward-only migrations."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import asyncpg
import structlog

from labelmill.runtime.retry import outages
from labelmill.runtime.settings import DatabaseSettings

log = structlog.get_logger(__name__)

_MIGRATION_SECONDS = 24 * 3600.0
"""Longest that a migration, or the wait for another process's, may take: no statement of the services' is
as long as one that reads or writes a whole table."""
_MIGRATION_LOCK = 0x6C6D
"""Advisory lock key: processes of one service that start together migrate one after the other."""


class Database:
    """A connection pool whose sessions see one schema; a component of a service.

    `jsonb` values go in and come out as JSON text: the stores encode and decode them with msgspec.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        schema: str,
        migrations: str,
        session: Mapping[str, str] | None = None,
        *,
        reset: bool = True,
    ) -> None:
        """`migrations` is the import package whose `migrations/*.sql` belong to `schema`; `session` are
        further settings of every session, as PostgreSQL names them. Without `reset`, a session is not reset
        after each use, which saves a round trip: whoever locks something or sets it must undo that."""
        self._settings = settings
        self._migrations = migrations
        self._session = {"search_path": schema, "jit": "off", **(session or {})}
        self._reset = None if reset else _leave_as_is
        self._pool: asyncpg.Pool | None = None

    @property
    def pool(self) -> asyncpg.Pool:
        """The pool; before the start asyncpg.InterfaceError, an outage to requests that come early."""
        if self._pool is None:
            raise asyncpg.InterfaceError("the database is not connected yet")
        return self._pool

    async def start(self) -> None:
        async for attempt in outages():
            with attempt:
                self._pool = await asyncpg.create_pool(
                    self._settings.database_url.get_secret_value(),
                    min_size=1,
                    max_size=self._settings.database_pool_size,
                    command_timeout=60,
                    server_settings=self._session,
                    reset=self._reset,
                )
        await migrate(self.pool, self._migrations)

    async def stop(self) -> None:
        if self._pool is not None:
            await self._pool.close()


async def _leave_as_is(_: asyncpg.Connection) -> None:
    """asyncpg itself has ended an open transaction before it calls this."""


async def migrate(pool: asyncpg.Pool, package: str) -> None:
    """Apply the package's `migrations/NNNN_*.sql` that have not run yet, each in a transaction, in order."""
    scripts = sorted(
        (entry for entry in files(package).joinpath("migrations").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))",
            _MIGRATION_LOCK,
            timeout=_MIGRATION_SECONDS,
        )
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        done: set[Any] = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
        for script in scripts:
            if script.name not in done:
                await connection.execute(script.read_text(), timeout=_MIGRATION_SECONDS)
                await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", script.name)
                log.info("migration applied", package=package, migration=script.name)
