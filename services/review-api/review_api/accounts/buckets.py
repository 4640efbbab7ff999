"""How many requests a key may make; pure: the time comes from the caller."""

from collections import OrderedDict

_MOST_KEYS = 50_000


class Buckets:
    """A token bucket per key, `rate` tokens a second and `burst` at most; a rate of 0 limits nothing.

    A bucket is one number: the time at which it will be full again (the generic cell rate algorithm, ITU-T
    I.371). The memory is bounded: of too many keys, the one used longest ago is forgotten: then full.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._seconds_each = 1.0 / rate if rate > 0 else 0.0
        self._span = burst * self._seconds_each
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take a token and return 0; if there is none, return the seconds until there is one."""
        if self._seconds_each == 0.0:
            return 0.0
        full_at = max(self._full_at.get(key, now), now) + self._seconds_each
        wait = full_at - self._span - now
        if wait > 1e-9:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > _MOST_KEYS:
            self._full_at.popitem(last=False)
        return 0.0
