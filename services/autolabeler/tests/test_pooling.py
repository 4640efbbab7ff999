"""Votes and scores."""

import math
from collections.abc import Callable

import pytest
from autolabeler.plan import Plan, StudentVoter, plan_of
from autolabeler.pooling import Paid, event_id, llm_vote, score, student_opinion, student_vote
from autolabeler.voters import Answer
from labelmill.events import ItemIngested, ProjectPublished
from labelmill.releases import (
    Calibrator,
    Correction,
    Evaluation,
    FineTunedModel,
    Release,
    Reliability,
    StudentModel,
)

ITEM = ItemIngested(project="p", item_id="i", content="good", metadata={"lang": "en"}, ingested_at=5)
LLM = {"name": "llm", "type": "llm", "model": "small", "input_usd_per_mtok": 2.0, "output_usd_per_mtok": 10.0}
Make = Callable[..., ProjectPublished]


def release(**fields: object) -> Release:
    evaluation = Evaluation(items=1, accuracy=1.0, present_accuracy=0.0)
    base: dict[str, object] = {
        "number": 4,
        "dataset": "d",
        "decisions": 1,
        "evaluation": evaluation,
        "created_at": 0,
    }
    return Release(**{**base, **fields})  # type: ignore[arg-type]


def model(*classes: str) -> StudentModel:
    return StudentModel(
        embedder="e",
        dimensions=1,
        classes=list(classes),
        weights=pack_zeros(len(classes)),
        bias=pack_zeros(len(classes)),
        temperature=1.0,
        sure_at=0.9,
    )


def pack_zeros(count: int) -> bytes:
    return b"\0" * 4 * count


def test_a_vote_has_the_distribution_by_label_and_its_cost(plan: Plan) -> None:
    vote = llm_vote(plan.llm[0], plan.labels, [Paid(Answer((0.2, 0.7, 0.1), 100, 1), True)])
    assert (vote.voter, vote.version, vote.source) == ("llm", "small", "logprobs")
    assert (vote.label, vote.confidence) == ("negative", 0.7)
    assert vote.probabilities == {"positive": 0.2, "negative": 0.7, "neutral": 0.1}
    assert (vote.input_tokens, vote.output_tokens, vote.cached) == (100, 1, False)
    assert vote.cost_usd == pytest.approx(0.00021)


def test_permuted_answers_are_turned_back_and_averaged(make_project: Make) -> None:
    plan = plan_of(make_project([{**LLM, "permutations": 3}]), None)
    always_a = Answer((0.6, 0.3, 0.1), 100, 1)
    vote = llm_vote(plan.llm[0], plan.labels, [Paid(always_a, True)] * 3)
    assert list(vote.probabilities.values()) == pytest.approx([1 / 3] * 3, abs=1e-6), "the bias for A is gone"
    assert vote.input_tokens == 300


def test_only_what_was_paid_for_counts(make_project: Make) -> None:
    plan = plan_of(make_project([{**LLM, "permutations": 2}]), None)
    answers = [Answer((0.5, 0.3, 0.2), 100, 1), Answer((0.5, 0.3, 0.2), 50, 1)]
    partly = llm_vote(plan.llm[0], plan.labels, [Paid(answers[0], False), Paid(answers[1], True)])
    assert (partly.input_tokens, partly.cached) == (50, False)
    cached = llm_vote(plan.llm[0], plan.labels, [Paid(answer, False) for answer in answers])
    assert (cached.input_tokens, cached.cached) == (150, True)


def test_pools_the_voters(make_project: Make) -> None:
    plan = plan_of(make_project([LLM, {"name": "student", "type": "student"}]), None)
    llm = llm_vote(plan.llm[0], plan.labels, [Paid(Answer((0.2, 0.8, 0.0), 1, 1), True)])
    voter = StudentVoter("student", "4", model("positive", "negative"))
    student = student_vote(voter, student_opinion(voter, plan.labels, [0.9, 0.1]))
    event = score(plan, ITEM, [student, llm], content_hash="h", event_id="e", now_ms=7)
    assert event.label == "positive"
    assert event.probabilities == pytest.approx({"positive": 0.55, "negative": 0.45, "neutral": 0.0})
    assert [vote.voter for vote in event.votes] == ["student", "llm"]
    assert (event.metadata, event.ingested_at, event.scored_at) == ({"lang": "en"}, 5, 7)
    assert (event.kind, event.guideline_version, event.release) == ("choice", 2, 0)


def test_a_release_says_how_far_voters_are_believed_and_what_their_confidence_is_worth(
    make_project: Make,
) -> None:
    calibrator = Calibrator(voters=["llm"], kind="isotonic", x=[0.4, 1.0], y=[0.3, 0.9], decisions=100)
    learned = release(reliabilities={"llm": Reliability(accuracy=0.6, weight=0.5)}, calibrators=[calibrator])
    plan = plan_of(make_project([LLM]), learned)
    vote = llm_vote(plan.llm[0], plan.labels, [Paid(Answer((0.64, 0.2, 0.16), 1, 1), True)])
    event = score(plan, ITEM, [vote], content_hash="h", event_id="e", now_ms=7)
    pooled = 0.8 / (0.8 + 0.2**0.5 + 0.4)
    assert event.probabilities["positive"] == pytest.approx(pooled)
    assert (event.label, event.calibrated) == ("positive", True)
    assert event.confidence == pytest.approx(pooled - 0.1)
    assert not score(plan, ITEM, [], content_hash="h", event_id="e", now_ms=7).calibrated


def test_a_release_corrects_what_those_who_voted_name_too_often(make_project: Make) -> None:
    """Calibrated is the corrected pool, and the label is the corrected one."""
    calibrator = Calibrator(voters=["llm"], kind="platt", offsets={"negative": -1.0}, decisions=100)
    learned = release(
        reliabilities={"llm": Reliability(accuracy=0.6)},
        corrections=[Correction(voters=["llm"], scale=1.0, biases={"positive": math.log(0.25)})],
        calibrators=[calibrator],
    )
    plan = plan_of(make_project([LLM, {**LLM, "name": "other"}]), learned)
    votes = [llm_vote(voter, plan.labels, [Paid(Answer((0.6, 0.3, 0.1), 1, 1), True)]) for voter in plan.llm]
    event = score(plan, ITEM, votes[:1], content_hash="h", event_id="e", now_ms=7)
    assert list(event.probabilities.values()) == pytest.approx([0.15 / 0.55, 0.3 / 0.55, 0.1 / 0.55])
    odds = 0.3 / 0.25 * math.exp(-1)
    assert (event.label, event.calibrated) == ("negative", True)
    assert event.confidence == pytest.approx(odds / (1 + odds))
    assert score(plan, ITEM, votes, content_hash="h", event_id="e", now_ms=7).label == "positive"


def test_without_a_vote_every_label_is_as_likely(plan: Plan) -> None:
    event = score(plan, ITEM, [], content_hash="h", event_id="e", now_ms=7)
    assert event.votes == []
    assert event.confidence == pytest.approx(1 / 3)


def test_the_id_depends_on_content_guideline_and_release(make_project: Make) -> None:
    plans = [plan_of(make_project(), None), plan_of(make_project(), release())]
    ids = {event_id(ITEM, "h", plan) for plan in plans} | {event_id(ITEM, "other", plans[0])}
    assert len(ids) == 3
    assert event_id(ITEM, "h", plans[0]) == event_id(ITEM, "h", plan_of(make_project(), None))


def test_a_fine_tuned_model_takes_the_place_of_its_voters_model(make_project: Make) -> None:
    plan = plan_of(
        make_project([LLM, {**LLM, "name": "other"}]),
        release(finetuned=FineTunedModel(voter="llm", model="ft:small:1")),
    )
    assert [voter.model for voter in plan.llm] == ["ft:small:1", "small"]
    assert plan.llm[0].templates[0].question(b"x").key != plan.llm[1].templates[0].question(b"x").key


def test_a_student_votes_only_where_the_project_lists_one(make_project: Make) -> None:
    with_student = release(student=model("positive", "negative"))
    assert plan_of(make_project(), with_student).student is None
    listed = plan_of(make_project([LLM, {"name": "pupil", "type": "student"}]), with_student).student
    assert listed is not None
    assert (listed.name, listed.version) == ("pupil", "4")
