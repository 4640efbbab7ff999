"""Labeling functions that are rules: keywords, patterns, lookups. Pure.

A rule that would vote for several labels abstains.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
import re2
from labelmill.events import Vote
from labelmill.pooling import FUNCTION
from labelmill.projects import FunctionSpec, VoterSpec

Rule = Callable[[str, Mapping[str, str]], str | None]
"""Takes an item's content and metadata and returns a label, or None to abstain."""

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_FIRST_WITHOUT_SPACES = "\u0e00"
"""From Thai on, many scripts put no spaces between words: there a keyword is looked for anywhere."""


@dataclass(frozen=True, slots=True)
class FunctionVoter:
    """A labeling function of a project. `rule` is None for one in Python, which runs elsewhere."""

    name: str
    version: str
    accuracy: float
    labels: tuple[str, ...]
    rule: Rule | None
    python: str
    _votes: dict[str, Vote] = field(default_factory=dict, compare=False)

    def vote(self, label: str, version: str | None = None) -> Vote:
        """Return the vote for a label (one of the project's): as a coin that is right so often."""
        version = version or self.version
        known = self._votes.get(label)
        if known is None or known.version != version:
            rest = (1.0 - self.accuracy) / (len(self.labels) - 1)
            known = self._votes[label] = Vote(
                voter=self.name,
                version=version,
                source=FUNCTION,
                label=label,
                confidence=self.accuracy,
                probabilities=dict.fromkeys(self.labels, rest) | {label: self.accuracy},
            )
        return known


def function_voter(voter: VoterSpec, labels: Sequence[str]) -> FunctionVoter:
    """Return the function of a voter of type `function`."""
    assert voter.function is not None, "checked when the project was read"
    return FunctionVoter(
        name=voter.name,
        version=version_of(msgspec.json.encode(voter.function)),
        accuracy=voter.function.accuracy,
        labels=tuple(labels),
        rule=_rule(voter.function),
        python=voter.function.python,
    )


def version_of(source: bytes) -> str:
    """Return the version of a function: a fingerprint of its rule or of its source."""
    return blake2b(source, digest_size=6).hexdigest()


def _rule(function: FunctionSpec) -> Rule | None:
    if function.keywords:
        return _keywords(function.keywords)
    if function.regex:
        return _regex(function.regex)
    if function.lookup:
        return _lookup(function.field, function.lookup)
    return None


def _keywords(words_of: Mapping[str, Sequence[str]]) -> Rule:
    matchers = {label: _words_matcher(words) for label, words in words_of.items()}

    def rule(content: str, metadata: Mapping[str, str]) -> str | None:
        folded = content.casefold()
        words = _WORD.findall(folded)
        single, spaced = frozenset(words), f" {' '.join(words)} "
        return _only([label for label, matches in matchers.items() if matches(folded, single, spaced)])

    return rule


def _words_matcher(keywords: Sequence[str]) -> Callable[[str, frozenset[str], str], bool]:
    singles, phrases, anywhere = set(), [], []
    for keyword in filter(None, (keyword.casefold().strip() for keyword in keywords)):
        words = _WORD.findall(keyword)
        if not words or max(keyword) >= _FIRST_WITHOUT_SPACES or "".join(words) != "".join(keyword.split()):
            anywhere.append(keyword)
        elif len(words) == 1:
            singles.add(words[0])
        else:
            phrases.append(f" {' '.join(words)} ")

    def matches(folded: str, single: frozenset[str], spaced: str) -> bool:
        return (
            not singles.isdisjoint(single)
            or any(phrase in spaced for phrase in phrases)
            or any(keyword in folded for keyword in anywhere)
        )

    return matches


def _regex(patterns_of: Mapping[str, Sequence[str]]) -> Rule:
    """RE2 takes time in proportion to the text, whatever the pattern: none can hold up the worker."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    compiled = {
        label: [re2.compile(pattern, options) for pattern in patterns]
        for label, patterns in patterns_of.items()
    }

    def rule(content: str, metadata: Mapping[str, str]) -> str | None:
        encoded = content.encode(errors="replace")
        found = [
            label
            for label, patterns in compiled.items()
            if any(pattern.search(encoded) for pattern in patterns)
        ]
        return _only(found)

    return rule


def _lookup(field_name: str, label_of: Mapping[str, str]) -> Rule:
    def rule(content: str, metadata: Mapping[str, str]) -> str | None:
        value = metadata.get(field_name)
        return None if value is None else label_of.get(value)

    return rule


def _only(labels: Sequence[str]) -> str | None:
    return labels[0] if len(labels) == 1 else None
