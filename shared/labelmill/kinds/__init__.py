"""Label kinds: one folder of pure functions each. Adding a kind means adding a folder here."""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

from labelmill.errors import InvalidProject


class Opinion(NamedTuple):
    """A label with the probability of each option (empty for kinds without options)."""

    label: Any
    confidence: float
    probabilities: dict[str, float]


class Kind(Protocol):
    """What a kind's folder offers, as module-level functions."""

    def validate(self, label: Any, options: Sequence[str]) -> Any:
        """Return the label in its canonical form. Raises InvalidLabel."""

    def distance(self, one: Any, other: Any) -> float:
        """Return how far two labels are apart, 0 (the same) to 1."""

    def pool(self, opinions: Sequence[Opinion]) -> Opinion:
        """Return the merged opinion of at least one voter."""

    def merge_decisions(self, labels: Sequence[Any]) -> Any:
        """Return the label that people's decisions (at least one) settle on."""


@cache
def kind_named(name: str) -> Kind:
    """Return the kind's functions. Raises InvalidProject for a kind that does not exist."""
    known = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name not in known:
        raise InvalidProject(f"kind: {name!r} is unknown; known are {', '.join(known)}")
    module: Any = importlib.import_module(f"{__name__}.{name}")
    kind: Kind = module
    return kind
