"""Replayed reviewers: accounts of their own that answer tasks over HTTP with recorded human ratings."""

import asyncio
from collections.abc import Callable, Mapping

import httpx

from labelmill_cli.demo.data import Ratings

_CLAIM = 5
_IDLE_SECONDS = 0.5


class Reviewer:
    """One signed-in reviewer. A decision is one person's recorded answer, noise and all."""

    def __init__(self, client: httpx.AsyncClient, project: str, ratings: Mapping[str, Ratings]) -> None:
        self._client = client
        self._project = project
        self._ratings = ratings

    async def work(self, finished: Callable[[], bool]) -> int:
        """Decide tasks until there are none and `finished()`; return how many."""
        decided = 0
        while True:
            done = finished()
            tasks = await self._claim()
            for task in tasks:
                decided += await self._decide(task)
            if not tasks:
                if done:
                    return decided
                await asyncio.sleep(_IDLE_SECONDS)

    async def _claim(self) -> list[dict[str, str]]:
        answer = await self._client.post(f"/v1/projects/{self._project}/tasks/claim", json={"count": _CLAIM})
        answer.raise_for_status()
        tasks: list[dict[str, str]] = answer.json()["tasks"]
        return tasks

    async def _decide(self, task: dict[str, str]) -> bool:
        label = self._ratings[task["item_id"]].answer(0)
        body = {"lease": task["lease"], "label": label}
        answer = await self._client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return False  # the lease ran out: somebody else has the task now
        answer.raise_for_status()
        return True
