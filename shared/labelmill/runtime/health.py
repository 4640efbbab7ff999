"""Liveness means progress, readiness means started; both as pure state that takes the time."""

import asyncio
import time


class Health:
    """What the health pages answer and what stops the service.

    A component calls `busy` when it takes up work and `progress` when it finished some. Liveness
    fails if there has been work and no progress for `stall_seconds`, unless something else is waited for.
    """

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._busy_since: dict[str, float] = {}
        self._failure: BaseException | None = None
        self.failed = asyncio.Event()
        self.ready = False

    def busy(self, component: str, now: float | None = None) -> None:
        """Note that `component` has work from now on."""
        self._busy_since.setdefault(component, time.monotonic() if now is None else now)

    def progress(self, component: str, *, idle: bool, now: float | None = None) -> None:
        """Note that `component` finished something; `idle` if nothing more is waiting."""
        if idle:
            self._busy_since.pop(component, None)
        else:
            self._busy_since[component] = time.monotonic() if now is None else now

    def waiting(self, now: float | None = None) -> None:
        """Note that the process waits as it should, for a broker, a database or a provider that is away.

        A restart would not end that wait, so it counts for every component: who works needs who is away.
        """
        at = time.monotonic() if now is None else now
        self._busy_since = dict.fromkeys(self._busy_since, at)

    def stalled(self, now: float | None = None) -> list[str]:
        """Return the components that have had work and made no progress for too long."""
        at = time.monotonic() if now is None else now
        return [name for name, since in self._busy_since.items() if at - since > self._stall_seconds]

    def fail(self, error: BaseException) -> None:
        """Stop the service: going on would lose or corrupt something."""
        if self._failure is None:
            self._failure = error
        self.failed.set()

    @property
    def failure(self) -> BaseException | None:
        return self._failure
