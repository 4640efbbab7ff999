"""Routes for signing in at a provider (OpenID Connect)."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from review_api.accounts import secrecy
from review_api.accounts.access import Access
from review_api.accounts.arrivals import Arrivals
from review_api.accounts.cookies import Cookie
from review_api.accounts.door import Door
from review_api.accounts.identities import Errand, IdentityStore
from review_api.accounts.oidc import CALLBACK_PATH, Provider, SignInFailed
from review_api.accounts.roles import NAME_PATTERN, Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer
from review_api.settings import ReviewSettings

log = structlog.get_logger(__name__)

_AWAY_SECONDS = 600.0


class Departing(BaseModel):
    """Nothing to sign in; an invitation's secret and the name one wants to accept it with a new account."""

    invitation: str | None = Field(default=None, max_length=100)
    name: str | None = Field(default=None, pattern=NAME_PATTERN)


class WayIn(BaseModel):
    """The provider's name for the page; null where none is set."""

    provider: str | None


class Away(BaseModel):
    """Where the browser is to go."""

    url: str


class Callback(BaseModel):
    """What the provider sends the browser back with."""

    state: str = Field(default="", max_length=200)
    code: str = Field(default="", max_length=4096)
    error: str = Field(default="", max_length=200)
    iss: str | None = Field(default=None, max_length=1000)


class AwayDesk:
    """Sends browsers to the provider and receives them again."""

    def __init__(self, provider: Provider, identities: IdentityStore, settings: ReviewSettings) -> None:
        self._provider = provider
        self._identities = identities
        self._issuer = settings.oidc_issuer
        # Lax, for the browser comes back from another site, where no Strict cookie goes along.
        self._cookie = Cookie("labelmill_away", "lax", _AWAY_SECONDS, settings)

    async def depart(self, errand: Errand) -> Response:
        """Return where to go, with the cookie by which the browser is known again. Raises ApiError."""
        if not self._provider.is_set:
            raise ApiError(404, "no_provider", "signing in at a provider is not set up here")
        try:
            departure = await self._provider.departure()
        except SignInFailed as error:
            log.warning("provider of sign-ins does not answer", error=str(error))
            raise ApiError(
                503, "provider_away", "the provider does not answer", {"Retry-After": "5"}
            ) from error
        mark = secrecy.new_token()
        hashes = secrecy.token_hash(departure.state), secrecy.token_hash(mark)
        await self._identities.leave(hashes, departure, errand, _AWAY_SECONDS)
        response = answer({"url": departure.url})
        self._cookie.set(response, mark)
        return response

    async def receive(self, request: Request, sent: Callback, arrivals: Arrivals) -> str:
        """Return the account that who comes back is signed in to. Raises ApiError or SignInFailed."""
        mark = self._cookie.of(request)
        away = await self._identities.back(secrecy.token_hash(sent.state), secrecy.token_hash(mark))
        if away is None:
            raise SignInFailed("the state is unknown, used, expired or another browser's")
        if sent.error or (sent.iss is not None and sent.iss != self._issuer):
            raise SignInFailed(f"the provider answers {sent.error or 'as another one'!r}")
        identity = await self._provider.identity(sent.code, away.nonce, away.verifier)
        return await arrivals.account(identity, away.errand)

    def clear(self, response: Response) -> None:
        self._cookie.clear(response)


def router(desk: AwayDesk, access: Access, settings: ReviewSettings) -> APIRouter:
    """Return the routes by which browsers leave for the provider of the settings."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    someone, nobody = access.require(), [Depends(access.unknown())]

    @routes.get(
        "/oidc",
        summary="Show which provider to sign in at",
        responses=documented(WayIn, 429),
        dependencies=nobody,
    )
    async def way_in() -> Response:
        return answer({"provider": settings.oidc_name if settings.oidc_issuer else None})

    @routes.post(
        "/oidc/start",
        summary="Sign in at the provider",
        responses=documented(Away, 404, 413, 422, 429, 503),
        dependencies=nobody,
    )
    async def start(body: Departing) -> Response:
        """Answers with the address to send the browser to. It comes back to the page, signed in and with the
        fragment `#signed-in`, or with the reason why not in it: `#sign-in=REASON`."""
        if body.invitation is None:
            return await desk.depart(Errand())
        return await desk.depart(Errand(None, secrecy.token_hash(body.invitation), body.name))

    @routes.post(
        "/me/identity",
        summary="Link one's account to the provider",
        responses=documented(Away, 401, 403, 404, 503),
    )
    async def start_linking(by: Annotated[Principal, Depends(someone)]) -> Response:
        """Afterwards one can sign in there. For who is signed in on the page, not for tokens."""
        if not by.on_page:
            raise ApiError(403, "sign_in_first", "this is for who is signed in on the page, not for a token")
        return await desk.depart(Errand(by.name))

    return routes


def return_router(desk: AwayDesk, arrivals: Arrivals, access: Access, door: Door) -> APIRouter:
    """Return the route by which browsers come back from the provider."""
    routes = APIRouter(tags=["accounts"])

    @routes.get(
        CALLBACK_PATH,
        summary="Come back from the provider",
        responses=documented(None, 422, 429, status=303),
        response_class=Response,
        status_code=303,
        dependencies=[Depends(access.unknown())],
    )
    async def come_back(request: Request, sent: Annotated[Callback, Query()]) -> Response:
        try:
            account = await desk.receive(request, sent, arrivals)
            response = await door.enter(account, request, RedirectResponse("/#signed-in", 303))
        except (SignInFailed, ApiError) as error:
            log.warning("sign-in at the provider refused", reason=str(error))
            reason = error.error if isinstance(error, ApiError) else "refused"
            response = RedirectResponse(f"/#sign-in={reason}", 303)
        else:
            log.info("signed in at the provider", account=account)
        desk.clear(response)
        return response

    return routes
