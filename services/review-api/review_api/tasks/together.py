"""What is asked for at one time is done together: one call at light load, more of them under pressure."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import asyncpg
from labelmill.runtime.retry import is_passing

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Together(Generic[Asked, Given]):
    """Gathers calls into batches: whoever comes while all `at_once` batches are under way goes with the next.

    `run` does a batch as a whole or not at all, and gives what each call gets, in their order. A batch that
    is refused for what one call holds is done again call by call, so that the others do not suffer.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Asked]], Awaitable[Sequence[Given]]],
        *,
        most: int,
        at_once: int,
    ) -> None:
        self._run = run
        self._most = most
        self._free = at_once
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._working: set[asyncio.Task[None]] = set()

    async def __call__(self, asked: Asked) -> Given:
        """Return what `asked` gets. Raises what its own part of a batch raises, or an outage."""
        future: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._free:
            self._free -= 1
            task = asyncio.create_task(self._work())
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                count = min(self._most, len(self._waiting))
                await self._do([self._waiting.popleft() for _ in range(count)])
        finally:
            self._free += 1

    async def _do(self, batch: Sequence[tuple[Asked, asyncio.Future[Given]]]) -> None:
        try:
            given = await self._run([asked for asked, _ in batch])
        except Exception as error:
            await self._refused(batch, error)
            return
        for (_, future), each in zip(batch, given, strict=True):
            if not future.done():  # who asked may have gone
                future.set_result(each)

    async def _refused(self, batch: Sequence[tuple[Asked, asyncio.Future[Given]]], error: Exception) -> None:
        is_outage = is_passing(error) and not isinstance(error, asyncpg.DeadlockDetectedError)
        if len(batch) > 1 and not is_outage:
            for call in batch:
                await self._do([call])
            return
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
