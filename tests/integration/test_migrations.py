"""Migrations on a real PostgreSQL: they may take longer than any statement of a service."""

from pathlib import Path

import asyncpg
import pytest
from labelmill.runtime.postgres import migrate
from labelmill_local.postgres import Postgres


async def test_a_migration_may_take_longer_than_a_statement(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "slow_service/migrations"
    scripts.mkdir(parents=True)
    (tmp_path / "slow_service/__init__.py").touch()
    (scripts / "0001_slow.sql").write_text("SELECT pg_sleep(0.6); CREATE TABLE made (a int);")
    monkeypatch.syspath_prepend(tmp_path)
    dsn = await postgres.create_database("slow_migration")
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1, command_timeout=0.2) as pool:
        with pytest.raises(TimeoutError):
            await pool.execute("SELECT pg_sleep(0.6)")
        await migrate(pool, "slow_service")
        await migrate(pool, "slow_service")
        assert await pool.fetchval("SELECT count(*) FROM made") == 0
