"""The pages every service has: /metrics, /health/live and /health/ready."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmill.runtime.service import Context


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
    return Starlette(routes=[*operations_routes(context), *(routes or [])])
