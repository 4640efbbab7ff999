"""What a day earns, and who is below the floor."""

import datetime
from typing import Any

import pytest
from review_api.care.pay import Workday, people_below_floor

DAY = datetime.date(2026, 11, 27)


def day(**changes: Any) -> Workday:
    usual: dict[str, Any] = {
        "reviewer": "ada", "day": DAY, "project": "p", "decisions": 100, "checks": 0, "skips": 0,
        "reveals": 0, "active_seconds": 3600.0, "usd_per_hour": 12.0, "usd_per_decision": None,
        "floor_usd_per_hour": 10.0,
    }  # fmt: skip
    return Workday(**{**usual, **changes})


def test_by_the_hour_the_time_counts_and_nothing_else() -> None:
    half = day(active_seconds=1800, decisions=3)
    assert half.amount_usd == 6
    assert half.effective_usd_per_hour == 12
    assert not half.below_floor


def test_by_the_piece_hidden_checks_are_paid_like_decisions() -> None:
    one = day(usd_per_decision=0.1, decisions=90, checks=10)
    assert one.pieces == 100
    assert one.amount_usd == pytest.approx(10)
    assert one.effective_usd_per_hour == pytest.approx(10)
    assert not one.below_floor, "the floor itself is enough"


def test_time_spent_on_skips_lowers_what_an_hour_brings() -> None:
    slow = day(usd_per_decision=0.1, skips=50, active_seconds=5400)
    assert slow.amount_usd == pytest.approx(10)
    assert slow.effective_usd_per_hour == pytest.approx(20 / 3)
    assert slow.below_floor


def test_a_few_minutes_are_not_judged() -> None:
    short = day(usd_per_decision=0.01, decisions=2, active_seconds=300)
    assert short.effective_usd_per_hour is not None
    assert short.effective_usd_per_hour < 1
    assert not short.below_floor


def test_a_day_without_active_time_has_no_hourly_pay() -> None:
    assert day(active_seconds=0, decisions=0).effective_usd_per_hour is None
    assert not day(active_seconds=0, decisions=0).below_floor


def test_rounding_alone_is_no_alert() -> None:
    assert not day(usd_per_hour=9.996).below_floor
    assert day(usd_per_hour=9.99).below_floor


def test_people_below_the_floor_are_counted_once_a_project() -> None:
    low = {"usd_per_decision": 0.01}
    yesterday = DAY - datetime.timedelta(days=1)
    found = people_below_floor(
        [
            day(**low), day(**low, day=yesterday), day(reviewer="bea", **low), day(reviewer="cyd"),
            day(project="fair"), day(project="no floor", floor_usd_per_hour=0.0, **low),
        ]
    )  # fmt: skip
    assert found == {"p": 2, "fair": 0}
