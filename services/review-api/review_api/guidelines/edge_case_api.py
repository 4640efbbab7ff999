"""Routes of edge cases: reviewers raise them from a task, managers answer them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from msgspec import to_builtins
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.gold.desk import GoldDesk
from review_api.guidelines.edge_cases import EdgeCase, EdgeCases, Raised
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.tasks.api import LeaseText, TaskId

_MOST = 100

State = Literal["open", "accepted", "published", "closed"]
EdgeCaseId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
Sentence = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class EdgeCaseRaised(BaseModel):
    """What is unclear about the task in hand, and the label in doubt, if one is."""

    lease: LeaseText
    question: Sentence = Field(examples=["Is thanks with a complaint in it positive?"])
    label: str | None = Field(default=None, max_length=1000)


class EdgeCaseNumber(BaseModel):
    edge_case_id: int


class EdgeCaseShown(BaseModel):
    """An edge case. `answer` is a manager's: why the label is right, or what else there is to say."""

    edge_case_id: int
    item_id: str
    content: str | None = Field(description="null once the item is erased")
    sensitive: bool = Field(description="it distresses: show it when asked for")
    guideline_version: int
    raised_by: str
    raised_at: int = Field(description="Unix milliseconds")
    question: str
    label: str | None = Field(description="the label in doubt")
    state: State
    answer: str
    answered_by: str | None
    answered_at: int | None
    example_label: str | None = Field(description="the label it is an example of")
    published_in: int | None = Field(description="the guideline version that has it as an example")


class EdgeCaseList(BaseModel):
    """Edge cases, the newest first. `open` wait for an answer, `accepted` for the next version."""

    edge_cases: list[EdgeCaseShown]
    open: int
    accepted: int


class MyEdgeCases(BaseModel):
    edge_cases: list[EdgeCaseShown]


class Acceptance(BaseModel):
    """The label that is right, and why: it becomes an example of the next version."""

    label: str = Field(max_length=1000)
    why: str = Field(default="", max_length=2000)


class Closure(BaseModel):
    """What the reviewer is told."""

    answer: Sentence


def router(desk: GoldDesk, edge_cases: EdgeCases, in_force: InForce, access: Access) -> APIRouter:
    """Return the routes about edge cases."""
    routes = APIRouter(prefix="/v1", tags=["guidelines"])
    reviewer = access.require("reviewer")
    of_task = access.require_somewhere("reviewer")  # the desk knows the task's project, and asks there
    manager = access.require("manager")

    @routes.post(
        "/tasks/{task_id}/edge-case",
        summary="Raise an edge case",
        responses=documented(EdgeCaseNumber, 401, 403, 404, 409, 413, 422),
    )
    async def raise_one(
        task_id: TaskId, body: EdgeCaseRaised, by: Annotated[Principal, Depends(of_task)]
    ) -> Response:
        """The task stays in hand. The lease may have been used for a decision meanwhile. Raised again for the
        same task, the question is put anew."""
        about = await desk.subject(by, task_id, body.lease)
        version = await in_force.get(about.project, afresh=True)
        _check_label(version, body.label)
        raised = Raised(about, version.guideline_version, body.question.strip(), body.label)
        return answer({"edge_case_id": await edge_cases.raise_(raised, by.name)})

    @routes.get(
        "/projects/{project}/edge-cases",
        summary="List edge cases",
        responses=documented(EdgeCaseList, 401, 403, 404, 422),
    )
    async def list_cases(
        project: Project, _: Annotated[Principal, Depends(manager)], state: State = "open"
    ) -> Response:
        await in_force.get(project)
        open_, accepted = await edge_cases.counts(project)
        found = await edge_cases.in_state(project, state, _MOST)
        return answer({"edge_cases": _shown(found), "open": open_, "accepted": accepted})

    @routes.get(
        "/projects/{project}/edge-cases/mine",
        summary="List one's own edge cases",
        responses=documented(MyEdgeCases, 401, 403, 404),
    )
    async def list_mine(project: Project, by: Annotated[Principal, Depends(reviewer)]) -> Response:
        await in_force.get(project)
        return answer({"edge_cases": _shown(await edge_cases.of_person(project, by.name, _MOST))})

    @routes.post(
        "/projects/{project}/edge-cases/{edge_case_id}/accept",
        summary="Make an edge case an example",
        responses=documented(EdgeCaseShown, 401, 403, 404, 409, 413, 422),
    )
    async def accept(
        project: Project,
        edge_case_id: EdgeCaseId,
        body: Acceptance,
        by: Annotated[Principal, Depends(manager)],
    ) -> Response:
        """It is in the draft of the next version from then on, and in no version before that is published."""
        _check_label(await in_force.get(project, afresh=True), body.label)
        return answer(await edge_cases.accept(project, edge_case_id, body.label, body.why.strip(), by.name))

    @routes.post(
        "/projects/{project}/edge-cases/{edge_case_id}/close",
        summary="Answer an edge case",
        responses=documented(EdgeCaseShown, 401, 403, 404, 409, 413, 422),
    )
    async def close(
        project: Project, edge_case_id: EdgeCaseId, body: Closure, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """The reviewer sees the answer; the guideline stays as it is."""
        return answer(await edge_cases.close(project, edge_case_id, body.answer.strip(), by.name))

    return routes


def _check_label(version: Version, label: str | None) -> None:
    if label is not None and label not in version.spec.label_names:
        raise ApiError(422, "unknown_label", f"project {version.spec.project} has no label {label!r}")


def _shown(cases: list[EdgeCase]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = to_builtins(cases)
    return shown
