"""The routes of the pages, and of the files under `/static`.

The HTML names its files under `/static/VERSION/`, and the version is a hash of all of them: a browser
may keep them for good, and an update shows at the next load. The content security policy lets nothing
run or load that does not come from here.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from review_api.web.assets import Asset, Assets

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify labelmill-worker",
        "worker-src 'self'",
    ]
)

_SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_FIRST = "no-cache"


def router(assets: Assets) -> APIRouter:
    """Return the routes; none of them needs an account, for the files hold no data."""
    routes = APIRouter(include_in_schema=False)

    async def page(request: Request) -> Response:
        return _answer(request, assets.pages[request.url.path], _ASK_FIRST)

    for path in assets.pages:
        routes.add_api_route(path, page)

    @routes.get("/worker.js")
    async def worker(request: Request) -> Response:
        return _answer(request, assets.worker, _ASK_FIRST)

    @routes.get("/static/{version}/{path:path}")
    async def static_file(request: Request, version: str, path: str) -> Response:
        asset = assets.static.get(path)
        if asset is None:
            return PlainTextResponse("no such file", 404, headers=_SECURITY_HEADERS)
        return _answer(request, asset, _FOR_GOOD if version == assets.version else _ASK_FIRST)

    return routes


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    headers = {**_SECURITY_HEADERS, "Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = asset.content
    if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content = asset.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=None, headers={**headers, "Content-Type": asset.media_type})
