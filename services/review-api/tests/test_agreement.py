"""From decisions to comparisons and words, without a database."""

import msgspec
import pytest
from labelmill.agreement import Figure
from labelmill.kinds import kind_named
from review_api.quality.comparing import Comparison, comparisons, confused
from review_api.quality.units import Decision, Labels, Unit, units
from review_api.quality.words import verdict

DAY = 86_400_000
FOREVER = 10**15


def decision(task: int, reviewer: str, label: str, **fields: object) -> Decision:
    known = {
        "task_id": task,
        "item_id": f"i{task}",
        "reviewer": reviewer,
        "label": f'"{label}"',
        "guideline_version": 1,
        "decided_at": task * 1000,
        "blind": True,
        "routed_under": 1,
        "machine_label": '"yes"',
        "waits": False,
    }
    return Decision(**(known | fields))  # type: ignore[arg-type]


def both(task: int, one: str, other: str, **fields: object) -> list[Decision]:
    return [decision(task, "ann", one, **fields), decision(task, "ben", other, **fields)]


def compared(found: list[Unit], labels: Labels, version: int = 1) -> dict[tuple[str, bool], Comparison]:
    all_of = comparisons(found, labels, kind_named("choice"), version)
    return {(one.between, one.blind): one for one in all_of}


def test_a_week_begins_on_monday_at_midnight_utc() -> None:
    labels = Labels(["yes"])
    monday = 1_780_272_000_000  # 2026-06-01
    for at, week in ((monday, monday), (monday - 1, monday - 7 * DAY), (monday + 7 * DAY - 1, monday)):
        (unit,) = units([decision(1, "ann", "yes", decided_at=at)], labels, 0, FOREVER)
        assert unit.week == week


def test_a_unit_is_what_was_said_by_one_guideline() -> None:
    labels = Labels(["yes", "no"])
    said = [
        decision(1, "ben", "no", guideline_version=2, decided_at=9),
        decision(1, "ann", "yes", decided_at=5),
        decision(1, "cid", "no", decided_at=4),
    ]
    old, new = sorted(units(said, labels, 0, FOREVER), key=lambda unit: unit.guideline_version)
    assert [label for _, label in old.said] == [1, 0], "the first decision comes first"
    assert (old.machine, new.machine) == (0, None), "the machine went by the old guideline"
    assert units(said, labels, 6, FOREVER) == [new], "the window is of the time of the last decision"
    assert units(said, labels, 0, 5) == []


def test_labels_are_the_same_however_they_are_written() -> None:
    labels = Labels(["é", "no"])
    assert labels.number('"\\u00e9"') == labels.number('"é"') == 0
    assert labels.number('{"b": 1, "a": 2}') == labels.number('{"a":2,"b":1}') == 2
    assert (labels.offered, labels.shown(2)) == (2, '{"b":1,"a":2}')


def test_labels_of_another_guideline_are_not_there_to_choose_from() -> None:
    now = [each for task in range(20) for each in both(task, "yes", "no" if task % 5 == 0 else "yes")]
    before = [each for task in range(90, 99) for each in both(task, "maybe", "maybe", guideline_version=0)]
    labels, alone = Labels(["yes", "no"]), Labels(["yes", "no"])
    with_old = compared(units([*now, *before], labels, 0, FOREVER), labels)["people", True]
    without = compared(units(now, alone, 0, FOREVER), alone)["people", True]
    assert (with_old.ac1, with_old.alpha) == (without.ac1, without.alpha)
    assert len(with_old.weeks) == 2


def test_items_that_one_person_decided_say_nothing_about_people() -> None:
    labels = Labels(["yes", "no"])
    said = [each for task in range(12) for each in both(task, "yes", "no" if task % 4 == 0 else "yes")]
    single = [decision(task, "ann", "no") for task in range(50, 70)]
    found = compared(units([*said, *single], labels, 0, FOREVER), labels)
    assert found["people", True].fleiss.items == 12
    assert found["people", True].percent.value == pytest.approx(9 / 12)
    assert found["machine", True].percent.value == pytest.approx(12 / 32)
    alone = compared(units(single, labels, 0, FOREVER), labels)["people", True]
    assert alone.alpha.undefined == "there is one rater only"


def test_items_that_wait_count_and_are_no_examples_for_who_may_be_asked() -> None:
    labels = Labels(["yes", "no"])
    said = [each for task in range(10) for each in both(task, "yes", "no", waits=task > 0)]
    found = units(said, labels, 0, FOREVER)
    (told,) = confused(found, labels, 1)
    assert [example.item_id for example in told.examples] == ["i9", "i8", "i7"]
    (to_rater,) = confused(found, labels, 1, to_rater=True)
    assert ([example.item_id for example in to_rater.examples], to_rater.withheld) == (["i0"], 2)
    assert (told.items, to_rater.items) == (10, 10)


def test_who_by_chance_saw_no_suggestion_is_not_compared_with_who_did() -> None:
    labels = Labels(["yes", "no"])
    said = [decision(1, "ann", "yes", blind=False), decision(1, "ben", "no")]
    said += both(2, "yes", "no", blind=False)
    blind, seen, two = sorted(
        units(said, labels, 0, FOREVER), key=lambda unit: (not unit.blind, unit.item_id)
    )
    assert (blind.said[0][1], seen.said[0][1], len(two.said)) == (1, 0, 2)
    found = compared([blind, seen, two], labels)
    assert (found["people", True].percent.items, found["people", False].percent.items) == (0, 1)
    assert (found["machine", True].percent.items, found["machine", False].percent.items) == (1, 2)


def test_a_third_answer_to_disputed_items_alone_would_flatter() -> None:
    """The example of `Decision`: why answers that are asked for because others differ are left out."""
    labels = Labels(["yes", "no"])
    first = [each for task in range(20) for each in both(task, "yes", "no" if task % 2 else "yes")]
    third = [decision(task, "cid", "no") for task in range(1, 20, 2)]

    def share(said: list[Decision]) -> float | None:
        return compared(units(said, labels, 0, FOREVER), labels)["people", True].percent.value

    assert share(first) == pytest.approx(1 / 2)
    assert share([*first, *third]) == pytest.approx(2 / 3)


def test_the_least_clear_label_comes_first_and_the_most_confused_pair() -> None:
    labels = Labels(["yes", "no", "maybe"])
    said = [each for task in range(30) for each in both(task, "yes", "yes")]
    said += [each for task in range(30, 50) for each in both(task, "no", "no" if task % 2 else "maybe")]
    said += [each for task in range(50, 60) for each in both(task, "maybe", "maybe")]
    said += both(60, "yes", "no")
    found = units(said, labels, 0, FOREVER)
    first, second = confused(found, labels, 1)
    assert (first.labels, first.items, first.either) == (("no", "maybe"), 10, 31)
    assert [example.item_id for example in first.examples] == ["i48", "i46", "i44"], "the newest"
    assert first.withheld == 0
    assert first.examples[0].said == {"no": 1, "maybe": 1}
    assert (second.labels, second.items) == (("yes", "no"), 1)
    people = compared(found, labels)["people", True]
    assert [one.label for one in people.labels][-1] == "yes"
    said_in_words = verdict([people], [first, second], 1, several=False)
    assert said_in_words.state == "unknown"
    assert "least clear about “" in said_in_words.sentence
    assert "Most often confused are “no” and “maybe”: 10 of the 31 items" in said_in_words.sentence


def test_a_dominating_label_is_named() -> None:
    labels = Labels(["yes", "no"])
    said = [each for task in range(95) for each in both(task, "yes", "yes")]
    said += [each for task in range(95, 100) for each in both(task, "yes", "no")]
    found = verdict([compared(units(said, labels, 0, FOREVER), labels)["people", True]], [], 1, several=False)
    assert found.state == "poor"
    assert "One label dominates, where alpha is strict: AC1 is 0.95" in found.sentence


@pytest.mark.parametrize(
    ("value", "low", "state", "words"),
    [
        (0.85, 0.81, "good", "People agree well"),
        (0.85, 0.79, "fair", "People seem to agree well, and surely agree in part"),
        (0.75, 0.70, "fair", "People agree in part"),
        (0.85, 0.66, "unknown", "People seem to agree well"),
        (1.0, 0.4, "unknown", "People seem to agree well"),
        (0.75, 0.66, "unknown", "People seem to agree in part"),
        (0.85, None, "unknown", "People seem to agree well"),
        (0.66, 0.5, "poor", "People often disagree"),
    ],
)
def test_reliable_is_what_even_the_lower_end_says(
    value: float, low: float | None, state: str, words: str
) -> None:
    labels = Labels(["yes", "no"])
    said = [each for task in range(20) for each in both(task, "yes", "no" if task % 2 else "yes")]
    people = compared(units(said, labels, 0, FOREVER), labels)["people", True]
    alpha = Figure(value=value, low=low, high=None if low is None else 1.0, items=20, pairs=20)
    found = verdict([msgspec.structs.replace(people, alpha=alpha, ac1=alpha)], [], 1, several=False)
    assert found.state == state
    assert found.sentence.startswith(f"{words}: alpha {value:.2f}")
    assert ("too little to rely on labels" in found.sentence) == (state == "unknown")


def test_after_a_new_guideline_what_is_not_known_is_how_far_people_agree_by_that() -> None:
    labels = Labels(["yes", "no"])
    said = [each for task in range(20) for each in both(task, "yes", "no" if task % 2 else "yes")]
    few = [each for task in range(20, 23) for each in both(task, "yes", "no", guideline_version=2)]
    people = compared(units([*said, *few], labels, 0, FOREVER), labels, 2)["people", True]
    found = verdict([people], [], 2, several=False)
    assert found.state == "unknown"
    assert "by guideline version 2 is not known yet: of decisions made with it, only 3" in found.sentence
    assert "Those made with other versions tell nothing about it." in found.sentence
    alone = compared(units(few, labels, 0, FOREVER), labels, 2)["people", True]
    for one in (found, verdict([alone], [], 2, several=False)):
        assert "policy." not in one.sentence, "several people decide the same items already"
    single = compared(units(few[:1], labels, 0, FOREVER), labels, 2)["people", True]
    assert "Set policy.decisions_per_task" in verdict([single], [], 2, several=False).sentence
    set_already = verdict([single], [], 2, several=True).sentence
    assert "policy." not in set_already
    assert "The policy has several people decide the same items" in set_already
