"""The concurrency limit: grows while all is well, shrinks on overload, stays within its bounds."""

from autolabeler.limiter import Limiter
from hypothesis import given
from hypothesis import strategies as st


def answered(limiter: Limiter, calls: int, *, latency: float = 0.2, start: float = 0.0) -> float:
    """Let `calls` calls be answered with the limit always used up; return the time."""
    now = start
    for _ in range(calls):
        now += latency / limiter.limit
        limiter.succeeded(latency, limiter.limit, now)
    return now


def test_doubles_each_round_trip_at_first() -> None:
    limiter = Limiter(initial=8, maximum=256)
    now = answered(limiter, 8 + 16 + 32 + 64 + 128)
    assert limiter.limit == 256
    assert now < 1.2


def test_halves_on_overload_but_once_for_the_calls_in_flight_together() -> None:
    limiter = Limiter(initial=64, maximum=64)
    for moment in (10.0, 10.01, 10.5):
        limiter.overloaded(moment)
    assert limiter.limit == 32
    limiter.overloaded(11.1)
    assert limiter.limit == 16


def test_grows_slowly_after_the_first_overload() -> None:
    limiter = Limiter(initial=64, maximum=64)
    limiter.overloaded(0.0)
    answered(limiter, 32, start=5.0)
    assert 33 <= limiter.limit <= 35
    answered(limiter, 2000, start=10.0)
    assert limiter.limit == 64


def test_shrinks_when_latency_rises() -> None:
    limiter = Limiter(initial=16, maximum=64)
    now = answered(limiter, 5, latency=0.3)
    before = limiter.limit
    answered(limiter, 60, latency=2.0, start=now)
    assert limiter.limit < before


def test_a_hiccup_of_a_fast_provider_is_no_congestion() -> None:
    limiter = Limiter(initial=16, maximum=16)
    answered(limiter, 50, latency=0.005)
    answered(limiter, 50, latency=0.1, start=1.0)
    assert limiter.limit == 16


def test_does_not_grow_while_the_limit_is_not_used() -> None:
    limiter = Limiter(initial=8, maximum=64)
    for step in range(100):
        limiter.succeeded(0.2, 2, step * 0.1)
    assert limiter.limit == 8


def test_follows_a_baseline_that_rises_for_good() -> None:
    limiter = Limiter(initial=8, maximum=64)
    now = answered(limiter, 100, latency=0.5)
    for _ in range(4000):
        now += 0.5
        limiter.succeeded(2.0, limiter.limit, now)
    assert limiter.limit > 1, "two seconds have become normal"


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.lists(st.tuples(st.booleans(), st.floats(0.001, 60), st.floats(0, 5)), max_size=200),
)
def test_stays_between_one_and_the_maximum(
    initial: int, maximum: int, events: list[tuple[bool, float, float]]
) -> None:
    limiter = Limiter(initial=initial, maximum=maximum)
    now = 0.0
    for is_good, latency, passed in events:
        now += passed
        if is_good:
            limiter.succeeded(latency, limiter.limit, now)
        else:
            limiter.overloaded(now)
        assert 1 <= limiter.limit <= maximum
