"""Who is asked next, and when the votes at hand are enough."""

import pytest
from autolabeler.cascade import Bar, bar_of, by_price, is_sure, next_voter
from hypothesis import given
from hypothesis import strategies as st
from labelmill.acceptance import Acceptance, Threshold
from labelmill.kinds import Opinion
from labelmill.projects import PolicySpec

PROMISE = PolicySpec(target_error=0.02)


def acceptance(*thresholds: Threshold, state: str = "open") -> Acceptance:
    return Acceptance(
        state=state,  # type: ignore[arg-type]
        thresholds=list(thresholds),
        audit_rate=0.1,
        audits=0,
        audit_errors=0,
        audits_missing=0,
        error_bound=1.0,
        alarms=0,
        sentence="",
        target_error=0.02,
        confidence=0.95,
    )


@pytest.mark.parametrize(("sure_at", "sure"), [(0.9, True), (0.95, True), (0.96, False), (1.1, False)])
def test_the_student_is_sure_from_a_confidence_on(sure_at: float, sure: bool) -> None:
    assert is_sure(Opinion("a", 0.95, {}), sure_at) is sure


def test_before_the_first_release_the_cold_start_threshold_is_the_bar() -> None:
    bar = bar_of(PolicySpec(), 0, None)
    assert bar.is_reached("a", 0.95, calibrated=False)
    assert not bar.is_reached("a", 0.94, calibrated=True)


def test_later_what_counts_is_calibrated() -> None:
    bar = bar_of(PolicySpec(), 3, None)
    assert bar.is_reached("a", 0.9, calibrated=True)
    assert not bar.is_reached("a", 0.99, calibrated=False)


def test_with_a_promise_the_bar_is_what_was_certified_for_the_release() -> None:
    known = acceptance(Threshold(release=2, confidence=0.8))
    assert bar_of(PROMISE, 2, known).is_reached("a", 0.8, calibrated=True)
    assert not bar_of(PROMISE, 2, known).is_reached("a", 0.8, calibrated=False)
    assert not bar_of(PROMISE, 3, known).is_reached("a", 1.0, calibrated=True)
    assert not bar_of(PROMISE, 2, None).is_reached("a", 1.0, calibrated=True)


def test_after_an_alarm_nothing_is_enough() -> None:
    known = acceptance(Threshold(release=2, confidence=0.8), state="alarm")
    assert not bar_of(PROMISE, 2, known).is_reached("a", 1.0, calibrated=True)


def test_a_promise_for_each_label_has_a_bar_for_each() -> None:
    known = acceptance(Threshold(release=2, confidence=0.8, by_label={"a": 0.7}))
    bar = bar_of(PROMISE, 2, known)
    assert bar.is_reached("a", 0.7, calibrated=True)
    assert not bar.is_reached("b", 1.0, calibrated=True)


def test_without_a_promise_the_acceptance_plays_no_part() -> None:
    assert bar_of(PolicySpec(), 2, acceptance()) == Bar(0.9, needs_calibration=True)


def test_voters_of_one_price_are_asked_together_the_cheapest_first() -> None:
    assert by_price([3.0, 0.5, 3.0, 0.0]) == ((3,), (1,), (0, 2))
    assert by_price([]) == ()


@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 1.0]), max_size=8))
def test_every_voter_is_asked_once_and_never_before_a_cheaper_one(prices: list[float]) -> None:
    tiers = by_price(prices)
    order = []
    while (tier := next_voter(tiers, len(order), is_enough=False)) is not None:
        order.append(tier)
    asked = [number for tier in order for number in tier]
    assert sorted(asked) == list(range(len(prices)))
    assert [prices[number] for number in asked] == sorted(prices)
    assert all(len({prices[number] for number in tier}) == 1 for tier in order)


def test_nobody_is_asked_once_the_votes_are_enough() -> None:
    assert next_voter(((0,), (1,)), 1, is_enough=True) is None
    assert next_voter(((0,), (1,)), 1, is_enough=False) == (1,)
    assert next_voter(((0,), (1,)), 2, is_enough=False) is None
