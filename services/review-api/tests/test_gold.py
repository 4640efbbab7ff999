"""Gold without I/O: the draw, ids in disguise, reading, intervals, and what a person is given."""

import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from labelmill.projects import ProjectSpec
from review_api.gold.accuracy import Answer, accuracy, share, wilson
from review_api.gold.choosing import (
    GoldItem,
    for_everybody,
    in_turn,
    left_to_train,
    shortage,
    suitable,
    to_train,
)
from review_api.gold.disguise import lookalike
from review_api.gold.draw import Draw
from review_api.gold.reading import Refused, read
from review_api.gold.records import Check, Record

DRAW = Draw(b"a key")


def spec(**review: Any) -> ProjectSpec:
    return msgspec.convert(
        {
            "project": "p",
            "title": "P",
            "labels": [{"name": "good"}, {"name": "bad"}],
            "guideline": "Say which.",
            "voters": [{"name": "llm", "type": "llm", "model": "m"}],
            "review": review,
        },
        ProjectSpec,
    )


def answer(right: bool, number: int = 0, **fields: Any) -> Answer:
    return Answer(**{"gold_id": number, "truth": "good", "said": "good" if right else "bad",
                     "decided_at": number} | fields)  # fmt: skip


def check(gold_id: int, **fields: Any) -> Check:
    known = {"task_id": 100 + gold_id, "purpose": "check", "suggested": False, "skill": None, "truth": "good",
             "said": "good", "decided_at": gold_id, "lease_until": 0, "skip_until": None}  # fmt: skip
    return Check(gold_id=gold_id, **known | fields)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_share_of_checks_is_the_rate(rate: float) -> None:
    drawn = sum(DRAW.is_gold("p", f"r{n % 20}", n // 20, rate) for n in range(20_000))
    assert drawn / 20_000 == pytest.approx(rate, abs=4 * (rate * (1 - rate) / 20_000) ** 0.5)


def test_a_draw_can_be_repeated_and_only_with_the_key() -> None:
    mine = [DRAW.is_gold("p", "ann", n, 0.5) for n in range(200)]
    assert mine == [Draw(b"a key").is_gold("p", "ann", n, 0.5) for n in range(200)]
    for other in (
        [Draw(b"another").is_gold("p", "ann", n, 0.5) for n in range(200)],
        [DRAW.is_gold("p", "ben", n, 0.5) for n in range(200)],
    ):
        assert 60 < sum(one == two for one, two in zip(mine, other, strict=True)) < 140


def test_nothing_is_drawn_at_rate_0_and_all_at_1() -> None:
    assert not any(DRAW.is_gold("p", "ann", n, 0.0) for n in range(1000))
    assert all(DRAW.is_gold("p", "ann", n, 1.0) for n in range(1000))


def test_a_check_pretends_to_be_any_of_a_tasks_decisions() -> None:
    places = Counter(DRAW.place(gold, "ann", 3) for gold in range(3000))
    assert set(places) == {1, 2, 3}
    assert min(places.values()) > 900
    assert DRAW.place(7, "ann", 1) == 1


def test_everybody_meets_gold_in_another_order() -> None:
    ann, ben = DRAW.shuffled("ann", range(50)), DRAW.shuffled("ben", range(50))
    assert sorted(ann) == sorted(ben) == list(range(50))
    assert ann != ben != list(range(50))


@pytest.mark.parametrize(
    ("sample", "pattern"),
    [
        ("t1042", r"t[1-9]\d{3}"),
        ("mail/2024-11/0007", r"mail/[1-9]\d{3}-\d\d/\d{4}"),
        ("9f86d081884c7d65", r"[0-9a-f]{16}"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("some-slug", r"som[a-z]{6}"),
    ],
)
def test_ids_of_gold_texts_look_like_items(sample: str, pattern: str) -> None:
    import re  # noqa: PLC0415

    made = {lookalike(sample, random.Random(seed)) for seed in range(20)}
    assert len(made) > 10
    assert all(re.fullmatch(pattern, one) for one in made), made


def test_gold_is_read_as_lines_or_as_a_list() -> None:
    lines = b'{"item_id":"t1","label":"good"}\n\n{"content":"a text","label":"bad","explanation":"why"}\n'
    found = read(lines, spec())
    assert [one[0] for one in found if not isinstance(one, Refused)] == [1, 3]
    as_list = b'[{"item_id":"t1","label":"good"},{"content":"a text","label":"bad","explanation":"why"}]'
    assert [one[1] for one in read(as_list, spec()) if not isinstance(one, Refused)] == [
        one[1] for one in found if not isinstance(one, Refused)
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "truncated"),
        (b'{"label":"good"}', "give item_id"),
        (b'{"item_id":"a","label":"so-so"}', "no label of the project"),
        (b'{"item_id":"a","label":["good"]}', "no label of the project"),
        (b'{"item_id":"a","label":"good","skill":"law"}', "no skill 'law'"),
        (b'{"item_id":"a","label":"good","metadata":{"x":"y"}}', "its own metadata"),
        (b'{"item_id":"a","label":"good","lable":"bad"}', "unknown field"),
        (b'{"content":"' + b"x" * 100_001 + b'","label":"good"}', "at most"),
    ],
)
def test_what_cannot_be_used_is_refused_by_itself(line: bytes, why: str) -> None:
    refused, kept = read(line + b'\n{"item_id":"b","label":"good"}', spec())
    assert isinstance(refused, Refused)
    assert refused.line == 1
    assert why in refused.detail
    assert not isinstance(kept, Refused)


def test_a_broken_list_is_refused_as_a_whole() -> None:
    with pytest.raises(msgspec.DecodeError):
        read(b'[{"item_id":"a","label":"good"}', spec())


@pytest.mark.parametrize(
    ("right", "answers", "low", "high"),
    # What the Wilson interval of SciPy 1.17.1 (binomtest) gives.
    [
        (0, 10, 0.0, 0.2775328),
        (1, 1, 0.20654931, 1.0),
        (7, 10, 0.39677815, 0.89220873),
        (35, 50, 0.5624965, 0.80896446),
        (50, 50, 0.9286524, 1.0),
    ],
)
def test_intervals_are_wilsons(right: int, answers: int, low: float, high: float) -> None:
    assert wilson(right, answers) == pytest.approx((low, high), abs=2e-8)


def test_accuracy_tells_the_worst_label_and_what_it_was_taken_for() -> None:
    answers = [
        answer(True, 1),
        answer(True, 2, truth="bad", said="bad"),
        answer(False, 3, truth="bad", said="good", suggested=True),
        answer(False, 4, truth="bad", said="good"),
    ]
    found = accuracy(answers)
    assert (found.all.right, found.all.answers, found.all.value) == (2, 4, 0.5)
    assert [one.label for one in found.labels] == ["bad", "good"]
    assert [(one.truth, one.said, one.times) for one in found.confusions] == [("bad", "good", 2)]
    assert (found.against_suggestion.right, found.against_suggestion.answers) == (0, 1)


def test_the_newest_fifty_are_told_apart_from_all() -> None:
    found = accuracy([*(answer(False, n) for n in range(50)), *(answer(True, n) for n in range(50, 100))])
    assert (found.newest.value, found.all.value) == (1.0, 0.5)
    assert share([]).value is None


def test_nobody_meets_gold_twice_nor_what_they_know() -> None:
    gold = [GoldItem(number, "good", {}, None) for number in range(6)]
    record = Record(
        {
            0: check(0),
            1: check(1, said=None, decided_at=None, lease_until=500),
            2: check(2, said=None, decided_at=None, lease_until=1500),
            3: check(3, said=None, decided_at=None, lease_until=100, skip_until=2000),
        },
        met={4},
    )
    assert suitable(gold, record, spec(), [""], 1000) == [1, 5]
    assert suitable(gold, record, spec(), [""], 2000) == [1, 2, 3, 5]
    assert in_turn(DRAW, "ann", [1, 5], record, 1000)[0] == 1  # what ran out comes back first
    assert left_to_train(gold, record, spec()) == 4


def test_what_can_be_taken_back_is_not_judged_yet() -> None:
    record = Record({1: check(1), 2: check(2, undo_until=900), 3: check(3, said=None, undo_until=950)})
    assert [one.gold_id for one in record.final(899).judged] == [1]
    assert [one.gold_id for one in record.final(900).judged] == [1, 2]
    assert [one.gold_id for one in record.judged] == [1, 2], "the record itself keeps it"
    assert (record.changes_until(899), record.changes_until(900)) == (900, None)


def test_gold_follows_labels_skills_and_consent() -> None:
    gold = [
        GoldItem(1, "good", {}, None),
        GoldItem(2, "no label any more", {}, None),
        GoldItem(3, "good", {}, "law"),
        GoldItem(4, "good", {"topic": "war"}, None),
    ]
    review = spec(skills=[{"name": "law"}], care={"sensitive": {"topic": ["war"]}})
    record = Record({})
    assert suitable(gold, record, review, [""], 0) == [1]
    assert suitable(gold, record, review, ["law", ""], 0) == [1, 3]
    assert suitable(gold, record, review, ["", "!"], 0) == [1, 4]
    assert suitable(gold, record, review, [""], 0, skill="law") == [3]


def test_training_waits_for_nothing_that_a_person_may_decline_or_cannot_answer() -> None:
    gold = [
        GoldItem(1, "good", {}, None),
        GoldItem(2, "no label any more", {}, None),
        GoldItem(3, "good", {}, "law"),
        GoldItem(4, "good", {"topic": "war"}, None),
    ]
    review = spec(skills=[{"name": "law"}], care={"sensitive": {"topic": ["war"]}})
    assert left_to_train(gold, Record({}), review) == 1
    assert left_to_train(gold, Record({1: check(1)}), review) == 0
    assert suitable(gold, Record({1: check(1)}), review, [""], 1000) == []


def trained(gold_id: int, **fields: Any) -> Check:
    return check(gold_id, purpose="training", **fields)


def test_training_leaves_half_of_each_kind_of_gold_for_hidden_checks() -> None:
    review = spec(
        gold={"rate": 0.1, "training_tasks": 5},
        skills=[{"name": "law"}],
        care={"sensitive": {"kind": ["grim"]}},
    )
    gold = [GoldItem(number, "good", {}, None) for number in range(7)]
    gold += [GoldItem(number, "good", {}, "law") for number in range(10, 14)]
    gold += [GoldItem(number, "good", {"kind": "grim"}, None) for number in range(20, 23)]
    free = [item.gold_id for item in gold]
    assert to_train(free, gold, Record({}), review) == [0, 1, 2, 10, 11, 20]
    assert left_to_train(gold, Record({}), review) == 3
    # In hand or answered, it is used; what a person was given already stays theirs.
    begun = Record({4: trained(4), 5: trained(5, said=None), 6: check(6)})
    assert left_to_train(gold, begun, review) == 2, "5 is still to be answered, and one more is to be had"
    assert to_train([0, 1, 5], gold, begun, review) == [0, 5]
    done = Record({number: trained(number) for number in (1, 2, 3)})
    assert (left_to_train(gold, done, review), to_train([0, 4], gold, done, review)) == (0, [])
    # Gold that a person has met as work is no check for them: it is not shared out either.
    met = Record({}, met={0, 1, 2, 3, 4})
    assert (left_to_train(gold, met, review), to_train([5, 6], gold, met, review)) == (1, [5])


def test_without_hidden_checks_all_gold_is_for_training() -> None:
    review = spec(gold={"training_tasks": 5})
    gold = [GoldItem(number, "good", {}, None) for number in range(3)]
    assert to_train([2, 1, 0], gold, Record({}), review) == [2, 1, 0]
    assert left_to_train(gold, Record({1: trained(1)}), review) == 2


@pytest.mark.parametrize(
    ("gold", "items", "least", "says"),
    [
        ({}, 0, 0, []),
        ({"training_tasks": 5}, 5, 5, []),
        ({"training_tasks": 5}, 3, 5, ["trained with 3 instead of 5."]),
        ({"rate": 0.1}, 10, 10, []),
        ({"rate": 0.1}, 9, 10, ["after 9 there is nothing left"]),
        ({"rate": 0.1, "training_tasks": 5}, 15, 15, []),
        ({"rate": 0.1, "training_tasks": 5}, 14, 15, ["takes 10 hidden checks, and after 9"]),
        ({"rate": 0.1, "training_tasks": 8, "min_answers": 2}, 16, 16, []),
        (
            {"rate": 0.1, "training_tasks": 8, "min_answers": 2},
            15,
            16,
            ["trained with 7 instead of 8, for half"],
        ),
    ],
)
def test_too_little_gold_is_told(gold: dict[str, Any], items: int, least: int, says: list[str]) -> None:
    review = spec(gold=gold)
    assert review.review.gold.least_items == least
    found = shortage(items, review)
    assert all(part in found for part in says)
    assert bool(found) == bool(says) == (items < least)


def test_gold_for_everybody_takes_no_skill_and_distresses_nobody() -> None:
    review = spec(skills=[{"name": "law"}], care={"sensitive": {"kind": ["grim"]}})
    gold = [
        GoldItem(1, "good", {}, None),
        GoldItem(2, "good", {}, "law"),
        GoldItem(3, "good", {"kind": "grim"}, None),
        GoldItem(4, "no label any more", {}, None),
    ]
    assert [item.gold_id for item in for_everybody(gold, review)] == [1]
