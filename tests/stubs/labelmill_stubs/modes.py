"""How the LLM stub behaves: named modes, one standing and one passing over it."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What happens to a call. NORMAL, KEYWORD and OBEY choose an answer; the others are faults."""

    NORMAL = "normal"
    KEYWORD = "keyword"
    OBEY = "obey"
    PROSE = "prose"
    NO_LOGPROBS = "no_logprobs"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    HANG = "hang"
    SLOW = "slow"


STYLES = frozenset({Mode.NORMAL, Mode.KEYWORD, Mode.OBEY})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One call's fate: the mode it is counted under, and the style that picks its letter."""

    mode: Mode
    style: Mode


class ModeSchedule:
    """The mode of each call: a standing style, and over it a mode for a while or for a share of calls.

    The share is drawn from a seeded generator, so two runs over the same sequence of calls fail alike.
    """

    def __init__(self, mode: Mode = Mode.NORMAL, seed: int = 0) -> None:
        self._style = Mode.NORMAL
        self._over: Mode | None = None
        self._until = float("inf")
        self._share = 1.0
        self._random = random.Random(seed)
        self.set(mode, now=0.0)

    def set(self, mode: Mode, now: float, for_s: float | None = None, share: float = 1.0) -> None:
        """Behave as `mode` from `now` on: for good, or for `for_s` seconds, or for a `share` of the calls.

        Raises ValueError for a share outside 0..1 or a time that is not positive.
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError("share must lie between 0 and 1")
        if for_s is not None and for_s <= 0:
            raise ValueError("for_s must be positive")
        if mode in STYLES and for_s is None and share == 1.0:
            self._style, self._over = mode, None
            return
        self._over, self._share = mode, share
        self._until = float("inf") if for_s is None else now + for_s

    def pick(self, now: float) -> Behaviour:
        """The behaviour of a call that arrives at `now` (same clock as given to `set`)."""
        over = self._over
        if over is not None and now >= self._until:
            over = self._over = None
        if over is None or (self._share < 1.0 and self._random.random() >= self._share):
            return Behaviour(self._style, self._style)
        return Behaviour(over, over if over in STYLES else self._style)

    def current(self, now: float) -> dict[str, object]:
        """What stands now, for `GET /stats`."""
        active = self._over if now < self._until else None
        return {"style": self._style, "over": active, "share": self._share if active else None}
