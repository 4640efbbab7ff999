"""The policy: which scored labels are accepted and which go to people. Pure; no clock, no I/O.

The same score under the same policy (and, for a promise, on the same evidence) always gets the same route,
the audit draw included: it is a keyed hash of the item, not a random number.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from labelmill import ids
from labelmill.acceptance import NOTHING, Acceptance
from labelmill.eligibility import SUSPICIOUS, Rules
from labelmill.errors import InvalidLabel, InvalidProject, InvalidRecord
from labelmill.events import LabelScored, ProjectPublished
from labelmill.kinds import Kind, kind_named

COLD_START: Final = "cold_start"
LOW_CONFIDENCE: Final = "low_confidence"
UNCALIBRATED: Final = "uncalibrated"
ALARM: Final = "alarm"
AUDIT: Final = "audit"
BUDGET: Final = "budget"
"""Voters were left out because the day's budget is spent, and the project then asks people."""
GUIDELINE_CHANGE: Final = "guideline_change"
"""A campaign has people decide the item anew, under another guideline than the one it was labelled by."""

COVERABLE: Final = (ALARM, AUDIT, COLD_START, LOW_CONFIDENCE)
"""Reasons that lack of evidence gives: new evidence may make them void. Whatever else speaks for a review
goes on doing so."""


class Route(NamedTuple):
    """Where a label goes. No reasons means accepted; the gravest reason comes first.

    `propensity` is the probability, before the audit draw, that the item goes to a person. `audit_rate` is
    that of the draw, if the item was drawn for a promise's evidence; else 0.
    """

    reasons: list[str]
    propensity: float
    blind: bool
    decisions_needed: int = 1
    audit_rate: float = 0.0

    @property
    def accepted(self) -> bool:
        return not self.reasons

    @property
    def is_acceptable(self) -> bool:
        """Whether nothing but the audit draw speaks for a person."""
        return not self.reasons or self.reasons == [AUDIT]


class _Bar(NamedTuple):
    """What confidence a score must reach, and why it goes to people where it does not."""

    confidence: float
    reason: str


def audit_draw(seed: str, project: str, item_id: str) -> float:
    """Return an item's draw, 0 to 1: below the audit rate it is a blind audit. A replay draws the same."""
    return ids.uniform(seed, "audit", project, item_id)


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a project's policy with the evidence for its promise, made ready for many items."""

    project: str
    project_version: int
    kind_name: str
    kind: Kind
    labels: tuple[str, ...]
    rules: Rules
    people_when_spent: bool
    threshold: float
    cold_start_threshold: float
    promises: bool
    acceptance: Acceptance | None
    audit_rate: float
    audit_seed: str
    decisions_needed: int
    audit_raters: int

    @classmethod
    def of(cls, published: ProjectPublished, acceptance: Acceptance | None = None) -> "Policy":
        """Return the policy of a project's definition, with what its evidence allows.

        A policy that promises an error accepts nothing while there is no `acceptance`, and all that people
        decide is evidence. Without a promise `acceptance` plays no part.

        Raises:
            InvalidRecord: `unknown_kind`, if this build does not know the project's kind of label.
        """
        spec, policy = published.spec, published.spec.policy
        try:
            kind = kind_named(spec.kind)
        except InvalidProject as error:
            raise InvalidRecord("unknown_kind", f"project {published.project}: {error}") from error
        promises = policy.target_error is not None
        gathered = acceptance.audit_rate if acceptance else 1.0
        return cls(
            project=published.project,
            project_version=published.version,
            kind_name=spec.kind,
            kind=kind,
            labels=tuple(spec.label_names),
            rules=Rules.of(policy, kind),
            people_when_spent=spec.budget.when_spent == "people",
            threshold=policy.accept_threshold,
            cold_start_threshold=policy.cold_start_threshold,
            promises=promises,
            acceptance=_fitting(acceptance, policy.target_error, policy.confidence),
            audit_rate=gathered if promises else policy.audit_rate,
            audit_seed=policy.audit_seed,
            decisions_needed=policy.decisions_per_task,
            audit_raters=policy.audit_raters,
        )

    def route(self, score: LabelScored) -> Route:
        """Return where a score goes.

        Raises:
            InvalidRecord: `unknown_kind`, `label_outside_set` or `invalid_confidence`.
        """
        self._check(score)
        reasons = self.rules.reasons(score.label, score.votes, score.metadata)
        if score.suspicious:
            reasons.insert(0, SUSPICIOUS)
        if score.over_budget and self.people_when_spent:
            reasons.append(BUDGET)
        bar = self._bar(score)
        if score.confidence < bar.confidence:
            reasons.append(bar.reason)
        return (self._promised if self.promises else self._plain)(reasons, score.item_id)

    def _plain(self, reasons: list[str], item_id: str) -> Route:
        if reasons:
            return Route(reasons, 1.0, blind=False, decisions_needed=self.decisions_needed)
        if self._drawn(item_id):
            return Route([AUDIT], self.audit_rate, blind=True, decisions_needed=self._raters)
        return Route([], self.audit_rate, blind=False)

    def _promised(self, reasons: list[str], item_id: str) -> Route:
        """Evidence is drawn from all items alike, so that it speaks for every threshold; what people decide
        anyway costs nothing more for being drawn, but that they see no suggestion."""
        propensity = 1.0 if reasons else self.audit_rate
        if self._drawn(item_id):
            return Route(reasons or [AUDIT], propensity, True, self._raters, self.audit_rate)
        return Route(reasons, propensity, blind=False, decisions_needed=self.decisions_needed)

    @property
    def _raters(self) -> int:
        return max(self.decisions_needed, self.audit_raters)

    def _drawn(self, item_id: str) -> bool:
        return audit_draw(self.audit_seed, self.project, item_id) < self.audit_rate

    def _check(self, score: LabelScored) -> None:
        if score.kind != self.kind_name:
            detail = f"the score is of kind {score.kind!r}, project {self.project} is {self.kind_name!r}"
            raise InvalidRecord("unknown_kind", detail)
        try:
            self.kind.validate(score.label, self.labels)
        except InvalidLabel as error:
            raise InvalidRecord("label_outside_set", f"project {self.project}: {error}") from error
        # Written so that NaN fails as well: it compares false with everything.
        if not 0.0 <= score.confidence <= 1.0:
            raise InvalidRecord("invalid_confidence", f"confidence {score.confidence} is not between 0 and 1")

    def _bar(self, score: LabelScored) -> _Bar:
        if self.promises:
            return self._certified(score)
        if score.release:
            return _Bar(self.threshold, LOW_CONFIDENCE)
        # Cold start means: sure enough for later, but nothing has been learned yet that says so.
        reason = COLD_START if score.confidence >= self.threshold else LOW_CONFIDENCE
        return _Bar(self.cold_start_threshold, reason)

    def _certified(self, score: LabelScored) -> _Bar:
        """A score is measured by what was certified for its own release, and only if it is calibrated."""
        known = self.acceptance
        if known is not None and known.state == "alarm":
            return _Bar(NOTHING, ALARM)
        found = (
            next((each for each in known.thresholds if each.release == score.release), None)
            if known
            else None
        )
        if found is None or score.release == 0:
            return _Bar(NOTHING, COLD_START)
        if not score.calibrated:
            return _Bar(NOTHING, UNCALIBRATED)
        confidence = found.least(str(score.label))
        return _Bar(confidence, COLD_START if confidence > 1.0 else LOW_CONFIDENCE)


def _fitting(acceptance: Acceptance | None, target: float | None, confidence: float) -> Acceptance | None:
    """Return the acceptance if it was worked out for this very promise: a new one starts without evidence
    until the trainer has looked at it."""
    if acceptance is None or target is None:
        return None
    same = acceptance.target_error <= target and acceptance.confidence >= confidence
    return acceptance if same else None
