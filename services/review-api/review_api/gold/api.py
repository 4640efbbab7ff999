"""Routes about people's answers to gold: everybody's accuracy, one's own, qualifying, and pauses."""

import time
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.gold import reports
from review_api.gold.checks import CheckStore
from review_api.gold.desk import GoldDesk
from review_api.gold.hands import Hands
from review_api.gold.pauses import PauseGate, PauseStore
from review_api.gold.people import People
from review_api.gold.records import Record
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.in_force import InForce
from review_api.tasks.api import Claim, Tasks, shown
from review_api.tasks.skills import SkillStore

Name = Annotated[str, Path(max_length=64, examples=["ann"])]


class ShareShown(BaseModel):
    """`right` of `answers`, as a share with its 95% interval (Wilson)."""

    right: int
    answers: int
    value: float | None
    low: float | None
    high: float | None


class LabelShown(BaseModel):
    label: str
    accuracy: ShareShown


class ConfusionShown(BaseModel):
    truth: str
    said: str
    times: int


class AccuracyShown(BaseModel):
    newest: ShareShown = Field(description="over the newest 50 answers")
    all: ShareShown
    against_suggestion: ShareShown = Field(description="where a wrong label of the machine was in sight")
    labels: list[LabelShown] = Field(description="by the right label, the worst first")
    confusions: list[ConfusionShown]


class PauseShown(BaseModel):
    """Times are Unix milliseconds; `reopened`: decisions opened again, null until that is done."""

    reviewer: str
    cause: Literal["accuracy", "training"]
    paused_at: int
    since: int
    answers: int
    correct: int
    reopened: int | None
    lifted_at: int | None
    lifted_by: str | None
    reason: str | None


class ReviewerShown(BaseModel):
    reviewer: str
    state: Literal["working", "training", "paused"]
    checks: int
    accuracy: AccuracyShown
    pause: PauseShown | None


class Reviewers(BaseModel):
    bar: float
    rate: float
    min_answers: int
    reviewers: list[ReviewerShown]


class OwnShown(BaseModel):
    state: Literal["working", "training", "paused"]
    accuracy: AccuracyShown
    until: int = Field(description="hidden checks answered before this are in the figures")
    bar: float
    training_tasks: int
    training_done: int
    paused_because: Literal["accuracy", "training"] | None
    skills: list[str] = Field(description="skills one can qualify for by gold, and does not have")


class Lift(BaseModel):
    """Why somebody may work again; it goes into the audit log."""

    reason: str = Field(min_length=3, max_length=500, examples=["went through the guideline together"])


class Lifted(BaseModel):
    reviewer: str
    lifted: bool


def router(
    desk: GoldDesk,
    hands: Hands,
    checks: CheckStore,
    *,
    pauses: PauseStore,
    gate: PauseGate,
    people: People,
    skills: SkillStore,
    in_force: InForce,
    access: Access,
    claim_most: int,
) -> APIRouter:
    """Return the routes about people's answers."""
    routes = APIRouter(prefix="/v1/projects/{project}", tags=["gold"])
    manager, person = access.require("manager"), access.require("reviewer")

    @routes.get(
        "/accuracy",
        summary="Show everybody's accuracy on gold",
        responses=documented(Reviewers, 401, 403, 404),
    )
    async def accuracy(project: Project, by: Annotated[Principal, Depends(manager)]) -> Response:
        """Of whoever was given gold, by name."""
        spec = (await in_force.get(project)).spec
        gold = spec.review.gold
        items = await people.gold(project)
        shown = []
        # One person's checks at a time: those of all may be more than memory should hold.
        for name in await checks.reviewers(project):
            history = {check.gold_id: check for check in await checks.history(project, name)}
            record = Record(history, await pauses.of(project, name))
            shown.append(reports.reviewer(name, record, spec, items))
        settings = {"bar": gold.bar, "rate": gold.rate, "min_answers": gold.min_answers}
        return answer({**settings, "reviewers": shown})

    @routes.get(
        "/me/accuracy",
        summary="Show one's own accuracy on gold",
        responses=documented(OwnShown, 401, 403, 404),
    )
    async def own(project: Project, by: Annotated[Principal, Depends(person)]) -> Response:
        """Hidden checks count from the next full hour on: figures that moved at once would give them away."""
        spec = (await in_force.get(project)).spec
        record = await people.record(project, by.name, afresh=True)
        items = await people.gold(project)
        found = reports.own(record, spec, items, int(time.time() * 1000))
        to_have = {item.skill for item in items} - await skills.of(project, by.name)
        return answer({**asdict(found), "skills": [s.name for s in spec.review.skills if s.name in to_have]})

    @routes.post(
        "/skills/{skill}/claim",
        summary="Claim gold tasks that qualify for a skill",
        responses=documented(Tasks, 401, 403, 404, 413, 422),
    )
    async def qualify(
        project: Project,
        skill: Annotated[str, Path(max_length=200, examples=["medical"])],
        by: Annotated[Principal, Depends(person)],
        body: Claim | None = None,
    ) -> Response:
        """Answers to them tell what is right, and why. Enough of them at the project's bar grant the skill.
        An empty list means that there are no more."""
        count = min(body.count if body else 1, claim_most)
        tasks = await desk.claim_for_skill(by, project, skill, count)
        held = [] if tasks else await hands.held(project, by.name)
        return answer({"tasks": [shown(task, []) for task in tasks], "in_hand": held, "skills_wanted": []})

    @routes.post(
        "/pauses/{name}/lift",
        summary="Let a paused reviewer work again",
        responses=documented(Lifted, 401, 403, 404, 413, 422),
    )
    async def lift(
        project: Project, name: Name, body: Lift, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """From then on only new answers count against them."""
        await in_force.get(project)
        if not await pauses.lift(project, name, by.name, body.reason):
            raise ApiError(404, "not_paused", f"{name!r} is not paused in project {project!r}")
        gate.forget(project)
        people.forget(project, name)
        return answer({"reviewer": name, "lifted": True})

    return routes
