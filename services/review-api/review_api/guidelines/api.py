"""Routes of the guideline: its versions, what differs between two of them, and publishing a new one."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from labelmill.projects import LabelSpec
from msgspec import to_builtins
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.guidelines.diffing import changed_labels
from review_api.guidelines.editor import MOST_EXAMPLES, Edit, Editor
from review_api.http import answer
from review_api.projects.api import Project

_MOST_CHARACTERS: Final = 200_000

Number = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[2])]
Since = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="the version before, unless given")]


class CampaignShortly(BaseModel):
    campaign_id: int
    mode: Literal["relabel", "re-review"]
    state: str


class GuidelineLine(BaseModel):
    """A version. `version` is the project's that brought it, `campaign` the newest that it led to."""

    guideline_version: int
    version: int
    created_by: str
    created_at: int = Field(description="Unix milliseconds")
    campaign: CampaignShortly | None


class GuidelineList(BaseModel):
    """The versions, the newest first."""

    in_force: int
    versions: list[GuidelineLine]


class LabelShown(BaseModel):
    name: str = Field(max_length=1000)
    description: str = Field(default="", max_length=10_000)


class GuidelineShown(BaseModel):
    """The text of a version, in Markdown, with the labels it describes."""

    guideline_version: int
    guideline: str
    labels: list[LabelShown]


class PartShown(BaseModel):
    op: Literal["same", "removed", "added"]
    text: str


class LineShown(BaseModel):
    """A line, with its number in both texts; null where it is not in one. Its parts together are the line."""

    op: Literal["same", "removed", "added"]
    old: int | None
    new: int | None
    parts: list[PartShown]


class HunkShown(BaseModel):
    old: int
    new: int
    lines: list[LineShown]


class LabelChangeShown(BaseModel):
    """A label that came, went, or is described anew: `parts` tell the description."""

    name: str
    op: Literal["added", "removed", "changed"]
    parts: list[PartShown]


class DiffShown(BaseModel):
    """What changed from one version to another. `affected_labels`: removed or described anew."""

    old: int
    new: int
    hunks: list[HunkShown]
    labels: list[LabelChangeShown]
    reordered: bool = Field(description="whether labels stand in another order")
    added: int = Field(description="lines of the text")
    removed: int
    affected_labels: list[str]


class Draft(BaseModel):
    """The guideline in force with the examples that edge cases became since. `edge_cases` are their numbers:
    send them along when it is published."""

    based_on: int
    guideline: str
    labels: list[LabelShown]
    edge_cases: list[int]


class Publication(BaseModel):
    """A new version. `based_on` is the guideline version that was edited; labels stay unless given."""

    based_on: int = Field(ge=1, le=2**31 - 1)
    guideline: str = Field(max_length=_MOST_CHARACTERS)
    labels: list[LabelShown] | None = Field(default=None, max_length=1000)
    edge_cases: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(default=[], max_length=MOST_EXAMPLES)


class Published(BaseModel):
    """The versions in force; `changed` is false if nothing differed."""

    version: int
    guideline_version: int
    changed: bool


def router(editor: Editor, access: Access) -> APIRouter:
    """Return the routes about guidelines."""
    routes = APIRouter(prefix="/v1/projects/{project}/guidelines", tags=["guidelines"])
    someone = access.require()
    manager = access.require("manager")

    @routes.get(
        "", summary="List the guideline's versions", responses=documented(GuidelineList, 401, 403, 404)
    )
    async def list_versions(project: Project, _: Annotated[Principal, Depends(someone)]) -> Response:
        in_force, versions = await editor.versions(project)
        return answer({"in_force": in_force, "versions": versions})

    @routes.post(
        "",
        summary="Publish a new guideline",
        responses=documented(Published, 401, 403, 404, 409, 413, 422, 503),
    )
    async def publish(
        project: Project, body: Publication, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """It becomes a new version of the project, and the answer comes once the other services are told, as
        if the project had been applied. 409 `stale_edit` if another guideline came into force meanwhile."""
        edit = Edit(body.based_on, body.guideline, _labels(body.labels), body.edge_cases)
        version = await editor.publish(project, edit, by.name)
        numbers = {"version": version.version, "guideline_version": version.guideline_version}
        return answer({**numbers, "changed": version.guideline_version != body.based_on})

    @routes.get(
        "/draft", summary="Show the draft of the next guideline", responses=documented(Draft, 401, 403, 404)
    )
    async def draft(project: Project, _: Annotated[Principal, Depends(manager)]) -> Response:
        """The guideline in force, with the edge cases that were made examples since."""
        return answer(await editor.draft(project))

    @routes.get(
        "/{number}",
        summary="Show a version of the guideline",
        responses=documented(GuidelineShown, 401, 403, 404, 422),
    )
    async def show(project: Project, number: Number, _: Annotated[Principal, Depends(someone)]) -> Response:
        found = await editor.text(project, number)
        return answer({"guideline_version": number, "guideline": found.guideline, "labels": found.labels})

    @routes.get(
        "/{number}/diff",
        summary="Show what changed up to a version of the guideline",
        responses=documented(DiffShown, 401, 403, 404, 422),
    )
    async def diff(
        project: Project, number: Number, _: Annotated[Principal, Depends(someone)], since: Since = None
    ) -> Response:
        """Line by line, and word by word where a line was changed in places."""
        before = since or max(1, number - 1)
        found = await editor.diff(project, before, number)
        shown: dict[str, Any] = to_builtins(found)
        return answer({"old": before, "new": number, "affected_labels": changed_labels(found), **shown})

    return routes


def _labels(given: list[LabelShown] | None) -> list[LabelSpec] | None:
    if given is None:
        return None
    return [LabelSpec(name=label.name, description=label.description) for label in given]
