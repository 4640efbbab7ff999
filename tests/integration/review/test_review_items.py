"""Ingestion: what is acknowledged is in Kafka, and every bad line gets its reason."""

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from labelmill.events import EventDecoder, ItemIngested
from labelmill.topics import ITEMS
from labelmill_local.system import System

from .support import Review

pytestmark = pytest.mark.asyncio(loop_scope="session")


def line(number: int, content: str = "a text") -> bytes:
    return json.dumps({"item_id": f"i{number}", "content": content, "metadata": {"n": str(number)}}).encode()


async def test_items_arrive_once_however_often_they_are_sent(review: Review) -> None:
    body = b"\n".join(line(number) for number in range(3000)) + b"\n"
    first = (await review.ingest(body)).json()
    assert first == {"accepted": 3000, "duplicates": 0, "rejected_count": 0, "rejected": []}
    again = (await review.ingest(gzip.compress(body), **{"Content-Encoding": "gzip"})).json()
    assert (again["accepted"], again["duplicates"]) == (0, 3000)
    status = await review.until("items", 3000)
    assert status["items"] == 3000
    records = await review.read(ITEMS.name, 3000)
    assert len(records) == 3000
    event = EventDecoder(ItemIngested).decode(records[0].value)
    assert event.content == "a text"
    assert event.ingested_at > 0
    assert dict(records[0].headers)["traceparent"].startswith(b"00-")
    assert len({dict(record.headers)["traceparent"] for record in records}) == 3000
    assert len({record.partition for record in records}) == 8
    assert len(await review.read(ITEMS.name, 3000)) == 3000


async def test_every_bad_line_is_told_with_its_number(review: Review) -> None:
    lines = [
        line(1),
        b"{",
        b'{"item_id":"x"}',
        b'{"item_id":"x","content":"\xff"}',
        line(2, ""),
        b"",
        line(3, "x" * 2_000_000),
        line(4, "x" * 4_000_000),
        b'{"item_id":"","content":"a"}',
        json.dumps({"item_id": "nul", "content": "a\0b"}).encode(),
        b'{"item_id":"x","content":"a","label":"positive"}',
        b"[" * 100_000,
        line(1),
        line(1, "another text"),
        line(5),
    ]
    answer = (await review.ingest(b"\n".join(lines))).json()
    assert [(each["line"], each["reason"]) for each in answer["rejected"]] == [
        (2, "malformed_json"),
        (3, "invalid_item"),
        (4, "invalid_utf8"),
        (5, "content_empty"),
        (7, "content_too_large"),
        (8, "line_too_long"),
        (9, "invalid_item_id"),
        (10, "nul_character"),
        (11, "invalid_item"),
        (12, "invalid_item"),
        (14, "conflicting_duplicate"),
    ]
    assert (answer["accepted"], answer["duplicates"], answer["rejected_count"]) == (2, 1, 11)
    assert answer["rejected"][4]["item_id"] == "i3"
    many = (await review.ingest(b"\n".join([b"{"] * 250))).json()
    assert (many["rejected_count"], len(many["rejected"])) == (250, 100)


async def test_what_the_ledger_knows_is_a_duplicate_for_another_process(
    review: Review, system: System
) -> None:
    await review.ingest(b"\n".join(line(number) for number in range(20)))
    await review.until("items", 20)
    other = await system.add("review-api", argv=[sys.executable, "-m", "review_api", "http"])
    async with review.client(dict(review.admin.headers), other.url) as client:
        body = b"\n".join([*(line(number) for number in range(25)), line(3, "changed")])
        answer = (await client.post(f"/v1/projects/{review.project}/items", content=body)).json()
    assert (answer["accepted"], answer["duplicates"]) == (5, 20)
    assert [each["reason"] for each in answer["rejected"]] == ["conflicting_duplicate"]
    await other.process.stop()


async def test_requests_that_cannot_be_read_are_refused_as_a_whole(review: Review) -> None:
    refused = await review.admin.post("/v1/projects/nowhere/items", content=line(1))
    assert (refused.status_code, refused.json()["error"]) == (404, "unknown_project")
    refused = await review.ingest(line(1), **{"Content-Encoding": "br"})
    assert refused.status_code == 415
    for body in (b"not gzip", gzip.compress(line(1))[:-9]):
        refused = await review.ingest(body, **{"Content-Encoding": "gzip"})
        assert (refused.status_code, refused.json()["error"]) == (422, "invalid_encoding")
    joined = gzip.compress(line(1) + b"\n") + gzip.compress(line(2))
    taken = (await review.ingest(joined, **{"Content-Encoding": "gzip"})).json()
    assert taken["accepted"] + taken["duplicates"] == 2, "gzip files may be joined"


async def test_too_much_at_once_gets_429_and_a_stalled_request_408(review: Review, system: System) -> None:
    other = await system.add(
        "review-api",
        argv=[sys.executable, "-m", "review_api", "http"],
        env={"INGEST_CONCURRENCY": "1", "INGEST_IDLE_SECONDS": "6"},
    )
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield line(1) + b"\n"
        begun.set()
        await go_on.wait()
        yield line(2)

    path = f"/v1/projects/{review.project}/items"
    async with review.client(dict(review.admin.headers), other.url) as client:
        assert (await client.get("/v1/me")).status_code == 200  # from here on it knows who asks
        first = asyncio.create_task(client.post(path, content=slow()))
        await begun.wait()
        await asyncio.sleep(0.3)
        refused = await client.post(path, content=b"\n".join(line(n) for n in range(20_000)))
        assert (refused.status_code, refused.json()["error"]) == (429, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        go_on.set()
        assert (await first).json()["accepted"] == 2
        assert b" 408 " in await stalled_answer(client, path)
        assert (await client.post(path, content=line(9))).status_code == 200
    await other.process.stop()


async def stalled_answer(client: httpx.AsyncClient, path: str) -> bytes:
    """Send the head of a request and a part of its body; return the first line of the answer."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    token = client.headers["Authorization"]
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + line(3))
    await writer.drain()
    first = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    return first


async def test_lag_of_the_ledger_holds_ingestion_back(review: Review, system: System) -> None:
    await review.ingest(line(1))
    other = await system.add(
        "review-api",
        argv=[sys.executable, "-m", "review_api", "http"],
        env={"INGEST_MOST_LAG": "-1"},
    )
    path = f"/v1/projects/{review.project}/items"
    async with review.client(dict(review.admin.headers), other.url) as client:
        refused = await client.post(path, content=line(2))
        assert (refused.status_code, refused.json()["error"]) == (429, "overloaded")
    await other.process.stop()
