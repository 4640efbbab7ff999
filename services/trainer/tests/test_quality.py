"""What decisions tell about the machine's labels; scipy and cleanlab are the references."""

from dataclasses import replace

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact
from trainer.clusters import clusters
from trainer.quality import (
    Judged,
    accuracy,
    calibration_error,
    lower,
    reliability,
    risk_coverage,
    upper,
)
from trainer.slices import Found, worse_slices
from trainer.suspects import suspects


def judged_of(seed: int, count: int, gap: float = 0.0) -> Judged:
    rng = np.random.default_rng(seed)
    confidences = rng.uniform(0.5, 1.0, count)
    return Judged(confidences, rng.random(count) < confidences - gap, np.ones(count))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.data())
def test_intervals_are_the_exact_ones(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    interval = binomtest(hits, trials).proportion_ci(0.95, method="exact")
    assert lower(hits / trials, trials, 0.975) == pytest.approx(interval.low, abs=1e-9)
    assert upper(hits / trials, trials, 0.975) == pytest.approx(interval.high, abs=1e-9)


def test_honest_confidences_have_little_error_and_boasts_much() -> None:
    honest, boasting = (reliability(judged_of(1, 5000, gap)) for gap in (0.0, 0.2))
    assert calibration_error(honest) < 0.03
    assert calibration_error(boasting) == pytest.approx(0.2, abs=0.03)
    assert [each.decisions for each in honest] == [500] * 10
    assert all(each.low <= each.accuracy <= each.high for each in honest)


def test_accepting_more_costs_more() -> None:
    judged = judged_of(2, 3000)
    points = risk_coverage(judged)
    assert points[-1].coverage == pytest.approx(1.0)
    assert points[-1].error == pytest.approx(1 - accuracy(judged))
    assert [p.coverage for p in points] == sorted(p.coverage for p in points)
    assert all(p.error <= p.error_bound <= 1 for p in points)
    assert points[4].error < points[-1].error


def test_nothing_decided_is_no_error() -> None:
    nothing = Judged(np.empty(0), np.empty(0, np.bool_), np.empty(0))
    assert (accuracy(nothing), reliability(nothing), risk_coverage(nothing)) == (0.0, [], [])
    assert worse_slices([], {}) == []


def found_with(worse: float, seed: int = 3, count: int = 900) -> list[Found]:
    """Errors in a tenth of all, and in a share of `worse` where the language is `xx`."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        language = ["en", "de", "xx"][number % 3]
        label = str(rng.choice(["a", "b", "c"]))
        is_wrong = rng.random() < (worse if language == "xx" else 0.1)
        machine = {"a": "b", "b": "c", "c": "a"}[label] if is_wrong else label
        rows.append(
            Found(str(number), f"text {number}", {"lang": language, "n": str(number)}, label, machine)
        )
    return rows


def test_a_worse_slice_is_found_with_examples_and_an_exact_test() -> None:
    found = found_with(0.3)
    listed = worse_slices(found, {"even": list(range(0, 900, 2))})
    (slice_,) = [each for each in listed if each.kind == "metadata"]
    assert slice_.name == "lang=xx"
    assert slice_.error > 2 * slice_.error_elsewhere
    assert len(slice_.examples) == 5
    assert all(example.label != example.machine_label for example in slice_.examples)
    assert not any(each.kind == "cluster" for each in listed)
    others = sum(each.is_error for each in found) - slice_.errors
    table = [[slice_.errors, 300 - slice_.errors], [others, 600 - others]]
    assert fisher_exact(table, alternative="greater").pvalue <= slice_.q_value < 0.01


def test_where_nothing_is_worse_hardly_anything_is_listed() -> None:
    seen = [each.kind for seed in range(20) for each in worse_slices(found_with(0.1, seed), {})]
    assert seen.count("metadata") <= 3


def test_errors_that_each_happen_once_are_no_confusions() -> None:
    labels = [f"l{n}" for n in range(26)]
    rows = [Found(f"i{n}", "x", {}, labels[n % 26], labels[n % 26]) for n in range(520)]
    for n in range(5):
        rows[n] = replace(rows[n], label=labels[n + 7])
    assert worse_slices(rows, {}) == [], "of 650 pairs five happen to have one"


def test_a_confusion_stands_out() -> None:
    rows = [Found(str(n), "t", {}, "a" if n % 4 else "b", "a") for n in range(80)]
    rows += [Found(str(n), "t", {}, label, label) for n, label in enumerate(["b", "c", "d"] * 60)]
    (listed,) = worse_slices(rows, {})
    assert (listed.kind, listed.name, listed.errors, listed.decisions) == ("labels", "a for b", 20, 80)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_suspects_are_cleanlabs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = ["a", "b", "c"]
    truth = rng.integers(0, 3, 400)
    given_ = np.where(rng.random(400) < 0.1, (truth + 1) % 3, truth)
    shares = np.exp(3 * np.eye(3)[truth] + rng.normal(size=(400, 3)))
    shares /= shares.sum(axis=1, keepdims=True)
    everything = np.ones(400, np.bool_)
    found = suspects([str(n) for n in range(400)], [labels[n] for n in given_], labels, shares, everything)
    expected = find_label_issues(
        given_,
        shares,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
        min_examples_per_class=0,
    )
    mine = [int(each.item_id) for each in found]
    assert len(set(mine) & set(expected[:50].tolist())) >= 0.9 * min(50, len(expected))
    assert (truth[mine] != given_[mine]).mean() > 0.6


def test_only_decisions_that_may_be_made_again_are_suspects() -> None:
    shares = np.array([[0.9, 0.1], [0.1, 0.9]] * 20)
    given_ = ["a", "b"] * 20
    given_[0] = given_[2] = "b"
    eligible = np.ones(40, np.bool_)
    eligible[0] = False
    names = [str(n) for n in range(40)]
    assert [each.item_id for each in suspects(names, given_, ["a", "b"], shares, eligible)] == ["2"]
    assert suspects(names, given_, ["a", "b"], shares, ~eligible)[0].item_id == "0"


def test_clusters_are_named_by_what_sets_them_apart() -> None:
    rng = np.random.default_rng(4)
    topics = ["football match goal", "budget tax minister"]
    texts = [f"the {topics[n % 2]} of today" for n in range(120)]
    vectors = np.eye(2)[np.arange(120) % 2] + 0.05 * rng.normal(size=(120, 2))
    found = clusters(vectors.astype(np.float32), texts)
    assert sum(len(rows) for rows in found.values()) == 120
    assert all(
        set(name.split(", ")) & {"football", "match", "goal", "budget", "tax", "minister"} for name in found
    )
    assert clusters(vectors[:50].astype(np.float32), texts[:50]) == {}
