"""Ending when the person, or the system, wants this program to end."""

import asyncio
import signal
from types import TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class FirstSignal:
    """Within, the first SIGINT or SIGTERM cancels the task that entered, until that waits for the signal.

    Leaving raises KeyboardInterrupt if that ended it. The signal stays known, for a library may lose the
    cancellation (aiokafka does where a client is just being closed): then `wait` returns at once. A second
    signal ends the program as if nobody listened.
    """

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._at_work: asyncio.Task[object] | None = None

    async def wait(self) -> None:
        """Return once the signal has come."""
        self._at_work = None
        await self._came.wait()

    async def __aenter__(self) -> Self:
        self._at_work = asyncio.current_task()
        for signum in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(signum, self._hear)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listen_no_more()
        if isinstance(error, asyncio.CancelledError) and self._came.is_set():
            raise KeyboardInterrupt from error

    def _hear(self) -> None:
        self._listen_no_more()
        self._came.set()
        if self._at_work is not None:
            self._at_work.cancel()

    def _listen_no_more(self) -> None:
        for signum in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(signum)
