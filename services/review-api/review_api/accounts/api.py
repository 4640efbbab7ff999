"""Routes for signing in and out."""

import re
import time
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from review_api.accounts import secrecy
from review_api.accounts.access import SESSION_COOKIE, Access
from review_api.accounts.attempts import Guesses
from review_api.accounts.roles import NAME_PATTERN, Principal, Role
from review_api.accounts.store import AccountStore
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer
from review_api.settings import ReviewSettings

log = structlog.get_logger(__name__)


class Login(BaseModel):
    """Name and password."""

    name: str = Field(max_length=64, examples=["ada"])
    password: str = Field(max_length=1024, examples=["correct horse battery"])


class Me(BaseModel):
    """Who is signed in. `csrf_token` is null for API tokens, which need none."""

    name: str
    roles: list[Role]
    csrf_token: str | None
    decisions_today: int


def router(
    store: AccountStore, access: Access, passwords: secrecy.Passwords, settings: ReviewSettings
) -> APIRouter:
    """Return the routes for signing in and out."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    guesses = Guesses(settings.login_attempts)
    someone = access.require()

    @routes.post("/login", summary="Sign in with a password", responses=documented(Me, 401, 413, 422, 429))
    async def login(body: Login, request: Request) -> Response:
        """Answers with the session cookie (HttpOnly, SameSite=Strict) and the CSRF token that every unsafe
        request of the session sends in the X-CSRF-Token header."""
        await _check_password(store, passwords, guesses, body, request)
        session = secrecy.new_token()
        await store.open_session(body.name, secrecy.token_hash(session), settings.session_hours * 3600)
        found = await store.by_session(secrecy.token_hash(session))
        if found is None:
            raise ApiError(401, "wrong_credentials", "name or password is wrong")
        principal = Principal(found[0], frozenset(found[1]), on_page=True)
        response = answer(await _me(store, principal, session))
        response.set_cookie(
            SESSION_COOKIE,
            session,
            max_age=int(settings.session_hours * 3600),
            httponly=True,
            samesite="strict",
            secure=settings.cookie_secure,
        )
        return response

    @routes.post(
        "/logout",
        summary="End the session",
        responses=documented(None, 401, 403, status=204),
        status_code=204,
    )
    async def logout(request: Request, _: Annotated[Principal, Depends(someone)]) -> Response:
        await store.close_session(secrecy.token_hash(request.cookies.get(SESSION_COOKIE, "")))
        access.forget()
        response = Response(status_code=204)
        response.delete_cookie(
            SESSION_COOKIE, httponly=True, samesite="strict", secure=settings.cookie_secure
        )
        return response

    @routes.get("/me", summary="Who am I", responses=documented(Me, 401))
    async def me(request: Request, principal: Annotated[Principal, Depends(someone)]) -> Response:
        return answer(await _me(store, principal, request.cookies.get(SESSION_COOKIE, "")))

    return routes


async def _check_password(
    store: AccountStore, passwords: secrecy.Passwords, guesses: Guesses, body: Login, request: Request
) -> None:
    address = request.client.host if request.client else ""
    known = re.match(NAME_PATTERN, body.name)
    stored = await store.password_hash(body.name) if known else None
    _count_try(guesses, body.name, address)
    if not await passwords.matches(stored, body.password):
        log.warning("sign-in refused", address=address)
        raise ApiError(401, "wrong_credentials", "name or password is wrong")
    guesses.succeeded(body.name, address)


def _count_try(guesses: Guesses, name: str, address: str) -> None:
    """Take a try for a failure until it has succeeded. Nothing is awaited in here, nor between this and the
    check: tries that come all at once would otherwise all find that none has failed yet."""
    now = time.monotonic()
    wait = guesses.wait(name, address, now)
    if wait > 0:
        raise ApiError(
            429, "too_many_attempts", "wait before trying again", {"Retry-After": str(int(wait) + 1)}
        )
    guesses.failed(name, address, now)


async def _me(store: AccountStore, principal: Principal, session: str) -> dict[str, object]:
    return {
        "name": principal.name,
        "roles": sorted(principal.roles),
        "csrf_token": secrecy.csrf_token(session) if principal.on_page else None,
        "decisions_today": await store.decisions_today(principal.name),
    }
