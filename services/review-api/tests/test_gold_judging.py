"""Judging people by gold: the rules, and how often they are wrong."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from labelmill.projects.review import GoldSpec
from review_api.gold.accuracy import Answer
from review_api.gold.judging import Fall, judged, qualifies, stage
from review_api.gold.records import Check, Pause, Record

BAR, LEAST = 0.7, 10
RUNS = 1000
ANSWERS = 50  # in 500 tasks, at a rate of 0.1


def answers(*right: bool, first: int = 1) -> list[Answer]:
    return [Answer(n, "good", "good" if one else "bad", n) for n, one in enumerate(right, first)]


def person(accuracy: float, chance: random.Random, count: int = ANSWERS) -> list[Answer]:
    return answers(*(chance.random() < accuracy for _ in range(count)))


def paused_after(given: list[Answer], bar: float = BAR, start: int = 0) -> int | None:
    """Return after how many answers somebody is paused who is judged after each."""
    return next((n for n in range(start + 1, len(given) + 1) if judged(given[:n], bar, LEAST)), None)


def caught(make: Callable[[random.Random], list[Answer]], bar: float = BAR) -> list[int]:
    found = [paused_after(make(random.Random(seed)), bar) for seed in range(RUNS)]
    return sorted(one for one in found if one is not None)


@pytest.mark.parametrize("bar", [0.7, 0.8])
def test_who_is_well_above_the_bar_is_hardly_ever_paused(bar: float) -> None:
    wrongly = caught(lambda chance: person(bar + 0.1, chance), bar)
    assert len(wrongly) / RUNS < 0.04


@pytest.mark.parametrize("bar", [0.7, 0.8, 0.9])
def test_who_is_far_below_is_caught_soon(bar: float) -> None:
    found = caught(lambda chance: person(bar - 0.2, chance), bar)
    assert len(found) / RUNS > 0.9
    assert found[len(found) // 2] <= 20


def test_the_bare_share_would_pause_a_third_of_those_above() -> None:
    def bare(given: list[Answer]) -> bool:
        return any(
            sum(one.right for one in given[max(0, n - 50) : n]) < BAR * min(n, 50)
            for n in range(LEAST, len(given) + 1)
        )

    wrongly = sum(bare(person(BAR + 0.1, random.Random(seed))) for seed in range(RUNS))
    assert wrongly / RUNS > 0.25


def test_who_gets_worse_is_caught_too() -> None:
    def worse(chance: random.Random) -> list[Answer]:
        return answers(*(chance.random() < (0.9 if n < 50 else 0.4) for n in range(120)))

    found = caught(worse)
    assert len(found) / RUNS > 0.97
    assert 50 < found[len(found) // 2] <= 95


def test_nobody_is_judged_by_fewer_answers_than_asked_for() -> None:
    assert judged(answers(*[False] * (LEAST - 1)), BAR, LEAST) is None
    assert judged(answers(*[False] * LEAST), BAR, LEAST) == Fall(0, LEAST, 0)
    assert judged([], BAR, 0) is None


def test_who_errs_never_is_below_no_bar() -> None:
    assert not [n for n in range(1, 51) if judged(answers(*[True] * n), 1.0, 1)]
    assert judged(answers(*[True] * 49, False), 1.0, LEAST) is not None


def test_a_fall_tells_when_they_last_stood_above_the_bar() -> None:
    given = answers(*[True] * 10, *[False] * 25)
    fall = judged(given, BAR, LEAST)
    assert fall is not None
    assert fall.since == 14  # 10 of 14 are at least 0.7, 10 of 15 are not
    assert (fall.right, fall.answers) == (10, 35)


@pytest.mark.parametrize(
    ("right", "left", "expected"),
    [
        ([], 10, "training"),
        ([True] * 3, 10, "training"),
        ([True] * 4, 10, "trained"),
        ([True, True, True, False], 10, "trained"),
        ([False, True, True, False], 10, "training"),
        ([False, False, True, True, True, False], 10, "trained"),
        ([True] * 4 + [False] * 9, 10, "trained"),  # for good
        ([False] * 12, 10, "failed"),
        ([False, True], 0, "failed"),
        ([True, True], 0, "trained"),
        ([], 0, "trained"),
    ],
)
def test_training_goes_on_until_it_is_passed(right: list[bool], left: int, expected: str) -> None:
    assert stage(answers(*right), 4, BAR, left=left) == expected


def test_without_training_everybody_counts_as_trained() -> None:
    assert stage([], 0, BAR, left=0) == "trained"


def test_the_newest_answers_qualify_for_a_skill() -> None:
    assert not qualifies(answers(True, True), 3, BAR)
    assert qualifies(answers(False, False, True, True, True), 3, BAR)
    assert not qualifies(answers(True, True, True, False, False), 3, BAR)


def check(number: int, right: bool, **fields: Any) -> Check:
    known: dict[str, Any] = {
        "task_id": number, "gold_id": number, "purpose": "check", "suggested": False, "skill": None,
        "truth": "good", "said": "good" if right else "bad", "decided_at": number, "lease_until": 0,
        "skip_until": None,
    }  # fmt: skip
    return Check(**known | fields)


def pause(lifted_at: int | None, cause: Any = "accuracy") -> Pause:
    return Pause("ann", cause, 20, 5, 10, 2, 3, lifted_at, "mia", "talked")


def test_a_lift_begins_anew() -> None:
    checks = {n: check(n, n > 30) for n in range(1, 41)}
    assert len(Record(checks).judged) == 40
    lifted = Record(checks, [pause(25)])
    assert [one.decided_at for one in lifted.judged] == list(range(26, 41))
    assert lifted.paused is None
    assert (lifted.lifted_at, Record(checks).lifted_at) == (25, 0)
    assert Record(checks, [pause(25), pause(None)]).paused is not None


def test_only_hidden_checks_judge() -> None:
    checks = {1: check(1, False, purpose="training"), 2: check(2, True)}
    assert [one.gold_id for one in Record(checks).judged] == [2]
    assert [one.gold_id for one in Record(checks).answers] == [1, 2]


def test_a_manager_may_let_somebody_work_who_failed_the_training() -> None:
    checks = {n: check(n, False, purpose="training") for n in range(1, 13)}
    gold = GoldSpec(training_tasks=4, bar=BAR)
    assert Record(checks).stage(gold, left=5) == "failed"
    assert Record(checks, [pause(25, "training")]).stage(gold, left=5) == "trained"
    assert Record(checks, [pause(None, "training")]).stage(gold, left=5) == "failed"


def test_what_was_answered_before_a_skill_was_lost_does_not_count_again() -> None:
    checks = {n: check(n, True, skill="law") for n in range(1, 6)}
    assert len(Record(checks).of_skill("law")) == 5
    assert [one.gold_id for one in Record(checks, lost={"law": 3}).of_skill("law")] == [4, 5]
    assert Record(checks).of_skill("art") == []
