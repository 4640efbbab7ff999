"""What takes long to count is kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_LEAST_SECONDS: Final = 5.0
_TIMES_AS_LONG: Final = 200.0
"""What took a second to count is kept for so many."""

_MOST_SECONDS: Final = 600.0


class Kept(Generic[K, V]):
    """Answers by key, kept the longer the more they took: half a percent of one core counts at most."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[K, tuple[V, float]] = {}
        self._counting = asyncio.Lock()

    async def get(self, key: K, count: Callable[[], Awaitable[V]]) -> V:
        """Return what `count` found some seconds ago; when that is too old, it is called anew, one at a
        time."""
        async with self._counting:
            known = self._known.get(key)
            if known is not None and self._clock() < known[1]:
                return known[0]
            started = self._clock()
            found = await count()
            ended = self._clock()
            self._known[key] = (found, ended + _kept_for(ended - started))
        return found


def _kept_for(took: float) -> float:
    return min(_MOST_SECONDS, max(_LEAST_SECONDS, _TIMES_AS_LONG * took))
