"""From what people decided on blind audits to the evidence for a promise. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from labelmill.acceptance import Threshold
from labelmill.promise.gate import Audit

from trainer.evidence import AuditRow
from trainer.splitting import Side


class Rescored(NamedTuple):
    """An audit's label and confidence under a release. `acceptable`: it is calibrated, and nothing but the
    confidence can speak for a person; `unknown`: the release would have asked voters that were not asked."""

    label: str
    confidence: float
    acceptable: bool
    unknown: bool


def usable(rows: Sequence[AuditRow], watermark: int | None) -> list[AuditRow]:
    """Return the audits that did not serve the training of a release whose dataset ends at `watermark`: those
    that came later, and those that are held out. If nobody knows where it ends, only those."""
    return [
        row for row in rows if row.side is Side.HOLDOUT or (watermark is not None and row.seq > watermark)
    ]


def audits_of(
    rows: Sequence[AuditRow], scores: Sequence[Rescored], release: int, in_force: Threshold | None
) -> list[Audit]:
    """Return the evidence in `rows` for a release, under which they score `scores`.

    What is not acceptable has score 0: no threshold above 0 is about it. What the release would have looked
    at and nobody asked counts as wrong. `in_force`: what is accepted of the release's scores, if anything. An
    audit of an item that it accepts is watched, also while everything is audited (and every propensity is 1).
    """
    return [
        Audit(
            seq=row.seq,
            score=score.confidence if _is_acceptable(row, score) else 0.0,
            error=score.unknown or score.label != row.label,
            label=score.label,
            accepted=row.release == release and _is_accepted(row, score, in_force),
            rate=row.audit_rate,
        )
        for row, score in zip(rows, scores, strict=True)
    ]


def _is_acceptable(row: AuditRow, score: Rescored) -> bool:
    return score.acceptable and not row.is_suspicious


def _is_accepted(row: AuditRow, score: Rescored, in_force: Threshold | None) -> bool:
    """The scores tell, not the route: of an audit every voter is asked, so that its route is that of another
    score than the cascade's."""
    if in_force is None or not _is_acceptable(row, score):
        return False
    return score.confidence >= in_force.least(score.label)
