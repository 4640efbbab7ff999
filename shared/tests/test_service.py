"""A service's end: every component is stopped, and one that fails at it is told."""

import asyncio

import pytest
from labelmill.runtime.http import operations_app
from labelmill.runtime.service import Context, Service
from labelmill.runtime.settings import ServiceSettings


class Part:
    """A component that may fail to stop."""

    def __init__(self, log: list[str], name: str, failure: Exception | None = None) -> None:
        self._log = log
        self._name = name
        self._failure = failure

    async def start(self) -> None:
        self._log.append(f"{self._name} started")

    async def stop(self) -> None:
        self._log.append(f"{self._name} stopped")
        if self._failure is not None:
            raise self._failure


async def run(*parts: Part) -> None:
    context = Context.create("test", ServiceSettings())
    service = Service(context, operations_app(context), parts)
    asyncio.get_running_loop().call_later(0.3, service._stop.set)
    await service.run()


async def test_a_component_that_fails_to_stop_does_not_keep_the_others_from_it() -> None:
    log: list[str] = []
    with pytest.raises(ValueError, match="cannot stop"):
        await run(Part(log, "a"), Part(log, "b", ValueError("cannot stop")), Part(log, "c"))
    assert log == ["a started", "b started", "c started", "c stopped", "b stopped", "a stopped"]


async def test_an_end_in_order_is_no_failure() -> None:
    log: list[str] = []
    await run(Part(log, "a"))
    assert log == ["a started", "a stopped"]
