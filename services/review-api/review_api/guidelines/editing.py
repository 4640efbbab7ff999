"""An edit of the guideline as a new definition of its project. Pure."""

from collections.abc import Sequence

import msgspec
from labelmill.errors import InvalidProject
from labelmill.projects import LabelSpec, ProjectSpec, load_project

from review_api.errors import ApiError
from review_api.projects.versions import Version


def edited(
    present: Version, based_on: int, guideline: str, labels: Sequence[LabelSpec] | None
) -> ProjectSpec:
    """Return the definition with another guideline and, unless None, other labels.

    Raises:
        ApiError: 409 `stale_edit` if the guideline in force is not `based_on`, the one that was edited; 422
            `invalid_project` if the outcome is no definition.
    """
    if present.guideline_version != based_on:
        detail = (
            f"guideline version {based_on} is no longer in force: version {present.guideline_version} is. "
            "See what changed, and edit that"
        )
        raise ApiError(409, "stale_edit", detail)
    changes = {"guideline": guideline} | ({} if labels is None else {"labels": list(labels)})
    spec = msgspec.structs.replace(present.spec, **changes)
    try:
        return load_project(msgspec.json.encode(spec))
    except InvalidProject as error:
        raise ApiError(422, "invalid_project", str(error)) from error
