"""How many LLM calls may be in flight: found out by trying, as TCP does (AIMD). Pure; takes the time."""

_SECONDS_A_BASELINE = 30.0
_BASELINE_DRIFT = 1.1
_CONGESTED_CUT = 0.9
_OVERLOAD_CUT = 0.5
_CUT_EVERY_SECONDS = 1.0
_NEVER_CONGESTED_BELOW = 0.5
"""Seconds. A fast provider's latency trebles by a mere hiccup of the network or of this process."""
_SMOOTHING = 0.1


class Limiter:
    """Additive increase, multiplicative decrease.

    The limit doubles each round trip until the first sign of overload, then grows by a 32nd of the
    maximum each round trip. It halves on overload (429, timeout, server error) and loses a tenth when
    latency passes `tolerance` times its baseline; at most one cut a second, since the calls in flight
    at a cut all bring the same news.
    """

    def __init__(self, *, initial: int, maximum: int, tolerance: float = 3.0) -> None:
        self._limit = float(min(initial, maximum))
        self._maximum = float(maximum)
        self._tolerance = tolerance
        self._doubling = True
        self._last_cut = float("-inf")
        self._latency: float | None = None
        self._baseline = float("inf")
        self._window_minimum = float("inf")
        self._window_ends = float("-inf")

    @property
    def limit(self) -> int:
        return int(self._limit)

    def succeeded(self, latency: float, in_flight: int, now: float) -> None:
        """Learn from a call that was answered after `latency` seconds with `in_flight` calls under way."""
        self._measure(latency, now)
        if self._is_congested():
            self._cut(_CONGESTED_CUT, now)
        elif in_flight >= 0.8 * self._limit:
            # A limit that is not used up proves nothing about a higher one.
            step = 1.0 if self._doubling else max(1.0, self._maximum / 32) / self._limit
            self._limit = min(self._maximum, self._limit + step)

    def overloaded(self, now: float) -> None:
        """Learn from a call that was refused for load, timed out or made the server fail."""
        self._cut(_OVERLOAD_CUT, now)

    def _measure(self, latency: float, now: float) -> None:
        before = latency if self._latency is None else self._latency
        self._latency = before + _SMOOTHING * (latency - before)
        self._baseline = min(self._baseline, latency)
        self._window_minimum = min(self._window_minimum, latency)
        if now >= self._window_ends:
            # The baseline may rise, slowly: else one lucky call would count for ever.
            self._baseline = min(self._window_minimum, self._baseline * _BASELINE_DRIFT)
            self._window_minimum = float("inf")
            self._window_ends = now + _SECONDS_A_BASELINE

    def _is_congested(self) -> bool:
        assert self._latency is not None
        return self._latency > max(self._tolerance * self._baseline, _NEVER_CONGESTED_BELOW)

    def _cut(self, factor: float, now: float) -> None:
        self._doubling = False
        if now - self._last_cut >= _CUT_EVERY_SECONDS:
            self._last_cut = now
            self._limit = max(1.0, self._limit * factor)
