"""The LLM's client: one try at one call, and what went wrong in the flow's words.

openai's client with its own aiohttp transport, asked for the raw response: its typed `create` costs
three times the CPU, which is most of what a call costs here. Its own retries are off, because waiting
is the flow's business: it must hold back the other calls as well.
"""

import time
from collections.abc import Sequence

import aiohttp
import httpx2
import msgspec
import openai

from autolabeler.logprobs import TokenLogprob, distribution
from autolabeler.retry_after import seconds_to_wait
from autolabeler.said import sampled, stated
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Answer, Method, Misconfigured, NoAnswer, Passing, Question, Refused, Unusable

_PATH = "/chat/completions"
_PASSING = frozenset({408, 409, 425, 429})
_REFUSED = frozenset({400, 413, 422})
_CONNECT_SECONDS = 5.0
_KEEPALIVE_SECONDS = 30.0
_MAX_DETAIL_CHARS = 300
_NEEDLESS_HEADERS = (
    "X-Stainless-Lang",
    "X-Stainless-Package-Version",
    "X-Stainless-OS",
    "X-Stainless-Arch",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Async",
    "X-Stainless-Retry-Count",
    "X-Stainless-Read-Timeout",
)
"""What openai's client tells about the machine it runs on, which no compatible server needs."""


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


class LlmAnswerer:
    """Asks an OpenAI-compatible server; a component of the service."""

    at_once = False

    def __init__(self, settings: AutolabelerSettings) -> None:
        self._settings = settings
        self._client: openai.AsyncOpenAI | None = None
        # A path would be joined to the base URL at each call: three parsings of URLs instead of two.
        self._url = settings.openai_base_url.rstrip("/") + _PATH
        # Whatever is not said here is copied deeply from the client's defaults at each call, and each
        # header is converted five times on its way: together a fifth of the CPU of a call.
        self._options: openai.RequestOptions = {
            "headers": dict.fromkeys(_NEEDLESS_HEADERS, openai.omit),
            "params": {},
            "max_retries": 0,
            "timeout": httpx2.Timeout(settings.llm_timeout_seconds, connect=_CONNECT_SECONDS),
            "idempotency_key": "",
            "security": {"bearer_auth": True},
        }

    async def start(self) -> None:
        settings = self._settings
        limits = httpx2.Limits(
            max_connections=2 * settings.llm_max_concurrency, keepalive_expiry=_KEEPALIVE_SECONDS
        )
        timeout = httpx2.Timeout(settings.llm_timeout_seconds, connect=_CONNECT_SECONDS)
        self._client = openai.AsyncOpenAI(
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key.get_secret_value(),
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(limits=limits, timeout=timeout),
        )

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def answer(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [await self._ask(question) for question in questions]

    async def _ask(self, question: Question) -> Answer:
        assert self._client is not None, "start the answerer before asking"
        try:
            response = await self._client.post(
                self._url, cast_to=httpx2.Response, content=question.body, options=self._options
            )
        except openai.APIStatusError as error:
            raise _of_status(error) from error
        except openai.APITimeoutError as error:
            raise Passing("timeout", detail=str(error)) from error
        except openai.APIConnectionError as error:
            raise _of_connection(error) from error
        except (aiohttp.ClientError, httpx2.HTTPError) as error:
            raise Unusable("llm_malformed", f"the answer is not HTTP: {error!r}") from error
        floor = self._settings.llm_min_option_mass
        return answer_in(response.content, question.answers, floor, question.method)


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


def _of_status(error: openai.APIStatusError) -> NoAnswer:
    status = error.status_code
    detail = f"{status}: {error.message}"[:_MAX_DETAIL_CHARS]
    if status in _PASSING or status >= 500:
        kind = "rate_limited" if status == 429 else "server_error"
        return Passing(kind, seconds_to_wait(error.response.headers, time.time()), detail)
    return Refused(detail) if status in _REFUSED else Misconfigured(detail)


def _of_connection(error: openai.APIConnectionError) -> NoAnswer:
    # The transport has one name for a body that ends before its length: a read error.
    if isinstance(error.__cause__, httpx2.ReadError):
        return Unusable("llm_malformed", f"the answer was cut short: {error.__cause__}")
    return Passing("connection", detail=f"{error} {error.__cause__!r}"[:_MAX_DETAIL_CHARS])
