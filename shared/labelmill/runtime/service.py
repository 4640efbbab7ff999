"""One program: its components in order, its HTTP side, its signals and its end."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import uvicorn
import uvloop
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp

from labelmill.runtime import logs, tracing
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import watch_outages
from labelmill.runtime.settings import ServiceSettings

log = structlog.get_logger(__name__)

_SHARE_FOR_HTTP = 0.3
"""Share of the shutdown time that open HTTP requests may take."""


_KEEP_ALIVE_SECONDS = 75
"""Longer than clients and load balancers keep an idle connection: closing first may cut off a request."""


class Component(Protocol):
    """A part of a service with a life of its own: started in order, stopped in reverse."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True)
class Context:
    """What the parts of one service share."""

    name: str
    settings: ServiceSettings
    health: Health
    metrics: Metrics
    tracer: TracerProvider

    @classmethod
    def create(cls, name: str, settings: ServiceSettings) -> "Context":
        return cls(
            name=name,
            settings=settings,
            health=Health(settings.stall_seconds),
            metrics=Metrics(),
            tracer=tracing.configure(settings, name),
        )


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the service handles them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Service:
    """Runs `components` and serves `app` until a signal, or until a component fails."""

    context: Context
    app: ASGIApp
    components: Sequence[Component]
    _started: list[Component] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Return after a graceful stop. Raises what made a component fail."""
        watch_outages(self.context.metrics.outage_retries, self.context.health)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        server = self._server()
        serving = asyncio.create_task(server.serve())
        try:
            await self._start_components(serving)
            await self._until_stopped(serving)
        finally:
            await self._shut_down(server, serving)
        if self.context.health.failure is not None:
            raise self.context.health.failure

    async def _start_components(self, serving: asyncio.Task[None]) -> None:
        starting = asyncio.create_task(self._start_each())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        await starting
        _leave_the_code_alone()
        self.context.health.ready = True
        log.info("ready")

    async def _start_each(self) -> None:
        for component in self.components:
            self._started.append(component)
            await component.start()

    async def _until_stopped(self, serving: asyncio.Task[None]) -> None:
        waits = {
            asyncio.create_task(self._stop.wait()),
            asyncio.create_task(self.context.health.failed.wait()),
        }
        await asyncio.wait({*waits, serving}, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _shut_down(self, server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        log.info("stopping")
        self.context.health.ready = False
        server.should_exit = True
        await serving
        try:
            async with asyncio.timeout(self.context.settings.shutdown_seconds * (1 - _SHARE_FOR_HTTP)):
                for component in reversed(self._started):
                    await self._stop_one(component)
        except TimeoutError:
            log.warning("stopped before all work was done; it will be delivered again")
        self.context.tracer.shutdown()

    async def _stop_one(self, component: Component) -> None:
        """Stop a component; if that fails the others are stopped all the same, and the service has failed."""
        try:
            await component.stop()
        except Exception as error:
            log.exception("a component did not stop in order", component=type(component).__name__)
            self.context.health.fail(error)

    def _server(self) -> uvicorn.Server:
        settings = self.context.settings
        return _Server(
            uvicorn.Config(
                self.app,
                host=settings.http_host,
                port=settings.http_port,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds * _SHARE_FOR_HTTP)),
                server_header=False,
            )
        )


def main(service: str, settings: ServiceSettings, run: "Runner") -> None:
    """Run a service to its end on uvloop; exit status 1 if it failed."""
    logs.configure(settings, service)
    try:
        uvloop.run(run())
    except Exception:
        log.exception("the service cannot go on")
        sys.exit(1)


def _leave_the_code_alone() -> None:
    """Keep the garbage collector off what lives as long as the process, and off small batches.

    Modules and clients are some 300,000 objects, and a batch of records makes thousands: by default every
    one of them had Python look through all it knows, which took a tenth of the CPU. A batch's objects go by
    their reference counts, so the collector need not see one while it is at work (some 50,000 objects).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


class Runner(Protocol):
    """Builds and runs the service inside the event loop."""

    async def __call__(self) -> None: ...
