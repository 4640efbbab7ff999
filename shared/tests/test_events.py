"""Events: what is encoded comes back, and what cannot be decoded is refused with its reason."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.errors import InvalidRecord
from labelmill.events import (
    MAX_CONTENT_BYTES,
    MAX_METADATA_BYTES,
    MAX_RECORD_BYTES,
    Decision,
    Event,
    EventDecoder,
    ItemIngested,
    LabelAccepted,
    LabelScored,
    ProjectPublished,
    ReleasePublished,
    ReviewDecided,
    ReviewRequested,
    Vote,
    check_item,
    encode,
)
from labelmill.projects import LabelSpec, ProjectSpec, VoterSpec
from labelmill.releases import Evaluation, Release, StudentModel

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63), 2**63 - 1)
shares = st.floats(0, 1)
probabilities = st.dictionaries(texts, shares, max_size=3)
labels = st.one_of(texts, st.lists(texts, max_size=3), st.dictionaries(texts, numbers, max_size=2))
votes = st.builds(
    Vote, voter=texts, version=texts, source=texts, label=labels, confidence=shares, cached=st.booleans()
)
scores = st.builds(
    LabelScored,
    project=texts,
    event_id=texts,
    item_id=texts,
    content_hash=texts,
    kind=texts,
    label=labels,
    confidence=shares,
    probabilities=probabilities,
    votes=st.lists(votes, max_size=3),
    guideline_version=numbers,
    release=numbers,
    metadata=st.dictionaries(texts, texts, max_size=3),
)
routed: dict[str, Any] = {
    "project": texts,
    "event_id": texts,
    "item_id": texts,
    "reasons": st.lists(texts, max_size=3),
    "propensity": shares,
    "project_version": numbers,
    "score": scores,
}
students = st.builds(
    StudentModel,
    embedder=texts,
    dimensions=numbers,
    classes=st.lists(texts, max_size=3),
    weights=st.binary(max_size=16),
    bias=st.binary(max_size=8),
    temperature=shares,
    sure_at=shares,
)
releases = st.builds(
    Release,
    number=numbers,
    dataset=texts,
    decisions=numbers,
    evaluation=st.builds(Evaluation, items=numbers, accuracy=shares, present_accuracy=shares),
    created_at=numbers,
    student=st.none() | students,
    finetuned=st.none(),
)
specs = st.builds(
    ProjectSpec,
    project=texts,
    title=texts,
    labels=st.lists(st.builds(LabelSpec, name=texts), max_size=3),
    guideline=texts,
    voters=st.lists(st.builds(VoterSpec, name=texts, type=st.just("llm"), model=texts), max_size=2),
)
decisions = st.builds(Decision, reviewer=texts, label=labels, decided_at=numbers, seconds=shares)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        ItemIngested, project=texts, item_id=texts, content=texts, metadata=st.dictionaries(texts, texts)
    ),
    scores,
    st.builds(LabelAccepted, **routed),
    st.builds(ReviewRequested, **routed, blind=st.booleans(), decisions_needed=numbers),
    st.builds(
        ReviewDecided,
        project=texts,
        event_id=texts,
        item_id=texts,
        task_id=numbers,
        kind=texts,
        content=texts,
        metadata=st.dictionaries(texts, texts),
        label=labels,
        machine_label=labels,
        machine_confidence=shares,
        decisions=st.lists(decisions, max_size=2),
        reasons=st.lists(texts, max_size=2),
        propensity=shares,
        blind=st.booleans(),
        guideline_version=numbers,
        release=numbers,
        decided_at=numbers,
    ),
    st.builds(ProjectPublished, project=texts, version=numbers, guideline_version=numbers, spec=specs),
    st.builds(ReleasePublished, project=texts, release=releases),
)
scored_decoder = EventDecoder(LabelScored)


@given(events)
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    assert EventDecoder(type(event)).decode(encode(event)) == event


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(value: bytes) -> None:
    with pytest.raises(InvalidRecord):
        scored_decoder.decode(value)


@given(events, st.data())
def test_a_damaged_event_is_refused_or_decoded_but_never_more(event: Event, data: st.DataObject) -> None:
    value = bytearray(encode(event))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value) - 1))
        value[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        decoded = EventDecoder(type(event)).decode(bytes(value))
    except InvalidRecord:
        return
    encode(decoded)


SCORED: dict[str, Any] = {
    "v": 1,
    "project": "p",
    "event_id": "e",
    "item_id": "i",
    "content_hash": "h",
    "kind": "choice",
    "label": "a",
    "confidence": 0.5,
    "probabilities": {},
    "votes": [],
    "guideline_version": 1,
    "release": 0,
}


def scored(**fields: Any) -> bytes:
    return msgspec.json.encode(SCORED | fields)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty_record"),
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (scored() + b"{}", "malformed_json"),
        (scored().replace(b"0.5", b"NaN"), "malformed_json"),
        (b"\xef\xbb\xbf" + scored(), "malformed_json"),
        (scored().replace(b'"i"', b'"\\ud800"'), "malformed_json"),
        (scored().replace(b'"i"', b'"\xed\xa0\x80"'), "invalid_utf8"),
        (scored(unknown="x").replace(b'"x"', b'"\xff"'), "invalid_utf8"),
        (scored().decode().encode("utf-16"), "invalid_utf8"),
        (scored(unknown=0).replace(b'"unknown":0', b'"unknown":' + b"[" * 9999), "nested_too_deeply"),
        (scored().replace(b'"label":"a"', b'"label":' + b"[" * 9999 + b"]" * 9999), "nested_too_deeply"),
        (scored(v=2), "unknown_schema_version"),
        (scored(v=2, item_id=7), "unknown_schema_version"),
        (scored(v="1"), "unknown_schema_version"),
        (b"null", "invalid_event"),
        (b"[1]", "invalid_event"),
        (b'{"v":1}', "invalid_event"),
        (scored(item_id=7), "invalid_event"),
        (scored(confidence=None), "invalid_event"),
        (scored().replace(b"0.5", b"1e999"), "invalid_event"),
        (scored().replace(b'"release":0', b'"release":' + b"9" * 9999), "invalid_event"),
        (scored(metadata={"a": 1}), "invalid_event"),
        (scored(unknown="x" * MAX_RECORD_BYTES), "record_too_large"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named(value: bytes | None, reason: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        scored_decoder.decode(value)
    assert caught.value.reason == reason
    assert caught.value.detail


def test_fields_of_later_builds_are_ignored() -> None:
    assert scored_decoder.decode(scored(novelty=[1])).item_id == "i"


def test_not_a_number_never_leaves_as_a_number() -> None:
    broken = msgspec.structs.replace(scored_decoder.decode(scored()), confidence=math.nan)
    with pytest.raises(InvalidRecord, match="invalid_event"):
        scored_decoder.decode(encode(broken))


def item(**fields: Any) -> ItemIngested:
    return ItemIngested(**{"project": "p", "item_id": "i", "content": "text", **fields})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"content": ""}, "content_empty"),
        ({"content": " \n\t\u2003"}, "content_empty"),
        ({"content": "x" * (MAX_CONTENT_BYTES + 1)}, "content_too_large"),
        ({"content": "é" * (MAX_CONTENT_BYTES // 2 + 1)}, "content_too_large"),
        ({"item_id": ""}, "invalid_item_id"),
        ({"item_id": "x" * 201}, "invalid_item_id"),
        ({"content": "a\0b"}, "nul_character"),
        ({"item_id": "a\0b"}, "nul_character"),
        ({"metadata": {"a": "\0"}}, "nul_character"),
        ({"metadata": {"\0": "a"}}, "nul_character"),
        ({"metadata": {"a": "x" * MAX_METADATA_BYTES}}, "metadata_too_large"),
        ({"metadata": {str(n): "é" * 10 for n in range(4000)}}, "metadata_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_items_that_cannot_be_labelled_or_stored(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        check_item(item(**fields))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "x" * MAX_CONTENT_BYTES},
        {"content": "é" * (MAX_CONTENT_BYTES // 2)},
        {"item_id": "x" * 200},
        {"metadata": {"a": "x" * (MAX_METADATA_BYTES - 1)}},
        {"content": "\u200b"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_items_at_the_limits_are_taken(fields: dict[str, Any]) -> None:
    assert check_item(item(**fields)) == item(**fields)


def test_a_correction_is_a_label_that_differs_from_the_machines() -> None:
    decided = ReviewDecided(
        project="p",
        event_id="e",
        item_id="i",
        task_id=1,
        kind="choice",
        content="text",
        metadata={},
        label="a",
        machine_label="b",
        machine_confidence=0.5,
        decisions=[],
        reasons=[],
        propensity=1.0,
        blind=False,
        guideline_version=1,
        release=0,
        decided_at=0,
    )
    assert decided.is_correction
    assert not msgspec.structs.replace(decided, machine_label="a").is_correction
