"""Agreement in words: how good it is, and what is least clear. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from labelmill.agreement import Figure

from review_api.quality.comparing import Comparison, Confused

RELIABLE: Final = 0.8
TENTATIVE: Final = 0.667
"""Alpha from which labels are reliable, and bear tentative conclusions (Krippendorff 2004)."""

_DOMINATED: Final = 0.2
"""AC1 above alpha by which one label dominates."""


State = Literal["good", "fair", "poor", "unknown"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`state` by alpha among people, blind if there is enough of that; `sentence` says on what evidence.

    Good and fair are what even the lower end of the interval reaches; poor is a value that bears no
    conclusion; whatever lies between is unknown.
    """

    state: State
    sentence: str


def verdict(
    compared: Sequence[Comparison], pairs: Sequence[Confused], guideline_version: int, *, several: bool
) -> Verdict:
    """Return what the comparisons among people come to, under the guideline that they are of. `several`: the
    policy has several people decide the same items."""
    among = [one for one in compared if one.between == "people"]
    basis = next((one for one in among if one.alpha.value is not None), None)
    if basis is None or basis.alpha.value is None:
        return Verdict(state="unknown", sentence=_unknown(among, guideline_version, several=several))
    value, state = basis.alpha.value, _state(basis.alpha.value, basis.alpha.low)
    parts = [_finding(value, state) + f": alpha {figure(basis.alpha)} on {basis.alpha.items:,} items."]
    if state == "unknown":
        parts.append("That is too little to rely on labels: more items that several people decide will tell.")
    if not basis.blind:
        parts.append("They saw the machine's suggestion, which draws them together.")
    if basis.ac1.value is not None and basis.ac1.value - value > _DOMINATED:
        parts.append(f"One label dominates, where alpha is strict: AC1 is {figure(basis.ac1)}.")
    if value < RELIABLE:
        parts += _unclear(basis, pairs)
    return Verdict(state=state, sentence=" ".join(parts))


def _state(value: float, low: float | None) -> State:
    if value < TENTATIVE:
        return "poor"
    if low is None or low < TENTATIVE:
        return "unknown"
    return "good" if low >= RELIABLE else "fair"


def figure(found: Figure) -> str:
    """Return a coefficient with its interval."""
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _finding(value: float, state: State) -> str:
    if state == "poor":
        return "People often disagree"
    if state == "good":
        return "People agree well"
    if state == "fair" and value < RELIABLE:
        return "People agree in part"
    degree = "well" if value >= RELIABLE else "in part"
    return f"People seem to agree {degree}" + (", and surely agree in part" if state == "fair" else "")


def _unclear(basis: Comparison, pairs: Sequence[Confused]) -> list[str]:
    found = []
    known = [one for one in basis.labels if one.alpha.value is not None]
    if len(known) > 2:  # of two labels one is as clear as the other
        found.append(
            f"The guideline is least clear about “{known[0].label}” (alpha {known[0].alpha.value:.2f})."
        )
    if pairs:
        one, other = pairs[0].labels
        found.append(
            f"Most often confused are “{one}” and “{other}”: {pairs[0].items:,} of the {pairs[0].either:,} "
            "items with either have both."
        )
    return found


def _unknown(among: Sequence[Comparison], guideline_version: int, *, several: bool) -> str:
    most = max(among, key=lambda one: one.alpha.items)
    others = [week for one in among for week in one.weeks if week.guideline_version != guideline_version]
    if any(week.percent.items for week in others):
        return (
            f"How far people agree by guideline version {guideline_version} is not known yet: of decisions "
            f"made with it, {most.alpha.undefined}. Those made with other versions tell nothing about it."
        )
    if most.alpha.items:
        return f"How far people agree is not known yet: {most.alpha.undefined}."
    if several:
        return (
            f"How far people agree is not known yet: {most.alpha.undefined}. The policy has several people "
            "decide the same items: it will be known once they have."
        )
    return (
        f"How far people agree is not known: {most.alpha.undefined}. Set policy.decisions_per_task or "
        "policy.audit_raters to 2 or more, and several people decide the same items."
    )
