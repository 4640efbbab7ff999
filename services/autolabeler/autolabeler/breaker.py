"""When to stop calling a provider that fails, and when to try again. Pure; takes the time."""

from enum import Enum

MAX_RETRY_AFTER = 3600.0


class State(Enum):
    """CLOSED: calls flow. OPEN: none may start. HALF_OPEN: one may, to see how things are."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """A circuit breaker. Times are seconds of one monotonic clock.

    It opens after `failures` failures in a row, or at once when the provider says to wait. When the
    wait is over one call probes: an answer closes the breaker, another failure opens it for twice as long.
    """

    def __init__(self, *, failures: int = 5, cooldown: float = 1.0, max_cooldown: float = 30.0) -> None:
        self._failures_to_open = failures
        self._first_cooldown = cooldown
        self._cooldown = cooldown
        self._max_cooldown = max_cooldown
        self._in_a_row = 0
        self._opened_at: float | None = None
        self._open_until = 0.0
        self._probe_started: float | None = None

    def state(self, now: float) -> State:
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Return whether a call may start."""
        if self._opened_at is None:
            return True
        return now >= self._open_until and self._probe_started is None

    def wait(self, now: float) -> float:
        """Return the seconds until a call may start (0: now, or when the probe is back)."""
        return 0.0 if self._opened_at is None else max(0.0, self._open_until - now)

    def started(self, now: float) -> None:
        """Note that a call starts."""
        if self._opened_at is not None:
            self._probe_started = now

    def succeeded(self, started: float) -> None:
        """Note that the call that started at `started` was answered."""
        self._in_a_row = 0
        if self._is_probe(started):
            self._opened_at = self._probe_started = None
            self._cooldown = self._first_cooldown

    def failed(self, started: float, now: float, *, wait: float | None = None, at_once: bool = False) -> None:
        """Note that the call that started at `started` failed at `now`.

        `wait` is what the provider asked for; `at_once` opens after this one failure.
        """
        self._in_a_row += 1
        if self._opened_at is None:
            if wait is not None or at_once or self._in_a_row >= self._failures_to_open:
                self._open(now, wait)
        elif self._is_probe(started):
            self._open(now, wait)
        elif wait is not None:
            # It started before the breaker opened and brings no news but a longer wait.
            self._open_until = max(self._open_until, now + min(wait, MAX_RETRY_AFTER))

    def dropped(self, started: float) -> None:
        """Note that a call ended with no verdict (it was cancelled)."""
        if self._is_probe(started):
            self._probe_started = None

    def _is_probe(self, started: float) -> bool:
        return self._probe_started is not None and self._probe_started == started

    def _open(self, now: float, wait: float | None) -> None:
        self._opened_at = now
        self._probe_started = None
        if wait is not None:
            self._open_until = now + min(wait, MAX_RETRY_AFTER)
            return
        self._open_until = now + self._cooldown
        self._cooldown = min(self._max_cooldown, self._cooldown * 2)
