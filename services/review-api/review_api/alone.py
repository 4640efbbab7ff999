"""Rights that one process has at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from labelmill.runtime.postgres import Database

_TAKE: Final = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/' || $1, 0))"

_GIVE_BACK: Final = "SELECT pg_advisory_unlock(hashtextextended(current_schema() || '/' || $1, 0))"


@asynccontextmanager
async def alone(database: Database, right: str) -> AsyncIterator[asyncpg.Connection | None]:
    """Give a connection with a right, or None while another process has it.

    The right is an advisory lock of the connection: both end together.
    """
    async with database.pool.acquire() as connection:
        if not await connection.fetchval(_TAKE, right):
            yield None
            return
        try:
            yield connection
        finally:
            if not connection.is_closed():
                await connection.execute(_GIVE_BACK, right)
