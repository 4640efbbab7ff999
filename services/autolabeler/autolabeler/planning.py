"""The plans in force: made anew when a project or its release changes, kept otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec
import structlog
from labelmill.errors import InvalidRecord
from labelmill.events import AcceptancePublished, ProjectPublished, ReleasePublished
from labelmill.releases import Release

from autolabeler.cascade import bar_of
from autolabeler.plan import Plan, audit_rate_of, plan_of

log = structlog.get_logger(__name__)


class Projects(Protocol):
    """The projects in force, as the follower of their topic knows them."""

    def get(self, key: str) -> ProjectPublished | None: ...

    async def catch_up(self) -> None: ...


class Releases(Protocol):
    """The releases in force."""

    def get(self, key: str) -> ReleasePublished | None: ...


class Acceptances(Protocol):
    """What may be accepted under each project's promise."""

    def get(self, key: str) -> AcceptancePublished | None: ...


class _Known(NamedTuple):
    """A plan, and the events it was made of."""

    published: ProjectPublished
    released: ReleasePublished | None
    accepts: AcceptancePublished | None
    plan: Plan


class Plans:
    """Gives each project's plan."""

    def __init__(
        self, projects: Projects, releases: Releases, acceptances: Acceptances, tokens_field: str
    ) -> None:
        self._projects = projects
        self._releases = releases
        self._acceptances = acceptances
        self._tokens_field = tokens_field
        self._known: dict[str, _Known] = {}

    async def of(self, wanted: Mapping[str, int]) -> dict[str, Plan | InvalidRecord]:
        """Return the plan of each project, or why there is none (`unknown_project`, `unknown_kind`).

        `wanted` are the projects, with the oldest guideline that will do: 0 is any.
        """
        if any(self._is_behind(name, guideline) for name, guideline in wanted.items()):
            await self._projects.catch_up()
        return {name: self._plan(name) for name in wanted}

    def _is_behind(self, name: str, guideline: int) -> bool:
        published = self._projects.get(name)
        return published is None or published.guideline_version < guideline

    def _plan(self, name: str) -> Plan | InvalidRecord:
        published = self._projects.get(name)
        if published is None:
            return InvalidRecord("unknown_project", f"no project {name!r} has been applied")
        released, accepts = self._releases.get(name), self._acceptances.get(name)
        known = self._known.get(name)
        if known is not None and known.published is published and known.released is released:
            if known.accepts is not accepts:
                plan = self._with_bar(known.plan, published, accepts)
                known = self._known[name] = _Known(published, released, accepts, plan)
            return known.plan
        try:
            plan = self._made(published, released.release if released else None, accepts)
        except InvalidRecord as error:
            return error
        self._known[name] = _Known(published, released, accepts, plan)
        log.info("plan made", project=name, version=published.version, release=plan.release)
        return plan

    @staticmethod
    def _with_bar(plan: Plan, published: ProjectPublished, accepts: AcceptancePublished | None) -> Plan:
        """Return the plan under a new acceptance, which may change with every audit: the prompts stay."""
        acceptance = accepts.acceptance if accepts else None
        bar = bar_of(published.spec.policy, plan.release, acceptance)
        audit_rate = audit_rate_of(published.spec.policy, acceptance)
        same = (bar, audit_rate) == (plan.bar, plan.audit_rate)
        return plan if same else replace(plan, bar=bar, audit_rate=audit_rate)

    def _made(
        self, published: ProjectPublished, release: Release | None, accepts: AcceptancePublished | None
    ) -> Plan:
        acceptance = accepts.acceptance if accepts else None
        try:
            return plan_of(published, release, acceptance, tokens_field=self._tokens_field)
        except InvalidRecord as error:
            if release is None or error.reason != "invalid_student":
                raise
            # The release is at fault, not the items: they can do without its student.
            log.error(
                "student left out", project=published.project, release=release.number, problem=str(error)
            )
            without = msgspec.structs.replace(release, student=None)
            return plan_of(published, without, acceptance, tokens_field=self._tokens_field)
