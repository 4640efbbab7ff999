"""The LLM stub over HTTP: with bare aiohttp, and with the openai package as a client has it."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import openai
import pytest
from labelmill_stubs.process import running

Launch = Callable[..., Awaitable[str]]

SYSTEM = "Decide how the writer feels.\n\nA. positive\nB. negative\n\nAnswer with one letter."


def ask(item: str, **changes: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": item}]
    asked = {"model": "m", "messages": messages, "max_tokens": 1, "temperature": 0}
    return {**asked, "logprobs": True, "top_logprobs": 20, **changes}


async def call(
    url: str, item: str = "a good day", **changes: Any
) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json=ask(item, **changes)) as answer,
    ):
        return answer.status, await answer.json(), dict(answer.headers)


async def post(url: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.post(url + path, json=body) as answer:
        return answer.status, await answer.json()


async def stats(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/stats") as answer:
        read: dict[str, Any] = await answer.json()
        return read


async def test_answers_a_letter_with_a_distribution(launch: Launch) -> None:
    status, body, _ = await call(await launch(mode="keyword"))
    assert status == 200
    choice = body["choices"][0]
    assert choice["message"]["content"] == "A"
    first = choice["logprobs"]["content"][0]
    tops = {top["token"]: top["logprob"] for top in first["top_logprobs"]}
    assert first["token"] == "A"
    assert tops["A"] == first["logprob"] == max(tops.values())
    assert tops["B"] < tops["A"]
    assert len(tops) <= 20
    assert 0.95 < sum(math.exp(value) for value in tops.values()) <= 1.02
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 1


async def test_logprobs_come_only_when_asked(launch: Launch) -> None:
    _, body, _ = await call(await launch(), logprobs=False, top_logprobs=None)
    assert body["choices"][0]["logprobs"] is None


async def test_samples_follow_the_seed(launch: Launch) -> None:
    url = await launch(mode="keyword")
    letters = [(await call(url, "red", temperature=1.0, seed=seed))[1] for seed in (*range(12), *range(12))]
    answers = [body["choices"][0]["message"]["content"] for body in letters]
    assert answers[:12] == answers[12:]
    assert set(answers) == {"A", "B"}


async def test_the_openai_package_reads_it(launch: Launch) -> None:
    url = await launch()
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        answer = await client.chat.completions.create(**ask("hello"))
        assert answer.choices[0].message.content in {"A", "B"}
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.content is not None
        assert len(logprobs.content[0].top_logprobs) >= 15
        assert [model.id async for model in client.models.list()] == ["stub-model"]


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("truncated", openai.APIConnectionError),
    ],
)
async def test_faults_reach_the_openai_package_as_its_own_errors(
    launch: Launch, mode: str, error: type[Exception]
) -> None:
    url = await launch(mode=mode)
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(error):
            await client.chat.completions.create(**ask("hello"))


async def test_rate_limit_says_when_to_come_back(launch: Launch) -> None:
    status, body, headers = await call(await launch(mode="429", retry_after_s=2.5))
    assert (status, headers["Retry-After"]) == (429, "2.5")
    assert body["error"]["code"] == "rate_limit_exceeded"


async def test_prose_has_no_letter(launch: Launch) -> None:
    _, body, _ = await call(await launch(mode="prose"))
    choice = body["choices"][0]
    assert len(choice["message"]["content"]) > 50
    tops = {top["token"].strip() for token in choice["logprobs"]["content"] for top in token["top_logprobs"]}
    assert not tops & set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


async def test_no_logprobs_still_answers(launch: Launch) -> None:
    _, body, _ = await call(await launch(mode="no_logprobs"))
    assert body["choices"][0]["logprobs"] is None
    assert body["choices"][0]["message"]["content"] in {"A", "B"}


async def test_garbage_is_not_json(launch: Launch) -> None:
    with pytest.raises((aiohttp.ContentTypeError, ValueError)):
        await call(await launch(mode="garbage"))


async def test_truncated_closes_within_the_body(launch: Launch) -> None:
    url = await launch(mode="truncated")
    with pytest.raises(aiohttp.ClientPayloadError):
        await call(url)
    assert (await stats(url))["broken"] == 1


async def test_hang_never_answers_and_counts_who_left(launch: Launch) -> None:
    url = await launch(mode="hang")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(url), timeout=0.2)
    async with asyncio.timeout(20):
        while not (counted := await stats(url))["abandoned"]:
            await asyncio.sleep(0.01)
    assert (counted["abandoned"], counted["in_flight"], counted["answered"]) == (1, 0, 0)


async def test_slow_takes_its_own_time(launch: Launch) -> None:
    url = await launch(mode="slow", slow_ms=250.0)
    started = asyncio.get_running_loop().time()
    await call(url)
    assert asyncio.get_running_loop().time() - started >= 0.25


async def test_control_changes_a_running_stub(launch: Launch) -> None:
    url = await launch()
    assert (await post(url, "/control", {"mode": "500", "for_s": 2.0}))[0] == 200
    assert (await call(url))[0] == 500
    async with asyncio.timeout(20):
        while (await call(url))[0] != 200:
            await asyncio.sleep(0.1)
    assert (await post(url, "/control", {"mode": "nonsense"}))[0] == 400
    assert (await post(url, "/control", {"mode": "500", "share": 2}))[0] == 400
    assert (await post(url, "/control", {"latency_ms": 0, "reset_stats": True}))[1]["calls"] == 0


async def test_stats_tell_what_was_paid_twice(launch: Launch) -> None:
    url = await launch(mode="429")
    await call(url, "one")
    await post(url, "/control", {"mode": "normal"})
    for item in ("one", "two", "two", "three"):
        await call(url, item)
    counted = await stats(url)
    assert counted["calls"] == 5
    assert counted["distinct_prompts"] == 3
    assert counted["repeated_prompts"] == 2
    assert counted["paid_prompts"] == 3
    assert counted["repaid_prompts"] == 1
    assert counted["by_mode"] == {"429": 1, "normal": 4}
    assert counted["completion_tokens"] == 4


async def test_many_calls_share_connections_and_are_counted(launch: Launch) -> None:
    url = await launch(latency_ms=50.0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as session:

        async def one(number: int) -> int:
            async with session.post(f"{url}/v1/chat/completions", json=ask(f"item {number}")) as answer:
                await answer.read()
                return answer.status

        assert set(await asyncio.gather(*(one(number) for number in range(100)))) == {200}
    assert (await stats(url))["max_in_flight"] == 20


async def test_pipelined_requests_are_answered_in_order(launch: Launch) -> None:
    url = await launch()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.index("200 OK") < answer.index("404 Not Found")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "m"}, 400),
        ({"model": "m", "messages": []}, 400),
        ({"model": "m", "messages": "no"}, 400),
        (ask("x", stream=True), 400),
        (ask("x", top_logprobs=21), 400),
        (ask("x", logprobs=False), 400),
    ],
)
async def test_bad_requests_are_refused_in_the_apis_shape(launch: Launch, body: Any, status: int) -> None:
    answered, error = await post(await launch(), "/v1/chat/completions", body)
    assert answered == status
    assert error["error"]["type"] == "invalid_request_error"


async def test_wrong_paths_methods_and_bytes(launch: Launch) -> None:
    url = await launch()
    assert (await post(url, "/v1/unknown", {}))[0] == 404
    assert (await post(url, "/stats", {}))[0] == 405
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(b"\x00\x01 nonsense\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


def test_runs_as_its_own_process() -> None:
    with running("llm", "--latency-ms", "1") as stub:
        assert stub.control(mode="prose")["now"]["over"] == "prose"
        assert stub.stats()["calls"] == 0
