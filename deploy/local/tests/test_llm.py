"""The local LLM for real: it answers with log-probabilities, and ends when asked."""

import math
from pathlib import Path

import aiohttp
import pytest
from labelmill_local.llm import MODEL_NAME, LlmServer, LlmSettings
from labelmill_local.ports import accepts, free_port

pytestmark = pytest.mark.slow

REQUEST = {
    "model": MODEL_NAME,
    "messages": [
        {"role": "system", "content": "A. positive\nB. negative\nAnswer with one letter."},
        {"role": "user", "content": "I love this!\nAnswer:"},
    ],
    "max_tokens": 1,
    "temperature": 0,
    "logprobs": True,
    "top_logprobs": 20,
}


async def test_one_token_with_its_twenty_likeliest_alternatives(tmp_path: Path) -> None:
    port = free_port()
    llm = LlmServer(LlmSettings(port=port, threads=1, slots=2), tmp_path / "llm.log")
    await llm.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{llm.base_url}/models") as answer:
                assert [model["id"] for model in (await answer.json())["data"]] == [MODEL_NAME]
            first, second = [await ask(session, llm.base_url) for _ in range(2)]
    finally:
        await llm.stop()
    (position,) = first["choices"][0]["logprobs"]["content"]
    top = position["top_logprobs"]
    assert len(top) == 20
    assert [c["logprob"] for c in top] == sorted((c["logprob"] for c in top), reverse=True)
    assert sum(math.exp(c["logprob"]) for c in top) <= 1.0 + 1e-6
    assert {"A", "B"} <= {c["token"] for c in top}
    assert first["usage"]["completion_tokens"] == 1
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert not await accepts(port)


async def ask(session: aiohttp.ClientSession, base_url: str) -> dict:
    async with session.post(f"{base_url}/chat/completions", json=REQUEST) as answer:
        assert answer.status == 200
        return await answer.json()
