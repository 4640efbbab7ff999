"""What a fine-tuned model is taught and asked, and how its answers read. Pure."""

import math
from collections.abc import Sequence

import msgspec
from labelmill import ids
from labelmill.projects import ProjectSpec, VoterSpec
from labelmill.prompts import Message, answers, as_data, ask, opening, option_meant

from trainer.errors import NotEnough

MIN_EXAMPLES = 10
"""The OpenAI API takes no fewer."""


def check_examples(count: int) -> None:
    """Raises NotEnough if the provider would refuse so few examples."""
    if count < MIN_EXAMPLES:
        raise NotEnough(f"not enough: {MIN_EXAMPLES} decisions to train on are needed, there are {count}")


def voter_to_replace(spec: ProjectSpec) -> VoterSpec | None:
    """Return the LLM voter whose model is fine-tuned: the first that uses the base model, else the first."""
    voters = [voter for voter in spec.voters if voter.type == "llm"]
    of_base = [voter for voter in voters if voter.model == spec.training.base_model]
    return next(iter([*of_base, *voters]), None)


def training_file(spec: ProjectSpec, voter: VoterSpec, decided: Sequence[tuple[str, str]]) -> bytes:
    """Return chat examples as JSON lines: the voter's own prompt about each (content, label), and the answer.

    Options are shown in turn in each order that the voter asks with, so no letter is worth more than another.
    """
    orders = _orders(spec, voter)
    openings = [opening(spec, voter, order) for order in orders]
    by_order = [answers(spec, voter, order) for order in orders]
    lines = []
    for row, (content, label) in enumerate(decided):
        turn = row % len(orders)
        answer = {"role": "assistant", "content": by_order[turn][label]}
        messages = [*openings[turn], ask(as_data(content)), answer]
        lines.append(msgspec.json.encode({"messages": messages}) + b"\n")
    return b"".join(lines)


def question(spec: ProjectSpec, voter: VoterSpec, content: str) -> list[Message]:
    """Return the turns that ask about one text, options in the project's order."""
    return [*opening(spec, voter, range(len(spec.labels))), ask(as_data(content))]


def question_key(messages: Sequence[Message]) -> str:
    """Return what names a question among all that were asked."""
    return ids.event_id(msgspec.json.encode(messages).decode())


def read_answer(spec: ProjectSpec, voter: VoterSpec, text: str, logprob: float | None) -> tuple[str, float]:
    """Return (label, confidence) of an answer; what means no option is a label that is never right.

    `logprob` is that of the first token; without it the answer counts as certain.
    """
    options = answers(spec, voter, range(len(spec.labels))).values()
    index = option_meant(text, tuple(options))
    if index is None:
        return "", 1.0
    return spec.labels[index].name, 1.0 if logprob is None else min(1.0, math.exp(logprob))


def _orders(spec: ProjectSpec, voter: VoterSpec) -> list[list[int]]:
    """Return the voter's orders of the options: evenly rotated, one a permutation."""
    count = len(spec.labels)
    shifts = [turn * count // voter.permutations for turn in range(voter.permutations)]
    return [[(index + shift) % count for index in range(count)] for shift in shifts]
