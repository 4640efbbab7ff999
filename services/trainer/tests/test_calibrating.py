"""Fitting calibrators; scikit-learn is the reference."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.calibration import calibrated_all
from labelmill.releases import Calibrator
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from trainer.calibrating import (
    MIN_DECISIONS,
    Outcomes,
    fit,
    isotonic,
    isotonic_by_label,
    offsets,
    platt,
    platt_by_label,
    steps,
)

Rng = np.random.Generator


def outcomes_of(
    confidences: np.ndarray,
    right: np.ndarray,
    labels: list[str] | None = None,
    weights: np.ndarray | None = None,
) -> Outcomes:
    count = len(confidences)
    return Outcomes(
        labels=labels or ["a"] * count,
        confidences=np.asarray(confidences, np.float64),
        right=np.asarray(right, np.bool_),
        weights=np.ones(count) if weights is None else weights,
        groups=[str(number) for number in range(count)],
    )


def overconfident(rng: Rng, count: int, slope: float = 0.4, offset: float = 0.0) -> Outcomes:
    """Decisions on labels that are right less often than their confidences say."""
    confidences = expit(rng.normal(2.5, 1.5, count))
    return outcomes_of(confidences, rng.random(count) < expit(slope * logit(confidences) + offset))


def calibration_error(shares: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    order = np.argsort(shares)
    parts = np.array_split(order, bins)
    return sum(abs(shares[p].mean() - right[p].mean()) * len(p) for p in parts) / len(shares)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 1.5), st.floats(-1.0, 1.0))
def test_platts_line_is_the_logistic_regression_on_log_odds(seed: int, slope: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    outcomes = overconfident(rng, 400, slope, offset)
    weights = rng.uniform(0.5, 2.0, 400)
    weighted = outcomes_of(outcomes.confidences, outcomes.right, weights=weights)
    found = platt(weighted, ridge=1e-9)
    stated = np.log(outcomes.confidences / (1 - outcomes.confidences))[:, None]
    reference = LogisticRegression(C=np.inf, tol=1e-8).fit(stated, outcomes.right, sample_weight=weights)
    expected = reference.predict_proba(stated)[:, 1]
    if reference.coef_[0, 0] > 0:
        assert calibrated_all(found, outcomes.labels, outcomes.confidences) == pytest.approx(
            expected, abs=2e-3
        )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 99), st.booleans(), st.floats(0.2, 5.0)), min_size=5, max_size=80))
def test_the_isotonic_curve_is_scikit_learns_at_its_steps(rows: list[tuple[int, bool, float]]) -> None:
    confidences = np.array([row[0] / 100 for row in rows])
    right = np.array([row[1] for row in rows])
    weights = np.array([row[2] for row in rows])
    outcomes = outcomes_of(confidences, right, weights=weights)
    centres, _, shares = steps(outcomes)
    reference = IsotonicRegression(out_of_bounds="clip").fit(confidences, right, sample_weight=weights)
    expected = np.unique(np.round(reference.predict(np.unique(confidences)), 9))
    assert np.round(shares, 9) == pytest.approx(expected, abs=1e-6)
    assert (np.diff(centres) > 0).all()
    found = isotonic(outcomes)
    assert 0 < found.y[0] <= found.y[-1] < 1
    assert found.y == sorted(found.y)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_whatever_is_chosen_never_falls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right = rng.random(200) < 0.7
    outcomes = outcomes_of(rng.random(200), right, labels=list(rng.choice(["a", "b"], 200)))
    found = fit(["v"], outcomes)
    assert found is not None
    grid = np.linspace(0, 1, 50)
    for label in ("a", "b", "other"):
        assert (np.diff(calibrated_all(found, [label] * 50, grid)) >= -1e-12).all()


@pytest.mark.parametrize("seed", range(5))
def test_after_300_decisions_confidences_are_what_they_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = fit(["llm"], overconfident(rng, 300))
    assert found is not None
    assert found.voters == ["llm"]
    assert found.decisions == 300
    unseen = overconfident(rng, 5000)
    raw = calibration_error(unseen.confidences, unseen.right)
    shares = calibrated_all(found, unseen.labels, unseen.confidences)
    assert raw > 0.1
    assert calibration_error(shares, unseen.right) < 0.05


def test_a_curve_is_chosen_where_a_line_will_not_do() -> None:
    rng = np.random.default_rng(1)
    confidences = rng.uniform(0.34, 1.0, 3000)
    steps = np.where(confidences < 0.9, 0.55, 0.97)
    found = fit(["v"], outcomes_of(confidences, rng.random(3000) < steps))
    assert found is not None
    assert found.kind == "isotonic"
    assert fit(["v"], overconfident(rng, 1000)).kind == "platt"  # type: ignore[union-attr]


def test_a_label_that_is_wrong_more_often_has_its_own_offset() -> None:
    rng = np.random.default_rng(2)
    confidences = expit(rng.normal(1.5, 1.0, 800))
    labels = list(rng.choice(["good", "bad"], 800))
    truth = expit(logit(confidences) - 2.0 * (np.array(labels) == "bad"))
    found = fit(["v"], outcomes_of(confidences, rng.random(800) < truth, labels=labels))
    assert found is not None
    assert found.offsets["good"] - found.offsets["bad"] == pytest.approx(2.0, abs=0.6)


def named_too_often(rng: Rng, count: int) -> Outcomes:
    """Decisions where the voters name one label too often: they are surest of it, and right least often."""
    labels = rng.choice(["favourite", "other"], count, p=[0.7, 0.3])
    is_favourite = labels == "favourite"
    stated = rng.normal(np.where(is_favourite, 2.5, 0.8), 0.8)
    right = rng.random(count) < expit(stated - np.where(is_favourite, 2.5, 0.0))
    return outcomes_of(expit(stated), right, labels=labels.tolist())


def test_a_label_named_too_often_does_not_flatten_the_line_for_the_others() -> None:
    outcomes = named_too_often(np.random.default_rng(6), 20_000)
    assert platt(outcomes).slope < 0.5
    found = platt_by_label(outcomes)
    assert found.slope == pytest.approx(1.0, abs=0.05)
    assert found.offsets["other"] - found.offsets["favourite"] == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_after_300_decisions_confidences_in_a_label_named_too_often_are_what_they_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes, unseen = named_too_often(rng, 300), named_too_often(rng, 5000)
    found = fit(["llm"], outcomes)
    assert found is not None
    shares = calibrated_all(found, unseen.labels, unseen.confidences)
    assert calibration_error(shares, unseen.right) < 0.05
    assert calibration_error(unseen.confidences, unseen.right) > 0.2


@pytest.mark.parametrize("fitted", [platt_by_label, isotonic_by_label])
def test_a_label_with_few_decisions_has_no_offset(fitted: Callable[[Outcomes], Calibrator]) -> None:
    rng = np.random.default_rng(7)
    confidences = rng.uniform(0.5, 1.0, 219)
    outcomes = outcomes_of(confidences, rng.random(219) < confidences, labels=["a"] * 200 + ["b"] * 19)
    assert set(fitted(outcomes).offsets) == {"a"}


def test_offsets_are_shrunk_where_decisions_are_few_and_left_out_where_fewer() -> None:
    rng = np.random.default_rng(3)
    confidences = np.full(2000, 0.8)
    labels = ["many"] * 1900 + ["few"] * 90 + ["hardly"] * 10
    right = np.array([True] * 1520 + [False] * 380 + [False] * 100)
    outcomes = outcomes_of(confidences, right, labels=labels)
    found = offsets(platt(outcomes_of(confidences, rng.random(2000) < 0.8), ridge=1.0), outcomes)
    assert set(found) == {"many", "few"}
    assert abs(found["many"]) < 0.2
    assert -4.0 < found["few"] < -1.0


def test_a_thin_set_of_voters_is_not_calibrated() -> None:
    rng = np.random.default_rng(4)
    assert fit(["v"], overconfident(rng, MIN_DECISIONS - 1)) is None
    few = overconfident(rng, 200)
    weights = np.where(np.arange(200) < 10, 100.0, 0.01)
    assert fit(["v"], outcomes_of(few.confidences, few.right, weights=weights)) is None


def test_always_right_is_not_certain() -> None:
    found = fit(["v"], outcomes_of(np.linspace(0.5, 1, 100), np.ones(100)))
    assert found is not None
    assert calibrated_all(found, ["a"], np.array([0.9]))[0] < 0.9999


def test_the_weights_undo_the_selection() -> None:
    """Unsure items are reviewed, sure ones audited: weights give the audits their due."""
    rng = np.random.default_rng(5)
    everything = overconfident(rng, 20_000, slope=0.7)
    propensity = np.where(everything.confidences < 0.9, 1.0, 0.2)
    kept = np.flatnonzero(rng.random(20_000) < propensity)[:4000]
    decided = everything.rows(kept)
    found = fit(["v"], outcomes_of(decided.confidences, decided.right, weights=1 / propensity[kept]))
    assert found is not None
    shares = calibrated_all(found, everything.labels, everything.confidences)
    assert calibration_error(shares, everything.right) < 0.02
