"""What the trainer publishes about a promise: which labels may be accepted, on what evidence."""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

LEAST_CONFIDENCE: Final = 0.5
"""Nothing is accepted below it, whatever was certified: a label more likely wrong than right helps nobody."""

NOTHING: Final = 2.0
"""A threshold that no confidence reaches."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest confidence accepted of one release's scores; above 1 nothing is.

    `by_label` holds the thresholds of a promise that is made for each label; labels that are missing are
    not accepted.
    """

    release: int
    confidence: float
    by_label: dict[str, float] | None = None

    def least(self, label: str) -> float:
        """Return the confidence from which a label is accepted; above 1 for a label that is not."""
        return self.confidence if self.by_label is None else self.by_label.get(label, NOTHING)


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a promise. Counts of audits are those that serve as evidence for the newest release."""

    state: Literal["gathering", "open", "alarm"]
    """`gathering`: not enough evidence yet. `alarm`: the promise was broken, and evidence starts anew."""
    thresholds: list[Threshold]
    audit_rate: float
    """Probability with which an item is drawn as a blind audit, 0 to 1."""
    audits: int
    audit_errors: int
    audits_missing: int
    """How many more are needed to accept anything (or, once open, more), should no further error come."""
    error_bound: float
    """Upper bound on the error of what is accepted, of one look; 1 while nothing is accepted."""
    alarms: int
    sentence: str
    """What is promised, relative to what, on which evidence."""
    target_error: float
    confidence: float
    rater_error: float = 0.0
    """Lower limit of how often one rater errs, which the bound allows for; 0 if not measured."""


def floored(threshold: Threshold) -> Threshold:
    """Return a threshold that accepts nothing below `LEAST_CONFIDENCE`."""
    labels = threshold.by_label
    return replace(
        threshold,
        confidence=max(threshold.confidence, LEAST_CONFIDENCE),
        by_label=labels and {label: max(least, LEAST_CONFIDENCE) for label, least in labels.items()},
    )
