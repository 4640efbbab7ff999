"""SQL of a look at quality: decisions that served no training of a release."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from labelmill.events import Vote
from labelmill.quality import LABEL_ERROR
from labelmill.runtime.postgres import Database

from trainer.splitting import SIMILARITY, Sketch, similarities
from trainer.store import neighbours

_votes = msgspec.json.Decoder(list[Vote])
_metadata = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A decision with all that judging the machine on it takes. `was_seen`: a text that resembles it served
    the training; `may_be_doubted`: people may be asked to decide it again."""

    seq: int
    item_id: str
    content: str
    content_hash: str
    text_key: str
    metadata: dict[str, str]
    label: str
    votes: list[Vote]
    machine_label: str
    machine_confidence: float
    propensity: float
    was_seen: bool
    may_be_doubted: bool


class Looks:
    """Reads what quality is judged on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decisions(
        self, project: str, labels: Sequence[str], dataset: str, limit: int
    ) -> list[LookedAt]:
        """Return the newest decision of each item that was held out or came after `dataset` was frozen (with
        no such dataset: of every item), at most `limit`, the newest. A decision that the machine's doubt
        brought about is none of them: it would speak for the machine."""
        rows = await self._database.pool.fetch(_DECISIONS, project, list(labels), dataset, limit, LABEL_ERROR)
        return [
            LookedAt(
                **{name: row[name] for name in _PLAIN},
                metadata=_metadata.decode(row["metadata"]),
                votes=_votes.decode(row["votes"]),
            )
            for row in rows
        ]

    async def resembling(self, project: str, texts: Sequence[Sketch]) -> set[str]:
        """Return the keys of the project's decided texts that are near duplicates of any of `texts`."""
        if not texts:
            return set()
        async with self._database.pool.acquire() as connection:
            placed = [each.sketch for each in await neighbours(connection, project, texts)]
        if not placed:
            return set()
        signatures = [sketch.signature for sketch in placed]
        found: set[str] = set()
        for text in texts:
            likenesses = similarities(text.signature, signatures)
            near = zip(likenesses, placed, strict=True)
            found |= {sketch.key for likeness, sketch in near if likeness >= SIMILARITY}
        return found


_PLAIN = (
    *("seq", "item_id", "content", "content_hash", "text_key", "label", "machine_label"),
    *("machine_confidence", "propensity", "was_seen", "may_be_doubted"),
)

_DECISIONS = """
WITH frozen AS (
    SELECT coalesce(max(watermark), 0) AS mark FROM datasets WHERE project = $1 AND version = $3
), trained AS (
    SELECT DISTINCT group_key FROM decisions, frozen
    WHERE project = $1 AND seq <= mark AND side = 'train'
), reviewed_again AS (
    SELECT item_id FROM decisions WHERE project = $1 AND $5 = ANY (reasons)
)
SELECT seq, item_id, content, content_hash, text_key, metadata, label #>> '{}' AS label, votes,
    machine_label #>> '{}' AS machine_label, machine_confidence, propensity,
    side <> 'holdout' AND group_key IN (SELECT group_key FROM trained) AS was_seen,
    audit_rate = 0 AND NOT 'audit' = ANY (reasons)
        AND item_id NOT IN (SELECT item_id FROM reviewed_again) AS may_be_doubted
FROM (
    SELECT DISTINCT ON (item_id) * FROM decisions WHERE project = $1 AND NOT $5 = ANY (reasons)
    ORDER BY item_id, decided_at DESC, seq DESC
) AS newest, frozen
WHERE (side = 'holdout' OR seq > mark) AND label #>> '{}' = ANY($2::text[])
ORDER BY seq DESC LIMIT $4
"""
