"""Routes of flags and comments."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field, model_validator

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError, unknown_project
from review_api.gold.desk import GoldDesk
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.store import ProjectStore
from review_api.remarks.comments import Comments
from review_api.remarks.store import Audience, Reason, RemarkStore
from review_api.tasks.api import LeaseText, TaskId

_NEWEST = 2**63 - 1
_MOST = 200

FlagId = Annotated[int, Path(ge=1, le=_NEWEST, examples=[1])]
Text = Annotated[str, Field(max_length=2000)]


class FlagBody(BaseModel):
    """What is wrong with the item."""

    lease: LeaseText
    reason: Reason
    text: Text = ""

    @model_validator(mode="after")
    def _other_says_what(self) -> "FlagBody":
        if self.reason == "other" and not self.text.strip():
            raise ValueError("the reason `other` needs a text")
        return self


class CommentBody(BaseModel):
    """A comment, and who may read it: managers alone, or also those who get the item next. On a blind task no
    comment is ever shown."""

    lease: LeaseText
    text: Text = Field(min_length=1, pattern=r"\S")
    audience: Audience = "managers"


class Resolution(BaseModel):
    """What to tell the person who flagged the item."""

    answer: Text = ""


class Done(BaseModel):
    task_id: int


class Resolved(BaseModel):
    flag_id: int


class FlagShown(BaseModel):
    """A flag; `resolved_at` is null as long as it is open."""

    flag_id: int
    item_id: str
    excerpt: str
    sensitive: bool = Field(description="it distresses: show it when asked for")
    task_id: int
    reviewer: str
    reason: Reason
    text: str
    at: int = Field(description="Unix milliseconds")
    resolved_at: int | None
    resolved_by: str | None
    answer: str


class FlagPage(BaseModel):
    """Flags, the newest first. `next` is the `before` of the next page, null after the last."""

    flags: list[FlagShown]
    next: int | None


class CommentShown(BaseModel):
    comment_id: int
    item_id: str
    excerpt: str
    sensitive: bool = Field(description="it distresses: show it when asked for")
    task_id: int
    reviewer: str
    audience: Audience
    text: str
    at: int = Field(description="Unix milliseconds")


class CommentPage(BaseModel):
    """Comments, the newest first. `next` is the `before` of the next page, null after the last."""

    comments: list[CommentShown]
    next: int | None


class RemarkQuery(BaseModel):
    """Which remarks to show."""

    before: int = Field(default=_NEWEST, ge=1, le=_NEWEST, description="the `next` of the page before")
    count: int = Field(default=50, ge=1, le=_MOST)


class FlagQuery(RemarkQuery):
    """Which flags to show."""

    state: Literal["open", "all"] = "open"


def router(
    desk: GoldDesk, remarks: RemarkStore, comments: Comments, projects: ProjectStore, access: Access
) -> APIRouter:
    """Return the routes about flags and comments."""
    routes = APIRouter(prefix="/v1", tags=["remarks"])
    _add_saying(routes, desk, remarks, comments, access)
    _add_listing(routes, remarks, projects, access)
    return routes


def _add_saying(
    routes: APIRouter, desk: GoldDesk, remarks: RemarkStore, comments: Comments, access: Access
) -> None:
    reviewer = access.require_somewhere("reviewer")  # the desk knows the task's project, and asks there

    @routes.post(
        "/tasks/{task_id}/flag",
        summary="Say that something is wrong with an item",
        responses=documented(Done, 401, 403, 404, 409, 413, 422),
    )
    async def flag(task_id: TaskId, body: FlagBody, by: Annotated[Principal, Depends(reviewer)]) -> Response:
        """The task stays in hand. The lease may have been used for a decision meanwhile. Sent again for the
        same reason, it replaces the text, and opens the flag again if it had been resolved."""
        about = await desk.subject(by, task_id, body.lease)
        await remarks.flag(about, by.name, body.reason, body.text.strip())
        return answer({"task_id": task_id})

    @routes.post(
        "/tasks/{task_id}/comment",
        summary="Comment on an item",
        responses=documented(Done, 401, 403, 404, 409, 413, 422),
    )
    async def comment(
        task_id: TaskId, body: CommentBody, by: Annotated[Principal, Depends(reviewer)]
    ) -> Response:
        """The task stays in hand. The lease may have been used for a decision meanwhile. The same comment
        sent again changes nothing."""
        about = await desk.subject(by, task_id, body.lease)
        await comments.add(about, by.name, body.audience, body.text.strip())
        return answer({"task_id": task_id})


def _add_listing(routes: APIRouter, remarks: RemarkStore, projects: ProjectStore, access: Access) -> None:
    manager = access.require("manager")

    @routes.get(
        "/projects/{project}/flags",
        summary="List flagged items",
        responses=documented(FlagPage, 401, 403, 404, 422),
    )
    async def flags(
        project: Project, query: Annotated[FlagQuery, Query()], _: Annotated[Principal, Depends(manager)]
    ) -> Response:
        await _known(project)
        found = await remarks.flags(project, query.before, query.count, open_only=query.state == "open")
        return answer({"flags": found, "next": found[-1].flag_id if len(found) == query.count else None})

    @routes.post(
        "/projects/{project}/flags/{flag_id}/resolve",
        summary="Resolve a flag",
        responses=documented(Resolved, 401, 403, 404, 413, 422),
    )
    async def resolve(
        project: Project, flag_id: FlagId, body: Resolution, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """The answer is shown to the person who flagged the item. Resolving again replaces it."""
        if not await remarks.resolve(project, flag_id, by.name, body.answer.strip()):
            raise ApiError(404, "unknown_flag", f"the project has no flag {flag_id}")
        return answer({"flag_id": flag_id})

    @routes.get(
        "/projects/{project}/comments",
        summary="List comments",
        responses=documented(CommentPage, 401, 403, 404, 422),
    )
    async def list_comments(
        project: Project, query: Annotated[RemarkQuery, Query()], _: Annotated[Principal, Depends(manager)]
    ) -> Response:
        await _known(project)
        found = await remarks.comments(project, query.before, query.count)
        more = len(found) == query.count
        return answer({"comments": found, "next": found[-1].comment_id if more else None})

    async def _known(project: str) -> None:
        if await projects.get(project) is None:
            raise unknown_project(project)
