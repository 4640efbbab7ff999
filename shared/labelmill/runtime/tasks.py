"""Background tasks that cannot die unnoticed."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from labelmill.runtime.health import Health


def supervised(work: Coroutine[Any, Any, None], health: Health) -> asyncio.Task[None]:
    """Run `work` in the background; an error that ends it stops the service, with that error as the reason.

    A task that nobody awaits would keep its error to itself, and the service would go on without it.
    """

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            health.fail(error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


async def break_off(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel supervised tasks and return when they have ended; what they raised, `supervised` has told."""
    started = [task for task in tasks if task is not None]
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)
