"""From what people decided on blind audits to the evidence for a promise. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from labelmill.eligibility import Rules
from labelmill.promise.gate import Audit

from trainer.evidence import AuditRow
from trainer.splitting import Side


class Rescored(NamedTuple):
    """An audit's label and confidence under a release. `calibrated`: the release can calibrate who voted;
    `unknown`: it would have asked voters that were not asked."""

    label: str
    confidence: float
    calibrated: bool
    unknown: bool


def usable(rows: Sequence[AuditRow], watermark: int) -> list[AuditRow]:
    """Return the audits that did not serve the training of a release whose dataset ends at `watermark`: those
    that came later, and those that are held out."""
    return [row for row in rows if row.seq > watermark or row.side is Side.HOLDOUT]


def audits_of(
    rows: Sequence[AuditRow], scores: Sequence[Rescored], rules: Rules, release: int
) -> list[Audit]:
    """Return the evidence in `rows` for a release, under which they score `scores`.

    What the policy never accepts, or the release cannot calibrate, has score 0: no threshold above 0 is about
    it. What the release would have looked at and nobody asked counts as wrong.
    """
    return [
        Audit(
            seq=row.seq,
            score=score.confidence if _is_eligible(row, score, rules) else 0.0,
            error=score.unknown or score.label != row.label,
            label=score.label,
            accepted=row.propensity < 1.0 and row.release == release,
            rate=row.audit_rate,
        )
        for row, score in zip(rows, scores, strict=True)
    ]


def _is_eligible(row: AuditRow, score: Rescored, rules: Rules) -> bool:
    return score.calibrated and not rules.reasons(score.label, row.votes, row.metadata)
