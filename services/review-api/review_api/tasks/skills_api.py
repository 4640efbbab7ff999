"""Routes about who has which skill."""

from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Depends, Path, Response
from labelmill.projects.review import EXPERT
from pydantic import BaseModel

from review_api.accounts.access import Access
from review_api.accounts.roles import NAME_PATTERN, Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer
from review_api.projects.api import Project
from review_api.projects.in_force import InForce
from review_api.tasks.skills import SkillStore

Person = Annotated[str, Path(pattern=NAME_PATTERN, examples=["ada"])]
Skill = Annotated[str, Path(max_length=63, examples=["medical"])]


class SkillGranted(BaseModel):
    reviewer: str
    skill: str
    source: Literal["manager", "gold"]
    granted_at: int


class SkillList(BaseModel):
    """`skills` are all that the project knows; `grants` say who has which."""

    skills: list[str]
    grants: list[SkillGranted]


class SkillHeld(BaseModel):
    """`changed` is false if it was so already."""

    reviewer: str
    skill: str
    held: bool
    changed: bool


def router(store: SkillStore, in_force: InForce, access: Access) -> APIRouter:
    """Return the routes about skills."""
    routes = APIRouter(prefix="/v1/projects/{project}/skills", tags=["people"])
    manager = access.require("manager")

    @routes.get("", summary="List who has which skill", responses=documented(SkillList, 401, 403, 404))
    async def list_skills(project: Project, _: Annotated[Principal, Depends(manager)]) -> Response:
        return answer({"skills": await _known(in_force, project), "grants": await store.all(project)})

    @routes.put(
        "/{skill}/{name}",
        summary="Grant a skill",
        responses=documented(SkillHeld, 401, 403, 404, 422),
    )
    async def grant(
        project: Project, skill: Skill, name: Person, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """Who has it may claim the tasks that need it, within moments. Experts (`expert`) adjudicate."""
        if skill not in await _known(in_force, project, afresh=True):
            raise ApiError(404, "unknown_skill", f"project {project!r} knows no skill {skill!r}")
        try:
            changed = await store.grant(project, name, skill, by.name)
        except asyncpg.ForeignKeyViolationError:
            raise ApiError(404, "unknown_account", f"there is no account {name!r}") from None
        return answer({"reviewer": name, "skill": skill, "held": True, "changed": changed})

    @routes.delete(
        "/{skill}/{name}",
        summary="Take a skill away",
        responses=documented(SkillHeld, 401, 403, 404, 422),
    )
    async def revoke(
        project: Project, skill: Skill, name: Person, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        await in_force.get(project)
        changed = await store.revoke(project, name, skill, by.name)
        return answer({"reviewer": name, "skill": skill, "held": False, "changed": changed})

    return routes


async def _known(in_force: InForce, project: str, *, afresh: bool = False) -> list[str]:
    version = await in_force.get(project, afresh=afresh)
    return [EXPERT, *(skill.name for skill in version.spec.review.skills)]
