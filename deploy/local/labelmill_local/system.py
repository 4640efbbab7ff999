"""A whole private system: Kafka, PostgreSQL and any number of service processes, for tests and benchmarks.

`Stack` is the operator's system, one of each on fixed ports; this one takes free ports, any command in
place of a service's own, and lets every part be killed and started by itself.
"""

import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from labelmill import bootstrap
from labelmill.runtime.settings import KafkaSettings

from labelmill_local.backends import Backends
from labelmill_local.http import answers_200, text_at
from labelmill_local.ports import free_port
from labelmill_local.process import ChildProcess, Command

MODULES = {
    "autolabeler": "autolabeler",
    "router": "router",
    "review-api": "review_api",
    "trainer": "trainer",
}
_READY_DEADLINE_S = 150.0
"""Tests start many processes at once, on machines that are busy with others."""


@dataclass(frozen=True)
class Running:
    """A service process and where its HTTP side listens."""

    service: str
    process: ChildProcess
    url: str

    async def ready(self) -> bool:
        """Return whether the service says it is ready."""
        return await answers_200(f"{self.url}/health/ready")()

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples that carry `labels` (0 if there is none or the service is away)."""
        return sum(await self.samples(name, **labels))

    async def samples(self, name: str, **labels: str) -> list[float]:
        """Return a metric's samples that carry `labels`; none if the service is away."""
        text = await text_at(f"{self.url}/metrics", 5.0) or ""
        lines = [line for line in text.splitlines() if _is_sample_of(name, labels, line)]
        return [float(line.rsplit(" ", 1)[1]) for line in lines]


def _is_sample_of(name: str, labels: Mapping[str, str], line: str) -> bool:
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return line.startswith((f"{name} ", f"{name}{{")) and all(pair in line for pair in wanted)


@dataclass
class System:
    """Use it as `async with System(folder) as system: await system.add("router")`.

    With `shared` it stands on a broker and database that run already: it takes over their roles' passwords,
    so no two such systems may be in use at the same time.
    """

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """Settings for every service, on top of those that connect the parts."""
    partitions: int = 8
    admin_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    trainer_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    services: list[Running] = field(default_factory=list)
    shared: Backends | None = None
    """Running backends to stand on, which are left running; without them it starts its own."""

    def __post_init__(self) -> None:
        self.backends = self.shared or Backends(self.folder / "backends")
        self._started: Counter[str] = Counter()
        self._passwords = {schema: secrets.token_urlsafe(18) for schema in bootstrap.SCHEMAS.values()}

    async def __aenter__(self) -> Self:
        try:
            if self.shared is None:
                await self.backends.start()
            await bootstrap.create_topics(self.kafka_settings)
            await bootstrap.create_roles(self.backends.postgres.admin_dsn, self._passwords)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(running.process.stop() for running in self.services))
        self.services.clear()
        if self.shared is None:
            await self.backends.stop()

    @property
    def kafka_settings(self) -> KafkaSettings:
        """How to reach the broker."""
        return KafkaSettings(
            kafka_bootstrap_servers=self.backends.kafka.bootstrap_servers, kafka_partitions=self.partitions
        )

    @asynccontextmanager
    async def running(self, service: str, **options: Any) -> AsyncIterator[Running]:
        """`add` for the time of a block: the process is stopped at its end, whatever happened in it."""
        running = await self.add(service, **options)
        try:
            yield running
        finally:
            await running.process.stop()
            self.services.remove(running)

    async def add(
        self,
        service: str,
        *,
        argv: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        restart_on_exit: bool = False,
        wait: bool = True,
    ) -> Running:
        """Start one process of `service` (with `argv` in place of `python -m <service>`)."""
        port = free_port()
        name = f"{service}-{self._started[service]}"
        self._started[service] += 1
        command = Command(
            name=name,
            argv=argv or [sys.executable, "-m", MODULES[service]],
            log_file=self.folder / "logs" / f"{name}.log",
            env={**self.service_env(service), "HTTP_PORT": str(port), **self.env, **(env or {})},
        )
        process = ChildProcess(command, restart_on_exit=restart_on_exit)
        running = Running(service, process, f"http://127.0.0.1:{port}")
        await process.start(running.ready if wait else None, _READY_DEADLINE_S)
        self.services.append(running)
        return running

    def service_env(self, service: str) -> dict[str, str]:
        """Return the settings that connect a service: its own role and nothing it does not need."""
        env = {"KAFKA_BOOTSTRAP_SERVERS": self.backends.kafka.bootstrap_servers}
        if service in bootstrap.SCHEMAS:
            env["DATABASE_URL"] = self.database_url(bootstrap.SCHEMAS[service])
        if service == "review-api":
            env |= {"ADMIN_NAME": "admin", "ADMIN_TOKEN": self.admin_token}
        if service == "trainer":
            env["TRAINER_TOKEN"] = self.trainer_token
        return env

    def database_url(self, schema: str) -> str:
        """Return the DSN under the role of `schema`."""
        postgres = self.backends.postgres
        place = postgres.admin_dsn.rsplit("@", 1)[1]
        return f"postgresql://{schema}:{self._passwords[schema]}@{place}"

    def review_client(self, *, timeout_s: float = 30.0) -> httpx.AsyncClient:
        """Return a client of the first review-api, signed in as its admin."""
        url = next(running.url for running in self.services if running.service == "review-api")
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_s)
