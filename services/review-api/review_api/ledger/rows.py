"""The rows that the ledger writes for an event. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from labelmill.events import ItemIngested
from labelmill.provenance import OWNER

from review_api.ledger.records import Accepted, Requested, Routed
from review_api.tasks.ordering import Facts, Place

Row = tuple[Any, ...]

ITEM_COLUMNS: Final = ["project", "item_id", "content", "metadata", "content_hash", "ingested_at"]
OWNER_COLUMNS: Final = ["owner", "project", "item_id"]
ROUTE_COLUMNS: Final = [
    "project",
    "item_id",
    "guideline_version",
    "event_id",
    "outcome",
    "reasons",
    "propensity",
    "label",
    "confidence",
    "probabilities",
    "votes",
    "content_hash",
    "release",
    "project_version",
    "cost_usd",
    "scored_at",
    "routed_at",
    "calibrated",
    "over_budget",
    "suspicious",
]
FINAL_COLUMNS: Final = [
    "project",
    "item_id",
    "label",
    "source",
    "confidence",
    "guideline_version",
    "release",
    "decided_at",
    "routed_under",
]
TASK_COLUMNS: Final = [
    "task_id",
    "project",
    "item_id",
    "guideline_version",
    "partition",
    "blind",
    "needed",
    "created_at",
    "audit_rate",
]
ASSIGNMENT_COLUMNS: Final = ["task_id", "slot", "project", "pool", "priority", "state"]


def item_row(item: ItemIngested) -> Row:
    """Return the row of `items`."""
    metadata = msgspec.json.encode(item.metadata).decode() if item.metadata else "{}"
    return (item.project, item.item_id, item.content, metadata, item.content_hash, item.ingested_at)


def owner_rows(items: Iterable[ItemIngested]) -> list[Row]:
    """Return the rows of `item_owners`: of the items that say whose they are."""
    return [
        (item.metadata[OWNER], item.project, item.item_id)
        for item in items
        if item.metadata and OWNER in item.metadata
    ]


def route_row(event: Routed, cost_usd: float) -> Row:
    """Return the row of `routes`."""
    score = event.score
    return (
        event.project,
        event.item_id,
        score.guideline_version,
        event.event_id,
        "accepted" if type(event) is Accepted else "requested",
        event.reasons,
        event.propensity,
        _text(score.label),
        score.confidence,
        _text(score.probabilities),
        _text(score.votes),
        score.content_hash,
        score.release,
        event.project_version,
        cost_usd,
        score.scored_at,
        event.routed_at,
        score.calibrated,
        score.over_budget,
        score.suspicious,
    )


def final_row(event: Accepted, now_ms: int) -> Row:
    """Return the row of `final_labels`."""
    score = event.score
    return (
        event.project,
        event.item_id,
        _text(score.label),
        "machine",
        score.confidence,
        score.guideline_version,
        score.release,
        now_ms,
        score.guideline_version,
    )


def task_row(event: Requested, task_id: int, partition: int, now_ms: int) -> Row:
    """Return the row of `tasks`."""
    return (
        task_id,
        event.project,
        event.item_id,
        event.score.guideline_version,
        partition,
        event.blind,
        event.decisions_needed,
        now_ms,
        event.audit_rate,
    )


def assignment_rows(event: Requested, task_id: int, place: Place, *, item_is_here: bool) -> list[Row]:
    """Return the rows of `assignments`: one per decision that the task needs; only the first may be open."""
    states = ["open" if item_is_here else "waiting", *["waiting"] * (event.decisions_needed - 1)]
    return [
        (task_id, slot, event.project, place.pool, place.priority, state) for slot, state in enumerate(states)
    ]


def facts(event: Requested) -> Facts:
    """Return what a task's place in the queue follows from."""
    score = event.score
    return Facts(
        item_id=event.item_id,
        blind=event.blind,
        confidence=score.confidence,
        created_at=event.routed_at,
        label=score.label,
        probabilities=score.probabilities,
        votes=score.votes,
        metadata=score.metadata,
    )


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()
