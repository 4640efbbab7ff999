"""What a label costs that is accepted without a person and right. Pure."""


def usd_per_correct(usd: float, accepted: int, error: float | None) -> float | None:
    """Return the cost per accepted-correct label; None while it cannot be told.

    `usd`: all that was spent, on the machine and on people; `accepted`: labels accepted without a person;
    `error`: the share of them that is wrong, None if unknown.
    """
    if error is None:
        return None
    correct = accepted * (1.0 - error)
    return usd / correct if correct > 0.0 else None
