"""What a person may see of an item's lineage. Pure.

A blind check measures the machine only if whoever answers it does not know what the machine said. So nobody
is shown an item whose task they hold or could take back, and nobody who may be given an open blind task of it
is shown a label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelmill import provenance

from review_api.accounts.roles import Principal, allows
from review_api.errors import ApiError
from review_api.tasks.pools import is_sensitive

Task = Mapping[str, Any]
"""A task as `ItemStore.lineage` gives it, decoded."""


@dataclass(frozen=True)
class Sight:
    """What is shown: whether labels are, and whether others are named. `name` is who looks."""

    name: str
    labels: bool
    names: bool


def sight(by: Principal, project: str, tasks: Sequence[Task]) -> Sight:
    """Return what `by` may see of an item of `project` with these tasks.

    Raises:
        ApiError: 403 `task_in_hand`, `not_yours` or `not_settled`.
    """
    roles = by.roles_in(project)
    if not allows(roles, ["manager"]):
        _check_reviewer(by.name, tasks)
        return Sight(by.name, labels=True, names=False)
    if not allows(roles, ["reviewer"]):
        return Sight(by.name, labels=True, names=True)
    if any(_holds(by.name, task) or _can_take_back(by.name, task) for task in tasks):
        detail = "you hold a task of this item, or can still change your answer: come back once it is settled"
        raise ApiError(403, "task_in_hand", detail)
    awaited = any(_is_blind(task) and not _decided(by.name, task) for task in tasks)
    return Sight(by.name, labels=not awaited, names=True)


def item_shown(
    item: Mapping[str, Any] | None, tasks: Sequence[Task], seen: Sight
) -> Mapping[str, Any] | None:
    """Return an item as it is shown. Reviewers do not learn whose it is, as in its task, and are shown no
    distressing text: to reveal one is an act of its own, which is counted."""
    if item is None or seen.names:
        return item
    distresses = any(is_sensitive(one["pool"]) for task in tasks for one in _parts(task))
    return {
        **item,
        "content": "A distressing text, hidden here." if distresses else item["content"],
        "metadata": provenance.plain(item["metadata"]),
        "provenance": {},
    }


def _check_reviewer(name: str, tasks: Sequence[Task]) -> None:
    if not any(_decided(name, task) for task in tasks):
        raise ApiError(403, "not_yours", "reviewers see the lineage of items that they have decided")
    if not all(_is_settled(task) for task in tasks):
        detail = "this item still waits for people: its lineage is shown once it is settled"
        raise ApiError(403, "not_settled", detail)


def _is_settled(task: Task) -> bool:
    return not _is_open(task) and not task["undoable"]


def _is_open(task: Task) -> bool:
    return task["decided"] < task["needed"] or any(one["state"] != "decided" for one in _parts(task))


def _is_blind(task: Task) -> bool:
    """Return whether whoever claims the task next is not shown the machine's label."""
    return _is_open(task) and (
        task["blind"] or any(one["again"] and one["state"] != "decided" for one in _parts(task))
    )


def _holds(name: str, task: Task) -> bool:
    return any(one["reviewer"] == name and one["state"] == "leased" for one in _parts(task))


def _decided(name: str, task: Task) -> bool:
    """Return whether a person has decided the task, and so is not given it again."""
    return any(one["reviewer"] == name and one["state"] == "decided" for one in _parts(task))


def _can_take_back(name: str, task: Task) -> bool:
    return _decided(name, task) and (_is_open(task) or task["undoable"])


def _parts(task: Task) -> Sequence[Mapping[str, Any]]:
    parts: Sequence[Mapping[str, Any]] = task["assignments"] or ()
    return parts
