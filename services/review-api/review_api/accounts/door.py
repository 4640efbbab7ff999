"""Signing in: what a password, an invitation and a provider have in common."""

import re
import time

import structlog
from fastapi import Request, Response

from review_api.accounts import secrecy
from review_api.accounts.access import Access
from review_api.accounts.attempts import Guesses
from review_api.accounts.cookies import Cookie
from review_api.accounts.roles import NAME_PATTERN, Principal
from review_api.accounts.store import AccountStore
from review_api.accounts.throttle import address_of
from review_api.errors import ApiError
from review_api.http import answer
from review_api.settings import ReviewSettings

log = structlog.get_logger(__name__)


class Door:
    """Checks passwords, slowly for who guesses, and opens and closes sessions."""

    def __init__(self, store: AccountStore, access: Access, cookie: Cookie, settings: ReviewSettings) -> None:
        self._store = store
        self._access = access
        self._cookie = cookie
        self._guesses = Guesses(settings.login_attempts)
        self._session_seconds = settings.session_hours * 3600

    async def check_password(
        self, passwords: secrecy.Passwords, name: str, password: str, request: Request
    ) -> None:
        """Return if this is the account's password. Raises ApiError 401 or 429."""
        address = address_of(request)
        stored = await self._store.password_hash(name) if re.match(NAME_PATTERN, name) else None
        self._count_try(name, address)
        if not await passwords.matches(stored, password):
            log.warning("sign-in refused", address=address)
            raise ApiError(401, "wrong_credentials", "name or password is wrong")
        self._guesses.succeeded(name, address)

    async def enter(self, name: str, request: Request, response: Response | None = None) -> Response:
        """Open a session for an account and return `response` with its cookie, or else the answer that tells
        who is signed in. The session that the browser had, if any, is over: none outlives a sign-in."""
        await self.close(request)
        session = secrecy.new_token()
        await self._store.open_session(name, secrecy.token_hash(session), self._session_seconds)
        principal = await self._store.by_session(secrecy.token_hash(session))
        if principal is None:
            raise ApiError(401, "wrong_credentials", "name or password is wrong")
        entered = response or answer(await self.me(principal, session))
        self._cookie.set(entered, session)
        return entered

    async def leave(self, request: Request) -> Response:
        """Close the session of a request and return an empty answer that takes the cookie away."""
        await self.close(request)
        response = Response(status_code=204)
        self._cookie.clear(response)
        return response

    async def close(self, request: Request) -> None:
        session = self._cookie.of(request)
        if session:
            await self._store.close_session(secrecy.token_hash(session))
            self._access.forget()

    async def me(self, principal: Principal, session: str) -> dict[str, object]:
        """Return what the page is told about who is signed in."""
        memberships = {project: sorted(roles) for project, roles in sorted(principal.memberships.items())}
        return {
            "name": principal.name,
            "roles": sorted(principal.roles),
            "memberships": memberships,
            "csrf_token": secrecy.csrf_token(session) if principal.on_page else None,
            "decisions_today": await self._store.decisions_today(principal.name),
        }

    async def me_of(self, principal: Principal, request: Request) -> dict[str, object]:
        return await self.me(principal, self._cookie.of(request))

    def _count_try(self, name: str, address: str) -> None:
        """Take a try for a failure until it has succeeded. Nothing is awaited in here, nor between this and
        the check: tries that come all at once would otherwise all find that none has failed yet."""
        now = time.monotonic()
        wait = self._guesses.wait(name, address, now)
        if wait > 0:
            raise ApiError(
                429, "too_many_attempts", "wait before trying again", {"Retry-After": str(int(wait) + 1)}
            )
        self._guesses.failed(name, address, now)
