"""What differs between two versions of a guideline: lines, and words within changed lines. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from labelmill.projects import LabelSpec

_CONTEXT: Final = 3
_ALIKE: Final = 0.3
"""Lines that share less than this (Ratcliff and Obershelp's ratio) are told as one gone and another come."""
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")

Op = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class Part:
    """A piece of a line, and whether both versions have it."""

    op: Op
    text: str


@dataclass(frozen=True)
class Line:
    """A line with its number in the older and in the newer text, from 1; None where it is not in one.

    The parts put together are the line. Only a line that was changed in places has more than one.
    """

    op: Op
    old: int | None
    new: int | None
    parts: list[Part]


@dataclass(frozen=True)
class Hunk:
    """Neighbouring lines of which some differ; `old` and `new` number its first line in each text."""

    old: int
    new: int
    lines: list[Line]


@dataclass(frozen=True)
class LabelChange:
    """A label that is not the same in both versions. `parts` tell its description."""

    name: str
    op: Literal["added", "removed", "changed"]
    parts: list[Part]


@dataclass(frozen=True)
class Diff:
    """All that differs; `added` and `removed` count lines of the text. `reordered`: the labels that both
    versions have stand in another order."""

    hunks: list[Hunk]
    labels: list[LabelChange]
    reordered: bool
    added: int
    removed: int


def compared(old: str, new: str, old_labels: Sequence[LabelSpec], new_labels: Sequence[LabelSpec]) -> Diff:
    """Return what differs between two versions of a guideline."""
    hunks = list(_hunks(old.splitlines(), new.splitlines()))
    lines = [line for hunk in hunks for line in hunk.lines]
    return Diff(
        hunks=hunks,
        labels=_label_changes(old_labels, new_labels),
        reordered=_is_reordered(old_labels, new_labels),
        added=sum(line.op == "added" for line in lines),
        removed=sum(line.op == "removed" for line in lines),
    )


def changed_labels(diff: Diff) -> list[str]:
    """Return the labels that were removed or described anew: items that have them may be wrong."""
    return [change.name for change in diff.labels if change.op != "added"]


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[Hunk]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        lines: list[Line] = []
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [
                    Line("same", i1 + n + 1, j1 + n + 1, [Part("same", old[i1 + n])]) for n in range(i2 - i1)
                ]
            else:
                lines += _changed(old, new, range(i1, i2), range(j1, j2))
        yield Hunk(group[0][1] + 1, group[0][3] + 1, lines)


def _changed(old: Sequence[str], new: Sequence[str], gone: range, come: range) -> Iterator[Line]:
    """Yield the lines of a change: those removed, then those added. The nth of each are compared by words."""
    pairs = [_by_words(old[i], new[j]) for i, j in zip(gone, come, strict=False)]
    for n, i in enumerate(gone):
        parts = pairs[n][0] if n < len(pairs) else [Part("removed", old[i])]
        yield Line("removed", i + 1, None, parts)
    for n, j in enumerate(come):
        parts = pairs[n][1] if n < len(pairs) else [Part("added", new[j])]
        yield Line("added", None, j + 1, parts)


def _by_words(old: str, new: str) -> tuple[list[Part], list[Part]]:
    """Return the parts of a line before and after its change."""
    olds, news = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, olds, news, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return [Part("removed", old)], [Part("added", new)]
    before: list[Part] = []
    after: list[Part] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        _append(before, "same" if tag == "equal" else "removed", "".join(olds[i1:i2]))
        _append(after, "same" if tag == "equal" else "added", "".join(news[j1:j2]))
    return before, after


def _label_changes(old: Sequence[LabelSpec], new: Sequence[LabelSpec]) -> list[LabelChange]:
    """Return the changes: labels of the newer version in its order, then those that are gone."""
    before = {label.name: label.description for label in old}
    after = {label.name: label.description for label in new}
    changes = []
    for name, description in after.items():
        if name not in before:
            changes.append(LabelChange(name, "added", _whole("added", description)))
        elif description != before[name]:
            changes.append(LabelChange(name, "changed", _merged(before[name], description)))
    for name, description in before.items():
        if name not in after:
            changes.append(LabelChange(name, "removed", _whole("removed", description)))
    return changes


def _merged(old: str, new: str) -> list[Part]:
    """Return both versions of a description as one row of parts."""
    olds, news = _WORDS.findall(old), _WORDS.findall(new)
    parts: list[Part] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if tag == "equal":
            _append(parts, "same", "".join(olds[i1:i2]))
        else:
            _append(parts, "removed", "".join(olds[i1:i2]))
            _append(parts, "added", "".join(news[j1:j2]))
    return parts


def _whole(op: Op, text: str) -> list[Part]:
    return [Part(op, text)] if text else []


def _append(parts: list[Part], op: Op, text: str) -> None:
    """Add a piece; it goes on with the one before if both are of one kind."""
    if parts and parts[-1].op == op:
        parts[-1] = Part(op, parts[-1].text + text)
    elif text:
        parts.append(Part(op, text))


def _is_reordered(old: Sequence[LabelSpec], new: Sequence[LabelSpec]) -> bool:
    before, after = [label.name for label in old], [label.name for label in new]
    return [name for name in before if name in after] != [name for name in after if name in before]
