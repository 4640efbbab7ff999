"""Batches of the stub, through the openai package: their course, their files, and how they go wrong."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from labelmill_stubs.batches import ENDPOINT
from labelmill_stubs.finetune import DESK, make_app
from labelmill_stubs.jobs import Workshop
from openai.types import Batch


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest_asyncio.fixture
async def server(workshop: Workshop) -> AsyncIterator[TestServer]:
    async with TestServer(make_app(workshop)) as server:
        yield server


@pytest_asyncio.fixture
async def client(server: TestServer) -> AsyncIterator[openai.AsyncOpenAI]:
    url = str(server.make_url("/v1"))
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as opened:
        yield opened


def request(number: int, text: str = "a great day", **changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"{text}\nA. positive\nB. negative"}]
    body = {"model": "m", "temperature": 0, "logprobs": True, "top_logprobs": 4, "messages": messages}
    return {"custom_id": f"c{number}", "method": "POST", "url": ENDPOINT, "body": body, **changes}


async def create(client: openai.AsyncOpenAI, *requests: Any, **metadata: str) -> Batch:
    content = "".join(json.dumps(each) + "\n" for each in requests).encode()
    file = await client.files.create(file=("requests.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata=metadata
    )


async def ended(client: openai.AsyncOpenAI, batch: Batch) -> tuple[Batch, list[str]]:
    seen = [batch.status]
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        batch = await client.batches.retrieve(batch.id)
        if batch.status != seen[-1]:
            seen.append(batch.status)
    return batch, seen


async def lines(client: openai.AsyncOpenAI, file_id: str | None) -> dict[str, Any]:
    if file_id is None:
        return {}
    content = (await client.files.content(file_id)).text
    return {line["custom_id"]: line for line in map(json.loads, content.splitlines())}


async def test_a_batch_is_answered_as_live_calls_are(client: openai.AsyncOpenAI) -> None:
    batch = await create(client, request(1), request(2, "an awful day"), mark="x")
    batch, seen = await ended(client, batch)
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.metadata == {"mark": "x"}
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.error_file_id) == (2, 2, None)
    found = await lines(client, batch.output_file_id)
    said = {
        name: line["response"]["body"]["choices"][0]["message"]["content"] for name, line in found.items()
    }
    assert said == {"c1": "A", "c2": "B"}
    assert found["c1"]["response"]["body"]["choices"][0]["logprobs"]["content"][0]["top_logprobs"]


async def test_marked_requests_fail_alone(client: openai.AsyncOpenAI) -> None:
    texts = ["fine", "stub:refuse", "stub:fail", "stub:prose"]
    batch = await create(client, *(request(number, text) for number, text in enumerate(texts)))
    batch, _ = await ended(client, batch)
    good, bad = await lines(client, batch.output_file_id), await lines(client, batch.error_file_id)
    assert sorted(good) == ["c0", "c3"]
    assert {name: line["response"]["status_code"] for name, line in bad.items()} == {"c1": 400, "c2": 500}
    assert "tone" in good["c3"]["response"]["body"]["choices"][0]["message"]["content"]


async def test_an_expired_batch_is_half_done(client: openai.AsyncOpenAI, server: TestServer) -> None:
    server.app[DESK].expire_batches = 1
    batch, _ = await ended(client, await create(client, *(request(n) for n in range(4))))
    assert batch.status == "expired"
    assert len(await lines(client, batch.output_file_id)) == 2
    undone = await lines(client, batch.error_file_id)
    assert {line["error"]["code"] for line in undone.values()} == {"batch_expired"}
    again, _ = await ended(client, await create(client, request(9)))
    assert again.status == "completed"


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([request(1), request(1)], "custom_id"),
        ([request(1, url="/v1/embeddings")], "url"),
        ([request(1, body="x")], "body"),
        ([request(1), {**request(2), "body": {"model": "other"}}], "one model"),
        ([], "1 to 50000"),
    ],
)
async def test_what_is_wrong_with_a_file_fails_its_batch(
    client: openai.AsyncOpenAI, requests: list[Any], words: str
) -> None:
    batch, seen = await ended(client, await create(client, *requests))
    assert seen == ["validating", "failed"]
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert words in (batch.errors.data[0].message or "")


async def test_batches_are_listed_newest_first_and_doubles_counted(
    client: openai.AsyncOpenAI, server: TestServer
) -> None:
    first = await create(client, request(1))
    second = await client.batches.create(
        input_file_id=first.input_file_id, endpoint=ENDPOINT, completion_window="24h"
    )
    assert [batch.id async for batch in client.batches.list(limit=1)] == [second.id, first.id]
    await ended(client, first)
    await ended(client, second)
    stats = server.app[DESK].stats()
    assert (stats["batches"], stats["duplicate_batches"], stats["repaid_prompts"]) == (2, 1, 1)


async def test_what_the_api_refuses(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="extension"):
        await client.files.create(file=("requests.txt", b"{}"), purpose="batch")
    with pytest.raises(openai.NotFoundError):
        await client.batches.retrieve("batch_unknown")
    with pytest.raises(openai.NotFoundError):
        await client.batches.create(input_file_id="no", endpoint=ENDPOINT, completion_window="24h")
    batch = await client.batches.cancel((await create(client, request(1))).id)
    assert batch.status == "cancelled"
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(batch.id)
