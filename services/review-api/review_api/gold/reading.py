"""Gold as people hand it in: JSON, a list or an object a line, checked one by one. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from labelmill.errors import InvalidLabel
from labelmill.kinds import kind_named
from labelmill.projects import ProjectSpec
from labelmill.projects.review import EXPERT

MOST_CONTENT: Final = 100_000
MOST_EXPLANATION: Final = 4_000
_MOST_ID: Final = 200


class GoldLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gold item as it is handed in: an item of the project by its `item_id`, or a text with `content`."""

    label: Any
    item_id: str = ""
    content: str = ""
    metadata: dict[str, str] = {}
    explanation: str = ""
    skill: str | None = None


@dataclass(frozen=True)
class Refused:
    """A line that cannot be used; `line` counts from 1."""

    line: int
    item_id: str | None
    detail: str


_line = msgspec.json.Decoder(GoldLine)


def read(body: bytes, spec: ProjectSpec) -> list[tuple[int, GoldLine] | Refused]:
    """Return every entry of `body` with its number, or why it is refused."""
    return [_checked(number, text, spec) for number, text in _texts(body)]


def _texts(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the entries as JSON; what begins with a bracket is a list.

    Raises msgspec.DecodeError for a list that is broken.
    """
    if body.lstrip()[:1] == b"[":
        yield from enumerate(map(bytes, msgspec.json.decode(body, type=list[msgspec.Raw])), 1)
    else:
        yield from ((number, text) for number, text in enumerate(body.split(b"\n"), 1) if text.strip())


def _checked(number: int, text: bytes, spec: ProjectSpec) -> tuple[int, GoldLine] | Refused:
    try:
        line = _line.decode(text)
    except msgspec.MsgspecError as error:
        return Refused(number, None, str(error))
    problem = _problem(line, spec)
    return (number, line) if problem is None else Refused(number, line.item_id or None, problem)


def _problem(line: GoldLine, spec: ProjectSpec) -> str | None:
    if not line.item_id and not line.content.strip():
        return "give item_id, of an item of the project, or content"
    if len(line.item_id) > _MOST_ID:
        return f"item_id has more than {_MOST_ID} characters"
    if len(line.content) > MOST_CONTENT or len(line.explanation) > MOST_EXPLANATION:
        return f"content has at most {MOST_CONTENT} characters, explanation {MOST_EXPLANATION}"
    skills = {EXPERT, *(skill.name for skill in spec.review.skills)}
    if line.skill is not None and line.skill not in skills:
        return f"the project knows no skill {line.skill!r}"
    if line.metadata and not line.content:
        return "an item of the project has its own metadata: leave it out, or give content"
    return None if answerable(line.label, spec) else f"{line.label!r} is no label of the project"


def answerable(label: Any, spec: ProjectSpec) -> bool:
    """Return whether a person could give this label: those of a project change."""
    try:
        kind_named(spec.kind).validate(label, spec.label_names)
    except InvalidLabel:
        return False
    return True
