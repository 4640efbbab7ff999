"""The probe for memorised items tells recall from chance."""

import pytest

from benchmarks.evaluation.memorised import RUN, figures, halves, longest_run

WORDS = [f"w{n}" for n in range(200)]
TEXTS = [WORDS[first : first + 12] for first in range(0, 120, 12)]


def test_a_text_is_halved_by_words() -> None:
    assert halves("one two  three four five") == ("one two", ["three", "four", "five"])


@pytest.mark.parametrize(
    ("said", "true", "run"),
    [
        (["a", "b", "c"], ["x", "B", "C", "y"], 2),
        (["a", "b", "c"], ["c", "b", "a"], 1),
        (["a"], ["b"], 0),
        ([], ["b"], 0),
    ],
)
def test_the_longest_run_is_in_order_and_without_case(said: list[str], true: list[str], run: int) -> None:
    assert longest_run(said, true) == run


def test_a_model_that_recites_is_told_apart() -> None:
    found = figures([["so", "then", *text] for text in TEXTS], TEXTS)
    assert (found["recalled"], found["recalled_by_chance"], found["longest_run"]) == (len(TEXTS), 0, 12)
    assert found["p_value"] < 0.01


def test_what_everybody_says_is_no_recall() -> None:
    stock = ["once", "upon", "a", "time", "there"]
    assert len(stock) == RUN
    found = figures([stock for _ in TEXTS], [[*text, *stock] for text in TEXTS])
    assert found["recalled"] == found["recalled_by_chance"] == len(TEXTS)
    assert found["p_value"] == 1.0
