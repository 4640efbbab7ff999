"""How many blind audits to draw while acceptance is open.

Three rules, of which the one that asks for most counts:

* Once the monitor's evidence against the promise reaches `SUSPICION`, everything is audited: nothing more is
  accepted until the doubt has gone, or has become an alarm.
* A shift that begins now passes about `ERRORS_UNNOTICED / rate` wrong labels until then. That must fit into
  what is left of the promise, target * accepted so far - errors among them. So audits are many after
  opening and grow fewer as the stream goes on well.
* What the next lower threshold lacks is drawn within `HORIZON` items, if that is within the ceiling.
"""

SUSPICION = 3.0
ERRORS_UNNOTICED = 4.0
"""Errors among the audits by which the monitor is suspicious, at several times the target."""
HORIZON = 1000
"""Items over which missing audits are spread."""


def audit_rate(
    *,
    floor: float,
    ceiling: float,
    missing: int | None,
    target: float,
    accepted: float,
    errors: float,
    suspicion: float = 1.0,
) -> float:
    """Return the probability with which an item is to be drawn as a blind audit.

    `missing`: audits the next threshold lacks, None if it is out of reach. `accepted` and `errors`: estimates
    of how many labels were accepted so far and how many of them are wrong; `suspicion`: the e-value.
    """
    if suspicion >= SUSPICION:
        return 1.0
    left = target * accepted - errors
    rate = ERRORS_UNNOTICED / left if left > 0.0 else 1.0
    if missing is not None and missing <= HORIZON * ceiling:
        rate = max(rate, missing / HORIZON)
    return min(max(rate, floor), max(ceiling, floor))
