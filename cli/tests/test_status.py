"""`status`: the projects side by side, and one with its promise and what a label costs."""

from collections.abc import Callable
from typing import Any

import pytest

Labelmill = Callable[..., Any]

STATUS = {
    "items": 1200,
    "final_labels": 600,
    "requested": 300,
    "withdrawn": 7,
    "requested_again": 40,
    "release": 2,
    "cost_usd": 0.5,
    "human_seconds": 90,
}


def test_status_of_all_projects(labelmill: Labelmill, api: Any) -> None:
    projects = [{"project": name, "version": 1, "guideline_version": 1} for name in ("tweets", "news")]
    api.on("GET /v1/projects", projects)
    api.on("GET /v1/projects/tweets/status", STATUS)
    api.on("GET /v1/projects/news/status", {})
    shown = [line.split() for line in labelmill("status").out.splitlines()]
    assert ["tweets", "news"] in shown
    assert ["items", "1,200", "0"] in shown
    assert ["withdrawn,", "then", "accepted", "7", "0"] in shown
    assert ["final", "labels", "600", "(50%)", "0", "(-)"] in shown
    assert ["asked", "of", "people", "300", "(25%)", "0", "(-)"] in shown
    assert ["asked", "again,", "by", "campaigns", "40", "0"] in shown
    assert ["people's", "time", "1.5", "min", "0.0", "min"] in shown


def test_figures_say_what_was_erased(labelmill: Labelmill, api: Any) -> None:
    erased = {"decided": 47, "items": 95, "final_labels": 42, "items_erased": 6, "final_labels_erased": 5}
    projects = [{"project": name, "version": 1, "guideline_version": 1} for name in ("tweets", "news")]
    api.on("GET /v1/projects", projects)
    api.on("GET /v1/projects/tweets/status", erased)
    api.on("GET /v1/projects/news/status", erased | {"items_erased": 0, "final_labels_erased": 0})
    lines = [" ".join(line.split()) for line in labelmill("status").out.splitlines()]
    assert "items 95, without 6 erased 95" in lines
    assert "final labels 42 (44%), without 5 erased 42 (44%)" in lines
    assert "decided 47, of erased items too 47" in lines


def test_status_without_a_project_says_how_to_make_one(labelmill: Labelmill, api: Any) -> None:
    api.on("GET /v1/projects", [])
    assert labelmill("status").out == "no projects yet: `labelmill project apply FILE` makes one\n"


ACCEPTANCE = {
    "state": "open",
    "sentence": "At most 2% of accepted labels differ from what one person would say.",
    "audits_missing": 1234,
    "audit_rate": 0.05,
}
AUDITED = STATUS | {"accepted": 800, "withdrawn": 100, "audits": 50, "audit_errors": 5, "human_seconds": 3600}


@pytest.mark.parametrize(
    ("figures", "cost"),
    [
        # $0.50 and an hour at $12, by 900 labels of which a tenth is wrong.
        (AUDITED, "$0.0154 (10.0% of 50 audits were errors)"),
        (AUDITED | {"audits": 0, "audit_errors": 0}, "unknown: no audits decided yet"),
        (AUDITED | {"accepted": 0, "withdrawn": 0}, "-"),
    ],
)
def test_one_project_tells_its_promise_and_what_a_label_costs(
    labelmill: Labelmill, api: Any, figures: dict[str, Any], cost: str
) -> None:
    api.on("GET /v1/projects/tweets/status", figures)
    api.on("GET /v1/projects/tweets", {"spec": {"usd_per_hour": 12.0}})
    api.on("GET /v1/projects/tweets/promise", {"acceptance": ACCEPTANCE})
    shown = labelmill("status", "-p", "tweets").out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert f"cost per accepted-correct label {cost}" in lines
    assert f"promise {ACCEPTANCE['sentence']}" in lines
    assert "state open: labels are accepted" in lines
    assert "audits missing 1,234" in lines
    assert "could not be used in none of these: see `labelmill dlq list`" in lines


def test_reviewers_see_the_figures_and_not_the_promise(labelmill: Labelmill, api: Any) -> None:
    api.on("GET /v1/projects/tweets/status", AUDITED)
    api.on("GET /v1/projects/tweets", {"spec": {"usd_per_hour": 12.0}})
    api.on("GET /v1/projects/tweets/promise", {"error": "forbidden", "detail": "for managers"}, 403)
    done = labelmill("status", "-p", "tweets")
    assert done.status == 0
    assert "cost per accepted-correct label" in done.out
    assert "promise" not in done.out


def test_a_project_without_a_promise_has_only_its_cost(labelmill: Labelmill, api: Any) -> None:
    api.on("GET /v1/projects/tweets/status", AUDITED)
    api.on("GET /v1/projects/tweets", {"spec": {"usd_per_hour": 12.0}})
    api.on("GET /v1/projects/tweets/promise", {"acceptance": None})
    assert "promise" not in labelmill("status", "-p", "tweets").out
