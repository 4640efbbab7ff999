"""Routes for managing accounts and their API tokens."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from review_api.accounts import secrecy
from review_api.accounts.access import Access
from review_api.accounts.roles import NAME_PATTERN, Principal, Role
from review_api.accounts.shapes import AccountName, NewPassword, TokenAsked, TokenId, TokenList, TokenMade
from review_api.accounts.store import AccountStore, NewToken
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer

log = structlog.get_logger(__name__)


class NewAccount(BaseModel):
    """An account to make or to change; without a password it keeps the one it has.

    The roles hold in all projects; without any, the account may do only what its memberships allow.
    """

    name: str = Field(pattern=NAME_PATTERN, examples=["ada"])
    roles: list[Role] = Field(examples=[["reviewer"]])
    password: NewPassword | None = None


class AccountSaved(BaseModel):
    name: str
    roles: list[Role]
    created: bool


class AccountRow(BaseModel):
    name: str
    roles: list[Role]
    has_password: bool
    created_at: int


class AccountList(BaseModel):
    accounts: list[AccountRow]


def router(store: AccountStore, access: Access, passwords: secrecy.Passwords) -> APIRouter:
    """Return the routes about accounts."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    admin = access.require("admin")

    @routes.post(
        "/accounts",
        summary="Make or change an account",
        responses=documented(AccountSaved, 401, 403, 413, 422),
    )
    async def put_account(body: NewAccount, by: Annotated[Principal, Depends(admin)]) -> Response:
        hashed = None if body.password is None else await passwords.hash(body.password)
        created = await store.put(body.name, body.roles, hashed, by.name)
        access.forget()
        log.info("account saved", account=body.name, roles=body.roles, created=created, by=by.name)
        return answer(
            {"name": body.name, "roles": sorted(set(body.roles)), "created": created}, 201 if created else 200
        )

    @routes.get("/accounts", summary="List the accounts", responses=documented(AccountList, 401, 403))
    async def list_accounts(_: Annotated[Principal, Depends(admin)]) -> Response:
        return answer({"accounts": await store.all()})

    @routes.post(
        "/accounts/{name}/tokens",
        summary="Make an API token",
        responses=documented(TokenMade, 401, 403, 404, 413, 422, status=201),
        status_code=201,
    )
    async def make_token(
        name: AccountName, body: TokenAsked, by: Annotated[Principal, Depends(admin)]
    ) -> Response:
        """The secret is in the answer and nowhere else: only its hash is kept."""
        await _require_account(store, name)
        token = secrecy.new_token()
        new = NewToken(body.label, body.scopes, body.expires_in_days)
        token_id = await store.add_token(name, new, secrecy.token_hash(token), by.name)
        log.info("token made", account=name, token_id=token_id, by=by.name)
        return answer({"token_id": token_id, "label": body.label, "token": token}, 201)

    @routes.get(
        "/accounts/{name}/tokens",
        summary="List an account's tokens",
        responses=documented(TokenList, 401, 403, 404),
    )
    async def list_tokens(name: AccountName, _: Annotated[Principal, Depends(admin)]) -> Response:
        await _require_account(store, name)
        return answer({"tokens": await store.tokens(name)})

    @routes.delete(
        "/accounts/{name}/tokens/{token_id}",
        summary="Revoke a token",
        responses=documented(None, 401, 403, 404, 422, status=204),
        status_code=204,
    )
    async def revoke_token(
        name: AccountName, token_id: TokenId, by: Annotated[Principal, Depends(admin)]
    ) -> Response:
        if not await store.revoke_token(name, token_id, by.name):
            raise ApiError(404, "unknown_token", f"account {name!r} has no token {token_id}")
        access.forget()
        log.info("token revoked", account=name, token_id=token_id, by=by.name)
        return Response(status_code=204)

    return routes


async def _require_account(store: AccountStore, name: str) -> None:
    if not await store.exists(name):
        raise ApiError(404, "unknown_account", f"there is no account {name!r}")
