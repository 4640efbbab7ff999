"""Reading a project's definition from YAML."""

from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from labelmill.errors import InvalidProject
from labelmill.projects.problems import problems
from labelmill.projects.spec import ProjectSpec

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it was built in: the one in Python takes seconds for a megabyte."""


def load_project(text: str | bytes) -> ProjectSpec:
    """Return the project in a YAML document.

    Raises:
        InvalidProject: with the field and what would be right.
    """
    try:
        _refuse_aliases(text)
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 (a safe loader, whichever there is)
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        raise InvalidProject(f"not YAML: {error}") from error
    return project_from(document)


def _refuse_aliases(text: str | bytes) -> None:
    """Raise InvalidProject where a text refers to another part of itself.

    A few lines of such references stand for gigabytes. It takes a look at the parser's events: libyaml's
    loader resolves them where no subclass can step in.
    """
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidProject(f"an alias (*{event.anchor}): write out what it stands for")


def project_from(document: Any) -> ProjectSpec:
    """Return the project in a decoded document (a mapping). Raises InvalidProject."""
    try:
        spec = msgspec.convert(document, ProjectSpec)
        encoded = msgspec.json.encode(spec)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidProject(str(error)) from error
    except UnicodeEncodeError as error:
        raise InvalidProject(f"a text holds half a surrogate pair: {error}") from error
    if b"\\u0000" in encoded:
        raise InvalidProject("a text holds a NUL character, which PostgreSQL cannot store: remove it")
    for problem in [*_unknown_fields(document, msgspec.to_builtins(spec)), *problems(spec)]:
        raise InvalidProject(problem)
    return spec


def _unknown_fields(document: Any, known: Any, place: str = "") -> Iterator[str]:
    """Name what the operator wrote and no field takes: likely a misspelling.

    Only people's documents are held to this. Events are read as leniently as all others, so that a build
    that is older than the project's newest field can still follow the project.
    """
    if isinstance(document, dict) and isinstance(known, dict):
        for name, value in document.items():
            if name not in known:
                yield f"{place}{name}: there is no such field; known are {', '.join(known)}"
            else:
                yield from _unknown_fields(value, known[name], f"{place}{name}.")
    elif isinstance(document, list) and isinstance(known, list):
        for number, (value, taken) in enumerate(zip(document, known, strict=True)):
            yield from _unknown_fields(value, taken, f"{place}{number}.")
