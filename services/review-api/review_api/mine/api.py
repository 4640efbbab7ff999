"""Routes of what one person has done: nobody else's is ever shown here."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import unknown_project
from review_api.http import answer
from review_api.mine.store import MyWork, Page, Place
from review_api.remarks.store import Audience, Reason

_MOST: Final = 200

_PLACE: Final = r"^[0-9]{1,17}-[0-9]{1,18}$"


class MineQuery(BaseModel):
    """Of which project, and from where on."""

    project: str = Field(max_length=63)
    after: str | None = Field(default=None, pattern=_PLACE, description="the `next` of the page before")
    count: int = Field(default=50, ge=1, le=_MOST)

    @property
    def place(self) -> Place | None:
        return None if self.after is None else Place.read(self.after)


class DecisionQuery(MineQuery):
    """Which decisions to show."""

    item_id: str | None = Field(default=None, max_length=1000, description="only those about this item")


class Mine(BaseModel):
    """What every row has."""

    task_id: int
    item_id: str
    excerpt: str
    sensitive: bool = Field(description="it distresses: show it when asked for")
    at: int = Field(description="Unix milliseconds")


class MyDecision(Mine):
    label: Any
    seconds: float
    guideline_version: int
    undo_until: int | None = Field(
        description="Unix milliseconds until which it can be taken back; 0: as long as its task needs more "
        "decisions; null: no longer"
    )


class MySkip(Mine):
    reason: str


class MyLate(Mine):
    label: Any


class MyFlag(Mine):
    reason: Reason
    text: str
    resolved_at: int | None
    answer: str


class MyComment(Mine):
    audience: Audience
    text: str


class MyDecisions(BaseModel):
    rows: list[MyDecision]
    next: str | None


class MySkips(BaseModel):
    rows: list[MySkip]
    next: str | None


class MyLates(BaseModel):
    rows: list[MyLate]
    next: str | None


class MyFlags(BaseModel):
    rows: list[MyFlag]
    next: str | None


class MyComments(BaseModel):
    rows: list[MyComment]
    next: str | None


def router(mine: MyWork, access: Access) -> APIRouter:
    """Return the routes about the work of whoever asks; each gives the newest first."""
    routes = APIRouter(prefix="/v1/me", tags=["my work"])
    Reviewer = Annotated[Principal, Depends(access.require_somewhere("reviewer"))]  # noqa: N806

    @routes.get(
        "/decisions",
        summary="List one's own decisions",
        responses=documented(MyDecisions, 401, 403, 404, 422),
    )
    async def decisions(query: Annotated[DecisionQuery, Query()], by: Reviewer) -> Response:
        """What the machine or others said of an item is not among it."""
        page = await mine.decisions(by.name, _theirs(by, query), query.place, query.count, query.item_id)
        return _answer(page)

    @routes.get("/skips", summary="List one's own skips", responses=documented(MySkips, 401, 403, 404, 422))
    async def skips(query: Annotated[MineQuery, Query()], by: Reviewer) -> Response:
        """Of tasks that are settled, only the skips with a reason are kept."""
        page = await mine.skips(by.name, _theirs(by, query), query.place, query.count)
        return _answer(page)

    @routes.get(
        "/late", summary="List one's own late answers", responses=documented(MyLates, 401, 403, 404, 422)
    )
    async def late(query: Annotated[MineQuery, Query()], by: Reviewer) -> Response:
        """Answers that came after their lease had ended, as long as their tasks are not settled. They do not
        count; each is shown with its task should that come back."""
        page = await mine.late(by.name, _theirs(by, query), query.place, query.count)
        return _answer(page)

    @routes.get("/flags", summary="List one's own flags", responses=documented(MyFlags, 401, 403, 404, 422))
    async def flags(query: Annotated[MineQuery, Query()], by: Reviewer) -> Response:
        """With what the manager who resolved each answered."""
        return _answer(await mine.flags(by.name, _theirs(by, query), query.place, query.count))

    @routes.get(
        "/comments", summary="List one's own comments", responses=documented(MyComments, 401, 403, 404, 422)
    )
    async def comments(query: Annotated[MineQuery, Query()], by: Reviewer) -> Response:
        """The newest first, to whomever they are addressed."""
        return _answer(await mine.comments(by.name, _theirs(by, query), query.place, query.count))

    return routes


def _theirs(by: Principal, query: MineQuery) -> str:
    """Return the project asked for, if this person reviews there (still). Raises ApiError 404."""
    if not by.may(("reviewer",), query.project):
        raise unknown_project(query.project)
    return query.project


def _answer(page: Page) -> Response:
    for row in page.rows:
        if "label" in row:
            row["label"] = msgspec.Raw(row["label"].encode())
    return answer({"rows": page.rows, "next": None if page.next is None else str(page.next)})
