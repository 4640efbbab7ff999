"""Routes for inviting people, and for the invited."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from review_api.accounts import secrecy
from review_api.accounts.access import Access
from review_api.accounts.api import Me
from review_api.accounts.door import Door
from review_api.accounts.invitations import InvitationStore, unknown_invitation
from review_api.accounts.roles import NAME_PATTERN, Principal, ProjectRole, Role
from review_api.accounts.shapes import NewPassword
from review_api.docs import documented
from review_api.errors import ApiError, unknown_project
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.store import ProjectStore

log = structlog.get_logger(__name__)

_MOST_HOURS = 24 * 90

InvitationId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Secret = Annotated[str, Field(max_length=100)]


class ProjectInvitation(BaseModel):
    """Roles in one project, for whoever brings the link. `note` says to yourself whom it is for."""

    roles: list[ProjectRole] = Field(min_length=1, examples=[["reviewer"]])
    note: str = Field(default="", max_length=200, examples=["Grace, from the clinic"])
    hours: int = Field(default=72, ge=1, le=_MOST_HOURS)


class GlobalInvitation(BaseModel):
    """Roles that hold in all projects."""

    roles: list[Role] = Field(min_length=1, examples=[["reviewer"]])
    note: str = Field(default="", max_length=200)
    hours: int = Field(default=72, ge=1, le=_MOST_HOURS)


class InvitationMade(BaseModel):
    """A new invitation: the only time that its secret is shown. `path` is the address of the page for it; the
    secret stands in the fragment, which browsers send to nobody."""

    invitation_id: int
    token: str
    path: str
    expires_at: int


class InvitationRow(BaseModel):
    invitation_id: int
    project: str | None
    roles: list[Role]
    note: str
    made_by: str
    used_by: str | None
    made_at: int
    expires_at: int


class InvitationList(BaseModel):
    invitations: list[InvitationRow]


class Brought(BaseModel):
    """The secret of an invitation."""

    token: Secret


class Accepted(BaseModel):
    """The secret, and what the invited chose."""

    token: Secret
    name: str = Field(pattern=NAME_PATTERN, examples=["grace"])
    password: NewPassword


class OfferShown(BaseModel):
    """What an invitation gives; `project` is null where it is for all."""

    project: str | None
    roles: list[Role]
    expires_at: int


def router(invitations: InvitationStore, projects: ProjectStore, access: Access) -> APIRouter:
    """Return the routes for who invites."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    admin, manager = access.require("admin"), access.require("manager")

    @routes.post(
        "/invitations",
        summary="Invite somebody to all projects",
        responses=documented(InvitationMade, 401, 403, 413, 422, status=201),
        status_code=201,
    )
    async def invite(body: GlobalInvitation, by: Annotated[Principal, Depends(admin)]) -> Response:
        return await _make(invitations, body, None, by)

    @routes.get("/invitations", summary="List invitations", responses=documented(InvitationList, 401, 403))
    async def list_all(_: Annotated[Principal, Depends(admin)]) -> Response:
        """The newest 200, those to single projects too."""
        return answer({"invitations": await invitations.all(None)})

    @routes.delete(
        "/invitations/{invitation_id}",
        summary="Revoke an invitation",
        responses=documented(None, 401, 403, 404, 422, status=204),
        status_code=204,
    )
    async def revoke(invitation_id: InvitationId, by: Annotated[Principal, Depends(admin)]) -> Response:
        return await _revoke(invitations, invitation_id, None, by)

    @routes.post(
        "/projects/{project}/invitations",
        summary="Invite somebody to a project",
        responses=documented(InvitationMade, 401, 403, 404, 413, 422, status=201),
        status_code=201,
    )
    async def invite_to_project(
        project: Project, body: ProjectInvitation, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        if not await projects.exists(project):
            raise unknown_project(project)
        return await _make(invitations, body, project, by)

    @routes.get(
        "/projects/{project}/invitations",
        summary="List invitations to a project",
        responses=documented(InvitationList, 401, 403, 404),
    )
    async def list_of_project(project: Project, _: Annotated[Principal, Depends(manager)]) -> Response:
        return answer({"invitations": await invitations.all(project)})

    @routes.delete(
        "/projects/{project}/invitations/{invitation_id}",
        summary="Revoke an invitation to a project",
        responses=documented(None, 401, 403, 404, 422, status=204),
        status_code=204,
    )
    async def revoke_of_project(
        project: Project, invitation_id: InvitationId, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        return await _revoke(invitations, invitation_id, project, by)

    return routes


def invited_router(
    invitations: InvitationStore, access: Access, passwords: secrecy.Passwords, door: Door
) -> APIRouter:
    """Return the routes for who is invited: all but one for somebody without an account."""
    routes = APIRouter(prefix="/v1", tags=["accounts"])
    someone, nobody = access.require(), [Depends(access.unknown())]

    @routes.post(
        "/invitation",
        summary="Look at an invitation",
        responses=documented(OfferShown, 404, 413, 422, 429),
        dependencies=nobody,
    )
    async def look(body: Brought) -> Response:
        """The secret goes in the body, where no log keeps it."""
        offer = await invitations.look(secrecy.token_hash(body.token))
        if offer is None:
            raise unknown_invitation()
        return answer(offer)

    @routes.post(
        "/invitation/accept",
        summary="Accept an invitation with a new account",
        responses=documented(Me, 404, 409, 413, 422, 429),
        dependencies=nobody,
    )
    async def accept(body: Accepted, request: Request) -> Response:
        """Makes the account and signs it in, as signing in does. An invitation serves once."""
        token_hash = secrecy.token_hash(body.token)
        if await invitations.look(token_hash) is None:  # before a password is hashed, which is dear
            raise unknown_invitation()
        hashed = await passwords.hash(body.password)
        async with invitations.accepting(token_hash, body.name, hashed):
            pass
        log.info("invitation accepted", account=body.name)
        return await door.enter(body.name, request)

    @routes.post(
        "/me/invitation",
        summary="Accept an invitation with the account one has",
        responses=documented(Me, 401, 403, 404, 413, 422),
    )
    async def accept_as(
        body: Brought, request: Request, by: Annotated[Principal, Depends(someone)]
    ) -> Response:
        """The account keeps its roles, and has those of the invitation too."""
        await invitations.accept(secrecy.token_hash(body.token), by.name)
        access.forget()
        log.info("invitation accepted", account=by.name)
        return answer(await door.me_of(await access.principal(request), request))

    return routes


async def _make(
    invitations: InvitationStore,
    body: ProjectInvitation | GlobalInvitation,
    project: str | None,
    by: Principal,
) -> Response:
    token = secrecy.new_token()
    made, expires_at = await invitations.make(
        secrecy.token_hash(token), project, body.roles, note=body.note, hours=body.hours, by=by.name
    )
    log.info("invitation made", invitation_id=made, project=project, roles=body.roles, by=by.name)
    path = f"/invitation#token={token}"
    return answer({"invitation_id": made, "token": token, "path": path, "expires_at": expires_at}, 201)


async def _revoke(
    invitations: InvitationStore, invitation_id: int, project: str | None, by: Principal
) -> Response:
    if not await invitations.revoke(invitation_id, project, by.name):
        raise ApiError(404, "unknown_invitation", f"there is no open invitation {invitation_id}")
    log.info("invitation revoked", invitation_id=invitation_id, by=by.name)
    return Response(status_code=204)
