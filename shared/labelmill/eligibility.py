"""What a policy never accepts without a person, whatever the confidence. Pure.

The router sends such items to people, and the trainer leaves them out of what it certifies: both must mean
the same items, or the promise would be about others than those accepted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labelmill.events import Label, Vote
from labelmill.kinds import Kind
from labelmill.projects import PolicySpec

ALWAYS_REVIEW: Final = "always_review"
DISAGREEMENT: Final = "disagreement"
SUSPICIOUS: Final = "suspicious"
"""The text seems to give the LLM instructions (`LabelScored.suspicious`)."""

_SENSITIVITY: Final = "sensitivity"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one policy, made ready for many items."""

    kind: Kind
    disagreement: bool
    everything: bool
    labels: frozenset[str]
    metadata: tuple[tuple[str, frozenset[str]], ...]

    @classmethod
    def of(cls, policy: PolicySpec, kind: Kind) -> "Rules":
        """Return the rules of a policy for labels of `kind`."""
        always = policy.always_review
        slices = [(name, frozenset(values)) for name, values in always.metadata.items()]
        if always.sensitivity:
            slices.append((_SENSITIVITY, frozenset(always.sensitivity)))
        return cls(
            kind=kind,
            disagreement=policy.disagreement,
            everything=always.subjective,
            labels=frozenset([*always.labels, *always.expert_labels]),
            metadata=tuple(slices),
        )

    def reasons(self, label: Label, votes: Sequence[Vote], metadata: Mapping[str, str]) -> list[str]:
        """Return why people must decide, the gravest reason first; none if the machine may."""
        reasons = []
        if self._is_always_reviewed(label, metadata):
            reasons.append(ALWAYS_REVIEW)
        if self.disagreement and self._voters_differ(votes):
            reasons.append(DISAGREEMENT)
        return reasons

    def _is_always_reviewed(self, label: Label, metadata: Mapping[str, str]) -> bool:
        if self.everything or (self.labels and isinstance(label, str) and label in self.labels):
            return True
        if not self.metadata:
            return False
        return any(metadata.get(name) in values for name, values in self.metadata)

    def _voters_differ(self, votes: Sequence[Vote]) -> bool:
        for vote in votes[1:]:
            # Equal labels, the common case, need not be measured.
            if vote.label != votes[0].label and self.kind.distance(votes[0].label, vote.label) > 0.0:
                return True
        return False
