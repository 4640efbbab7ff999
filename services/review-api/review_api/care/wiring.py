"""The room's parts, made of each other."""

from dataclasses import dataclass

from fastapi import APIRouter
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.postgres import Database

from review_api.accounts.access import Access
from review_api.care import api
from review_api.care.attendance import Attendance
from review_api.care.consent import ConsentStore
from review_api.care.gate import Breaks, Exposure
from review_api.care.store import AttendanceStore
from review_api.projects.in_force import InForce
from review_api.projects.store import ProjectStore


@dataclass(frozen=True)
class Care:
    """What others need of the room: a component, a gate, who is shown what distresses, and the routes."""

    attendance: Attendance
    breaks: Breaks
    exposure: Exposure
    routers: tuple[APIRouter, ...]


def build(
    database: Database,
    projects: ProjectStore,
    in_force: InForce,
    access: Access,
    metrics: Metrics,
    *,
    most_seconds: float,
) -> Care:
    """Return the room; `most_seconds` is the longest active time of a piece of work."""
    store = AttendanceStore(database)
    attendance = Attendance(store, in_force, metrics, most_seconds)
    breaks, exposure = Breaks(attendance), Exposure(ConsentStore(database), in_force)
    routers = (
        api.router(breaks, exposure, in_force, access),
        api.pay_router(attendance, store, projects, access),
    )
    return Care(attendance, breaks, exposure, routers)
