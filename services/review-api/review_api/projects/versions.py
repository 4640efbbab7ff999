"""When a project's definition or its guideline counts as a new version; pure."""

from dataclasses import dataclass

from labelmill.projects import ProjectSpec


@dataclass(frozen=True)
class Version:
    """A project's definition with its numbers, both from 1."""

    version: int
    guideline_version: int
    spec: ProjectSpec


def next_version(present: Version | None, spec: ProjectSpec) -> Version:
    """Return `present` if `spec` changes nothing, otherwise the version that follows.

    The guideline is what people and models label by: its text, the kind, and the labels with their
    descriptions. Only a change of these is a new guideline version.
    """
    if present is None:
        return Version(1, 1, spec)
    if spec == present.spec:
        return present
    changed = _guideline(spec) != _guideline(present.spec)
    return Version(present.version + 1, present.guideline_version + changed, spec)


def _guideline(spec: ProjectSpec) -> tuple[object, ...]:
    return (spec.kind, spec.guideline, spec.labels)
