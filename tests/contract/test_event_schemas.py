"""Event schemas: a change that breaks running builds or kept records fails here, and says what to do."""

from typing import Any

import msgspec
import pytest
from event_schemas import UPDATE, breaks, schemas, snapshot


def test_no_change_breaks_running_builds_or_kept_records() -> None:
    problems = breaks(snapshot(), schemas())
    assert not problems, (
        f"incompatible: {'; '.join(problems)}. Keep the field and add another, optional one; or raise `v` and "
        "read both versions for as long as the topics keep records."
    )


def test_the_snapshot_is_up_to_date() -> None:
    assert snapshot() == schemas(), f"the schemas changed compatibly: take them over with `{UPDATE}`"


class Inner(msgspec.Struct):
    name: str
    size: int = 0


class Old(msgspec.Struct):
    id: str
    share: float
    inner: Inner
    many: list[Inner] = []
    by_name: dict[str, int] = {}
    maybe: Inner | None = None
    label: str | list[Any] = ""


def changed(old: type[msgspec.Struct], **fields: Any) -> type[msgspec.Struct]:
    """Return a struct like `old`; a field set to None is left out, (type,) is required, (type, default) not."""
    kept = {f.name: (f.type, f) for f in msgspec.structs.fields(old)}
    definitions: list[Any] = []
    for name, (type_, info) in kept.items():
        if name in fields:
            continue
        definitions.append((name, type_) if info.required else (name, type_, _default(info)))
    definitions += [(name, *definition) for name, definition in fields.items() if definition is not None]
    return msgspec.defstruct("Old", definitions, kw_only=True)


def _default(info: Any) -> Any:
    if info.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=info.default_factory)
    return info.default


def compared(new: type[msgspec.Struct]) -> list[str]:
    return breaks({"t": msgspec.json.schema(Old)}, {"t": msgspec.json.schema(new)})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"share": None}, "t: field share is gone (removed or renamed)"),
        ({"share": None, "part": (float, 0.0)}, "t: field share is gone"),
        ({"by_name": None}, "t: field by_name is gone"),
        ({"share": (str,)}, "t: share was number and is now string"),
        ({"share": (float | None,)}, "t: share was number and is now null or number"),
        ({"label": (str, "")}, "t: label was array or string and is now string"),
        ({"new": (str,)}, "t: field new is required"),
        ({"by_name": (dict[str, int],)}, "t: field by_name is required"),
        ({"by_name": (dict[str, str], {})}, "t: by_name[] was integer and is now string"),
        ({"many": (list[int], [])}, "t: many[] was Inner and is now integer"),
        ({"inner": (changed(Inner, size=None),)}, "t: inner was Inner and is now Old"),
    ],
)
def test_breaking_changes_are_named(fields: dict[str, Any], says: str) -> None:
    (problem,) = compared(changed(Old, **fields))
    assert problem.startswith(says)


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ({"size": None}, "inner.size is gone"),
        ({"size": (float, 0.0)}, "inner.size was integer and is now number"),
        ({"extra": (int,)}, "inner.extra is required"),
    ],
)
def test_changes_deep_inside_are_found(inner: dict[str, Any], says: str) -> None:
    new = msgspec.defstruct("Inner", [f for f in _fields(changed(Inner, **inner))], kw_only=True)
    problems = compared(changed(Old, inner=(new,), many=(list[new], []), maybe=(new | None, None)))  # type: ignore[valid-type]
    assert any(says in problem for problem in problems)


def _fields(struct: type[msgspec.Struct]) -> list[Any]:
    return [
        (f.name, f.type) if f.required else (f.name, f.type, _default(f))
        for f in msgspec.structs.fields(struct)
    ]


@pytest.mark.parametrize("fields", [{}, {"new": (int, 0)}, {"new": (Inner | None, None)}])
def test_optional_fields_may_be_added(fields: dict[str, Any]) -> None:
    assert compared(changed(Old, **fields)) == []


def test_values_of_a_choice_may_be_added_but_not_taken_away() -> None:
    few = {"t": {"enum": ["a", "b"]}}
    more = {"t": {"enum": ["a", "b", "c"]}}
    assert breaks(few, more) == []
    assert breaks(more, few) == ["t:  no longer takes c"]


def test_a_topic_may_not_vanish() -> None:
    assert breaks({"t": {}}, {}) == ["t: the topic is gone"]
