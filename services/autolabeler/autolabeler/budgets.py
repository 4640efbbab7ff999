"""Who may spend: calls to voters that cost are started while their project's day has money, and wait or are
refused when it has not."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from datetime import date
from typing import Final, Protocol

import structlog
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord
from labelmill.events import ProjectPublished
from labelmill.projects import ProjectSpec
from labelmill.runtime.retry import is_passing
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised

from autolabeler.budget import Till, cap_of, day_of, missing, most_cost, nano_usd, usd
from autolabeler.store import Taken
from autolabeler.voters import Answer, Question

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 1.0
"""Time between two looks at what waits, what was spent, and what day it is."""
_PATIENCE_SECONDS: Final = 5.0
"""How long money that others hold may come back before a day counts as spent."""
_IDLE_SECONDS: Final = 5.0
"""Time without a call after which what is left is given back."""
_MOST_HELD: Final = 128
"""Most calls of one voter that money is held for. What a call may cost is some four times what it does cost:
held for thousands, it would be out of other processes' reach."""


class Payable(Protocol):
    """A call that costs. `hold` is what is set aside for its present try, in nano-dollars, out of `till`."""

    till: Till | None
    hold: int

    @property
    def project(self) -> str: ...

    @property
    def voter(self) -> str: ...

    @property
    def prices(self) -> TokenPrices: ...

    @property
    def question(self) -> Question: ...

    @property
    def live(self) -> bool: ...


class Projects(Protocol):
    """The projects in force."""

    def get(self, key: str) -> ProjectPublished | None: ...


class Store(Protocol):
    """Where the reservations of all processes are kept."""

    async def reserve(self, project: str, day: date, amount: int, cap: int) -> bool: ...

    async def settle(self, project: str, day: date, cost: int) -> None: ...

    async def give_back(self, project: str, day: date, amount: int) -> None: ...

    async def taken(self, project: str, day: date) -> Taken: ...


class Purse:
    """The money of one voter of one project in this process, and the calls that wait for it."""

    def __init__(self, project: str, voter: str, spec: ProjectSpec, now: float) -> None:
        self.project = project
        self.voter = voter
        self.waiting: deque[Payable] = deque()
        self.calls_held = 0
        self.used_at = now
        self.refused_since: float | None = None
        self.is_spent = False
        """The day's money is spent: calls wait for another day, or are refused at once."""
        self.need = 0
        self.probed_at = self.written_at = now
        self.old: list[Till] = []
        self.till = Till(day_of(now))
        self.see(spec)

    def see(self, spec: ProjectSpec) -> None:
        """Take a project's definition as the one in force."""
        self.spec = spec
        self.cap = cap_of(spec, self.voter)

    @property
    def parks(self) -> bool:
        return self.spec.budget.when_spent == "park"

    @property
    def is_parked(self) -> bool:
        return self.is_spent and self.parks and bool(self.waiting)

    def turn(self, now: float) -> None:
        """Begin a new day with an empty till; the old one is kept until its calls are settled."""
        self.old.append(self.till)
        self.till = Till(day_of(now))

    def open(self) -> None:
        self.refused_since = None
        self.is_spent = False

    def hold(self, call: Payable, need: int, now: float) -> bool:
        """Set money aside for a call if there is enough."""
        if self.calls_held >= _MOST_HELD or not self.till.hold(need):
            return False
        self.calls_held += 1
        self.used_at = now
        call.till, call.hold = self.till, need
        return True


class Budgets:
    """The purses of all voters that cost, of projects with a cap; a component of the service."""

    def __init__(
        self,
        context: Context,
        projects: Projects,
        store: Store,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives Unix time, which decides what day it is."""
        self._context = context
        self._projects = projects
        self._store = store
        self._clock = clock
        self._purses: dict[tuple[str, str], Purse] = {}
        self._wake = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._begin: Callable[[Payable], None] | None = None
        self._refuse: Callable[[Payable, InvalidRecord | None], None] | None = None
        metrics = context.metrics
        purses = self._purses
        metrics.budget_waiting.set_function(lambda: sum(len(purse.waiting) for purse in purses.values()))

    def connect(
        self, begin: Callable[[Payable], None], refuse: Callable[[Payable, InvalidRecord | None], None]
    ) -> None:
        """Tell who starts a call that waited, and who hears that a call is not paid: without a reason, its
        voter is to be done without; to be called before the start."""
        self._begin, self._refuse = begin, refuse

    async def start(self) -> None:
        self._working = supervised(self._work(), self._context.health)

    async def stop(self) -> None:
        """Write down what was spent and give back the rest. What calls in flight hold counts as spent."""
        await break_off(self._working)
        for purse in self._purses.values():
            await self._close(purse, [*purse.old, purse.till])

    @property
    def parked(self) -> bool:
        """Whether calls wait because a day's budget is spent."""
        return any(purse.is_parked for purse in self._purses.values())

    def pay(self, call: Payable) -> bool:
        """Set aside what one try at a call may cost and return whether it may start.

        If not, it waits here and is begun later, or it is refused, now or later.
        """
        published = self._projects.get(call.project)
        if published is None or published.spec.budget.usd_per_day is None or not any(call.prices):
            return True
        purse = self._purse(call, published.spec)
        if not purse.waiting and purse.hold(call, most_cost(call.prices, call.question), self._clock()):
            return True
        if purse.is_spent and not purse.parks:
            self._without(purse, call)
            return False
        purse.waiting.append(call)
        self._wake.set()
        return False

    def settle(self, call: Payable, answer: Answer | None, *, is_lost: bool = False) -> None:
        """End a try: it was answered, or never made, or (`is_lost`) failed in a way that may be charged."""
        if call.till is None:
            return
        cost = call.hold if is_lost else 0
        if answer is not None:
            cost = nano_usd(call.prices.cost_usd(answer.input_tokens, answer.output_tokens))
        call.till.settle(call.hold, cost)
        call.till, call.hold = None, 0
        purse = self._purses[call.project, call.voter]
        purse.calls_held -= 1
        if purse.waiting:
            self._wake.set()

    def forget(self) -> list[Payable]:
        """Return the calls that wait, which no longer do."""
        forgotten = [call for purse in self._purses.values() for call in purse.waiting]
        for purse in self._purses.values():
            purse.waiting.clear()
        return forgotten

    def _purse(self, call: Payable, spec: ProjectSpec) -> Purse:
        key = (call.project, call.voter)
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = Purse(*key, spec, self._clock())
        return purse

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            for purse in list(self._purses.values()):
                await self._tend(purse)

    async def _tend(self, purse: Purse) -> None:
        now = self._clock()
        published = self._projects.get(purse.project)
        if published is not None and published.spec is not purse.spec:
            purse.see(published.spec)
            self._reopen(purse, "the project has changed")
        if day_of(now) != purse.till.day:
            purse.turn(now)
            self._reopen(purse, "a new day has begun")
        if purse.old:
            await self._close(purse, purse.old)
            purse.old = [till for till in purse.old if till.held]
        if now - purse.written_at >= _LOOK_SECONDS:
            purse.written_at = now
            await self._write(purse, purse.till)
        await self._serve(purse, now)
        await self._probe(purse, now)
        if purse.calls_held == 0 and not purse.waiting and now - purse.used_at > _IDLE_SECONDS:
            await self._close(purse, [purse.till])

    async def _serve(self, purse: Purse, now: float) -> None:
        """Begin what waits, as far as the money goes."""
        assert self._begin is not None, "connect the budgets before the start"
        assert self._refuse is not None
        while purse.waiting and purse.calls_held < _MOST_HELD:
            call = purse.waiting[0]
            need = most_cost(call.prices, call.question)
            if not call.live:
                purse.waiting.popleft()
                self._refuse(call, None)
            elif purse.cap is None:
                self._begin(purse.waiting.popleft())
            elif need > purse.cap:
                purse.waiting.popleft()
                self._never(purse, call, need)
            elif purse.hold(call, need, now):
                self._begin(purse.waiting.popleft())
            elif not await self._reserve(purse, need):
                await self._lack(purse, need, now)
                return

    async def _probe(self, purse: Purse, now: float) -> None:
        """Where a spent budget makes nobody wait, see now and then whether there is money again."""
        if purse.is_spent and not purse.parks and now - purse.probed_at >= _PATIENCE_SECONDS:
            purse.probed_at = now
            await self._reserve(purse, purse.need)

    async def _reserve(self, purse: Purse, need: int) -> bool:
        if purse.cap is None:
            return False
        for amount in missing(purse.till, need, purse.cap):
            if await self._store.reserve(purse.project, purse.till.day, amount, purse.cap):
                purse.till.add(amount)
                self._reopen(purse, "there is money again")
                return True
        return False

    async def _lack(self, purse: Purse, need: int, now: float) -> None:
        """Go on waiting for money on its way back, and then do what the project says."""
        if purse.calls_held or purse.cap is None:
            return
        await self._write(purse, purse.till)
        taken = await self._store.taken(purse.project, purse.till.day)
        if purse.refused_since is None:
            purse.refused_since = now
        is_over = taken.spent + need > purse.cap or now - purse.refused_since >= _PATIENCE_SECONDS
        if is_over and not purse.is_spent:
            purse.is_spent, purse.need, purse.probed_at = True, need, now
            self._context.metrics.budget_exhausted.labels(purse.project, purse.voter).set(1)
            log.warning(
                "the day's budget is spent",
                project=purse.project,
                voter=purse.voter,
                cap_usd=usd(purse.cap),
                when_spent=purse.spec.budget.when_spent,
                waiting=len(purse.waiting),
                spent_usd=usd(taken.spent),
                reserved_usd=usd(taken.reserved),
            )
        if purse.is_spent and not purse.parks:
            while purse.waiting:
                self._without(purse, purse.waiting.popleft())

    def _never(self, purse: Purse, call: Payable, need: int) -> None:
        """End a call that no day can pay."""
        assert self._refuse is not None
        if not purse.parks:
            self._without(purse, call)
            return
        assert purse.cap is not None
        detail = (
            f"voter {purse.voter} may cost ${usd(need):.6f} for it, and a day's cap is ${usd(purse.cap):.6f}"
        )
        self._refuse(call, InvalidRecord("over_budget", detail))

    def _without(self, purse: Purse, call: Payable) -> None:
        assert self._refuse is not None
        self._context.metrics.budget_refused.labels(purse.project, purse.voter).inc()
        self._refuse(call, None)

    def _reopen(self, purse: Purse, why: str) -> None:
        if purse.is_spent:
            log.info("voter is paid again", project=purse.project, voter=purse.voter, why=why)
            self._context.metrics.budget_exhausted.labels(purse.project, purse.voter).set(0)
        purse.open()

    async def _write(self, purse: Purse, till: Till) -> None:
        spent = till.take_spent()
        if spent:
            await self._store.settle(purse.project, till.day, spent)
            taken = await self._store.taken(purse.project, till.day)
            metrics = self._context.metrics
            metrics.budget_used.labels(purse.project).set(usd(taken.spent + taken.reserved))
            metrics.budget_cap.labels(purse.project).set(purse.spec.budget.usd_per_day or 0.0)

    async def _close(self, purse: Purse, tills: list[Till]) -> None:
        """Write down what was spent from tills and give back what is free in them."""
        for till in tills:
            await self._write(purse, till)
            leftover = till.take_leftover()
            if leftover:
                await self._give_back(purse.project, till.day, leftover)

    async def _give_back(self, project: str, day: date, amount: int) -> None:
        try:
            await self._store.give_back(project, day, amount)
        except Exception as error:
            if not is_passing(error):
                raise
            log.warning("money not given back: it counts as spent", project=project, usd=usd(amount))
