"""How wrong what a policy accepts is, from decisions that another policy chose.

The labels in question fall into parts by how people came to see them: those that went to people whatever
the draw (propensity 1), those of which a share was drawn (between 0 and 1), and those that nobody could see
(0). How many labels each part has is known; how many are wrong is estimated from its decided ones, each
weighted by the inverse of its propensity (Horvitz & Thompson 1952, as a ratio: Hajek 1971). Decided labels
of the first part speak for those that still wait.

A part's interval is Wilson's (1927) on Kish's effective size (sum w)^2 / sum w^2. The parts' intervals are
joined by MOVER (Zou & Donner 2008, Stat. Med. 27:1693): with shares s, estimates p and limits l, u,
    low = sum s p - sqrt(sum s^2 (p - l)^2)        high = sum s p + sqrt(sum s^2 (u - p)^2).
One interval over all decisions, weighted, would let each audit at a rate of 2% outweigh fifty others and be
needlessly wide. A part without a decision adds 0 to the low end and its whole share to the high one.
"""

import math
from typing import Final

import msgspec

Z: Final = 1.959963984540054
"""The normal's 97.5% point: all intervals are of 95%."""


class ErrorEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The share of `labels` labels that is wrong, with a 95% interval.

    `error` is None if nobody decided any of some part of them: `unknown` labels. `decided`: how many people
    decided, `blind` how many of those without seeing the machine's label.
    """

    labels: int
    decided: int
    blind: int
    unknown: int
    error: float | None
    low: float
    high: float


class ErrorTally:
    """Labels of one kind, counted as they come."""

    def __init__(self) -> None:
        self._parts = {name: _Part() for name in ("people", "drawn", "unseen")}
        self._blind = 0

    def add(self, propensity: float, *, wrong: bool | None, blind: bool, counts: bool = True) -> None:
        """Take a label. `propensity`: the probability with which it was to go to people; `wrong`: what they
        found, None if they have not decided. One that does not count only speaks for those that do."""
        name = "people" if propensity >= 1.0 else "drawn" if propensity > 0.0 else "unseen"
        part = self._parts[name]
        part.labels += counts
        if wrong is None or propensity <= 0.0:
            return
        weight = 1.0 / propensity
        part.decided += 1
        part.weight += weight
        part.squares += weight * weight
        part.wrong += weight * wrong
        self._blind += blind

    def estimate(self) -> ErrorEstimate:
        """Return what is known of the labels counted."""
        parts = [part for part in self._parts.values() if part.labels]
        labels = sum(part.labels for part in parts)
        known = [part for part in parts if part.decided]
        unknown = labels - sum(part.labels for part in known)
        middle = below = above = 0.0
        for part in known:
            share = part.labels / labels
            low, high = wilson(part.error, part.effective_size)
            middle += share * part.error
            below += (share * (part.error - low)) ** 2
            above += (share * (high - part.error)) ** 2
        missing = unknown / labels if labels else 1.0
        return ErrorEstimate(
            labels=labels,
            decided=sum(part.decided for part in known),
            blind=self._blind,
            unknown=unknown,
            error=None if unknown or not labels else min(1.0, middle),
            low=max(0.0, middle - math.sqrt(below)),
            high=min(1.0, middle + math.sqrt(above) + missing),
        )


class _Part:
    """Labels that people came to see in the same way; sums over the decided ones."""

    def __init__(self) -> None:
        self.labels = 0
        self.decided = 0
        self.weight = 0.0
        self.squares = 0.0
        self.wrong = 0.0

    @property
    def error(self) -> float:
        return self.wrong / self.weight

    @property
    def effective_size(self) -> float:
        return self.weight * self.weight / self.squares


def wilson(share: float, size: float) -> tuple[float, float]:
    """Return the 95% interval of Wilson (1927) of a share observed in `size` (above 0) draws."""
    spread = Z * Z / size
    middle = (share + spread / 2.0) / (1.0 + spread)
    reach = Z / (1.0 + spread) * math.sqrt(share * (1.0 - share) / size + spread / (4.0 * size))
    # Rounding must not put the interval beside the share it is about.
    return min(share, max(0.0, middle - reach)), max(share, min(1.0, middle + reach))
