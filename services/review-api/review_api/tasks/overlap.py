"""When people differ on a task: who else decides, and when it is settled. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from labelmill.projects import OverlapSpec

Asked = Literal["person", "expert"]


@dataclass(frozen=True)
class Settled:
    """The decisions settle the task on `label`."""

    label: Any


def next_step(
    labels: Sequence[Any], overlap: OverlapSpec, merge: Callable[[Sequence[Any]], Any]
) -> Settled | Asked:
    """Return what becomes of a task whose decisions are `labels`, at least as many as it needed.

    A label that more than the agreed share of them are for settles it. Else another person is asked, up to
    the limit; then an expert, if the project has its experts adjudicate; and else `merge`, the kind's rule,
    settles it. With no limit of its own the task never asks another person.
    """
    texts = [msgspec.json.encode(label, order="deterministic") for label in labels]
    text, votes = Counter(texts).most_common(1)[0]
    if votes > overlap.agreement * len(labels):
        return Settled(labels[texts.index(text)])
    if len(labels) < overlap.most_decisions:
        return "person"
    return "expert" if overlap.adjudicate else Settled(merge(labels))
