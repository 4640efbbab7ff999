"""How far people agree with each other and with the machine, from the units of a window of time. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Final, Literal

import msgspec
from labelmill.agreement import (
    Figure,
    Ratings,
    ac1,
    alpha,
    cohen,
    distances,
    fleiss,
    percent,
    specific,
)
from labelmill.agreement.ratings import Floats
from labelmill.kinds import Kind

from review_api.quality.units import Labels, Unit, among_people, with_machine

MOST_PAIRS: Final = 5
MOST_EXAMPLES: Final = 3

Between = Literal["people", "machine"]

_RATINGS: Final[dict[Between, Callable[[Sequence[Unit], int], Ratings]]] = {
    "people": among_people,
    "machine": with_machine,
}


class OfLabel(msgspec.Struct, frozen=True, kw_only=True):
    """One label against all others. `specific`: how often another rater says it too where one does."""

    label: str
    alpha: Figure
    specific: Figure


class OfWeek(msgspec.Struct, frozen=True, kw_only=True):
    """A week (its begin in Unix milliseconds, Monday 0:00 UTC) under one guideline."""

    week: int
    guideline_version: int
    percent: Figure
    alpha: Figure


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Raters compared: people among themselves, or the machine with the first person who decided the item.

    `blind`: nobody saw the machine's label; otherwise all saw it as a suggestion. `labels` begin with the
    least clear one; `weeks` with the oldest, and are of all guidelines.
    """

    between: Between
    blind: bool
    raters: int
    percent: Figure
    cohen: Figure
    fleiss: Figure
    alpha: Figure
    ac1: Figure
    labels: list[OfLabel]
    weeks: list[OfWeek]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """An item on which people differed: how many said what, by label."""

    item_id: str
    said: dict[str, int]


class Confused(msgspec.Struct, frozen=True, kw_only=True):
    """Two labels: `items` items got both from people, `either` items got at least one of them."""

    labels: tuple[str, str]
    items: int
    either: int
    examples: list[Example]

    @property
    def withheld(self) -> int:
        """How many examples there would be more if none were kept from whoever reads this."""
        return min(self.items, MOST_EXAMPLES) - len(self.examples)


def comparisons(
    units: Sequence[Unit], labels: Labels, kind: Kind, guideline_version: int
) -> list[Comparison]:
    """Return people with people and machine with people, blind and not, by one guideline."""
    apart = distances.of_kind(kind, labels.names)

    def one(between: Between, blind: bool) -> Comparison:
        chosen = [unit for unit in units if unit.blind == blind]
        now = [unit for unit in chosen if unit.guideline_version == guideline_version]
        # What there is to choose from counts for AC1: labels of other guidelines are none of it.
        options = max([labels.offered, *(unit.highest() + 1 for unit in now)])
        ratings = _RATINGS[between](now, options)
        return Comparison(
            between=between,
            blind=blind,
            raters=ratings.raters,
            percent=percent(ratings),
            cohen=cohen(ratings),
            fleiss=fleiss(ratings),
            alpha=alpha(ratings, apart[:options, :options]),
            ac1=ac1(ratings),
            labels=_by_label(ratings, labels),
            weeks=_by_week(chosen, between, apart),
        )

    return [one(between, blind) for between in _RATINGS for blind in (True, False)]


def _by_label(ratings: Ratings, labels: Labels) -> list[OfLabel]:
    given = ratings.counts.sum(axis=0).nonzero()[0]
    found = [
        OfLabel(
            label=labels.shown(number),
            alpha=alpha(ratings.against_rest(number)),
            specific=specific(ratings, number),
        )
        for number in map(int, given)
    ]
    return sorted(found, key=lambda one: 1.0 if one.alpha.value is None else one.alpha.value)


def _by_week(chosen: Sequence[Unit], between: Between, apart: Floats) -> list[OfWeek]:
    weeks: dict[tuple[int, int], list[Unit]] = defaultdict(list)
    for unit in chosen:
        weeks[unit.week, unit.guideline_version].append(unit)
    found = []
    for (week, version), within in sorted(weeks.items()):
        ratings = _RATINGS[between](within, len(apart))
        figures = {"percent": percent(ratings), "alpha": alpha(ratings, apart)}
        found.append(OfWeek(week=week, guideline_version=version, **figures))
    return found


def confused(
    units: Sequence[Unit], labels: Labels, guideline_version: int, *, to_rater: bool = False
) -> list[Confused]:
    """Return the pairs of labels that people gave most often to the same item, with the newest examples.

    `to_rater`: whoever reads it may be asked about items that wait: these are no examples.
    """
    both: dict[tuple[int, int], list[Unit]] = defaultdict(list)
    with_label: Counter[int] = Counter()
    newest_first = sorted(units, key=lambda unit: unit.decided_at, reverse=True)
    for unit in newest_first:
        if unit.guideline_version != guideline_version or len(unit.said) < 2:
            continue
        given = sorted({label for _, label in unit.said})
        with_label.update(given)
        for pair in combinations(given, 2):
            both[pair].append(unit)
    most = sorted(both.items(), key=lambda entry: -len(entry[1]))[:MOST_PAIRS]
    return [
        Confused(
            labels=(labels.shown(one), labels.shown(other)),
            items=len(found),
            either=with_label[one] + with_label[other] - len(found),
            examples=[_example(unit, labels) for unit in found if not (to_rater and unit.waits)][
                :MOST_EXAMPLES
            ],
        )
        for (one, other), found in most
    ]


def _example(unit: Unit, labels: Labels) -> Example:
    said = Counter(labels.shown(label) for _, label in unit.said)
    return Example(item_id=unit.item_id, said=dict(said.most_common()))
