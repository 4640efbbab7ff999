"""A coefficient's value with its interval, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from labelmill.agreement.ratings import Floats, Ints, Ratings

LEAST_ITEMS: Final = 10
"""Items with two ratings below which a figure would say more than it knows."""

RESAMPLES: Final = 1000

_TAIL: Final = 0.025
_DEFINED_SHARE: Final = 0.95
_FEW_ROWS: Final = 1000
_BLOCK_CELLS: Final = 4_000_000


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is 1 for perfect agreement and, but for shares, 0 for what chance would bring; `low` to `high`
    is its 95% interval. Without a value, `undefined` says why; an interval may be missing by itself.

    It rests on `items` with two ratings or more, and on `pairs` of ratings of the same item.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    items: int
    pairs: int
    undefined: str = ""


Formula = Callable[[Floats], tuple[Floats, Floats]]
"""From sums (..., columns) to the observed agreement and the one expected by chance, both (...)."""


@dataclass(frozen=True)
class Statistic:
    """A coefficient as a function of sums over items.

    `columns[i]` is what an item of row `i` adds to the sums; `weights[i]` how many such items there are.
    """

    columns: Floats
    weights: Ints
    formula: Formula


def lack(ratings: Ratings) -> str:
    """Return why no coefficient can be told of these ratings; empty if one may be."""
    if ratings.raters == 0:
        return "nobody has rated anything"
    if ratings.raters == 1:
        return "there is one rater only"
    if ratings.items == 0:
        return "no item has two raters"
    if ratings.items < LEAST_ITEMS:
        have = "item has" if ratings.items == 1 else "items have"
        return f"only {ratings.items} {have} two raters: at least {LEAST_ITEMS} are needed"
    return ""


def undefined(ratings: Ratings, reason: str) -> Figure:
    return Figure(items=ratings.items, pairs=ratings.pairs, undefined=reason)


def figure(ratings: Ratings, statistic: Statistic, one_sided: str, seed: int) -> Figure:
    """Return a statistic of `ratings` with its interval. `one_sided`: why it is undefined if chance alone
    brings perfect agreement."""
    observed, expected = statistic.formula(statistic.weights @ statistic.columns)
    if not expected < 1.0 - 1e-12:  # NaN where nothing can be divided
        return undefined(ratings, one_sided)
    low, high = _interval(statistic, ratings.items, float(observed), float(expected), seed)
    value = float((observed - expected) / (1.0 - expected))
    return Figure(value=value, low=low, high=high, items=ratings.items, pairs=ratings.pairs)


def _interval(
    statistic: Statistic, items: int, observed: float, expected: float, seed: int
) -> tuple[float | None, float | None]:
    """Return the 95% interval: percentiles over resampled items (Efron 1979), seeded.

    Where nobody disagreed, neither do resamples, however few items there are. The lower end is then where the
    exact one is (Clopper & Pearson 1934) if raters may disagree on whole items. Both ends are None if too
    many of the resamples have no value.
    """
    if observed > 1.0 - 1e-12:
        return max(-1.0, (_TAIL ** (1.0 / items) - expected) / (1.0 - expected)), 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        seen, chance = statistic.formula(_resampled(statistic, np.random.default_rng(seed)))
        values = (seen - chance) / (1.0 - chance)
    known = values[np.isfinite(values)]
    if known.size < _DEFINED_SHARE * RESAMPLES:
        return None, None
    low, high = np.quantile(known, [_TAIL, 1.0 - _TAIL])
    return float(low), float(high)


def _resampled(statistic: Statistic, rng: np.random.Generator) -> Floats:
    """Return the sums of as many items, drawn with replacement, once a row (RESAMPLES, columns)."""
    weights, rows = statistic.weights, len(statistic.weights)
    total = int(weights.sum())
    if rows <= _FEW_ROWS:
        drawn: Floats = rng.multinomial(total, weights / total, RESAMPLES) @ statistic.columns
        return drawn
    # Drawing item by item costs the same for any number of rows; multinomials cost more with each.
    row_of = np.repeat(np.arange(rows), weights)
    sums = []
    block = max(1, _BLOCK_CELLS // rows)
    for begin in range(0, RESAMPLES, block):
        counts = [
            np.bincount(row_of[rng.integers(0, total, total, np.uint32)], minlength=rows)
            for _ in range(begin, min(begin + block, RESAMPLES))
        ]
        sums.append(np.asarray(counts, np.float64) @ statistic.columns)
    return np.concatenate(sums)
