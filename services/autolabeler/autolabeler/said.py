"""From the words of an answer to a distribution over the options: samples and stated confidences. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from labelmill.prompts import CERTAINTIES, option_meant

from autolabeler.logprobs import DECIMALS
from autolabeler.voters import Unusable

STATED: Final = dict(zip(CERTAINTIES, (0.97, 0.85, 0.7, 0.55), strict=True))
"""The probability that a label is given, by the word for how sure the LLM is; the others share the rest.

The numbers keep the words' order and leave the label on top. What they are worth is the calibration's matter.
"""
_SMOOTHING: Final = 0.5
_OBJECT = re.compile(r"\{[^{}]*\}")
_LABEL_FIELD = re.compile(
    r"""["'*]*\b(?:label|answer|option)\b["'*]*\s*(?:[:=]|\bis\b)\s*["'*(]*([^"'*,;.)\n}]+)""", re.IGNORECASE
)
_CERTAINTY = re.compile(rf"\b(?:{'|'.join(CERTAINTIES)})\b", re.IGNORECASE)
_NEGATED = re.compile(
    r"\b(?:not|un|isn't|never)[ -]*(?:certain|likely)\b|\buncertain\b|\bunlikely\b", re.IGNORECASE
)
_LONGEST = 2000
"""Characters of an answer that are read."""


def sampled(text: str, options: tuple[str, ...]) -> tuple[float, ...]:
    """Return 1 for the option that an answer of one token spells or begins, 0 for the others.

    Raises:
        Unusable: `llm_prose`, if it is none of them.
    """
    chosen = option_meant(text[:_LONGEST], options)
    if chosen is None:
        raise _prose(text)
    return tuple(1.0 if index == chosen else 0.0 for index in range(len(options)))


def counted(samples: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the shares of samples, smoothed by half a sample: the never drawn are not impossible."""
    count, options = len(samples), len(samples[0])
    total = count + _SMOOTHING * options
    sums = (sum(column) for column in zip(*samples, strict=True))
    return tuple(round((drawn + _SMOOTHING) / total, DECIMALS) for drawn in sums)


def stated(text: str, options: tuple[str, ...]) -> tuple[float, ...]:
    """Return the distribution that an answer states: a label, and a word for how sure it is.

    It is read from a JSON object wherever one stands, else from `label: ...`, else from the words.

    Raises:
        Unusable: `llm_prose`, if it names no option, or several, or no confidence.
    """
    text = text[:_LONGEST]
    chosen, certainty = _read(text, options)
    if chosen is None or certainty is None:
        raise _prose(text)
    share = STATED[certainty]
    rest = round((1.0 - share) / (len(options) - 1), DECIMALS)
    return tuple(share if index == chosen else rest for index in range(len(options)))


def _read(text: str, options: tuple[str, ...]) -> tuple[int | None, str | None]:
    for fields in _objects(text):
        label, confidence = (
            _field(fields, ("label", "answer", "option")),
            _field(fields, ("confidence", "certainty")),
        )
        chosen, certainty = option_meant(label, options), _certainty(confidence)
        if chosen is not None and certainty is not None:
            return chosen, certainty
    certainty = _certainty(text)
    found = _LABEL_FIELD.search(text)
    chosen = option_meant(found[1], options) if found else None
    return (chosen if chosen is not None else _only_option(text, options)), certainty


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for match in _OBJECT.finditer(text):
        try:
            fields = json.loads(match[0])
        except ValueError:
            continue
        yield {str(name).casefold(): value for name, value in fields.items()}


def _field(fields: dict[str, Any], names: Sequence[str]) -> str:
    return next((str(fields[name]) for name in names if name in fields), "")


def _certainty(text: str) -> str | None:
    """Return the only word for a confidence that occurs; none if there are several, or a negated one."""
    if _NEGATED.search(text):
        return None
    found = {word.casefold() for word in _CERTAINTY.findall(text)}
    return found.pop() if len(found) == 1 else None


def _only_option(text: str, options: tuple[str, ...]) -> int | None:
    """Return the only option that occurs as a word. A letter counts at the beginning, or in capitals with a
    mark after it, so that an article is none."""
    rest = _CERTAINTY.sub(" ", text)
    found = {index for index, option in enumerate(options) if _occurs(option, rest)}
    return found.pop() if len(found) == 1 else None


def _occurs(option: str, text: str) -> bool:
    if len(option) > 1:
        return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.IGNORECASE) is not None
    bare = rf"(?:^\W*|\(|\b(?:is|be|choose|pick)\s+\W*){option}(?=\W*$|\s*[,.:;)|*\n-])"
    return re.search(bare, text) is not None


def _prose(text: str) -> Unusable:
    return Unusable("llm_prose", f"the answer names no option, or none clearly: {text[:80]!r}")
