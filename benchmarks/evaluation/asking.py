"""The questions that get an LLM's votes from each confidence source, and how their answers are read. Pure.

Prompts and decoding are labelmill's own (`autolabeler.prompt`, `autolabeler.logprobs`): with options in one
order (`logprobs`) or several (`permuted`), drawn several times (`samples`), or with a second question about
how sure it is (`verbal`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from autolabeler.logprobs import TokenLogprob, distribution, mean
from autolabeler.prompt import Template, encode_text, templates
from labelmill.projects import ProjectSpec, VoterSpec
from labelmill.prompts import option_meant

SAMPLES = 5
SURENESS = {"certain": 0.95, "likely": 0.8, "unsure": 0.6}
"""What the model may say about its own answer, and the confidence that is taken to mean."""
FLOOR = 0.005
"""Least probability of the options together: the autolabeler's default."""
_HOW_SURE = f"How sure are you of that? Answer with one word: {', '.join(SURENESS)}."


class Call(NamedTuple):
    """One call: its request body, and the key under which its answer is kept."""

    key: str
    body: bytes


class Reply(msgspec.Struct, frozen=True):
    """What is kept of an answer: its text, the candidates for its first token, and what it took."""

    key: str
    text: str
    first: list[tuple[str, float]]
    input_tokens: int
    output_tokens: int


class Vote(NamedTuple):
    """A distribution over the project's labels, in their order, and the input tokens all its calls took."""

    shares: tuple[float, ...]
    input_tokens: int


@dataclass(frozen=True)
class Asker:
    """Asks one voter of a project about a text in every way."""

    plain: Template
    rotated: tuple[Template, ...]
    """One a permutation; the first is `plain`'s."""
    labels: tuple[str, ...]

    @classmethod
    def of(cls, spec: ProjectSpec, voter: VoterSpec, permutations: int) -> "Asker":
        several = msgspec.structs.replace(voter, permutations=permutations)
        rotated = templates(spec, several, voter.model, "max_tokens")
        return cls(rotated[0], rotated, tuple(spec.label_names))

    def logprobs(self, text: str) -> list[Call]:
        return [_call(self.plain.question(encode_text(text)).body)]

    def permuted(self, text: str) -> list[Call]:
        return [_call(template.question(encode_text(text)).body) for template in self.rotated]

    def samples(self, text: str) -> list[Call]:
        asked = msgspec.json.decode(self.logprobs(text)[0].body)
        return [
            _call(msgspec.json.encode(asked | {"temperature": 1, "seed": seed})) for seed in range(SAMPLES)
        ]

    def verbal(self, text: str, answered: Reply) -> list[Call]:
        """Return the second question; `answered` is the reply to the first, that of `logprobs`."""
        asked: dict[str, Any] = msgspec.json.decode(self.logprobs(text)[0].body)
        said = self.labels[_first_of(self.read_logprobs([answered]).shares)]
        turns = [{"role": "assistant", "content": said}, {"role": "user", "content": _HOW_SURE}]
        return [_call(msgspec.json.encode(asked | {"messages": [*asked["messages"], *turns]}))]

    def read_logprobs(self, replies: Sequence[Reply]) -> Vote:
        """Return the vote; raises autolabeler's Unusable for an answer in prose."""
        (reply,) = replies
        return Vote(self.plain.by_label(_shares(reply, self.labels)), reply.input_tokens)

    def read_permuted(self, replies: Sequence[Reply]) -> Vote:
        pairs = zip(self.rotated, replies, strict=True)
        rows = [
            template.by_label(_shares(reply, template.question(b"").answers)) for template, reply in pairs
        ]
        return Vote(tuple(mean(rows)), sum(reply.input_tokens for reply in replies))

    def read_samples(self, replies: Sequence[Reply]) -> Vote:
        """Return the shares of the samples that name a label; even if none does."""
        meant = Counter(option_meant(reply.text, self.labels) for reply in replies)
        counts = [meant[number] for number in range(len(self.labels))]
        total = sum(counts)
        even = 1 / len(self.labels)
        shares = tuple(count / total if total else even for count in counts)
        return Vote(shares, sum(reply.input_tokens for reply in replies))

    def read_verbal(self, replies: Sequence[Reply]) -> Vote:
        """Return the first answer's label with the confidence that the second one's word means."""
        first, second = replies
        label = _first_of(self.read_logprobs([first]).shares)
        words = tuple(SURENESS)
        word = words[_first_of(_shares(second, words, floor=0.0))]
        confidence, others = SURENESS[word], len(self.labels) - 1
        shares = [(1 - confidence) / others] * len(self.labels)
        shares[label] = confidence
        return Vote(tuple(shares), first.input_tokens + second.input_tokens)


def _shares(reply: Reply, options: tuple[str, ...], floor: float = FLOOR) -> tuple[float, ...]:
    candidates = [TokenLogprob(token, logprob) for token, logprob in reply.first]
    return distribution(candidates, options, floor)


def _first_of(shares: Sequence[float]) -> int:
    return max(range(len(shares)), key=shares.__getitem__)


def _call(body: bytes) -> Call:
    return Call(blake2b(body, digest_size=16).hexdigest(), body)
