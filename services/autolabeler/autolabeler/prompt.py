"""The prompt: guideline, options and examples first, the item's text last. Pure.

All that the items of a project share comes first and is byte for byte the same, so a server that caches
prompt prefixes reads it once; examples chosen for the item follow, and then its text. The request body is
built as bytes: what is shared is encoded once.
"""

from collections.abc import Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import msgspec
from labelmill.cost import VERBAL_TOKENS
from labelmill.projects import Example, ProjectSpec, VoterSpec
from labelmill.prompts import answers, as_data, ask, example_turns, opening

from autolabeler.voters import Question

_MAX_TOP_LOGPROBS = 20
_HOLE = "\x00"


class Template:
    """The prompt of one call of a voter; filled with an item's text it is a question."""

    __slots__ = (
        "_answer_of",
        "_answers",
        "_head",
        "_key",
        "_model",
        "_shared",
        "_shown",
        "_tail",
        "_turn",
        "_voter",
        "by_label",
    )

    def __init__(
        self, spec: ProjectSpec, voter: VoterSpec, model: str, tokens_field: str, *, shift: int, seed: int
    ) -> None:
        """`shift` rotates the options; `tokens_field` is what the provider calls the limit on new tokens;
        `seed` tells the samples of a voter apart."""
        labels = spec.label_names
        order = [(index + shift) % len(labels) for index in range(len(labels))]
        self.by_label = itemgetter(*(order.index(label) for label in range(len(labels))))
        """Takes values in the order shown and returns them in the order of the labels."""
        turn = msgspec.json.encode(ask(_HOLE))
        body = msgspec.json.encode(
            {
                "model": model,
                **_parameters(voter, len(labels), tokens_field, seed),
                "messages": [*opening(spec, voter, order), msgspec.Raw(turn)],
            }
        )
        head, _, tail = body.rpartition(msgspec.json.encode(_HOLE)[1:-1])
        self._voter = voter
        self._model = model
        self._answer_of = answers(spec, voter, order)
        self._answers = tuple(self._answer_of.values())
        self._head = head
        self._shared = body[: body.rindex(turn)]
        self._turn = head[len(self._shared) :]
        self._tail = tail
        self._key = blake2b(head, digest_size=16)
        self._shown: dict[Example, bytes] = {}

    def question(self, encoded: bytes, examples: Sequence[Example] = ()) -> Question:
        """Return the question about an item; `encoded` is its text as `encode_text` gives it, `examples` are
        shown for this item alone, the last one next to its text."""
        if examples:
            head = b"".join((self._shared, *map(self._show, examples), self._turn))
            key = blake2b(head, digest_size=16)
        else:
            head, key = self._head, self._key.copy()
        key.update(encoded)
        key.update(self._tail)
        parts = (head, encoded, self._tail)
        return Question(key.digest(), self._model, parts, self._answers, self._voter.method)

    def _show(self, example: Example) -> bytes:
        """Return an example's turns as they stand in the body. There are as many as a release has shots."""
        shown = self._shown.get(example)
        if shown is None:
            turns = example_turns(self._voter, example.content, self._answer_of[example.label])
            shown = self._shown[example] = msgspec.json.encode(turns)[1:-1] + b","
        return shown


def _parameters(voter: VoterSpec, labels: int, tokens_field: str, seed: int) -> dict[str, Any]:
    if voter.method == "samples":
        return {"temperature": 1, "seed": seed, tokens_field: 1}
    if voter.method == "verbal":
        return {"temperature": 0, tokens_field: VERBAL_TOKENS}
    # A letter has some four spellings worth counting; a word has more, by its case and how it is cut.
    top = _MAX_TOP_LOGPROBS if voter.answer == "words" else min(_MAX_TOP_LOGPROBS, 4 * labels + 2)
    return {"temperature": 0, tokens_field: 1, "logprobs": True, "top_logprobs": top}


def encode_text(text: str) -> bytes:
    """Return an item's text as it stands inside a JSON string of the request body."""
    return msgspec.json.encode(as_data(text))[1:-1]


def templates(spec: ProjectSpec, voter: VoterSpec, model: str, tokens_field: str) -> tuple[Template, ...]:
    """Return the voter's prompts, one a call: one a permutation, the options rotated evenly; or one a sample,
    each with a seed of its own, the permutations taking turns."""
    turns, labels = voter.permutations, len(spec.labels)
    calls = voter.samples if voter.method == "samples" else turns
    return tuple(
        Template(spec, voter, model, tokens_field, shift=call % turns * labels // turns, seed=call)
        for call in range(calls)
    )
