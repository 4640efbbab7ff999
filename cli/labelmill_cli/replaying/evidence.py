"""What a promise would have allowed to accept, on the audits that were recorded.

A promise that was in force is replayed on the evidence it had: each route tells what that allowed. Another
one is worked out from the recorded audits, in the order of their decisions and through the same gate as in
the trainer. Two things make that later than it would have been, never more lenient: past audits cannot be
scored anew under a later release here, so each release begins without evidence; and audits that the other
promise would have drawn besides do not exist.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from labelmill.acceptance import LEAST_CONFIDENCE, Acceptance, Threshold
from labelmill.events import LabelScored, ProjectPublished
from labelmill.policy import ALARM, COLD_START, LOW_CONFIDENCE, UNCALIBRATED, Policy, Route
from labelmill.projects import ProjectSpec
from labelmill.promise.gate import LOOK, Audit
from labelmill.promise.raters import Pairs
from labelmill.promise.standing import Standing, judged, promise_of, published

from labelmill_cli.replaying.recorded import Recorded
from labelmill_cli.replaying.survey import Survey

NEVER_AUDITED: Final = "never_audited"
"""Why a replay accepts nothing where no audit was ever drawn, whatever the confidence."""

_UNMEASURED: Final = Pairs(0, 0)
"""Raters' agreement is not recorded here: without it a promise is the stricter one."""


def as_recorded(policy: Policy, line: Recorded) -> Policy:
    """Return a policy that promises, with the evidence that it had when it routed `line`.

    Of an item that was not drawn the rate is unknown, but for being below its draw: as good as 0.
    """
    rate = line.audit_rate or (line.propensity if line.is_acceptable else 0.0)
    return replace(policy, acceptance=_allowed(line, rate), audit_rate=rate)


def _allowed(line: Recorded, rate: float) -> Acceptance:
    """Return what evidence allowed when `line` was routed, as far as it mattered to that score."""
    reasons = set(line.reasons)
    missed = reasons & {LOW_CONFIDENCE, UNCALIBRATED}
    bar = (line.confidence + 1.0) / 2.0 if missed else line.confidence
    known = [] if COLD_START in reasons else [Threshold(release=line.release, confidence=bar)]
    return Acceptance(
        state="alarm" if ALARM in reasons else "open",
        thresholds=known,
        audit_rate=rate,
        audits=0,
        audit_errors=0,
        audits_missing=0,
        error_bound=1.0,
        alarms=0,
        sentence="",
        target_error=0.0,
        confidence=1.0,
    )


class Course:
    """What a promise that was not in force would have allowed, and since when."""

    def __init__(self, tried: ProjectPublished, survey: Survey, versions: Sequence[ProjectPublished]) -> None:
        """`versions`: those under which the project was routed."""
        self._tried = tried
        self._base = Policy.of(tried)
        self._audits, self._seen_by = _evidence(survey, versions)
        self._times: list[float] = [float("-inf")]
        self._policies = [self._base]
        self.opened_at: int | None = None
        """When it first accepted anything, in Unix milliseconds."""
        self.acceptance = self._walk(survey.releases)

    @property
    def is_limited(self) -> bool:
        """Whether evidence exists only for what earlier policies would have accepted."""
        return bool(self._seen_by)

    def route(self, score: LabelScored, at: int) -> Route:
        """Return where the promise would have sent a score at a time."""
        policy = self._at(at)
        route = policy.route(score)
        if route.is_acceptable and not self._is_seen(score):
            return Route([NEVER_AUDITED], 1.0, blind=False, decisions_needed=policy.decisions_needed)
        return route

    def _at(self, at: int) -> Policy:
        return self._policies[bisect_right(self._times, at) - 1]

    def _is_seen(self, score: LabelScored) -> bool:
        return all(policy.route(score).is_acceptable for policy in self._seen_by)

    def _walk(self, releases: dict[int, int]) -> Acceptance:
        spec = self._tried.spec
        promise = promise_of(spec, _UNMEASURED)
        if promise is None:
            raise ValueError("a policy without a target_error needs no evidence")
        standing = judged(promise, None, 0, 1, [])
        begun = sorted((at, release) for release, at in releases.items() if release > 0)
        for number, (at, release) in enumerate(begun, 1):
            standing = judged(promise, standing, release, number, [])
            self._publish(spec, standing, at)
            until = begun[number][0] if number < len(begun) else float("inf")
            own = [
                each
                for each in enumerate(self._audits)
                if each[1].release == release and (each[1].decided_at or 0) < until
            ]
            for first in range(0, len(own), LOOK):
                part = own[first : first + LOOK]
                audits = [self._audit(seq, line) for seq, line in part]
                standing = judged(promise, standing, release, number, audits)
                self._publish(spec, standing, part[-1][1].decided_at or 0)
        return published(spec, standing)

    def _audit(self, seq: int, line: Recorded) -> Audit:
        policy = self._at(line.routed_at)
        score = line.score(self._tried.project, policy.kind_name)
        eligible = line.calibrated and not policy.rules.reasons(line.label, score.votes, score.metadata)
        eligible = eligible and self._is_seen(score) and line.confidence >= LEAST_CONFIDENCE
        return Audit(
            seq=seq,
            score=line.confidence if eligible else 0.0,
            error=bool(line.wrong),
            label=str(line.label),
            accepted=eligible and policy.route(score).is_acceptable,
            rate=line.audit_rate or line.propensity,
        )

    def _publish(self, spec: ProjectSpec, standing: Standing, at: int) -> None:
        acceptance = published(spec, standing)
        self._times.append(at)
        self._policies.append(Policy.of(self._tried, acceptance))
        if standing.gate.is_open and self.opened_at is None:
            self.opened_at = at


def same_promise(one: ProjectSpec, other: ProjectSpec) -> bool:
    """Return whether two definitions promise the same and draw the same audits."""
    return (
        promise_of(one, _UNMEASURED) == promise_of(other, _UNMEASURED)
        and one.policy.audit_seed == other.policy.audit_seed
    )


def _evidence(
    survey: Survey, versions: Sequence[ProjectPublished]
) -> tuple[list[Recorded], Collection[Policy]]:
    """Return the audits to judge by, in the order of their decisions, and the policies whose acceptable items
    they were drawn from; none if they were drawn from all items.

    The two kinds do not mix: together they would be drawn from some scores more often than from others.
    """
    if survey.promised:
        return sorted(survey.promised, key=_by_decision), []
    drawn_under = {line.project_version for line in survey.plain}
    policies = [Policy.of(each) for each in versions if each.version in drawn_under]
    return sorted(survey.plain, key=_by_decision), policies


def _by_decision(line: Recorded) -> tuple[int, str]:
    return line.decided_at or 0, line.item_id
