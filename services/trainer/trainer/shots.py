"""Decided items that a release brings along, to be shown to an LLM beside items like them. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from labelmill import ids
from labelmill.projects import Example, ProjectSpec
from labelmill.releases import Shot

MOST = 200
"""Shots in a release: with vectors of 384 dimensions some 400 kB as JSON, well below a record's limit."""
MOST_CHARS = 1000
"""Longer texts are not shown: every prompt pays for them."""


class Candidate(NamedTuple):
    """A decision of the training side; near duplicates share a group."""

    content: str
    label: str
    group: str
    vector: bytes


def wants_shots(spec: ProjectSpec) -> bool:
    """Return whether a voter of the project is shown decided items."""
    return any(voter.type == "llm" and voter.similar_examples > 0 for voter in spec.voters)


def chosen(candidates: Sequence[Candidate], most: int = MOST) -> list[Shot]:
    """Return up to `most` shots, the labels in turn, one of each group, drawn by the group's hash.

    Candidates are of the training side only. Near duplicates share a side, so no shot gives a held-out item
    away.
    """
    by_label: defaultdict[str, dict[str, Candidate]] = defaultdict(dict)
    for candidate in sorted(candidates, key=lambda each: ids.uniform("shots", each.group)):
        if len(candidate.content) <= MOST_CHARS:
            by_label[candidate.label].setdefault(candidate.group, candidate)
    queues = [list(by_label[label].values()) for label in sorted(by_label)]
    turns = [queue[turn] for turn in range(most) for queue in queues if turn < len(queue)]
    return [
        Shot(example=Example(content=each.content, label=each.label), vector=each.vector)
        for each in turns[:most]
    ]
