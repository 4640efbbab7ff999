"""When somebody should rest: a break that is due, and a day that is long enough. Pure.

Times are Unix seconds; stretches are times at work, oldest first and apart from each other.
"""

from collections.abc import Sequence
from typing import Final

from review_api.care.active import Stretch

DAY_SECONDS: Final = 24 * 3600.0

ROOM_SECONDS: Final = 15 * 60.0
"""Work that must fit in again before it is worth coming back to a day that was full."""


def worked(stretches: Sequence[Stretch], begin: float, end: float) -> float:
    """Return the seconds at work between two moments."""
    total = 0.0
    for stretch in reversed(stretches):
        if stretch.end <= begin:
            break
        total += max(0.0, min(stretch.end, end) - max(stretch.begin, begin))
    return total


def since_pause(stretches: Sequence[Stretch], now: float, pause: float) -> float:
    """Return the seconds at work since the last pause of `pause` seconds; 0 during one."""
    total, resumed = 0.0, now
    for stretch in reversed(stretches):
        if resumed - stretch.end >= pause:
            break
        total += stretch.end - stretch.begin
        resumed = stretch.begin
    return total


def break_until(stretches: Sequence[Stretch], now: float, after: float, pause: float) -> float | None:
    """Return when the break ends that is due after so many seconds at work; None if none is due."""
    if not stretches or after <= 0 or since_pause(stretches, now, pause) < after:
        return None
    return stretches[-1].end + pause


def full_until(stretches: Sequence[Stretch], now: float, most: float) -> float | None:
    """Return when it is worth coming back, if the last 24 hours hold `most` seconds at work; else None.

    That is when work of a quarter of an hour has fallen out of the 24 hours (or all of it, if that is less).
    """
    over = worked(stretches, now - DAY_SECONDS, now) - most
    if over < 0:
        return None
    missing = over + min(ROOM_SECONDS, most)
    for stretch in stretches:
        begin = max(stretch.begin, now - DAY_SECONDS)
        if stretch.end <= begin:
            continue
        if stretch.end - begin >= missing:
            return begin + missing + DAY_SECONDS
        missing -= stretch.end - begin
    return now + DAY_SECONDS
