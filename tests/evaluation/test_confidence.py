"""Nothing is judged that was learned from."""

import numpy as np
import pytest

from benchmarks.evaluation.confidence import DECISIONS, POOLED, Draw
from benchmarks.evaluation.data import NO_ANSWER, DataSet, load
from benchmarks.evaluation.learning import STUDENT


@pytest.fixture(scope="module")
def tweets() -> DataSet:
    return load("tweets").rows(np.arange(900))


def test_every_source_learns_from_300_decisions_and_is_judged_on_the_others_it_answered(
    tweets: DataSet,
) -> None:
    draw = Draw.of(tweets, np.random.default_rng(0))
    judged = {source: draw.judged(source) for source in (POOLED, STUDENT, "logprobs")}
    assert {len(each.after) for each in judged.values()} == {len(tweets) - DECISIONS}
    assert (judged["logprobs"].before == draw.data.votes["logprobs"][DECISIONS:].max(axis=1)).all()
    assert judged[POOLED].true.mean() > judged["logprobs"].true.mean()


def test_what_is_judged_does_not_change_what_is_learned(tweets: DataSet) -> None:
    """Were the decisions on judged items looked at, other decisions would give other confidences."""
    draw = Draw.of(tweets, np.random.default_rng(1))
    answers = draw.answers.copy()
    answers[DECISIONS:] = 1 - answers[DECISIONS:]
    others = Draw(draw.data, answers)
    for source in (POOLED, STUDENT, "logprobs"):
        one, other = draw.judged(source), others.judged(source)
        assert (one.after == other.after).all()
        assert (one.decided != other.decided).all()


def test_the_llm_does_not_make_the_student_worse(tweets: DataSet) -> None:
    """It names one of the two labels too often, which is corrected: its vote adds to the student's."""
    draws = [Draw.of(tweets, np.random.default_rng(seed)) for seed in range(3)]
    pooled, student = (
        np.mean([draw.judged(source).true.mean() for draw in draws]) for source in (POOLED, STUDENT)
    )
    assert pooled > student


def test_a_decision_is_the_answer_of_one_of_the_raters(tweets: DataSet) -> None:
    decisions = tweets.decisions(np.random.default_rng(2))
    assert (decisions != NO_ANSWER).all()
    assert (tweets.people == decisions[:, None]).any(axis=1).all()
    assert (decisions == tweets.truth).mean() == pytest.approx(tweets.human_accuracy, abs=0.03)
