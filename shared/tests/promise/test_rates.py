"""How many audits are drawn."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from labelmill.promise.rates import HORIZON, SUSPICION, audit_rate

quick = settings(max_examples=60, deadline=None)
shares = st.floats(0.0, 1.0)
courses = st.fixed_dictionaries(
    {
        "floor": st.floats(0.001, 0.5),
        "ceiling": shares,
        "missing": st.none() | st.integers(0, 3000),
        "target": st.floats(0.001, 0.4),
        "accepted": st.floats(0.0, 1e6),
        "errors": st.floats(0.0, 1e4),
        "suspicion": st.floats(0.0, 2.99),
    }
)
CALM: dict[str, Any] = {
    "floor": 0.02,
    "ceiling": 0.2,
    "missing": None,
    "target": 0.02,
    "accepted": 100_000.0,
    "errors": 100.0,
}


@given(courses)
@quick
def test_a_rate_lies_between_floor_and_ceiling(course: dict[str, Any]) -> None:
    rate = audit_rate(**course)
    assert course["floor"] <= rate <= max(course["ceiling"], course["floor"])


@given(courses, st.floats(SUSPICION, 1e9))
@quick
def test_a_suspicion_audits_everything(course: dict[str, Any], suspicion: float) -> None:
    assert audit_rate(**{**course, "suspicion": suspicion}) == 1.0


@given(courses, st.integers(0, 3000), st.integers(0, 3000))
@quick
def test_the_more_is_missing_the_more_is_drawn_up_to_what_can_be_had(
    course: dict[str, Any], one: int, other: int
) -> None:
    fewer, more = sorted((one, other))
    assume(more <= HORIZON * course["ceiling"])
    assert audit_rate(**{**course, "missing": fewer}) <= audit_rate(**{**course, "missing": more})


@given(courses, st.integers(1, 10**6))
@quick
def test_what_is_out_of_reach_is_not_drawn_for(course: dict[str, Any], beyond: int) -> None:
    missing = int(HORIZON * course["ceiling"]) + beyond
    assert audit_rate(**{**course, "missing": missing}) == audit_rate(**{**course, "missing": None})


@given(courses, st.floats(0.0, 1e4))
@quick
def test_errors_raise_the_rate_and_labels_that_went_well_lower_it(
    course: dict[str, Any], more: float
) -> None:
    rate = audit_rate(**course)
    assert audit_rate(**{**course, "errors": course["errors"] + more}) >= rate
    assert audit_rate(**{**course, "accepted": course["accepted"] + more}) <= rate


@pytest.mark.parametrize(
    ("course", "rate"),
    [
        ({}, 0.02),
        ({"missing": 150}, 0.15),
        ({"missing": 200}, 0.2),
        ({"missing": 201}, 0.02),
        ({"accepted": 7_000.0}, 0.1),
        ({"accepted": 5_000.0}, 0.2),
        ({"ceiling": 0.01}, 0.02),
    ],
)
def test_rates_by_hand(course: dict[str, Any], rate: float) -> None:
    assert audit_rate(**{**CALM, **course}) == pytest.approx(rate)
