"""What the ledger reads of the events. Pure.

A route carries the whole score as its lineage. The ledger looks into the few fields that it checks and
counts, and stores the rest as the JSON it came as: decoding it all and encoding it again would cost
more than everything else together.
"""

from typing import Final

import msgspec
from labelmill.errors import InvalidRecord
from labelmill.events import Event, EventDecoder, ItemIngested


class Score(msgspec.Struct, frozen=True, gc=False):
    """The part of a LabelScored that the ledger reads."""

    content_hash: str
    kind: str
    label: msgspec.Raw
    confidence: float
    probabilities: msgspec.Raw
    votes: msgspec.Raw
    guideline_version: int
    release: int
    calibrated: bool = False
    over_budget: bool = False
    suspicious: bool = False
    metadata: msgspec.Raw = msgspec.Raw(b"{}")
    ingested_at: int = 0
    scored_at: int = 0


class Routed(Event, frozen=True, kw_only=True, gc=False):
    """The part of a route that the ledger reads."""

    event_id: str
    item_id: str
    reasons: list[str]
    propensity: float
    project_version: int
    score: Score
    routed_at: int = 0


class Accepted(Routed, frozen=True, kw_only=True, gc=False):
    """A LabelAccepted."""


class Requested(Routed, frozen=True, kw_only=True, gc=False):
    """A ReviewRequested."""

    blind: bool = False
    decisions_needed: int = 1
    audit_rate: float = 0.0


class VoteCost(msgspec.Struct, frozen=True, gc=False):
    """The part of a vote that is counted."""

    voter: str
    source: str
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: bool = False
    calls: int = 0


ITEM: Final = EventDecoder(ItemIngested)
ACCEPTED: Final = EventDecoder(Accepted)
REQUESTED: Final = EventDecoder(Requested)

MOST_DECISIONS: Final = 9

_votes = msgspec.json.Decoder(list[VoteCost])


def check_requested(event: Requested) -> Requested:
    """Return `event` if a task can be made of it. Raises InvalidRecord."""
    if not 1 <= event.decisions_needed <= MOST_DECISIONS:
        raise InvalidRecord("invalid_event", f"decisions_needed: 1 to {MOST_DECISIONS}")
    return event


def vote_costs(event: Routed) -> list[VoteCost]:
    """Return what the votes of a route cost. Raises InvalidRecord."""
    try:
        return _votes.decode(event.score.votes)
    except msgspec.DecodeError as error:
        raise InvalidRecord("invalid_event", f"votes: {error}") from error
