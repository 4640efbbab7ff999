"""Slowing down the guessing of passwords; pure: the time comes from the caller."""

from collections import deque

_MOST_KEYS = 10_000
_LOOSER = 10
"""One name may be tried from many places, and one office may share an address: both get this much more."""


class Attempts:
    """Counts failures per key over a sliding window.

    The memory is bounded: once there are too many keys, the one that failed longest ago is forgotten.
    """

    def __init__(self, most: int, window_seconds: float = 60.0) -> None:
        self._most = most
        self._window = window_seconds
        self._failures: dict[str, deque[float]] = {}

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until the next try is allowed; 0 if it is now."""
        recent = self._failures.get(key)
        if recent is None or len(recent) < self._most:
            return 0.0
        return max(0.0, recent[0] + self._window - now)

    def failed(self, key: str, now: float) -> None:
        """Note a failure."""
        recent = self._failures.pop(key, deque(maxlen=self._most))
        recent.append(now)
        self._failures[key] = recent
        if len(self._failures) > _MOST_KEYS:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def take_back(self, key: str) -> None:
        """Forget the last failure of a key."""
        recent = self._failures.get(key)
        if recent:
            recent.pop()
            if not recent:
                del self._failures[key]


class Guesses:
    """The limits of signing in: a name from one address, a name from anywhere, anyone from one address."""

    def __init__(self, most: int) -> None:
        self._pairs = Attempts(most)
        self._names = Attempts(most * _LOOSER)
        self._addresses = Attempts(most * _LOOSER)

    def wait(self, name: str, address: str, now: float) -> float:
        """Return the seconds until the next try is allowed; 0 if it is now."""
        return max(
            self._pairs.wait(f"{address} {name}", now),
            self._names.wait(name, now),
            self._addresses.wait(address, now),
        )

    def failed(self, name: str, address: str, now: float) -> None:
        """Note a wrong password, or a try of which nobody knows yet."""
        self._pairs.failed(f"{address} {name}", now)
        self._names.failed(name, now)
        self._addresses.failed(address, now)

    def succeeded(self, name: str, address: str) -> None:
        """Forgive the wrong passwords of this name from this address; elsewhere, this try alone."""
        self._pairs.succeeded(f"{address} {name}")
        self._names.take_back(name)
        self._addresses.take_back(address)
