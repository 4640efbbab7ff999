"""The monitor: raises the alarm when what is accepted breaks the promise, and seldom otherwise.

Over the audits of what is accepted, a bet that starts at audit s wins once the error rate goes above the
target at s or soon after. When that happens is unknown, so capital is shared over all starting points:

    M_t = sum_b stake_b W_t(b) + (capital of the starts after t)
    W_t(b) = (W_{t-1}(b) + w_t) * factor_b(x_t)

which is exact with one number for each bet, however long the stream. M is an e-process for "the error rate
never exceeds the target", beginning at 1, so it ever reaches 1/alpha with probability at most alpha (Ville;
mixtures over starting points as in Shin, Ramdas & Rinaldo 2024, "E-detectors", with weights that sum to 1).
Half of the capital starts with the first audit after opening, when a wrong certificate would show; the rest
is spread so that `SCALE / (SCALE + t)` of it is left after t audits.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

import msgspec
import numpy as np

from labelmill.promise.eprocess import bets_above

SCALE = 200.0
AT_OPENING = 0.5
_RUNS = 500
_LONGEST = 10_000


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """The state after `audits` audits with `errors` errors. `wealth`: W_t for each bet.

    `alarm_at` is the number of the audit that raised the alarm, counted from 1; a raised alarm stays.
    """

    target: float
    alpha: float
    wealth: list[float]
    audits: int = 0
    errors: int = 0
    evidence: float = 1.0
    """M_t: the e-value against the promise, as of the last audit."""
    alarm_at: int | None = None

    @property
    def alarm(self) -> bool:
        return self.alarm_at is not None


def start(target: float, alpha: float) -> Monitor:
    """Return a monitor that raises a false alarm with probability at most `alpha`, however long it runs."""
    return Monitor(target=target, alpha=alpha, wealth=[0.0] * len(bets_above(target).log_error))


def observe(monitor: Monitor, errors: Iterable[bool]) -> Monitor:
    """Return the monitor after further audits of accepted labels, in order; none are read after an alarm."""
    if monitor.alarm:
        return monitor
    stakes, wrong, right = _factors(monitor.target)
    wealth, audits, found, value = list(monitor.wealth), monitor.audits, monitor.errors, monitor.evidence
    alarm_at = None
    for error in errors:
        fresh = _left(audits) - _left(audits + 1)
        audits += 1
        found += bool(error)
        factors = wrong if error else right
        wealth = [(each + fresh) * factor for each, factor in zip(wealth, factors, strict=True)]
        value = _left(audits) + sum(s * each for s, each in zip(stakes, wealth, strict=True))
        if value * monitor.alpha >= 1.0:
            alarm_at = audits
            break
    return Monitor(
        target=monitor.target,
        alpha=monitor.alpha,
        wealth=wealth,
        audits=audits,
        errors=found,
        evidence=value,
        alarm_at=alarm_at,
    )


def _left(audits: int) -> float:
    """Return the capital that starts after the first `audits` audits."""
    return 1.0 if audits == 0 else (1.0 - AT_OPENING) * SCALE / (SCALE + audits - 1)


@lru_cache(maxsize=64)
def _factors(target: float) -> tuple[list[float], list[float], list[float]]:
    bets = bets_above(target)
    return np.exp(bets.log_stakes).tolist(), np.exp(bets.log_error).tolist(), np.exp(bets.log_right).tolist()


@lru_cache(maxsize=256)
def audits_to_alarm(
    target: float, error: float, alpha: float, after: int = 0, quantile: float = 0.95
) -> int | None:
    """Return within how many audits the alarm comes in `quantile` of cases, once the error rate is `error`.

    `after`: how many audits went well before. All that was staked by then counts as lost, which is the safe
    side. By 500 simulated streams with a fixed seed. None if it takes more than 10,000 audits.

    Raises:
        ValueError: if `error` does not exceed `target`.
    """
    if not target < error <= 1.0:
        raise ValueError(f"no alarm is due at an error rate of {error}: the target is {target}")
    stakes, wrong, right = (np.array(each) for each in _factors(target))
    random = np.random.default_rng(20_240_501)
    wealth, waiting = np.zeros((_RUNS, len(stakes))), _RUNS
    allowed = math.floor(_RUNS * (1.0 - quantile))
    for audit in range(after, after + _LONGEST):
        errors = random.random(waiting) < error
        wealth = (wealth + _left(audit) - _left(audit + 1)) * np.where(errors[:, None], wrong, right)
        wealth = wealth[(_left(audit + 1) + wealth @ stakes) * alpha < 1.0]
        waiting = len(wealth)
        if waiting <= allowed:
            return audit + 1 - after
    return None
