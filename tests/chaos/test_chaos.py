"""Everything is killed while items pass, and nothing may be lost, doubled or paid twice.

5,000 items go through a fast stub LLM. Meanwhile each service is killed with SIGKILL at random at least
five times, and Kafka and PostgreSQL are killed and started again once each.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest
from labelmill_local.ports import accepts, free_port
from labelmill_local.process import ChildProcess, Command
from labelmill_local.system import Running, System

ITEMS = 5_000
KILLS_EACH = 5
IN_FLIGHT = 32
LATENCY_MS = 50
SERVICES = ("autolabeler", "router", "review-api", "trainer")
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
    """What the killings may cost: the calls in flight at each kill of the autolabeler."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    in_flight: int = 0


def say(text: str) -> None:
    print(f"[chaos] {text}", file=sys.stderr, flush=True)


@asynccontextmanager
async def stub(folder: Path) -> AsyncIterator[str]:
    port = free_port()
    argv = [sys.executable, "-m", "labelmill_stubs.llm", "--port", str(port)]
    process = ChildProcess(
        Command("llm-stub", [*argv, "--latency-ms", str(LATENCY_MS)], folder / "logs" / "llm-stub.log")
    )
    await process.start(lambda: accepts(port))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await process.stop()


async def ingest(system: System) -> int:
    """Post the items in small requests, each again until it is acknowledged; return the tries it took."""
    tries = 0
    for first in range(0, ITEMS, 250):
        lines = [
            json.dumps({"item_id": f"i{number}", "content": f"what a day, number {number}"})
            for number in range(first, first + 250)
        ]
        while True:
            tries += 1
            try:
                async with system.review_client(timeout_s=20) as client:
                    answer = await client.post("/v1/projects/chaos/items", content="\n".join(lines))
                body = answer.json() if answer.status_code == 200 else {}
                if body.get("accepted", 0) + body.get("duplicates", 0) == 250:
                    break
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.5)
        await asyncio.sleep(0.4)
    return tries


async def kill_services(system: System, losses: Losses, dice: random.Random) -> None:
    """Kill the services in random order, each KILLS_EACH times."""
    victims = list(SERVICES) * KILLS_EACH
    dice.shuffle(victims)
    for victim in victims:
        running = next(each for each in system.services if each.service == victim)
        await asyncio.sleep(dice.uniform(0.5, 2.0))
        await up(running)
        if victim == "autolabeler":
            losses.in_flight += IN_FLIGHT
        await running.process.kill()
        losses.kills[victim] += 1
        say(f"killed {victim} ({losses.kills[victim]} of {KILLS_EACH})")


async def up(running: Running) -> None:
    """Wait until the service is up again, so that the next kill hits it at work."""
    while not await running.ready():
        await asyncio.sleep(0.1)


async def kill_backends(system: System, dice: random.Random) -> None:
    for backend in (system.backends.postgres, system.backends.kafka):
        await asyncio.sleep(dice.uniform(8, 12))
        name = type(backend).__name__
        await backend.kill()
        say(f"killed {name}")
        await backend.start()
        say(f"{name} is back")


async def decide_all(system: System, stop: asyncio.Event) -> None:
    """A reviewer who answers every task with its first label, through the HTTP API, come what may."""
    while not stop.is_set():
        try:
            async with system.review_client(timeout_s=10) as client:
                await _decide_some(client)
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            await asyncio.sleep(0.3)


async def _decide_some(client: httpx.AsyncClient) -> None:
    claimed = (await client.post("/v1/projects/chaos/tasks/claim", json={"count": 10})).json()["tasks"]
    for task in claimed:
        await client.post(
            f"/v1/tasks/{task['task_id']}/decision", json={"lease": task["lease"], "label": "positive"}
        )
    if not claimed:
        await asyncio.sleep(0.3)


async def final_labels(system: System) -> int:
    try:
        connection = await asyncpg.connect(system.backends.postgres.admin_dsn, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return 0
    try:
        return int(await connection.fetchval("SELECT count(*) FROM review.final_labels") or 0)
    finally:
        await connection.close()


async def until_all_final(system: System, limit_s: float) -> None:
    said = -1
    for _ in range(int(limit_s)):
        count = await final_labels(system)
        if count >= ITEMS:
            return
        if count // 500 != said:
            said = count // 500
            say(f"{count} of {ITEMS} final labels")
        await asyncio.sleep(1)
    pytest.fail(f"after {limit_s:.0f} s there are {await final_labels(system)} of {ITEMS} final labels")


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
    async with stub(tmp_path) as url, System(tmp_path) as system:
        env = {
            "autolabeler": {
                "OPENAI_BASE_URL": f"{url}/v1",
                "OPENAI_API_KEY": "stub",
                "LLM_MAX_CONCURRENCY": str(IN_FLIGHT),
            },
            # A claim whose answer died with the service is offered again when its lease has run out.
            "review-api": {"LEASE_SECONDS": "15"},
        }
        for service in ("review-api", "autolabeler", "router", "trainer"):
            await system.add(service, env=env.get(service), restart_on_exit=True)
        async with system.review_client() as client:
            (await client.put("/v1/projects/chaos", content=PROJECT)).raise_for_status()
        stop = asyncio.Event()
        reviewer = asyncio.create_task(decide_all(system, stop))
        tries, *_ = await asyncio.gather(
            ingest(system), kill_services(system, losses, dice), kill_backends(system, dice)
        )
        say(f"all killing done; ingestion took {tries} requests for {ITEMS // 250}")
        await until_all_final(system, 180)
        await settle(system)
        stop.set()
        await reviewer
        await check_ledger(system)
        async with httpx.AsyncClient() as client:
            stats = (await client.get(f"{url}/stats")).json()
    say(f"stub: {stats}; allowed {ITEMS} + {losses.in_flight} calls")
    assert min(losses.kills.values()) >= KILLS_EACH
    assert stats["calls"] <= ITEMS + losses.in_flight
