"""The promise as a sentence."""

import pytest
from labelmill.promise import words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.02, "2%"),
        (0.95, "95%"),
        (0.0123, "1.23%"),
        (0.999, "99.9%"),
        (0.9999, "99.99%"),
        (0.99995, "99.995%"),
        (1.0, "100%"),
        (0.0, "0%"),
    ],
)
def test_a_share_is_rounded_but_never_to_a_certainty(value: float, told: str) -> None:
    assert words.share(value) == told


def test_a_promise_says_what_it_bounds_and_relative_to_what() -> None:
    assert words.promise(0.02, 0.95, audits=1200, errors=1) == (
        "At most 2% of accepted labels differ from what one person would say "
        "(95% confidence, over all looks; 1,200 audits, 1 error)."
    )
    assert "differ from what most of 3 people would say" in words.promise(
        0.1, 0.9, audits=1, errors=0, raters=3
    )
    allowing = words.promise(0.1, 0.9, audits=1, errors=0, raters=3, rater_error=0.04)
    assert "are wrong, allowing for reviewers who err in at least 4% of cases" in allowing
    assert "1 audit, 0 errors" in allowing


def test_what_is_missing_is_told_at_the_present_rate_or_else_at_best() -> None:
    assert "about 1,300 more are needed" in words.gathering(1300, 900, audits=10, errors=1)
    told = words.gathering(None, 900, audits=10, errors=9)
    assert "out of reach at the present error rate, 900 more without an error would do" in told


def test_an_alarm_tells_what_was_found_and_what_was_promised() -> None:
    told = words.alarm(0.125, 0.02, "More is needed.")
    assert told.startswith("Acceptance was closed: 12.5% of the audited labels were wrong")
    assert "at most 2% was promised. More is needed." in told
