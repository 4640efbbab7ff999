"""What is published for an item of a campaign, and what became of it. Pure."""

from collections.abc import Iterable
from typing import Final

from labelmill import ids
from labelmill.events import ItemIngested, LabelScored, ReviewRequested
from labelmill.policy import GUIDELINE_CHANGE

from review_api.guidelines.campaign_work import MOST_TRIES, Sent, ToSend
from review_api.guidelines.selection import standing_label
from review_api.projects.versions import Version

MOST_ON_THE_WAY: Final = 500
"""Items of a campaign that are on the way through Kafka at once, so that new items hardly wait for them."""
MOST_ASKED: Final = 1000
"""Items that people are yet to decide, beyond which no more are sent to them: so a campaign can be cancelled,
and does not bury the rest of the queue."""


def room(sent: int, asked: int, *, people: bool) -> int:
    """Return how many items may be sent now, given how many are on the way, and how many with people."""
    free = MOST_ON_THE_WAY - sent
    return max(0, min(free, MOST_ASKED - sent - asked) if people else free)


def item_again(project: str, guideline_version: int, item: ToSend, now_ms: int) -> ItemIngested:
    """Return the event that has the machine label an item anew, under this guideline at least."""
    return ItemIngested(
        project=project,
        item_id=item.item_id,
        content=item.content or "",
        metadata=item.metadata,
        ingested_at=now_ms,
        guideline_version=guideline_version,
    )


def asked_again(version: Version, item: ToSend, now_ms: int) -> ReviewRequested:
    """Return the event that has people decide an item anew, blind: the machine's old label was given under
    the old guideline, and it must not pass for a judgement by the new one. So it comes without votes."""
    spec = version.spec
    label, probability = standing_label(item.label or "", item.probabilities, spec.label_names)
    scored = ids.event_id(
        "scored",
        spec.project,
        item.item_id,
        item.content_hash,
        str(version.guideline_version),
        GUIDELINE_CHANGE,
    )
    score = LabelScored(
        project=spec.project,
        event_id=scored,
        item_id=item.item_id,
        content_hash=item.content_hash,
        kind=spec.kind,
        label=label,
        confidence=item.confidence if probability is None else probability,
        probabilities=item.probabilities,
        votes=[],
        guideline_version=version.guideline_version,
        release=item.release,
        metadata=item.metadata,
        ingested_at=now_ms,
        scored_at=now_ms,
    )
    return ReviewRequested(
        project=spec.project,
        event_id=ids.event_id("routed", scored),
        item_id=item.item_id,
        reasons=[GUIDELINE_CHANGE],
        propensity=1.0,
        project_version=version.version,
        score=score,
        routed_at=now_ms,
        blind=True,
        decisions_needed=spec.policy.decisions_per_task,
    )


def without_sending(items: Iterable[ToSend]) -> dict[str, str]:
    """Return the states of the items that need not, or cannot, be sent."""
    states = {}
    for item in items:
        if item.settled:
            states[item.item_id] = "labelled"
        elif item.content is None or item.label is None:
            states[item.item_id] = "given_up"
    return states


def arrived(items: Iterable[Sent]) -> dict[str, str]:
    """Return the states of the items that need no longer be waited for, of those that were sent.

    One that does not arrive is sent again, since sending it twice changes nothing, and given up in the end.
    """
    states = {}
    for item in items:
        if item.settled or item.outcome == "accepted":
            states[item.item_id] = "labelled"
        elif item.outcome is not None:
            states[item.item_id] = "asked"
        elif item.overdue:
            states[item.item_id] = "given_up" if item.tries >= MOST_TRIES else "waiting"
    return states


def decided(items: Iterable[Sent]) -> dict[str, str]:
    """Return the states of the items that people have decided, of those they were asked about."""
    return {item.item_id: "labelled" for item in items if item.settled}
