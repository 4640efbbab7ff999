"""Thresholds against exact one-look tests, and against fixed-sequence testing as mapie has it.

What must hold: an e-value never exceeds the highest ratio of likelihoods, exp(n KL(k/n, target)). One over
that is Hoeffding's p-value, no smaller than the exact binomial one. So whatever is certified was, at the look
where its e-value peaked, rejected by the exact test of one look too. (At the last look that test may have
forgotten it: it may not be looked at twice.)
"""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from labelmill.promise import bound
from labelmill.promise.bound import Evidence
from labelmill.promise.eprocess import bets_below
from mapie.risk_control import FWERFixedSequenceTesting, control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value
from numpy.typing import NDArray
from scipy.stats import binom

quick = settings(max_examples=60, deadline=None)
GRID = (0.99, 0.95, 0.9, 0.7, 0.5, 0.2)
STRICTEST = [(GRID[0], 1.0)]

scores = st.sampled_from([1.0, 0.97, 0.93, 0.8, 0.6, 0.3])
audits = st.lists(st.tuples(scores, st.integers(0, 15).map(lambda n: n == 0)), min_size=1, max_size=80)
alphas = st.floats(0.01, 0.4)
targets = st.sampled_from([0.1, 0.2, 0.4])
peaks = st.lists(st.floats(0.0, 9.0), min_size=len(GRID), max_size=len(GRID))

Audits = Sequence[tuple[float, bool]]
Floats = NDArray[np.float64]


def evidence_of(target: float, found: Audits) -> Evidence:
    return bound.add(bound.empty(target, GRID), [s for s, _ in found], [e for _, e in found])


def certified(evidence: Evidence, alpha: float, starts: Sequence[tuple[float, float]]) -> set[int]:
    return {i for i, good in enumerate(bound.judge(evidence, alpha, starts).certified) if good}


def one_look(evidence: Evidence) -> Floats:
    """Return mapie's p-value for each threshold at one look; 1 where there is no audit."""
    n, k = np.array(evidence.audits), np.array(evidence.errors)
    p_values = np.ones(len(n))
    # The smallest step below, so that mapie's rounding up does not make k + 1 errors of n * (k / n).
    share = np.nextafter(k[n > 0] / n[n > 0], 0.0)
    found = compute_hoeffding_bentkus_p_value(share, n[n > 0], evidence.target, binary=True)
    p_values[n > 0] = found[:, 0]
    return p_values


def lowest_over_looks(target: float, found: Audits) -> Floats:
    looks = [one_look(evidence_of(target, found[: count + 1])) for count in range(len(found))]
    lowest: Floats = np.min(looks, axis=0)
    return lowest


@given(targets, audits)
@quick
def test_mapies_p_value_of_a_yes_or_no_is_the_exact_binomial_one(target: float, found: Audits) -> None:
    evidence = evidence_of(target, found)
    exact = binom.cdf(evidence.errors, evidence.audits, target)
    assert one_look(evidence) == pytest.approx(exact, rel=1e-9)


@given(targets, st.integers(0, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
@quick
def test_an_e_value_is_no_stronger_than_the_exact_test_of_one_look(
    target: float, counts: tuple[int, int]
) -> None:
    n, k = counts
    log_e = float(bets_below(target).log_e(np.array(n), np.array(k)))
    assert min(1.0, math.exp(-log_e) if log_e > 0 else 1.0) >= binom.cdf(k, n, target) * (1 - 1e-9)


@given(targets, audits, alphas)
@quick
def test_what_is_certified_one_look_would_have_certified_at_some_time(
    target: float, found: Audits, alpha: float
) -> None:
    ours = certified(evidence_of(target, found), alpha, STRICTEST)
    theirs = control_fwer(lowest_over_looks(target, found), alpha, FWERFixedSequenceTesting(n_starts=1))
    assert ours <= set(theirs.tolist())


@given(targets, st.lists(scores, min_size=1, max_size=150), alphas)
@quick
def test_without_errors_the_last_look_certifies_no_less(
    target: float, right: list[float], alpha: float
) -> None:
    evidence = evidence_of(target, [(score, False) for score in right])
    theirs = control_fwer(one_look(evidence), alpha, FWERFixedSequenceTesting(n_starts=1))
    assert certified(evidence, alpha, STRICTEST) <= set(theirs.tolist())


@given(peaks, alphas)
@quick
def test_from_one_start_the_procedure_is_fixed_sequence_testing(values: list[float], alpha: float) -> None:
    assume(all(abs(value + math.log(alpha)) > 1e-9 for value in values))
    theirs = control_fwer(np.exp(-np.array(values)), alpha, FWERFixedSequenceTesting(n_starts=1))
    assert certified(_peaking(values), alpha, STRICTEST) == set(theirs.tolist())


@pytest.mark.parametrize("starts", [2, 3, 6])
@given(values=peaks, alpha=alphas)
@quick
def test_from_several_starts_it_certifies_all_that_separate_sequences_do_and_passes_shares_on(
    starts: int, values: list[float], alpha: float
) -> None:
    assume(all(abs(value + math.log(alpha / starts)) > 1e-9 for value in values))
    shares = [(GRID[number * (len(GRID) // starts)], 1 / starts) for number in range(starts)]
    theirs = control_fwer(np.exp(-np.array(values)), alpha, FWERFixedSequenceTesting(n_starts=starts))
    ours = certified(_peaking(values), alpha, shares)
    assert set(theirs.tolist()) <= ours
    own = certified(_peaking(values), alpha, STRICTEST)
    assert max(ours, default=-1) <= max(
        (i for i, v in enumerate(values) if v >= -math.log(alpha)), default=-1
    )
    assert bool(own) >= (0 in ours), "a share of alpha opens nothing that all of it would not"


def _peaking(values: Sequence[float]) -> Evidence:
    size = len(values)
    return Evidence(
        target=0.1, thresholds=list(GRID), audits=[0] * size, errors=[0] * size, peaks=list(values)
    )


@pytest.mark.parametrize("target", [0.01, 0.02, 0.1])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_looking_all_the_time_costs_no_more_than_the_stake_of_the_lowest_bet(
    target: float, alpha: float
) -> None:
    """A quarter of the capital is on an error rate of 2% of the target: 4/alpha for that bet is enough."""
    evidence = bound.empty(target, [0.5])
    needed = bound.judge(evidence, alpha, [(0.5, 1.0)]).missing_at_best
    one = math.ceil(math.log(alpha) / math.log1p(-target))
    most = math.ceil(math.log(4 / alpha) / (math.log1p(-0.02 * target) - math.log1p(-target)))
    assert one < needed <= most


def test_false_thresholds_are_certified_no_oftener_than_alpha() -> None:
    """Above the two laxer of three thresholds a little more is wrong than the target."""
    rng, runs, alpha, target = np.random.default_rng(7), 400, 0.2, 0.1
    grid = [0.9, 0.6, 0.3]
    broken = 0
    for _ in range(runs):
        score = rng.choice([0.95, 0.7, 0.4], size=600)
        wrong = rng.random(600) < np.where(score > 0.9, 0.02, 0.19)
        threshold = bound.fit(
            score, wrong, target=target, alpha=alpha, thresholds=grid, starts=[(t, 1 / 3) for t in grid]
        ).threshold
        broken += threshold is not None and threshold < 0.9
    assert 0 < broken <= binom.ppf(0.999, runs, alpha)


@given(targets, audits, alphas)
@quick
def test_looking_oftener_finds_no_other_threshold(target: float, found: Audits, alpha: float) -> None:
    seen: set[int] = set()
    for end in [*range(7, len(found), 7), len(found)]:
        seen |= certified(evidence_of(target, found[:end]), alpha, STRICTEST)
    assert seen == certified(evidence_of(target, found), alpha, STRICTEST)
