"""The prompt: guideline, options and examples first, the item's text last. Pure.

All that the items of a project share comes first and is byte for byte the same, so a server that caches
prompt prefixes reads it once. The request body is built as bytes: what is shared is encoded once.
"""

from hashlib import blake2b
from operator import itemgetter

import msgspec
from labelmill.projects import ProjectSpec, VoterSpec
from labelmill.prompts import answers, as_data, ask, opening

from autolabeler.voters import Question

_MAX_TOP_LOGPROBS = 20
_HOLE = "\x00"


class Template:
    """The prompt of one voter with the options in one order; filled with an item's text it is a question."""

    __slots__ = ("_answers", "_head", "_key", "_model", "_tail", "by_label")

    def __init__(
        self, spec: ProjectSpec, voter: VoterSpec, model: str, shift: int, tokens_field: str
    ) -> None:
        """`shift` rotates the options; `tokens_field` is what the provider calls the limit on new tokens."""
        labels = spec.label_names
        order = [(index + shift) % len(labels) for index in range(len(labels))]
        self.by_label = itemgetter(*(order.index(label) for label in range(len(labels))))
        """Takes values in the order shown and returns them in the order of the labels."""
        body = msgspec.json.encode(
            {
                "model": model,
                "temperature": 0,
                tokens_field: 1,
                "logprobs": True,
                "top_logprobs": _top_logprobs(voter, len(labels)),
                "messages": [*opening(spec, voter, order), ask(_HOLE)],
            }
        )
        head, _, tail = body.rpartition(msgspec.json.encode(_HOLE)[1:-1])
        self._model = model
        self._answers = tuple(answers(spec, voter, order).values())
        self._head = head
        self._tail = tail
        self._key = blake2b(head, digest_size=16)

    def question(self, encoded: bytes) -> Question:
        """Return the question about an item; `encoded` is its text as `encode_text` gives it."""
        key = self._key.copy()
        key.update(encoded)
        key.update(self._tail)
        return Question(key.digest(), self._model, (self._head, encoded, self._tail), self._answers)


def _top_logprobs(voter: VoterSpec, labels: int) -> int:
    # A letter has some four spellings worth counting; a word has more, by its case and how it is cut.
    return _MAX_TOP_LOGPROBS if voter.answer == "words" else min(_MAX_TOP_LOGPROBS, 4 * labels + 2)


def encode_text(text: str) -> bytes:
    """Return an item's text as it stands inside a JSON string of the request body."""
    return msgspec.json.encode(as_data(text))[1:-1]


def templates(spec: ProjectSpec, voter: VoterSpec, model: str, tokens_field: str) -> tuple[Template, ...]:
    """Return the voter's prompts: one a permutation, the options rotated evenly."""
    count, labels = voter.permutations, len(spec.labels)
    return tuple(Template(spec, voter, model, turn * labels // count, tokens_field) for turn in range(count))
