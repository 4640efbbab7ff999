"""Reviewers over HTTP who cost little themselves: each claims a task, answers it, and claims the next.

Run as `python -m benchmarks.reviewers SPEC` (JSON), in a process of their own; the JSON file `Spec.output`
tells what was measured.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.http1 import Answer, Connection


@dataclass(frozen=True)
class Spec:
    """Who reviews what. `pairs` is how many claims with their decisions all reviewers make together."""

    url: str
    project: str
    tokens: list[str]
    pairs: int
    output: str
    every_s: float = 0.0
    """Seconds from one claim of a reviewer to the next, whether the server is in time or not; 0: at once."""

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.reviewers", json.dumps(asdict(self))]


class Task(msgspec.Struct):
    """A claimed task, as far as a reviewer needs it to answer."""

    task_id: int
    lease: str


class Tasks(msgspec.Struct):
    """The answer to a claim."""

    tasks: list[Task]


tasks_decoder = msgspec.json.Decoder(Tasks)


@dataclass
class Run:
    """What the reviewers share: the pairs that are left, and the seconds that the steps of each took."""

    spec: Spec
    left: int
    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    pairs: list[float] = field(default_factory=list)

    async def review(self, token: str, first_s: float) -> None:
        """Work as one reviewer, from `first_s` seconds on. With a pace, a pair's time counts from when it was
        due: a server that holds one up has held up those behind it."""
        connection = Connection(self.spec.url, {"Authorization": f"Bearer {token}"})
        path = f"/v1/projects/{self.spec.project}/tasks/claim"
        began = time.perf_counter() + first_s
        while self.left > 0:
            self.left -= 1
            if not self.spec.every_s:
                began = time.perf_counter()
            elif (ahead := began - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            task = tasks_decoder.decode(_good(await connection.post(path, b'{"count":1}'))).tasks[0]
            claimed = time.perf_counter()
            answer = b'{"lease":"%b","label":"positive"}' % task.lease.encode()
            _good(await connection.post(f"/v1/tasks/{task.task_id}/decision", answer))
            decided = time.perf_counter()
            self.claims.append(claimed - began)
            self.submits.append(decided - claimed)
            self.pairs.append(decided - began)
            began += self.spec.every_s
        connection.close()


def _good(answer: Answer) -> bytes:
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.body.decode()}")
    return answer.body


async def work(spec: Spec) -> dict[str, Any]:
    """Do `spec.pairs` pairs; return what each took, what all took together, and the client's own CPU, in
    seconds. Raises at the first answer that is not a success."""
    run, dice = Run(spec, spec.pairs), random.Random(1)
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for token in spec.tokens:
            group.create_task(run.review(token, dice.uniform(0, spec.every_s)))
    return {
        "seconds": time.perf_counter() - started,
        "client_cpu": time.process_time() - cpu,
        "claims": run.claims,
        "submits": run.submits,
        "pairs": run.pairs,
    }


if __name__ == "__main__":
    given = Spec(**json.loads(sys.argv[1]))
    Path(given.output).write_text(json.dumps(uvloop.run(work(given))))
