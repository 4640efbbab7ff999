"""What the trainer publishes about quality, for people to look at."""

from collections.abc import Collection
from typing import Final

import msgspec

LABEL_ERROR: Final = "label_error"
"""Reason of a decision that was asked for since the machine doubted the one before it. What judges the
machine leaves it out: it is made only where the machine disagreed."""


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of similar confidence: `confidence` and `accuracy` are means, `low` to `high` the latter's
    95% interval."""

    confidence: float
    accuracy: float
    low: float
    high: float
    decisions: int


class RiskPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What accepting everything from `confidence` up would mean: the share of items and its error, with the
    upper end of a 95% interval."""

    confidence: float
    coverage: float
    error: float
    error_bound: float


class SliceExample(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a slice on which people corrected the machine."""

    item_id: str
    content: str
    machine_label: str
    label: str


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the items on which the machine errs more than elsewhere, not by chance.

    `kind`: `metadata`, `labels` (the machine's label against people's) or `cluster` (of embeddings, named by
    its top words). `q_value` is the false discovery rate at which it is listed.
    """

    kind: str
    name: str
    decisions: int
    errors: int
    error: float
    error_elsewhere: float
    q_value: float
    examples: list[SliceExample] = []


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that is likely wrong, to be reviewed again; `probability` that its label is right."""

    item_id: str
    label: str
    likely_label: str
    probability: float


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one look, on `decisions` decisions that served no training of the release."""

    release: int
    decisions: int
    accuracy: float
    calibration_error: float
    """Expected calibration error, equal-mass bins; 0 to 1."""
    reliability: list[ReliabilityBin] = []
    risk_coverage: list[RiskPoint] = []
    slices: list[Slice] = []
    suspects: list[Suspect] = []
    duplicates: int = 0
    """Texts kept out of evaluation since they resemble one that served training."""

    def named(self) -> set[str]:
        """Return the items that are named: examples and suspects."""
        examples = {example.item_id for part in self.slices for example in part.examples}
        return examples | {suspect.item_id for suspect in self.suspects}

    def without(self, items: Collection[str]) -> "Quality":
        """Return all but what names one of `items`: examples and suspects. The figures are as they were."""
        slices = [
            msgspec.structs.replace(part, examples=[e for e in part.examples if e.item_id not in items])
            for part in self.slices
        ]
        suspects = [suspect for suspect in self.suspects if suspect.item_id not in items]
        return msgspec.structs.replace(self, slices=slices, suspects=suspects)
