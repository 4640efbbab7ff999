"""What the HTTP side answers when it cannot do what was asked."""

from collections.abc import Mapping

from labelmill.errors import LabelmillError


class ApiError(LabelmillError):
    """A refusal with its HTTP status, a short stable code, and a sentence for the person who reads it."""

    def __init__(
        self, status: int, error: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{error}: {detail}")
        self.status = status
        self.error = error
        self.detail = detail
        self.headers = dict(headers or {})


def unknown_project(project: str) -> ApiError:
    """404 for a project that does not exist."""
    return ApiError(404, "unknown_project", f"there is no project {project!r}: apply it first")
