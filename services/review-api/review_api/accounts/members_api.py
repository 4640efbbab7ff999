"""Routes for the members of a project."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.members import MemberStore
from review_api.accounts.roles import Principal, ProjectRole, Role
from review_api.accounts.shapes import AccountName
from review_api.docs import documented
from review_api.errors import ApiError, unknown_project
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.store import ProjectStore

log = structlog.get_logger(__name__)


class MemberRoles(BaseModel):
    """What a member may do in a project."""

    roles: list[ProjectRole] = Field(min_length=1, examples=[["reviewer"]])


class MemberRow(BaseModel):
    """Somebody with roles in the project; those `everywhere` hold in all, and only admins give them."""

    name: str
    roles: list[ProjectRole]
    everywhere: list[Role]


class MemberList(BaseModel):
    members: list[MemberRow]


class MemberSaved(BaseModel):
    name: str
    roles: list[ProjectRole]


def router(members: MemberStore, projects: ProjectStore, access: Access) -> APIRouter:
    """Return the routes about members."""
    routes = APIRouter(prefix="/v1/projects/{project}/members", tags=["accounts"])
    manager = access.require("manager")

    @routes.get("", summary="List a project's members", responses=documented(MemberList, 401, 403, 404))
    async def list_members(project: Project, _: Annotated[Principal, Depends(manager)]) -> Response:
        """Who has a role in this project, and who has one in all."""
        await _require_project(projects, project)
        return answer({"members": await members.members(project)})

    @routes.put(
        "/{name}",
        summary="Give an account roles in a project",
        responses=documented(MemberSaved, 401, 403, 404, 413, 422),
    )
    async def set_member(
        project: Project, name: AccountName, body: MemberRoles, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """In place of those it had there. Nobody but an admin changes their own."""
        _refuse_oneself(by, name)
        await _require_project(projects, project)
        if not await members.set(project, name, body.roles, by.name):
            raise ApiError(404, "unknown_account", f"there is no account {name!r}")
        access.forget()
        log.info("member saved", project=project, account=name, roles=body.roles, by=by.name)
        return answer({"name": name, "roles": sorted(set(body.roles))})

    @routes.delete(
        "/{name}",
        summary="Take an account's roles in a project",
        responses=documented(None, 401, 403, 404, 422, status=204),
        status_code=204,
    )
    async def remove_member(
        project: Project, name: AccountName, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """What it has decided stays."""
        if not await members.remove(project, name, by.name):
            raise ApiError(404, "unknown_member", f"{name!r} is no member of {project}")
        access.forget()
        log.info("member removed", project=project, account=name, by=by.name)
        return Response(status_code=204)

    return routes


def _refuse_oneself(by: Principal, name: str) -> None:
    if name == by.name and "admin" not in by.roles:
        raise ApiError(403, "own_roles", "nobody gives roles to themselves: ask another manager or an admin")


async def _require_project(projects: ProjectStore, project: str) -> None:
    if not await projects.exists(project):
        raise unknown_project(project)
