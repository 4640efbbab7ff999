"""A small, fast HTTP/1.1 server: httptools on an asyncio.Protocol, one request at a time a connection."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
}
MAX_BODY = 16 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """A whole request."""

    method: str
    path: str
    body: bytes
    keep_alive: bool


class Connection(asyncio.Protocol):
    """Parses requests and hands each to `on_request(connection, request)`, once the one before is answered.

    The handler answers later, from the event loop, through `respond`, `cut_short` or never. `on_close`, set
    by the handler for the time of one request, is told when the client leaves before its answer.
    """

    __slots__ = (
        "_busy",
        "_chunks",
        "_on_request",
        "_parser",
        "_size",
        "_target",
        "_transport",
        "_waiting",
        "on_close",
    )

    def __init__(self, on_request: "Callable[[Connection, Request], None]") -> None:
        self._on_request = on_request
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._target = b""
        self._chunks: list[bytes] = []
        self._size = 0
        self._waiting: deque[Request] = deque()
        self._busy = False
        self.on_close: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class has no common base

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        if self.on_close is not None:
            told, self.on_close = self.on_close, None
            told()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.respond(400, b'{"error":{"message":"malformed HTTP"}}', keep_alive=False)

    def on_message_begin(self) -> None:
        self._target, self._chunks, self._size = b"", [], 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_BODY:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        request = Request(
            self._parser.get_method().decode(),
            self._target.split(b"?", 1)[0].decode("latin-1"),
            b"".join(self._chunks),
            self._parser.should_keep_alive(),
        )
        if self._size > MAX_BODY:
            self.respond(413, b'{"error":{"message":"body too large"}}', keep_alive=False)
        elif self._busy:
            self._waiting.append(request)
        else:
            self._start(request)

    @property
    def open(self) -> bool:
        """Whether the client is still there."""
        return self._transport is not None

    def respond(self, status: int, body: bytes, *, keep_alive: bool, headers: str = "") -> None:
        """Send a whole JSON answer, then take the next request or close. `headers`: lines ending in CRLF."""
        if self._transport is None:
            return
        self._transport.write(_head(status, len(body), keep_alive, headers) + body)
        self._finish(keep_alive)

    def cut_short(self, body: bytes) -> None:
        """Announce the whole of `body`, send half of it, and close."""
        if self._transport is not None:
            self._transport.write(_head(200, len(body), True, "") + body[: len(body) // 2])
            self._finish(keep_alive=False)

    def close(self) -> None:
        """Drop the connection without an answer."""
        if self._transport is not None:
            self._transport.abort()

    def _start(self, request: Request) -> None:
        self._busy = True
        self._on_request(self, request)

    def _finish(self, keep_alive: bool) -> None:
        self._busy = False
        self.on_close = None
        if not keep_alive and self._transport is not None:
            self._transport.close()
        elif self._waiting:
            self._start(self._waiting.popleft())


def _head(status: int, length: int, keep_alive: bool, headers: str) -> bytes:
    connection = "keep-alive" if keep_alive else "close"
    return (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nConnection: {connection}\r\n{headers}\r\n"
    ).encode()
