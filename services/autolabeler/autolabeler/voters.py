"""What an LLM voter is asked and what it answers: the interface between the flow and whoever answers."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from labelmill.errors import LabelmillError

Method = Literal["logprobs", "samples", "verbal"]
"""How an answer tells the probabilities of the options; also the source that votes name."""


class Question(NamedTuple):
    """One prompt, ready to send.

    `key` (16 bytes) names the model, the parameters and the prompt: equal keys, equal answers.
    """

    key: bytes
    model: str
    parts: tuple[bytes, bytes, bytes]
    """The request body in pieces that questions share: what comes before the text, the text, the rest."""
    answers: tuple[str, ...]
    """What may be answered, a letter or a word an option, in the order the options are shown."""
    method: Method = "logprobs"

    @property
    def body(self) -> bytes:
        """The request body, JSON. Put together when it is sent: thousands of questions may wait."""
        return b"".join(self.parts)


class Answer(NamedTuple):
    """The probability of each option in the order shown, and what the call took.

    Of a sample, the option drawn has 1.
    """

    shares: tuple[float, ...]
    input_tokens: int
    output_tokens: int


class Answerer(Protocol):
    """Answers questions. Tests and benchmarks put their own in the place of the LLM's client."""

    at_once: bool
    """True if answers take no time: then a whole batch is asked in one call, without a task a question."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def answer(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Return the answers in order. Asked one at a time unless `at_once`.

        Raises:
            Passing, Unusable, Refused, Misconfigured
        """


class NoAnswer(LabelmillError):
    """Root of what can happen instead of an answer."""


class Passing(NoAnswer):
    """The provider is busy or away: the same call will succeed some time.

    Attributes:
        kind: `rate_limited`, `server_error`, `timeout` or `connection`; fit for a metric label.
        wait: seconds the provider asked to wait, or None.
    """

    def __init__(self, kind: str, wait: float | None = None, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.wait = wait


class Unusable(NoAnswer):
    """An answer came that says nothing about the options; asking again may help, but seldom does.

    Attributes:
        reason: `llm_prose`, `llm_no_logprobs` or `llm_malformed`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Refused(NoAnswer):
    """The provider will not take this prompt, ever (too long, against its rules)."""


class Misconfigured(NoAnswer):
    """The provider refuses every call: a wrong key, no rights, an unknown model or address."""
