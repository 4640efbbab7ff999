"""The topics, declared once: what flows where, under which key, for how long, and who reads it.

An item keeps its partition from hop to hop (`items` p to `labels.scored` p to ...), so an item's events
stay in order without any service having to hash a key; only ingestion does.

Topics that are not `compacted` end by time, and are compacted all the same: a tombstone erases what its key
holds. So a key must stand for what may be replaced by its newest record (decision 20).
"""

from dataclasses import dataclass
from typing import Final

from labelmill.events import (
    AcceptancePublished,
    ErasureConfirmed,
    ErasureRequested,
    Event,
    ItemIngested,
    LabelAccepted,
    LabelScored,
    ProjectPublished,
    QualityPublished,
    ReleasePublished,
    ReviewDecided,
    ReviewRequested,
)

DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True)
class Topic:
    """One topic. `partitions` 0 means as many as the item topics have (a setting of the deployment)."""

    name: str
    event: type[Event]
    key: str
    producer: str
    consumers: tuple[str, ...]
    description: str
    compacted: bool = False
    retention_ms: int = 7 * DAY_MS
    partitions: int = 0

    @property
    def dlq(self) -> str | None:
        """Name of the topic that takes its unusable records; compacted topics have none (see docs)."""
        return None if self.compacted else f"{self.name}.dlq"


ITEMS: Final = Topic(
    name="items",
    event=ItemIngested,
    key="project/item_id",
    producer="review-api",
    consumers=("autolabeler", "review-api"),
    description="Raw items to be labelled. The autolabeler publishes those again that waited for a batch, "
    "review-api those that a campaign has labelled anew.",
)
LABELS_SCORED: Final = Topic(
    name="labels.scored",
    event=LabelScored,
    key="project/item_id",
    producer="autolabeler",
    consumers=("router",),
    description="The pooled opinion of the voters on an item.",
)
LABELS_ACCEPTED: Final = Topic(
    name="labels.accepted",
    event=LabelAccepted,
    key="project/item_id",
    producer="router",
    consumers=("review-api",),
    description="Labels accepted without a person.",
)
REVIEWS_REQUESTED: Final = Topic(
    name="reviews.requested",
    event=ReviewRequested,
    key="project/item_id",
    producer="router",
    consumers=("review-api",),
    description="Items that people must decide, with the reasons. review-api publishes those that a campaign "
    "has people decide anew.",
)
REVIEWS_DECIDED: Final = Topic(
    name="reviews.decided",
    event=ReviewDecided,
    key="project/item_id/event_id",
    producer="review-api",
    consumers=("trainer",),
    description="What people decided, with the content.",
    retention_ms=30 * DAY_MS,
)
PROJECTS: Final = Topic(
    name="projects",
    event=ProjectPublished,
    key="project",
    producer="review-api",
    consumers=("autolabeler", "router", "trainer"),
    description="The present definition of every project.",
    compacted=True,
    partitions=1,
)
RELEASES: Final = Topic(
    name="releases",
    event=ReleasePublished,
    key="project",
    producer="trainer",
    consumers=("autolabeler", "router", "review-api", "trainer"),
    description="The release in force for every project; how items are scored from now on.",
    compacted=True,
    partitions=1,
)
ACCEPTANCE: Final = Topic(
    name="acceptance",
    event=AcceptancePublished,
    key="project",
    producer="trainer",
    consumers=("autolabeler", "router", "review-api"),
    description="What the evidence for a project's promise allows to accept.",
    compacted=True,
    partitions=1,
)
QUALITY: Final = Topic(
    name="quality",
    event=QualityPublished,
    key="project",
    producer="trainer",
    consumers=("review-api",),
    description="What decisions tell about the machine's labels, for the dashboard.",
    compacted=True,
    partitions=1,
)
ERASURES: Final = Topic(
    name="erasures",
    event=ErasureRequested,
    key="project/item_id",
    producer="review-api",
    consumers=("autolabeler", "trainer"),
    description="Items to be forgotten; each goes from here too once all have confirmed.",
    retention_ms=30 * DAY_MS,
)
ERASURES_CONFIRMED: Final = Topic(
    name="erasures.confirmed",
    event=ErasureConfirmed,
    key="project/erasure_id/service/item_hash",
    producer="autolabeler, trainer",
    consumers=("review-api",),
    description="What each service has forgotten.",
    retention_ms=30 * DAY_MS,
)

TOPICS: Final = (
    ITEMS,
    LABELS_SCORED,
    LABELS_ACCEPTED,
    REVIEWS_REQUESTED,
    REVIEWS_DECIDED,
    PROJECTS,
    RELEASES,
    ACCEPTANCE,
    QUALITY,
    ERASURES,
    ERASURES_CONFIRMED,
)


def item_key(project: str, item_id: str) -> bytes:
    """Return the record key of an item's events."""
    return f"{project}/{item_id}".encode()


def confirmation_key(event: ErasureConfirmed) -> bytes:
    """Return the record key of a confirmation: each names other items, and replaces none."""
    first = event.items[0] if event.items else ""
    return f"{event.project}/{event.erasure_id}/{event.service}/{first}".encode()


def decision_key(project: str, item_id: str, event_id: str) -> bytes:
    """Return the record key of a decision on an item: a re-review is one more, and replaces none."""
    return f"{project}/{item_id}/{event_id}".encode()
