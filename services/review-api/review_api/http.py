"""The shell around every request: error answers, security headers, the longest body, and the time it took."""

import time
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from labelmill.runtime.http import OUTAGES, unavailable
from labelmill.runtime.metrics import Metrics
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_api.errors import ApiError

log = structlog.get_logger(__name__)

MOST_BODY_BYTES: Final = 1024 * 1024
"""Longest body of a request, but for the routes that read theirs as a stream."""

_encoder = msgspec.json.Encoder()

_SECURITY_HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""For every answer that does not set them itself; the pages have a policy of their own."""


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response; `body` is anything msgspec encodes."""
    return Response(_encoder.encode(body), status, headers, "application/json")


def refusal(error: ApiError) -> Response:
    """Return the JSON response of an error."""
    return answer({"error": error.error, "detail": error.detail}, error.status, error.headers)


def install_error_answers(app: FastAPI) -> None:
    """Make every error of `app` a JSON object with `error` and `detail`."""

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: ApiError) -> Response:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def refuse_input(_: Request, error: RequestValidationError) -> Response:
        return answer({"error": "invalid_request", "detail": _what_is_wrong(error)}, 422)

    @app.exception_handler(asyncpg.DataError)
    @app.exception_handler(UnicodeEncodeError)
    async def refuse_text(_: Request, error: Exception) -> Response:
        detail = "a text or number cannot be stored: it holds a NUL or half a surrogate pair, or is too large"
        return answer({"error": "invalid_request", "detail": detail}, 422)

    for outage in OUTAGES:
        app.add_exception_handler(outage, unavailable)

    @app.exception_handler(HTTPException)
    async def refuse_plainly(_: Request, error: HTTPException) -> Response:
        body = {"error": _code(error.status_code), "detail": str(error.detail)}
        return answer(body, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> Response:
        log.error("request failed", method=request.method, route=route_of(request.scope), exc_info=error)
        return answer({"error": "internal", "detail": "the server failed; the log says why"}, 500)


def _code(status: int) -> str:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "body_too_large"  # the phrase of this one depends on the version of Python
    return HTTPStatus(status).phrase.lower().replace(" ", "_")


def _what_is_wrong(error: RequestValidationError) -> str:
    """Return the problems with their places, without the input: it may hold a secret."""
    return "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request took (a bounded set), or `unmatched`."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


class BodyLimit:
    """ASGI middleware: refuses a body over the limit; FastAPI reads all of it before it asks who sends it.

    A declared length is refused unread, an undeclared one where it passes the limit. The routes `streamed`
    (method and template) read piece by piece, and bound by themselves what they hold.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, streamed: Collection[tuple[str, str]]) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared, received = _declared_length(scope), 0

        async def receiving() -> Message:
            nonlocal received
            # The route is known by now: a body is first asked for when the request has been matched.
            if (scope["method"], route_of(scope)) in self._streamed:
                return await receive()
            self._check(declared)
            message = await receive()
            received += len(message.get("body", b""))
            self._check(received)
            return message

        await self._app(scope, receiving, send)

    def _check(self, size: int) -> None:
        if size > self._most_bytes:
            # FastAPI makes a 400 of whatever else is raised while it reads a body. The connection stays open:
            # the server drops what still comes, and many clients look for the answer once all is sent.
            detail = f"a request to this address has at most {self._most_bytes} bytes"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _declared_length(scope: Scope) -> int:
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(text) if text.isdigit() else 0


class Shell:
    """ASGI middleware: adds the security headers and measures each request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_security(message.get("headers", []))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            seconds = time.monotonic() - started
            self._metrics.http_seconds.labels(route_of(scope), str(status)).observe(seconds)


def _with_security(headers: Any) -> list[tuple[bytes, bytes]]:
    present = list(headers)
    names = {name.lower() for name, _ in present}
    return present + [(name, value) for name, value in _SECURITY_HEADERS.items() if name not in names]
