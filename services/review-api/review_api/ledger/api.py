"""Routes about what the ledger holds of a project: figures, and the final labels."""

import importlib.metadata
import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from labelmill.quality import Quality
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import Responses, documented
from review_api.errors import unknown_project
from review_api.gold.calm import CalmFigures
from review_api.http import answer
from review_api.items.blind import BlindChecks, reviewer_in
from review_api.items.distress import Distressing
from review_api.ledger.export import Export
from review_api.ledger.figures import MINUTES_KEPT_DAYS, Figures
from review_api.ledger.manifest import Manifest, Origin
from review_api.ledger.routes import Routes
from review_api.projects.api import Project
from review_api.projects.published import Published
from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version
from review_api.tasks.pools import Pools
from review_api.tasks.rereviews import Rereviews

_MOST_MINUTES = (MINUTES_KEPT_DAYS - 1) * 24 * 60


class StatusShown(BaseModel):
    """A project's state. `open_tasks` wait for a reviewer, `leased_tasks` are in somebody's hands. An item
    counts once, by how it was routed first, and no more once it is erased; tasks and decisions are all that
    there were."""

    items: int
    accepted: int
    requested: int = Field(description="items that people were asked about when they came")
    requested_again: int = Field(description="tasks about items routed before, by an older guideline")
    open_tasks: int
    leased_tasks: int
    decided: int
    compared: int = Field(description="decided for good: corrections are among these")
    final_labels: int
    corrections: int
    audits: int = Field(description="blind checks of acceptable labels that people decided")
    audit_errors: int = Field(description="blind checks where the machine was wrong")
    cost_usd: float
    input_tokens: int
    output_tokens: int
    llm_calls: int
    student_only: int
    release: int
    human_seconds: float
    withdrawn: int = Field(
        description="of those requested, accepted on new evidence before anybody began them"
    )
    seconds_each: float | None = Field(
        description="active time of a decision in the last 30 days; null while there are fewer than 50"
    )
    items_erased: int = Field(description="taken off the items, the accepted and the requested")
    final_labels_erased: int = Field(
        description="taken off the final labels; decisions on erased items are still among the decided"
    )


class MinuteShown(BaseModel):
    """What was counted in a minute: an item each time it was routed."""

    minute: int
    items: int
    accepted: int
    requested: int
    decided: int
    withdrawn: int
    corrections: int
    audits: int
    audit_errors: int
    cost_usd: float


class Stats(BaseModel):
    """The minutes in which anything was counted, and what is known of the releases."""

    minutes: list[MinuteShown]
    releases: list[dict[str, Any]]


class RereviewsShown(BaseModel):
    """Doubtful decisions that people look at again: those that wait, those `decided` again, and of these
    those whose label `changed`."""

    waiting: int
    decided: int
    changed: int


class Promise(BaseModel):
    """What the evidence allows to accept, and what decisions tell of the machine's labels; null before the
    trainer has looked. And today's money."""

    acceptance: dict[str, Any] | None
    quality: dict[str, Any] | None
    suspects_withheld: int = Field(description="of `quality`: you may be asked about them in a blind check")
    examples_withheld: int = Field(description="the same, of the examples in its slices")
    sensitive: list[str] = Field(description="items of examples that distress: show these when asked for")
    rereviews: RereviewsShown
    spent_today_usd: float = Field(description="cost of the machine since midnight UTC")
    usd_per_day: float | None = Field(description="the cap in force; null: none")


_LINES: Responses = {
    200: {
        "description": "One JSON object a line.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"item_id":"t1","label":"positive","source":"machine",'
                '"machine_label":"positive","confidence":0.97,"reasons":[],"release":2,"guideline_version":1,"decided_at":1760000000000}\n'
                '{"item_id":"t2","label":null,"source":null,"machine_label":null,"confidence":null,"reasons":[],'
                '"release":null,"guideline_version":null,"decided_at":null,"withheld":true}\n',
            }
        },
    }
}


_ROUTES: Responses = {
    200: {
        "description": "One JSON object a line.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"item_id":"t1","guideline_version":1,"metadata":{},"content_hash":"…",'
                '"label":"positive",'
                '"confidence":0.97,"probabilities":{"positive":0.97,"negative":0.03},'
                '"votes":[{"voter":"llm","label":"positive"}],"calibrated":true,"over_budget":false,'
                '"suspicious":false,"release":2,"outcome":"requested","reasons":["audit"],"propensity":0.02,'
                '"cost_usd":0.0001,"project_version":3,"routed_at":1760000000000,"blind":true,'
                '"audit_rate":0.02,"decided_label":"negative","decided_at":1760000100000,"decisions":1,"withdrawn":false}\n',
            }
        },
    }
}


def router(
    figures: Figures,
    calm: CalmFigures,
    export: Export,
    recorded: Routes,
    *,
    published: Published,
    rereviews: Rereviews,
    projects: ProjectStore,
    blind: BlindChecks,
    distressing: Distressing,
    access: Access,
) -> APIRouter:
    """Return the routes about figures and final labels."""
    routes = APIRouter(prefix="/v1/projects/{project}", tags=["ledger"])
    someone = access.require()
    manager = access.require("manager")

    async def known(project: Project) -> str:
        if not await projects.exists(project):
            raise unknown_project(project)
        return project

    @routes.get("/status", summary="Show a project's figures", responses=documented(StatusShown, 401, 404))
    async def status(
        by: Annotated[Principal, Depends(someone)], project: Annotated[str, Depends(known)]
    ) -> Response:
        """How many items, tasks and labels there are, and what they cost so far. Who is no manager sees it as
        it was up to a minute ago where reviewers are checked by hidden gold."""
        return answer(await calm.status(by, project))

    @routes.get(
        "/stats",
        summary="Show figures by minute, and the releases",
        responses=documented(Stats, 401, 404, 422),
    )
    async def stats(
        by: Annotated[Principal, Depends(someone)],
        project: Annotated[str, Depends(known)],
        minutes: Annotated[int, Query(ge=1, le=_MOST_MINUTES)] = 60,
    ) -> Response:
        """Minutes without any event are left out; the newest comes last."""
        return answer(
            {
                "minutes": await figures.minutes(project, minutes),
                "releases": await projects.releases(project),
            }
        )

    @routes.get(
        "/promise",
        summary="Show the state of the promise, and the machine's quality",
        responses=documented(Promise, 401, 403, 404),
    )
    async def promise(by: Annotated[Principal, Depends(manager)], project: Project) -> Response:
        """Examples in it show items' contents with their labels: for managers only."""
        version = await _in_force(projects, project)
        found = await published.of(project)
        told, reviewer = found.get("quality"), reviewer_in(project, by)
        return answer(
            {
                "acceptance": found.get("acceptance"),
                **await _quality_for(reviewer, version, told, blind, distressing),
                "rereviews": await rereviews.counts(project),
                "spent_today_usd": await figures.spent_today(project),
                "usd_per_day": version.spec.budget.usd_per_day,
            }
        )

    @routes.get(
        "/labels",
        summary="Export the final labels",
        response_class=StreamingResponse,
        responses={**documented(None, 401, 403, 404, 422), **_LINES},
    )
    async def labels(
        by: Annotated[Principal, Depends(manager)],
        project: Project,
        content: Annotated[bool, Query(description="add the items' content and metadata")] = False,
        owners: Annotated[bool, Query(description="name the items' owners")] = False,
        manifest: Annotated[bool, Query(description="add a last line with the manifest")] = False,
    ) -> Response:
        """In the order of the item ids. What becomes final while the export runs may or may not be in it.
        Items that say where they come from have it under `provenance`; owners are pseudonyms of this export,
        unless named. The line `manifest` counts the lines before it, by licence, source and consent, with
        their number and SHA-256. `withheld`: you may be asked about the item in a blind check, so its line
        tells no label; the manifest counts these lines under `by_decider`."""
        in_force = await _in_force(projects, project)
        origin = Origin(
            project=project,
            title=in_force.spec.title,
            project_version=in_force.version,
            guideline_version=in_force.guideline_version,
            release=await projects.newest_release(project),
            filters={"content": content, "owners": owners},
            labelmill=importlib.metadata.version("labelmill-review-api"),
            created_at=int(time.time() * 1000),
        )
        lines = export.lines(
            project,
            Manifest(origin, names_owners=owners),
            content=content,
            ends_with_manifest=manifest,
            reviewer=reviewer_in(project, by),
        )
        return StreamingResponse(lines, media_type="application/x-ndjson")

    @routes.get(
        "/routes",
        summary="Export every score with its route, and what people decided",
        response_class=StreamingResponse,
        responses={**documented(None, 401, 403, 404), **_ROUTES},
    )
    async def routed(
        by: Annotated[Principal, Depends(manager)], project: Annotated[str, Depends(known)]
    ) -> Response:
        """In the order of the item ids. With it another policy can be tried on what was done, without paying
        anything again; `decided_label` is null while people have not settled the item, and stays what
        they said first if a doubtful decision is made again. `withdrawn`: people were asked, and then new
        evidence made it needless. `withheld`: you may be asked about the item in a blind check, so what tells
        a label is null."""
        lines = recorded.lines(project, reviewer_in(project, by))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return routes


async def _quality_for(
    reviewer: str | None,
    version: Version,
    told: msgspec.Raw | None,
    blind: BlindChecks,
    distressing: Distressing,
) -> dict[str, Any]:
    if told is None:
        return {"quality": None, "suspects_withheld": 0, "examples_withheld": 0, "sensitive": []}
    project, quality = version.spec.project, msgspec.json.decode(told, type=Quality)
    shown = quality.without(await blind.among(project, quality.named(), reviewer))
    return {
        "quality": shown,
        "suspects_withheld": len(quality.suspects) - len(shown.suspects),
        "examples_withheld": sum(
            len(one.examples) - len(other.examples)
            for one, other in zip(quality.slices, shown.slices, strict=True)
        ),
        "sensitive": await distressing.among(project, shown.named(), Pools.of(version.spec.review)),
    }


async def _in_force(projects: ProjectStore, project: str) -> Version:
    version = await projects.get(project)
    if version is None:
        raise unknown_project(project)
    return version
