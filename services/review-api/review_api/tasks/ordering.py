"""Where a task stands in the queue: the lowest priority value is claimed first. Pure.

A strategy gives each task a value from 0 (most worth a person's time) to 1. With an SLA the priority is

    created_at / sla + value

and never has to be touched as time goes by: of two tasks the more valuable comes first, unless the other has
waited longer by that share of the SLA which their values differ by. So what has waited a whole SLA comes
before anything new, whatever its value. It is the earliest deadline first, each task's deadline lying the
nearer the more it is worth.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from labelmill import ids
from labelmill.projects import ProjectSpec
from labelmill.projects.review import Order

from review_api.tasks.pools import Pools

_MS_PER_HOUR: Final = 3_600_000
_MS_PER_DAY: Final = 24 * _MS_PER_HOUR


class _Vote(msgspec.Struct, frozen=True, gc=False):
    """The part of a vote that an order looks at."""

    label: Any


_metadata = msgspec.json.Decoder(dict[str, str])
_probabilities = msgspec.json.Decoder(dict[str, float])
_votes = msgspec.json.Decoder(list[_Vote])


@dataclass(frozen=True, slots=True)
class Facts:
    """What the place of a task follows from. `label`, `probabilities`, `votes` and `metadata` are JSON, which
    is decoded only where a project needs it; `created_at` is in Unix milliseconds."""

    item_id: str
    blind: bool
    confidence: float
    created_at: int
    label: bytes | msgspec.Raw
    probabilities: bytes | msgspec.Raw
    votes: bytes | msgspec.Raw
    metadata: bytes | msgspec.Raw


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task lies: its pool, and its priority in it."""

    pool: str
    priority: float


class Places:
    """Gives tasks their places, under one version of a project."""

    def __init__(self, spec: ProjectSpec) -> None:
        review = spec.review
        self._project = spec.project
        self._pools = Pools.of(review, spec.policy.always_review.expert_labels)
        self._value = _STRATEGIES[review.order]
        self._labels = len(spec.labels)
        self._sla_ms = review.sla_hours * _MS_PER_HOUR if review.sla_hours else None
        self._by_age = review.order == "oldest"

    def place(self, facts: Facts, value: float | None = None) -> Place:
        """Return the place of a task; `value` takes the place of what the strategy says of it alone."""
        if value is None:
            value = self._value_of(facts)
        return Place(self._pool(facts), self._aged(value, facts.created_at))

    def _value_of(self, facts: Facts) -> float:
        if facts.blind and not self._by_age:
            # An audit is by nature of high confidence, and would come last for ever. It gets a place at
            # random, the same one whenever it is computed. The key only tells this draw from others. It is no
            # secret, since nobody gains by foreseeing it: the place says when an audit is handed out, and not
            # what is audited, which the project's seed decides.
            return ids.uniform("priority", self._project, facts.item_id)
        return self._value(self._project, self._labels, facts)

    def _pool(self, facts: Facts) -> str:
        if self._pools.trivial:
            return ""
        return self._pools.pool(msgspec.json.decode(facts.label), _metadata.decode(facts.metadata))

    def _aged(self, value: float, created_at: int) -> float:
        if self._sla_ms is not None:
            return created_at / self._sla_ms + value
        return created_at / _MS_PER_DAY if self._by_age else value


def vote_entropy(labels: Mapping[Any, int] | Counter[Any], options: int) -> float:
    """Return how far voters differ, 0 (not at all) to 1 (evenly over all `options` labels).

    The vote entropy of a committee (Dagan and Engelson 1995). `labels` are labels with their votes.
    """
    total = sum(labels.values())
    shares = [count / total for count in labels.values()] if total else []
    return -sum(share * math.log(share) for share in shares) / math.log(options)


def _uncertainty(_: str, __: int, facts: Facts) -> float:
    return facts.confidence


def _margin(_: str, __: int, facts: Facts) -> float:
    best = sorted(_probabilities.decode(facts.probabilities).values(), reverse=True)[:2]
    return best[0] - best[1] if len(best) == 2 else facts.confidence


def _disagreement(_: str, options: int, facts: Facts) -> float:
    labels = Counter(msgspec.json.encode(vote.label) for vote in _votes.decode(facts.votes))
    # Rounding, or votes for labels that the project has dropped, would make it less than nothing.
    return max(0.0, 1.0 - vote_entropy(labels, options))


def _random(project: str, _: int, facts: Facts) -> float:
    return ids.uniform("order", project, facts.item_id)


def _oldest(_: str, __: int, ___: Facts) -> float:
    return 0.0


_STRATEGIES: Final[dict[Order, Callable[[str, int, Facts], float]]] = {
    "uncertainty": _uncertainty,
    "margin": _margin,
    "disagreement": _disagreement,
    # Which cluster a text belongs to is known once all that waits is looked at; until then chance is diverse.
    "diversity": _random,
    "random": _random,
    "oldest": _oldest,
}
