"""From decisions to what is compared: who labelled the same thing by the same guideline. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from labelmill.agreement import Ratings, tabulate

_WEEK_DAYS: Final = 7
_MONDAY: Final = 3  # days before 1970-01-01, a Thursday
_DAY_MS: Final = 86_400_000


class Decision(NamedTuple):
    """A decision that counts, with its task. The labels are JSON; `decided_at` is in Unix milliseconds.

    What counts is what was decided independently by those who were asked first, whatever became of the task
    (Krippendorff 2004, ch. 11; Artstein and Poesio 2008): agreement is that of people before anything
    reconciles them. So it counts at once, while a disputed task still waits for others: settled tasks alone
    would leave out what people differ on. For the same reason these do not count:

    - an expert who adjudicates: having seen the votes, that one agrees with some of them by design;
    - another person who is asked because others differ: such a third answer comes to disputed items alone. Of
      two items, one of them disputed, two people agree on 50%; with a third answer to that one, two of whose
      three pairs still differ, it would be 67%;
    - a second look, which is taken where the machine contradicts.

    A task of which some of those asked first have not decided yet counts with what there is: who comes late
    does not depend on what the others said.

    `routed_under` is the guideline by which the machine labelled the item; `waits`: the task is not settled.
    """

    task_id: int
    item_id: str
    reviewer: str
    label: str
    guideline_version: int
    decided_at: int
    blind: bool
    routed_under: int
    machine_label: str
    waits: bool


@dataclass(frozen=True)
class Unit:
    """What people said of one item by one guideline: (reviewer, label), both as numbers, the first first.

    `decided_at`: when the last of them did (Unix milliseconds); `machine`: the number of the machine's label,
    None if it went by another guideline; `waits`: the item's task is not settled.
    """

    item_id: str
    guideline_version: int
    blind: bool
    decided_at: int
    machine: int | None
    said: tuple[tuple[int, int], ...]
    waits: bool = False

    def highest(self) -> int:
        """Return the highest number of a label here."""
        return max(self.machine or 0, *(label for _, label in self.said))

    @property
    def week(self) -> int:
        """Return the begin of the week, Monday 0:00 UTC, in Unix milliseconds."""
        day = self.decided_at // _DAY_MS
        return ((day + _MONDAY) // _WEEK_DAYS * _WEEK_DAYS - _MONDAY) * _DAY_MS


@dataclass
class Labels:
    """Numbers labels: the `offered` ones that a guideline has first, then others as they come.

    Those others are of other guidelines, or of a kind whose labels cannot be listed.
    """

    names: list[Any]
    offered: int = 0
    _number: dict[bytes, int] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.offered = len(self.names)
        self._number = {_canonical(name): number for number, name in enumerate(self.names)}

    def number(self, text: str) -> int:
        """Return the number of a label, given as JSON."""
        known = self._seen.get(text)
        if known is None:
            label = msgspec.json.decode(text)
            known = self._number.setdefault(_canonical(label), len(self.names))
            if known == len(self.names):
                self.names.append(label)
            self._seen[text] = known
        return known

    def shown(self, number: int) -> str:
        """Return a label as text."""
        name = self.names[number]
        return name if isinstance(name, str) else msgspec.json.encode(name).decode()


def _canonical(label: Any) -> bytes:
    return msgspec.json.encode(label, order="sorted")


def units(decisions: Iterable[Decision], labels: Labels, since: int, until: int) -> list[Unit]:
    """Return the units whose last decision was made from `since` until `until` (Unix milliseconds).

    A task whose guideline changed between its decisions falls into a unit for each guideline, and one that
    some were shown with its suggestion and others by chance without into one for each.
    """
    grouped: dict[tuple[int, int, bool], list[Decision]] = defaultdict(list)
    for decision in decisions:
        grouped[decision.task_id, decision.guideline_version, decision.blind].append(decision)
    reviewers: dict[str, int] = {}
    found = []
    for group in grouped.values():
        group.sort(key=lambda decision: decision.decided_at)
        if since <= group[-1].decided_at < until:
            found.append(_unit(group, labels, reviewers))
    return found


def _unit(group: Sequence[Decision], labels: Labels, reviewers: dict[str, int]) -> Unit:
    first = group[0]
    by_machine = first.routed_under == first.guideline_version
    return Unit(
        item_id=first.item_id,
        guideline_version=first.guideline_version,
        blind=first.blind,
        decided_at=group[-1].decided_at,
        machine=labels.number(first.machine_label) if by_machine else None,
        said=tuple(
            # The machine is rater 0.
            (reviewers.setdefault(each.reviewer, len(reviewers) + 1), labels.number(each.label))
            for each in group
        ),
        waits=first.waits,
    )


def among_people(chosen: Sequence[Unit], options: int) -> Ratings:
    """Return the ratings of items that several people decided; of all where there is no such item."""
    several = [unit for unit in chosen if len(unit.said) > 1]
    return _tabulated([unit.said for unit in several or chosen], options)


def with_machine(chosen: Sequence[Unit], options: int) -> Ratings:
    """Return the machine's ratings, and beside them what the first person said of the same item."""
    return _tabulated(
        [((0, unit.machine), (1, unit.said[0][1])) for unit in chosen if unit.machine is not None], options
    )


def _tabulated(said: Sequence[tuple[tuple[int, int], ...]], options: int) -> Ratings:
    items = [number for number, ratings in enumerate(said) for _ in ratings]
    raters = [rater for ratings in said for rater, _ in ratings]
    labels = [label for ratings in said for _, label in ratings]
    return tabulate(items, raters, labels, options)
