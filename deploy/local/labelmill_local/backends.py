"""Kafka and PostgreSQL together: what every service needs and every integration test starts."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from labelmill_local.kafka import Kafka
from labelmill_local.postgres import Postgres


class Backends:
    """A private broker and database under one folder, on free ports unless others are given.

    `async with Backends(folder) as b:` starts both at once and stops both at the end.
    """

    def __init__(self, folder: Path, *, kafka_port: int = 0, postgres_port: int = 0) -> None:
        self.kafka = Kafka(folder / "kafka", port=kafka_port)
        self.postgres = Postgres(folder / "postgres", port=postgres_port)

    def env(self) -> dict[str, str]:
        """The settings by which labelmill's programs find the two."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "DATABASE_URL": self.postgres.admin_dsn,
        }

    async def start(self) -> None:
        """Start both; if one fails, stop the other and raise its error."""
        started = await asyncio.gather(self.kafka.start(), self.postgres.start(), return_exceptions=True)
        for result in started:
            if isinstance(result, BaseException):
                await self.stop()
                raise result

    async def stop(self) -> None:
        """Stop what runs of the two."""
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
