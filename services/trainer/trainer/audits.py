"""SQL of the evidence for a promise: blind audits, each with all that scoring it anew takes."""

from dataclasses import dataclass

import msgspec
from labelmill.events import Vote
from labelmill.runtime.postgres import Database

from trainer.splitting import Side

_votes = msgspec.json.Decoder(list[Vote])
_labels = msgspec.json.Decoder(list[str])


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A decision on an item that was drawn as a blind audit. `seq` is the order of decisions.

    `label` is what people settled on, `rater_labels` what each said, in the order of their decisions.
    `machine_label` and `machine_confidence` are those of `release`, under which the item was routed. An audit
    of side TRAIN served the training of every release whose dataset's watermark is at or above `seq`.
    """

    seq: int
    item_id: str
    content_hash: str
    group: str
    side: Side
    label: str
    rater_labels: list[str]
    votes: list[Vote]
    machine_label: str
    machine_confidence: float
    release: int
    guideline_version: int
    audit_rate: float
    propensity: float
    decided_at: int


class Audits:
    """Reads blind audits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(self, project: str, seq: int = 0) -> list[AuditRow]:
        """Return the project's audits after `seq`, in order. Labels of structured kinds are their JSON."""
        rows = await self._database.pool.fetch(
            "SELECT seq, item_id, content_hash, group_key, side, label #>> '{}' AS label, rater_labels,"
            " votes, machine_label #>> '{}' AS machine_label, machine_confidence, release,"
            " guideline_version, audit_rate, propensity, decided_at"
            " FROM decisions WHERE project = $1 AND seq > $2 AND audit_rate > 0 ORDER BY seq",
            project,
            seq,
        )
        return [
            AuditRow(
                seq=row["seq"],
                item_id=row["item_id"],
                content_hash=row["content_hash"],
                group=row["group_key"],
                side=Side(row["side"]),
                label=row["label"],
                rater_labels=_labels.decode(row["rater_labels"]),
                votes=_votes.decode(row["votes"]),
                machine_label=row["machine_label"],
                machine_confidence=row["machine_confidence"],
                release=row["release"],
                guideline_version=row["guideline_version"],
                audit_rate=row["audit_rate"],
                propensity=row["propensity"],
                decided_at=row["decided_at"],
            )
            for row in rows
        ]
