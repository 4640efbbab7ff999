import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.weighting import effective_size, inverse_propensity

PROPENSITIES = st.lists(st.floats(0, 1), min_size=1, max_size=50)


@given(PROPENSITIES, st.floats(1, 50))
def test_weights_have_mean_one_and_a_bounded_spread(propensities: list[float], ratio: float) -> None:
    weights = inverse_propensity(propensities, ratio)
    assert weights.mean() == pytest.approx(1.0)
    assert weights.max() / weights.min() <= ratio + 1e-9
    assert 0 < effective_size(weights) <= len(weights) + 1e-9


def test_weighted_means_undo_the_selection() -> None:
    rng = np.random.default_rng(1)
    easy = rng.random(20_000) < 0.8
    propensity = np.where(easy, 0.1, 1.0)
    right = rng.random(20_000) < np.where(easy, 0.95, 0.6)
    seen = rng.random(20_000) < propensity
    weights = inverse_propensity(propensity[seen].tolist(), 20)
    assert abs(np.average(right[seen], weights=weights) - right.mean()) < 0.02
    assert abs(right[seen].mean() - right.mean()) > 0.08


def test_no_decisions_have_no_weights() -> None:
    assert len(inverse_propensity([], 5)) == 0
