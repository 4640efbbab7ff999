"""Routes about the queue, for managers: what waits, for how long, in whose hands, and what comes next."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from labelmill.projects import ProjectSpec
from labelmill.projects.review import EXPERT
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.in_force import InForce
from review_api.tasks import pace
from review_api.tasks.api import TaskId
from review_api.tasks.pools import is_sensitive, skill_of
from review_api.tasks.rereviews import Rereviews
from review_api.tasks.waiting import Pool, TaskOf, WaitingTasks

_MOST_NEXT: Final = 100


class PoolShown(BaseModel):
    """Tasks to be taken now by people with a skill (none: by anybody); `distressing` ones by who consents."""

    pool: str
    skill: str
    distressing: bool
    tasks: int
    begun: int
    people: int = Field(description="who may take them: reviewers with the skill, or the consent")


class AgeBinShown(BaseModel):
    """Tasks to be taken now that have waited from `least` up to `most` seconds (null: longer still)."""

    least: float
    most: float | None
    tasks: int
    late: bool = Field(description="past the SLA")


class PaceShown(BaseModel):
    """By the minute: claims and decisions of the last 5 minutes, settled tasks of the last hour, and tasks
    that came in over the last `arrivals_hours`."""

    claims: float
    decisions: float
    settled: float
    arrivals: float
    arrivals_hours: float = Field(description="the SLA, or a working day; an hour at least")
    people: int = Field(description="who decided something in the last 5 minutes")
    seconds_each: float = Field(description="of a person's time for a decision")
    measured: bool = Field(description="whether people's time says so, or the project's file")


class ForecastShown(BaseModel):
    minutes: float = Field(description="of people's time that the waiting decisions take")
    hours_left: float | None = Field(
        description="until nothing waits that somebody may take; null if the queue does not shrink"
    )
    people_needed: float = Field(description="at work all the time, for what waits now")
    people_for_arrivals: float = Field(description="beside them, if as much comes in as lately")
    within_hours: float = Field(description="the SLA, or a working day")


class LeaseShown(BaseModel):
    task_id: int
    item_id: str
    reviewer: str
    again: bool
    created_at: int
    since: int
    until: int
    idle_seconds: float = Field(description="since it was claimed, or the person decided something")
    stuck: bool = Field(description="idle for longer than any decision counts")


class QueueShown(BaseModel):
    """What waits. Counts are some seconds old (`counted_at`, Unix milliseconds); `reasons` are those of all
    open tasks, or where there are more than some thousand of a sample of `reasons_sampled`.

    `open` are the tasks that somebody can take now. Of a task that takes several decisions the next part
    opens when one is taken: it may be `open` and `in_hand` at once, and is in hand once for each who has it.
    The project's status counts each task once, as in hand or else open."""

    counted_at: int
    open: int
    in_hand: int
    waiting_for_item: int
    rereviews: int
    begun: int
    adjudications: int = Field(description="open for an expert")
    distressing: int
    out_of_reach: int = Field(description="open, but there is nobody who may take them: see `pools`")
    pools: list[PoolShown]
    ages: list[AgeBinShown]
    oldest_at: int | None
    oldest_seconds: float
    sla_hours: float | None
    late: int
    reasons: dict[str, int]
    reasons_sampled: int
    pace: PaceShown
    forecast: ForecastShown
    leases: list[LeaseShown]


class NextTask(BaseModel):
    """A waiting task. Of a blind one nothing is told that the machine thinks."""

    task_id: int
    item_id: str
    excerpt: str
    is_cut: bool
    created_at: int
    decided: int
    needed: int
    open: int = Field(description="parts of it, one a decision, that can be taken now")
    guideline_version: int
    begun: bool
    blind: bool
    again: bool
    in_front: bool
    label: Any
    confidence: float | None
    reasons: list[str]


class NextTasks(BaseModel):
    tasks: list[NextTask]


class NextQuery(BaseModel):
    pool: str = Field(default="", max_length=100)
    count: int = Field(default=20, ge=1, le=_MOST_NEXT)


class Release(BaseModel):
    reviewer: str = Field(min_length=1, max_length=100, description="who holds the task")


class Done(BaseModel):
    task_id: int


def router(
    waiting: WaitingTasks,
    rereviews: Rereviews,
    in_force: InForce,
    access: Access,
    most_seconds_per_decision: float,
) -> APIRouter:
    """Return the routes about the queue."""
    routes = APIRouter(prefix="/v1/projects/{project}", tags=["queue"])
    manager = access.require("manager")

    @routes.get("/queue", summary="Show what waits", responses=documented(QueueShown, 401, 403, 404))
    async def show_queue(project: Project, by: Annotated[Principal, Depends(manager)]) -> Response:
        """How much waits for people, for how long, why, in whose hands, and how long it will take."""
        version = await in_force.get(project)
        shown = await _queue(waiting, project, version.spec, most_seconds_per_decision)
        return answer({**shown, "rereviews": (await rereviews.counts(project)).waiting})

    @routes.get(
        "/queue/next",
        summary="Show what is claimed next",
        responses=documented(NextTasks, 401, 403, 404, 422),
    )
    async def show_next(
        project: Project, query: Annotated[NextQuery, Query()], by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """The tasks of one pool in the order in which they are handed out; a person may be passed over."""
        await in_force.get(project)
        rows = await waiting.next(project, query.pool, query.count)
        return answer({"tasks": [_next(row) for row in rows]})

    @routes.post(
        "/tasks/{task_id}/release",
        summary="Take a task back from who holds it",
        responses=documented(Done, 401, 403, 404, 409, 413, 422),
    )
    async def release(
        project: Project, task_id: TaskId, body: Release, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """Others may take it at once. An answer that still comes is refused, and kept for its author."""
        task = await _task(waiting, project, task_id)
        if not await waiting.take_back(by.name, task, body.reviewer):
            raise ApiError(409, "not_in_hand", f"{body.reviewer} does not hold task {task_id} (any more)")
        return answer({"task_id": task_id})

    @routes.post(
        "/tasks/{task_id}/priority",
        summary="Put a task in front",
        responses=documented(Done, 401, 403, 404, 409, 422),
    )
    async def to_front(
        project: Project, task_id: TaskId, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """It is the next of its pool to be handed out; only what somebody has begun comes before it."""
        if not await waiting.to_front(by.name, await _task(waiting, project, task_id)):
            raise ApiError(409, "not_open", f"task {task_id} is in somebody's hands, settled, or a re-review")
        return answer({"task_id": task_id})

    return routes


async def _queue(
    waiting: WaitingTasks, project: str, spec: ProjectSpec, most_seconds_per_decision: float
) -> dict[str, Any]:
    sla_hours, each = spec.review.sla_hours, spec.policy.decisions_per_task
    found = await waiting.count(project, sla_hours)
    leases = await waiting.leases(project)
    reasons = await waiting.reasons(project)
    speed = await waiting.pace(project, each, spec.minutes_per_decision, sla_hours)
    people = await waiting.people(project, [skill.name for skill in spec.review.skills])
    pools = [_pool(pool, people.get(pool.pool, 0)) for pool in found.pools]
    out_of_reach = sum(pool["tasks"] for pool in pools if not pool["people"])
    return {
        "counted_at": found.counted_at,
        "open": found.tasks,
        "in_hand": leases.count,
        "waiting_for_item": await waiting.early(project),
        "begun": sum(pool.begun for pool in found.pools),
        "adjudications": sum(pool["tasks"] for pool in pools if pool["skill"] == EXPERT),
        "distressing": sum(pool["tasks"] for pool in pools if pool["distressing"]),
        "out_of_reach": out_of_reach,
        "pools": pools,
        "ages": found.ages,
        "oldest_at": found.oldest_at,
        "oldest_seconds": found.oldest_seconds,
        "sla_hours": sla_hours,
        "late": found.late,
        "reasons": reasons.by_reason,
        "reasons_sampled": reasons.sampled,
        "pace": speed,
        "forecast": pace.forecast(found.tasks, each, speed, sla_hours, out_of_reach=out_of_reach),
        "leases": [
            {**lease, "stuck": lease["idle_seconds"] > most_seconds_per_decision} for lease in leases.shown
        ],
    }


async def _task(waiting: WaitingTasks, project: str, task_id: int) -> TaskOf:
    task = await waiting.task(project, task_id)
    if task is None:
        raise ApiError(404, "unknown_task", f"project {project!r} has no task {task_id}")
    return task


def _pool(pool: Pool, people: int) -> dict[str, Any]:
    return {
        "pool": pool.pool,
        "skill": skill_of(pool.pool),
        "distressing": is_sensitive(pool.pool),
        "tasks": pool.tasks,
        "begun": pool.begun,
        "people": people,
    }


def _next(row: Any) -> dict[str, Any]:
    if row["blind"]:
        return {**row, "label": None, "confidence": None, "reasons": []}
    return {**row, "label": msgspec.Raw(row["label"].encode())}
