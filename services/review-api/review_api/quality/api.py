"""Routes about agreement."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import Responses, documented
from review_api.errors import unknown_project
from review_api.http import answer
from review_api.items.blind import reviewer_in
from review_api.projects.api import Project
from review_api.projects.store import ProjectStore
from review_api.quality.agreement import MOST_DECISIONS, Agreements
from review_api.quality.store import Decisions

_MOST_MS: Final = 253_402_300_799_000  # the end of the year 9999

Since = Annotated[
    int, Query(ge=0, le=_MOST_MS, description="Unix milliseconds: what was decided from then on")
]
Until = Annotated[
    int | None, Query(ge=1, le=_MOST_MS, description="Unix milliseconds: what was decided before")
]
Guideline = Annotated[
    int | None,
    Query(ge=1, le=2**31 - 1, description="version of the guideline; the one in force unless given"),
]


class FigureShown(BaseModel):
    """A coefficient with its 95% interval (by resampling items), or why it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    items: int = Field(description="items with two ratings or more")
    pairs: int = Field(description="pairs of ratings of the same item")
    undefined: str = Field(description="why there is no value; empty if there is one")


class LabelAgreement(BaseModel):
    """One label against all others."""

    label: str
    alpha: FigureShown
    specific: FigureShown = Field(description="how often another rater says it too where one does")


class WeekAgreement(BaseModel):
    week: int = Field(description="Unix milliseconds of its begin, Monday 0:00 UTC")
    guideline_version: int
    percent: FigureShown
    alpha: FigureShown


class ComparisonShown(BaseModel):
    """People among themselves, or the machine with the first person who decided the item; `blind` if nobody
    saw the machine's label."""

    between: Literal["people", "machine"]
    blind: bool
    raters: int
    percent: FigureShown
    cohen: FigureShown
    fleiss: FigureShown
    alpha: FigureShown
    ac1: FigureShown
    labels: list[LabelAgreement] = Field(description="the least clear first")
    weeks: list[WeekAgreement] = Field(description="of all guidelines, the oldest first")


class ExampleShown(BaseModel):
    item_id: str
    said: dict[str, int] = Field(description="how many people gave each label")


class ConfusedShown(BaseModel):
    """Two labels that people gave to the same item."""

    labels: tuple[str, str]
    items: int = Field(description="items that got both")
    either: int = Field(description="items that got at least one of them, and were decided by several people")
    examples: list[ExampleShown]


class VerdictShown(BaseModel):
    state: Literal["good", "fair", "poor", "unknown"]
    sentence: str


class AgreementShown(BaseModel):
    guideline_version: int
    since: int
    until: int
    decisions: int = Field(description="decisions that the figures rest on")
    limited: bool = Field(description=f"whether only the newest {MOST_DECISIONS} of the window were read")
    verdict: VerdictShown
    comparisons: list[ComparisonShown]
    pairs: list[ConfusedShown] = Field(description="the most confused first")
    contents: dict[str, str] = Field(description="beginnings of the examples' texts, by item")
    sensitive: list[str] = Field(description="items of examples that distress: show these when asked for")
    withheld: int = Field(
        description="items left out of everything: you may be asked about them in a blind check"
    )
    examples_withheld: int = Field(
        description="examples left out: their items still wait for people, and you may be asked"
    )


_DECISIONS: Responses = {
    200: {
        "description": "One JSON object a line.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"item_id":"t1","reviewer":"ann","label":"positive","machine_label":"negative",'
                '"blind":true,"again":false,"extra":false,"adjudicates":false,'
                '"guideline_version":1,"seconds":4.2,"decided_at":1760000000000}\n',
            }
        },
    }
}


def router(agreements: Agreements, decisions: Decisions, projects: ProjectStore, access: Access) -> APIRouter:
    """Return the routes about agreement. Their answers show contents and who decided: for managers only."""
    routes = APIRouter(prefix="/v1/projects/{project}", tags=["quality"])
    manager = access.require("manager")

    @routes.get(
        "/agreement",
        summary="Show how far people agree, with each other and with the machine",
        responses=documented(AgreementShown, 401, 403, 404, 422),
    )
    async def agreement(
        by: Annotated[Principal, Depends(manager)],
        project: Project,
        since: Since = 0,
        until: Until = None,
        guideline_version: Guideline = None,
    ) -> Response:
        """Of what people decided independently, whether or not the task is settled. Decisions that were taken
        back do not count, nor do those of people who are asked because others differ, of an expert between
        them, and of a second look at doubtful decisions: it is taken where the machine contradicts."""
        found = await agreements.of(
            project, since, until, guideline_version, reviewer=reviewer_in(project, by)
        )
        return answer(found)

    @routes.get(
        "/decisions",
        summary="Export who decided what",
        response_class=StreamingResponse,
        responses={**documented(None, 401, 403, 404), **_DECISIONS},
    )
    async def exported(by: Annotated[Principal, Depends(manager)], project: Project) -> Response:
        """Every decision in the order of time, also of tasks that are not settled yet; with it agreement
        can be worked out elsewhere. `blind`: made without sight of the machine's label. `again`: a second
        look at a doubtful decision; `extra`: by a person who was asked because others differ; `adjudicates`:
        by an expert who saw the others' answers. `withheld`: you may be asked about the item in a blind
        check, so its labels are null."""
        if not await projects.exists(project):
            raise unknown_project(project)
        return StreamingResponse(
            decisions.lines(project, reviewer_in(project, by)), media_type="application/x-ndjson"
        )

    return routes
