"""The versions of projects that are in force, remembered for moments."""

import time

from review_api.errors import unknown_project
from review_api.projects.store import ProjectStore
from review_api.projects.versions import Version

_REMEMBERED_SECONDS = 2.0


class InForce:
    """Looks up versions in force. Of names that no project has it remembers nothing."""

    def __init__(self, store: ProjectStore) -> None:
        self._store = store
        self._known: dict[str, tuple[Version, float]] = {}

    async def get(self, project: str, *, afresh: bool = False, at_least: int = 0) -> Version:
        """Return a project's version in force, not older than moments; `afresh`, than now. What is remembered
        is not enough, either, if its guideline is older than `at_least`, of which the caller has heard.

        Raises ApiError 404 if there is no such project.
        """
        now = time.monotonic()
        known = self._known.get(project)
        if known is not None and now < known[1] and not afresh and known[0].guideline_version >= at_least:
            return known[0]
        version = await self._store.get(project)
        if version is None:
            raise unknown_project(project)
        present = self._known.get(project)
        if present is not None and present[0].version > version.version:
            return present[0]  # another look-up was asked later, and answered sooner
        self._known[project] = (version, now + _REMEMBERED_SECONDS)
        return version
