"""The plans in force: made anew when a project or its release changes, kept otherwise."""

from collections.abc import Iterable
from typing import Protocol

import msgspec
import structlog
from labelmill.errors import InvalidRecord
from labelmill.events import ProjectPublished, ReleasePublished
from labelmill.releases import Release

from autolabeler.plan import Plan, plan_of

log = structlog.get_logger(__name__)


class Projects(Protocol):
    """The projects in force, as the follower of their topic knows them."""

    def get(self, key: str) -> ProjectPublished | None: ...

    async def catch_up(self) -> None: ...


class Releases(Protocol):
    """The releases in force."""

    def get(self, key: str) -> ReleasePublished | None: ...


class Plans:
    """Gives each project's plan."""

    def __init__(self, projects: Projects, releases: Releases, tokens_field: str) -> None:
        self._projects = projects
        self._releases = releases
        self._tokens_field = tokens_field
        self._known: dict[str, tuple[ProjectPublished, ReleasePublished | None, Plan]] = {}

    async def of(self, names: Iterable[str]) -> dict[str, Plan | InvalidRecord]:
        """Return the plan of each project, or why there is none (`unknown_project`, `unknown_kind`)."""
        wanted = set(names)
        if any(self._projects.get(name) is None for name in wanted):
            await self._projects.catch_up()
        return {name: self._plan(name) for name in wanted}

    def _plan(self, name: str) -> Plan | InvalidRecord:
        published = self._projects.get(name)
        if published is None:
            return InvalidRecord("unknown_project", f"no project {name!r} has been applied")
        released = self._releases.get(name)
        known = self._known.get(name)
        if known is not None and known[0] is published and known[1] is released:
            return known[2]
        try:
            plan = self._made(published, released.release if released else None)
        except InvalidRecord as error:
            return error
        self._known[name] = (published, released, plan)
        log.info("plan made", project=name, version=published.version, release=plan.release)
        return plan

    def _made(self, published: ProjectPublished, release: Release | None) -> Plan:
        try:
            return plan_of(published, release, tokens_field=self._tokens_field)
        except InvalidRecord as error:
            if release is None or error.reason != "invalid_student":
                raise
            # The release is at fault, not the items: they can do without its student.
            log.error(
                "student left out", project=published.project, release=release.number, problem=str(error)
            )
            without = msgspec.structs.replace(release, student=None)
            return plan_of(published, without, tokens_field=self._tokens_field)
