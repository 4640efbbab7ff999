"""The operator's system: broker, database, LLM and services, started in order and stopped in reverse."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import platformdirs

from labelmill_local.checks import (
    LEAST_FREE_CACHE_BYTES,
    check_disk,
    check_packages,
    check_port,
    check_python,
)
from labelmill_local.http import answers_200
from labelmill_local.kafka import Kafka
from labelmill_local.llm import MODEL_NAME, LlmServer, LlmSettings
from labelmill_local.ports import HOST
from labelmill_local.postgres import Postgres
from labelmill_local.process import ChildProcess, Command
from labelmill_local.progress import Line, Progress
from labelmill_local.settings import PORTS, StackSettings
from labelmill_local.state import FolderLock

_SERVICE_READY_S = 120.0
_OLD_PARTS_LEAVE_S = 20.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceSpec:
    """A service process: what to run, with which settings, and the URL that answers 200 once it is ready."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    port: int
    ready_url: str


@dataclass(frozen=True)
class Part:
    """Anything that is started and stopped with the stack."""

    name: str
    what: str
    where: str
    start: Callable[[], Coroutine[Any, Any, None]]
    stop: Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Stack:
    """`async with Stack(settings, prepare, services):` starts what is missing and stops just that.

    `prepare` gets the database's administrator URL once broker and database answer; then services start.
    A part that dies is started again. Entering raises StackError, with everything stopped that was started.
    """

    settings: StackSettings
    prepare: Callable[[str], Awaitable[None]]
    services: Sequence[ServiceSpec] = ()
    progress: Progress = field(default_factory=Progress)
    children: dict[str, ChildProcess] = field(default_factory=dict)
    """The service processes by name."""

    def __post_init__(self) -> None:
        home = self.settings.home
        self.kafka: Kafka | None = None
        self.postgres: Postgres | None = None
        self.llm: LlmServer | None = None
        if not self.settings.kafka_bootstrap_servers:
            self.kafka = Kafka(
                home / "kafka",
                port=self.settings.kafka_port,
                heap_mb=self.settings.kafka_heap_mb,
                own_java=self.settings.java == "own",
                restart_on_exit=True,
                say=self._say,
            )
        if not self.settings.database_url.get_secret_value():
            self.postgres = Postgres(
                home / "postgres", port=self.settings.postgres_port, restart_on_exit=True
            )
        if not self.settings.openai_base_url:
            self.llm = LlmServer(
                LlmSettings(port=self.settings.llm_port), home / "logs" / "llm.log", restart_on_exit=True
            )
        self._held = ExitStack()
        self._waves: list[list[Part]] = []
        self._line: Line | None = None

    @property
    def admin_database_url(self) -> str:
        """The database as a role that may create roles. Known once the database was started."""
        return self.postgres.admin_dsn if self.postgres else self.settings.database_url.get_secret_value()

    async def start(self) -> None:
        """Check, then start in waves: what the services need, the preparation, the services."""
        lock = self._held.enter_context(FolderLock(self.settings.home))
        await self._check(patience_s=_OLD_PARTS_LEAVE_S if lock.after_crash else 0.0)
        self._mention_own_parts()
        await self._start_wave(self._backing_parts())
        await self._prepare()
        await self._start_wave([self._service_part(spec) for spec in self.services])

    async def stop(self) -> None:
        """Stop what was started, in reverse; safe to call twice."""
        while self._waves:
            wave = self._waves.pop()
            results = await asyncio.gather(*(part.stop() for part in wave), return_exceptions=True)
            for part, result in zip(wave, results, strict=True):
                if isinstance(result, Exception):
                    _log.warning("%s did not stop in order: %s", part.name, result)
        self._held.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.progress.stopping():
            await self.stop()

    def log_file(self, service: str) -> Path:
        """Where a service's output goes."""
        return self.settings.home / "logs" / f"{service}.log"

    async def _check(self, patience_s: float) -> None:
        check_python()
        check_packages([spec.argv[2] for spec in self.services if list(spec.argv[1:2]) == ["-m"]])
        check_disk(self.settings.home)
        cache = platformdirs.user_cache_path("labelmill")
        check_disk(cache, LEAST_FREE_CACHE_BYTES, "XDG_CACHE_HOME", "cache")
        ours = {"kafka_port": self.kafka, "postgres_port": self.postgres, "llm_port": self.llm}
        for name in [name for name, part in ours.items() if part is not None]:
            await check_port(
                getattr(self.settings, name), PORTS[name], f"LABELMILL_{name.upper()}", patience_s
            )
        for spec in self.services:
            setting = f"LABELMILL_{spec.name.upper().replace('-', '_')}_PORT"
            await check_port(spec.port, spec.name, setting, patience_s)

    def _mention_own_parts(self) -> None:
        settings = self.settings
        if self.kafka is None:
            self.progress.note(
                "broker", f"yours, {settings.kafka_bootstrap_servers} (KAFKA_BOOTSTRAP_SERVERS)"
            )
        if self.postgres is None:
            self.progress.note("database", "yours (DATABASE_URL)")
        if self.llm is None:
            self.progress.note("LLM", f"yours, {settings.openai_base_url} (OPENAI_BASE_URL)")

    def _backing_parts(self) -> list[Part]:
        parts = []
        if (kafka := self.kafka) is not None:
            what = f"Apache Kafka {kafka.version}"
            parts.append(Part("broker", what, kafka.bootstrap_servers, kafka.start, kafka.stop))
        if (postgres := self.postgres) is not None:
            where = f"{HOST}:{postgres.port}"
            parts.append(
                Part("database", f"PostgreSQL {postgres.version}", where, postgres.start, postgres.stop)
            )
        if (llm := self.llm) is not None:
            parts.append(Part("LLM", MODEL_NAME, llm.base_url, llm.start, llm.stop))
        return parts

    def _service_part(self, spec: ServiceSpec) -> Part:
        command = Command(spec.name, spec.argv, self.log_file(spec.name), spec.env)
        child = ChildProcess(command, restart_on_exit=True)
        self.children[spec.name] = child

        async def start() -> None:
            await child.start(answers_200(spec.ready_url), _SERVICE_READY_S)

        return Part(spec.name, "service", f"{HOST}:{spec.port}", start, child.stop)

    async def _start_wave(self, parts: list[Part]) -> None:
        """Start parts at once; their lines appear one after the other. The first error ends all."""
        self._waves.append(parts)
        starts = [asyncio.create_task(_timed(part.start())) for part in parts]
        try:
            for part, task in zip(parts, starts, strict=True):
                with self.progress.part(part.name, part.what) as line:
                    self._line, line.where = line, part.where
                    line.seconds = await task
        finally:
            self._line = None
            for task in starts:
                task.cancel()
            await asyncio.gather(*starts, return_exceptions=True)

    async def _prepare(self) -> None:
        with self.progress.part("preparation", "topics, roles and schemas"):
            await self.prepare(self.admin_database_url)

    def _say(self, text: str) -> None:
        if self._line is not None:
            self._line.say(text)


async def _timed(start: Coroutine[Any, Any, None]) -> float:
    """Run it; returns the seconds it took."""
    begun = time.monotonic()
    await start
    return time.monotonic() - begun
