"""One recorded route, with what people decided, as `GET /v1/projects/{project}/routes` tells it."""

from typing import Any, Final, Literal

import msgspec
from labelmill.events import Label, LabelScored, Vote
from labelmill.policy import AUDIT, Route


class RecordedVote(msgspec.Struct, frozen=True, gc=False):
    """The part of a vote that a policy looks at."""

    voter: str
    label: Label


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A score, its route, and the decision on it if there is one.

    `audit_rate` is above 0 if the item was drawn as evidence for a promise. `withdrawn`: people were asked,
    and new evidence made that needless before anybody began. Times are Unix milliseconds.
    """

    item_id: str
    guideline_version: int
    metadata: dict[str, str] | None = None
    label: Label
    confidence: float
    votes: list[RecordedVote]
    calibrated: bool
    over_budget: bool
    suspicious: bool
    release: int
    outcome: Literal["accepted", "requested"]
    reasons: list[str]
    propensity: float
    cost_usd: float
    project_version: int
    routed_at: int
    blind: bool
    audit_rate: float
    decided_label: str | list[Any] | dict[str, Any] | None
    decided_at: int | None
    decisions: int
    withdrawn: bool = False

    @property
    def wrong(self) -> bool | None:
        """Whether people found another label than the machine; None if they have not decided."""
        return None if self.decided_label is None else self.decided_label != self.label

    @property
    def is_acceptable(self) -> bool:
        """Whether nothing but the audit draw spoke for a person."""
        return not self.reasons or self.reasons == [AUDIT]

    @property
    def is_plain_audit(self) -> bool:
        """Whether it was drawn from what a policy without a promise would have accepted."""
        return self.reasons == [AUDIT] and self.blind and self.audit_rate == 0.0

    def score(self, project: str, kind: str) -> LabelScored:
        """Return the score as the router saw it, as far as a policy looks at it."""
        return LabelScored(
            project=project,
            event_id="",
            item_id=self.item_id,
            content_hash="",
            kind=kind,
            label=self.label,
            confidence=self.confidence,
            probabilities={},
            votes=[
                Vote(voter=vote.voter, version="", source="", label=vote.label, confidence=0.0)
                for vote in self.votes
            ],
            guideline_version=self.guideline_version,
            release=self.release,
            calibrated=self.calibrated,
            over_budget=self.over_budget,
            suspicious=self.suspicious,
            metadata=self.metadata or {},
        )

    def matches(self, route: Route) -> bool:
        """Return whether `route` is what was recorded."""
        return (
            route.reasons == self.reasons
            and route.accepted == (self.outcome == "accepted")
            and route.propensity == self.propensity
        )


class _Mark(msgspec.Struct, frozen=True, gc=False):
    withheld: bool = False


_MARK: Final = msgspec.json.Decoder(_Mark)


def is_withheld(line: bytes) -> bool:
    """Return whether a line tells no label: who reads it may be asked about the item in a blind check."""
    return _MARK.decode(line).withheld


DECODER: Final = msgspec.json.Decoder(Recorded)
