"""Routes of care and pay: one's own workload, consent and days, and a project's days for its managers."""

import csv
import dataclasses
import datetime
import io
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.care.attendance import Attendance
from review_api.care.gate import Breaks, Exposure
from review_api.care.pay import Workday
from review_api.care.store import AttendanceStore
from review_api.docs import Responses, documented
from review_api.errors import ApiError, unknown_project
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.in_force import InForce
from review_api.projects.store import ProjectStore
from review_api.tasks.api import LeaseBody, TaskId

_MOST_DAYS: Final = 366
_DEFAULT_DAYS: Final = 14

Since = Annotated[datetime.date | None, Query(description="first day (UTC); two weeks back unless given")]
Until = Annotated[datetime.date | None, Query(description="last day (UTC); today unless given")]
Days = Annotated[int, Query(ge=1, le=_MOST_DAYS, description="days back, today included")]


class RestShown(BaseModel):
    reason: Literal["break_due", "day_full"]
    until: int = Field(description="Unix milliseconds")


class BreaksShown(BaseModel):
    """Of all projects, up to some seconds ago."""

    active_seconds: float = Field(description="at work in the last 24 hours")
    most_active_seconds: float
    since_pause_seconds: float = Field(description="at work since the last pause")
    break_after_seconds: float = Field(description="0: no break is enforced")
    break_seconds: float
    rest: RestShown | None = Field(description="why no tasks are handed out now; null if they are")


class SensitiveShown(BaseModel):
    """Distressing items. `consent` is null before there was an answer, which means no."""

    applies: bool = Field(description="whether the project has any")
    consent: bool | None
    waiting: bool = Field(description="whether any wait that you would be given with your consent")
    shown: int = Field(description="shown in the last 24 hours, in all projects")
    most: int


class PayShown(BaseModel):
    usd_per_hour: float
    usd_per_decision: float | None = Field(description="null: people are paid by the hour")
    floor_usd_per_hour: float


class CareShown(BaseModel):
    breaks: BreaksShown
    sensitive: SensitiveShown
    pay: PayShown


class Consent(BaseModel):
    """Whether one would see distressing items of the project."""

    given: bool


class ConsentStored(BaseModel):
    given: bool
    given_back: int = Field(description="distressing tasks in hand that went to others")


class MayAsk(BaseModel):
    ask: bool


class RevealedShown(BaseModel):
    task_id: int
    content: str
    shown: int = Field(description="distressing items shown in the last 24 hours, with this one")
    given_back: list[int] = Field(
        description="distressing tasks in hand that went to others: enough were shown with this one"
    )


class MyDay(BaseModel):
    """A day of one's own in a project."""

    day: datetime.date
    project: str
    decisions: int = Field(description="tasks answered")
    skips: int
    reveals: int = Field(description="distressing items shown")
    active_seconds: float
    amount_usd: float
    effective_usd_per_hour: float | None
    floor_usd_per_hour: float
    below_floor: bool


class MyPay(BaseModel):
    days: list[MyDay] = Field(description="the newest first; days without work are missing")


class DayShown(BaseModel):
    """Somebody's day in a project. `checks` are answers to gold tasks, training included."""

    day: datetime.date
    reviewer: str
    decisions: int
    checks: int
    skips: int
    reveals: int
    active_seconds: float
    amount_usd: float
    effective_usd_per_hour: float | None
    below_floor: bool


class ProjectPay(BaseModel):
    since: datetime.date
    until: datetime.date
    floor_usd_per_hour: float
    amount_usd: float
    active_seconds: float
    below_floor: list[str] = Field(description="who had a day below the floor")
    days: list[DayShown] = Field(description="the oldest first")


_CSV_COLUMNS: Final = (
    "day", "reviewer", "project", "decisions", "checks", "skips", "active_minutes", "amount_usd",
    "effective_usd_per_hour",
)  # fmt: skip

_CSV: Responses = {
    200: {
        "description": "One line a person and day, with a header.",
        "content": {"text/csv": {"schema": {"type": "string"}, "example": ",".join(_CSV_COLUMNS) + "\r\n"}},
    }
}


def router(breaks: Breaks, exposure: Exposure, in_force: InForce, access: Access) -> APIRouter:
    """Return the routes about one's own workload and about distressing items."""
    routes = APIRouter(prefix="/v1", tags=["care"])
    reviewer, of_task = access.require("reviewer"), access.require_somewhere("reviewer")

    @routes.get(
        "/projects/{project}/care",
        summary="Show how long one has worked, and what holds for oneself",
        responses=documented(CareShown, 401, 403, 404),
    )
    async def care(project: Project, by: Annotated[Principal, Depends(reviewer)]) -> Response:
        version = await in_force.get(project)
        care, pay = version.spec.review.care, version.spec.review.pay
        load = await breaks.workload(by.name, care)
        sensitive = await exposure.state(by.name, version)
        waiting = sensitive.applies and await exposure.waiting(by.name, project)
        rest = load.rest and {"reason": load.rest.reason, "until": int(load.rest.until * 1000)}
        return answer(
            {
                "breaks": {
                    "active_seconds": load.active_seconds,
                    "most_active_seconds": care.active_hours_per_day * 3600,
                    "since_pause_seconds": load.since_pause_seconds,
                    "break_after_seconds": care.break_after_minutes * 60,
                    "break_seconds": care.break_minutes * 60,
                    "rest": rest,
                },
                "sensitive": {**dataclasses.asdict(sensitive), "waiting": waiting},
                "pay": {"usd_per_hour": version.spec.usd_per_hour, **_fields(pay)},
            }
        )

    @routes.put(
        "/projects/{project}/consent",
        summary="Say whether one would see distressing items",
        responses=documented(ConsentStored, 401, 403, 404, 413, 422),
    )
    async def consent(
        project: Project, body: Consent, by: Annotated[Principal, Depends(reviewer)]
    ) -> Response:
        """It can be withdrawn at any time: distressing tasks in hand go to others, and nothing else changes,
        neither pay nor standing."""
        given_back = await exposure.set_consent(by.name, project, given=body.given)
        return answer({"given": body.given, "given_back": given_back})

    @routes.post(
        "/projects/{project}/consent/question",
        summary="Ask whether to ask for consent now",
        responses=documented(MayAsk, 401, 403, 404),
    )
    async def question(project: Project, by: Annotated[Principal, Depends(reviewer)]) -> Response:
        """A page that is told `ask` shows the question: nobody who has answered is asked again, and nobody
        twice within 24 hours, in whatever project."""
        return answer({"ask": await exposure.may_ask(by.name, project)})

    @routes.post(
        "/tasks/{task_id}/reveal",
        summary="Show the text of a distressing task",
        responses=documented(RevealedShown, 401, 403, 404, 409, 413, 422),
    )
    async def reveal(
        task_id: TaskId, body: LeaseBody, by: Annotated[Principal, Depends(of_task)]
    ) -> Response:
        """Counts once a task. 403 `sensitive_full` once enough were shown within 24 hours: skip it then. What
        else distresses and was not shown yet goes to others as soon as enough were shown."""
        lease = (
            int(body.lease) if body.lease.isascii() and body.lease.isdigit() and len(body.lease) <= 18 else 0
        )
        found = await exposure.reveal(by, task_id, lease)
        return answer({"task_id": task_id, **dataclasses.asdict(found)})

    return routes


def pay_router(
    attendance: Attendance, workdays: AttendanceStore, projects: ProjectStore, access: Access
) -> APIRouter:
    """Return the routes about days and pay: everybody sees their own, managers those of their project."""
    routes = APIRouter(prefix="/v1", tags=["care"])
    someone, manager = access.require(), access.require("manager")

    @routes.get(
        "/me/pay", summary="Show one's own days and what they earn", responses=documented(MyPay, 401, 422)
    )
    async def my_pay(by: Annotated[Principal, Depends(someone)], days: Days = _DEFAULT_DAYS) -> Response:
        """Days are UTC's. A day is counted until the end of the day after."""
        await attendance.count(by.name)
        since = _today() - datetime.timedelta(days=days - 1)
        return answer({"days": [_mine(day) for day in await workdays.days_of(by.name, since)]})

    @routes.get(
        "/projects/{project}/pay",
        summary="Show everybody's days and what they earn",
        responses=documented(ProjectPay, 401, 403, 404, 422),
    )
    async def project_pay(
        project: Project, by: Annotated[Principal, Depends(manager)], since: Since = None, until: Until = None
    ) -> Response:
        """Up to a minute ago. Hidden checks, training and skips are paid like other work."""
        first, last, found = await _found(projects, workdays, project, since, until)
        return answer(
            {
                "since": first,
                "until": last,
                "floor_usd_per_hour": max((day.floor_usd_per_hour for day in found), default=0.0),
                "amount_usd": sum(day.amount_usd for day in found),
                "active_seconds": sum(day.active_seconds for day in found),
                "below_floor": sorted({day.reviewer for day in found if day.below_floor}),
                "days": [_everybodys(day) for day in found],
            }
        )

    @routes.get(
        "/projects/{project}/pay.csv",
        summary="Export everybody's days, for payroll",
        response_class=Response,
        responses={**documented(None, 401, 403, 404, 422), **_CSV},
    )
    async def payroll(
        project: Project, by: Annotated[Principal, Depends(manager)], since: Since = None, until: Until = None
    ) -> Response:
        _, _, found = await _found(projects, workdays, project, since, until)
        headers = {"Content-Disposition": f'attachment; filename="pay-{project}.csv"'}
        return Response(_csv(found), headers=headers, media_type="text/csv")

    return routes


async def _found(
    projects: ProjectStore,
    workdays: AttendanceStore,
    project: str,
    since: datetime.date | None,
    until: datetime.date | None,
) -> tuple[datetime.date, datetime.date, list[Workday]]:
    if not await projects.exists(project):
        raise unknown_project(project)
    last = until or _today()
    first = since or max(datetime.date.min, last - datetime.timedelta(days=_DEFAULT_DAYS - 1))
    if not 0 <= (last - first).days < _MOST_DAYS:
        raise ApiError(
            422, "invalid_request", f"`until` must be `since` or up to {_MOST_DAYS - 1} days after"
        )
    return first, last, await workdays.days_in(project, first, last)


def _mine(day: Workday) -> dict[str, Any]:
    return {
        "day": day.day,
        "project": day.project,
        "decisions": day.pieces,
        "skips": day.skips,
        "reveals": day.reveals,
        "active_seconds": day.active_seconds,
        "amount_usd": day.amount_usd,
        "effective_usd_per_hour": day.effective_usd_per_hour,
        "floor_usd_per_hour": day.floor_usd_per_hour,
        "below_floor": day.below_floor,
    }


def _everybodys(day: Workday) -> dict[str, Any]:
    return {
        "day": day.day,
        "reviewer": day.reviewer,
        "decisions": day.decisions,
        "checks": day.checks,
        "skips": day.skips,
        "reveals": day.reveals,
        "active_seconds": day.active_seconds,
        "amount_usd": day.amount_usd,
        "effective_usd_per_hour": day.effective_usd_per_hour,
        "below_floor": day.below_floor,
    }


def _csv(days: Iterable[Workday]) -> str:
    """Return lines for payroll. Names of accounts begin with a letter or digit: no program takes one for a
    formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_CSV_COLUMNS)
    for day in days:
        hourly = day.effective_usd_per_hour
        writer.writerow(
            [
                day.day.isoformat(), day.reviewer, day.project, day.decisions, day.checks, day.skips,
                f"{day.active_seconds / 60:.2f}", f"{day.amount_usd:.4f}",
                "" if hourly is None else f"{hourly:.2f}",
            ]
        )  # fmt: skip
    return text.getvalue()


def _fields(pay: Any) -> dict[str, Any]:
    return {"usd_per_decision": pay.usd_per_decision, "floor_usd_per_hour": pay.floor_usd_per_hour}


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()
