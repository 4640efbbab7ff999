"""`guideline`: what changed, in words, and campaigns that are shown and confirmed before anything is sent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

Labelmill = Callable[..., Any]
BASE = "/v1/projects/tweets"
DIFF = {
    "old": 1,
    "new": 2,
    "added": 1,
    "removed": 1,
    "reordered": False,
    "affected_labels": ["positive"],
    "labels": [
        {
            "name": "positive",
            "op": "changed",
            "parts": [
                {"op": "same", "text": "feels "},
                {"op": "removed", "text": "good"},
                {"op": "added", "text": "[great]"},
            ],
        }
    ],
    "hunks": [
        {
            "old": 3,
            "new": 3,
            "lines": [
                {"op": "removed", "old": 3, "new": None, "parts": [{"op": "same", "text": "Old rule."}]},
                {"op": "added", "old": None, "new": 3, "parts": [{"op": "added", "text": "New rule."}]},
            ],
        }
    ],
}


def campaign(state: str, **fields: Any) -> dict[str, Any]:
    estimate = {
        "items": 12, "tasks": 3, "cost_usd": 0.024, "human_minutes": 2.0, "human_usd": 0.4, "measured": True,
    }  # fmt: skip
    known = {
        "campaign_id": 7, "state": state, "problem": "", "estimate": estimate, "items": 12, "looked_at": 90,
        "labelled": 0, "asked": 0, "sent": 0, "waiting": 12, "given_up": 0,
    }  # fmt: skip
    return known | fields


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmill_cli.commands.guideline._POLL_SECONDS", 0.001)


def plan(api: Any, *states: dict[str, Any]) -> None:
    api.on(f"GET {BASE}/campaigns", {"campaigns": []})
    api.on(f"POST {BASE}/campaigns", campaign("planning"), 201)
    for state in (campaign("planned"), *states):
        api.on(f"GET {BASE}/campaigns/7", state)


def test_the_difference_is_told_in_words(labelmill: Labelmill, api: Any) -> None:
    api.on(f"GET {BASE}/guidelines", {"in_force": 2, "versions": []})
    api.on(f"GET {BASE}/guidelines/2/diff", DIFF)
    shown = labelmill("guideline", "diff", "-p", "tweets")
    assert shown.out.splitlines() == [
        "label positive changed: feels [-good-]{+[great]+}",
        "@@ line 3, now line 3 @@",
        "- Old rule.",
        "+ New rule.",
    ]
    assert "version 1 to 2" in shown.err


def test_a_campaign_is_shown_started_and_followed(labelmill: Labelmill, api: Any) -> None:
    done = campaign("done", labelled=12, waiting=0)
    plan(api, campaign("running", sent=5, labelled=2, waiting=5), done)
    api.on(f"POST {BASE}/campaigns/7/start", campaign("running"))
    shown = labelmill("guideline", "campaign", "-p", "tweets", "--label", "positive", "--yes")
    assert shown.status == 0, shown.err
    assert shown.out.splitlines() == [
        "12 of 90 labelled items are affected",
        "expected: $0.0240 for the machine, 3 tasks for people, 2 minutes of their time ($0.4000)",
    ]
    assert "running: 2 labelled anew, 5 on the way, 5 waiting" in shown.err
    assert shown.err.splitlines()[-1] == "done: 12 labelled anew"
    (body,) = api.bodies(f"POST {BASE}/campaigns")
    assert msgspec.json.decode(body) == {
        "mode": "relabel",
        "select": {"by": "labels", "labels": ["positive"]},
    }


def test_nothing_is_sent_without_a_yes(
    labelmill: Labelmill, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(api)
    api.on(f"POST {BASE}/campaigns/7/cancel", campaign("cancelled"))
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    shown = labelmill("guideline", "campaign", "-p", "tweets", "--all")
    assert shown.err.splitlines()[-1] == "nothing was sent"
    assert api.bodies(f"POST {BASE}/campaigns/7/start") == []


def test_texts_mark_a_boundary(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    plan(api, campaign("done", waiting=0))
    api.on(f"POST {BASE}/campaigns/7/start", campaign("running"))
    texts = tmp_path / "texts.txt"
    texts.write_text("thanks for nothing\n\n  great, again \n")
    options = ["-l", "positive", "-l", "negative", "--texts", str(texts), "--mode", "re-review", "-y"]
    assert labelmill("guideline", "campaign", "-p", "tweets", *options).status == 0
    body = msgspec.json.decode(api.bodies(f"POST {BASE}/campaigns")[0])
    assert body["mode"] == "re-review"
    assert body["select"]["texts"] == ["thanks for nothing", "great, again"]
    assert body["select"]["labels"] == ["positive", "negative"]


def test_one_that_runs_is_followed_and_no_other_planned(labelmill: Labelmill, api: Any) -> None:
    api.on(f"GET {BASE}/campaigns", {"campaigns": [campaign("running")]})
    api.on(f"GET {BASE}/campaigns/7", campaign("running", waiting=0, asked=4, labelled=8))
    shown = labelmill("guideline", "campaign", "-p", "tweets", "--all")
    assert shown.err.splitlines() == [
        "campaign 7 is under way",
        "running: 8 labelled anew, 4 with people",
    ]


def test_errors_say_what_to_do(labelmill: Labelmill, api: Any) -> None:
    api.on(f"GET {BASE}/campaigns", {"campaigns": []})
    assert "--label" in labelmill("guideline", "campaign", "-p", "tweets").err
    api.on(f"POST {BASE}/campaigns", campaign("failed", problem="texts cannot be compared here"), 201)
    failed = labelmill("guideline", "campaign", "-p", "tweets", "--boundary")
    assert (failed.status, failed.err) == (1, "error: texts cannot be compared here\n")


def test_applying_a_new_guideline_says_how_items_are_looked_at_again(
    labelmill: Labelmill, api: Any, tmp_path: Path
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "project: tweets\ntitle: T\nlabels: [{name: positive}, {name: negative}]\nguideline: New.\n"
        "voters: [{name: llm, type: llm, model: m}]\n"
    )
    applied = {"version": 4, "guideline_version": 2, "changed": True, "warnings": []}
    api.on(f"PUT {BASE}", applied)
    api.on(f"GET {BASE}/guidelines", {"in_force": 2, "versions": [{"guideline_version": 2, "version": 4}]})
    api.on(f"GET {BASE}/guidelines/2/diff", DIFF)
    told = labelmill("project", "apply", str(file)).err
    assert "`labelmill guideline campaign -p tweets --label positive`" in told
    api.answers[f"PUT {BASE}"].clear()
    api.on(f"PUT {BASE}", applied | {"version": 5})
    assert "campaign" not in labelmill("project", "apply", str(file)).err, "only another policy"
