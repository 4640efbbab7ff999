"""Routes for looking at items: the list of them, and all that happened to one."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError, unknown_project
from review_api.http import answer
from review_api.items.blind import reviewer_in
from review_api.items.listing import Listing, Wanted
from review_api.items.sight import item_shown, sight
from review_api.items.store import ItemStore
from review_api.items.timeline import EventType, holders, state, timeline
from review_api.projects.api import Project
from review_api.projects.store import ProjectStore
from review_api.tasks.pools import Pools

ItemId = Annotated[str, Path(max_length=200, examples=["t1"])]
_MOST = 200


class Who(BaseModel):
    """A person; `name` is null for those who may not know it."""

    name: str | None
    you: bool


class LineageEvent(BaseModel):
    """Something that happened to the item. What else it tells depends on its type.

    `scored`: label, confidence, probabilities, calibrated, votes, cost. `routed`: outcome, reasons,
    propensity, audit. `task_opened`: blind, needed. `decided`: who, label, seconds, again, expert. `settled`
    and `rereview_settled`: label. `commented` and `flagged`: who, text. `task_withdrawn`: new evidence made
    the machine's label final.
    """

    model_config = ConfigDict(extra="allow")

    type: EventType
    at: int = Field(description="Unix milliseconds")


class Holder(BaseModel):
    """Somebody who has a task of the item in hand; times are Unix milliseconds."""

    task_id: int
    who: Who
    since: int
    until: int


class LineageShown(BaseModel):
    """All that happened to an item, the oldest first. With `labels_withheld`, nothing in it tells a label:
    you may be asked about the item in a blind check."""

    item: dict[str, Any] | None
    state: Literal["scoring", "waiting", "in_hand", "reviewed_again", "final"]
    final_label: dict[str, Any] | None
    events: list[LineageEvent]
    holders: list[Holder]
    labels_withheld: bool


class ItemShown(BaseModel):
    """An item with its final label, if it has one."""

    item_id: str
    excerpt: str
    is_cut: bool
    sensitive: bool = Field(description="it distresses: show it when asked for")
    ingested_at: int
    label: Any
    label_withheld: bool = Field(
        description="you may be asked about it in a blind check: it is as if it had none"
    )
    source: Literal["machine", "people"] | None
    confidence: float | None
    guideline_version: int | None
    decided_at: int | None


class ItemsShown(BaseModel):
    """Items in the order of their ids. `next` is the `after` of the next page, null after the last: a page
    may be short, or empty, and still have a next one."""

    items: list[ItemShown]
    next: str | None


class ItemsQuery(BaseModel):
    """Which items to list."""

    after: str = Field(default="", max_length=200)
    prefix: str = Field(default="", max_length=200)
    limit: int = Field(default=50, ge=1, le=_MOST)
    label: str | None = Field(default=None, max_length=1000, description="final label")
    source: Literal["machine", "people", "none"] | None = Field(
        default=None, description="who decided the final label; none: there is none"
    )


def router(items: ItemStore, listing: Listing, projects: ProjectStore, access: Access) -> APIRouter:
    """Return the routes; they go before the one that takes every path below `items`."""
    routes = APIRouter(prefix="/v1/projects/{project}", tags=["items"])
    manager = access.require("manager")
    anybody = access.require("reviewer", "manager")
    refusals = documented(LineageShown, 401, 403, 404, 422)

    @routes.get("/items", summary="List items", responses=documented(ItemsShown, 401, 403, 404, 422))
    async def list_items(
        project: Project, query: Annotated[ItemsQuery, Query()], by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """In the order of their ids. A page looks at a bounded number of items, however rare the label is."""
        version = await projects.get(project)
        if version is None:
            raise unknown_project(project)
        wanted = Wanted(query.after, query.prefix, query.label, query.source)
        reviewer = reviewer_in(project, by)
        pools = Pools.of(version.spec.review)
        return answer(await listing.page(project, wanted, query.limit, pools, reviewer))

    @routes.get(
        "/items/{item_id:path}/lineage", summary="Tell all that happened to an item", responses=refusals
    )
    async def lineage(
        project: Project, item_id: ItemId, by: Annotated[Principal, Depends(anybody)]
    ) -> Response:
        """For managers, and for reviewers once the item is settled and they have decided it. Nobody sees the
        item whose task they hold; who may be given a blind check of it sees no label. Names are for managers.
        Where reviewers are checked by hidden gold, only managers see lineages."""
        await check_no_hidden_checks(projects, project, by)
        return answer(await told(items, project, item_id, by))

    @routes.get("/lineage", summary="Tell all that happened to an item, by any id", responses=refusals)
    async def lineage_by_query(
        project: Project,
        item: Annotated[str, Query(min_length=1, max_length=200, examples=["t1"])],
        by: Annotated[Principal, Depends(anybody)],
    ) -> Response:
        """The same, for ids that do not survive in a path, such as `..` or one with a line break."""
        await check_no_hidden_checks(projects, project, by)
        return answer(await told(items, project, item, by))

    return routes


async def check_no_hidden_checks(projects: ProjectStore, project: str, by: Principal) -> None:
    """Raise ApiError 403 for a reviewer who may be given gold: that has no lineage, or no task of theirs in
    it, and so the answer would tell it from other tasks."""
    if by.may(("manager",), project):
        return
    version = await projects.get(project)
    if version is not None and version.spec.review.gold.rate > 0:
        detail = "some tasks here are checks, and lineages would tell which: they are for managers"
        raise ApiError(403, "managers_only", detail)


async def told(items: ItemStore, project: str, item_id: str, by: Principal) -> dict[str, Any]:
    """Return an item's lineage as `by` may see it. Raises ApiError 403 or 404."""
    found = await items.lineage(project, item_id)
    if found is None:
        raise unknown_item(project, item_id)
    parts = {name: _decoded(part) for name, part in found.items()}
    seen = sight(by, project, parts["tasks"])
    return {
        "item": item_shown(parts["item"], parts["tasks"], seen),
        "state": state(parts),
        "final_label": parts["final_label"] if seen.labels else None,
        "events": timeline(parts, seen),
        "holders": holders(parts, seen),
        "labels_withheld": not seen.labels,
    }


def check_raw(project: str, found: dict[str, Any], by: Principal) -> None:
    """Raise ApiError 403 unless `by` may see all there is of an item."""
    if not sight(by, project, _decoded(found["tasks"])).labels:
        detail = (
            "a blind check of this item waits, and you may be given it: its labels are not shown to you yet"
        )
        raise ApiError(403, "blind_task_open", detail)


def unknown_item(project: str, item_id: str) -> ApiError:
    return ApiError(404, "unknown_item", f"project {project!r} has no item {item_id!r}")


def _decoded(part: Any) -> Any:
    return msgspec.json.decode(part) if isinstance(part, msgspec.Raw) else part
