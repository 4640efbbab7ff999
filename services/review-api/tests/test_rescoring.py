"""What a release makes of the votes of waiting tasks."""

import msgspec
import pytest
from labelmill.events import Vote
from labelmill.projects import load_project
from labelmill.releases import Calibrator, Evaluation, Release, Reliability
from review_api.tasks.ordering import Facts
from review_api.tasks.rescoring import Rescoring

SPEC = load_project(
    "{project: p, title: P, labels: [{name: a}, {name: b}], guideline: G, voters: ["
    "{name: x, type: llm, model: m}, {name: y, type: llm, model: m}]}"
)


def vote(voter: str, label: str, share: float) -> Vote:
    other = "b" if label == "a" else "a"
    shares = {label: share, other: 1 - share}
    return Vote(
        voter=voter, version="1", source="logprobs", label=label, confidence=share, probabilities=shares
    )


def release(**fields: object) -> Release:
    evaluation = Evaluation(items=1, accuracy=1.0, present_accuracy=0.5)
    return Release(number=1, dataset="d", decisions=1, evaluation=evaluation, created_at=0, **fields)  # type: ignore[arg-type]


def facts(*votes: Vote) -> Facts:
    return Facts("i", False, 0.5, 0, b'"a"', b"{}", msgspec.json.encode(votes), b"{}")


def test_a_voter_that_is_not_to_be_believed_no_longer_counts() -> None:
    mistrusted = {"x": Reliability(accuracy=0.5, weight=0.0), "y": Reliability(accuracy=0.9)}
    rescored = Rescoring(SPEC, release(reliabilities=mistrusted))(
        facts(vote("x", "a", 0.99), vote("y", "b", 0.8))
    )
    assert (rescored.label, rescored.confidence) == (b'"b"', pytest.approx(0.8))
    assert msgspec.json.decode(rescored.probabilities) == pytest.approx({"a": 0.2, "b": 0.8})


def test_the_confidence_is_calibrated() -> None:
    flat = Calibrator(voters=["x"], kind="isotonic", x=[0.5, 1.0], y=[0.6, 0.6])
    rescored = Rescoring(SPEC, release(reliabilities={"x": Reliability(accuracy=0.9)}, calibrators=[flat]))
    assert rescored(facts(vote("x", "a", 0.95))).confidence == pytest.approx(0.6)


def test_without_votes_all_stays() -> None:
    one = facts()
    assert Rescoring(SPEC, release())(one) is one
