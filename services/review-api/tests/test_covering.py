"""Which waiting tasks a promise covers: those that the router would accept now, and no others."""

from typing import Any

import msgspec
import pytest
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import LabelScored, ProjectPublished, Vote
from labelmill.policy import audit_draw
from labelmill.projects import AlwaysReview, LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from review_api.tasks.covering import Waiting, covered, least_confidence

POLICY = PolicySpec(target_error=0.02)
SPEC = ProjectSpec(
    project="p",
    title="P",
    labels=[LabelSpec(name="yes"), LabelSpec(name="no")],
    guideline="Say which.",
    voters=[VoterSpec(name="llm", type="llm", model="m")],
    policy=POLICY,
)


def in_force(policy: PolicySpec = POLICY, **fields: Any) -> ProjectPublished:
    spec = msgspec.structs.replace(SPEC, policy=policy, **fields)
    return ProjectPublished(project="p", version=2, guideline_version=1, spec=spec)


def acceptance(*thresholds: Threshold, **fields: Any) -> Acceptance:
    known: dict[str, Any] = {
        "state": "open",
        "thresholds": list(thresholds) or [Threshold(release=1, confidence=0.9)],
        "audit_rate": 0.0,
        "audits": 400,
        "audit_errors": 0,
        "audits_missing": 0,
        "error_bound": 0.01,
        "alarms": 0,
        "sentence": "",
        "target_error": 0.02,
        "confidence": 0.95,
    }
    return Acceptance(**{**known, **fields})


def task(number: int = 1, confidence: float = 0.95, **fields: Any) -> Waiting:
    known: dict[str, Any] = {
        "project": "p",
        "event_id": "",
        "item_id": f"i{number}",
        "content_hash": "",
        "kind": "choice",
        "label": "yes",
        "confidence": confidence,
        "probabilities": {},
        "votes": [],
        "guideline_version": 1,
        "release": 1,
        "calibrated": True,
    }
    return Waiting(number, LabelScored(**{**known, **fields}))


def vote(label: str) -> Vote:
    return Vote(voter=label, version="", source="", label=label, confidence=0.9)


def test_what_reaches_the_threshold_of_its_own_release_is_covered() -> None:
    tasks = [task(1, 0.89), task(2, 0.9), task(3, release=2), task(4, release=0)]
    assert covered(tasks, acceptance(), in_force()) == [tasks[1]]


def test_thresholds_by_label_hold_for_their_label() -> None:
    threshold = Threshold(release=1, confidence=2.0, by_label={"no": 0.8})
    tasks = [task(1), task(2, 0.85, label="no"), task(3, 0.7, label="no")]
    assert covered(tasks, acceptance(threshold), in_force()) == [tasks[1]]
    assert least_confidence(acceptance(threshold)) == {1: 0.8}


def test_audits_at_the_present_rate_stay() -> None:
    tasks = [task(number) for number in range(200)]
    left = covered(tasks, acceptance(audit_rate=0.3), in_force())
    audited = {each.task_id for each in tasks if audit_draw(POLICY.audit_seed, "p", each.score.item_id) < 0.3}
    assert 30 < len(audited) < 90
    assert {each.task_id for each in left} == set(range(200)) - audited


@pytest.mark.parametrize(
    "fields",
    [
        {"calibrated": False},
        {"suspicious": True},
        {"votes": [vote("yes"), vote("no")]},
        {"label": "a label of old"},
        {"guideline_version": 0},
    ],
)
def test_what_another_rule_sends_to_people_stays(fields: dict[str, Any]) -> None:
    assert covered([task(**fields)], acceptance(), in_force()) == []


def test_a_rule_that_came_since_counts() -> None:
    policy = msgspec.structs.replace(POLICY, always_review=AlwaysReview(metadata={"source": ["forum"]}))
    tasks = [task(1, metadata={"source": "forum"}), task(2, metadata={"source": "mail"})]
    assert covered(tasks, acceptance(), in_force(policy)) == [tasks[1]]


@pytest.mark.parametrize("target", [None, 0.01])
def test_what_was_certified_for_another_promise_covers_nothing(target: float | None) -> None:
    policy = msgspec.structs.replace(POLICY, target_error=target)
    assert covered([task(confidence=1.0)], acceptance(), in_force(policy)) == []


def test_an_alarm_covers_nothing() -> None:
    assert covered([task()], acceptance(state="alarm"), in_force()) == []
    assert least_confidence(acceptance(Threshold(release=1, confidence=2.0))) == {}
