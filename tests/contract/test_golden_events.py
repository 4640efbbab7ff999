"""Golden events: what is or may be in Kafka is read by what every consumer reads it with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autolabeler.plan import plan_of
from labelmill.acceptance import Acceptance
from labelmill.errors import InvalidRecord
from labelmill.events import (
    AcceptancePublished,
    ErasureConfirmed,
    ErasureRequested,
    EventDecoder,
    LabelScored,
    ProjectPublished,
    QualityPublished,
    ReleasePublished,
    check_item,
    encode,
)
from labelmill.policy import Policy
from labelmill.topics import TOPICS
from review_api.ledger import records as ledger
from review_api.ledger.checking import RouteCheck
from router.routing import routed
from trainer.splitting import sketch

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*/*.json"))
projects = EventDecoder(ProjectPublished)
releases = EventDecoder(ReleasePublished)
acceptances = EventDecoder(AcceptancePublished)


def compact(file: Path) -> bytes:
    return msgspec.json.format(file.read_bytes(), indent=-1)


PROJECT = projects.decode(compact(GOLDEN / "projects/full.json"))
PROMISING = projects.decode(compact(GOLDEN / "projects/promising.json"))


def decoder_of(topic: str) -> EventDecoder[Any]:
    (event,) = [t.event for t in TOPICS if t.name == topic]
    return EventDecoder(event)


def known_to_ledger(event: ledger.Routed) -> None:
    RouteCheck(PROJECT.spec).check(event)
    costs = ledger.vote_costs(event)
    assert [cost.voter for cost in costs][:1] == ["llm"]


def by_router(value: bytes) -> None:
    score = decoder_of("labels.scored").decode(value)
    assert isinstance(score, LabelScored)
    result = routed(Policy.of(PROJECT), score, value, 1)
    reader: EventDecoder[Any] = ledger.ACCEPTED if result.topic == "labels.accepted" else ledger.REQUESTED
    known_to_ledger(reader.decode(result.value))


def by_trainer(value: bytes) -> None:
    event = decoder_of("reviews.decided").decode(value)
    assert sketch(event.project, event.content)


def release_by_autolabeler(value: bytes) -> None:
    release = releases.decode(value).release
    plan = plan_of(PROJECT, release, tokens_field="max_tokens")
    assert plan.release == release.number


def acceptance_of(value: bytes) -> Acceptance:
    return acceptances.decode(value).acceptance


CONSUMERS: dict[str, dict[str, Callable[[bytes], object]]] = {
    "items": {
        "autolabeler": lambda value: check_item(decoder_of("items").decode(value)),
        "review-api": lambda value: check_item(ledger.ITEM.decode(value)),
    },
    "labels.scored": {"router": by_router},
    "labels.accepted": {"review-api": lambda value: known_to_ledger(ledger.ACCEPTED.decode(value))},
    "reviews.requested": {
        "review-api": lambda value: known_to_ledger(ledger.check_requested(ledger.REQUESTED.decode(value)))
    },
    "reviews.decided": {"trainer": by_trainer},
    "projects": {
        "autolabeler": lambda value: plan_of(projects.decode(value), None, tokens_field="max_tokens"),
        "router": lambda value: Policy.of(projects.decode(value)),
        "trainer": projects.decode,
    },
    "releases": {
        "autolabeler": release_by_autolabeler,
        "router": releases.decode,
        "review-api": releases.decode,
        "trainer": releases.decode,
    },
    "acceptance": {
        "autolabeler": lambda value: plan_of(PROMISING, None, acceptance_of(value)),
        "router": lambda value: Policy.of(PROMISING, acceptance_of(value)),
        "review-api": acceptances.decode,
    },
    "quality": {"review-api": EventDecoder(QualityPublished).decode},
    "erasures": {
        "autolabeler": EventDecoder(ErasureRequested).decode,
        "trainer": EventDecoder(ErasureRequested).decode,
    },
    "erasures.confirmed": {"review-api": EventDecoder(ErasureConfirmed).decode},
}


def test_every_topic_has_examples_and_every_consumer_is_here() -> None:
    assert {topic: set(consumers) for topic, consumers in CONSUMERS.items()} == {
        topic.name: set(topic.consumers) for topic in TOPICS
    }
    for topic in TOPICS:
        assert {file.stem for file in FILES if file.parent.name == topic.name} >= {"minimal"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_examples_are_read_by_every_consumer(file: Path) -> None:
    for read in CONSUMERS[file.parent.name].values():
        read(compact(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_examples_stay_what_they_are(file: Path) -> None:
    """What this build writes of an example says the same, field by field, and defaults for what it lacks."""
    decoder = decoder_of(file.parent.name)
    event = decoder.decode(compact(file))
    assert decoder.decode(encode(event)) == event
    assert contains(msgspec.json.decode(encode(event)), msgspec.json.decode(file.read_bytes()))


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(n in whole and contains(whole[n], v) for n, v in part.items())
    if isinstance(part, list):
        same = isinstance(whole, list) and len(whole) == len(part)
        return same and all(contains(w, p) for w, p in zip(whole, part, strict=True))
    return bool(whole == part)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_fields_of_later_builds_are_ignored_and_later_versions_refused(file: Path) -> None:
    document = msgspec.json.decode(file.read_bytes())
    for read in CONSUMERS[file.parent.name].values():
        read(msgspec.json.encode(document | {"novelty": {"a": [1]}}))
        with pytest.raises(InvalidRecord, match="unknown_schema_version"):
            read(msgspec.json.encode(document | {"v": 2}))
