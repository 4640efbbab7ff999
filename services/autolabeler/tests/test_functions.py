"""Labeling functions that are rules."""

import time
from typing import Any

import pytest
from autolabeler.functions import FunctionVoter, function_voter
from labelmill.projects import project_from

LABELS = ["good", "bad", "other"]


def voter(**function: Any) -> FunctionVoter:
    document = {
        "project": "p",
        "title": "P",
        "labels": [{"name": name} for name in LABELS],
        "guideline": "x",
        "voters": [{"name": "f", "type": "function", "function": function}],
    }
    return function_voter(project_from(document).voters[0], LABELS)


def said(function: FunctionVoter, content: str, **metadata: str) -> str | None:
    assert function.rule is not None
    return function.rule(content, metadata)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("what a GREAT day", "good"),
        ("greatest", None),
        ("thank  you, all", "good"),
        ("thank y'all", None),
        ("sadly so", "bad"),
        ("it's so-so", None),
        ("great, sadly", None),
        ("nice :-)", "good"),
        ("今日は最高だ", "good"),
        ("Weiß STRASSE", "bad"),
        ("don't", "bad"),
        ("", None),
    ],
)
def test_keywords_are_whole_words_in_any_case(text: str, label: str | None) -> None:
    words = {"good": ["great", "Thank you", ":-)", "最高"], "bad": ["sadly", "straße", "don't"]}
    assert said(voter(keywords=words), text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [("GOOOD", "good"), ("refund me", "bad"), ("goood refund", None), ("meh", None), ("gut, schön", "good")],
)
def test_patterns_are_looked_for_in_any_case(text: str, label: str | None) -> None:
    assert said(voter(regex={"good": ["go{3,}d", "SCHÖN"], "bad": [r"\brefund\b"]}), text) == label


def test_no_pattern_takes_longer_than_the_text_is_long() -> None:
    function = voter(regex={"good": [r"(a+)+$", r"(.*)*=(.*)*!"]})
    started = time.process_time()
    said(function, "a" * 250_000 + "b")
    assert time.process_time() - started < 1.0


def test_a_lookup_reads_a_field_of_the_metadata() -> None:
    function = voter(field="source", lookup={"fan mail": "good", "complaints": "bad"})
    assert said(function, "x", source="fan mail") == "good"
    assert said(function, "x", source="else") is None
    assert said(function, "fan mail") is None


def test_a_vote_is_that_of_a_coin() -> None:
    function = voter(keywords={"good": ["great"]}, accuracy=0.8)
    vote = function.vote("good")
    assert (vote.source, vote.label, vote.confidence) == ("function", "good", 0.8)
    assert vote.probabilities == pytest.approx({"good": 0.8, "bad": 0.1, "other": 0.1})
    assert (vote.cost_usd, vote.input_tokens) == (0.0, 0)
    assert function.vote("good") is vote


def test_the_version_is_that_of_the_rule() -> None:
    one, same = voter(keywords={"good": ["great"]}), voter(keywords={"good": ["great"]})
    other = voter(keywords={"good": ["greater"]})
    assert one.version == same.version != other.version
