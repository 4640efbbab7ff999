"""Which gold a person is given next. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from labelmill.projects import ProjectSpec

from review_api.gold.draw import Draw
from review_api.gold.reading import answerable
from review_api.gold.records import Record
from review_api.tasks.pools import Pools, is_sensitive


@dataclass(frozen=True)
class GoldItem:
    """What a draw must know of a gold item."""

    gold_id: int
    label: Any
    metadata: dict[str, str]
    skill: str | None


def suitable(
    gold: Sequence[GoldItem],
    record: Record,
    spec: ProjectSpec,
    pools: Collection[str],
    now: int,
    *,
    skill: str | None = None,
) -> list[int]:
    """Return the gold that a person can be given: not met yet, with a label that can be answered, from their
    pools. With a `skill`, that skill's gold, which who is to qualify does not have yet. `now` is in Unix
    milliseconds."""
    willing = any(is_sensitive(pool) for pool in pools)
    distressing = Pools.of(spec.review)

    def fits(item: GoldItem) -> bool:
        known = item.skill == skill if skill else (item.skill or "") in pools
        return (
            known
            and (willing or not is_sensitive(distressing.pool(None, item.metadata)))
            and record.is_free(item.gold_id, now)
            and answerable(item.label, spec)
        )

    return [item.gold_id for item in gold if fits(item)]


def left_to_train(gold: Sequence[GoldItem], record: Record, spec: ProjectSpec) -> int:
    """Return how much gold a person can still be trained with: not answered yet, without a skill, with a
    label that can be answered. What distresses does not count, whoever would see it: no training waits for
    what somebody may decline."""
    pools = Pools.of(spec.review)
    return sum(
        item.skill is None
        and item.gold_id not in record.met
        and not record.has_answered(item.gold_id)
        and not is_sensitive(pools.pool(None, item.metadata))
        and answerable(item.label, spec)
        for item in gold
    )


def in_turn(draw: Draw, reviewer: str, gold_ids: Collection[int], record: Record, now: int) -> list[int]:
    """Return gold in the order in which this person is given it, what they let run out first."""
    first = [gold_id for gold_id in record.ran_out(now) if gold_id in set(gold_ids)]
    return first + [gold_id for gold_id in draw.shuffled(reviewer, gold_ids) if gold_id not in first]
