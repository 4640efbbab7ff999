"""Who may see what of an item, in which order it is told, and ranges of ids."""

from typing import Any

import pytest
from review_api.accounts.roles import Principal
from review_api.errors import ApiError
from review_api.items.keys import end_of_prefix
from review_api.items.sight import Sight, sight
from review_api.items.timeline import holders, state, timeline

ROLES = {
    "reviewer": ["reviewer"],
    "manager": ["manager"],
    "both": ["manager", "reviewer"],
    "admin": ["admin"],
}
ALL, NAMELESS, WITHHELD = "all", "nameless", "withheld"


def part(
    slot: int = 0, reviewer: str | None = None, state: str = "open", *, again: bool = False
) -> dict[str, Any]:
    since = 5 if state == "leased" else None
    return {
        "slot": slot,
        "reviewer": reviewer,
        "state": state,
        "again": again,
        "pool": "",
        "leased_at": since,
        "lease_until": since,
    }


def task(
    *parts: dict[str, Any], blind: bool = False, undoable: bool = False, **fields: Any
) -> dict[str, Any]:
    return {
        "task_id": 1,
        "blind": blind,
        "needed": len(parts),
        "decided": sum(one["state"] == "decided" for one in parts),
        "assignments": list(parts),
        "undoable": undoable,
        "rereview": None,
        "guideline_version": 1,
        "audit_rate": 0.0,
        "created_at": 3,
        "decided_at": None,
        "label": None,
        **fields,
    }


OPEN = task(part())
BLIND = task(part(), blind=True)
HELD = task(part(0, "me", "leased"))
HELD_BLIND = task(part(0, "me", "leased"), blind=True)
OTHERS = task(part(0, "you", "leased"), blind=True)
MINE = task(part(0, "me", "decided"))
MINE_UNDOABLE = task(part(0, "me", "decided"), undoable=True)
MINE_OF_TWO = task(part(0, "me", "decided"), part(1), blind=True)
YOURS = task(part(0, "you", "decided"), blind=True)
AGAIN = task(part(0, "you", "decided"), part(1, again=True))
AGAIN_MINE = task(part(0, "me", "decided"), part(1, again=True))
NEXT_GUIDELINE = task(part(), guideline_version=2)


@pytest.mark.parametrize(
    ("tasks", "reviewer", "manager", "both"),
    [
        pytest.param([], "not_yours", ALL, ALL, id="no task"),
        pytest.param([OPEN], "not_yours", ALL, ALL, id="open"),
        pytest.param([BLIND], "not_yours", ALL, WITHHELD, id="open and blind"),
        pytest.param([HELD], "not_yours", ALL, "task_in_hand", id="in hand"),
        pytest.param([HELD_BLIND], "not_yours", ALL, "task_in_hand", id="blind in hand"),
        pytest.param([OTHERS], "not_yours", ALL, WITHHELD, id="blind in another's hand"),
        pytest.param([MINE], NAMELESS, ALL, ALL, id="decided and settled"),
        pytest.param([MINE_UNDOABLE], "not_settled", ALL, "task_in_hand", id="can be taken back"),
        pytest.param([MINE_OF_TWO], "not_settled", ALL, "task_in_hand", id="another has to decide"),
        pytest.param([YOURS], "not_yours", ALL, ALL, id="decided by another"),
        pytest.param([AGAIN], "not_yours", ALL, WITHHELD, id="reviewed again"),
        pytest.param([AGAIN_MINE], "not_settled", ALL, "task_in_hand", id="one's own reviewed again"),
        pytest.param([MINE, NEXT_GUIDELINE], "not_settled", ALL, ALL, id="asked again by a new guideline"),
        pytest.param([MINE, BLIND], "not_settled", ALL, WITHHELD, id="blind by a new guideline"),
    ],
)
def test_who_sees_what(tasks: list[dict[str, Any]], reviewer: str, manager: str, both: str) -> None:
    seen = {role: _seen(role, tasks) for role in ROLES}
    assert seen == {"reviewer": reviewer, "manager": manager, "both": both, "admin": both}
    member = Principal("me", frozenset(["reviewer"]), False, {"p": frozenset(["manager"])})
    elsewhere = Principal("me", frozenset(["manager"]), False, {"q": frozenset(["reviewer"])})
    assert (_seen_by(member, tasks), _seen_by(elsewhere, tasks)) == (both, manager)


def _seen(role: str, tasks: list[dict[str, Any]]) -> str:
    return _seen_by(Principal("me", frozenset(ROLES[role]), False), tasks)


def _seen_by(by: Principal, tasks: list[dict[str, Any]]) -> str:
    try:
        found = sight(by, "p", tasks)
    except ApiError as error:
        return error.error if error.status == 403 else str(error.status)
    assert found.names == (by.roles != {"reviewer"} or bool(by.memberships))
    return (ALL if found.names else NAMELESS) if found.labels else WITHHELD


def parts(**fields: Any) -> dict[str, Any]:
    route = {
        "guideline_version": 1,
        "release": 2,
        "project_version": 1,
        "label": "positive",
        "confidence": 0.7,
        "probabilities": {"positive": 0.7},
        "calibrated": True,
        "over_budget": False,
        "suspicious": False,
        "cost_usd": 0.1,
        "scored_at": 2,
        "routed_at": 3,
        "outcome": "requested",
        "reasons": ["audit"],
        "propensity": 0.1,
    }
    vote = {"guideline_version": 1, "voter": "llm", "label": "positive", "confidence": 0.7}
    decision = {
        "task_id": 1,
        "slot": 0,
        "reviewer": "me",
        "label": "negative",
        "seconds": 4.0,
        "guideline_version": 1,
        "decided_at": 7,
    }
    return {
        "item": {"item_id": "i", "ingested_at": 1, "content_hash": "h"},
        "routes": [route],
        "votes": [vote],
        "tasks": [task(part(0, "me", "decided"), label="negative", decided_at=7)],
        "decisions": [decision],
        "comments": [],
        "flags": [],
        "final_label": {"label": "negative", "source": "people", "routed_under": 1, "decided_at": 7},
        "earlier_labels": [],
        **fields,
    }


def test_all_is_told_in_the_order_of_time() -> None:
    events = timeline(parts(), Sight("boss", labels=True, names=True))
    told = [(event["type"], event["at"]) for event in events]
    assert told == [
        ("ingested", 1), ("scored", 2), ("routed", 3), ("task_opened", 3), ("decided", 7), ("settled", 7)
    ]  # fmt: skip
    assert events[1]["votes"] == [{"voter": "llm", "label": "positive", "confidence": 0.7}]
    assert events[2]["audit"] is True
    assert events[4]["who"] == {"name": "me", "you": False}


def test_a_reviewer_is_told_no_name_but_which_was_their_own() -> None:
    others = {**parts()["decisions"][0], "slot": 1, "reviewer": "someone"}
    both = task(part(0, "me", "decided"), part(1, "someone", "decided"))
    found = parts(tasks=[both], decisions=[*parts()["decisions"], others])
    events = timeline(found, Sight("me", labels=True, names=False))
    assert [event["who"] for event in events if event["type"] == "decided"] == [
        {"name": None, "you": True},
        {"name": None, "you": False},
    ]
    assert "someone" not in repr(events)


def remark(reviewer: str, **fields: Any) -> dict[str, Any]:
    return {"reviewer": reviewer, "text": "is it positive?", "at": 8, **fields}


def test_remarks_are_told_to_whom_they_are_for() -> None:
    found = parts(
        comments=[
            remark("me", audience="managers"),
            remark("someone", audience="managers"),
            remark("someone", audience="raters"),
        ],
        flags=[
            remark(who, reason="broken", resolved_at=9, resolved_by="boss", answer="mended")
            for who in ("me", "someone")
        ],
    )

    def told(**seen: bool) -> list[tuple[str, str | None]]:
        events = timeline(found, Sight("me", **seen))[-7:]
        kinds = ("commented", "flagged", "flag_resolved")
        return [(one["type"], one["who"]["name"]) for one in events if one["type"] in kinds]

    assert [name for _, name in told(labels=True, names=True)] == [
        "me",
        "someone",
        "someone",
        *["me", "someone"],
        *["boss"] * 2,
    ]
    assert told(labels=True, names=False) == [
        ("commented", None), ("commented", None), ("flagged", None), ("flag_resolved", None)
    ]  # fmt: skip
    assert "positive" not in repr(timeline(found, Sight("me", labels=False, names=True)))


def test_nothing_withheld_tells_a_label() -> None:
    again = {"label_before": "positive", "changed": None, "opened_at": 9, "settled_at": None}
    found = parts(tasks=[task(part(0, "you", "decided"), part(1, again=True), rereview=again, decided_at=7)])
    events = timeline(found, Sight("me", labels=False, names=True))
    assert [event["type"] for event in events][-2:] == ["decided", "rereview_opened"]
    assert not {"positive", "negative", "audit"} & set(repr(events).replace("'", " ").split()) - {"audit"}
    assert not any({"label", "votes", "confidence", "reasons", "propensity"} & set(event) for event in events)
    assert not any(event.get("audit") for event in events)


def test_a_withdrawn_task_is_told_by_its_route_and_the_machines_final_label() -> None:
    final = {"label": "positive", "source": "machine", "routed_under": 1, "decided_at": 9}
    events = timeline(parts(tasks=[], decisions=[], final_label=final), Sight("m", labels=True, names=True))
    assert (events[-1]["type"], events[-1]["at"]) == ("task_withdrawn", 9)


def test_where_an_item_is() -> None:
    held = parts(tasks=[OTHERS])
    assert state(parts()) == "final"
    assert state(parts(routes=[], tasks=[])) == "scoring"
    assert state(parts(tasks=[OPEN])) == "waiting"
    assert state(held) == "in_hand"
    assert state(parts(tasks=[task(part(again=True), rereview={"settled_at": None})])) == "reviewed_again"
    assert holders(held, Sight("m", labels=True, names=True)) == [
        {"task_id": 1, "who": {"name": "you", "you": False}, "since": 5, "until": 5}
    ]
    (nameless,) = holders(held, Sight("m", labels=True, names=False))
    assert nameless["who"] == {"name": None, "you": False}


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("", None),
        ("a", "b"),
        ("a/", "a0"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", None),
        ("x\ud7ff", "x\ue000"),
        ("é", "ê"),
    ],
)
def test_the_end_of_a_prefix(prefix: str, end: str | None) -> None:
    assert end_of_prefix(prefix) == end
    if end is not None:
        assert (prefix + "\U0010ffff" * 3).encode() < end.encode()


def test_labels_that_were_final_before_are_told_where_labels_are() -> None:
    earlier = {"label": "positive", "source": "machine", "guideline_version": 1, "decided_at": 4}
    found = parts(earlier_labels=[{**earlier, "replaced_at": 8, "confidence": 0.9, "release": 1}])
    last = timeline(found, Sight("boss", labels=True, names=True))[-1]
    assert last == {"type": "label_replaced", "at": 8, **earlier}
    assert "label" not in timeline(found, Sight("me", labels=False, names=True))[-1]
