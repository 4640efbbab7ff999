"""Event schemas: a change that breaks running builds or kept records fails here, and says what to do."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from event_schemas import ADVICE, UPDATE, breaks, schemas, snapshot

Fields = dict[str, Any]


def test_no_change_breaks_running_builds_or_kept_records() -> None:
    problems = breaks(snapshot(), schemas())
    assert not problems, "\n".join([*problems, ADVICE])


def test_the_snapshot_is_up_to_date() -> None:
    assert snapshot() == schemas(), f"the schemas changed compatibly: take them over with `{UPDATE}`"


def after(change: Callable[[Fields, Fields], object]) -> list[str]:
    """Return what is said about a change to the definitions of LabelScored and of the Vote inside it."""
    old = {"labels.scored": schemas()["labels.scored"]}
    new = copy.deepcopy(old)
    definitions = new["labels.scored"]["$defs"]
    change(definitions["LabelScored"], definitions["Vote"])
    return breaks(old, new)


def rename(schema: Fields, name: str, to: str) -> None:
    schema["properties"][to] = schema["properties"].pop(name)


def require(schema: Fields, name: str) -> None:
    schema["required"].append(name)
    schema["properties"].setdefault(name, {"type": "string"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s, v: s["properties"].pop("scored_at"), "field scored_at is gone (removed or renamed)"),
        (lambda s, v: rename(s, "metadata", "meta"), "field metadata is gone (removed or renamed)"),
        (lambda s, v: v["properties"].pop("cached"), "field votes[].cached is gone (removed or renamed)"),
        (
            lambda s, v: s["properties"].update(release={"type": "string"}),
            "release was integer and is now string",
        ),
        (
            lambda s, v: s["properties"].update(release={"type": "number"}),
            "release was integer and is now number",
        ),
        (
            lambda s, v: s["properties"]["probabilities"].update(additionalProperties={"type": "string"}),
            "probabilities[] was number and is now string",
        ),
        (
            lambda s, v: s["properties"]["label"]["anyOf"].pop(0),
            "label was array or object or string and is now array or object",
        ),
        (
            lambda s, v: s["properties"].update(kind={"anyOf": [{"type": "string"}, {"type": "null"}]}),
            "kind was string and is now null or string",
        ),
        (
            lambda s, v: require(s, "extra"),
            "field extra is required, and records without it exist: give it a default",
        ),
        (lambda s, v: require(v, "cached"), "field votes[].cached is required, and records without it exist"),
        (lambda s, v: s["properties"]["v"].update(enum=[2]), "v no longer takes 1"),
        (
            lambda s, v: s["properties"]["votes"].update(items={"type": "string"}),
            "votes[] was object and is now string",
        ),
    ],
)
def test_breaking_changes_are_named(change: Callable[[Fields, Fields], object], says: str) -> None:
    (problem,) = after(change)
    assert problem.startswith(f"labels.scored: {says}")


@pytest.mark.parametrize(
    "change",
    [
        lambda s, v: None,
        lambda s, v: s["properties"].update(extra={"type": "integer", "default": 0}),
        lambda s, v: v["properties"].update(extra={"anyOf": [{"$ref": "#/$defs/Vote"}, {"type": "null"}]}),
        lambda s, v: s["properties"]["v"].update(enum=[1, 2]),
        lambda s, v: s["properties"]["release"].update(default=0),
    ],
)
def test_additions_that_old_builds_can_ignore_are_compatible(
    change: Callable[[Fields, Fields], object],
) -> None:
    assert after(change) == []


def test_what_stands_in_a_union_is_compared_too() -> None:
    old = {"releases": schemas()["releases"]}
    new = copy.deepcopy(old)
    del new["releases"]["$defs"]["StudentModel"]["properties"]["sure_at"]
    assert breaks(old, new) == ["releases: field release.student.sure_at is gone (removed or renamed)"]


def test_a_topic_may_not_vanish_and_may_be_added() -> None:
    assert breaks({"t": {}}, {}) == ["t: the topic is gone"]
    assert breaks({}, {"t": {}}) == []
