"""Routes of campaigns: what a change of the guideline affects, and having it labelled or reviewed anew."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from msgspec import to_builtins
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.guidelines.campaign_store import Act, Campaign, Campaigns, Mode
from review_api.guidelines.choosing import Choosing
from review_api.guidelines.selection import MOST_TEXTS, By, Selection
from review_api.http import answer
from review_api.items.blind import reviewer_in
from review_api.projects.api import Project

CampaignId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
ItemState = Literal["waiting", "sent", "asked", "labelled", "given_up"]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]


class SelectionShown(BaseModel):
    """Which items with a label by an older guideline are affected.

    `labels`: those whose final label is one of `labels`. `boundary`: of these (of all, if none is named)
    those near the boundary: where the machine's two best labels (the two named, if two are) were at most
    `margin` apart, or the text is at least `similarity` alike one of `texts`. `all`: every one.
    """

    by: By
    labels: list[str] = Field(default=[], max_length=100)
    texts: list[Text] = Field(default=[], max_length=MOST_TEXTS)
    edge_cases: bool = Field(
        default=False, description="add the texts of edge cases that are accepted or in the guideline"
    )
    margin: float = Field(default=0.3, ge=0, le=1)
    similarity: float = Field(default=0.5, ge=0, le=1)


class NewCampaign(BaseModel):
    """A campaign to plan, under the guideline in force.

    `relabel`: the machine labels anew what it had labelled, and people decide what people had decided.
    `re-review`: people decide all of it.
    """

    mode: Mode
    select: SelectionShown


class EstimateShown(BaseModel):
    """What it is likely to take, from what the project's items took so far; `tasks` are for people."""

    items: int
    tasks: int
    cost_usd: float
    human_minutes: float
    human_usd: float
    measured: bool = Field(description="whether people's time was measured rather than assumed")


class CampaignShown(BaseModel):
    """A campaign. Its items are `waiting` to be sent, `sent` and on the way, with people (`asked`),
    `labelled` by the new guideline, or `given_up`."""

    campaign_id: int
    project: str
    guideline_version: int
    mode: Mode
    selection: dict[str, Any]
    state: Literal["planning", "planned", "running", "paused", "done", "cancelled", "failed"]
    created_by: str
    created_at: int = Field(description="Unix milliseconds")
    started_at: int | None
    ended_at: int | None
    estimate: EstimateShown | None = Field(description="null until it is planned")
    problem: str = Field(description="why it could not be planned")
    looked_at: int = Field(description="final labels that the plan was chosen from")
    items: int
    for_people: int = Field(description="of the items, those that go to people at once")
    waiting: int
    sent: int
    asked: int
    labelled: int
    given_up: int


class CampaignList(BaseModel):
    campaigns: list[CampaignShown]


class CampaignItem(BaseModel):
    item_id: str
    place: float | None = Field(description="0 lies on the boundary; the lowest goes first")
    people: bool
    state: ItemState
    content: str | None
    sensitive: bool = Field(description="it distresses: show it when asked for")
    label: Any = Field(description="the final label now")
    source: Literal["machine", "people"] | None
    label_withheld: bool = Field(
        description="you may be asked about it in a blind check: label and place are null"
    )


class CampaignItems(BaseModel):
    items: list[CampaignItem]


def router(choosing: Choosing, campaigns: Campaigns, access: Access) -> APIRouter:
    """Return the routes about campaigns; all are for managers."""
    routes = APIRouter(prefix="/v1/projects/{project}/campaigns", tags=["guidelines"])
    manager = access.require("manager")

    @routes.get("", summary="List the campaigns", responses=documented(CampaignList, 401, 403, 404))
    async def list_campaigns(project: Project, _: Annotated[Principal, Depends(manager)]) -> Response:
        """The newest first."""
        found = await choosing.campaigns(project)
        return answer({"campaigns": [_shown(campaign) for campaign in found]})

    @routes.post(
        "",
        summary="Plan a campaign",
        responses=documented(CampaignShown, 401, 403, 404, 409, 413, 422, status=201),
        status_code=201,
    )
    async def plan(
        project: Project, body: NewCampaign, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """Nothing is sent yet: first it is worked out what is affected, which takes seconds. Once the state
        is `planned`, `items` and `estimate` tell what starting it will do, which is then fixed."""
        select = body.select
        selection = Selection(
            by=select.by,
            labels=list(dict.fromkeys(select.labels)),
            texts=select.texts,
            margin=select.margin,
            similarity=select.similarity,
        )
        made = await choosing.plan(
            project, body.mode, selection, by=by.name, with_edge_cases=select.edge_cases
        )
        return answer(_shown(made), 201)

    @routes.get(
        "/{campaign_id}", summary="Show a campaign", responses=documented(CampaignShown, 401, 403, 404, 422)
    )
    async def show(
        project: Project, campaign_id: CampaignId, _: Annotated[Principal, Depends(manager)]
    ) -> Response:
        return answer(_shown(await campaigns.get(project, campaign_id)))

    @routes.get(
        "/{campaign_id}/items",
        summary="Show some of a campaign's items",
        responses=documented(CampaignItems, 401, 403, 404, 422),
    )
    async def items(
        project: Project,
        campaign_id: CampaignId,
        by: Annotated[Principal, Depends(manager)],
        state: ItemState = "waiting",
        count: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> Response:
        """Those in one state, the next first."""
        shown = await choosing.items(project, campaign_id, state, count, reviewer_in(project, by))
        return answer({"items": shown})

    @routes.post(
        "/{campaign_id}/{act}",
        summary="Start, pause, resume or cancel a campaign",
        responses=documented(CampaignShown, 401, 403, 404, 409, 422),
    )
    async def move(
        project: Project, campaign_id: CampaignId, act: Act, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """Nothing more is sent once it is paused or cancelled. What was sent runs to its end, and tasks that
        people were given stay theirs."""
        return answer(_shown(await campaigns.move(project, campaign_id, act, by.name)))

    return routes


def _shown(campaign: Campaign) -> dict[str, Any]:
    shown: dict[str, Any] = to_builtins(campaign)
    return {**shown, "items": campaign.items}
