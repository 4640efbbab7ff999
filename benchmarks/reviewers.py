"""Reviewers over HTTP who cost little themselves: each claims a task, answers it, and claims the next.

Run as `python -m benchmarks.reviewers SPEC` (JSON); it prints what it measured as JSON. It speaks HTTP/1.1 by
hand, one open connection a reviewer, since a client library would take more of the machine than the server.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


@dataclass(frozen=True)
class Spec:
    """Who reviews what. `pairs` is how many claims with their decisions all reviewers make together."""

    host: str
    port: int
    project: str
    tokens: list[str]
    pairs: int
    every_s: float = 0.0
    """Seconds from one claim of a reviewer to the next, whether the server is in time or not; 0: at once."""

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.reviewers", json.dumps(asdict(self))]


class _Task(msgspec.Struct):
    task_id: int
    lease: str


class _Tasks(msgspec.Struct):
    tasks: list[_Task]


_tasks = msgspec.json.Decoder(_Tasks)


@dataclass
class Run:
    """What all reviewers share: the pairs that are left, and the seconds that each step of a pair took."""

    left: int
    done: asyncio.Event = field(default_factory=asyncio.Event)
    working: int = 0
    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    pairs: list[float] = field(default_factory=list)
    error: str = ""

    def end(self, error: str = "") -> None:
        self.error = self.error or error
        self.working -= 1
        if error or not self.working:
            self.done.set()


class Reviewer(asyncio.Protocol):
    """One person on one connection."""

    def __init__(self, run: Run, spec: Spec, token: str, first_s: float) -> None:
        self._run = run
        self._every = spec.every_s
        self._first_s = first_s
        self._common = (
            f"Host: {spec.host}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        path = f"/v1/projects/{spec.project}/tasks/claim"
        self._claim_request = self._request(path, b'{"count":1}')
        self._received = b""
        self._claiming = True
        self._began = self._answered = 0.0
        self._transport: Any = None

    def _request(self, path: str, body: bytes) -> bytes:
        return b"POST %b HTTP/1.1\r\n%b%d\r\n\r\n%b" % (path.encode(), self._common, len(body), body)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._run.working += 1

    def start(self) -> None:
        self._began = time.perf_counter() + self._first_s
        self._wait()

    def _wait(self) -> None:
        ahead = self._began - time.perf_counter()
        if ahead > 0:
            asyncio.get_running_loop().call_later(ahead, self._claim)
        else:
            self._claim()

    def _claim(self) -> None:
        if self._run.left <= 0:
            self._run.end()
            return
        self._run.left -= 1
        self._claiming = True
        if not self._every:
            self._began = time.perf_counter()
        self._transport.write(self._claim_request)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(_HEAD_END)
        if end < 0:
            return
        body = received[end + 4 :]
        at = received.find(_LENGTH, 0, end) + len(_LENGTH)
        if len(body) < int(received[at : received.find(b"\r\n", at)]):
            return
        self._received = b""
        if received[9:12] != b"200":
            self._run.end(f"{received[9:12].decode()}: {body.decode()}")
        elif self._claiming:
            self._answer(body)
        else:
            self._next()

    def _answer(self, body: bytes) -> None:
        found = _tasks.decode(body).tasks
        if not found:
            self._run.end("a claim found nothing")
            return
        self._claiming = False
        task = found[0]
        answer = b'{"lease":"%b","label":"positive"}' % task.lease.encode()
        request = self._request(f"/v1/tasks/{task.task_id}/decision", answer)
        self._answered = time.perf_counter()
        self._run.claims.append(self._answered - self._began)
        self._transport.write(request)

    def _next(self) -> None:
        now = time.perf_counter()
        self._run.submits.append(now - self._answered)
        self._run.pairs.append(now - self._began)
        self._began += self._every
        self._wait()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._run.done.is_set():
            self._run.end("the server closed a connection")

    def close(self) -> None:
        self._transport.close()


async def work(spec: Spec) -> dict[str, Any]:
    """Do `spec.pairs` pairs; return the seconds each took, all of them together, and the client's own CPU.

    Raises RuntimeError at the first answer that is not a success.
    """
    loop, run = asyncio.get_running_loop(), Run(spec.pairs)
    dice = random.Random(1)
    reviewers: list[Reviewer] = []
    for token in spec.tokens:
        reviewer = Reviewer(run, spec, token, dice.uniform(0, spec.every_s))
        await loop.create_connection(lambda who=reviewer: who, spec.host, spec.port)  # type: ignore[misc]
        reviewers.append(reviewer)
    started, cpu = time.perf_counter(), time.process_time()
    for reviewer in reviewers:
        reviewer.start()
    await run.done.wait()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for reviewer in reviewers:
        reviewer.close()
    if run.error:
        raise RuntimeError(run.error)
    return {
        "seconds": seconds,
        "client_cpu": cpu,
        "claims": run.claims,
        "submits": run.submits,
        "pairs": run.pairs,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(work(Spec(**json.loads(sys.argv[1]))))))
