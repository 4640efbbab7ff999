"""The pages every service has: /metrics, /health/live and /health/ready."""

import asyncpg
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmill.runtime.retry import is_passing
from labelmill.runtime.service import Context

log = structlog.get_logger(__name__)

OUTAGES: tuple[type[Exception], ...] = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a request may raise while the database or the broker is away; `unavailable` answers it."""


async def unavailable(_: Request, error: Exception) -> Response:
    """Answer 503 for an outage, with the time to wait; raise what no wait mends."""
    if not is_passing(error):
        raise error
    log.warning("request refused in an outage", error=repr(error))
    body = {"error": "unavailable", "detail": "the database or the broker is away: try again"}
    return JSONResponse(body, 503, {"Retry-After": "1"})


def operations_routes(context: Context) -> list[Route]:
    """Return the routes for operators; none needs a sign-in, none shows data."""

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(context.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def live(_: Request) -> Response:
        stalled = context.health.stalled()
        return JSONResponse({"live": not stalled, "stalled": stalled}, status_code=503 if stalled else 200)

    async def ready(_: Request) -> Response:
        is_ready = context.health.ready
        return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)

    return [
        Route("/metrics", metrics),
        Route("/health/live", live),
        Route("/health/ready", ready),
    ]


def operations_app(context: Context, routes: list[Route] | None = None) -> Starlette:
    """Return the HTTP side of a service that has only these pages and `routes`."""
    return Starlette(
        routes=[*operations_routes(context), *(routes or [])],
        exception_handlers=dict.fromkeys(OUTAGES, unavailable),
    )
