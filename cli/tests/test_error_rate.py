"""The estimate of an error from decisions that a policy chose: right on average, covered, or silent."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill_cli.replaying.error_rate import ErrorTally, wilson
from scipy.stats import binomtest

labels = st.lists(
    st.tuples(st.sampled_from([0.0, 0.02, 0.5, 1.0]) | st.floats(0.01, 1.0), st.none() | st.booleans()),
    max_size=60,
)


@given(labels)
def test_an_estimate_lies_within_its_interval(counted: list[tuple[float, bool | None]]) -> None:
    tally = ErrorTally()
    for propensity, wrong in counted:
        tally.add(propensity, wrong=wrong, blind=True)
    found = tally.estimate()
    assert found.labels == len(counted)
    assert found.decided == found.blind == sum(p > 0 and wrong is not None for p, wrong in counted)
    assert 0.0 <= found.low <= found.high <= 1.0
    if found.error is None:
        assert found.unknown > 0 or not counted
    else:
        assert found.low <= found.error <= found.high


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_of_labels_that_were_all_decided_it_is_their_share_with_wilsons_interval(wrong: list[bool]) -> None:
    tally = ErrorTally()
    for each in wrong:
        tally.add(1.0, wrong=each, blind=False)
    found = tally.estimate()
    assert found.error == pytest.approx(sum(wrong) / len(wrong))
    exact = binomtest(sum(wrong), len(wrong)).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert found.blind == 0


def test_decisions_count_by_the_inverse_of_their_propensity() -> None:
    tally = ErrorTally()
    for wrong in (True, False, False):
        tally.add(0.5, wrong=wrong, blind=True)
    tally.add(0.1, wrong=False, blind=True)
    for _ in range(12):
        tally.add(0.5, wrong=None, blind=False)
    found = tally.estimate()
    assert found.error == pytest.approx(2.0 / 16.0)
    size = 16.0**2 / (3 * 2.0**2 + 10.0**2)
    assert (found.low, found.high) == pytest.approx(wilson(2.0 / 16.0, size))


def test_a_part_that_nobody_saw_leaves_its_share_open() -> None:
    tally = ErrorTally()
    for _ in range(75):
        tally.add(1.0, wrong=False, blind=False)
    for _ in range(25):
        tally.add(0.02, wrong=None, blind=False)
    found = tally.estimate()
    assert (found.error, found.unknown, found.low) == (None, 25, 0.0)
    assert found.high == pytest.approx(0.75 * wilson(0.0, 75)[1] + 0.25)


@pytest.mark.parametrize(
    ("errors", "audit_rate"), [((0.3, 0.02), 0.1), ((0.2, 0.05), 0.05), ((0.05, 0.0), 0.2)]
)
def test_intervals_cover_the_truth(errors: tuple[float, float], audit_rate: float) -> None:
    """400 labels that people decided anyway, and 1,600 of which few were drawn."""
    draws = random.Random(7)
    covered, middle, runs = 0, 0.0, 400
    truth = 0.2 * errors[0] + 0.8 * errors[1]
    for _ in range(runs):
        tally = ErrorTally()
        for _ in range(400):
            tally.add(1.0, wrong=draws.random() < errors[0], blind=False)
        for _ in range(1600):
            seen = draws.random() < audit_rate
            tally.add(audit_rate, wrong=draws.random() < errors[1] if seen else None, blind=seen)
        found = tally.estimate()
        assert found.error is not None
        covered += found.low <= truth <= found.high
        middle += found.error / runs
    assert covered / runs > 0.92  # 0.95 but for chance
    assert middle == pytest.approx(truth, rel=0.05)
