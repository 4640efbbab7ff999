"""The monitor, held to sums over all outcomes, to streams that were simulated, and to mapie's."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.promise import monitor
from labelmill.promise.eprocess import bets_above
from labelmill.promise.monitor import AT_OPENING, SCALE, Monitor
from mapie.exchangeability_testing import RiskMonitoring
from mapie.risk_control import BinaryRisk
from scipy.stats import binom

quick = settings(max_examples=60, deadline=None)
TARGET, ALPHA = 0.1, 0.2
RUNS = 400

targets = st.floats(0.001, 0.4)
outcomes = st.lists(st.booleans(), max_size=40)


def watched(errors: Iterable[bool], target: float = TARGET, alpha: float = ALPHA) -> Monitor:
    return monitor.observe(monitor.start(target, alpha), errors)


def streams(rate: float, audits: int, seed: int = 1) -> list[list[bool]]:
    found: list[list[bool]] = (np.random.default_rng(seed).random((RUNS, audits)) < rate).tolist()
    return found


def capital(audits: int) -> float:
    """Return the capital that starts after `audits` audits: half with the first, the rest by and by."""
    return 1.0 if audits == 0 else (1.0 - AT_OPENING) * SCALE / (SCALE + audits - 1)


def by_starts(errors: Sequence[bool], target: float) -> float:
    """Return the evidence with a bet of its own for each starting point."""
    bets = bets_above(target)
    value = capital(len(errors))
    for start in range(len(errors)):
        grown = math.exp(bets.path(np.array(errors[start:]))[-1])
        value += (capital(start) - capital(start + 1)) * grown
    return value


@given(targets, outcomes)
@quick
def test_the_evidence_is_a_bet_from_each_starting_point(target: float, errors: list[bool]) -> None:
    found = watched(errors, target, 1e-300)
    assert found.evidence == pytest.approx(by_starts(errors, target), rel=1e-9)
    assert (found.audits, found.errors) == (len(errors), sum(errors))


@pytest.mark.parametrize("alpha", [1e-9, 0.3])
@pytest.mark.parametrize("target", [0.02, 0.2])
def test_the_mean_over_all_streams_is_one_with_and_without_an_alarm(target: float, alpha: float) -> None:
    mean = better = 0.0
    for errors in product([False, True], repeat=10):
        evidence = watched(errors, target, alpha).evidence
        mean += math.prod(target if error else 1 - target for error in errors) * evidence
        better += math.prod(target / 2 if error else 1 - target / 2 for error in errors) * evidence
    assert mean == pytest.approx(1.0)
    assert better < 1.0, "where fewer are wrong, evidence shrinks"


@given(outcomes, st.integers(0, 40))
@quick
def test_audits_in_parts_are_audits_at_once(errors: list[bool], cut: int) -> None:
    parts = monitor.observe(watched(errors[:cut]), errors[cut:])
    assert parts == watched(errors)


@given(outcomes)
@quick
def test_the_alarm_comes_with_the_evidence_and_then_nothing_is_read(errors: list[bool]) -> None:
    found = watched(errors)
    assert found.alarm == (found.evidence >= 1 / ALPHA)
    if found.alarm:
        assert found.alarm_at == found.audits
        assert not watched(errors[: found.audits - 1]).alarm
        assert monitor.observe(found, [True, False]) == found
        assert found == watched(errors[: found.audits])


@given(outcomes, st.integers(0, 39))
@quick
def test_an_error_more_makes_it_no_later(errors: list[bool], place: int) -> None:
    worse = [error or number == place for number, error in enumerate(errors)]
    before, after = watched(errors), watched(worse)
    assert (after.alarm_at or 10**6) <= (before.alarm_at or 10**6)


def test_audits_that_go_well_wear_a_suspicion_off() -> None:
    suspicious = watched([True, True], alpha=0.001)
    calm = monitor.observe(suspicious, [False] * 60)
    assert suspicious.evidence > 2 > 1 > calm.evidence
    assert not calm.alarm


@pytest.mark.parametrize("rate", [TARGET, TARGET / 2])
def test_false_alarms_are_no_oftener_than_alpha(rate: float) -> None:
    alarms = sum(watched(errors).alarm for errors in streams(rate, 600))
    assert alarms <= binom.ppf(0.999, RUNS, ALPHA)
    if rate == TARGET:
        assert alarms > 0, "a monitor that never raises one would watch nothing"


@pytest.mark.parametrize("error", [0.25, 0.4])
def test_the_audits_stated_are_those_within_which_the_alarm_comes(error: float) -> None:
    stated = monitor.audits_to_alarm(TARGET, error, ALPHA)
    assert stated is not None
    in_time = sum(watched(errors).alarm for errors in streams(error, stated))
    assert binom.ppf(0.001, RUNS, 0.94) <= in_time <= binom.ppf(0.999, RUNS, 0.965)


def test_after_audits_that_went_well_the_alarm_comes_no_later_than_stated() -> None:
    well, error = 200, 0.3
    stated = monitor.audits_to_alarm(TARGET, error, ALPHA, after=well)
    assert stated is not None
    assert stated > (monitor.audits_to_alarm(TARGET, error, ALPHA) or 0), "little capital is left to start"
    right, wrong = streams(TARGET / 4, well, seed=2), streams(error, stated, seed=3)
    in_time = sum(watched(before + after).alarm for before, after in zip(right, wrong, strict=True))
    assert in_time >= binom.ppf(0.001, RUNS, 0.95)


@pytest.mark.parametrize("target", [0.02, 0.1, 0.3])
def test_where_everything_is_wrong_the_alarm_comes_exactly_then(target: float) -> None:
    stated = monitor.audits_to_alarm(target, 1.0, ALPHA)
    assert stated == watched([True] * 100, target).alarm_at


def test_an_alarm_is_due_above_the_target_only_and_may_take_for_ever() -> None:
    with pytest.raises(ValueError, match="no alarm is due"):
        monitor.audits_to_alarm(0.1, 0.1, ALPHA)
    assert monitor.audits_to_alarm(0.1, 0.1001, 1e-6) is None


@cache
def _wrong() -> BinaryRisk:
    return BinaryRisk(
        risk_occurrence=lambda truth, said: truth != said,
        risk_condition=lambda truth, said: np.repeat(True, len(truth)),
        higher_is_better=False,
    )


def mapies_alarm(errors: list[bool], alpha: float) -> int | None:
    """Return the audit at which mapie's monitor raises the alarm; half of its level is for the reference."""
    theirs = RiskMonitoring(_wrong(), test_level=2 * alpha, threshold=TARGET, warn=False)
    theirs.update(np.array(errors, dtype=int), np.zeros(len(errors), dtype=int))
    above = np.flatnonzero(theirs.online_risk_lower_bound_sequence_history > TARGET)
    return int(above[0]) + 1 if len(above) else None


@pytest.mark.parametrize("error", [0.3, 0.6])
def test_the_alarm_comes_before_mapies(error: float) -> None:
    """Both hold at every look. Bets count errors of yes or no; mapie's bound is for any loss of 0 to 1."""
    ours, theirs = [], []
    for errors in streams(error, 160)[:6]:
        ours.append(watched(errors, alpha=0.05).alarm_at or 161)
        theirs.append(mapies_alarm(errors, 0.05) or 161)
    assert all(one <= other for one, other in zip(ours, theirs, strict=True))
    assert np.median(ours) < np.median(theirs)


def test_where_the_promise_is_kept_neither_raises_one() -> None:
    kept = [number % 25 == 24 for number in range(200)]
    assert watched(kept).alarm_at is None
    assert mapies_alarm(kept, ALPHA) is None
