"""What the trainer publishes about a promise: which labels may be accepted, on what evidence."""

from typing import Literal

import msgspec


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest confidence accepted of one release's scores; above 1 nothing is.

    `by_label` holds the thresholds of a promise that is made for each label; labels that are missing are
    not accepted.
    """

    release: int
    confidence: float
    by_label: dict[str, float] | None = None


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
