"""HTTP/1.1 by hand, one request at a time on an open connection: a client library would take more of the
machine than the server that is measured."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


class Answer(NamedTuple):
    """Status and body of a response."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """Posts JSON to one server, and opens the connection anew when it has been closed."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        lines = {"Host": f"{self._host}:{self._port}", "Content-Type": "application/json", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
        self._transport: Any = None
        self._received = b""
        self._waiting: asyncio.Future[Answer] | None = None

    async def post(self, path: str, body: bytes) -> Answer:
        """Return the answer. Raises OSError if the connection cannot be made, or breaks."""
        if self._transport is None:
            await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)
        self._waiting = asyncio.get_running_loop().create_future()
        request = b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b"
        self._transport.write(request % (path.encode(), self._head, len(body), body))
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(_HEAD_END)
        if end < 0:
            return
        body = received[end + len(_HEAD_END) :]
        at = received.find(_LENGTH, 0, end) + len(_LENGTH)
        if len(body) < int(received[at : received.find(b"\r\n", at)]):
            return
        self._received = b""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(int(received[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the server closed the connection"))
