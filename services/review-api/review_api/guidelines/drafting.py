"""Turning edge cases into examples of the guideline. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEADING: Final = "## Examples"
_HEADING: Final = re.compile(r"^#{1,6}[ \t]+examples[ \t]*#*[ \t]*$", re.IGNORECASE | re.MULTILINE)
_NEXT_HEADING: Final = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_MOST_CHARACTERS: Final = 600
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


@dataclass(frozen=True)
class Example:
    """A text with the label it is to have, and why."""

    content: str
    label: str
    why: str


def with_examples(guideline: str, examples: Sequence[Example]) -> str:
    """Return a guideline with `examples` at the end of its section "Examples", made if it has none."""
    if not examples:
        return guideline
    added = "\n".join(map(_written, examples))
    found = _HEADING.search(guideline)
    if found is None:
        before = guideline.rstrip()
        return f"{before}\n\n{HEADING}\n\n{added}\n" if before else f"{HEADING}\n\n{added}\n"
    following = _NEXT_HEADING.search(guideline, found.end())
    end = following.start() if following else len(guideline)
    head, rest = guideline[:end].rstrip(), guideline[end:]
    # A list goes on; after anything else it needs a line of its own.
    gap = "\n" if head.splitlines()[-1].lstrip().startswith(("- ", "* ", "> ")) else "\n\n"
    return f"{head}{gap}{added}\n" + (f"\n{rest}" if rest else "")


def _written(example: Example) -> str:
    """Return one item of a list. What came from outside stays text: none of it acts as Markdown."""
    content = _one_line(example.content)
    why = f" {_one_line(example.why)}" if example.why.strip() else ""
    return f"- “{content}” is **{_one_line(example.label)}**.{why}"


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    short = flat if len(flat) <= _MOST_CHARACTERS else f"{flat[: _MOST_CHARACTERS - 1]}…"
    return _SPECIAL.sub(r"\\\1", short)
