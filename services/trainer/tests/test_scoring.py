"""How an audit scores under a release: no threshold may be told a better error than it has."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.events import Vote
from labelmill.projects import AlwaysReview, LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from labelmill.releases import Calibrator, Evaluation, Release
from trainer.scoring import Scorer, Votes

LABELS = ("a", "b", "c")
VOTERS = ("cheap", "dear", "dearest")
THRESHOLDS = np.linspace(0.5, 1.0, 101)


def spec_of(**policy: object) -> ProjectSpec:
    return ProjectSpec(
        project="p",
        title="P",
        labels=[LabelSpec(name=name) for name in LABELS],
        guideline="Say which.",
        voters=[
            VoterSpec(
                name=name, type="llm", model="m", input_usd_per_mtok=float(price), output_usd_per_mtok=0.0
            )
            for price, name in enumerate(VOTERS, 1)
        ],
        policy=PolicySpec(**{"target_error": 0.02, "disagreement": False, **policy}),  # type: ignore[arg-type]
    )


AS_POOLED = Release(
    number=1,
    dataset="d",
    decisions=100,
    evaluation=Evaluation(items=1, accuracy=1.0, present_accuracy=0.0),
    created_at=0,
    calibrators=[
        Calibrator(voters=sorted(VOTERS[: count + 1]), kind="platt", slope=1.0, offset=0.0)
        for count in range(len(VOTERS))
    ],
)


def vote(voter: str, label: str, share: float) -> Vote:
    rest = (1.0 - share) / (len(LABELS) - 1)
    shares = {name: share if name == label else rest for name in LABELS}
    return Vote(
        voter=voter, version="m", source="logprobs", label=label, confidence=share, probabilities=shares
    )


def votes(*said: tuple[str, float]) -> list[Vote]:
    return [vote(voter, *each) for voter, each in zip(VOTERS, said, strict=True)]


def accepted_at(scorer: Scorer, recorded: Sequence[Vote], threshold: float) -> list[str]:
    """Return the labels that may be accepted: the one that the cascade ends with, asking voter after voter,
    and the one of all voters together."""
    steps = [scorer.pooled(Votes(recorded[:count], None, "")) for count in range(1, len(recorded) + 1)]
    reaching = [step.label for step in steps if step.confidence >= threshold]
    return reaching[:1] + [step.label for step in steps[-1:] if step.confidence >= threshold]


answers = st.tuples(st.sampled_from(LABELS), st.floats(0.34, 0.999))


@given(st.tuples(answers, answers, answers), st.sampled_from(LABELS))
def test_no_threshold_is_told_fewer_errors_or_more_right_labels_than_it_has(
    said: tuple[tuple[str, float], ...], truth: str
) -> None:
    scorer, recorded = Scorer(spec_of(), AS_POOLED), votes(*said)
    found = scorer.score(Votes(recorded, None, truth))
    for threshold in THRESHOLDS:
        labels = accepted_at(scorer, recorded, threshold)
        counts = found.acceptable and found.confidence >= threshold
        if set(labels) - {truth}:
            assert counts
            assert found.label != truth
        if counts and found.label == truth:
            assert set(labels) == {truth}


def test_an_error_counts_at_the_confidence_of_the_last_step_that_makes_it() -> None:
    scorer = Scorer(spec_of(), AS_POOLED)
    found = scorer.score(Votes(votes(("a", 0.6), ("a", 0.9), ("a", 0.9)), None, "b"))
    assert found.label == "a"
    assert found.confidence > 0.75, "the first step alone is 0.6 sure of the same error"


def test_a_step_that_is_less_than_half_sure_ends_no_cascade() -> None:
    scorer = Scorer(spec_of(), AS_POOLED)
    found = scorer.score(Votes(votes(("b", 0.4), ("a", 0.9), ("a", 0.9)), None, "a"))
    assert (found.label, found.acceptable) == ("a", True)


def test_voters_that_differ_under_the_release_make_an_item_one_for_people() -> None:
    scorer = Scorer(spec_of(disagreement=True), AS_POOLED)
    late = scorer.score(Votes(votes(("b", 0.4), ("a", 0.99), ("a", 0.99)), None, "a"))
    assert not late.acceptable
    early = scorer.score(Votes(votes(("b", 0.9), ("a", 0.999), ("a", 0.999)), None, "a"))
    assert (early.label, early.acceptable) == ("b", True), "accepted before the others are asked"


@pytest.mark.parametrize("recorded", [votes(("a", 0.9), ("a", 0.9), ("a", 0.9)), []])
def test_what_is_always_reviewed_is_acceptable_neither_known_nor_unknown(recorded: list[Vote]) -> None:
    scorer = Scorer(spec_of(always_review=AlwaysReview(metadata={"from": ["press"]})), AS_POOLED)
    assert not scorer.score(Votes(recorded, None, "a", {"from": "press"})).acceptable
    assert scorer.score(Votes(recorded, None, "a", {"from": "readers"})).acceptable
