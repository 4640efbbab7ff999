"""The route of the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.audit import AuditLog, Only
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.http import answer

_NEWEST = 2**63 - 1
_MOST = 500


class AuditQuery(BaseModel):
    """Which entries to show."""

    before: int = Field(default=_NEWEST, ge=1, le=_NEWEST, description="the `next` of the page before")
    count: int = Field(default=100, ge=1, le=_MOST)
    by: str | None = Field(default=None, max_length=1000)
    subject: str | None = Field(default=None, max_length=1000)
    act: str | None = Field(default=None, max_length=1000)
    project: str | None = Field(default=None, max_length=1000)


class AuditEntry(BaseModel):
    """One administrative act."""

    entry_id: int
    at: int = Field(description="Unix milliseconds")
    by: str = Field(examples=["ada"])
    act: str = Field(examples=["token.revoked"])
    subject: str = Field(examples=["grace"])
    project: str | None
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """Entries, the newest first. `next` is the `before` of the next page, null after the last."""

    entries: list[AuditEntry]
    next: int | None


def router(log: AuditLog, access: Access) -> APIRouter:
    """Return the route that shows the log."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    admin = access.require("admin")

    @routes.get("/audit", summary="Read the audit log", responses=documented(AuditPage, 401, 403, 422))
    async def read_log(
        query: Annotated[AuditQuery, Query()], _: Annotated[Principal, Depends(admin)]
    ) -> Response:
        """Every administrative act: who did what to whom. Entries cannot be changed or taken away."""
        only = Only(query.by, query.subject, query.act, query.project)
        found = await log.page(query.before, query.count, only)
        more = len(found) == query.count
        return answer({"entries": found, "next": found[-1].entry_id if more else None})

    return routes
