"""The loop gives each item one label, and counts what that took."""

import numpy as np
import pytest

from benchmarks.evaluation.data import DataSet, load
from benchmarks.evaluation.loop import Course, Stream, decisions_for, promise_of
from benchmarks.evaluation.policies import Calibrated, Decided, Policy, Promised, RandomReview


@pytest.fixture(scope="module")
def tweets() -> DataSet:
    return load("tweets").rows(np.arange(500))


class Heard(Calibrated):
    """Notes what it is told of decisions."""

    def __init__(self) -> None:
        super().__init__(0.8, 0.05)
        self.rows: list[int] = []
        self.people = 0
        self.trainings: list[int] = []

    def decided(self, decided: Decided) -> None:
        self.rows += decided.rows.tolist()
        self.people += int(decided.routes.people.sum())
        assert not (decided.routes.audited & ~decided.routes.people).any()

    def released(self, watermark: int, rescore: object) -> None:
        self.trainings.append(watermark)


def test_each_item_is_routed_once_and_what_people_do_not_decide_is_accepted(tweets: DataSet) -> None:
    stream, policy = Stream(tweets, seed=0), Heard()
    course = stream.run(policy)
    assert policy.rows == list(range(len(tweets)))
    assert course.decisions == policy.people
    assert course.decisions + course.accepted * len(tweets) == pytest.approx(len(tweets))
    assert 0 < course.accepted < 1
    assert policy.trainings == sorted(set(policy.trainings))
    assert policy.trainings[0] >= 100


def test_people_alone_are_as_right_as_their_answers(tweets: DataSet) -> None:
    stream = Stream(tweets, seed=1)
    course = stream.run(Policy())
    right = float((stream.answers == stream.data.truth).mean())
    assert course == Course(len(tweets), right, relabelled=right, accepted=0.0, accepted_error=0.0)


def test_without_people_nothing_is_learned(tweets: DataSet) -> None:
    course = Stream(tweets, seed=2).run(RandomReview(0.0))
    llm = tweets.votes["logprobs"].argmax(axis=1) == tweets.truth
    assert (course.decisions, course.accepted) == (0.0, 1.0)
    assert course.accuracy == course.relabelled == pytest.approx(llm.mean())


def test_a_promise_accepts_nothing_before_there_is_evidence(tweets: DataSet) -> None:
    stream = Stream(tweets, seed=3)
    course = stream.run(Promised(promise_of(tweets), stream.held_out))
    assert course.decisions >= 100
    assert course.decisions + course.accepted * len(tweets) == pytest.approx(len(tweets))


def course_of(decisions: float, accuracy: float) -> Course:
    return Course(decisions, accuracy, relabelled=accuracy, accepted=0.0, accepted_error=0.0)


@pytest.mark.parametrize(("accuracy", "needed"), [(0.7, 100.0), (0.85, 150.0), (0.95, 600.0), (0.99, 1000.0)])
def test_decisions_lie_on_lines_between_courses(accuracy: float, needed: float) -> None:
    courses = [course_of(200, 0.9), course_of(100, 0.8)]
    assert decisions_for(
        accuracy, courses, course_of(1000, 1.0 - 1e-9 if accuracy > 0.98 else 1.0)
    ) == pytest.approx(needed, rel=0.1)


def test_what_no_course_reaches_takes_people_alone() -> None:
    assert decisions_for(0.99, [course_of(100, 0.8)], course_of(1000, 0.95)) == 1000
