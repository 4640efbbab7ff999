"""Bodies that several routes about accounts take or give."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from review_api.accounts.roles import NAME_PATTERN, Scope

LEAST_PASSWORD_CHARS = 10
_MOST_DAYS = 3650

AccountName = Annotated[str, Path(pattern=NAME_PATTERN, examples=["ada"])]
TokenId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
NewPassword = Annotated[str, Field(min_length=LEAST_PASSWORD_CHARS, max_length=1024)]


class TokenAsked(BaseModel):
    """What a token is for. Without scopes it may do all that its account may, without days it does not
    expire. A token never allows more than its account."""

    label: str = Field(min_length=1, max_length=100, examples=["nightly ingestion"])
    scopes: list[Scope] | None = Field(default=None, min_length=1, examples=[["ingest"]])
    expires_in_days: int | None = Field(default=None, ge=1, le=_MOST_DAYS, examples=[90])


class TokenMade(BaseModel):
    """A new token: the only time that its secret is shown."""

    token_id: int
    label: str
    token: str


class TokenRow(BaseModel):
    token_id: int
    label: str
    created_at: int
    scopes: list[Scope] | None
    expires_at: int | None = Field(description="Unix milliseconds")
    last_used: str | None = Field(description="the last day of use, UTC", examples=["2026-10-01"])


class TokenList(BaseModel):
    tokens: list[TokenRow]
