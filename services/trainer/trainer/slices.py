"""Parts of the items on which the machine errs more than elsewhere, not by chance. Pure.

Each part is tested by an exact one-sided test against the rest, and those are listed whose false discovery
rate (Benjamini and Hochberg 1995), over all parts that were tested, is at most `MOST_FALSE`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from labelmill.provenance import OWNER
from labelmill.quality import Slice, SliceExample
from scipy.stats import binom, false_discovery_control, hypergeom

MOST_FALSE: Final = 0.05
MIN_DECISIONS: Final = 10
"""Parts with fewer decisions are not tested: there is little to see in them."""
_MOST_VALUES: Final = 50
"""Metadata fields with more values (ids, times) name items rather than parts."""
_EXAMPLES: Final = 5
_EXAMPLE_CHARS: Final = 300


@dataclass(frozen=True)
class Found:
    """A decision beside the machine's label."""

    item_id: str
    content: str
    metadata: Mapping[str, str]
    label: str
    machine_label: str

    @property
    def is_error(self) -> bool:
        return self.label != self.machine_label


class _Part(NamedTuple):
    """`rows` are its decisions, `errors` those of them that are counted."""

    kind: str
    name: str
    rows: Sequence[int]
    errors: Sequence[int]
    error_elsewhere: float
    p_value: float


def worse_slices(found: Sequence[Found], clusters: Mapping[str, Sequence[int]]) -> list[Slice]:
    """Return the parts on which the machine is worse, the surest first; `clusters` are rows by name."""
    parts = [
        *(_against_rest(found, "metadata", name, rows) for name, rows in _by_metadata(found).items()),
        *(_against_rest(found, "cluster", name, rows) for name, rows in clusters.items()),
        *_confusions(found),
    ]
    parts = [part for part in parts if len(part.rows) >= MIN_DECISIONS]
    if not parts:
        return []
    rates = false_discovery_control([part.p_value for part in parts])
    listed = [(float(rate), part) for rate, part in zip(rates, parts, strict=True) if rate <= MOST_FALSE]
    return [_slice(found, part, rate) for rate, part in sorted(listed, key=lambda pair: pair[0])]


def _by_metadata(found: Sequence[Found]) -> dict[str, list[int]]:
    values: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, each in enumerate(found):
        for field, value in each.metadata.items():
            if field != OWNER:  # a part is a kind of items, and names nobody
                values[field][value].append(row)
    return {
        f"{field}={value}": rows
        for field, by_value in values.items()
        if 1 < len(by_value) <= _MOST_VALUES
        for value, rows in by_value.items()
    }


def _against_rest(found: Sequence[Found], kind: str, name: str, rows: Sequence[int]) -> _Part:
    """Fisher's exact test: how likely so many of all errors fall into the part if they fall anywhere."""
    errors = [row for row in rows if found[row].is_error]
    total = sum(each.is_error for each in found)
    elsewhere = (total - len(errors)) / max(1, len(found) - len(rows))
    p_value = float(hypergeom.sf(len(errors) - 1, len(found), total, len(rows)))
    return _Part(kind, name, rows, errors, elsewhere, p_value)


def _confusions(found: Sequence[Found]) -> list[_Part]:
    """One label for another, against all other such pairs: a binomial test on the machine's label.

    Pairs that never occur are tested too (p is 1): testing only those that do would tell of too many.
    """
    by_machine: defaultdict[str, list[int]] = defaultdict(list)
    for row, each in enumerate(found):
        by_machine[each.machine_label].append(row)
    labels = sorted({each.label for each in found} | set(by_machine))
    pairs = Counter((each.machine_label, each.label) for each in found if each.is_error)
    total = sum(pairs.values())
    chances = len(found) * (len(labels) - 1)
    parts = []
    for machine, label in ((m, label) for m in by_machine for label in labels if m != label):
        rows, count = by_machine[machine], pairs[machine, label]
        elsewhere = (total - count) / (chances - len(rows)) if chances > len(rows) else 0.0
        expected = total / chances
        errors = [row for row in rows if found[row].label == label] if count else []
        p_value = float(binom.sf(count - 1, len(rows), min(1.0, expected)))
        parts.append(_Part("labels", f"{machine} for {label}", rows, errors, elsewhere, p_value))
    return parts


def _slice(found: Sequence[Found], part: _Part, rate: float) -> Slice:
    shown = [found[row] for row in part.errors[:_EXAMPLES]]
    return Slice(
        kind=part.kind,
        name=part.name,
        decisions=len(part.rows),
        errors=len(part.errors),
        error=float(np.round(len(part.errors) / len(part.rows), 6)),
        error_elsewhere=part.error_elsewhere,
        q_value=rate,
        examples=[
            SliceExample(
                item_id=each.item_id,
                content=each.content[:_EXAMPLE_CHARS],
                machine_label=each.machine_label,
                label=each.label,
            )
            for each in shown
        ],
    )
