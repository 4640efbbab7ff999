"""A stub in the test's own loop, on a free port."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest_asyncio
from labelmill_stubs.llm import Settings, start

Launch = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture
async def launch() -> AsyncIterator[Launch]:
    """`await launch(mode=..., latency_ms=...)` starts an LLM stub and returns its URL."""
    servers = []

    async def one(**changes: object) -> str:
        server = await start(msgspec.convert({"latency_ms": 1.0, **changes}, Settings))
        servers.append(server)
        listening: socket.socket = server.sockets[0]
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield one
    for server in servers:
        server.close()
