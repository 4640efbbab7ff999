"""What samples and stated confidences are read from."""

import contextlib

import pytest
from autolabeler.said import STATED, counted, sampled, stated
from autolabeler.voters import Unusable
from hypothesis import given
from hypothesis import strategies as st

LETTERS = ("A", "B", "C")
WORDS = ("positive", "very negative", "neutral")


@pytest.mark.parametrize(("text", "chosen"), [("B", 1), (" b", 1), ("(C)", 2), ("A.", 0)])
def test_a_sample_is_the_option_it_spells(text: str, chosen: int) -> None:
    assert sampled(text, LETTERS).index(1.0) == chosen


def test_the_first_token_of_a_word_is_enough() -> None:
    assert sampled("pos", WORDS) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("text", ["", "The", "D", "n"])
def test_a_sample_that_is_no_option_is_prose(text: str) -> None:
    with pytest.raises(Unusable, match="llm_prose"):
        sampled(text, ("positive", "negative", "neutral") if text == "n" else LETTERS)


def test_samples_are_counted_with_half_a_sample_more_for_each_label() -> None:
    assert counted([(1.0, 0.0)] * 5) == pytest.approx((5.5 / 6, 0.5 / 6), abs=1e-6)
    assert counted([(1.0, 0.0), (0.0, 1.0)]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "chosen", "word"),
    [
        ('{"label": "B", "confidence": "likely"}', 1, "likely"),
        ('```json\n{"Label": "b.", "Confidence": "Certain"}\n```', 1, "certain"),
        ('Sure! Here it is: {"answer":"C","certainty":"unsure"} Hope it helps.', 2, "unsure"),
        ("{'label': 'C', 'confidence': 'guess'}", 2, "guess"),
        ('{"label": "A", "confidence": "likely', 0, "likely"),
        ("label: A, confidence: certain", 0, "certain"),
        ("Label = C; LIKELY", 2, "likely"),
        ("B, likely", 1, "likely"),
        ("B - certain.", 1, "certain"),
        ("(B) likely", 1, "likely"),
        ("**A**\nunsure", 0, "unsure"),
        ("The answer is B, and I am certain.", 1, "certain"),
    ],
)
def test_stated_confidences_are_read_however_they_are_put(text: str, chosen: int, word: str) -> None:
    shares = stated(text, LETTERS)
    assert shares[chosen] == max(shares) == STATED[word]
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ('{"label": "Very negative", "confidence": "likely"}', 1),
        ("very negative, likely", 1),
        ("It is likely NEUTRAL.", 2),
        ("I'd say positive (certain)", 0),
    ],
)
def test_labels_may_be_words(text: str, chosen: int) -> None:
    shares = stated(text, WORDS)
    assert shares.index(max(shares)) == chosen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "B",
        "certain",
        "likely A, but B is possible: unsure",
        "A or B, unsure",
        "A text that is likely about a thing",
        "B, not certain",
        "B, uncertain",
        '{"label": "D", "confidence": "certain"}',
        '{"label": {"x": ["B"]}, "confidence": 3}',
    ],
)
def test_what_is_not_clear_is_unusable(text: str) -> None:
    with pytest.raises(Unusable, match="llm_prose"):
        stated(text, LETTERS)


@given(st.text(), st.sampled_from([LETTERS, WORDS]))
def test_any_text_gives_a_distribution_or_is_unusable(text: str, options: tuple[str, ...]) -> None:
    for read in (sampled, stated):
        with contextlib.suppress(Unusable):
            assert sum(read(text, options)) == pytest.approx(1.0, abs=1e-5)
