"""What a provider answers to a chat completion: the options' probabilities, or what went wrong. Pure."""

from typing import Final

import msgspec

from autolabeler.logprobs import TokenLogprob, distribution
from autolabeler.said import sampled, stated
from autolabeler.voters import Answer, Method, Misconfigured, NoAnswer, Passing, Refused, Unusable

MAX_DETAIL_CHARS: Final = 300
_PASSING: Final = frozenset({408, 409, 425, 429})
_REFUSED: Final = frozenset({400, 413, 422})


class _Position(msgspec.Struct):
    top_logprobs: list[TokenLogprob] = []


class _Logprobs(msgspec.Struct):
    content: list[_Position] | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    logprobs: _Logprobs | None = None
    message: _Message | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Completion)


def answer_in(body: bytes, answers: tuple[str, ...], floor: float, method: Method = "logprobs") -> Answer:
    """Return the answer in a chat completion's body, read as `method` says. Raises Unusable."""
    try:
        completion = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable("llm_malformed", f"not a chat completion: {error}") from error
    if not completion.choices:
        raise Unusable("llm_malformed", "a chat completion without choices")
    usage = completion.usage or _Usage()
    shares = _shares(completion.choices[0], answers, floor, method)
    return Answer(shares, usage.prompt_tokens, usage.completion_tokens)


def _shares(choice: _Choice, answers: tuple[str, ...], floor: float, method: Method) -> tuple[float, ...]:
    if method == "logprobs":
        logprobs = choice.logprobs
        first = logprobs.content[0].top_logprobs if logprobs and logprobs.content else []
        return distribution(first, answers, floor)
    text = (choice.message.content if choice.message else None) or ""
    return (sampled if method == "samples" else stated)(text, answers)


def problem_of_status(status: int, message: str, wait: float | None = None) -> NoAnswer:
    """Return what a status other than 200 means; `wait` is how many seconds the provider asks to wait."""
    detail = f"{status}: {message}"[:MAX_DETAIL_CHARS]
    if status in _PASSING or status >= 500:
        return Passing("rate_limited" if status == 429 else "server_error", wait, detail)
    return Refused(detail) if status in _REFUSED else Misconfigured(detail)
