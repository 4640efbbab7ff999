"""The circuit breaker: opens on failures, probes, closes on the first answer."""

import pytest
from autolabeler.breaker import Breaker, State


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, cooldown=1.0, max_cooldown=4.0)
    for _ in range(3):
        breaker.failed(now - 0.5, now)
    return breaker


def test_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(failures=3)
    breaker.failed(0, 1)
    breaker.failed(0, 1)
    breaker.succeeded(0)
    breaker.failed(0, 1)
    breaker.failed(0, 1)
    assert breaker.state(1) is State.CLOSED
    breaker.failed(0, 1)
    assert breaker.state(1) is State.OPEN
    assert not breaker.allows(1.5)


def test_lets_one_probe_through_and_closes_when_it_is_answered() -> None:
    breaker = opened()
    assert breaker.allows(1.0)
    breaker.started(1.0)
    assert not breaker.allows(1.1), "one probe is enough"
    breaker.succeeded(1.0)
    assert breaker.state(1.2) is State.CLOSED


def test_waits_twice_as_long_after_each_failed_probe_up_to_the_maximum() -> None:
    breaker, now = opened(), 0.0
    for wait in (1.0, 2.0, 4.0, 4.0):
        assert breaker.wait(now) == pytest.approx(wait)
        now += wait
        breaker.started(now)
        breaker.failed(now, now)


def test_forgets_the_long_wait_once_it_has_closed() -> None:
    breaker = opened()
    breaker.started(1.0)
    breaker.failed(1.0, 1.0)
    breaker.started(3.0)
    breaker.succeeded(3.0)
    for _ in range(3):
        breaker.failed(3.5, 4.0)
    assert breaker.wait(4.0) == pytest.approx(1.0)


def test_waits_as_long_as_the_provider_asks() -> None:
    breaker = Breaker()
    breaker.failed(0.0, 1.0, wait=20.0)
    assert breaker.wait(1.0) == 20.0
    breaker.failed(0.0, 2.0, wait=30.0)
    assert breaker.wait(2.0) == 30.0, "a call that was in flight heard of a longer wait"
    breaker.failed(0.0, 3.0, wait=1.0)
    assert breaker.wait(3.0) == 29.0


def test_calls_from_before_it_opened_neither_close_nor_lengthen_it() -> None:
    breaker = opened()
    breaker.succeeded(-0.2)
    assert breaker.state(0.1) is State.OPEN
    breaker.failed(-0.1, 0.5)
    assert breaker.wait(0.5) == pytest.approx(0.5)


def test_a_probe_that_was_cancelled_makes_room_for_another() -> None:
    breaker = opened()
    breaker.started(1.0)
    breaker.dropped(1.0)
    assert breaker.allows(1.1)


def test_one_failure_opens_at_once_when_told() -> None:
    breaker = Breaker(failures=5, cooldown=1.0)
    breaker.failed(0.0, 0.1, at_once=True)
    assert breaker.state(0.2) is State.OPEN
