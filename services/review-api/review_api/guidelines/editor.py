"""Reading the guideline's versions, and publishing the next, between the HTTP routes and the stores."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog
from labelmill.projects import LabelSpec, ProjectSpec

from review_api.accounts.audit import record
from review_api.errors import ApiError, unknown_project
from review_api.guidelines.diffing import Diff, compared
from review_api.guidelines.drafting import with_examples
from review_api.guidelines.edge_cases import EdgeCases
from review_api.guidelines.editing import edited
from review_api.guidelines.store import Guideline, Guidelines, VersionLine
from review_api.projects.publishing import ProjectPublisher
from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version

log = structlog.get_logger(__name__)

MOST_EXAMPLES: Final = 100
"""Edge cases that one version may bring."""


@dataclass(frozen=True)
class Edit:
    """What somebody made of the guideline version `based_on`. `edge_cases` are those that are now in it; the
    labels stay if None."""

    based_on: int
    guideline: str
    labels: Sequence[LabelSpec] | None
    edge_cases: Sequence[int]


@dataclass(frozen=True)
class Draft:
    """The guideline in force, with an example more for each of `edge_cases`."""

    based_on: int
    guideline: str
    labels: list[LabelSpec]
    edge_cases: list[int]


class Editor:
    """Guidelines to read and to edit. Each method raises ApiError 404 for what does not exist."""

    def __init__(
        self,
        guidelines: Guidelines,
        edge_cases: EdgeCases,
        projects: ProjectStore,
        publishing: ProjectPublisher,
    ) -> None:
        self._guidelines = guidelines
        self._edge_cases = edge_cases
        self._projects = projects
        self._publishing = publishing

    async def versions(self, project: str) -> tuple[int, list[VersionLine]]:
        """Return the number of the guideline in force, and all versions, the newest first."""
        version = await self._present(project)
        return version.guideline_version, await self._guidelines.versions(project)

    async def text(self, project: str, number: int) -> Guideline:
        """Return a version of the guideline."""
        found = await self._guidelines.at(project, number)
        if found is None:
            await self._present(project)
            raise ApiError(404, "unknown_version", f"project {project} has no guideline version {number}")
        return found

    async def diff(self, project: str, old: int, new: int) -> Diff:
        """Return what differs between two versions."""
        before, after = await self.text(project, old), await self.text(project, new)
        # In a thread: long texts take a while, and other requests wait for the loop.
        return await asyncio.to_thread(
            compared, before.guideline, after.guideline, before.labels, after.labels
        )

    async def draft(self, project: str) -> Draft:
        """Return what the next version may begin with."""
        version = await self._present(project)
        numbers, examples = await self._edge_cases.accepted(project, MOST_EXAMPLES)
        text = with_examples(version.spec.guideline, examples)
        return Draft(version.guideline_version, text, version.spec.labels, numbers)

    async def publish(self, project: str, edit: Edit, by: str) -> Version:
        """Bring an edit into force, and return once the other services are told.

        Raises:
            ApiError: 409 `stale_edit`, 422 `invalid_project`, or 503 `not_published`, as `ProjectPublisher`.
        """

        def change(present: Version) -> ProjectSpec:
            return edited(present, edit.based_on, edit.guideline, edit.labels)

        async def note(connection: asyncpg.Connection, version: Version) -> None:
            number = version.guideline_version
            await self._edge_cases.published(connection, project, edit.edge_cases, number)
            detail = {"based_on": edit.based_on, "edge_cases": edit.edge_cases}
            await record(connection, by, "guideline.published", str(number), detail, project=project)

        version = await self._projects.change(project, change, by, note)
        if version.guideline_version != edit.based_on:
            log.info("guideline published", project=project, version=version.guideline_version, by=by)
        await self._publishing.publish(project)
        return version

    async def _present(self, project: str) -> Version:
        version = await self._projects.get(project)
        if version is None:
            raise unknown_project(project)
        return version
