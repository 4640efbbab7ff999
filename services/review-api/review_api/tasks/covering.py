"""Which waiting tasks the promise covers by now, so that nobody need do them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelmill.acceptance import Acceptance, Threshold
from labelmill.policy import audit_draw
from labelmill.projects import ProjectSpec


@dataclass(frozen=True)
class Waiting:
    """A task that nobody has begun, with the score it was made for."""

    task_id: int
    item_id: str
    release: int
    label: str
    confidence: float


def least_confidence(acceptance: Acceptance) -> dict[int, float]:
    """Return the least confidence at which anything is accepted, by release, where any is."""
    least = {each.release: min(_confidences(each), default=2.0) for each in acceptance.thresholds}
    return {release: confidence for release, confidence in least.items() if confidence <= 1.0}


def covered(waiting: Sequence[Waiting], acceptance: Acceptance, spec: ProjectSpec) -> list[Waiting]:
    """Return the tasks whose label the promise accepts, without those drawn as audits at the present rate.

    An audit stays to be done by the same draw that the router makes, so the rate at which labels are audited
    is the same for those that waited.
    """
    if acceptance.state != "open":
        return []
    thresholds = {each.release: each for each in acceptance.thresholds}
    return [
        task
        for task in waiting
        if task.confidence >= _threshold(thresholds, task)
        and not _is_audited(spec, task.item_id, acceptance.audit_rate)
    ]


def _threshold(thresholds: Mapping[int, Threshold], task: Waiting) -> float:
    found = thresholds.get(task.release)
    if found is None:
        return 2.0
    return found.confidence if found.by_label is None else found.by_label.get(task.label, 2.0)


def _confidences(threshold: Threshold) -> list[float]:
    return [threshold.confidence] if threshold.by_label is None else [*threshold.by_label.values()]


def _is_audited(spec: ProjectSpec, item_id: str, rate: float) -> bool:
    return audit_draw(spec.policy.audit_seed, spec.project, item_id) < rate
