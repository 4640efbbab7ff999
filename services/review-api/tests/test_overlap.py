"""Who else decides when people differ, and when a task is settled."""

from collections.abc import Sequence

import pytest
from labelmill.projects import OverlapSpec
from review_api.tasks.overlap import Settled, next_step

PLAIN = OverlapSpec()
UP_TO_FIVE = OverlapSpec(most_decisions=5)
TWO_THIRDS = OverlapSpec(most_decisions=5, agreement=0.66, adjudicate=True)


def merge(labels: Sequence[str]) -> str:
    return f"merged {''.join(labels)}"


@pytest.mark.parametrize(
    ("labels", "overlap", "step"),
    [
        ("a", PLAIN, Settled("a")),
        ("aab", PLAIN, Settled("a")),
        ("ab", PLAIN, Settled("merged ab")),
        ("ab", UP_TO_FIVE, "person"),
        ("abb", UP_TO_FIVE, Settled("b")),
        ("abcd", UP_TO_FIVE, "person"),
        ("abcde", UP_TO_FIVE, Settled("merged abcde")),
        ("aab", TWO_THIRDS, Settled("a")),
        ("aabb", TWO_THIRDS, "person"),
        ("aaabb", TWO_THIRDS, "expert"),
        ("ab", OverlapSpec(adjudicate=True), "expert"),
    ],
)
def test_what_becomes_of_a_task(labels: str, overlap: OverlapSpec, step: object) -> None:
    assert next_step(list(labels), overlap, merge) == step


def test_labels_with_parts_are_compared_whole_and_whatever_their_order() -> None:
    one, same = {"start": 1, "end": 2}, {"end": 2, "start": 1}
    assert next_step([one, same, {"start": 1, "end": 3}], PLAIN, merge) == Settled(one)
