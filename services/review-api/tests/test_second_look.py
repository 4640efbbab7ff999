"""What becomes of a doubted label, and how many are looked at again."""

from typing import Any

import pytest
from labelmill.kinds.choice import merge_decisions
from review_api.tasks.second_look import LEAST, PRIORITY, Doubted, outcome, room


@pytest.mark.parametrize(
    ("labels", "settled"),
    [
        (["a", "a"], "a"),
        (["a", "b"], None),
        (["a", "b", "b"], "b"),
        (["a", "b", "a"], "a"),
        (["a", "b", "c"], "a"),
    ],
)
def test_one_person_confirms_and_two_overrule(labels: list[str], settled: Any) -> None:
    assert outcome(Doubted("a", 1), labels, merge_decisions) == settled


@pytest.mark.parametrize(
    ("labels", "settled"),
    [
        (["a", "b", "a", "a"], "a"),
        (["a", "b", "a", "b"], None),
        (["a", "b", "a", "b", "b"], "b"),
        (["a", "b", "a", "b", "a"], "a"),
    ],
)
def test_where_several_decided_all_decisions_count(labels: list[str], settled: Any) -> None:
    assert outcome(Doubted("a", 3), labels, merge_decisions) == settled


def test_a_day_takes_a_share_of_what_people_do_and_a_few_at_least() -> None:
    assert room(settled=0, taken=0) == LEAST
    assert room(settled=0, taken=LEAST) == room(settled=0, taken=LEAST + 5) == 0
    assert room(settled=1000, taken=0) == 50
    assert room(settled=1000, taken=48) == 2


def test_it_comes_after_whatever_the_machine_is_sure_of() -> None:
    assert PRIORITY > 1.0
