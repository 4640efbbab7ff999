"""A policy that promises an error: what it accepts on which evidence, and how evidence is drawn."""

import math
from collections.abc import Callable

import pytest
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import LabelScored, ProjectPublished, Vote
from labelmill.policy import Policy

MakeProject = Callable[..., ProjectPublished]
MakeScore = Callable[..., LabelScored]
MakeVote = Callable[[str], Vote]


def acceptance(**fields: object) -> Acceptance:
    base: dict[str, object] = {
        "state": "open",
        "thresholds": [Threshold(release=1, confidence=0.9)],
        "audit_rate": 0.0,
        "audits": 400,
        "audit_errors": 1,
        "audits_missing": 0,
        "error_bound": 0.01,
        "alarms": 0,
        "sentence": "",
        "target_error": 0.02,
        "confidence": 0.95,
    }
    return Acceptance(**{**base, **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def promise(project: MakeProject) -> Callable[..., Policy]:
    """Makes a policy that promises 2% error, on the evidence given."""

    def make(evidence: Acceptance | None, **fields: object) -> Policy:
        return Policy.of(project(**{"target_error": 0.02, **fields}), evidence)

    return make


MakePromise = Callable[..., Policy]


def test_without_evidence_nothing_is_accepted_and_all_is_blind(
    promise: MakePromise, score: MakeScore
) -> None:
    route = promise(None).route(score(1.0, calibrated=True))
    assert route == (["cold_start"], 1.0, True, 1, 1.0)


def test_what_is_certified_is_accepted(promise: MakePromise, score: MakeScore) -> None:
    policy = promise(acceptance())
    assert policy.route(score(0.9, calibrated=True)).accepted
    below = policy.route(score(math.nextafter(0.9, 0), calibrated=True))
    assert (below.reasons, below.blind) == (["low_confidence"], False)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"release": 2, "calibrated": True}, "cold_start"),
        ({"release": 1, "calibrated": False}, "uncalibrated"),
        ({"release": 0, "calibrated": False}, "cold_start"),
    ],
)
def test_the_evidence_is_for_one_release_and_for_calibrated_scores(
    promise: MakePromise, score: MakeScore, fields: dict[str, object], reason: str
) -> None:
    assert promise(acceptance()).route(score(1.0, **fields)).reasons == [reason]


def test_an_alarm_closes_acceptance(promise: MakePromise, score: MakeScore) -> None:
    evidence = acceptance(state="alarm", audit_rate=1.0)
    route = promise(evidence).route(score(1.0, calibrated=True))
    assert (route.reasons, route.blind, route.audit_rate) == (["alarm"], True, 1.0)


def test_a_promise_for_each_label_knows_each_label(promise: MakePromise, score: MakeScore) -> None:
    by_label = Threshold(release=1, confidence=0.5, by_label={"positive": 0.8})
    policy = promise(acceptance(thresholds=[by_label]), per_label=True)
    assert policy.route(score(0.8, "positive", calibrated=True)).accepted
    assert policy.route(score(1.0, "negative", calibrated=True)).reasons == ["cold_start"]


@pytest.mark.parametrize(("target", "confidence"), [(0.01, 0.95), (0.02, 0.99)])
def test_evidence_for_a_weaker_promise_does_not_serve_a_stronger_one(
    promise: MakePromise, score: MakeScore, target: float, confidence: float
) -> None:
    policy = promise(acceptance(), target_error=target, confidence=confidence)
    assert policy.route(score(1.0, calibrated=True)).reasons == ["cold_start"]


def test_audits_are_drawn_from_all_scores_alike(
    promise: MakePromise, score: MakeScore, vote: MakeVote
) -> None:
    policy = promise(acceptance(audit_rate=0.3), audit_raters=3)

    def drawn(confidence: float, votes: list[Vote]) -> list[int]:
        scores = (score(confidence, item_id=str(i), votes=votes, calibrated=True) for i in range(300))
        routes = [policy.route(each) for each in scores]
        assert all((route.audit_rate == 0.3) == route.blind for route in routes)
        assert all(route.decisions_needed == 3 for route in routes if route.blind)
        return [number for number, route in enumerate(routes) if route.blind]

    split = [vote("positive"), vote("negative")]
    assert drawn(0.99, [vote("positive")]) == drawn(0.2, [vote("positive")]) == drawn(0.99, split)
    assert 60 < len(drawn(0.99, split)) < 120
