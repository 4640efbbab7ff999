"""Votes into one opinion."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.events import Vote
from labelmill.kinds import kind_named
from labelmill.pooling import (
    FUNCTION,
    FUNCTIONS,
    LEAST_SHARE,
    Pool,
    coin_evidence,
    corrected_all,
    pool_all,
    voter_set,
)
from labelmill.releases import Correction, Reliability

LABELS = ("a", "b", "c")
CHOICE = kind_named("choice")


def soft(voter: str, *shares: float) -> Vote:
    label = LABELS[shares.index(max(shares))]
    return Vote(
        voter=voter,
        version="1",
        source="logprobs",
        label=label,
        confidence=max(shares),
        probabilities=dict(zip(LABELS, shares, strict=True)),
    )


def hard(voter: str, label: str, accuracy: float = 0.7) -> Vote:
    return Vote(voter=voter, version="1", source=FUNCTION, label=label, confidence=accuracy)


def pool(reliabilities: dict[str, Reliability], *votes: Vote) -> dict[str, float]:
    return Pool(CHOICE, LABELS, reliabilities)(votes).probabilities


distributions = st.tuples(*[st.floats(0.001, 1.0)] * 3).map(lambda row: tuple(x / sum(row) for x in row))
reliable = st.builds(Reliability, accuracy=st.floats(0.0, 1.0), weight=st.floats(0.0, 1.0))


def test_without_votes_every_label_is_as_likely() -> None:
    assert pool({}) == pytest.approx(dict.fromkeys(LABELS, 1 / 3))


def test_before_the_first_release_it_is_the_mean() -> None:
    found = pool({}, soft("one", 0.2, 0.8, 0.0), soft("two", 0.9, 0.1, 0.0))
    assert found == pytest.approx({"a": 0.55, "b": 0.45, "c": 0.0})


def test_functions_alone_are_pooled_by_the_accuracy_their_authors_declared() -> None:
    """Bayes' rule by hand: 0.8 and 0.6 for a, 0.7 for b, errors spread over the two other labels."""
    found = pool({}, hard("f", "a", 0.8), hard("g", "a", 0.6), hard("h", "b", 0.7))
    masses = {"a": 0.8 * 0.6 * 0.15, "b": 0.1 * 0.2 * 0.7, "c": 0.1 * 0.2 * 0.15}
    total = sum(masses.values())
    assert found == pytest.approx({label: mass / total for label, mass in masses.items()})


def test_before_the_first_release_functions_together_count_as_one_voter() -> None:
    functions = [hard(name, "a", 0.8) for name in "fgh"]
    alone = pool({}, *functions)
    found = pool({}, soft("llm", 0.1, 0.8, 0.1), *functions)
    assert found["a"] == pytest.approx((alone["a"] + 0.1) / 2)


def test_a_release_multiplies_what_independent_voters_say() -> None:
    trusted = {"one": Reliability(accuracy=0.8), "two": Reliability(accuracy=0.8)}
    found = pool(trusted, soft("one", 0.5, 0.3, 0.2), soft("two", 0.6, 0.3, 0.1))
    masses = np.array([0.30, 0.09, 0.02])
    assert list(found.values()) == pytest.approx(masses / masses.sum())


def test_a_weight_tempers() -> None:
    (shares,) = [pool({"one": Reliability(accuracy=0.7, weight=0.5)}, soft("one", 0.81, 0.16, 0.03))]
    roots = np.sqrt([0.81, 0.16, 0.03])
    assert list(shares.values()) == pytest.approx(roots / roots.sum())


def test_a_voter_the_release_does_not_know_is_believed_as_it_is() -> None:
    others = {"other": Reliability(accuracy=0.6, weight=0.1)}
    assert list(pool(others, soft("new", 0.5, 0.3, 0.2)).values()) == pytest.approx([0.5, 0.3, 0.2])
    assert pool(others, hard("f", "b", 0.7))["b"] == pytest.approx(0.7)


def test_a_releases_accuracy_replaces_the_declared_one() -> None:
    assert pool({"f": Reliability(accuracy=0.9)}, hard("f", "b", 0.6))["b"] == pytest.approx(0.9)


def test_a_label_that_the_project_dropped_says_nothing() -> None:
    assert pool({"f": Reliability(accuracy=0.9)}, soft("one", 0.5, 0.3, 0.2), hard("f", "dropped")) == (
        pytest.approx({"a": 0.5, "b": 0.3, "c": 0.2})
    )


def test_no_voter_has_a_veto() -> None:
    trusted = {"one": Reliability(accuracy=0.9)}
    found = pool(
        trusted, soft("one", 1.0, 0.0, 0.0), soft("two", 0.0, 1.0, 0.0), soft("three", 0.0, 1.0, 0.0)
    )
    assert found["b"] > found["a"] > found["c"] > 0


def test_functions_are_one_in_a_set_of_voters() -> None:
    assert voter_set([soft("student", 1, 0, 0), hard("f", "a"), hard("g", "b"), soft("llm", 1, 0, 0)]) == (
        *(FUNCTIONS, "llm", "student"),
    )


@given(st.lists(st.tuples(distributions, reliable), min_size=1, max_size=5), st.permutations(range(5)))
def test_it_is_a_distribution_whatever_the_order(
    voters: list[tuple[tuple[float, ...], Reliability]], order: list[int]
) -> None:
    votes = [soft(str(number), *shares) for number, (shares, _) in enumerate(voters)]
    trusted = {str(number): reliability for number, (_, reliability) in enumerate(voters)}
    found = Pool(CHOICE, LABELS, trusted)(votes)
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert found.confidence == max(found.probabilities.values()) == found.probabilities[found.label]
    turned = Pool(CHOICE, LABELS, trusted)([votes[number] for number in order if number < len(votes)])
    assert turned.probabilities == pytest.approx(found.probabilities)


@given(st.floats(0.34, 0.98), st.floats(0.34, 0.98), distributions)
def test_more_accuracy_never_lowers_the_label(low: float, high: float, shares: tuple[float, ...]) -> None:
    low, high = sorted((low, high))
    by_accuracy = [
        pool({"f": Reliability(accuracy=accuracy)}, soft("one", *shares), hard("f", "b"))["b"]
        for accuracy in (low, high)
    ]
    assert by_accuracy[0] <= by_accuracy[1] + 1e-12


@given(st.lists(st.lists(distributions | st.none(), min_size=3, max_size=3), min_size=1, max_size=8))
def test_many_items_at_once_are_pooled_as_one_by_one(items: list[list[tuple[float, ...] | None]]) -> None:
    names = ("one", "two", "three")
    weights = (1.0, 0.4, 0.7)
    trusted = {
        name: Reliability(accuracy=0.5, weight=weight) for name, weight in zip(names, weights, strict=True)
    }
    one_by_one = Pool(CHOICE, LABELS, trusted)
    votes = [
        [soft(name, *shares) for name, shares in zip(names, item, strict=True) if shares] for item in items
    ]
    evidence = np.zeros((len(items), 3, 3))
    for row, item in enumerate(votes):
        for vote in item:
            evidence[row, names.index(vote.voter)] = one_by_one.evidence(vote)
    expected = [list(one_by_one(item).probabilities.values()) for item in votes]
    assert pool_all(evidence, np.array(weights)) == pytest.approx(np.array(expected))


def corrected(correction: Correction, *votes: Vote, labels: tuple[str, ...] = LABELS) -> dict[str, float]:
    trusted = {vote.voter: Reliability(accuracy=0.7) for vote in votes}
    return Pool(CHOICE, labels, trusted, [correction])(votes).probabilities


def test_a_correction_multiplies_the_evidence_and_adds_the_bias_of_each_label() -> None:
    correction = Correction(voters=["one"], scale=0.5, biases={"a": -math.log(3), "b": math.log(2)})
    masses = np.sqrt([0.81, 0.16, 0.03]) * [1 / 3, 2, 1]
    found = corrected(correction, soft("one", 0.81, 0.16, 0.03))
    assert list(found.values()) == pytest.approx(masses / masses.sum())


def test_a_correction_is_for_exactly_those_who_voted() -> None:
    correction = Correction(voters=[FUNCTIONS, "one"], scale=1.0, biases={"c": 9.0})
    alone, beside = soft("one", 0.5, 0.3, 0.2), soft("two", 0.5, 0.3, 0.2)
    assert list(corrected(correction, alone).values()) == pytest.approx([0.5, 0.3, 0.2])
    assert corrected(correction, alone, beside)["a"] > 0.5
    assert corrected(correction, alone, hard("f", "a"), beside)["a"] > 0.5
    assert corrected(correction, alone, hard("f", "a"), hard("g", "b"))["c"] > 0.9


def test_a_correction_knows_nothing_of_new_labels_and_keeps_none_that_was_dropped() -> None:
    correction = Correction(voters=["one"], scale=1.0, biases={"dropped": 5.0, "a": -math.log(2)})
    found = corrected(correction, soft("one", 0.5, 0.3, 0.2))
    assert list(found.values()) == pytest.approx(np.array([0.25, 0.3, 0.2]) / 0.75)


biases = st.tuples(*[st.floats(-4.0, 4.0)] * 3)


@given(st.lists(distributions, min_size=1, max_size=3))
def test_a_correction_of_scale_one_without_biases_changes_nothing(voters: list[tuple[float, ...]]) -> None:
    votes = [soft(str(number), *shares) for number, shares in enumerate(voters)]
    trusted = {vote.voter: Reliability(accuracy=0.7) for vote in votes}
    nothing = Correction(voters=[vote.voter for vote in votes], scale=1.0, biases=dict.fromkeys(LABELS, 0.0))
    assert corrected(nothing, *votes) == Pool(CHOICE, LABELS, trusted)(votes).probabilities


@given(distributions, st.floats(0.0, 3.0), biases, st.permutations(LABELS))
def test_a_correction_does_not_mind_the_order_of_the_labels(
    shares: tuple[float, ...], scale: float, added: tuple[float, ...], order: list[str]
) -> None:
    correction = Correction(voters=["one"], scale=scale, biases=dict(zip(LABELS, added, strict=True)))
    found = corrected(correction, soft("one", *shares))
    turned = corrected(correction, soft("one", *shares), labels=tuple(order))
    assert turned == pytest.approx(found)


@given(st.lists(distributions, min_size=1, max_size=8), st.floats(0.0, 3.0), biases)
def test_many_pools_at_once_are_corrected_as_one_by_one(
    items: list[tuple[float, ...]], scale: float, added: tuple[float, ...]
) -> None:
    correction = Correction(voters=["one"], scale=scale, biases=dict(zip(LABELS, added, strict=True)))
    one_by_one = [list(corrected(correction, soft("one", *shares)).values()) for shares in items]
    assert corrected_all(correction, LABELS, np.array(items)) == pytest.approx(np.array(one_by_one))


@given(st.floats(0.0, 1.0), st.integers(2, 26))
def test_a_coins_log_odds_are_those_of_its_distribution(accuracy: float, options: int) -> None:
    believed = min(max(accuracy, 0.01), 0.99)
    expected = math.log(believed) - math.log((1 - believed) / (options - 1))
    assert coin_evidence(accuracy, options) == pytest.approx(expected)
    assert 0 < LEAST_SHARE < 0.001
