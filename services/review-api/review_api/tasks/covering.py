"""Which waiting tasks the promise covers by now, so that nobody need do them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelmill.acceptance import Acceptance, Threshold
from labelmill.errors import InvalidRecord
from labelmill.events import LabelScored, ProjectPublished
from labelmill.policy import Policy


@dataclass(frozen=True)
class Waiting:
    """A task that nobody has begun, with the score it was made for."""

    task_id: int
    score: LabelScored


def least_confidence(acceptance: Acceptance) -> dict[int, float]:
    """Return the least confidence at which anything is accepted, by release, where any is."""
    least = {each.release: min(_confidences(each), default=2.0) for each in acceptance.thresholds}
    return {release: confidence for release, confidence in least.items() if confidence <= 1.0}


def covered(waiting: Sequence[Waiting], acceptance: Acceptance, in_force: ProjectPublished) -> list[Waiting]:
    """Return the tasks whose score the router would accept now, under the definition in force.

    It is the router's own policy that says so, by the same draw: so an audit stays to be done, at the rate
    that holds for new items, and so does what a rule that came since sends to people. What was scored under
    an older guideline stays as well: people decide it by the one in force.
    """
    policy = Policy.of(in_force, acceptance)
    if not policy.promises:
        return []
    return [
        task
        for task in waiting
        if task.score.guideline_version == in_force.guideline_version and _accepts(policy, task.score)
    ]


def _accepts(policy: Policy, score: LabelScored) -> bool:
    try:
        return policy.route(score).accepted
    except InvalidRecord:  # a label that the project no longer has
        return False


def _confidences(threshold: Threshold) -> list[float]:
    return [threshold.confidence] if threshold.by_label is None else [*threshold.by_label.values()]
