"""Reading a project's definition from YAML."""

import re
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
import yaml

from labelmill.errors import InvalidProject
from labelmill.projects.problems import problems
from labelmill.projects.spec import ProjectSpec

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it was built in: the one in Python takes seconds for a megabyte."""
_FIELD: Final = re.compile(r"\.(\w+)")


def load_project(text: str | bytes) -> ProjectSpec:
    """Return the project in a YAML document.

    Raises:
        InvalidProject: with the field and what would be right.
    """
    try:
        _refuse_aliases(text)
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 (a safe loader, whichever there is)
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        raise InvalidProject(f"not YAML: {_where_and_what(error)}") from error
    return project_from(document)


def _refuse_aliases(text: str | bytes) -> None:
    """Raise InvalidProject where a text refers to another part of itself.

    A few lines of such references stand for gigabytes. It takes a look at the parser's events: libyaml's
    loader resolves them where no subclass can step in.
    """
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidProject(f"an alias (*{event.anchor}): write out what it stands for")


def _where_and_what(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


def project_from(document: Any) -> ProjectSpec:
    """Return the project in a decoded document (a mapping). Raises InvalidProject."""
    try:
        spec = msgspec.convert(document, ProjectSpec)
        encoded = msgspec.json.encode(spec)
    except msgspec.ValidationError as error:
        raise InvalidProject(_field_first(str(error))) from error
    except RecursionError as error:
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


def _field_first(message: str) -> str:
    """Return what msgspec says of a document with the field first, and with the values that it could have."""
    problem, _, place = message.partition(" - at ")
    field = place.rpartition("$")[2].strip("`.")
    if place.startswith("`key` in "):
        problem = "the name of a field is a number; write decimals with a point, not a comma"
    if choices := _choices(place):
        problem += f"; known are {', '.join(choices)}"
    return f"{field}: {problem}" if field else problem


def _choices(place: str) -> tuple[str, ...]:
    """Return the values that the field at a place like `$.voters[1].type` can have, () if any is right."""
    kind: Any = ProjectSpec
    for name in _FIELD.findall(place):
        while arguments := get_args(kind):
            kind = arguments[0]
        kind = get_type_hints(kind).get(name) if isinstance(kind, type) else None
    return get_args(kind) if get_origin(kind) is Literal else ()
