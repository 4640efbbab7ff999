"""The LLM's client against a real HTTP server: every answer and failure in the flow's words."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from aiohttp import web
from autolabeler.completion import answer_in
from autolabeler.llm import LlmAnswerer
from autolabeler.plan import plan_of
from autolabeler.prompt import encode_text
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Answer, Misconfigured, Passing, Question, Refused, Unusable
from labelmill.events import ProjectPublished

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GOOD = {
    "choices": [
        {
            "message": {"content": "B"},
            "logprobs": {
                "content": [
                    {
                        "token": "B",
                        "logprob": -0.1,
                        "top_logprobs": [
                            {"token": "B", "logprob": -0.22314355, "bytes": [66]},
                            {"token": " A", "logprob": -1.60943791, "bytes": None},
                        ],
                    }
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 42, "completion_tokens": 1},
}


@pytest.fixture
async def server() -> AsyncIterator[Callable[[Handler], Awaitable[LlmAnswerer]]]:
    closing: list[Callable[[], Awaitable[None]]] = []

    async def serve(handler: Handler, **fields: object) -> LlmAnswerer:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        settings = AutolabelerSettings(openai_base_url=f"http://127.0.0.1:{port}/v1", **fields)  # type: ignore[arg-type]
        client = LlmAnswerer(settings)
        await client.start()
        closing.extend([runner.cleanup, client.stop])
        return client

    yield serve
    for close in reversed(closing):
        await close()


@pytest.fixture
def question(make_project: Callable[..., ProjectPublished]) -> Question:
    return plan_of(make_project(), None).llm[0].templates[0].question(encode_text("hello"))


async def test_asks_with_the_body_as_it_is_and_reads_the_answer(server, question) -> None:  # type: ignore[no-untyped-def]
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.headers["Authorization"], request.content_type))
        return web.json_response(GOOD)

    client = await server(handler, openai_api_key="secret")
    (answer,) = await client.answer([question])
    assert answer == Answer((0.2, 0.8, 0.0), 42, 1)
    assert seen == [(question.body, "Bearer secret", "application/json")]


def with_status(status: int, headers: dict[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no"}}, status=status, headers=headers)

    return handler


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait"),
    [
        (429, {"Retry-After": "7"}, "rate_limited", 7.0),
        (429, {}, "rate_limited", None),
        (500, {}, "server_error", None),
        (503, {"Retry-After": "2"}, "server_error", 2.0),
        (408, {}, "server_error", None),
    ],
)
async def test_statuses_that_pass(server, question, status, headers, kind, wait) -> None:  # type: ignore[no-untyped-def]
    client = await server(with_status(status, headers))
    with pytest.raises(Passing) as error:
        await client.answer([question])
    assert (error.value.kind, error.value.wait) == (kind, wait)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_statuses_that_refuse_the_prompt(server, question, status) -> None:  # type: ignore[no-untyped-def]
    client = await server(with_status(status))
    with pytest.raises(Refused, match=str(status)):
        await client.answer([question])


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
async def test_statuses_that_refuse_every_prompt(server, question, status) -> None:  # type: ignore[no-untyped-def]
    client = await server(with_status(status))
    with pytest.raises(Misconfigured, match=str(status)):
        await client.answer([question])


async def test_a_body_cut_short_is_malformed(server, question) -> None:  # type: ignore[no-untyped-def]
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    client = await server(handler)
    with pytest.raises(Unusable) as error:
        await client.answer([question])
    assert error.value.reason == "llm_malformed"


async def test_a_silent_server_times_out(server, question) -> None:  # type: ignore[no-untyped-def]
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    client = await server(handler, llm_timeout_seconds=0.1)
    with pytest.raises(Passing, match="timeout"):
        await client.answer([question])


async def test_no_server_is_a_connection_that_passes(question) -> None:  # type: ignore[no-untyped-def]
    client = LlmAnswerer(AutolabelerSettings(openai_base_url="http://127.0.0.1:9/v1"))
    await client.start()
    try:
        with pytest.raises(Passing) as error:
            await client.answer([question])
        assert error.value.kind in {"connection", "timeout"}
    finally:
        await client.stop()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>bad gateway</html>", "llm_malformed"),
        (b"\xff\xfe", "llm_malformed"),
        (b'{"choices": []}', "llm_malformed"),
        (b'{"object": "error"}', "llm_malformed"),
        (b'{"choices": [{"message": {"content": "A"}, "logprobs": null}]}', "llm_no_logprobs"),
        (b'{"choices": [{"logprobs": {"content": []}}]}', "llm_no_logprobs"),
        (b'{"choices": [{"logprobs": {"content": [{"token": "A", "logprob": 0}]}}]}', "llm_no_logprobs"),
        (
            b'{"choices": [{"logprobs": {"content": [{"top_logprobs": [{"token": "No", "logprob": 0}]}]}}]}',
            "llm_prose",
        ),
    ],
)
def test_bodies_of_no_use(body: bytes, reason: str) -> None:
    with pytest.raises(Unusable) as error:
        answer_in(body, ("A", "B"), 0.05)
    assert error.value.reason == reason


def test_a_body_without_usage_costs_nothing() -> None:
    body = msgspec.json.encode({"choices": GOOD["choices"]})
    assert answer_in(body, ("A", "B"), 0.05) == Answer((0.2, 0.8), 0, 0)
