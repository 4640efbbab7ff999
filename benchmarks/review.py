"""Review work over HTTP: a claim and its decision, with 10,000, 100,000 and 1,000,000 open tasks.

One review-api process does all its jobs, as an operator would run it, on real Kafka and PostgreSQL; the 32
reviewers have a process of their own and a connection each. Decisions are on disk before they are answered.
It is measured in two ways, which take turns at each size:

- **at a pace**: 32 people at work, each making four decisions a second, more than a person can, 128 a second
  together. The time of a pair counts from when it was due, however long the ones before it took. This gives
  the latency that reviewers meet (`p50_ms`, `p99_ms`). It begins once the events of what was decided before
  have left: at this pace nothing piles up.
- **full load**: 32 loops without a pause; who has an answer claims the next task at once. This gives the
  decisions a second, and the latency where two cores have no more to give: on average 32 over that rate.

The latency of a pair is from sending the claim to the answer to the decision: two requests. What is decided
in a turn is filled up before the next, so that the queue keeps its length. All sizes are measured twice, from
an empty system each time: a machine that slows down meanwhile is not taken for a queue that became longer.
"""

import asyncio
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from labelmill.runtime.postgres import Database
from labelmill_local.system import System

from benchmarks.load import PROJECT, apply_project
from benchmarks.open_tasks import add_tasks, review_database
from benchmarks.results import Table
from benchmarks.reviewers import Spec

SIZES = (10_000, 100_000, 1_000_000)
REVIEWERS = 32
EVERY_S = 0.25
ROUNDS, TURNS, CLOSED_PAIRS, PACED_PAIRS, WARM_UP = 2, 2, 4_000, 2_560, 2_000
_VACUUMING: Final = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')"
LABEL_STUDIO: Final = (5.0, 14.0)
"""Decisions a second of Label Studio 1.23.2 on PostgreSQL on such a machine, as issue 5 reports them."""


async def run(folder: Path) -> Table:
    """Return a row for each size."""
    measured = {size: _Measured() for size in SIZES}
    for number in range(ROUNDS):
        await _round(folder / str(number), measured)
    rows = [measured[size].row(size) for size in SIZES]
    growth = {
        f"{name}_growth": round(rows[-1][name] / rows[0][name], 2) for name in ("p99_ms", "full_load_p99_ms")
    }
    slowest = min(row["decisions_per_s"] for row in rows)
    ratios = {
        "times_label_studio_at_least": round(slowest / LABEL_STUDIO[1], 1),
        "times_label_studio_at_most": round(slowest / LABEL_STUDIO[0], 1),
    }
    settings = {"reviewers": REVIEWERS, "paced_decisions_per_s": REVIEWERS / EVERY_S}
    return Table(rows, {**settings, **growth, **ratios})


async def _round(folder: Path, measured: Mapping[int, "_Measured"]) -> None:
    """Measure every size, the shortest queue first."""
    folder.mkdir(mode=0o755)
    async with System(folder) as system:
        await system.add("review-api")
        await apply_project(system)
        tokens = await _reviewers(system)
        async with review_database(system) as database:
            bench = _Bench(system, database, tokens)
            for size in SIZES:
                await bench.measure(size, measured[size])


async def _reviewers(system: System) -> list[str]:
    """Make the accounts; return their tokens."""
    tokens = []
    async with system.review_client() as admin:
        for number in range(REVIEWERS):
            account = {"name": f"reviewer{number}", "roles": ["reviewer"]}
            (await admin.post("/v1/accounts", json=account)).raise_for_status()
            made = await admin.post(f"/v1/accounts/reviewer{number}/tokens", json={"label": "bench"})
            tokens.append(made.raise_for_status().json()["token"])
    return tokens


@dataclass
class _Turns:
    """What was measured in one way of working, in seconds; `client_cpu` is the reviewers' own."""

    pairs: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    client_cpu: float = 0.0

    def add(self, measured: dict[str, Any]) -> None:
        for name in ("pairs", "claims", "submits"):
            getattr(self, name).extend(measured[name])
        self.rates.append(len(measured["pairs"]) / measured["seconds"])
        self.client_cpu += measured["client_cpu"]


@dataclass
class _Measured:
    """What was measured with one length of the queue, in all turns; `server_cpu` of those at full load."""

    closed: _Turns = field(default_factory=_Turns)
    paced: _Turns = field(default_factory=_Turns)
    server_cpu: float = 0.0

    def row(self, size: int) -> dict[str, float]:
        return {
            "open_tasks": size,
            "p50_ms": _ms(self.paced.pairs, 0.5),
            "p99_ms": _ms(self.paced.pairs, 0.99),
            "decisions_per_s": round(statistics.median(self.closed.rates), 1),
            "claim_p99_ms": _ms(self.paced.claims, 0.99),
            "submit_p99_ms": _ms(self.paced.submits, 0.99),
            "full_load_p50_ms": _ms(self.closed.pairs, 0.5),
            "full_load_p99_ms": _ms(self.closed.pairs, 0.99),
            "client_us_a_pair": round(1e6 * self.closed.client_cpu / len(self.closed.pairs)),
            "server_us_a_pair": round(1e6 * self.server_cpu / len(self.closed.pairs)),
        }


@dataclass
class _Bench:
    system: System
    database: Database
    tokens: Sequence[str]
    _made: int = 0
    _open: int = 0

    async def measure(self, size: int, measured: _Measured) -> None:
        """Fill the queue up to `size` open tasks, and measure."""
        await self._fill(size)
        await self._settle()
        await self._work(WARM_UP, 0.0)
        for _ in range(TURNS):
            await self._fill(size)
            before = self._server_cpu()
            measured.closed.add(await self._work(CLOSED_PAIRS, 0.0))
            measured.server_cpu += self._server_cpu() - before
            await self._fill(size)
            await self._all_sent()
            measured.paced.add(await self._work(PACED_PAIRS, EVERY_S))
            paced = measured.paced.pairs[-PACED_PAIRS:]
            told = f"{measured.closed.rates[-1]:,.0f} decisions/s; at a pace p99 {_ms(paced, 0.99)} ms"
            print(f"[bench]   {size:,} open tasks: {told}", file=sys.stderr, flush=True)

    async def _fill(self, size: int) -> None:
        missing = size - self._open
        await add_tasks(self.database, PROJECT, self._made, missing)
        self._made += missing
        self._open = size

    async def _settle(self) -> None:
        """Do what autovacuum and the checkpointer do in time after so many rows at once, and let them end."""
        connection = await asyncpg.connect(self.system.backends.postgres.admin_dsn)
        try:
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("CHECKPOINT")
            while await connection.fetchval(_VACUUMING):
                await asyncio.sleep(0.5)
        finally:
            await connection.close()

    async def _all_sent(self) -> None:
        """Return once no event waits in the outbox."""
        while await self.database.pool.fetchval("SELECT count(*) FROM outbox"):
            await asyncio.sleep(0.2)

    async def _work(self, pairs: int, every_s: float) -> dict[str, Any]:
        output = self.system.folder / "reviewers.json"
        url = self.system.services[0].url
        spec = Spec(url, PROJECT, list(self.tokens), pairs, str(output), every_s)
        process = await asyncio.create_subprocess_exec(*spec.argv())
        if await process.wait():
            raise RuntimeError("the reviewers met an error")
        self._open -= pairs
        measured: dict[str, Any] = json.loads(output.read_text())
        return measured

    def _server_cpu(self) -> float:
        """Return the CPU seconds so far of review-api and PostgreSQL."""
        roots = (self.system.services[0].process.pid, self.system.backends.postgres.pid)
        return sum(_cpu(psutil.Process(pid)) for pid in roots)


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, its children, and those of its children that have ended."""
    used = process.cpu_times()
    total = used.user + used.system + used.children_user + used.children_system
    for child in process.children():
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return total


def _ms(seconds: Sequence[float], share: float) -> float:
    """Return the time within which `share` of them were done, in milliseconds."""
    in_order = sorted(seconds)
    return round(1000 * in_order[min(len(in_order) - 1, int(share * len(in_order)))], 2)
