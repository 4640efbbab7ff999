"""A day's money for one voter of a project, as one process holds it: reserved, held for calls, spent. Pure.

Amounts are whole nano-dollars (1e-9 USD): sums of many small prices stay exact. A process takes money from
the project's row in chunks; a call is started only while what it may cost at most is at hand. So however many
processes there are, what they hold and have spent together never passes the cap.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from labelmill.cost import VERBAL_TOKENS, TokenPrices, typical_cost
from labelmill.projects import ProjectSpec

from autolabeler.voters import Question

_NANO: Final = 1e9
_CHUNKS: Final = 200
"""Chunks in a day's cap: what a crash loses is one of them, or what a single call may cost."""
_DEAREST_SHARE: Final = 0.8
"""Share of the cap that the dearest voter may use where dear voters are left out first."""


def nano_usd(usd: float) -> int:
    """Return an amount of US dollars in nano-dollars, rounded up."""
    # Beyond what a price can mean, a binary fraction must not add a whole unit.
    return math.ceil(round(usd * _NANO, 3))


def usd(nano: int) -> float:
    """Return nano-dollars in US dollars."""
    return nano / _NANO


def most_cost(prices: TokenPrices, question: Question) -> int:
    """Return the most that one try at a question can cost, in nano-dollars.

    A token is at least one byte of the text, and what a chat template adds is less than the request's JSON
    does: so its bytes bound the input tokens. The output is bounded by the request.
    """
    input_tokens = sum(len(part) for part in question.parts)
    output_tokens = VERBAL_TOKENS if question.method == "verbal" else 1
    return nano_usd(prices.cost_usd(input_tokens, output_tokens))


def day_of(seconds: float) -> date:
    """Return the day (UTC) of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC).date()


def chunks(need: int, cap: int) -> list[int]:
    """Return the amounts to try to reserve when a call needs `need`: a chunk of the cap, then less and less,
    for the cap's rest may be smaller than a chunk."""
    amount = max(need, cap // _CHUNKS)
    sizes = []
    while amount > need:
        sizes.append(amount)
        amount //= 4
    return [*sizes, need]


def cap_of(spec: ProjectSpec, voter: str) -> int | None:
    """Return what a voter of a project may spend in a day, in nano-dollars; None if there is no cap.

    The cap is the project's: all of its voters draw on it. With `when_spent: cheaper` the dearer ones may not
    use all of it, so that the cheaper still have some when these must stop.
    """
    budget = spec.budget
    if budget.usd_per_day is None:
        return None
    cap = math.floor(budget.usd_per_day * _NANO)
    if budget.when_spent != "cheaper":
        return cap
    paid = sorted({typical_cost(each) for each in spec.voters if each.type == "llm"} - {0.0})
    own = next((typical_cost(each) for each in spec.voters if each.name == voter), 0.0)
    if len(paid) < 2 or own not in paid:
        return cap
    rank = paid.index(own) / (len(paid) - 1)
    return math.floor(cap * (1 - rank * (1 - _DEAREST_SHARE)))


class Till:
    """What one process has reserved for one voter on one day.

    What was reserved is at any time the sum of the balance, what is held for calls, and what was spent.
    """

    __slots__ = ("_unwritten", "balance", "day", "held")

    def __init__(self, day: date) -> None:
        self.day = day
        self.balance = 0
        """Reserved and free. Below 0 if a provider charged more than a call could cost."""
        self.held = 0
        """Set aside for calls on their way."""
        self._unwritten = 0

    def add(self, amount: int) -> None:
        """Take what was reserved in the project's row."""
        self.balance += amount

    def hold(self, amount: int) -> bool:
        """Set aside what a call may cost; False, and nothing is done, if there is not enough."""
        if self.balance < amount:
            return False
        self.balance -= amount
        self.held += amount
        return True

    def settle(self, held: int, cost: int) -> None:
        """End a hold: a call cost `cost`, which is 0 if it was never made."""
        self.held -= held
        self.balance += held - cost
        self._unwritten += cost

    def take_spent(self) -> int:
        """Return what was spent since the last call of this."""
        spent, self._unwritten = self._unwritten, 0
        return spent

    def take_leftover(self) -> int:
        """Return what is free, to be given back; it is no longer at hand."""
        leftover, self.balance = self.balance, 0
        return leftover


def missing(till: Till, need: int, cap: int) -> Sequence[int]:
    """Return the amounts to try to reserve so that a call which needs `need` can be paid."""
    return chunks(need - till.balance, cap)
