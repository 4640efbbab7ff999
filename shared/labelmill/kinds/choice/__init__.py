"""`choice`: exactly one label out of a fixed set (single-label classification)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from labelmill.errors import InvalidLabel
from labelmill.kinds import Opinion


def validate(label: Any, options: Sequence[str]) -> str:
    """Return `label` if it is one of `options`; raises InvalidLabel otherwise."""
    if isinstance(label, str) and label in options:
        return label
    raise InvalidLabel(f"{label!r} is not one of {', '.join(options)}")


def distance(one: str, other: str) -> float:
    """Return the nominal distance: 0 if equal, else 1."""
    return 0.0 if one == other else 1.0


def pool(opinions: Sequence[Opinion]) -> Opinion:
    """Return the mean of the voters' distributions (a linear opinion pool with equal weights)."""
    options = opinions[0].probabilities
    share = 1.0 / len(opinions)
    mean = {option: sum(o.probabilities.get(option, 0.0) for o in opinions) * share for option in options}
    label = max(mean, key=mean.__getitem__)
    return Opinion(label, mean[label], mean)


def merge_decisions(labels: Sequence[str]) -> str:
    """Return the majority label; among equals the one decided first."""
    return Counter(labels).most_common(1)[0][0]
