"""How many blind audits to draw while acceptance is open.

An alarm takes a certain number of errors among the audits, so a shift that begins now passes about
`ERRORS_TO_ALARM / rate` wrong labels before it is seen. The rule: draw so many that this fits into what is
left of the promise, which is target * accepted so far - errors among them. So audits are many after opening
and fewer as the stream goes on well, and what was accepted keeps the promise even if the machine turns bad.
On top of that, audits that the next lower threshold lacks are drawn within `HORIZON` items if they can be.
"""

ERRORS_TO_ALARM = 10.0
"""Errors the monitor has seen by its alarm, in most cases, at three times the target or more (measured)."""
HORIZON = 2000
"""Items over which missing audits are spread."""


def audit_rate(
    *, floor: float, ceiling: float, missing: int | None, target: float, accepted: float, errors: float
) -> float:
    """Return the probability with which an item is to be drawn as a blind audit.

    `missing`: audits the next threshold lacks, None if it is out of reach. `accepted` and `errors`: estimates
    of how many labels were accepted so far and how many of them are wrong.
    """
    left = target * accepted - errors
    rate = ERRORS_TO_ALARM / left if left > 0.0 else 1.0
    if missing is not None and missing <= HORIZON * ceiling:
        rate = max(rate, missing / HORIZON)
    return min(max(rate, floor), max(ceiling, floor))
