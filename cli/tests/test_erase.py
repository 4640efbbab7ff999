"""`erase` against a server that answers as review-api does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Labelmill = Callable[..., Any]
ERASE, SHOW = "POST /v1/erasures", "GET /v1/erasures/7"
LINEAGE = "GET /v1/projects/tweets/items/a/1"
DONE = {
    "erasure_id": 7,
    "state": "done",
    "requested_by": "admin",
    "requested_at": 1,
    "done_at": 1_760_000_000_000,
    "items": 1,
    "unconfirmed": 0,
    "quoted": ["tweets, guideline 3"],
    "removed": {"review-api": {"items": 1, "routes": 2}, "trainer": {"decisions": 1}},
}
GOING_ON = {**DONE, "state": "confirming", "done_at": None, "unconfirmed": 1}


@pytest.fixture
def exports(api: Any) -> Any:
    """The exports hold another item only."""
    for path in ("labels?content=1&owners=1", "routes", "decisions"):
        api.on(f"GET /v1/projects/tweets/{path}", b'{"item_id":"a/10","content":"else"}\n')
    return api


def on_item(api: Any, item_id: str = "a/1") -> None:
    api.on(ERASE, {"erasure_id": None, "items": {"tweets": 1}}, 202)
    api.on(ERASE, {"erasure_id": 7, "items": {"tweets": 1}}, 202)
    path = "GET /v1/projects/tweets/items/" + item_id
    api.on(path, {"item": {"item_id": item_id, "content": "so sad", "content_hash": "abc"}})
    api.on(path, {"error": "unknown_item", "detail": "no"}, 404)


def test_an_item_is_erased_and_then_looked_for(
    labelmill: Labelmill, exports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    on_item(exports)
    exports.on(SHOW, GOING_ON)
    exports.on(SHOW, DONE)
    done = labelmill("erase", "item", "tweets", "a/1", "--yes")
    assert done.status == 0, done.err
    asked = [json.loads(body) for body in exports.bodies(ERASE)]
    assert asked == [
        {"project": "tweets", "item_id": "a/1", "dry_run": True},
        {"project": "tweets", "item_id": "a/1"},
    ]
    assert "1 not confirmed yet" in done.err
    assert "review-api  routes     2" in done.out
    assert done.out.count("nothing") == 4
    assert "takes what is erased off items and labels" in done.err
    assert "tweets, guideline 3 shows it as an example" in done.err


def test_what_is_still_found_is_an_error(labelmill: Labelmill, api: Any) -> None:
    on_item(api)
    api.on(SHOW, DONE)
    for path in ("routes", "decisions"):
        api.on(f"GET /v1/projects/tweets/{path}", b"")
    api.on("GET /v1/projects/tweets/labels?content=1&owners=1", b'{"item_id":"a/10","content":"so sad!"}\n')
    done = labelmill("erase", "item", "tweets", "a/1", "--yes")
    assert done.status == 1
    assert "labels     1" in done.out


def test_nothing_is_erased_unless_confirmed(labelmill: Labelmill, api: Any) -> None:
    on_item(api)
    done = labelmill("erase", "item", "tweets", "a/1")
    assert done.status == 1
    assert len(api.bodies(ERASE)) == 1, "only a dry run"


def test_an_item_under_a_blind_check_is_erased_all_the_same(labelmill: Labelmill, exports: Any) -> None:
    exports.on(ERASE, {"erasure_id": None, "items": {"tweets": 1}}, 202)
    exports.on(ERASE, {"erasure_id": 7, "items": {"tweets": 1}}, 202)
    exports.on(LINEAGE, {"error": "blind_task_open", "detail": "a blind check of it is open"}, 403)
    exports.on(LINEAGE, {"error": "unknown_item", "detail": "no"}, 404)
    exports.on(SHOW, DONE)
    done = labelmill("erase", "item", "tweets", "a/1", "--yes")
    assert done.status == 0, done.err
    assert done.out.count("nothing") == 4


def test_an_unknown_item_is_told(labelmill: Labelmill, api: Any) -> None:
    api.on(ERASE, {"error": "unknown_item", "detail": "project 'tweets' has no item 'x'"}, 404)
    done = labelmill("erase", "item", "tweets", "x", "--yes")
    assert (done.status, "has no item 'x'" in done.err) == (1, True)


def test_an_owner_is_erased(labelmill: Labelmill, api: Any) -> None:
    api.on(ERASE, {"erasure_id": None, "items": {"tweets": 3, "news": 1}}, 202)
    api.on(ERASE, {"erasure_id": 7, "items": {"tweets": 3, "news": 1}}, 202)
    api.on(ERASE, {"error": "unknown_owner", "detail": "no"}, 404)
    api.on(SHOW, DONE)
    done = labelmill("erase", "owner", "ann", "--yes")
    assert done.status == 0, done.err
    assert "the owner has no items any more" in done.err
    assert "takes what is erased off items and labels" in done.err
    assert json.loads(api.bodies(ERASE)[1]) == {"owner": "ann"}
