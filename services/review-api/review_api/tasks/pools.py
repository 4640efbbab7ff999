"""Pools of the queue: which tasks need which skill, and which of them distress. Pure.

A pool's name is the skill that its tasks need, or nothing; with DISTRESSING behind it, the same for items
that people see only if they have said that they would.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from labelmill.projects import ReviewSpec
from labelmill.projects.review import EXPERT

ANYBODY: Final = ""
DISTRESSING: Final = "!"

_Slices = tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True)
class _Rule:
    skill: str
    labels: frozenset[str]
    metadata: _Slices


@dataclass(frozen=True)
class Pools:
    """The pools of one version of a project, made ready for many tasks."""

    rules: tuple[_Rule, ...]
    sensitive: _Slices
    expert_labels: frozenset[str]

    @classmethod
    def of(cls, review: ReviewSpec, expert_labels: Collection[str] = ()) -> "Pools":
        """Return the pools; the machine's labels in `expert_labels` are for experts to judge."""
        rules = [_Rule(one.name, frozenset(one.labels), _slices(one.metadata)) for one in review.skills]
        return cls(tuple(rules), _slices(review.care.sensitive), frozenset(expert_labels))

    @property
    def trivial(self) -> bool:
        """Whether every task is for anybody."""
        return not (self.rules or self.sensitive or self.expert_labels)

    def distresses(self, metadata: Mapping[str, str]) -> bool:
        """Return whether an item with this metadata distresses."""
        return _lies_in(self.sensitive, metadata)

    def pool(self, label: object, metadata: Mapping[str, str]) -> str:
        """Return the pool of a task by the machine's label and its item's metadata; the first skill that
        fits counts."""
        mark = DISTRESSING if self.distresses(metadata) else ""
        if self.expert_labels and label in self.expert_labels:
            return EXPERT + mark
        for rule in self.rules:
            if label in rule.labels or _lies_in(rule.metadata, metadata):
                return rule.skill + mark
        return ANYBODY + mark


def of_person(skills: Collection[str], known: Collection[str], *, sensitive: bool) -> list[str]:
    """Return the pools that a person may claim from, in the order in which they are searched.

    What takes a skill comes before what anybody can do, for fewer people can do it; experts' work before all.
    `known` are the skills that the project knows besides the expert's.
    """
    held = [skill for skill in (EXPERT, *known) if skill in skills]
    names = [*held, ANYBODY]
    return names if not sensitive else [name + mark for name in names for mark in ("", DISTRESSING)]


def out_of_reach(skills: Collection[str], known: Collection[str], *, sensitive: bool) -> list[str]:
    """Return the pools that a person with `skills` could claim from with the skills that they lack."""
    lacking = {EXPERT, *known} - set(skills)
    return [name for name in of_person(lacking, known, sensitive=sensitive) if skill_of(name)]


def skill_of(pool: str) -> str:
    """Return the skill that the tasks in `pool` take, or nothing."""
    return pool.removesuffix(DISTRESSING)


def for_experts(pool: str) -> str:
    """Return the experts' pool for a task that was in `pool`."""
    return EXPERT + (DISTRESSING if pool.endswith(DISTRESSING) else "")


def is_sensitive(pool: str) -> bool:
    """Return whether the items in `pool` distress."""
    return pool.endswith(DISTRESSING)


def _slices(metadata: Mapping[str, list[str]]) -> _Slices:
    return tuple((name, frozenset(values)) for name, values in metadata.items())


def _lies_in(slices: _Slices, metadata: Mapping[str, str]) -> bool:
    return any(metadata.get(name) in values for name, values in slices)
