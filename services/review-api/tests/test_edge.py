"""What a stranger can send, and how often: on the real application, with no database behind it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from labelmill.runtime.metrics import Metrics
from review_api.accounts import api as accounts_api
from review_api.accounts.access import Access
from review_api.accounts.cookies import session_cookie
from review_api.accounts.door import Door
from review_api.accounts.throttle import Throttle
from review_api.app import build
from review_api.http import MOST_BODY_BYTES, install_error_answers
from review_api.settings import ReviewSettings


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://review")


class Endless:
    """A body without a declared length, which counts what was asked for."""

    def __init__(self) -> None:
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.sent < 64 * MOST_BODY_BYTES:
            self.sent += 65536
            yield b" " * 65536


async def test_a_long_body_is_refused_before_it_is_read() -> None:
    async with client_of(build(ReviewSettings(), ["http"]).app) as client:
        declared = await client.post("/v1/login", content=b" " * (MOST_BODY_BYTES + 1))
        body = Endless()
        undeclared = await client.post("/v1/login", content=body)
    for refused in (declared, undeclared):
        assert (refused.status_code, refused.json()["error"]) == (413, "body_too_large")
        assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert body.sent <= MOST_BODY_BYTES + 65536


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/projects/p/items"), ("PUT", "/v1/projects/p"), ("GET", "/v1/me")]
)
async def test_streams_have_limits_of_their_own(method: str, path: str) -> None:
    async with client_of(build(ReviewSettings(), ["http"]).app) as client:
        answer = await client.request(method, path, content=b" " * (MOST_BODY_BYTES + 1))
    assert answer.status_code == 401, "who sends it is asked first, and nothing is read for that"


class Nobody:
    """An account store that knows no account."""

    async def password_hash(self, name: str) -> None:
        return None


class SlowPasswords:
    """Hashing that takes its time, and counts."""

    def __init__(self) -> None:
        self.hashed = 0

    async def matches(self, stored: str | None, password: str) -> bool:
        self.hashed += 1
        await asyncio.sleep(0.01)
        return False


async def test_guessing_many_passwords_at_once_gets_no_further_than_one_by_one() -> None:
    app, passwords, settings = FastAPI(), SlowPasswords(), ReviewSettings(login_attempts=5)
    store: Any = Nobody()
    cookie = session_cookie(settings)
    access = Access(store, cookie, Throttle(Metrics(), settings), cache_seconds=1.0)
    door = Door(store, access, cookie, settings)
    app.include_router(accounts_api.router(store, access, passwords, door))  # type: ignore[arg-type]
    install_error_answers(app)
    async with client_of(app) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/login", json={"name": "ada", "password": f"guess {n}"}) for n in range(200))
        )
    assert Counter(each.status_code for each in answers) == {401: 5, 429: 195}
    assert passwords.hashed == 5
