"""Fitting corrections; scikit-learn is the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.pooling import corrected_all
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from trainer.correcting import MIN_DECISIONS, Pools, correct, vector_scaling
from trainer.crossing import folds

LABELS = ["a", "b", "c"]
Rng = np.random.Generator


def pools_of(shares: np.ndarray, truth: np.ndarray, **fields: object) -> Pools:
    return Pools(
        **{  # type: ignore[arg-type]
            "labels": LABELS,
            "shares": shares,
            "truth": [LABELS[number] for number in truth],
            "weights": np.ones(len(truth)),
            "groups": [str(row) for row in range(len(truth))],
            **fields,
        }
    )


def leaning(rng: Rng, count: int, biases: tuple[float, ...] = (0.0, 0.0, 0.0), scale: float = 1.0) -> Pools:
    """Pools that `scale` and `biases` would put right."""
    logs = log_softmax(rng.normal(0.0, 1.5, (count, 3)), axis=1)
    chances = softmax(scale * logs + np.array(biases), axis=1)
    truth = (rng.random((count, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return pools_of(softmax(logs, axis=1), truth)


def accuracy(shares: np.ndarray, pools: Pools) -> float:
    return float(
        np.mean([LABELS[best] == true for best, true in zip(shares.argmax(1), pools.truth, strict=True)])
    )


def test_what_put_the_pools_wrong_is_found() -> None:
    found = vector_scaling(leaning(np.random.default_rng(0), 20_000, (-1.5, 1.0, 0.5), 0.6))
    assert found.scale == pytest.approx(0.6, abs=0.03)
    assert list(found.biases.values()) == pytest.approx([-1.5, 1.0, 0.5], abs=0.06)
    assert found.decisions == 20_000


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1.5), st.floats(-2.0, 2.0))
def test_of_two_labels_it_is_the_logistic_regression_on_log_odds(
    seed: int, scale: float, bias: float
) -> None:
    rng = np.random.default_rng(seed)
    stated = rng.normal(0.0, 2.0, 3000)
    truth = (rng.random(3000) > 1 / (1 + np.exp(-scale * stated - bias))).astype(int)
    weights = rng.uniform(0.5, 2.0, 3000)
    shares = softmax(np.column_stack([stated, np.zeros(3000)]), axis=1)
    found = vector_scaling(pools_of(shares, truth, labels=["a", "b"], weights=weights))
    reference = LogisticRegression(C=np.inf, tol=1e-8).fit(stated[:, None], truth == 0, sample_weight=weights)
    assert found.scale == pytest.approx(reference.coef_[0, 0], abs=0.01)
    assert found.biases["a"] - found.biases["b"] == pytest.approx(reference.intercept_[0], abs=0.03)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(3)))
def test_the_order_of_the_labels_does_not_matter(seed: int, order: list[int]) -> None:
    pools = leaning(np.random.default_rng(seed), 300, (-1.0, 1.0, 0.0))
    labels = [LABELS[number] for number in order]
    turned = Pools(labels, pools.shares[:, order], pools.truth, pools.weights, pools.groups)
    one, other = vector_scaling(pools), vector_scaling(turned)
    assert list(other.biases) == labels
    assert other.scale == pytest.approx(one.scale, abs=1e-3)
    assert other.biases == pytest.approx(one.biases, abs=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_after_300_decisions_a_label_named_too_often_no_longer_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    biases = (-1.5, 0.5, 1.0)
    found = correct(["llm", "student"], leaning(rng, 300, biases)).correction
    assert found is not None
    assert (found.voters, found.decisions) == (["llm", "student"], 300)
    unseen = leaning(rng, 5000, biases)
    shares = corrected_all(found, LABELS, unseen.shares)
    assert accuracy(shares, unseen) > accuracy(unseen.shares, unseen) + 0.05


def test_where_nothing_is_named_too_often_nothing_is_corrected() -> None:
    rngs = [np.random.default_rng(seed) for seed in range(20)]
    found = [correct(["v"], leaning(rng, 300, scale=0.5)).correction for rng in rngs]
    assert sum(each is not None for each in found) <= 3, "a standard error is exceeded by chance now and then"


def test_few_decisions_give_none() -> None:
    rng = np.random.default_rng(1)
    few = leaning(rng, MIN_DECISIONS - 1, (-4.0, 2.0, 2.0))
    assert correct(["v"], few).correction is None
    assert correct(["v"], few).shares is few.shares
    many = leaning(rng, 400, (-4.0, 2.0, 2.0))
    assert correct(["v"], many).correction is not None
    weights = np.where(np.arange(400) < 10, 100.0, 0.01)
    thin = Pools(LABELS, many.shares, many.truth, weights, many.groups)
    assert correct(["v"], thin).correction is None


def test_few_decisions_move_a_bias_less_than_many() -> None:
    few, many = (
        vector_scaling(leaning(np.random.default_rng(2), count, (-3.0, 1.5, 1.5))) for count in (10, 5000)
    )
    assert many.biases["a"] < few.biases["a"] < 0


def test_the_weights_undo_the_selection() -> None:
    """What the pool calls `a` is seldom reviewed: weights give those decisions their due."""
    rng = np.random.default_rng(3)
    everything = leaning(rng, 40_000, (-1.0, 0.5, 0.5))
    # People see every item whose label is another than the pool's, and one in five of the others.
    wrong = np.array([LABELS[best] for best in everything.shares.argmax(1)]) != np.array(everything.truth)
    propensity = np.where(wrong, 1.0, 0.2)
    kept = np.flatnonzero(rng.random(40_000) < propensity)
    decided = Pools(
        LABELS,
        everything.shares[kept],
        [everything.truth[row] for row in kept],
        1 / propensity[kept],
        [everything.groups[row] for row in kept],
    )
    found = vector_scaling(decided)
    assert found.scale == pytest.approx(1.0, abs=0.05)
    assert list(found.biases.values()) == pytest.approx([-1.0, 0.5, 0.5], abs=0.08)


def test_each_decision_is_corrected_by_those_of_other_groups() -> None:
    """If decisions took part in their own correction, other decisions of a fold would change its pools."""
    rng = np.random.default_rng(4)
    pools = leaning(rng, 400, (-2.0, 1.0, 1.0))
    groups = [str(row // 2) for row in range(400)]
    (_, fold), *_ = folds(groups)
    turned = list(pools.truth)
    for row in fold:
        turned[row] = "b"
    one = correct(["v"], Pools(LABELS, pools.shares, pools.truth, pools.weights, groups))
    other = correct(["v"], Pools(LABELS, pools.shares, turned, pools.weights, groups))
    assert one.correction is not None
    assert other.correction is not None
    assert one.correction.biases != pytest.approx(other.correction.biases, abs=0.05)
    assert other.shares[fold] == pytest.approx(one.shares[fold])
    assert all(row ^ 1 in set(fold.tolist()) for row in fold.tolist()), "near duplicates share a fold"


def test_decisions_for_a_label_that_the_project_dropped_teach_nothing() -> None:
    pools = leaning(np.random.default_rng(5), 400, (-2.0, 1.0, 1.0))
    mixed = ["dropped" if row < 100 else label for row, label in enumerate(pools.truth)]
    with_dropped = Pools(LABELS, pools.shares, mixed, pools.weights, pools.groups)
    without = Pools(LABELS, pools.shares[100:], mixed[100:], pools.weights[100:], pools.groups[100:])
    found, expected = correct(["v"], with_dropped), correct(["v"], without)
    assert found.correction == expected.correction
    assert found.shares[100:] == pytest.approx(expected.shares)
    assert not np.allclose(found.shares[:100], pools.shares[:100]), "they are corrected all the same"
