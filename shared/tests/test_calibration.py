"""Calibrators, applied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.calibration import Calibrations, calibrated, calibrated_all, logit, logits, sigmoid, sigmoids
from labelmill.events import Vote
from labelmill.releases import Calibrator
from scipy.special import expit
from scipy.special import logit as scipy_logit

PLATT = Calibrator(voters=["llm"], kind="platt", slope=0.5, offset=-0.2, offsets={"b": -1.0})
ISOTONIC = Calibrator(voters=["llm", "student"], kind="isotonic", x=[0.4, 0.6, 0.9], y=[0.3, 0.5, 0.98])

shares = st.floats(0.0, 1.0)
knots = st.lists(st.tuples(shares, shares), min_size=1, max_size=6).map(
    lambda pairs: (sorted({x for x, _ in pairs}), sorted(y for _, y in pairs))
)
platts = st.builds(
    Calibrator,
    voters=st.just(["v"]),
    kind=st.just("platt"),
    slope=st.floats(0.0, 10.0),
    offset=st.floats(-5.0, 5.0),
    offsets=st.dictionaries(st.sampled_from("ab"), st.floats(-3.0, 3.0)),
)
isotonics = st.builds(
    lambda pair, offsets: Calibrator(
        voters=["v"], kind="isotonic", x=pair[0], y=pair[1][: len(pair[0])], offsets=offsets
    ),
    knots,
    st.dictionaries(st.sampled_from("ab"), st.floats(-3.0, 3.0)),
)


def vote(voter: str) -> Vote:
    return Vote(voter=voter, version="1", source="logprobs", label="a", confidence=0.8)


def test_the_set_of_voters_chooses_the_calibrator() -> None:
    calibrations = Calibrations([PLATT, ISOTONIC])
    assert calibrations([vote("llm")], "a", 0.8) == (calibrated(PLATT, "a", 0.8), True)
    assert calibrations([vote("student"), vote("llm")], "a", 0.6) == (calibrated(ISOTONIC, "a", 0.6), True)


def test_without_one_the_confidence_stays_and_is_not_calibrated() -> None:
    assert Calibrations([PLATT])([vote("student")], "a", 0.8) == (0.8, False)
    assert Calibrations([])([], "a", 0.5) == (0.5, False)


def test_platt_by_hand() -> None:
    assert calibrated(PLATT, "a", 0.8) == pytest.approx(expit(0.5 * np.log(4) - 0.2))
    assert calibrated(PLATT, "b", 0.8) == pytest.approx(expit(0.5 * np.log(4) - 1.2))


def test_isotonic_is_level_beyond_its_knots_and_straight_between() -> None:
    found = [calibrated(ISOTONIC, "a", confidence) for confidence in (0.1, 0.4, 0.5, 0.75, 0.9, 1.0)]
    assert found == pytest.approx([0.3, 0.3, 0.4, 0.74, 0.98, 0.98])


@given(platts | isotonics, shares, shares)
def test_a_higher_confidence_is_never_a_lower_probability(
    calibrator: Calibrator, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    for label in "abc":
        lower, higher = (calibrated(calibrator, label, confidence) for confidence in (low, high))
        assert 0 <= lower <= higher + 1e-12
        assert higher <= 1


@given(platts | isotonics, st.lists(st.tuples(st.sampled_from("abc"), shares), min_size=1))
def test_many_at_once_are_calibrated_as_one_by_one(
    calibrator: Calibrator, items: list[tuple[str, float]]
) -> None:
    labels = [label for label, _ in items]
    expected = [calibrated(calibrator, label, confidence) for label, confidence in items]
    found = calibrated_all(calibrator, labels, np.array([confidence for _, confidence in items]))
    assert found == pytest.approx(np.array(expected), abs=1e-12)


@given(st.floats(-700.0, 700.0), st.floats(1e-5, 1 - 1e-5))
def test_logit_and_sigmoid_are_scipys(log_odds: float, probability: float) -> None:
    assert sigmoid(log_odds) == pytest.approx(expit(log_odds))
    assert sigmoids(np.array([log_odds]))[0] == pytest.approx(expit(log_odds))
    assert logit(probability) == pytest.approx(scipy_logit(probability))
    assert logits(np.array([probability]))[0] == pytest.approx(scipy_logit(probability))
