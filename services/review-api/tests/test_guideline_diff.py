"""Diffs of guidelines: lines, words, labels; both texts can be put together again from what is told."""

import random

from labelmill.projects import LabelSpec
from review_api.guidelines.diffing import Diff, Part, changed_labels, compared


def diff(old: str, new: str) -> Diff:
    return compared(old, new, [], [])


def labels(**described: str) -> list[LabelSpec]:
    return [LabelSpec(name=name, description=text) for name, text in described.items()]


def test_words_within_a_changed_line_are_told() -> None:
    found = diff("Judge the writer.\nThanks are positive.", "Judge the writer.\nThanks are mostly positive.")
    (hunk,) = found.hunks
    assert [(line.op, line.old, line.new) for line in hunk.lines] == [
        ("same", 1, 1),
        ("removed", 2, None),
        ("added", None, 2),
    ]
    assert hunk.lines[2].parts == [
        Part("same", "Thanks are "),
        Part("added", "mostly "),
        Part("same", "positive."),
    ]
    assert [part.op for part in hunk.lines[1].parts] == ["same"], "nothing was taken out of the line"
    assert (found.added, found.removed) == (1, 1)


def test_lines_that_have_nothing_in_common_are_told_whole() -> None:
    found = diff("Irony is negative.", "§ 7: see the appendix, please!")
    assert [line.parts for line in found.hunks[0].lines] == [
        [Part("removed", "Irony is negative.")],
        [Part("added", "§ 7: see the appendix, please!")],
    ]


def test_unchanged_texts_have_no_hunks_and_distant_changes_one_each() -> None:
    text = "\n".join(f"line {n}" for n in range(40))
    assert diff(text, text).hunks == []
    changed = text.replace("line 2\n", "line two\n").replace("line 37", "line 37!")
    found = diff(text, changed)
    assert [(hunk.old, hunk.new) for hunk in found.hunks] == [(1, 1), (35, 35)]
    assert all(len(hunk.lines) <= 8 for hunk in found.hunks)


def test_any_two_texts_can_be_put_together_from_their_diff() -> None:
    draw = random.Random(7)
    words = ["good", "bad", "**bold**", "é", "日本", "a-b", "", "  ", "<b>"]
    for _ in range(200):
        old, new = (
            [" ".join(draw.choices(words, k=draw.randint(0, 6))) for _ in range(draw.randint(0, 12))]
            for _ in range(2)
        )
        found = diff("\n".join(old), "\n".join(new))
        for number, whole in (("old", "\n".join(old)), ("new", "\n".join(new))):
            lines = whole.splitlines()
            for hunk in found.hunks:
                for line in hunk.lines:
                    if (at := getattr(line, number)) is not None:
                        assert "".join(part.text for part in line.parts) == lines[at - 1]
        told = {line.new for hunk in found.hunks for line in hunk.lines if line.op == "added"}
        assert len(told) == found.added


def test_labels_that_come_go_or_are_described_anew_are_told() -> None:
    before = labels(positive="feels good", negative="feels bad", mixed="")
    after = labels(negative="feels bad", positive="feels really good", neutral="neither")
    found = compared("", "", before, after)
    assert [(change.name, change.op) for change in found.labels] == [
        ("positive", "changed"),
        ("neutral", "added"),
        ("mixed", "removed"),
    ]
    assert found.labels[0].parts == [
        Part("same", "feels "),
        Part("added", "really "),
        Part("same", "good"),
    ]
    assert found.reordered
    assert changed_labels(found) == ["positive", "mixed"]
    assert not compared("", "", before, before).reordered
