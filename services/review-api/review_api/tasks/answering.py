"""What every desk says in the same words: which lease is meant, which label is valid, and why not."""

from typing import Final

from labelmill.errors import InvalidLabel
from labelmill.events import Label
from labelmill.kinds import kind_named

from review_api.accounts.roles import Principal
from review_api.errors import ApiError
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.tasks.store import Lease

WHO_DECIDES = ("reviewer",)
"""The roles that answer tasks."""

_ENDED: Final = "the lease on this task ended before the answer came"


def lease_of(by: Principal, task_id: int, lease: str) -> Lease:
    """Return the lease that a text stands for; one that nobody ever had if the text is no lease."""
    is_number = lease.isascii() and lease.isdigit() and len(lease) <= 18
    return Lease(task_id, by.name, int(lease) if is_number else 0)


def check_role(by: Principal, task_id: int, project: str) -> None:
    """Refuse who is no reviewer in the project of a task. Raises ApiError 404."""
    if not by.may(WHO_DECIDES, project):
        raise unknown_task(task_id)  # not 403: that would tell in which projects there are tasks


async def validated(
    in_force: InForce, label: Label, project: str, asked_under: int = 0
) -> tuple[Label, Version]:
    """Return the label as its kind takes it, and the version that it is valid under: the one in force,
    whenever the task was claimed, and none with a guideline before the one that was `asked_under`. A label
    that is refused may be new: then what is remembered of the project is not enough.

    Raises ApiError 422 `invalid_label`.
    """
    version = await in_force.get(project, at_least=asked_under)
    try:
        return _checked(label, version), version
    except InvalidLabel:
        version = await in_force.get(project, afresh=True)
    try:
        return _checked(label, version), version
    except InvalidLabel as error:
        raise ApiError(422, "invalid_label", str(error)) from error


def _checked(label: Label, version: Version) -> Label:
    return kind_named(version.spec.kind).validate(label, version.spec.label_names)


def unknown_task(task_id: int) -> ApiError:
    return ApiError(404, "unknown_task", f"there is no task {task_id}, or it is needless by now")


def lost() -> ApiError:
    return ApiError(409, "lease_lost", "the lease on this task has ended, or it is somebody else's")


def late(*, settled: bool) -> ApiError:
    """An answer under a lease that has ended; unless others `settled` the task meanwhile, it is kept."""
    what = "others have settled it meanwhile" if settled else "the answer is kept"
    return ApiError(409, "lease_lost", f"{_ENDED}; {what}")


def too_late() -> ApiError:
    return ApiError(409, "too_late", "the decision has left already, or there is none of yours")
