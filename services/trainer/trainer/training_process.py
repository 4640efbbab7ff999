"""The parent's end of a training process."""

import asyncio
import sys
from types import TracebackType
from typing import Self

import msgspec

from trainer.errors import WorkerFailed
from trainer.work import LENGTH_BYTES, Broken, Reply, Request, framed


class TrainingProcess:
    """One training process; `async with` starts it and ends it, whatever it is doing."""

    def __init__(self, threads: int, timeout_seconds: float) -> None:
        self._threads = threads
        self._timeout_seconds = timeout_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._decoder = msgspec.msgpack.Decoder(Reply)

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "trainer.worker", str(self._threads)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the parent, which ends this process itself
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._process is not None:
            await self._process.wait()

    def kill(self) -> None:
        """End the process at once, if it has not ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def call(self, request: Request) -> Reply:
        """Return the answer to `request`. Raises WorkerFailed."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reply = await self._exchange(framed(request))
        except TimeoutError as error:
            raise WorkerFailed(f"no answer within {self._timeout_seconds:g} s") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            assert self._process is not None
            status = await self._process.wait()
            raise WorkerFailed(f"the training process ended with status {status}") from error
        if isinstance(reply, Broken):
            raise WorkerFailed(reply.error)
        return reply

    async def _exchange(self, message: bytes) -> Reply:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        reply: Reply = self._decoder.decode(await process.stdout.readexactly(length))
        return reply
