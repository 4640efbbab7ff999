"""Token buckets, and the roles and scopes that the routes ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_api.accounts.buckets import Buckets


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(rate=2.0, burst=3)
    assert [buckets.take("ada", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("ada", 0.0) == pytest.approx(0.5)
    assert buckets.take("grace", 0.0) == 0.0, "each has a bucket of their own"
    assert buckets.take("ada", 0.25) == pytest.approx(0.25), "being refused costs nothing"
    assert buckets.take("ada", 0.5) == 0.0
    assert buckets.take("ada", 0.5) == pytest.approx(0.5)
    assert [buckets.take("ada", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.5)]


def test_a_rate_of_zero_limits_nothing() -> None:
    buckets = Buckets(rate=0.0, burst=1)
    assert {buckets.take("ada", 0.0) for _ in range(1000)} == {0.0}


def test_what_is_remembered_is_bounded() -> None:
    buckets = Buckets(rate=1.0, burst=1)
    for number in range(50_001):
        buckets.take(str(number), 0.0)
    assert buckets.take("0", 0.0) == 0.0, "the one used longest ago is forgotten"
    assert buckets.take("50000", 0.0) > 0


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.floats(0.5, 20), st.integers(1, 10))
def test_never_more_than_the_burst_and_the_rate_allow(gaps: list[float], rate: float, burst: int) -> None:
    buckets, now, taken = Buckets(rate, burst), 0.0, 0
    for gap in gaps:
        now += gap
        wait = buckets.take("ada", now)
        taken += wait == 0.0
        assert taken <= burst + rate * now + 1e-6
        if wait > 0:
            assert wait <= 1 / rate + 1e-6
