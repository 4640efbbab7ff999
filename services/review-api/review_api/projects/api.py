"""Routes for defining projects and looking at them."""

from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from labelmill.errors import InvalidProject
from labelmill.prices import Prices, priced
from labelmill.projects import ProjectSpec, load_project
from pydantic import BaseModel

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError, unknown_project
from review_api.http import answer
from review_api.ledger.figures import Figures
from review_api.projects.publishing import ProjectPublisher
from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version

log = structlog.get_logger(__name__)

Project = Annotated[str, Path(max_length=63, examples=["sentiment"])]

_MOST_SPEC_BYTES = 1024 * 1024
_MOST_VERSION = 2**31 - 1

STREAMED: Final = ("PUT", "/v1/projects/{project}")
"""The route that reads its body itself, up to a limit of its own."""

_EXAMPLE = """\
project: sentiment
title: Sentiment of tweets
labels:
  - {name: positive, description: the writer feels good about it}
  - {name: negative}
guideline: |
  Decide how the writer feels, not how you feel.
voters:
  - {name: llm, type: llm, model: smollm2}
policy: {accept_threshold: 0.9, audit_rate: 0.02}
"""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/yaml": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


class ProjectSaved(BaseModel):
    """The version in force; `changed` is false if the definition was the same already. `warnings` are
    sentences about what was filled in, and about what the change does not reach."""

    project: str
    version: int
    guideline_version: int
    changed: bool
    warnings: list[str]


class ProjectLine(BaseModel):
    project: str
    title: str
    version: int
    guideline_version: int


class ProjectList(BaseModel):
    projects: list[ProjectLine]


class ProjectShown(BaseModel):
    """A project with its whole definition."""

    project: str
    version: int
    guideline_version: int
    spec: dict[str, Any]


def router(
    store: ProjectStore, publishing: ProjectPublisher, figures: Figures, access: Access, prices: Prices
) -> APIRouter:
    """Return the routes about projects; `prices` fill in those that a definition leaves out."""
    routes = APIRouter(prefix="/v1/projects", tags=["projects"])
    someone = access.require()
    manager = access.require("manager")

    @routes.put(
        "/{project}",
        summary="Define a project, or change it",
        responses=documented(ProjectSaved, 401, 403, 422, 503),
        openapi_extra=_BODY,
    )
    async def put_project(
        project: Project, request: Request, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """The body is the definition in YAML (or JSON, which is YAML). The answer comes once the other
        services are told; if that takes too long, the answer is 503 `not_published`, and they are told later.
        The same definition again changes nothing. Prices that it leaves out come from the price file.
        """
        spec, warnings = priced(_read(await _body(request), project), prices)
        version, changed = await store.put(spec, by.name)
        if changed and (earlier := await store.goes_back_to(project, version)) is not None:
            warnings.append(_undone(earlier, version.guideline_version))
        if changed:
            warnings += await _kept(store, figures, version)
        await publishing.publish(project)
        log.info("project applied", project=project, version=version.version, changed=changed, by=by.name)
        return answer(
            {
                "project": project,
                "version": version.version,
                "guideline_version": version.guideline_version,
                "changed": changed,
                "warnings": warnings,
            }
        )

    @routes.get("", summary="List the projects", responses=documented(ProjectList, 401))
    async def list_projects(by: Annotated[Principal, Depends(someone)]) -> Response:
        """Those in which the account has a role; with a role that holds everywhere, all."""
        return answer({"projects": [line for line in await store.all() if by.roles_in(line.project)]})

    @routes.get("/{project}", summary="Show a project", responses=documented(ProjectShown, 401, 404, 422))
    async def get_project(
        project: Project,
        _: Annotated[Principal, Depends(someone)],
        version: Annotated[int | None, Query(ge=1, le=_MOST_VERSION, description="[in force]")] = None,
    ) -> Response:
        """The definition in force, or an earlier one."""
        found = await (store.get(project) if version is None else store.at(project, version))
        if found is None:
            raise unknown_project(project) if version is None else _unknown_version(project, version)
        return answer(
            {
                "project": project,
                "version": found.version,
                "guideline_version": found.guideline_version,
                "spec": found.spec,
            }
        )

    return routes


async def _kept(store: ProjectStore, figures: Figures, version: Version) -> list[str]:
    """Return what is to be told of the tasks that wait if a version asks for another number of decisions.

    A task keeps the rows it was made with: each is a decision that is needed, and audits among them are drawn
    and judged by the number they were asked for.
    """
    before = await store.at(version.spec.project, version.version - 1)
    wanted = version.spec.policy.decisions_per_task
    if before is None or before.spec.policy.decisions_per_task == wanted:
        return []
    status = await figures.status(version.spec.project)
    waiting = status.open_tasks + status.leased_tasks
    if not waiting:
        return []
    old = before.spec.policy.decisions_per_task
    return [
        f"policy.decisions_per_task is {wanted} for tasks made from now on: {waiting:,} that wait or are in "
        f"hand keep what they were made with (policy.decisions_per_task was {old})"
    ]


def _undone(earlier: int, now: int) -> str:
    return (
        f"guideline version {now} goes back to version {earlier}: what was published since, perhaps on the "
        "page, is no longer in force"
    )


def _unknown_version(project: str, version: int) -> ApiError:
    return ApiError(404, "unknown_version", f"project {project} has no version {version}")


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_SPEC_BYTES:
            raise ApiError(422, "invalid_project", f"a definition has at most {_MOST_SPEC_BYTES} bytes")
    return body


def _read(body: bytes, project: str) -> ProjectSpec:
    try:
        spec = load_project(body)
    except InvalidProject as error:
        raise ApiError(422, "invalid_project", str(error)) from error
    if spec.project != project:
        raise ApiError(
            422, "invalid_project", f"project: {spec.project!r} differs from the {project!r} in the address"
        )
    return spec
