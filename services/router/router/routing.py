"""From a scored record to a routed one, without encoding the score a second time. Pure.

A routed event nests the whole score as its lineage. Its bytes are already at hand and already checked
by the decoder, so they are spliced in as they came: the votes are never turned into JSON again.
"""

from typing import NamedTuple

import msgspec
from labelmill import ids
from labelmill.events import LabelAccepted, LabelScored, ReviewRequested, encode
from labelmill.policy import Policy
from labelmill.topics import LABELS_ACCEPTED, REVIEWS_REQUESTED


class _Accepted(LabelAccepted, frozen=True, kw_only=True):
    score: msgspec.Raw  # type: ignore[assignment]


class _Requested(ReviewRequested, frozen=True, kw_only=True):
    score: msgspec.Raw  # type: ignore[assignment]


class Routed(NamedTuple):
    """An encoded LabelAccepted or ReviewRequested and where it goes. `reason` is the gravest, or empty."""

    topic: str
    value: bytes
    reason: str


def routed(policy: Policy, score: LabelScored, scored_json: bytes, now_ms: int) -> Routed:
    """Return the event that routes `score`, whose encoded form is `scored_json`.

    The event id depends on the score alone: should a score be delivered again after the policy has
    changed, the ledger sees the same route again and keeps the first.

    Raises:
        InvalidRecord: if the policy cannot take the score.
    """
    route = policy.route(score)
    event_id = ids.event_id("routed", score.event_id)
    raw = msgspec.Raw(scored_json)
    if route.accepted:
        accepted = _Accepted(
            project=score.project,
            event_id=event_id,
            item_id=score.item_id,
            reasons=route.reasons,
            propensity=route.propensity,
            project_version=policy.project_version,
            score=raw,
            routed_at=now_ms,
        )
        return Routed(LABELS_ACCEPTED.name, encode(accepted), "")
    requested = _Requested(
        project=score.project,
        event_id=event_id,
        item_id=score.item_id,
        reasons=route.reasons,
        propensity=route.propensity,
        project_version=policy.project_version,
        score=raw,
        routed_at=now_ms,
        blind=route.blind,
        decisions_needed=route.decisions_needed,
        audit_rate=route.audit_rate,
    )
    return Routed(REVIEWS_REQUESTED.name, encode(requested), route.reasons[0])
