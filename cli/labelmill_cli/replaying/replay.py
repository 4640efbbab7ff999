"""Recorded routes under another policy, beside what was recorded."""

from collections.abc import Iterable, Mapping

import msgspec
from labelmill.acceptance import Threshold
from labelmill.events import ProjectPublished
from labelmill.policy import COVERABLE, Policy, Route
from labelmill.projects import ProjectSpec, VoterSpec

from labelmill_cli.replaying.evidence import Course, as_recorded, same_promise
from labelmill_cli.replaying.recorded import Recorded
from labelmill_cli.replaying.survey import Survey
from labelmill_cli.replaying.tally import Outcome, Rates, Tally

Versions = Mapping[int, ProjectPublished]
"""A project's definitions by their version."""

_COVERABLE = frozenset(COVERABLE)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a promise that was not in force would have rested on.

    `opened_at`: when it first accepted anything (Unix milliseconds), None if it never did; `since` is the
    outcome of what was routed from then on. `is_limited`: audits exist only of what earlier policies would
    have accepted, and no more than that is accepted here.
    """

    state: str
    sentence: str
    audits: int
    audit_errors: int
    thresholds: list[Threshold]
    opened_at: int | None
    since: Outcome | None
    is_limited: bool


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded, and what the policy tried would have done.

    `reproduced`: routes that come out as recorded under the policies that made them; all of them, unless the
    record is older than this build. `newly_accepted` and `newly_people`: items that change sides. `evidence`
    is None unless the policy makes a promise that was not in force.
    """

    project: str
    routes: int
    reproduced: int
    recorded: Outcome
    tried: Outcome
    newly_accepted: int
    newly_people: int
    evidence: Evidence | None
    notes: list[str]


def replayed(
    lines: Iterable[Recorded], survey: Survey, tried: ProjectPublished, versions: Versions, rates: Rates
) -> Replay:
    """Return what `tried` would have done with `lines`, all of which `survey` has seen.

    `versions`: the definitions that routed them.

    Raises:
        InvalidRecord: if a recorded label is none of those of `tried`.
    """
    course = _course(tried, survey, versions)
    both = _Both(tried, course, versions, survey)
    for line in lines:
        both.add(line)
    return Replay(
        project=tried.project,
        routes=survey.routes,
        reproduced=both.reproduced,
        recorded=both.recorded.outcome(rates),
        tried=both.tried.outcome(rates),
        newly_accepted=both.newly_accepted,
        newly_people=both.newly_people,
        evidence=_evidence(course, both.since.outcome(rates)) if course else None,
        notes=_notes(tried.spec, versions[max(versions)].spec) if versions else [],
    )


class _Both:
    """The recorded routes and those of the policy tried, summed up side by side."""

    def __init__(
        self, tried: ProjectPublished, course: Course | None, versions: Versions, survey: Survey
    ) -> None:
        self._survey = survey
        self._new = _Router(tried, course)
        self._old = {number: _Router(version) for number, version in versions.items()}
        self._opened_at = course.opened_at if course else None
        self.recorded, self.tried, self.since = Tally(), Tally(), Tally()
        self.reproduced = self.newly_accepted = self.newly_people = 0

    def add(self, line: Recorded) -> None:
        was, now = self._old[line.project_version].route(line), self._new.route(line)
        self.reproduced += line.matches(was)
        accepted_then = self._count(self.recorded, line, was._replace(reasons=line.reasons), releases=True)
        accepts_now = self._count(self.tried, line, now, releases=self._new.releases_as_recorded)
        if self._opened_at is not None and line.routed_at >= self._opened_at:
            self._count(self.since, line, now, releases=False)
        self.newly_accepted += accepts_now and not accepted_then
        self.newly_people += accepted_then and not accepts_now

    def _count(self, tally: Tally, line: Recorded, route: Route, *, releases: bool) -> bool:
        """Count a route; return whether the machine's label stands in the end. `releases`: what new evidence
        let go is let go."""
        may_be = releases and not route.accepted and set(route.reasons) <= _COVERABLE
        released = may_be and line.withdrawn
        speaks = may_be and not released and self._survey.is_like_released(line)
        tally.add(line, route, released=released, speaks_for_released=speaks)
        return route.accepted or released


class _Router:
    """Routes recorded scores under one definition."""

    def __init__(self, published: ProjectPublished, course: Course | None = None) -> None:
        self._policy = Policy.of(published)
        self._course = course

    def route(self, line: Recorded) -> Route:
        policy = self._policy
        score = line.score(policy.project, policy.kind_name)
        if self._course:
            return self._course.route(score, line.routed_at)
        return (as_recorded(policy, line) if policy.promises else policy).route(score)

    @property
    def releases_as_recorded(self) -> bool:
        """Whether what was let go once evidence sufficed is let go again: the evidence is the same."""
        return self._policy.promises and self._course is None


def _course(tried: ProjectPublished, survey: Survey, versions: Versions) -> Course | None:
    """Return the course of a promise; None without one, or if it was the one in force all along."""
    in_force = [each.spec for each in versions.values()]
    if tried.spec.policy.target_error is None or all(same_promise(tried.spec, spec) for spec in in_force):
        return None
    return Course(tried, survey, list(versions.values()))


def _evidence(course: Course, since: Outcome) -> Evidence:
    acceptance = course.acceptance
    return Evidence(
        state=acceptance.state,
        sentence=acceptance.sentence,
        audits=acceptance.audits,
        audit_errors=acceptance.audit_errors,
        thresholds=[each for each in acceptance.thresholds if each.by_label or each.confidence <= 1.0],
        opened_at=course.opened_at,
        since=None if course.opened_at is None else since,
        is_limited=course.is_limited,
    )


def _notes(tried: ProjectSpec, newest: ProjectSpec) -> list[str]:
    """Say what differs between the definitions and has no effect on a replay."""
    checks = [
        (_unpriced(tried) != _unpriced(newest), "voters"),
        (tried.guideline != newest.guideline, "guideline"),
        (tried.training != newest.training, "training"),
    ]
    differing = [what for differs, what in checks if differs]
    if not differing:
        return []
    return [
        f"the votes are as recorded, so the file's changes have no effect here in: {', '.join(differing)}"
    ]


def _unpriced(spec: ProjectSpec) -> list[VoterSpec]:
    """Return the voters without their prices: applying a project fills these in, and votes do not depend on
    them."""
    return [
        msgspec.structs.replace(
            voter, input_usd_per_mtok=msgspec.UNSET, output_usd_per_mtok=msgspec.UNSET, batch_discount=None
        )
        for voter in spec.voters
    ]
