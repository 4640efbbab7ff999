"""`replay` against a server that answers as review-api does: what is read, and what is shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Labelmill = Callable[..., Any]
SPEC: dict[str, Any] = {
    "project": "tweets",
    "title": "Tweets",
    "labels": [{"name": "positive"}, {"name": "negative"}],
    "guideline": "Say which.",
    "voters": [{"name": "llm", "type": "llm", "model": "m"}],
    "policy": {"accept_threshold": 0.9, "audit_rate": 0.0},
    "usd_per_hour": 30.0,
}
PATH = "GET /v1/projects/tweets"


def line(number: int, confidence: float, **fields: Any) -> dict[str, Any]:
    """A route as the policy of SPEC makes it under release 1; people find that the label is right."""
    accepted = confidence >= 0.9
    return {
        "item_id": f"i{number}",
        "guideline_version": 1,
        "metadata": {},
        "content_hash": "h",
        "label": "positive",
        "confidence": confidence,
        "probabilities": {"positive": confidence},
        "votes": [{"voter": "llm", "label": "positive"}],
        "calibrated": True,
        "over_budget": False,
        "suspicious": False,
        "release": 1,
        "outcome": "accepted" if accepted else "requested",
        "reasons": [] if accepted else ["low_confidence"],
        "propensity": 0.0 if accepted else 1.0,
        "cost_usd": 0.01,
        "project_version": 3,
        "routed_at": 1_760_000_000_000 + number,
        "blind": False,
        "audit_rate": 0.0,
        "decided_label": None if accepted else "positive",
        "decided_at": None if accepted else 1_760_000_001_000 + number,
        "decisions": 0 if accepted else 1,
        "withdrawn": False,
    } | fields


@pytest.fixture
def recorded(api: Any) -> Any:
    """A project with 60 accepted and 40 decided items, each decision of 12 seconds."""
    lines = [line(n, 0.95 if n < 60 else 0.5 + (n - 60) / 100) for n in range(100)]
    answer = {"project": "tweets", "version": 3, "guideline_version": 1, "spec": SPEC}
    api.on(f"{PATH}/status", {"items": 100, "human_seconds": 480.0})
    api.on(PATH, answer)
    api.on(f"{PATH}?version=3", answer)
    api.on(f"{PATH}/routes", b"".join(json.dumps(each).encode() + b"\n" for each in lines))
    api.on(f"{PATH}/promise", {"acceptance": None})
    return api


def policy_file(folder: Path, **policy: Any) -> str:
    file = folder / "new.yaml"
    file.write_text(yaml.safe_dump(SPEC | {"policy": policy}))
    return str(file)


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


def test_both_policies_stand_side_by_side(labelmill: Labelmill, recorded: Any, tmp_path: Path) -> None:
    file = policy_file(tmp_path, accept_threshold=0.7, audit_rate=0.0)
    done = labelmill("replay", "--policy", file, "tweets")
    assert done.status == 0, done.err
    shown = rows(done.out)
    assert ["recorded", "tried"] in shown
    assert ["accepted", "60", "(60.0%)", "80", "(80.0%)"] in shown
    assert ["low_confidence", "40", "20"] in shown
    assert ["people's", "time", "8.0", "min", "4.0", "min"] in shown
    assert ["cost", "of", "people", "$4.00", "$2.00"] in shown
    assert ["cost", "of", "the", "machine", "$1.00", "$1.00"] in shown
    assert "unknown: no audits there" in done.out
    assert "unknown: no audits of 60 (75.0%) of them; 0% to" in done.out
    assert "20 are accepted that went to people, 0 go to people that were accepted" in done.out
    assert done.err == ""


def test_as_a_document_for_machines(labelmill: Labelmill, recorded: Any, tmp_path: Path) -> None:
    file = policy_file(tmp_path, accept_threshold=0.9, audit_rate=0.0)
    done = labelmill("replay", "--policy", file, "tweets", "--json")
    found = json.loads(done.out)
    assert found["tried"] == found["recorded"]
    assert (found["routes"], found["reproduced"]) == (100, 100)
    assert found["tried"]["error"]["error"] is None
    assert found["evidence"] is None


def test_a_promise_tells_what_evidence_it_lacks(labelmill: Labelmill, recorded: Any, tmp_path: Path) -> None:
    done = labelmill("replay", "--policy", policy_file(tmp_path, target_error=0.05), "tweets")
    assert "promise: Nothing is accepted yet: 0 audits, 0 errors so far" in done.out
    assert ["accepted", "60", "(60.0%)", "0", "(0.0%)"] in rows(done.out)


def test_the_load_is_told_with_a_policy(labelmill: Labelmill, recorded: Any, tmp_path: Path) -> None:
    file = policy_file(tmp_path, accept_threshold=0.7, audit_rate=0.0)
    done = labelmill("policy", "check", file, "-p", "tweets")
    assert (
        "of the 100 items recorded 20.0% would have gone to people (low_confidence 20), 0.1 hours" in done.out
    )
    assert "on record are 40.0%" in done.out
    done = labelmill("policy", "check", policy_file(tmp_path, target_error=0.02), "-p", "tweets")
    assert "warning: the promise needs 380 audits at least, and only 100 items came so far" in done.err


def test_routes_that_do_not_come_out_again_are_told(
    labelmill: Labelmill, recorded: Any, tmp_path: Path
) -> None:
    recorded.answers.pop(f"{PATH}/routes")
    recorded.on(f"{PATH}/routes", json.dumps(line(1, 0.95, reasons=["suspicious"])).encode())
    done = labelmill("replay", "--policy", policy_file(tmp_path), "tweets")
    assert "warning: 1 of 1 routes come out otherwise" in done.err


def test_routes_that_are_held_back_are_left_out_and_told(
    labelmill: Labelmill, recorded: Any, tmp_path: Path
) -> None:
    held = line(0, 0.5) | dict.fromkeys(["label", "confidence", "probabilities", "votes", "reasons"])
    lines = [held | {"withheld": True}, line(1, 0.95), line(2, 0.95)]
    recorded.answers.pop(f"{PATH}/routes")
    recorded.on(f"{PATH}/routes", b"".join(json.dumps(each).encode() + b"\n" for each in lines))
    done = labelmill("replay", "--policy", policy_file(tmp_path), "tweets", "--json")
    assert json.loads(done.out)["routes"] == 2
    assert "1 routes are left out: you may be asked about their items in a blind check" in done.err


def test_a_project_without_routes_cannot_be_replayed(
    labelmill: Labelmill, recorded: Any, tmp_path: Path
) -> None:
    recorded.answers.pop(f"{PATH}/routes")
    recorded.on(f"{PATH}/routes", b"")
    done = labelmill("replay", "--policy", policy_file(tmp_path), "tweets")
    assert (done.status, done.out) == (1, "")
    assert "has no routes yet" in done.err


def test_a_file_without_a_recorded_label_is_refused_in_words(
    labelmill: Labelmill, recorded: Any, tmp_path: Path
) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(SPEC | {"labels": [{"name": "good"}, {"name": "bad"}]}))
    done = labelmill("replay", "--policy", str(file), "tweets")
    assert done.status == 1
    assert "the file does not fit what tweets recorded" in done.err
    assert "positive" in done.err
