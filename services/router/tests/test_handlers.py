"""The batch handler, with fakes for Kafka and the projects: who gets what, and what is refused."""

from collections.abc import Callable, Iterable

import msgspec
from aiokafka import ConsumerRecord
from labelmill.events import EventDecoder, LabelAccepted, LabelScored, ProjectPublished, encode
from labelmill.projects import LabelSpec
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.publisher import OutRecord
from msgspec.structs import replace
from router.handlers import Router

MakeScore = Callable[..., LabelScored]
MakeProject = Callable[..., ProjectPublished]


class FakeProjects:
    """Knows `present`, and after catching up also `late`."""

    def __init__(self, *present: ProjectPublished, late: Iterable[ProjectPublished] = ()) -> None:
        self.known = {project.project: project for project in present}
        self.late = list(late)
        self.catch_ups = 0

    def get(self, key: str) -> ProjectPublished | None:
        return self.known.get(key)

    async def catch_up(self) -> None:
        self.catch_ups += 1
        self.known |= {project.project: project for project in self.late}


class NoEvidence:
    """Knows of no project what may be accepted."""

    def get(self, key: str) -> None:
        return None


class FakePublisher:
    """Keeps what was published, by topic."""

    def __init__(self) -> None:
        self.published: dict[str, list[OutRecord]] = {}

    async def publish(self, topic: str, records: Iterable[OutRecord]) -> None:
        self.published.setdefault(topic, []).extend(records)


def record(value: bytes | None, partition: int = 0, offset: int = 0) -> ConsumerRecord:
    headers = [("traceparent", b"00-a-b-00"), ("other", b"\xff")]
    return ConsumerRecord("labels.scored", partition, offset, 0, 0, b"tweets/i1", value, None, 9, 0, headers)


async def test_a_batch_is_split_and_keeps_key_and_partition(score: MakeScore, project: MakeProject) -> None:
    publisher, metrics = FakePublisher(), Metrics()
    router = Router(FakeProjects(project()), NoEvidence(), publisher, metrics)
    letters = await router.handle([record(encode(score(0.99)), 3), record(encode(score(0.2)), 5)])
    assert not letters
    (accepted,), (requested,) = (
        publisher.published["labels.accepted"],
        publisher.published["reviews.requested"],
    )
    assert (accepted.partition, accepted.key, accepted.headers) == (
        3,
        b"tweets/i1",
        [("traceparent", b"00-a-b-00")],
    )
    assert requested.partition == 5
    value = metrics.registry.get_sample_value
    assert value("labelmill_routed_total", {"project": "tweets", "outcome": "accepted", "reason": ""}) == 1
    low = {"project": "tweets", "outcome": "review", "reason": "low_confidence"}
    assert value("labelmill_routed_total", low) == 1
    assert value("labelmill_published_total", {"topic": "labels.accepted"}) == 1


async def test_bad_records_become_letters_and_the_rest_goes(score: MakeScore, project: MakeProject) -> None:
    publisher = FakePublisher()
    router = Router(FakeProjects(project()), NoEvidence(), publisher, Metrics())
    document = msgspec.json.decode(encode(score()))
    bad = [
        None,
        b"{",
        b'{"v":1,"project":"\xff"}',
        msgspec.json.encode(document | {"v": 2}),
        msgspec.json.encode(document | {"confidence": None}),
        encode(score()).replace(b":0.99", b":NaN", 1),
        msgspec.json.encode(document | {"confidence": 7}),
        msgspec.json.encode(document | {"label": "neutral"}),
        msgspec.json.encode(document | {"kind": "spans"}),
        msgspec.json.encode(document | {"project": "nowhere"}),
    ]
    batch = [record(value, offset=offset) for offset, value in enumerate([*bad, encode(score())])]
    letters = await router.handle(batch)
    assert sorted((letter.record.offset, letter.error.reason) for letter in letters) == [
        (0, "empty_record"),
        (1, "malformed_json"),
        (2, "invalid_utf8"),
        (3, "unknown_schema_version"),
        (4, "invalid_event"),
        (5, "malformed_json"),
        (6, "invalid_confidence"),
        (7, "label_outside_set"),
        (8, "unknown_kind"),
        (9, "unknown_project"),
    ]
    assert [len(records) for records in publisher.published.values()] == [1]


async def test_an_unknown_project_is_looked_for_once_a_batch(score: MakeScore, project: MakeProject) -> None:
    projects = FakeProjects(late=[project()])
    router = Router(projects, NoEvidence(), FakePublisher(), Metrics())
    assert not await router.handle([record(encode(score())), record(encode(score()))])
    assert projects.catch_ups == 1
    assert not await router.handle([record(encode(score()))])
    assert projects.catch_ups == 1


async def test_a_new_version_holds_from_the_next_batch(score: MakeScore, project: MakeProject) -> None:
    projects, publisher = FakeProjects(project()), FakePublisher()
    router = Router(projects, NoEvidence(), publisher, Metrics())
    await router.handle([record(encode(score(0.95)))])
    projects.known["tweets"] = project(accept_threshold=0.97)
    await router.handle([record(encode(score(0.95)))])
    assert {topic: len(records) for topic, records in publisher.published.items()} == {
        "labels.accepted": 1,
        "reviews.requested": 1,
    }


async def test_a_score_by_a_guideline_that_is_new_waits_for_it(
    score: MakeScore, project: MakeProject
) -> None:
    """The autolabeler may hear of a new version first, and its label may be new with it."""
    wider = project()
    labels = [*wider.spec.labels, LabelSpec(name="neutral")]
    wider = replace(wider, guideline_version=2, version=4, spec=replace(wider.spec, labels=labels))
    projects, publisher = FakeProjects(project(), late=[wider]), FakePublisher()
    router = Router(projects, NoEvidence(), publisher, Metrics())
    assert not await router.handle([record(encode(score()))])
    assert projects.catch_ups == 0
    new = score(label="neutral", guideline_version=2)
    assert not await router.handle([record(encode(score())), record(encode(new))])
    assert projects.catch_ups == 1
    routed = EventDecoder(LabelAccepted).decode(publisher.published["labels.accepted"][-1].value)
    assert (routed.project_version, routed.score.label) == (4, "neutral")
