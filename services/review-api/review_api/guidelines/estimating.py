"""What a campaign is likely to cost, from what the project's items cost so far. Pure."""

import math
from typing import Final

import msgspec
from labelmill.projects import ProjectSpec

_ASSUMED_SHARE: Final = 0.25
"""Share of items that people see where nothing was routed yet."""


class SoFar(msgspec.Struct, frozen=True, kw_only=True):
    """What a project has done: routes, money, and tasks that people settled, with the seconds they took."""

    accepted: int
    requested: int
    withdrawn: int
    decided: int
    cost_usd: float
    human_seconds: float


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign is likely to take. `cost_usd` is the voters'; people's time is `human_usd`."""

    items: int
    tasks: int
    """Of the items, how many people are likely to decide."""
    cost_usd: float
    human_minutes: float
    human_usd: float
    measured: bool
    """Whether time and share of people were measured on the project rather than assumed."""


def estimated(spec: ProjectSpec, so_far: SoFar, *, items: int, for_people: int) -> Estimate:
    """Return what `items` are likely to cost of which `for_people` go to people at once.

    The others are asked about anew: the guideline is part of the prompt, so no answer comes from the cache.
    """
    routed = so_far.accepted + so_far.requested
    share = max(0, so_far.requested - so_far.withdrawn) / routed if routed else _ASSUMED_SHARE
    by_machine = items - for_people
    evidence = min(by_machine, _evidence(spec))
    tasks = round(for_people + evidence + (by_machine - evidence) * share)
    minutes = tasks * _minutes_a_task(spec, so_far)
    return Estimate(
        items=items,
        tasks=tasks,
        cost_usd=by_machine * (so_far.cost_usd / routed if routed else 0.0),
        human_minutes=minutes,
        human_usd=minutes / 60 * spec.usd_per_hour,
        measured=so_far.decided > 0,
    )


def _evidence(spec: ProjectSpec) -> int:
    """Return how many audits a promise needs at least under a new guideline, which no evidence is left for:
    so many without an error are as unlikely as the promise allows, if it does not hold."""
    target = spec.policy.target_error
    if not target:
        return 0
    return math.ceil(math.log(1.0 - spec.policy.confidence) / math.log(1.0 - target))


def _minutes_a_task(spec: ProjectSpec, so_far: SoFar) -> float:
    if so_far.decided:
        return so_far.human_seconds / so_far.decided / 60
    return spec.minutes_per_decision * spec.policy.decisions_per_task
