"""Thresholds that audits certify: properties, and counts made one by one."""

import itertools
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from labelmill.promise import bound
from labelmill.promise.bound import STARTS, THRESHOLDS, Evidence
from labelmill.promise.eprocess import bets_below
from scipy.stats import binomtest

quick = settings(max_examples=60, deadline=None)
GRID = (0.99, 0.9, 0.7, 0.5, 0.2)
EACH = [(0.99, 0.5), (0.7, 0.3), (0.2, 0.2)]
TOP = [(1.0, 1.0)]

scores = st.sampled_from([1.0, 0.995, 0.95, 0.9, 0.8, 0.6, 0.3, 0.0])
audits = st.lists(st.tuples(scores, st.integers(0, 9).map(lambda n: n == 0)), max_size=80)
targets = st.sampled_from([0.05, 0.2, 0.4])
peaks = st.lists(st.floats(0.0, 12.0), min_size=len(GRID), max_size=len(GRID))
alphas = st.floats(0.001, 0.3)

Audits = Sequence[tuple[float, bool]]


def evidence_of(target: float, found: Audits, *, before: Evidence | None = None) -> Evidence:
    start = bound.empty(target, GRID) if before is None else before
    return bound.add(start, [score for score, _ in found], [error for _, error in found])


def with_peaks(values: Sequence[float]) -> Evidence:
    size = len(values)
    return Evidence(
        target=0.1, thresholds=list(GRID[:size]), audits=[0] * size, errors=[0] * size, peaks=list(values)
    )


def clean(target: float, count: int, errors: int = 0) -> Evidence:
    """Return evidence over the whole grid of `count` audits of the highest score, the first of them wrong."""
    wrong = [number < errors for number in range(count)]
    return bound.add(bound.empty(target), [1.0] * count, wrong)


@given(targets, audits)
@quick
def test_evidence_is_what_each_audit_adds_counted_by_itself(target: float, found: Audits) -> None:
    evidence = evidence_of(target, found)
    for place, threshold in enumerate(GRID):
        own = np.array([error for score, error in found if score >= threshold], dtype=bool)
        assert (evidence.audits[place], evidence.errors[place]) == (len(own), own.sum())
        highest = max([0.0, *bets_below(target).path(own)])
        assert evidence.peaks[place] == pytest.approx(highest, abs=1e-9)
    assert (evidence.total, evidence.total_errors) == (len(found), sum(error for _, error in found))


def test_evidence_counts_where_errors_are_only_a_little_fewer_than_the_target() -> None:
    wrong = np.arange(4000) % 14 == 13
    evidence = bound.add(bound.empty(0.1, GRID), np.ones(4000), wrong)
    assert evidence.peaks[0] == pytest.approx(max(bets_below(0.1).path(wrong)))
    assert evidence.peaks[0] > 5


def test_a_peak_that_was_reached_in_an_earlier_part_stays() -> None:
    before = evidence_of(0.1, [(1.0, number >= 90) for number in range(100)])
    after = evidence_of(0.1, [(1.0, number % 2 == 0) for number in range(20)], before=before)
    assert after.peaks == before.peaks
    assert after.peaks[0] == pytest.approx(bets_below(0.1).path(np.zeros(90, dtype=bool))[-1])


@given(targets, audits, st.lists(st.integers(0, 80), max_size=4))
@quick
def test_evidence_in_parts_is_evidence_at_once(target: float, found: Audits, cuts: list[int]) -> None:
    evidence = bound.empty(target, GRID)
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(found)]):
        evidence = evidence_of(target, found[begin:end], before=evidence)
    whole = evidence_of(target, found)
    assert (evidence.audits, evidence.errors, evidence.total) == (whole.audits, whole.errors, whole.total)
    assert evidence.peaks == pytest.approx(whole.peaks, abs=1e-9)


@given(targets, audits, st.randoms(use_true_random=False))
@quick
def test_between_two_errors_the_order_of_audits_is_nothing(
    target: float, found: Audits, shuffled: random.Random
) -> None:
    runs, other = itertools.groupby(found, key=lambda audit: audit[1]), list[tuple[float, bool]]()
    for error, run in runs:
        part = list(run)
        if not error:
            shuffled.shuffle(part)
        other += part
    assert evidence_of(target, other).peaks == pytest.approx(evidence_of(target, found).peaks, abs=1e-9)


@given(targets, audits, audits, alphas)
@quick
def test_more_audits_never_take_back_what_is_certified(
    target: float, first: Audits, more: Audits, alpha: float
) -> None:
    before = evidence_of(target, first)
    after = evidence_of(target, more, before=before)
    one, other = (bound.judge(each, alpha, EACH).certified for each in (before, after))
    assert all(still for was, still in zip(one, other, strict=True) if was)


@given(targets, audits, alphas)
@quick
def test_an_audit_found_right_that_was_wrong_never_certifies_less(
    target: float, found: Audits, alpha: float
) -> None:
    better = [(score, False) for score, _ in found]
    one, other = (bound.judge(evidence_of(target, each), alpha, EACH) for each in (found, better))
    assert all(good >= bad for bad, good in zip(one.certified, other.certified, strict=True))


def by_graph(p_values: Sequence[float], alpha: float, order: random.Random) -> set[int]:
    """Return what a graph of tests rejects (Bretz et al. 2009), whatever comes first: each passes its weight
    on to the next laxer one that still stands."""
    weights = [0.0] * len(GRID)
    for start, share in EACH:
        weights[GRID.index(start)] = share
    standing = set(range(len(p_values)))
    while ready := [i for i in standing if p_values[i] <= alpha * weights[i] and weights[i] > 0.0]:
        rejected = order.choice(ready)
        standing.remove(rejected)
        heir = min((i for i in standing if i > rejected), default=None)
        if heir is not None:
            weights[heir] += weights[rejected]
    return set(range(len(p_values))) - standing


@given(peaks, alphas, st.randoms(use_true_random=False))
@quick
def test_sequences_pass_on_their_share_as_a_graph_of_tests_does(
    values: list[float], alpha: float, order: random.Random
) -> None:
    fit = bound.judge(with_peaks(values), alpha, EACH)
    p_values = [math.exp(-value) for value in values]
    assume(all(abs(v - need) > 1e-9 for v, need in zip(values, fit.needed, strict=True)))
    assert {i for i, good in enumerate(fit.certified) if good} == by_graph(p_values, alpha, order)


@given(peaks, alphas)
@quick
def test_what_is_tested_costs_alpha_in_all(values: list[float], alpha: float) -> None:
    fit = bound.judge(with_peaks(values), alpha, EACH)
    standing = [math.exp(-need) for need, good in zip(fit.needed, fit.certified, strict=True) if not good]
    assert sum(standing) <= alpha * (1 + 1e-9)


def test_before_the_first_audit_the_starts_share_alpha() -> None:
    fit = bound.judge(bound.empty(0.02), 0.05)
    levels = {
        t: math.exp(-need) for t, need in zip(fit.thresholds, fit.needed, strict=True) if need < math.inf
    }
    assert levels == pytest.approx({start: 0.05 * share for start, share in STARTS})
    assert sum(levels.values()) == pytest.approx(0.05)
    assert (fit.threshold, fit.upper, fit.audits_used) == (None, 1.0, 0)


def test_a_start_between_two_thresholds_is_at_the_next_laxer_one() -> None:
    fit = bound.judge(with_peaks([0.0, 0.0, 0.0]), 0.1, [(0.8, 0.5), (0.1, 0.5)])
    assert [math.exp(-need) for need in fit.needed] == pytest.approx([0.0, 0.0, 0.1])


@given(peaks, alphas)
@quick
def test_the_threshold_is_the_lowest_certified_one(values: list[float], alpha: float) -> None:
    evidence = with_peaks(values)
    fit = bound.judge(evidence, alpha, EACH)
    good = [t for t, passed in zip(fit.thresholds, fit.certified, strict=True) if passed]
    assert fit.threshold == bound.certified(evidence, alpha, EACH) == min(good, default=None)


@given(st.sampled_from([0.02, 0.1]), alphas, st.lists(st.integers(0, 5).map(lambda n: n == 0), max_size=40))
@quick
def test_the_first_threshold_is_certified_after_what_is_missing_and_not_before(
    target: float, alpha: float, wrong: list[bool]
) -> None:
    evidence = bound.add(bound.empty(target), [1.0] * len(wrong), wrong)
    fit = bound.judge(evidence, alpha)
    assume(fit.threshold is None)
    for count, certified in [(fit.missing_at_best, True), (fit.missing_at_best - 1, False)]:
        after = bound.add(evidence, [1.0] * count, [False] * count)
        assert (bound.certified(after, alpha) is not None) == certified
    assert fit.missing is None or fit.missing >= fit.missing_at_best


@pytest.mark.parametrize("errors", [0, 1, 2])
def test_what_is_missing_as_errors_go_is_the_first_count_that_does(errors: int) -> None:
    fit = bound.judge(clean(0.1, 40, errors), 0.05)
    bets, rate, needed = bets_below(0.1), errors / 40, min(fit.needed)
    expected = next(
        more
        for more in itertools.count(1)
        if bets.log_e(np.array(40.0 + more), np.array(errors + rate * more)) >= needed
    )
    assert fit.missing == expected


def test_at_too_many_errors_nothing_would_do() -> None:
    fit = bound.judge(clean(0.1, 40, 4), 0.05)
    assert fit.missing is None
    assert 0 < fit.missing_at_best < 1000


def test_where_half_of_the_audits_count_twice_as_many_are_missing() -> None:
    above = bound.judge(bound.add(bound.empty(0.1), [1.0] * 20, [False] * 20), 0.05)
    half = bound.judge(bound.add(bound.empty(0.1), [1.0, 0.0] * 20, [False] * 40), 0.05)
    assert half.missing == 2 * (above.missing or 0)


def test_once_all_is_certified_nothing_is_missing() -> None:
    fit = bound.judge(clean(0.1, 2000), 0.05)
    assert (fit.threshold, fit.missing, fit.missing_at_best) == (THRESHOLDS[-1], 0, 0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))), alphas)
@quick
def test_the_bound_shown_is_the_exact_one(counts: tuple[int, int], alpha: float) -> None:
    n, k = counts
    exact = binomtest(k, n).proportion_ci(1 - 2 * alpha, method="exact").high
    assert bound.upper_bound(n, k, alpha) == pytest.approx(exact, abs=1e-9)
    assert bound.upper_bound(n, n, alpha) == bound.upper_bound(0, 0, alpha) == 1.0


@given(audits, st.sampled_from([0.2, 0.4]))
@quick
def test_a_fit_for_each_label_is_of_its_audits_and_its_share_of_alpha(found: Audits, target: float) -> None:
    labels = [("a", "b")[number % 2] for number in range(len(found))]
    score, wrong = [each for each, _ in found], [error for _, error in found]
    fits = bound.fit_per_label(score, wrong, labels, target=target, alpha=0.2, names=["a", "b", "c"])
    assert list(fits) == ["a", "b", "c"]
    assert fits["a"] == bound.fit(score[::2], wrong[::2], target=target, alpha=0.2 / 3)
    assert fits["c"] == bound.fit([], [], target=target, alpha=0.2 / 3)


@pytest.mark.parametrize("grid", [(), (0.5, 0.9), (0.9, 0.9)])
def test_thresholds_run_from_strict_to_lax(grid: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="strict to lax"):
        bound.empty(0.1, grid)
