"""The questions that get an LLM's votes by each confidence source, and how their answers are read. Pure.

Prompts and decoding are the autolabeler's: options in one order (`logprobs`) or two (`permuted`), five
samples (`samples`), or a label with a word for how sure the model is (`verbal`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from autolabeler.logprobs import TokenLogprob, distribution, mean
from autolabeler.prompt import Template, encode_text, templates
from autolabeler.said import counted, sampled, stated
from autolabeler.voters import Question, Unusable
from labelmill.projects import ProjectSpec, VoterSpec

SOURCES: dict[str, dict[str, Any]] = {
    "logprobs": {},
    "permuted": {"permutations": 2},
    "samples": {"method": "samples", "samples": 5},
    "verbal": {"method": "verbal"},
}
"""How the voter differs from the project's for each source."""
FLOOR = 0.005
"""Least probability of the options together: the autolabeler's default."""


class Reply(msgspec.Struct, frozen=True):
    """What is kept of an answer: its text, the candidates for its first token, and what it took."""

    key: str
    text: str
    first: list[tuple[str, float]]
    input_tokens: int
    output_tokens: int


class Vote(NamedTuple):
    """A distribution over the project's labels, in their order, and the tokens that all its calls took."""

    shares: tuple[float, ...]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Asker:
    """Asks one voter of a project by one source."""

    voter: VoterSpec
    templates: tuple[Template, ...]

    @classmethod
    def of(cls, spec: ProjectSpec, voter: VoterSpec, source: str) -> "Asker":
        changed = msgspec.structs.replace(voter, **SOURCES[source])
        return cls(changed, templates(spec, changed, voter.model, "max_tokens"))

    def questions(self, text: str) -> list[Question]:
        """Return the calls that make a vote on a text."""
        encoded = encode_text(text)
        return [template.question(encoded) for template in self.templates]

    def vote(self, questions: Sequence[Question], replies: Sequence[Reply]) -> Vote | None:
        """Return the vote, without the answers in prose; None if all are."""
        rows = []
        for template, question, reply in zip(self.templates, questions, replies, strict=True):
            try:
                rows.append(template.by_label(_shares(question, reply)))
            except Unusable:
                continue
        if not rows:
            return None
        merged = counted(rows) if self.voter.method == "samples" else tuple(mean(rows))
        tokens = (
            sum(reply.input_tokens for reply in replies),
            sum(reply.output_tokens for reply in replies),
        )
        return Vote(merged, *tokens)


def _shares(question: Question, reply: Reply) -> tuple[float, ...]:
    if question.method == "samples":
        return sampled(reply.text, question.answers)
    if question.method == "verbal":
        return stated(reply.text, question.answers)
    candidates = [TokenLogprob(token, logprob) for token, logprob in reply.first]
    return distribution(candidates, question.answers, FLOOR)
