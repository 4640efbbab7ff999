"""One child process: started, watched, restarted, stopped."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from labelmill_local import spawn
from labelmill_local.errors import StackError

Probe = Callable[[], Awaitable[bool]]

_log = logging.getLogger(__name__)
_POLL_EVERY_S = 0.05
_BACKOFF_FIRST_S = 0.5
_BACKOFF_MAX_S = 30.0
_STABLE_AFTER_S = 60.0
_LOG_MAX_BYTES = 50_000_000
_LOG_LOOK_EVERY_S = 60.0


@dataclass(frozen=True)
class Command:
    """What to run. `account` is as in `spawn.py`; `env` is added to this process's own environment."""

    name: str
    argv: Sequence[str]
    log_file: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: str = "-"
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 15.0


class ChildProcess:
    """A supervised child in a session of its own, so the terminal's Ctrl-C reaches only this process.

    The child gets `stop_signal` when this process ends in any way, SIGKILL included (on Linux). It must be
    started from a thread that lives as long as the child should: the kernel watches the thread, not the
    process. Its end is polled, which ties the object to no event loop: a test may start it in one and kill it
    in another (supervision alone belongs to the loop of `start`).
    """

    def __init__(self, command: Command, *, restart_on_exit: bool = False) -> None:
        self.command = command
        self.restarts = 0
        self._restart_on_exit = restart_on_exit
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """True between a start and the child's end."""
        return self._process is not None and self._process.poll() is None

    async def start(self, ready: Probe | None = None, deadline_s: float = 60.0) -> None:
        """Start the child and wait until `ready` says True.

        Raises StackError with the end of the child's log if it exits first or `deadline_s` passes; it is then
        no longer running.
        """
        self._spawn()
        try:
            await self._wait_ready(ready, deadline_s)
        except BaseException:
            await self.stop()
            raise
        if self._restart_on_exit:
            self._supervisor = asyncio.create_task(self._supervise(), name=f"supervise {self.command.name}")

    async def stop(self) -> None:
        """Ask the child to end, wait up to its grace, then kill it and all it started. Safe to call twice."""
        await self._end_supervision()
        if self._process is None:
            return
        family = _family(self._process.pid)
        if self.running:
            self._process.send_signal(self.command.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.command.grace_s):
                    await self.wait()
        await self._kill_all(family)

    async def kill(self) -> None:
        """SIGKILL the child and everything it started. A supervised child comes back by itself."""
        if self._process is not None and self.running:
            await self._kill_all(_family(self._process.pid))

    async def wait(self) -> int:
        """The exit status of the present run of the child (negative: the signal that ended it)."""
        if self._process is None:
            raise StackError(f"{self.command.name} was never started")
        process = self._process
        while (status := process.poll()) is None:  # noqa: ASYNC110 - nobody could set an event
            await asyncio.sleep(_POLL_EVERY_S)
        return status

    def _spawn(self) -> None:
        command = self.command
        command.log_file.parent.mkdir(parents=True, exist_ok=True)
        _keep_log_small(command.log_file)
        helper = [sys.executable, "-I", "-S", spawn.__file__, str(os.getpid()), str(int(command.stop_signal))]
        with command.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - what our own code asks for
                [*helper, command.account, *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(command.env or {})},
                cwd=command.cwd,
                start_new_session=True,
            )

    async def _wait_ready(self, ready: Probe | None, deadline_s: float) -> None:
        if ready is None:
            return
        deadline = time.monotonic() + deadline_s
        while not await ready():
            if not self.running:
                status = self._process.returncode if self._process else None
                raise StackError(
                    f"{self.command.name} ended at once (exit status {status}): {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.command.name} was not ready after {deadline_s:.0f} s: {self._last_words()}"
                )
            await asyncio.sleep(_POLL_EVERY_S)

    def _last_words(self) -> str:
        tail = log_tail(self.command.log_file, lines=1)
        return f"{tail or 'it wrote nothing'} (log: {self.command.log_file})"

    async def _supervise(self) -> None:
        backoff_s = _BACKOFF_FIRST_S
        while True:
            started = time.monotonic()
            status = await self._ended()
            if time.monotonic() - started > _STABLE_AFTER_S:
                backoff_s = _BACKOFF_FIRST_S
            _log.warning(
                "%s ended (exit status %s); starting it again in %.1f s", self.command.name, status, backoff_s
            )
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
            self.restarts += 1
            try:
                self._spawn()
            except OSError as error:  # no memory or no process to be had: perhaps at the next try
                _log.warning("%s cannot be started: %s", self.command.name, error)

    async def _ended(self) -> int:
        """The exit status of the present run; meanwhile its log is kept small."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOG_LOOK_EVERY_S):
                    return await self.wait()
            await asyncio.to_thread(_keep_log_small, self.command.log_file)

    async def _end_supervision(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None

    async def _kill_all(self, family: list[psutil.Process]) -> None:
        """SIGKILL a family and wait until it is gone (the child itself is reaped by `wait`)."""
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await self.wait()
        await asyncio.to_thread(psutil.wait_procs, family[1:], timeout=5.0)


def log_tail(path: Path, lines: int = 20, max_bytes: int = 16_384) -> str:
    """The last non-empty `lines` of a log file; an empty string if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - max_bytes))
        text = file.read().decode(errors="replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def _keep_log_small(path: Path) -> None:
    """Move a grown log's text to `<name>.1`. The child keeps the file open, so it is emptied, not renamed;
    what the child writes in the instant between is lost."""
    if path.exists() and path.stat().st_size > _LOG_MAX_BYTES:
        shutil.copyfile(path, path.with_suffix(path.suffix + ".1"))
        os.truncate(path, 0)


def _family(pid: int) -> list[psutil.Process]:
    """The process and its descendants: its group is not enough, PostgreSQL's backends leave it."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
