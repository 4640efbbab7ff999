"""Asking for a campaign's plan, between the HTTP routes and the stores."""

from typing import Any, Final

import msgspec

from review_api.errors import ApiError, unknown_project
from review_api.guidelines.campaign_store import Campaign, Campaigns, Mode
from review_api.guidelines.edge_cases import EdgeCases
from review_api.guidelines.selection import MOST_TEXTS, Selection, problem_of
from review_api.guidelines.store import Guidelines
from review_api.projects.store import ProjectStore
from review_api.tasks.pools import Pools

_MOST_SHOWN: Final = 50


class Choosing:
    """Has campaigns planned."""

    def __init__(
        self, campaigns: Campaigns, guidelines: Guidelines, edge_cases: EdgeCases, projects: ProjectStore
    ) -> None:
        self._campaigns = campaigns
        self._guidelines = guidelines
        self._edge_cases = edge_cases
        self._projects = projects

    async def campaigns(self, project: str) -> list[Campaign]:
        """Return the newest campaigns of a project. Raises ApiError 404."""
        if not await self._projects.exists(project):
            raise unknown_project(project)
        return await self._campaigns.all(project, _MOST_SHOWN)

    async def items(
        self, project: str, campaign_id: int, state: str, most: int, reviewer: str | None
    ) -> list[dict[str, Any]]:
        """Return the next items of a campaign that are in a state, see `Campaigns.items`. Raises ApiError
        404."""
        campaign = await self._campaigns.get(project, campaign_id)
        version = await self._projects.get(project)
        if version is None:
            raise unknown_project(project)
        return await self._campaigns.items(campaign, state, most, Pools.of(version.spec.review), reviewer)

    async def plan(
        self, project: str, mode: Mode, selection: Selection, *, by: str, with_edge_cases: bool
    ) -> Campaign:
        """Have a campaign planned under the guideline in force; `with_edge_cases` adds their texts to those
        of the selection.

        Raises:
            ApiError: 404; 422 `invalid_selection`; 409 `campaign_open` while another one runs.
        """
        version = await self._projects.get(project)
        if version is None:
            raise unknown_project(project)
        if with_edge_cases:
            room = MOST_TEXTS - len(selection.texts)
            texts = [*selection.texts, *(await self._edge_cases.texts(project, room) if room > 0 else [])]
            selection = msgspec.structs.replace(selection, texts=texts)
        problem = problem_of(selection, await self._guidelines.labels_ever(project))
        if problem is not None:
            raise ApiError(422, "invalid_selection", problem)
        return await self._campaigns.add(project, version.guideline_version, mode, selection, by)
