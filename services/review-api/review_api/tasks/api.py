"""Routes of the reviewers' work."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Response
from labelmill import provenance
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.care.attendance import Attendance
from review_api.docs import documented
from review_api.gold.desk import GoldDesk
from review_api.gold.hands import Hands
from review_api.http import answer
from review_api.projects.api import Project
from review_api.remarks.comments import Comments
from review_api.tasks.pools import is_sensitive
from review_api.tasks.store import Claimed

TaskId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
LeaseText = Annotated[str, Field(min_length=1, max_length=32, examples=["42"])]


class Claim(BaseModel):
    """How many tasks to hand out."""

    count: int = Field(default=1, ge=1)


class Suggestion(BaseModel):
    """The machine's label and its confidence."""

    label: Any
    confidence: float


class Adjudication(BaseModel):
    """What people answered to a task on which they differ, in no order; nobody is named."""

    answers: list[Any]


class CommentForRaters(BaseModel):
    """What somebody said about the item, to those who get it next."""

    text: str
    at: int = Field(description="Unix milliseconds")


class Task(BaseModel):
    """A task in hand.

    A blind task has no suggestion and no reasons: what the machine thinks must not sway the person. `kept` is
    an answer that this person gave before and that came too late.
    """

    task_id: int
    lease: str
    lease_until: int = Field(description="Unix milliseconds")
    item_id: str
    content: str = Field(description="empty if it distresses: ask to reveal it")
    metadata: dict[str, str]
    blind: bool
    suggestion: Suggestion | None
    reasons: list[str]
    kept: Any
    sensitive: bool = Field(description="it distresses: its text comes when asked for")
    adjudication: Adjudication | None
    comments: list[CommentForRaters] = Field(description="what earlier raters say; none on a blind task")
    training: bool = Field(description="it is for learning: the answer tells what is right, and why")


class Tasks(BaseModel):
    """What was handed out. `in_hand`, if that is nothing: the numbers of tasks (the first 100) that the same
    person holds under earlier leases, from another window or a browser that is lost. `skills_wanted`, if that
    is nothing: the skills that waiting tasks take and this person lacks."""

    tasks: list[Task]
    in_hand: list[int]
    skills_wanted: list[str]


class LeaseBody(BaseModel):
    """The lease that the claim gave."""

    lease: LeaseText


class Heartbeat(LeaseBody):
    """A sign that the lease is still needed."""

    active: bool = Field(default=False, description="whether the person has touched anything since the last")


class Decision(BaseModel):
    """The answer to a task."""

    lease: LeaseText
    label: Any = Field(examples=["positive"])


class Skip(BaseModel):
    """Giving a task back."""

    lease: LeaseText
    reason: str = Field(default="", max_length=1000, examples=["I do not speak this language"])
    unseen: bool = Field(default=False, description="nobody looked at it: the same person may get it again")


class DecisionCounted(BaseModel):
    """`decisions`: how many the task has now; `final`: whether that settled it. In training also the right
    label, and why."""

    task_id: int
    decisions: int
    final: bool
    right_label: Any = None
    explanation: str = ""


class Lease(BaseModel):
    task_id: int
    lease: str
    lease_until: int = Field(description="Unix milliseconds")


class Skipped(BaseModel):
    task_id: int
    skipped: bool


def router(
    desk: GoldDesk,
    hands: Hands,
    comments: Comments,
    *,
    attendance: Attendance,
    access: Access,
    claim_most: int,
) -> APIRouter:
    """Return the routes about tasks."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])
    reviewer = access.require("reviewer")
    of_task = access.require_somewhere("reviewer")  # the desk knows the task's project, and asks there

    @routes.post(
        "/projects/{project}/tasks/claim",
        summary="Claim tasks",
        responses=documented(Tasks, 401, 403, 404, 413, 422),
    )
    async def claim(
        project: Project, by: Annotated[Principal, Depends(reviewer)], body: Claim | None = None
    ) -> Response:
        """Hands out up to `count` tasks (never more than the server allows), in the order of the project,
        each under a lease. An empty list means that nothing waits for this person now; `in_hand` then tells
        what they hold already, and `skills_wanted` which skills they lack for what waits."""
        count = min(body.count if body else 1, claim_most)
        tasks = await desk.claim(by, project, count)
        held = [] if tasks else await hands.held(project, by.name)
        wanted = [] if tasks else await hands.skills_wanted(by, project)
        return answer(await shown_with_comments(comments, project, tasks, held, wanted))

    @routes.post(
        "/tasks/{task_id}/decision",
        summary="Answer a task",
        responses=documented(DecisionCounted, 401, 403, 404, 409, 413, 422),
    )
    async def decide(task_id: TaskId, body: Decision, by: Annotated[Principal, Depends(of_task)]) -> Response:
        """Sending the same answer under the same lease again changes nothing. An answer that comes after its
        lease has ended is not counted (409 `lease_lost`), but kept: the next claim of the task shows it."""
        return answer(await desk.decide(by, task_id, body.lease, body.label))

    @routes.post(
        "/tasks/{task_id}/heartbeat",
        summary="Keep the lease of a task",
        responses=documented(Lease, 401, 403, 404, 409, 413, 422),
    )
    async def heartbeat(
        task_id: TaskId, body: Heartbeat, by: Annotated[Principal, Depends(of_task)]
    ) -> Response:
        """With `active`, the time since the last one counts as worked, though nothing was decided."""
        end = await desk.heartbeat(by, task_id, body.lease)
        if body.active:
            await attendance.seen(by.name)
        return answer({"task_id": task_id, "lease": body.lease, "lease_until": end})

    @routes.post(
        "/tasks/{task_id}/skip",
        summary="Give a task back",
        responses=documented(Skipped, 401, 403, 404, 409, 413, 422),
    )
    async def skip(task_id: TaskId, body: Skip, by: Annotated[Principal, Depends(of_task)]) -> Response:
        """Others may take it at once; the same person is not offered it again for a while. With `unseen`
        it is as if it had never been handed out."""
        if body.unseen:
            await desk.give_back(by, task_id, body.lease)
        else:
            await desk.skip(by, task_id, body.lease, body.reason)
            await attendance.skipped(by.name, task_id)
        return answer({"task_id": task_id, "skipped": True})

    @routes.post(
        "/tasks/{task_id}/undo",
        summary="Take back one's own decision",
        responses=documented(Lease, 401, 403, 404, 409),
    )
    async def undo(task_id: TaskId, by: Annotated[Principal, Depends(of_task)]) -> Response:
        """The task is in hand again, under a new lease. Possible as long as the task needs more decisions, or
        for some seconds after a decision made on the page settled it; then 409 `too_late`."""
        lease, end = await desk.undo(by, task_id)
        return answer({"task_id": task_id, "lease": lease, "lease_until": end})

    return routes


async def shown_with_comments(
    comments: Comments,
    project: str,
    tasks: list[Claimed],
    held: Sequence[int] = (),
    wanted: Sequence[str] = (),
) -> dict[str, Any]:
    """Return tasks as a claim answers them, with what earlier raters say, what was held before, and the
    skills wanted."""
    said = await comments.for_tasks(project, tasks)
    rows = [shown(task, said.get(task.item_id, [])) for task in tasks]
    return {"tasks": rows, "in_hand": held, "skills_wanted": wanted}


def shown(task: Claimed, comments: list[dict[str, Any]]) -> dict[str, Any]:
    suggestion = {"label": _raw(task.label), "confidence": task.confidence}
    sensitive = is_sensitive(task.pool)
    return {
        "task_id": task.task_id,
        "lease": str(task.fence),
        "lease_until": task.lease_until,
        "item_id": task.item_id,
        "content": "" if sensitive else task.content,
        "metadata": _without_provenance(task.metadata),
        "blind": task.blind,
        "suggestion": None if task.blind else suggestion,
        "reasons": [] if task.blind else task.reasons,
        "kept": None if task.kept is None else _raw(task.kept),
        "sensitive": sensitive,
        "adjudication": None if task.answers is None else {"answers": [_raw(one) for one in task.answers]},
        "comments": comments,
        "training": task.training,
    }


def _without_provenance(metadata: str) -> msgspec.Raw | dict[str, str]:
    """Return what a reviewer needs: whose item it is, and under which licence, is not theirs to see."""
    if '"@' not in metadata:
        return _raw(metadata)
    return provenance.plain(msgspec.json.decode(metadata))


def _raw(json: str) -> msgspec.Raw:
    return msgspec.Raw(json.encode())
