"""Projects: what a YAML file says, and what is told about one that cannot be used."""

from typing import Any

import msgspec
import pytest
from labelmill.errors import InvalidProject
from labelmill.events import EventDecoder, ProjectPublished
from labelmill.projects import load_project, project_from

MINIMAL: dict[str, Any] = {
    "project": "tweets",
    "title": "Tweets",
    "labels": [{"name": "positive"}, {"name": "negative"}],
    "guideline": "Say which.",
    "voters": [{"name": "llm", "type": "llm", "model": "small"}],
}


def test_a_minimal_project_gets_defaults() -> None:
    spec = project_from(MINIMAL)
    assert spec.label_names == ["positive", "negative"]
    assert spec.kind == "choice"
    assert spec.policy.accept_threshold == 0.9
    assert spec.training.trainer == "student"


def test_yaml_is_read() -> None:
    spec = load_project(
        b"""
        project: tweets
        title: Tweets \xc3\xa9
        labels: [{name: "yes", description: really}, {name: "no"}]
        guideline: |
          Two
          lines.
        voters:
          - {name: llm, type: llm, model: m, examples: [{content: hm, label: "no"}]}
          - {name: student, type: student}
        policy: {always_review: {labels: ["no"], metadata: {lang: [de]}}}
        """
    )
    assert spec.guideline == "Two\nlines.\n"
    assert spec.title == "Tweets é"
    assert spec.policy.always_review.metadata == {"lang": ["de"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", r"^not YAML: line \d, column \d: "),
        ("", "Expected `object`"),
        ("- a", "Expected `object`"),
        ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("project: tweets", "missing required field `title`"),
        (b"\xff\xfe\xff", "not YAML"),
        ("project: &a [*a]", r"an alias \(\*a\): write out"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "an alias"),
        ("project: 2025-99-99", "not YAML"),
        ("x: " + "[" * 5000, "not YAML"),
    ],
)
def test_documents_that_are_no_project(text: str | bytes, says: str) -> None:
    with pytest.raises(InvalidProject, match=says):
        load_project(text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"project": "Tweets!"}, "project: use a-z"),
        ({"project": "x" * 64}, "project: use a-z"),
        ({"project": ""}, "project: use a-z"),
        ({"labels": [{"name": "a"}]}, "labels: between 2 and 26"),
        ({"labels": [{"name": str(n)} for n in range(27)]}, "labels: between 2 and 26"),
        ({"labels": [{"name": "a"}, {"name": "a"}]}, "labels: names must differ"),
        ({"labels": [{"name": "a"}, {"name": " "}]}, "labels: a name is empty"),
        ({"voters": []}, "voters: at least one"),
        ({"voters": MINIMAL["voters"] * 2}, "voters: names must differ"),
        ({"voters": [{"name": "llm", "type": "llm"}]}, "an llm voter needs a model"),
        ({"voters": [MINIMAL["voters"][0] | {"permutations": 3}]}, "permutations: 1 to the number of labels"),
        ({"voters": [MINIMAL["voters"][0] | {"permutations": 0}]}, "permutations: 1 to the number of labels"),
        (
            {"voters": [MINIMAL["voters"][0] | {"examples": [{"content": "x", "label": "meh"}]}]},
            ".examples: 'meh' is none of the labels positive, negative",
        ),
        (
            {"voters": [{"name": "f", "type": "function", "function": {"regex": {"positive": ["(?=x)"]}}}]},
            "voters.f.function.regex: '(?=x)' is no RE2 pattern: invalid perl operator",
        ),
        ({"kind": "holograms"}, "kind: 'holograms' is unknown; known are choice"),
        ({"policy": {"accept_threshold": 1.5}}, "rates lie between 0 and 1"),
        ({"policy": {"audit_rate": float("nan")}}, "rates lie between 0 and 1"),
        ({"policy": {"decisions_per_task": 0}}, "decisions_per_task: 1 to 9"),
        (
            {"policy": {"always_review": {"labels": ["meh"]}}},
            "policy.always_review.labels: 'meh' is none of the labels positive, negative",
        ),
        (
            {"policy": {"acept_threshold": 0.9}},
            "policy.acept_threshold: there is no such field; known are",
        ),
        ({"policy": {"audit_rate": "high"}}, "policy.audit_rate: Expected `float`, got `str`"),
        ({"policy": {5: None}}, "policy: the name of a field is a number; write decimals with a point"),
        ({"title": 5}, "title: Expected `str`, got `int`"),
        (
            {"voters": [MINIMAL["voters"][0] | {"type": "studnet"}]},
            "voters[0].type: Invalid enum value 'studnet'; known are llm, student, function",
        ),
        ({"voters": [{"name": "llm"}]}, "voters[0]: Object missing required field `type`"),
        (
            {"voters": [{"name": "f", "type": "function", "function": {"keywords": {"meh": ["x"]}}}]},
            "voters.f.function: 'meh' is none of the labels positive, negative",
        ),
        ({"training": {"trainer": "openai"}}, "training.base_model is missing"),
        ({"training": {"min_decisions": 0}}, "training.min_decisions: at least 1"),
        ({"training": {"every_corrections": 0}}, "training.every_corrections: at least 1"),
        ({"training": {"max_age_hours": -1}}, "training.max_age_hours: more than 0"),
        ({"review": {"order": "luck"}}, "review.order"),
        ({"review": {"sla_hours": 0}}, "review.sla_hours: more than 0"),
        ({"review": {"overlap": {"most_decisions": 10}}}, "review.overlap.most_decisions: 0, or from"),
        ({"review": {"overlap": {"most_decisions": 3}}}, "overlap: people can only differ with"),
        ({"review": {"overlap": {"agreement": 0.4}}}, "review.overlap.agreement: 0.5 or more"),
        ({"review": {"gold": {"rate": 0.6}}}, "review.gold: a rate of at most 0.5"),
        ({"review": {"skills": [{"name": "medical"}]}}, "review.skills.medical: say by labels or metadata"),
        ({"review": {"skills": [{"name": "expert", "labels": ["a"]}]}}, "'expert' is the skill of those"),
        ({"review": {"skills": [{"name": "law", "labels": ["c"]}]}}, "review.skills.law.labels: 'c' is none"),
        ({"review": {"care": {"break_minutes": -1}}}, "review.care: times are 0 or more"),
        ({"minutes_per_decision": -1}, "minutes_per_decision: 0 or more"),
        ({"usd_per_hour": float("nan")}, "usd_per_hour: 0 or more"),
        ({"voters": [MINIMAL["voters"][0] | {"input_usd_per_mtok": -1}]}, "voters.llm: a price is 0 or more"),
        ({"title": "a\0b"}, "NUL character"),
        ({"guideline": "\ud800"}, "surrogate"),
        ({"labels": [{"name": "a"}, {"name": "b", "hint": "x"}]}, "labels.1.hint: there is no such field"),
        ({"colour": "blue"}, "colour: there is no such field"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_mistakes_are_named_with_what_would_be_right(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidProject) as caught:
        project_from(MINIMAL | change)
    assert says in str(caught.value)


def test_a_project_written_by_a_later_build_can_be_followed() -> None:
    later = MINIMAL | {"novelty": 1, "policy": {"nuance": 3}}
    event = {"project": "tweets", "version": 1, "guideline_version": 1, "spec": later}
    decoded = EventDecoder(ProjectPublished).decode(msgspec.json.encode(event))
    assert decoded.spec == project_from(MINIMAL)
