"""Distributions from top_logprobs."""

import math

import pytest
from autolabeler.logprobs import TokenLogprob, distribution, mean
from autolabeler.voters import Unusable
from hypothesis import given
from hypothesis import strategies as st
from labelmill.prompts import LETTERS


def tokens(**shares: float) -> list[TokenLogprob]:
    return [TokenLogprob(name.replace("_", " "), math.log(share)) for name, share in shares.items()]


def test_renormalises_over_the_letters() -> None:
    assert distribution(tokens(A=0.6, B=0.2, The=0.2), ("A", "B"), 0.05) == (0.75, 0.25)


def test_a_letter_counts_in_every_spelling() -> None:
    found = [
        TokenLogprob(token, math.log(0.1))
        for token in ("A", " A", "a", "\u2581A", "\u0120A", "(A", "A.", "**A", "\nA", "B")
    ]
    assert distribution(found, ("A", "B"), 0.05) == (0.9, 0.1)


def test_a_word_counts_from_its_beginning() -> None:
    words = ("positive", "negative", "neutral")
    found = tokens(_positive=0.3, pos=0.1, P=0.1, Neg=0.2, ne=0.1, n=0.1, neutral=0.05, positively=0.05)
    assert distribution(found, words, 0.05) == pytest.approx((0.5 / 0.75, 0.2 / 0.75, 0.05 / 0.75), abs=1e-6)


def test_other_letters_and_longer_tokens_do_not_count() -> None:
    assert distribution(tokens(A=0.5, B=0.3, C=0.1, AB=0.1), ("A", "B"), 0.05) == (0.625, 0.375)


def test_a_missing_letter_is_no_likelier_than_the_last_candidate() -> None:
    assert distribution(tokens(B=0.5, The=0.1), ("A", "B"), 0.05) == pytest.approx((1 / 6, 5 / 6), abs=1e-6)


def test_missing_letters_share_what_the_candidates_leave_over() -> None:
    assert distribution(tokens(B=0.8), ("A", "B", "C"), 0.05) == (0.1, 0.8, 0.1)
    assert distribution(tokens(B=1.0), ("A", "B"), 0.05) == (0.0, 1.0)


def test_refuses_prose() -> None:
    with pytest.raises(Unusable) as error:
        distribution(tokens(The=0.9, A=0.01), ("A", "B"), 0.05)
    assert error.value.reason == "llm_prose"


def test_refuses_an_answer_without_logprobs() -> None:
    with pytest.raises(Unusable) as error:
        distribution([], ("A", "B"), 0.05)
    assert error.value.reason == "llm_no_logprobs"


def test_refuses_letters_without_any_mass_even_with_no_floor() -> None:
    with pytest.raises(Unusable, match="llm_prose"):
        distribution([TokenLogprob("A", -1e300), TokenLogprob("B", float("nan"))], ("A", "B"), 0.0)


@given(st.lists(st.floats(-20, 0), min_size=2, max_size=26))
def test_is_always_a_distribution(logprobs: list[float]) -> None:
    found = [TokenLogprob(chr(65 + index), value) for index, value in enumerate(logprobs)]
    shares = distribution(found, tuple(LETTERS[: len(logprobs)]), 0.0)
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_mean_of_distributions() -> None:
    assert mean([(1.0, 0.0), (0.5, 0.5)]) == [0.75, 0.25]
