"""Everything is killed while items pass, and nothing may be lost, doubled or paid twice.

5,000 items go through a fast stub LLM, in slices. Upon each slice two parts are killed with SIGKILL in the
middle of their work: each service five times, and Kafka and PostgreSQL once each, in random order.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from labelmill_local.ports import accepts, free_port
from labelmill_local.process import ChildProcess, Command
from labelmill_local.system import Running, System

ITEMS = 5_000
KILLS_EACH = 5
IN_FLIGHT = 32
LATENCY_MS = 100
SERVICES = ("autolabeler", "router", "review-api", "trainer")
BACKENDS = ("kafka", "postgres")
VICTIMS = [*SERVICES * KILLS_EACH, *BACKENDS]
PROJECT = """
project: chaos
title: Chaos
labels: [{name: positive}, {name: negative}]
guideline: Decide whether the writer feels good or bad.
voters: [{name: llm, type: llm, model: stub}]
policy: {accept_threshold: 0.7, cold_start_threshold: 0.7, audit_rate: 0.05}
"""


@dataclass
class Losses:
    """What was killed, and what it may cost."""

    kills: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    """LLM calls in flight at the kills of the autolabeler."""


def say(text: str) -> None:
    print(f"[chaos] {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Stub:
    """The stand-in for the LLM."""

    url: str

    async def stats(self) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=20) as client:
            stats: dict[str, Any] = (await client.get(f"{self.url}/stats")).json()
            return stats


@asynccontextmanager
async def llm_stub(folder: Path) -> AsyncIterator[Stub]:
    port = free_port()
    argv = [sys.executable, "-m", "labelmill_stubs.llm", "--port", str(port)]
    process = ChildProcess(
        Command("llm-stub", [*argv, "--latency-ms", str(LATENCY_MS)], folder / "logs" / "llm-stub.log")
    )
    await process.start(lambda: accepts(port))
    try:
        yield Stub(f"http://127.0.0.1:{port}")
    finally:
        await process.stop()


def draw(dice: random.Random) -> Iterator[tuple[range, list[str]]]:
    """Cut the items into slices of nearly the same size, and draw the two that are killed upon each."""
    order = dice.sample(VICTIMS, len(VICTIMS))
    while any(one == other for one, other in zip(order[::2], order[1::2], strict=True)):
        dice.shuffle(order)
    pairs = [order[at : at + 2] for at in range(0, len(order), 2)]
    ends = [ITEMS * number // len(pairs) for number in range(len(pairs) + 1)]
    slices = [range(first, end) for first, end in pairwise(ends)]
    return zip(slices, pairs, strict=True)


async def ingest(system: System, numbers: range) -> None:
    """Post items until they are acknowledged, all of them, however often it takes."""
    lines = [
        json.dumps({"item_id": f"i{number}", "content": f"what a day, number {number}"}) for number in numbers
    ]
    while True:
        try:
            async with system.review_client(timeout_s=20) as client:
                answer = await client.post("/v1/projects/chaos/items", content="\n".join(lines))
            body = answer.json() if answer.status_code == 200 else {}
            if body.get("accepted", 0) + body.get("duplicates", 0) == len(lines):
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.2)


async def kill_all(system: System, stub: Stub, losses: Losses, dice: random.Random) -> None:
    """Kill everything in random order, each time with a fresh slice of the items under way."""
    for numbers, victims in draw(dice):
        await until_at_work(system, victims, numbers, losses)
        left = numbers.stop - await count(system, "review.final_labels")
        say(f"killing {' and '.join(victims)} with {left} items under way")
        assert left > 0, "all was done before the kill: it tested nothing"
        kills = [kill(system, victim, dice.uniform(0.0, 0.2)) for victim in victims]
        await asyncio.gather(*kills)
        losses.kills.update(victims)
        if "autolabeler" in victims:
            losses.calls += await lost_calls(system, stub, losses.calls)


async def until_at_work(system: System, victims: Sequence[str], numbers: range, losses: Losses) -> None:
    """Ingest a slice and return once the services among the victims handle what comes of it."""
    services = [service(system, victim) for victim in victims if victim not in BACKENDS]
    async with asyncio.timeout(90):
        for each in services:
            while not await each.ready() or (losses.kills[each.service] and not await in_its_group(each)):
                await asyncio.sleep(0.05)
        before = [await each.metric("labelmill_records_total") for each in services]
        await ingest(system, numbers)
        for each, handled in zip(services, before, strict=True):
            while await each.metric("labelmill_records_total") <= handled:
                await asyncio.sleep(0.02)


async def in_its_group(running: Running) -> bool:
    """Return whether Kafka has let the process in, which it does once it has given up the killed one."""
    return bool(await running.samples("labelmill_consumer_lag_records"))


async def kill(system: System, victim: str, after_s: float) -> None:
    await asyncio.sleep(after_s)
    if victim in BACKENDS:
        backend = getattr(system.backends, victim)
        await backend.kill()
        await backend.start()
    else:
        await service(system, victim).process.kill()


def service(system: System, name: str) -> Running:
    return next(each for each in system.services if each.service == name)


async def lost_calls(system: System, stub: Stub, lost_before: int) -> int:
    """Return how many LLM calls the autolabeler had in flight when it was killed.

    In flight is a call from its beginning until its vote is stored: all calls but those whose votes are
    there, and those that were lost before.
    """
    while (stats := await stub.stats())["in_flight"]:
        await asyncio.sleep(0.01)
    lost = int(stats["calls"]) - await count(system, "autolabeler.vote_cache") - lost_before
    assert 0 <= lost <= IN_FLIGHT, f"{lost} calls were lost at once: more than may be in flight"
    return lost


async def decide_all(system: System, stop: asyncio.Event) -> None:
    """A reviewer who answers every task with its first label, through the HTTP API, come what may."""
    while not stop.is_set():
        try:
            async with system.review_client(timeout_s=10) as client:
                await _decide_some(client)
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            await asyncio.sleep(0.3)


@asynccontextmanager
async def reviewing(system: System) -> AsyncIterator[None]:
    """Have the reviewer at work for the time of the block."""
    stop = asyncio.Event()
    reviewer = asyncio.create_task(decide_all(system, stop))
    try:
        yield
    finally:
        stop.set()
        await reviewer


async def _decide_some(client: httpx.AsyncClient) -> None:
    claimed = (await client.post("/v1/projects/chaos/tasks/claim", json={"count": 10})).json()["tasks"]
    for task in claimed:
        await client.post(
            f"/v1/tasks/{task['task_id']}/decision", json={"lease": task["lease"], "label": "positive"}
        )
    if not claimed:
        await asyncio.sleep(0.3)


async def count(system: System, table: str) -> int:
    async with asyncio.timeout(30):
        while True:
            try:
                connection = await asyncpg.connect(system.backends.postgres.admin_dsn, timeout=5)
                break
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.2)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()


async def until_all_final(system: System, limit_s: float) -> None:
    said = -1
    for _ in range(int(limit_s)):
        final = await count(system, "review.final_labels")
        if final >= ITEMS:
            return
        if final // 500 != said:
            said = final // 500
            say(f"{final} of {ITEMS} final labels")
        await asyncio.sleep(1)
    pytest.fail(f"after {limit_s:.0f} s there are {final} of {ITEMS} final labels")


async def check_ledger(system: System) -> None:
    connection = await asyncpg.connect(system.backends.postgres.admin_dsn)
    try:
        counts = await connection.fetchrow(
            """
            SELECT (SELECT count(*) FROM review.items) AS items,
                   (SELECT count(*) FROM review.final_labels) AS finals,
                   (SELECT count(DISTINCT item_id) FROM review.final_labels) AS labelled,
                   (SELECT count(*) FROM review.routes) AS routes,
                   (SELECT count(*) FROM review.outbox) AS unsent,
                   (SELECT count(DISTINCT item_id) FROM review.decisions) AS decided,
                   (SELECT count(*) FROM trainer.decisions) AS learned
            """
        )
    finally:
        await connection.close()
    assert counts is not None
    say(f"ledger: {dict(counts)}")
    assert counts["items"] == counts["finals"] == counts["labelled"] == counts["routes"] == ITEMS
    assert counts["decided"] > 0, "no task reached the reviewer: the run tested too little"
    assert counts["unsent"] == 0, "decisions are stuck in the outbox"
    assert counts["learned"] == counts["decided"], "a decision was lost between review-api and trainer"


async def settle(system: System) -> None:
    """Wait until the decisions have left the outbox and the trainer has stored them."""
    connection = await asyncpg.connect(system.backends.postgres.admin_dsn)
    query = """
        SELECT (SELECT count(*) FROM review.outbox)
             + (SELECT count(DISTINCT item_id) FROM review.decisions)
             - (SELECT count(*) FROM trainer.decisions)
    """
    try:
        for _ in range(60):
            if await connection.fetchval(query) == 0:
                return
            await asyncio.sleep(1)
    finally:
        await connection.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nothing_is_lost_doubled_or_paid_twice(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(1_000_000)))
    say(f"seed {seed} (set CHAOS_SEED to repeat)")
    dice = random.Random(seed)
    losses = Losses()
    async with llm_stub(tmp_path) as stub, System(tmp_path) as system:
        env = {
            "autolabeler": {
                "OPENAI_BASE_URL": f"{stub.url}/v1",
                "OPENAI_API_KEY": "stub",
                "LLM_MAX_CONCURRENCY": str(IN_FLIGHT),
            },
            # A claim whose answer died with the service is offered again when its lease has run out.
            "review-api": {"LEASE_SECONDS": "15"},
        }
        for name in ("review-api", "autolabeler", "router", "trainer"):
            await system.add(name, env=env.get(name), restart_on_exit=True)
        async with system.review_client() as client:
            (await client.put("/v1/projects/chaos", content=PROJECT)).raise_for_status()
        async with reviewing(system):
            await kill_all(system, stub, losses, dice)
            say("all killing done")
            await until_all_final(system, 180)
            await settle(system)
        await check_ledger(system)
        stats = await stub.stats()
        restarts = {each.service: each.process.restarts for each in system.services}
    say(f"stub: {stats}; allowed {ITEMS} + {losses.calls} calls; restarts {restarts}")
    assert losses.kills == Counter(VICTIMS)
    assert restarts == dict.fromkeys(SERVICES, KILLS_EACH), "none ends but by being killed"
    assert stats["paid_prompts"] == ITEMS
    assert stats["calls"] <= ITEMS + losses.calls
