"""Measures of confidences; scikit-learn, brute force and known values are the references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from benchmarks.evaluation.measures import COVERAGES, calibration_error, curve, floor, measures, risks


def drawn(seed: int, count: int, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences in tenths, so that many are equal, and whether each was right."""
    rng = np.random.default_rng(seed)
    confidences = np.round(rng.uniform(0.5, 1.0, count), 1)
    return confidences, rng.random(count) < 0.5 + slope * (confidences - 0.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(30, 400))
def test_brier_and_auroc_are_scikit_learns(seed: int, count: int) -> None:
    confidences, right = drawn(seed, count)
    right[:2] = True, False
    found = measures(confidences, right)
    assert found.brier == pytest.approx(brier_score_loss(right, confidences))
    assert found.auroc == pytest.approx(roc_auc_score(right, confidences))


def test_the_calibration_error_is_the_mean_gap_of_bins_of_as_many_items() -> None:
    confidences = np.repeat(np.linspace(0.5, 0.95, 10), 20)
    right = np.tile([True] * 15 + [False] * 5, 10)
    assert calibration_error(confidences, right) == pytest.approx(
        np.abs(np.linspace(0.5, 0.95, 10) - 0.75).mean()
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_equal_confidences_count_as_in_a_random_order(seed: int) -> None:
    confidences, right = drawn(seed, 40)
    rng = np.random.default_rng(seed)
    tried = []
    for _ in range(4000):
        order = np.lexsort([rng.random(40), -confidences])
        tried.append(np.cumsum(~right[order]) / np.arange(1, 41))
    assert risks(confidences, right) == pytest.approx(np.mean(tried, axis=0), abs=0.05)
    assert measures(confidences, right).aurc == pytest.approx(np.mean(tried), abs=0.01)


def test_known_risks() -> None:
    found = risks(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False]))
    assert found == pytest.approx([0.0, 0.0, 1 / 3, 1 / 2])
    assert risks(np.full(4, 0.5), np.array([True, True, True, False])) == pytest.approx([0.25] * 4)


def test_the_curve_ends_with_the_error_of_all() -> None:
    confidences, right = drawn(1, 1000)
    found = curve(confidences, right)
    assert found.shape == COVERAGES.shape
    assert found[-1] == pytest.approx(1 - right.mean())
    assert found[0] < found[-1]


def test_the_floor_is_what_perfect_confidences_are_measured_at() -> None:
    rng = np.random.default_rng(2)
    confidences = rng.uniform(0.5, 1.0, 300)
    measured = [calibration_error(confidences, rng.random(300) < confidences) for _ in range(400)]
    assert floor(confidences, rng) == pytest.approx(np.mean(measured), abs=0.01)
    assert floor(np.tile(confidences, 100), rng) < floor(confidences, rng) / 4


def test_whoever_is_always_right_or_never_tells_nothing_apart() -> None:
    assert measures(np.linspace(0.5, 1, 50), np.ones(50, np.bool_)).auroc == 0.5
