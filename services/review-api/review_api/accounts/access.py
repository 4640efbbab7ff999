"""Who makes a request, and whether they may: the dependency that every route declares."""

import hmac
import time
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

from review_api.accounts import secrecy
from review_api.accounts.cookies import Cookie
from review_api.accounts.roles import Principal, Role, allows, scopes_for
from review_api.accounts.store import AccountStore
from review_api.accounts.throttle import Throttle, address_of
from review_api.errors import ApiError, unknown_project

CSRF_HEADER = "x-csrf-token"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_CACHED = 10_000


class Access:
    """Turns the secret in a request into a principal. What it finds, it remembers for a few seconds."""

    def __init__(
        self, store: AccountStore, cookie: Cookie, throttle: Throttle, *, cache_seconds: float
    ) -> None:
        self._store = store
        self._cookie = cookie
        self._throttle = throttle
        self._cache_seconds = cache_seconds
        self._known: dict[bytes, tuple[Principal, float]] = {}

    def forget(self) -> None:
        """Look everyone up again: an account, membership, token or session changed. Who is being looked up
        now is not remembered: that may be older."""
        self._known = {}

    async def principal(self, request: Request) -> Principal:
        """Return who makes the request.

        Raises:
            ApiError: 401 `unauthenticated`, 403 `csrf` for an unsafe request of a session without its token,
                or 429 `too_many_requests`.
        """
        try:
            principal = await self._authenticated(request)
        except ApiError:
            self._throttle.address(address_of(request))
            raise
        self._throttle.account(principal.name)
        return principal

    async def _authenticated(self, request: Request) -> Principal:
        header = request.headers.get("authorization", "")
        if header[:7].lower() == "bearer ":
            return await self._identify(header[7:].strip(), on_page=False)
        session = self._cookie.of(request)
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
        into = self._known
        principal = await (self._store.by_session(digest) if on_page else self._store.by_token(digest))
        if principal is None:
            raise ApiError(401, "unauthenticated", "this sign-in or token is not valid (any more)")
        if len(into) >= _MOST_CACHED:
            into.clear()
        into[digest] = (principal, now + self._cache_seconds)
        return principal

    def require(self, *roles: Role) -> "Require":
        """Return the dependency of a route: any of `roles`, or just an account if none is given.

        On a route with `{project}` in its path the roles in that project count too, and without any role
        there the project does not exist. On other routes only those that hold everywhere count.
        """
        return Require(self, roles)

    def require_somewhere(self, *roles: Role) -> "Require":
        """Return the dependency of a route whose project shows later: a role in any project is enough to
        get in, and the handler must ask `Principal.may` once it knows the project."""
        return Require(self, roles, somewhere=True)

    def unknown(self) -> "Unknown":
        """Return the dependency of a route under `/v1` that needs no account."""
        return Unknown(self._throttle)


class Require:
    """A route's dependency: gives the principal, or refuses with 401, 403 or 404."""

    def __init__(self, access: Access, roles: tuple[Role, ...], *, somewhere: bool = False) -> None:
        self._access = access
        self._somewhere = somewhere
        self.roles = roles

    async def __call__(self, request: Request) -> Principal:
        principal = await self._access.principal(request)
        self._check_scopes(principal, request.method)
        project = request.path_params.get("project")
        if project is not None and not principal.roles_in(project):
            raise unknown_project(project)
        if not self._allows(principal, project):
            raise ApiError(403, "forbidden", f"this needs the role {' or '.join(self.roles)}")
        return principal

    def _check_scopes(self, principal: Principal, method: str) -> None:
        if principal.scopes is None:
            return
        enough = scopes_for(self.roles, reads=method in _SAFE_METHODS)
        if not enough:
            raise ApiError(403, "out_of_scope", "no token that is limited to scopes may do this")
        if not enough & principal.scopes:
            scopes = " or ".join(sorted(enough))
            raise ApiError(403, "out_of_scope", f"this token is not for that: it needs the scope {scopes}")

    def _allows(self, principal: Principal, project: str | None) -> bool:
        if project is not None:
            return principal.may(self.roles, project)
        if self._somewhere:
            return principal.may_somewhere(self.roles)
        return allows(principal.roles, self.roles)


class Unknown:
    """A route's dependency: nobody needs to be signed in, so the requests are counted by address."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    async def __call__(self, request: Request) -> None:
        self._throttle.address(address_of(request))


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
