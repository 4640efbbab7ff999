"""Routes for signing in and out, and for one's own password and tokens."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from review_api.accounts import secrecy
from review_api.accounts.access import Access
from review_api.accounts.door import Door
from review_api.accounts.roles import Principal, ProjectRole, Role, scopes_within
from review_api.accounts.shapes import NewPassword, TokenAsked, TokenId, TokenList, TokenMade
from review_api.accounts.store import AccountStore, NewToken
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer

log = structlog.get_logger(__name__)


class Login(BaseModel):
    """Name and password."""

    name: str = Field(max_length=64, examples=["ada"])
    password: str = Field(max_length=1024, examples=["correct horse battery"])


class Me(BaseModel):
    """Who is signed in. `roles` hold everywhere, `memberships` in single projects. `csrf_token` is null for
    API tokens, which need none."""

    name: str
    roles: list[Role]
    memberships: dict[str, list[ProjectRole]]
    csrf_token: str | None
    decisions_today: int


class PasswordChange(BaseModel):
    """The password so far, and the one to come."""

    old: str = Field(max_length=1024)
    new: NewPassword


def router(store: AccountStore, access: Access, passwords: secrecy.Passwords, door: Door) -> APIRouter:
    """Return the routes of signing in and out."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    someone = access.require()

    @routes.post(
        "/login",
        summary="Sign in with a password",
        responses=documented(Me, 401, 413, 422, 429),
        dependencies=[Depends(access.unknown())],
    )
    async def login(body: Login, request: Request) -> Response:
        """Answers with the session cookie (HttpOnly, SameSite=Strict) and the CSRF token that every unsafe
        request of the session sends in the X-CSRF-Token header. A session that the browser had is over."""
        await door.check_password(passwords, body.name, body.password, request)
        return await door.enter(body.name, request)

    @routes.post(
        "/logout",
        summary="End the session",
        responses=documented(None, 401, 403, status=204),
        status_code=204,
    )
    async def logout(request: Request, _: Annotated[Principal, Depends(someone)]) -> Response:
        return await door.leave(request)

    @routes.get("/me", summary="Show who one is signed in as", responses=documented(Me, 401, 403))
    async def me(request: Request, principal: Annotated[Principal, Depends(someone)]) -> Response:
        return answer(await door.me_of(principal, request))

    @routes.delete(
        "/me/sessions",
        summary="Sign out everywhere",
        responses=documented(None, 401, 403, status=204),
        status_code=204,
    )
    async def end_sessions(request: Request, principal: Annotated[Principal, Depends(someone)]) -> Response:
        """Ends all sessions of the account, in whichever browser. API tokens stay."""
        await store.end_sessions(principal.name)
        access.forget()
        return await door.leave(request)

    @routes.post(
        "/me/password",
        summary="Change one's own password",
        responses=documented(Me, 401, 403, 413, 422, 429),
    )
    async def change_password(
        body: PasswordChange, request: Request, principal: Annotated[Principal, Depends(someone)]
    ) -> Response:
        """Ends all sessions of the account, and answers as signing in does, with a new one."""
        _require_session(principal)
        try:
            await door.check_password(passwords, principal.name, body.old, request)
        except ApiError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            raise ApiError(403, "wrong_password", "the old password is wrong") from error
        await store.change_password(principal.name, await passwords.hash(body.new))
        access.forget()
        log.info("password changed", account=principal.name)
        return await door.enter(principal.name, request)

    return routes


def token_router(store: AccountStore, access: Access) -> APIRouter:
    """Return the routes of one's own tokens."""
    routes = APIRouter(prefix="/v1/me/tokens", tags=["accounts"])
    someone = access.require()

    @routes.get("", summary="List one's own tokens", responses=documented(TokenList, 401, 403))
    async def list_tokens(principal: Annotated[Principal, Depends(someone)]) -> Response:
        return answer({"tokens": await store.tokens(principal.name)})

    @routes.post(
        "",
        summary="Make a token for oneself",
        responses=documented(TokenMade, 401, 403, 413, 422, status=201),
        status_code=201,
    )
    async def make_token(body: TokenAsked, principal: Annotated[Principal, Depends(someone)]) -> Response:
        """For who is signed in on the page: a token makes no other, which would outlive it. The secret is in
        the answer and nowhere else."""
        _require_session(principal)
        _check_within(principal, body)
        token = secrecy.new_token()
        new = NewToken(body.label, body.scopes, body.expires_in_days)
        token_id = await store.add_token(principal.name, new, secrecy.token_hash(token), principal.name)
        log.info("token made", account=principal.name, token_id=token_id, by=principal.name)
        return answer({"token_id": token_id, "label": body.label, "token": token}, 201)

    @routes.delete(
        "/{token_id}",
        summary="Revoke one's own token",
        responses=documented(None, 401, 403, 404, 422, status=204),
        status_code=204,
    )
    async def revoke_token(token_id: TokenId, principal: Annotated[Principal, Depends(someone)]) -> Response:
        if not await store.revoke_token(principal.name, token_id, principal.name):
            raise ApiError(404, "unknown_token", f"you have no token {token_id}")
        access.forget()
        log.info("token revoked", account=principal.name, token_id=token_id, by=principal.name)
        return Response(status_code=204)

    return routes


def _require_session(principal: Principal) -> None:
    if not principal.on_page:
        raise ApiError(403, "sign_in_first", "this is for who is signed in on the page, not for a token")


def _check_within(principal: Principal, asked: TokenAsked) -> None:
    """Refuse scopes that nothing would ever come of; what a token may is checked again at each use."""
    roles = principal.roles.union(*principal.memberships.values())
    beyond = set(asked.scopes or ()) - scopes_within(roles)
    if beyond:
        raise ApiError(
            422, "beyond_your_roles", f"your roles give nothing to do for {', '.join(sorted(beyond))}"
        )
