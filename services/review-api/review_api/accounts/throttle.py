"""How often an account may ask, or an address where nobody is signed in; each process counts in memory."""

import time

from fastapi import Request
from labelmill.runtime.metrics import Metrics
from starlette.types import ASGIApp, Receive, Scope, Send

from review_api.accounts.buckets import Buckets
from review_api.errors import ApiError
from review_api.http import refusal
from review_api.settings import ReviewSettings


class Throttle:
    """Counts requests, and refuses those that come too fast."""

    def __init__(self, metrics: Metrics, settings: ReviewSettings) -> None:
        self._metrics = metrics
        self._accounts = Buckets(settings.account_requests_per_s, settings.account_requests_burst)
        self._addresses = Buckets(settings.address_requests_per_s, settings.address_requests_burst)

    def account(self, name: str) -> None:
        """Count a request of an account. Raises ApiError 429."""
        self._check("account", self._accounts.take(name, time.monotonic()))

    def address(self, address: str) -> None:
        """Count a request that no account answers for. Raises ApiError 429."""
        self._check("address", self._addresses.take(address, time.monotonic()))

    def _check(self, by: str, wait: float) -> None:
        if wait > 0:
            self._metrics.throttled.labels(by).inc()
            again = {"Retry-After": str(int(wait) + 1)}
            raise ApiError(429, "too_many_requests", f"too many requests from this {by}: slow down", again)


class FilesThrottle:
    """ASGI middleware: counts requests for pages and files by their address, for these ask nobody to sign in.

    The routes under `/v1` do so by themselves: they know the account. What operators ask for is not counted.
    """

    def __init__(self, app: ASGIApp, throttle: Throttle) -> None:
        self._app = app
        self._throttle = throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(("/v1/", "/health/", "/metrics")):
            try:
                self._throttle.address(address_of(scope))
            except ApiError as error:
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def address_of(scope: Scope | Request) -> str:
    """Return the address that a request comes from; behind a proxy, what the proxy says of it."""
    client = scope["client"]
    return client[0] if client else ""
