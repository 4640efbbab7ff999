"""OpenAI chat completions as bytes: parsing a request, and building each kind of answer."""

import math
import random
import time
from typing import Any

import msgspec

from labelmill_stubs.choosing import DEFAULT_OPTIONS, Option, distribution, parse_options
from labelmill_stubs.modes import Behaviour, Mode

PROSE = (
    "The tone of this text is hard to pin down, but taken as a whole it leans one way more than the other."
)
_FILLERS = (
    "The",
    "Given",
    "\n",
    "This",
    "Answer",
    "**",
    "It",
    "Based",
    "Option",
    "(",
    "None",
    "Sure",
    "Hmm",
    "Label",
    "My",
)
_FILLER_MASS = 0.004
CONFIDENCE = '"confidence":'
"""What a prompt holds that asks for a stated confidence."""
_WORDS = (("certain", 0.9), ("likely", 0.75), ("unsure", 0.6))


class BadRequest(Exception):
    """The request is not one the API accepts; the message is what the caller is told."""


class Part(msgspec.Struct):
    """One part of a message whose content is a list."""

    type: str
    text: str = ""


class Message(msgspec.Struct):
    """One chat message."""

    role: str
    content: str | list[Part] | None = None

    def text(self) -> str:
        """The content as plain text."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(msgspec.Struct):
    """The fields of a chat completion request that the stub looks at; `messages` stays raw to be hashed."""

    model: str
    messages: msgspec.Raw
    temperature: float = 1.0
    seed: int | None = None
    n: int = 1
    logprobs: bool | None = False
    top_logprobs: int | None = None
    stream: bool | None = False


class Completion(msgspec.Struct, frozen=True):
    """A body with the usage that is written in it."""

    body: bytes
    prompt_tokens: int
    completion_tokens: int


_request_decoder = msgspec.json.Decoder(ChatRequest)
_messages_decoder = msgspec.json.Decoder(list[Message])
_encode = msgspec.json.Encoder().encode


def parse_request(body: bytes) -> ChatRequest:
    """Decode a request. Raises BadRequest in the API's words for what the API refuses."""
    try:
        request = _request_decoder.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(f"We could not parse the JSON body of your request: {error}") from None
    if request.stream:
        raise BadRequest("This stub does not stream.")
    if request.top_logprobs is not None and not request.logprobs:
        raise BadRequest("top_logprobs needs logprobs to be true.")
    if request.top_logprobs is not None and not 0 <= request.top_logprobs <= 20:
        raise BadRequest("top_logprobs must lie between 0 and 20.")
    if not 1 <= request.n <= 128:
        raise BadRequest("n must lie between 1 and 128.")
    return request


def complete(request: ChatRequest, behaviour: Behaviour, number: int) -> Completion:
    """Answer `request` as `behaviour` says; `number` makes the id of the completion.

    Raises BadRequest if the messages are not chat messages.
    """
    try:
        messages = _messages_decoder.decode(request.messages)
    except msgspec.DecodeError as error:
        raise BadRequest(f"Invalid messages: {error}") from None
    if not messages:
        raise BadRequest("messages must not be empty.")
    texts = [message.text() for message in messages]
    prompt_tokens = sum(len(text) for text in texts) // 4 + 4 * len(texts)
    choices = _choices(request, messages, texts, behaviour)
    completion_tokens = request.n * (len(PROSE) // 4 if behaviour.mode is Mode.PROSE else 1)
    body = {
        "id": f"chatcmpl-stub{number:012d}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": choices,
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        "system_fingerprint": "fp_stub",
    }
    return Completion(_encode(body), prompt_tokens, completion_tokens)


def _choices(
    request: ChatRequest, messages: list[Message], texts: list[str], behaviour: Behaviour
) -> list[dict[str, Any]]:
    item = texts[-1]
    options = parse_options(texts[0]) if messages[0].role != "user" else ()
    options = options or parse_options(item) or DEFAULT_OPTIONS
    masses = distribution(options, item, behaviour.style)
    wants = bool(request.logprobs) and behaviour.mode is not Mode.NO_LOGPROBS
    if behaviour.mode is Mode.PROSE:
        logprobs = _prose_logprobs(request.top_logprobs or 0) if wants else None
        return [_choice(index, PROSE, logprobs, "stop") for index in range(request.n)]
    letters = _letters(request, options, masses)
    if CONFIDENCE in texts[0]:
        return [_choice(i, _stated(letter, max(masses)), None, "stop") for i, letter in enumerate(letters)]
    return [
        _choice(
            index,
            letter,
            _logprobs(letter, options, masses, request.top_logprobs or 0) if wants else None,
            "length",
        )
        for index, letter in enumerate(letters)
    ]


def _stated(letter: str, share: float) -> str:
    """The answer with a word for how sure it is, in the form asked for, dressed up as models like to."""
    word = next((word for word, least in _WORDS if share >= least), "guess")
    return f'```json\n{{"label": "{letter}", "confidence": "{word}"}}\n```'


def _letters(request: ChatRequest, options: tuple[Option, ...], masses: list[float]) -> list[str]:
    """The likeliest letter at temperature 0; else one sampled a choice, the same for one seed and prompt."""
    if request.temperature == 0:
        return [options[masses.index(max(masses))].letter] * request.n
    seed = None if request.seed is None else f"{request.seed}\0{bytes(request.messages)!r}"
    draw = random.Random(seed)
    weights = [mass ** (1.0 / request.temperature) for mass in masses]
    return [option.letter for option in draw.choices(options, weights, k=request.n)]


def _choice(index: int, content: str, logprobs: dict[str, Any] | None, finish: str) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": content, "refusal": None},
        "logprobs": logprobs,
        "finish_reason": finish,
    }


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _logprobs(letter: str, options: tuple[Option, ...], masses: list[float], top: int) -> dict[str, Any]:
    """Most mass on the bare letters, a little on ` A` and other words, as real models have it."""
    scored: list[tuple[float, str]] = []
    chosen = 0.0
    for option, mass in zip(options, masses, strict=True):
        bare = math.log(max(mass, 1e-9) * 0.98)
        scored.append((bare, option.letter))
        scored.append((bare - 4.6, f" {option.letter}"))
        if option.letter == letter:
            chosen = bare
    scored.extend(_FILLER_LOGPROBS)
    scored.sort(reverse=True)
    tops = [_token(token, round(logprob, 6)) for logprob, token in scored[:top]]
    return {"content": [{**_token(letter, round(chosen, 6)), "top_logprobs": tops}], "refusal": None}


def _prose_logprobs(top: int) -> dict[str, Any]:
    words = ["The", *(f" {word}" for word in PROSE.split()[1:])]
    tops = [_token(token, -0.05 - 0.5 * index) for index, token in enumerate(_FILLERS[:top])]
    return {"content": [{**_token(word, -0.05), "top_logprobs": tops} for word in words], "refusal": None}


_FILLER_LOGPROBS = [(math.log(_FILLER_MASS / 2 ** (i + 1)), token) for i, token in enumerate(_FILLERS)]
