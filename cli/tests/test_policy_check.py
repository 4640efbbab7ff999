"""`policy check`: what a policy does in words, and what about it deserves a second look."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.projects import ProjectSpec, project_from
from labelmill_cli.policy_words import audits_needed, explained

Labelmill = Callable[..., Any]
BASE: dict[str, Any] = {
    "project": "tweets",
    "title": "Tweets",
    "labels": [{"name": "positive"}, {"name": "negative"}],
    "guideline": "Say which.",
    "voters": [{"name": "llm", "type": "llm", "model": "m"}, {"name": "student", "type": "student"}],
    "budget": {"usd_per_day": 5.0, "when_spent": "people"},
    "minutes_per_decision": 0.5,
}


def spec(changes: dict[str, Any] | None = None, **policy: Any) -> ProjectSpec:
    return project_from({**BASE, **(changes or {}), "policy": {"audit_seed": "s3cret", **policy}})


def test_a_promise_is_explained() -> None:
    words = explained(spec(target_error=0.02, audit_raters=3, always_review={"labels": ["negative"]}))
    said = "\n".join(words.lines)
    assert "at most 2% of accepted labels differ from what most of 3 people would say, with 95%" in said
    # 380 audits by three people, half a minute each.
    assert "at least 380 blind audits without an error, about 9.5 hours" in said
    assert "audits: 2% to 20% of all items, blind, as many as the promise needs; 3 people each" in said
    assert "always to people: labels negative; items on which the voters differ" in said
    assert "overlap: 1 person for each item" in said
    assert "budget: $5.00 a day; once it is spent, items go to people without the voters that cost" in said
    assert words.warnings == []


def test_thresholds_are_explained() -> None:
    words = explained(spec(accept_threshold=0.8, decisions_per_task=2, audit_rate=0.05, audit_raters=2))
    said = "\n".join(words.lines)
    assert "a confidence of at least 0.8; before the first release 0.95" in said
    assert "no error is promised" in said
    assert "audits: 5% of what would be accepted, blind; 2 people each" in said
    assert "overlap: 2 people for each item" in said
    assert words.warnings == []


@pytest.mark.parametrize(
    ("gold", "says"),
    [
        ({"rate": 0.05}, "in 10 or more is paused; that takes at least 10 gold items without a skill"),
        ({"training_tasks": 5}, "newcomers begin with 5 in training; that takes at least 5 gold items"),
        (
            {"rate": 0.05, "training_tasks": 8},
            "newcomers begin with 8 in training, and half of the gold is kept for hidden checks; that takes "
            "at least 18 gold items without a skill",
        ),
    ],
)
def test_it_says_how_much_gold_is_needed(gold: dict[str, Any], says: str) -> None:
    assert any(says in line for line in explained(spec({"review": {"gold": gold}})).lines)


LLM, STUDENT = BASE["voters"]
FUNCTION = {"name": "f", "type": "function", "function": {"keywords": {"positive": ["good"]}}}


@pytest.mark.parametrize(
    ("changes", "policy", "says"),
    [
        ({}, {"target_error": 0.001}, "takes 7,678 audits without one error"),
        ({}, {"target_error": 0.02, "audit_raters": 1}, "relative to one person"),
        ({}, {"target_error": 0.02, "always_review": {"subjective": True}}, "never accepts anything"),
        (
            {},
            {"target_error": 0.02, "always_review": {"labels": ["positive"], "expert_labels": ["negative"]}},
            "never accepts anything",
        ),
        ({}, {"audit_rate": 0.0}, "error of what is accepted unknown"),
        ({}, {"accept_threshold": 0.97}, "more is accepted before anything is learned"),
        ({}, {"accept_threshold": 0.5, "cold_start_threshold": 0.5}, "accepts guesses"),
        ({"voters": [STUDENT]}, {}, "the student is the only voter"),
        ({"voters": [STUDENT, FUNCTION]}, {}, "there is no LLM"),
        ({"voters": [LLM]}, {}, "disagreement has no effect"),
        ({}, {"audit_raters": 2, "decisions_per_task": 3}, "audit_raters has no effect"),
        ({}, {"audit_seed": "labelmill"}, "can foresee which are audited"),
        ({"budget": {}}, {}, "nothing limits what the LLM may cost"),
        (
            {"review": {"care": {"sensitive": {"kind": ["grim"]}, "sensitive_per_day": 0}}},
            {},
            "these tasks wait for ever",
        ),
        (
            {"review": {"pay": {"usd_per_decision": 0.05, "floor_usd_per_hour": 9}}},
            {},
            "people earn $6.00 an hour if a decision takes 0.5 minutes, less than",
        ),
    ],
)
def test_what_deserves_a_second_look(changes: dict[str, Any], policy: dict[str, Any], says: str) -> None:
    assert any(says in warning for warning in explained(spec(changes, **policy)).warnings)


def test_of_what_was_not_set_nothing_is_said() -> None:
    assert explained(spec(decisions_per_task=3)).warnings == []
    said = "\n".join(explained(spec()).lines)
    assert "order: first what the machine is least sure of; no age is too old" in said
    assert "gold: no hidden checks of people\n" in said
    assert "hours: 8 in 24 at most; no break is enforced" in said
    assert "an hour" in said
    assert not any(word in said for word in ("skill", "differ:", "distressing"))


def test_how_people_review_is_explained() -> None:
    review = {
        "order": "margin",
        "sla_hours": 24,
        "skills": [{"name": "law", "labels": ["negative"], "metadata": {"field": ["law", "tax"]}}],
        "overlap": {"most_decisions": 4, "adjudicate": True},
        "gold": {"rate": 0.1, "training_tasks": 5},
        "care": {"sensitive": {"kind": ["grim"]}, "break_after_minutes": 50},
        "pay": {"usd_per_decision": 0.2, "floor_usd_per_hour": 12},
    }
    words = explained(spec({"review": review}, decisions_per_task=2))
    said = "\n".join(words.lines)
    assert "order: first where its two best labels are closest; after 24 hours a task comes before" in said
    assert (
        "decides where the machine says negative, or field is law or tax; a manager grants it, or 5" in said
    )
    assert "where people differ: up to 4 people decide, and then an expert" in said
    assert "gold: 10% of everybody's tasks are hidden checks" in said
    assert "below 70% in 10 or more is paused; newcomers begin with 5 in training" in said
    assert "distressing: where kind is grim; only for who has said that they would see them, 50 in 24" in said
    assert "hours: 8 in 24 at most; a break of 5 minutes after 50" in said
    assert "pay: $0.2 a decision, alert below $12.00 an hour" in said
    assert words.warnings == []


@settings(deadline=None)
@given(st.floats(0.001, 0.4), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.booleans())
def test_a_stricter_promise_needs_more_audits(target: float, confidence: float, per_label: bool) -> None:
    one = spec(target_error=target, confidence=confidence, per_label=per_label)
    policy = msgspec.structs.replace(one.policy, target_error=target / 2.0)
    assert 0 < audits_needed(one) < audits_needed(msgspec.structs.replace(one, policy=policy))
    assert all(explained(one).lines)


def written(folder: Path, **policy: Any) -> str:
    file = folder / "new.yaml"
    file.write_text(yaml.safe_dump({**BASE, "policy": policy}))
    return str(file)


def test_a_file_with_a_problem_ends_with_status_1(labelmill: Labelmill, tmp_path: Path) -> None:
    done = labelmill("policy", "check", written(tmp_path, target_error=0.7))
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: policy.target_error: more than 0 and less than 0.5\n"


def test_words_go_out_and_warnings_besides(labelmill: Labelmill, tmp_path: Path) -> None:
    done = labelmill("policy", "check", written(tmp_path, target_error=0.02))
    assert done.status == 0
    assert done.out.startswith("promise: at most 2% of accepted labels differ")
    assert "warning: audit_seed is the one that everybody knows" in done.err
    assert "warning: no price known for model m: its calls count as free" in done.err


def test_the_bundled_model_costs_nothing_and_that_is_said(labelmill: Labelmill, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    voters = [{"name": "llm", "type": "llm", "model": "SmolLM2-135M-Instruct"}]
    file.write_text(yaml.safe_dump({**BASE, "voters": voters, "budget": {}}))
    done = labelmill("policy", "check", str(file))
    assert "SmolLM2-135M-Instruct costs nothing by the token: it runs on your own machine" in done.out
    assert not any(word in done.err for word in ("price", "budget"))


def test_the_load_cannot_be_told_where_nothing_was_routed_or_may_be_read(
    labelmill: Labelmill, api: Any, tmp_path: Path
) -> None:
    file = written(tmp_path)
    api.on("GET /v1/projects/tweets/status", {"items": 0})
    api.on(
        "GET /v1/projects/tweets", {"project": "tweets", "version": 1, "guideline_version": 1, "spec": BASE}
    )
    api.on("GET /v1/projects/tweets/routes", b"")
    done = labelmill("policy", "check", file, "-p", "tweets")
    assert done.status == 0
    assert "warning: project tweets has no routes yet" in done.err
    api.answers.pop("GET /v1/projects/tweets/routes")
    api.on("GET /v1/projects/tweets/routes", {"error": "forbidden", "detail": "for managers"}, 403)
    done = labelmill("policy", "check", file, "-p", "tweets")
    assert done.status == 0
    assert "warning: the records of tweets cannot be read: this token may not do that" in done.err
