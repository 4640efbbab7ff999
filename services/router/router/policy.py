"""The policy: which scored labels are accepted and which go to people. Pure; no clock, no I/O.

The same score under the same policy always gets the same route, the audit draw included: it is a keyed
hash of the item, not a random number. So a replay routes as the first run did.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from labelmill import ids
from labelmill.errors import InvalidLabel, InvalidProject, InvalidRecord
from labelmill.events import LabelScored, ProjectPublished
from labelmill.kinds import Kind, kind_named

ALWAYS_REVIEW: Final = "always_review"
DISAGREEMENT: Final = "disagreement"
COLD_START: Final = "cold_start"
LOW_CONFIDENCE: Final = "low_confidence"
AUDIT: Final = "audit"


class Route(NamedTuple):
    """Where a label goes. No reasons means accepted; the gravest reason comes first.

    `propensity` is the probability, before the audit draw, that the item goes to a person.
    """

    reasons: list[str]
    propensity: float
    blind: bool

    @property
    def accepted(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a project's policy, made ready for many items."""

    project: str
    project_version: int
    kind_name: str
    kind: Kind
    labels: tuple[str, ...]
    threshold: float
    cold_start_threshold: float
    audit_rate: float
    audit_seed: str
    disagreement: bool
    review_labels: frozenset[str]
    review_metadata: tuple[tuple[str, frozenset[str]], ...]
    decisions_needed: int

    @classmethod
    def of(cls, published: ProjectPublished) -> "Policy":
        """Return the policy of a project's definition.

        Raises:
            InvalidRecord: `unknown_kind`, if this build does not know the project's kind of label.
        """
        spec, policy = published.spec, published.spec.policy
        try:
            kind = kind_named(spec.kind)
        except InvalidProject as error:
            raise InvalidRecord("unknown_kind", f"project {published.project}: {error}") from error
        return cls(
            project=published.project,
            project_version=published.version,
            kind_name=spec.kind,
            kind=kind,
            labels=tuple(spec.label_names),
            threshold=policy.accept_threshold,
            cold_start_threshold=policy.cold_start_threshold,
            audit_rate=policy.audit_rate,
            audit_seed=policy.audit_seed,
            disagreement=policy.disagreement,
            review_labels=frozenset(policy.always_review.labels),
            review_metadata=tuple((n, frozenset(v)) for n, v in policy.always_review.metadata.items()),
            decisions_needed=policy.decisions_per_task,
        )

    def route(self, score: LabelScored) -> Route:
        """Return where a score goes.

        Raises:
            InvalidRecord: `unknown_kind`, `label_outside_set` or `invalid_confidence`.
        """
        self._check(score)
        reasons = self._reasons(score)
        if reasons:
            return Route(reasons, 1.0, blind=False)
        if ids.uniform(self.audit_seed, "audit", self.project, score.item_id) < self.audit_rate:
            return Route([AUDIT], self.audit_rate, blind=True)
        return Route([], self.audit_rate, blind=False)

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

    def _reasons(self, score: LabelScored) -> list[str]:
        reasons = []
        if self._is_always_reviewed(score):
            reasons.append(ALWAYS_REVIEW)
        if self.disagreement and self._voters_differ(score):
            reasons.append(DISAGREEMENT)
        is_cold = score.release == 0
        if score.confidence < (self.cold_start_threshold if is_cold else self.threshold):
            # Cold start means: sure enough for later, but nothing has been learned yet that says so.
            reasons.append(COLD_START if is_cold and score.confidence >= self.threshold else LOW_CONFIDENCE)
        return reasons

    def _is_always_reviewed(self, score: LabelScored) -> bool:
        if self.review_labels and isinstance(score.label, str) and score.label in self.review_labels:
            return True
        if not self.review_metadata:
            return False
        return any(score.metadata.get(name) in values for name, values in self.review_metadata)

    def _voters_differ(self, score: LabelScored) -> bool:
        votes = score.votes
        for vote in votes[1:]:
            # Equal labels, the common case, need not be measured.
            if vote.label != votes[0].label and self.kind.distance(votes[0].label, vote.label) > 0.0:
                return True
        return False
