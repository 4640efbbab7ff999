"""Which gold a person is given next. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from labelmill.projects import ProjectSpec

from review_api.gold.draw import Draw
from review_api.gold.reading import answerable
from review_api.gold.records import Record
from review_api.tasks.pools import Pools, is_sensitive

_Kind = tuple[str, bool]
"""A skill, or none, and whether it distresses."""

_PLAIN: Final[_Kind] = ("", False)


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


def for_everybody(gold: Sequence[GoldItem], spec: ProjectSpec) -> list[GoldItem]:
    """Return the gold that anybody can be trained and checked with: without a skill, with a label that can be
    answered, and nothing that distresses, which somebody may decline."""
    pools = Pools.of(spec.review)
    return [item for item in gold if _kind(item, pools) == _PLAIN and answerable(item.label, spec)]


def most_to_train(items: int, spec: ProjectSpec) -> int:
    """Return with how many of `items` gold items a person is trained at most: half of them are kept for
    hidden checks, where the project has any. What was seen in training is no check any more."""
    return items // 2 if spec.review.gold.rate > 0 else items


def to_train(free: Sequence[int], gold: Sequence[GoldItem], record: Record, spec: ProjectSpec) -> list[int]:
    """Return what of the `free` gold, in its order, a person can be trained with: of each kind of gold (by
    skill, and of what distresses) so much that the share for hidden checks is left."""
    pools = Pools.of(spec.review)
    kinds = {item.gold_id: _kind(item, pools) for item in gold}
    room: Counter[_Kind] = Counter()
    for kind, items in _known(gold, record, spec).items():
        given = sum(record.is_given_away(item.gold_id) for item in items)
        room[kind] = most_to_train(len(items), spec) - given
    found = []
    for gold_id in free:
        if not record.is_given_away(gold_id):
            if room[kinds[gold_id]] <= 0:
                continue
            room[kinds[gold_id]] -= 1
        found.append(gold_id)
    return found


def left_to_train(gold: Sequence[GoldItem], record: Record, spec: ProjectSpec) -> int:
    """Return how much of the gold for everybody a person can still be trained with: not answered yet, and
    not kept for hidden checks."""
    items = _known(for_everybody(gold, spec), record, spec)[_PLAIN]
    unanswered = sum(not record.has_answered(item.gold_id) for item in items)
    used = sum(record.is_given_away(i.gold_id) and record.has_answered(i.gold_id) for i in items)
    return max(0, min(unanswered, most_to_train(len(items), spec) - used))


def shortage(items: int, spec: ProjectSpec) -> str:
    """Return in words what it means that there are only `items` gold items for everybody; empty if there are
    enough for training and for a first judgement."""
    gold = spec.review.gold
    if items >= gold.least_items:
        return ""
    trained = min(gold.training_tasks, most_to_train(items, spec))
    parts = [f"Too little gold: {items:,} of at least {gold.least_items:,} items without a skill."]
    if trained < gold.training_tasks:
        kept = ", for half of the gold is kept for hidden checks" if gold.rate > 0 else ""
        parts.append(f"Newcomers are trained with {trained:,} instead of {gold.training_tasks:,}{kept}.")
    if gold.rate > 0 and items - trained < max(1, gold.min_answers):
        parts.append(
            f"Nobody can be judged: that takes {gold.min_answers:,} hidden checks, and after "
            f"{items - trained:,} there is nothing left to check a person with."
        )
    return " ".join(parts)


def _kind(item: GoldItem, pools: Pools) -> _Kind:
    return item.skill or "", is_sensitive(pools.pool(None, item.metadata))


def _known(gold: Sequence[GoldItem], record: Record, spec: ProjectSpec) -> dict[_Kind, list[GoldItem]]:
    """Return by kind the gold that a person has been given, or can be."""
    pools = Pools.of(spec.review)
    known: dict[_Kind, list[GoldItem]] = defaultdict(list)
    for item in gold:
        is_new = item.gold_id not in record.met and answerable(item.label, spec)
        if is_new or item.gold_id in record.checks:
            known[_kind(item, pools)].append(item)
    return known


def in_turn(draw: Draw, reviewer: str, gold_ids: Collection[int], record: Record, now: int) -> list[int]:
    """Return gold in the order in which this person is given it, what they let run out first."""
    first = [gold_id for gold_id in record.ran_out(now) if gold_id in set(gold_ids)]
    return first + [gold_id for gold_id in draw.shuffled(reviewer, gold_ids) if gold_id not in first]
