"""The kind `choice`, and finding kinds by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.errors import InvalidLabel, InvalidProject
from labelmill.kinds import Opinion, choice, kind_named

OPTIONS = ("a", "b", "c")
shares = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(
    lambda weights: {option: w / sum(weights) for option, w in zip(OPTIONS, weights, strict=True)}
)
opinions = shares.map(lambda p: Opinion(max(p, key=p.__getitem__), max(p.values()), p))


def test_kinds_are_found_by_their_folder() -> None:
    assert kind_named("choice") is choice
    with pytest.raises(InvalidProject, match="known are choice"):
        kind_named("os")


def test_only_options_are_labels() -> None:
    assert choice.validate("a", OPTIONS) == "a"
    for bad in ("d", "", None, 1, ["a"], {"a": 1}):
        with pytest.raises(InvalidLabel):
            choice.validate(bad, OPTIONS)


def test_distance_is_nominal() -> None:
    assert (choice.distance("a", "a"), choice.distance("a", "b")) == (0.0, 1.0)


@given(opinions)
def test_one_voter_pools_to_itself(opinion: Opinion) -> None:
    pooled = choice.pool([opinion])
    assert pooled.label == opinion.label
    assert pooled.probabilities == pytest.approx(opinion.probabilities)


@given(st.lists(opinions, min_size=1, max_size=5))
def test_a_pool_is_a_distribution_and_its_label_the_likeliest(voters: list[Opinion]) -> None:
    pooled = choice.pool(voters)
    assert sum(pooled.probabilities.values()) == pytest.approx(1.0)
    assert pooled.confidence == max(pooled.probabilities.values()) == pooled.probabilities[pooled.label]
    assert choice.pool(voters[::-1]).confidence == pytest.approx(pooled.confidence)


def test_decisions_settle_on_the_majority_and_among_equals_on_the_first() -> None:
    assert choice.merge_decisions(["b", "a", "a"]) == "a"
    assert choice.merge_decisions(["b", "a"]) == "b"
    assert choice.merge_decisions(["c"]) == "c"
