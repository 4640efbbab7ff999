"""What audits by people who err say, held to sums over all that people and the machine may answer."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.kinds import choice
from labelmill.promise.raters import (
    disagreement_low,
    machine_error,
    majority_error,
    observed_target,
    rater_error_low,
)
from scipy.stats import binom, binomtest

quick = settings(max_examples=60, deadline=None)
RIGHT, WRONG, OTHER = "right", "wrong", "other"
PEOPLE = [1, 2, 3, 4, 5]

rates = st.floats(0.0, 1.0)
erring = st.floats(0.0, 0.499)
small = st.floats(0.001, 0.49)


def answers(error: float, wrong: float = 1.0) -> dict[str, float]:
    """Return how probable each answer is; `wrong` is the share of errors that fall on one wrong label."""
    return {RIGHT: 1 - error, WRONG: error * wrong, OTHER: error * (1 - wrong)}


def differing(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(one[a] * other[b] for a, b in product(one, other) if a != b)


def settled_wrong(errors: Sequence[float]) -> float:
    """Return how often people who err at these rates settle on the wrong one of two labels."""
    return sum(
        math.prod(answers(error)[label] for error, label in zip(errors, said, strict=True))
        for said in product((RIGHT, WRONG), repeat=len(errors))
        if choice.merge_decisions(said) == WRONG
    )


@pytest.mark.parametrize("people", PEOPLE)
@given(error=rates)
@quick
def test_a_majority_errs_as_the_sum_over_all_decisions_says(people: int, error: float) -> None:
    assert majority_error(error, people) == pytest.approx(settled_wrong([error] * people), abs=1e-12)


@pytest.mark.parametrize("people", PEOPLE)
@given(items=st.lists(st.floats(0.0, 0.5), min_size=1, max_size=5))
@quick
def test_items_that_differ_in_difficulty_leave_a_lower_limit(people: int, items: list[float]) -> None:
    mean = sum(settled_wrong([error] * people) for error in items) / len(items)
    assert majority_error(sum(items) / len(items), people) <= mean + 1e-12


@pytest.mark.parametrize("people", PEOPLE)
@given(pool=st.lists(st.floats(0.0, 0.5), min_size=2, max_size=2))
@quick
def test_raters_drawn_from_many_err_as_their_mean(people: int, pool: list[float]) -> None:
    panels = list(product(pool, repeat=people))
    mean = sum(settled_wrong(panel) for panel in panels) / len(panels)
    assert majority_error(sum(pool) / len(pool), people) == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("people", [1, 3, 5])
@given(machine=rates, error=erring)
@quick
def test_with_two_labels_the_target_is_exactly_how_often_people_would_differ(
    people: int, machine: float, error: float
) -> None:
    truth = settled_wrong([error] * people)
    expected = differing(answers(machine), answers(truth))
    assert observed_target(machine, majority_error(error, people)) == pytest.approx(expected, abs=1e-12)


@given(machine=rates, truth=erring, wrong=rates, other=rates)
@quick
def test_with_more_labels_people_differ_no_less(
    machine: float, truth: float, wrong: float, other: float
) -> None:
    expected = differing(answers(machine, wrong), answers(truth, other))
    assert observed_target(machine, truth) <= expected + 1e-12


@given(machine=rates, error=erring)
@quick
def test_the_machines_error_is_read_back(machine: float, error: float) -> None:
    assert machine_error(observed_target(machine, error), error) == pytest.approx(machine, abs=1e-9)


@given(observed=rates, error=st.floats(0.0, 0.5))
@quick
def test_a_machines_error_is_a_rate(observed: float, error: float) -> None:
    found = machine_error(observed, error)
    assert 0.0 <= found <= 1.0
    if 0.0 < found < 1.0:
        assert observed_target(found, error) == pytest.approx(observed, abs=1e-9)


@given(target=small, machine=rates, truth=erring, share=rates, wrong=rates, other=rates)
@quick
def test_a_disagreement_that_is_tolerated_is_of_a_machine_that_keeps_the_promise(
    target: float, machine: float, truth: float, share: float, wrong: float, other: float
) -> None:
    seen = differing(answers(machine, wrong), answers(truth, other))
    if seen <= observed_target(target, truth * share):
        assert machine <= target + 1e-9


@given(low=st.floats(0.0, 0.5), high=st.floats(0.0, 0.5), target=st.floats(0.0, 0.5))
@quick
def test_a_lower_limit_of_peoples_error_tolerates_less(low: float, high: float, target: float) -> None:
    low, high = sorted((low, high))
    assert observed_target(target, low) <= observed_target(target, high) + 1e-12
    assert target <= observed_target(target, low) + 1e-12


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.floats(0.001, 0.4))
@quick
def test_the_limit_of_disagreement_is_exact(counts: tuple[int, int], alpha: float) -> None:
    pairs, disagreements = counts
    exact = binomtest(disagreements, pairs).proportion_ci(1 - 2 * alpha, method="exact").low
    assert disagreement_low(pairs, disagreements, alpha) == pytest.approx(exact, abs=1e-9)


@given(one=st.floats(0.0, 0.5), two=st.floats(0.0, 0.5), wrong=rates, other=rates)
@quick
def test_even_without_end_pairs_of_unlike_raters_give_no_more_than_their_mean_error(
    one: float, two: float, wrong: float, other: float
) -> None:
    pairs = 10**9
    seen = int(pairs * differing(answers(one, wrong), answers(two, other)))
    assert rater_error_low(pairs, seen, alpha=0.5) <= (one + two) / 2 + 1e-6


@pytest.mark.parametrize("pair", [(0.0, 0.2), (0.1, 0.1), (0.02, 0.4)])
def test_the_limit_of_peoples_error_lies_above_it_no_oftener_than_alpha(pair: tuple[float, float]) -> None:
    one, two = pair
    seen = np.arange(201)
    chance = binom.pmf(seen, 200, differing(answers(one), answers(two)))
    too_high = [rater_error_low(200, k, alpha=0.05) > (one + two) / 2 for k in seen.tolist()]
    assert chance @ np.array(too_high) <= 0.05


def test_without_a_disagreement_nobody_is_known_to_err() -> None:
    assert rater_error_low(0, 0, alpha=0.05) == rater_error_low(1000, 0, alpha=0.05) == 0.0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4 pairs"):
        rater_error_low(4, 5, alpha=0.05)
    with pytest.raises(ValueError, match=r"between 0 and 0\.5"):
        observed_target(0.02, 0.6)
