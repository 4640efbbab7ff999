import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.errors import NotEnough
from trainer.evaluation import Score, check_held_out, evaluation_of, judge, machine_score, score

SCORES = st.builds(Score, items=st.just(50), accuracy=st.floats(0, 1), log_loss=st.floats(0, 5))


@pytest.mark.parametrize(
    ("candidate", "present", "promoted"),
    [
        (Score(50, 0.9, 0.9), Score(50, 0.8, 0.1), True),
        (Score(50, 0.8, 0.1), Score(50, 0.9, 0.9), False),
        (Score(50, 0.8, 0.3), Score(50, 0.8, 0.4), True),
        (Score(50, 0.8, 0.4), Score(50, 0.8, 0.3), False),
        (Score(50, 0.8, 0.4), Score(50, 0.8, 0.4), False),
    ],
)
def test_accuracy_decides_and_log_loss_breaks_ties(candidate: Score, present: Score, promoted: bool) -> None:
    verdict = judge(candidate, present)
    assert verdict.promote is promoted
    assert verdict.reason.startswith("better" if promoted else ("worse", "not better"))


@given(SCORES, SCORES)
def test_never_are_both_better(one: Score, other: Score) -> None:
    assert not (judge(one, other).promote and judge(other, one).promote)
    assert not judge(one, one).promote


def test_scores_are_weighted_and_unknown_labels_are_mistakes() -> None:
    shares = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
    found = score(["a", "b"], shares, ["a", "b", "c"], np.array([2.0, 1.0, 1.0]), sure_at=0.7)
    assert found.accuracy == pytest.approx(0.75)
    assert found.sure_share == pytest.approx(0.75)
    expected = (2 * -math.log(0.9) - math.log(0.6) - math.log(1e-6)) / 4
    assert found.log_loss == pytest.approx(expected)


def test_the_machine_is_judged_by_what_it_said() -> None:
    found = machine_score(["a", "b"], [0.8, 0.7], ["a", "a"], np.ones(2), 4)
    assert found.accuracy == 0.5
    assert found.log_loss == pytest.approx((-math.log(0.8) - math.log(0.1)) / 2)


def test_an_evaluation_carries_both() -> None:
    made = evaluation_of(Score(50, 0.9, 0.2, 0.5), Score(50, 0.8, 0.4))
    assert (made.items, made.accuracy, made.present_accuracy, made.sure_share) == (50, 0.9, 0.8, 0.5)


def test_too_few_held_out_decide_nothing() -> None:
    with pytest.raises(NotEnough, match=r"^not enough: 10 held-out decisions are needed, there are 9"):
        check_held_out(9)
    check_held_out(10)
