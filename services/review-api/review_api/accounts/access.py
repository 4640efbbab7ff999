"""Who makes a request, and whether they may: the dependency that every route declares."""

import hmac
import time
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

from review_api.accounts import secrecy
from review_api.accounts.roles import Principal, Role, allows
from review_api.accounts.store import AccountStore
from review_api.errors import ApiError

SESSION_COOKIE = "labelmill_session"
CSRF_HEADER = "x-csrf-token"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_CACHED = 10_000


class Access:
    """Turns the secret in a request into a principal. What it finds, it remembers for a few seconds."""

    def __init__(self, store: AccountStore, cache_seconds: float) -> None:
        self._store = store
        self._cache_seconds = cache_seconds
        self._known: dict[bytes, tuple[Principal, float]] = {}

    def forget(self) -> None:
        """Look everyone up again: an account, token or session changed."""
        self._known.clear()

    async def principal(self, request: Request) -> Principal:
        """Return who makes the request.

        Raises:
            ApiError: 401 `unauthenticated`, or 403 `csrf` for an unsafe request of a session without its
                token.
        """
        header = request.headers.get("authorization", "")
        if header[:7].lower() == "bearer ":
            return await self._identify(header[7:].strip(), on_page=False)
        session = request.cookies.get(SESSION_COOKIE, "")
        if not session:
            raise ApiError(
                401, "unauthenticated", "sign in, or send a bearer token", {"WWW-Authenticate": "Bearer"}
            )
        principal = await self._identify(session, on_page=True)
        if request.method not in _SAFE_METHODS:
            _check_csrf(request, session)
        return principal

    async def _identify(self, secret: str, *, on_page: bool) -> Principal:
        digest = secrecy.token_hash(secret)
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and known[1] > now and known[0].on_page == on_page:
            return known[0]
        found = await (self._store.by_session(digest) if on_page else self._store.by_token(digest))
        if found is None:
            raise ApiError(401, "unauthenticated", "this sign-in or token is not valid (any more)")
        principal = Principal(found[0], frozenset(found[1]), on_page)
        if len(self._known) >= _MOST_CACHED:
            self._known.clear()
        self._known[digest] = (principal, now + self._cache_seconds)
        return principal

    def require(self, *roles: Role) -> "Require":
        """Return the dependency of a route: any of `roles`, or just an account if none is given."""
        return Require(self, roles)


class Require:
    """A route's dependency: gives the principal, or refuses with 401 or 403."""

    def __init__(self, access: Access, roles: tuple[Role, ...]) -> None:
        self._access = access
        self.roles = roles

    async def __call__(self, request: Request) -> Principal:
        principal = await self._access.principal(request)
        if not allows(principal.roles, self.roles):
            raise ApiError(403, "forbidden", f"this needs the role {' or '.join(self.roles)}")
        return principal


def _check_csrf(request: Request, session: str) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), secrecy.csrf_token(session).encode()):
        raise ApiError(403, "csrf", "the X-CSRF-Token header is missing or not this session's")


def role_matrix(app: FastAPI) -> dict[tuple[str, str], tuple[Role, ...] | None]:
    """Return, per method and path, the roles that a route asks for (any one is enough).

    An empty tuple means any account; None means that no account is needed.
    """
    matrix: dict[tuple[str, str], tuple[Role, ...] | None] = {}
    for route in api_routes(app.routes):
        for method in route.methods or ():
            matrix[(method, route.path)] = _roles_of(route)
    return matrix


def api_routes(routes: Iterable[Any]) -> list[APIRoute]:
    """Return the FastAPI routes among `routes`."""
    return [route for route in routes if isinstance(route, APIRoute)]


def _roles_of(route: APIRoute) -> tuple[Role, ...] | None:
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, Require):
            return dependency.call.roles
    return None
