"""The LLM's client: one try at one call, and what went wrong in the flow's words.

openai's client with its own aiohttp transport, asked for the raw response: its typed `create` costs
three times the CPU, which is most of what a call costs here. Its own retries are off, because waiting
is the flow's business: it must hold back the other calls as well.
"""

import time
from collections.abc import Sequence

import aiohttp
import httpx2
import openai

from autolabeler.completion import MAX_DETAIL_CHARS, answer_in, problem_of_status
from autolabeler.retry_after import seconds_to_wait
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Answer, NoAnswer, Passing, Question, Unusable

_PATH = "/chat/completions"
_CONNECT_SECONDS = 5.0
_KEEPALIVE_SECONDS = 30.0
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
        except openai.APIError as error:
            raise problem_of(error) from error
        except (aiohttp.ClientError, httpx2.HTTPError) as error:
            raise Unusable("llm_malformed", f"the answer is not HTTP: {error!r}") from error
        floor = self._settings.llm_min_option_mass
        return answer_in(response.content, question.answers, floor, question.method)


def problem_of(error: openai.APIError) -> NoAnswer:
    """Return what an error of the client's means for the flow."""
    if isinstance(error, openai.APIStatusError):
        wait = seconds_to_wait(error.response.headers, time.time())
        return problem_of_status(error.status_code, error.message, wait)
    if isinstance(error, openai.APITimeoutError):
        return Passing("timeout", detail=str(error))
    # The transport has one name for a body that ends before its length: a read error.
    if isinstance(error.__cause__, httpx2.ReadError):
        return Unusable("llm_malformed", f"the answer was cut short: {error.__cause__}")
    return Passing("connection", detail=f"{error} {error.__cause__!r}"[:MAX_DETAIL_CHARS])
