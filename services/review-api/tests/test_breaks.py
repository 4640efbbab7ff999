"""When a break is due, and when a day is full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_api.care.active import Stretch
from review_api.care.breaks import DAY_SECONDS, break_until, full_until, since_pause, worked

MINUTE = 60.0
HOUR = 3600.0


def stretches(*ends: float) -> list[Stretch]:
    """Return stretches from pairs of minutes."""
    return [Stretch(begin * MINUTE, end * MINUTE) for begin, end in zip(ends[::2], ends[1::2], strict=True)]


def due(now: float, *ends: float) -> float | None:
    """Return when the break ends, in minutes: after 50 minutes, for 5."""
    until = break_until(stretches(*ends), now * MINUTE, 50 * MINUTE, 5 * MINUTE)
    return None if until is None else until / MINUTE


def test_a_break_is_due_after_so_many_minutes_at_work() -> None:
    assert due(49, 0, 49) is None
    assert due(50, 0, 50) == 55
    assert due(54.9, 0, 50) == 55
    assert due(55, 0, 50) is None


def test_short_pauses_are_none_but_are_not_work_either() -> None:
    assert due(56, 0, 20, 24, 56) == 61, "20 and 32 minutes at work, with four between"
    assert due(53, 0, 20, 24, 53) is None, "20 and 29"
    assert due(56, 0, 20, 25, 56) is None, "five minutes between: a pause"


def test_who_finishes_a_task_during_the_break_begins_it_anew() -> None:
    assert due(53, 0, 50, 52, 53) == 58


def test_without_a_rule_no_break_is_due() -> None:
    assert break_until(stretches(0, 500), 500 * MINUTE, 0, 5 * MINUTE) is None
    assert break_until([], 0, 50 * MINUTE, 5 * MINUTE) is None


def test_time_since_the_last_pause() -> None:
    assert since_pause(stretches(0, 30, 40, 50, 52, 60), 61 * MINUTE, 5 * MINUTE) == 18 * MINUTE
    assert since_pause(stretches(0, 30), 60 * MINUTE, 5 * MINUTE) == 0


def test_work_is_counted_within_any_24_hours() -> None:
    day = [Stretch(0, 4 * HOUR), Stretch(20 * HOUR, 23 * HOUR)]
    assert worked(day, 23 * HOUR - DAY_SECONDS, 23 * HOUR) == 7 * HOUR
    assert worked(day, 26 * HOUR - DAY_SECONDS, 26 * HOUR) == 5 * HOUR
    assert worked(day, 2 * HOUR, 3 * HOUR) == HOUR


def test_a_full_day_empties_hour_by_hour() -> None:
    day = [Stretch(0, 4 * HOUR), Stretch(5 * HOUR, 9 * HOUR)]
    assert full_until(day, 9 * HOUR, 8 * HOUR + 1) is None
    until = full_until(day, 9 * HOUR, 8 * HOUR)
    assert until == DAY_SECONDS + 15 * MINUTE, "when a quarter of an hour has fallen out of the 24"
    assert full_until(day, until, 8 * HOUR) is None


def test_a_gap_in_the_morning_is_waited_for() -> None:
    day = [Stretch(0, 5 * MINUTE), Stretch(2 * HOUR, 10 * HOUR)]
    until = full_until(day, 10 * HOUR, 8 * HOUR)
    assert until == DAY_SECONDS + 2 * HOUR + 15 * MINUTE


@given(
    st.lists(st.tuples(st.floats(0, 7200), st.floats(1, 7200)), min_size=1, max_size=20),
    st.floats(60, 8 * HOUR),
)
def test_once_the_wait_is_over_there_is_room(gaps: list[tuple[float, float]], most: float) -> None:
    at, found = 0.0, []
    for pause, length in gaps:
        found.append(Stretch(at + pause, at + pause + length))
        at = found[-1].end
    until = full_until(found, at, most)
    if until is None:
        assert worked(found, at - DAY_SECONDS, at) < most
        return
    assert at < until <= at + DAY_SECONDS + 1e-6
    assert worked(found, until - DAY_SECONDS, until) <= most - min(15 * MINUTE, most) + 1e-3
    assert full_until(found, until + 1, most) is None or most == pytest.approx(0)
