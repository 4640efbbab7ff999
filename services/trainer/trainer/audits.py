"""SQL of the evidence for a promise: blind audits, each with all that scoring it anew takes."""

import msgspec
from labelmill.eligibility import SUSPICIOUS
from labelmill.events import Vote
from labelmill.promise.raters import Pairs
from labelmill.quality import LABEL_ERROR
from labelmill.runtime.postgres import Database

from trainer.evidence import AuditRow
from trainer.splitting import Side

_votes = msgspec.json.Decoder(list[Vote])
_labels = msgspec.json.Decoder(list[str])
_metadata = msgspec.json.Decoder(dict[str, str])


class Audits:
    """Reads blind audits, as people first settled them.

    A decision that the machine's doubt brought about is no evidence: only audits on which the machine differs
    would be decided again, so their new outcomes could move in its favour alone. review-api opens no audit
    again; that the promise is not told otherwise is seen to here too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(self, project: str, guideline_version: int, seq: int = 0) -> list[AuditRow]:
        """Return the project's audits after `seq` that were decided by a guideline, in order. Labels of
        structured kinds are their JSON."""
        rows = await self._database.pool.fetch(
            "SELECT seq, item_id, content_hash, group_key, side, label #>> '{}' AS label, rater_labels,"
            " votes, machine_label #>> '{}' AS machine_label, machine_confidence, release,"
            " guideline_version, audit_rate, propensity, decided_at, metadata,"
            " $5 = ANY (reasons) AS is_suspicious"
            " FROM decisions WHERE project = $1 AND seq > $2 AND audit_rate > 0 AND NOT $3 = ANY (reasons)"
            " AND guideline_version = $4 ORDER BY seq",
            project,
            seq,
            LABEL_ERROR,
            guideline_version,
            SUSPICIOUS,
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
                metadata=_metadata.decode(row["metadata"]),
                is_suspicious=row["is_suspicious"],
            )
            for row in rows
        ]

    async def pairs(self, project: str) -> Pairs:
        """Return how often the first two raters of an acceptable item's audit differed.

        One pair an item: pairs of the same item are not independent. On other items people err more often,
        and what they err there must not be forgiven here.
        """
        row = await self._database.pool.fetchrow(
            "SELECT count(*) AS pairs,"
            " count(*) FILTER (WHERE rater_labels -> 0 <> rater_labels -> 1) AS disagreements FROM decisions"
            " WHERE project = $1 AND audit_rate > 0 AND propensity < 1"
            " AND jsonb_array_length(rater_labels) >= 2 AND NOT $2 = ANY (reasons)",
            project,
            LABEL_ERROR,
        )
        return Pairs(**row)
