"""People who stall, vanish, come late, send twice, skip, take back, and lose the server's answers."""

import asyncio
import json
import random
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.http1 import Answer, Connection
from benchmarks.reviewers import Task, tasks_decoder

LABELS: Final = ("positive", "negative")

_SHARES: Final = {
    "vanish": 0.010,  # the lease runs out, and somebody else gets the task
    "late": 0.010,  # stalls beyond the lease, then answers
    "stall": 0.010,  # longer than the lease too, but with heartbeats
    "skip": 0.020,
    "twice": 0.040,  # the same answer on two connections at once, to both servers
    "again": 0.040,  # the same answer after the first was taken: its answer was lost
    "undo": 0.030,
}


def label_of(task_id: int, reviewer: str) -> str:
    """Return the label that a person gives a task: the same whenever they are asked."""
    return LABELS[zlib.crc32(f"{task_id}/{reviewer}".encode()) % len(LABELS)]


@dataclass
class Tally:
    """What the people saw: per kind of act and status how often, and which decisions were acknowledged."""

    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    lost: int = 0
    """Requests whose connection broke or could not be made, so that they were sent again."""
    counted: set[tuple[int, str]] = field(default_factory=set)
    """Tasks and people of the decisions that were acknowledged and not taken back."""
    unsure: set[tuple[int, str]] = field(default_factory=set)
    """Those whose undo had its answer lost."""

    def acts(self) -> dict[str, int]:
        """Return how often each act had each status."""
        return {f"{act}_{status}": count for (act, status), count in sorted(self.codes.items())}


@dataclass
class Person:
    """One reviewer, with a connection to each server."""

    name: str
    project: str
    connections: Sequence[Connection]
    dice: random.Random
    tally: Tally
    lease_s: float
    over: asyncio.Event
    """Set once every task has its decisions."""

    async def work(self) -> None:
        """Claim and act until it is over."""
        while not self.over.is_set():
            body = b'{"count":%d}' % self.dice.choice([1, 1, 1, 2])
            answer = await self._sure("claim", f"/v1/projects/{self.project}/tasks/claim", body)
            tasks = tasks_decoder.decode(answer.body).tasks
            for task in tasks:
                await self._act(task)
            if not tasks:
                await asyncio.sleep(self.dice.uniform(0.02, 0.2))

    async def _act(self, task: Task) -> None:
        (act,) = self.dice.choices([*_SHARES, "answer"], [*_SHARES.values(), 1 - sum(_SHARES.values())])
        if act == "vanish":
            self.tally.codes["vanish", 0] += 1
        elif act == "late":
            await asyncio.sleep(self.lease_s * self.dice.uniform(1.02, 1.5))
            await self._decide("late", task)
        elif act == "stall":
            await self._stall(task)
            await self._decide("stall", task)
        elif act == "skip":
            await self._sure("skip", f"/v1/tasks/{task.task_id}/skip", _json(lease=task.lease, reason="hm"))
        elif act == "undo":
            await self._undo(task)
        else:
            await self._decide(act, task)
            if act == "again":
                await self._decide(act, task)

    async def _stall(self, task: Task) -> None:
        for _ in range(3):
            await asyncio.sleep(self.lease_s * 0.5)
            await self._sure("heartbeat", f"/v1/tasks/{task.task_id}/heartbeat", _json(lease=task.lease))

    async def _undo(self, task: Task) -> None:
        await self._decide("undo", task)
        answer, lost = await self._post(f"/v1/tasks/{task.task_id}/undo", b"")
        self.tally.codes["undo", answer.status] += 1
        who = (task.task_id, self.name)
        if lost:
            self.tally.unsure.add(who)
        if answer.status == 200:
            self.tally.counted.discard(who)
            await self._decide("undone", Task(task.task_id, json.loads(answer.body)["lease"]))

    async def _decide(self, act: str, task: Task) -> None:
        path = f"/v1/tasks/{task.task_id}/decision"
        body = _json(lease=task.lease, label=label_of(task.task_id, self.name))
        if act == "twice":
            answers = await asyncio.gather(*(self._sure(act, path, body, at) for at in range(2)))
        else:
            answers = [await self._sure(act, path, body)]
        if any(answer.status == 200 for answer in answers):
            self.tally.counted.add((task.task_id, self.name))

    async def _sure(self, act: str, path: str, body: bytes, at: int | None = None) -> Answer:
        answer, _ = await self._post(path, body, at)
        self.tally.codes[act, answer.status] += 1
        return answer

    async def _post(self, path: str, body: bytes, at: int | None = None) -> tuple[Answer, bool]:
        """Send a request until it is answered, by the server `at` or by either.

        Returns the answer, and whether one to the same request may have been lost before.
        """
        lost = False
        while True:
            to = self.connections[self.dice.randrange(len(self.connections)) if at is None else at]
            try:
                answer = await to.post(path, body)
            except OSError:
                self.tally.lost += 1
                lost = True
            else:
                if answer.status != 503:
                    return answer, lost
                self.tally.codes["unavailable", 503] += 1
            await asyncio.sleep(0.05)


def _json(**fields: str) -> bytes:
    return json.dumps(fields).encode()
