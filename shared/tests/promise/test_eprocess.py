"""E-processes, held to exact sums over all outcomes and to bets that are counted one by one."""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.promise.eprocess import Bets, bets_above, bets_below
from scipy.special import xlog1py, xlogy
from scipy.stats import binom

quick = settings(max_examples=60, deadline=None)
Make = Callable[[float], Bets]
BOTH = pytest.mark.parametrize("make", [bets_below, bets_above])

targets = st.floats(0.001, 0.4)
counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
outcomes = st.lists(st.booleans(), max_size=60)


def log_e(bets: Bets, audits: int, errors: int) -> float:
    return float(bets.log_e(np.array(audits), np.array(errors)))


def mean_factor(bets: Bets, audits: int, errors: int, rate: float) -> float:
    """Return the mean factor of the next audit where errors come at `rate`."""
    now = log_e(bets, audits, errors)
    error, right = (log_e(bets, audits + 1, errors + found) - now for found in (1, 0))
    return rate * math.exp(error) + (1 - rate) * math.exp(right)


@BOTH
@given(target=targets)
@quick
def test_stakes_share_one_capital_and_each_bet_is_a_ratio_of_likelihoods(make: Make, target: float) -> None:
    bets = make(target)
    assert np.exp(bets.log_stakes).sum() == pytest.approx(1.0)
    alternatives = np.exp(bets.log_error) * target
    assert np.exp(bets.log_right) == pytest.approx((1 - alternatives) / (1 - target))
    assert ((alternatives < target) if make is bets_below else (alternatives > target)).all()
    assert (alternatives < 1.0).all()


@BOTH
@given(target=targets, errors=outcomes)
@quick
def test_a_mixture_is_the_sum_of_bets_that_go_their_own_way(
    make: Make, target: float, errors: list[bool]
) -> None:
    bets, expected = make(target), []
    capital = [math.exp(stake) for stake in bets.log_stakes]
    for error in errors:
        factors = bets.log_error if error else bets.log_right
        capital = [each * math.exp(factor) for each, factor in zip(capital, factors, strict=True)]
        expected.append(math.log(sum(capital)))
    assert bets.path(np.array(errors, dtype=bool)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@BOTH
@given(target=targets, at=counts)
@quick
def test_at_the_boundary_no_audit_changes_the_mean(make: Make, target: float, at: tuple[int, int]) -> None:
    assert mean_factor(make(target), *at, target) == pytest.approx(1.0)


@BOTH
@given(target=targets, at=counts, share=st.floats(0.0, 1.0))
@quick
def test_where_the_null_is_true_the_mean_never_grows(
    make: Make, target: float, at: tuple[int, int], share: float
) -> None:
    rate = target + (1 - target) * share if make is bets_below else target * share
    assert mean_factor(make(target), *at, rate) <= 1 + 1e-9


@BOTH
@pytest.mark.parametrize("target", [0.02, 0.25])
def test_the_mean_over_all_sequences_is_one(make: Make, target: float) -> None:
    bets, mean = make(target), 0.0
    for errors in product([False, True], repeat=10):
        chance = math.prod(target if error else 1 - target for error in errors)
        mean += chance * math.exp(bets.path(np.array(errors))[-1])
    assert mean == pytest.approx(1.0)
    k = np.arange(301)
    terms = binom.logpmf(k, 300, target) + bets.log_e(np.full(301, 300), k)
    assert np.exp(terms).sum() == pytest.approx(1.0)


def ever_reached(bets: Bets, rate: float, alpha: float, audits: int) -> float:
    """Return the exact probability that the e-value reaches 1/alpha within `audits` audits."""
    waiting, reached = np.zeros(audits + 1), 0.0
    waiting[0] = 1.0
    for n in range(1, audits + 1):
        waiting[1:] = waiting[1:] * (1 - rate) + waiting[:-1] * rate
        waiting[0] *= 1 - rate
        k = np.arange(n + 1)
        there = np.flatnonzero(bets.log_e(np.full(n + 1, n), k) >= -math.log(alpha))
        reached += waiting[there].sum()
        waiting[there] = 0.0
    return reached


@BOTH
@pytest.mark.parametrize(("target", "alpha"), [(0.02, 0.05), (0.1, 0.2)])
def test_the_peak_reaches_one_over_alpha_no_oftener_than_alpha(
    make: Make, target: float, alpha: float
) -> None:
    bets = make(target)
    chance = ever_reached(bets, target, alpha, 700)
    assert alpha / 4 < chance <= alpha, "an e-process that never gets there would prove nothing either"
    true_null, false_null = (1.5, 0.1) if make is bets_below else (0.7, 4.0)
    assert ever_reached(bets, target * true_null, alpha, 300) < chance
    assert ever_reached(bets, target * false_null, alpha, 700) > 0.9


@given(target=targets, at=counts)
@quick
def test_an_error_more_speaks_against_the_promise(target: float, at: tuple[int, int]) -> None:
    n, k = at
    below, above = bets_below(target), bets_above(target)
    assert log_e(below, n + 1, k + 1) < log_e(below, n, k) < log_e(below, n + 1, k)
    assert log_e(above, n + 1, k + 1) > log_e(above, n, k) > log_e(above, n + 1, k)


@BOTH
@given(target=targets, at=counts)
@quick
def test_no_mixture_exceeds_the_highest_ratio_of_likelihoods(
    make: Make, target: float, at: tuple[int, int]
) -> None:
    n, k = at
    rate = k / n if n else target
    rate = min(rate, target) if make is bets_below else max(rate, target)
    highest = xlogy(k, rate / target) + xlog1py(n - k, -rate) - (n - k) * math.log1p(-target)
    assert log_e(make(target), n, k) <= highest + 1e-9


@BOTH
@given(target=targets, first=outcomes, then=outcomes)
@quick
def test_a_path_goes_on_where_it_was_cut(
    make: Make, target: float, first: list[bool], then: list[bool]
) -> None:
    bets = make(target)
    whole = bets.path(np.array(first + then, dtype=bool))
    assert whole[: len(first)].tolist() == bets.path(np.array(first, dtype=bool)).tolist()
    later = len(first) + np.arange(1, len(then) + 1)
    found = sum(first) + np.cumsum(np.array(then, dtype=bool), dtype=np.int64)
    assert whole[len(first) :] == pytest.approx(bets.log_e(later, found))


@BOTH
@pytest.mark.parametrize("target", [-0.1, 0.0, 1.0, 2.0])
def test_a_target_is_a_rate(make: Make, target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        make(target)
