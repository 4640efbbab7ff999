"""Calls to the LLM: how many at a time, tried how often, and the same prompt never twice at once."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog
from labelmill.cost import TokenPrices
from labelmill.errors import InvalidRecord
from labelmill.runtime.service import Context
from labelmill.topics import ITEMS

from autolabeler.breaker import MAX_RETRY_AFTER, Breaker, State
from autolabeler.budget import Till
from autolabeler.budgets import Budgets, Payable
from autolabeler.limiter import Limiter
from autolabeler.meters import VoterMeter
from autolabeler.pooling import Paid
from autolabeler.settings import AutolabelerSettings
from autolabeler.store import Stored, VoteCache
from autolabeler.voters import Answer, Answerer, Misconfigured, NoAnswer, Passing, Question, Refused, Unusable

log = structlog.get_logger(__name__)

_FIRST_DELAY, _MAX_DELAY = 0.25, 10.0
_OTHERS_ANSWERED = 20
"""Answers to others, since a prompt first failed, that show the fault to be the prompt's."""
_RECENT = 8192
"""Answers remembered after they were stored: a lookup that began before does not see them yet."""
_BLAMES_PROMPT = frozenset({"server_error", "timeout"})


class Asker(Protocol):
    """Whoever waits for an answer. `payer` names the item it is for; `live` is false once nobody cares."""

    @property
    def payer(self) -> bytes: ...

    @property
    def live(self) -> bool: ...

    def take(self, result: Paid | InvalidRecord | None) -> None:
        """Take the answer, or why there will be none; None if the budget does not allow to ask."""


class Call:
    """A question on its way, with everybody who waits for its answer. The first one pays."""

    __slots__ = (
        "answered_before",
        "askers",
        "failures",
        "hold",
        "meter",
        "payer",
        "question",
        "till",
        "unusable",
    )

    def __init__(self, question: Question, asker: Asker, meter: VoterMeter) -> None:
        self.question = question
        self.askers = [asker]
        self.payer = asker.payer
        self.meter = meter
        self.failures = 0
        self.unusable = 0
        self.answered_before = 0
        self.till: Till | None = None
        self.hold = 0

    @property
    def project(self) -> str:
        return self.meter.project

    @property
    def voter(self) -> str:
        return self.meter.voter

    @property
    def prices(self) -> TokenPrices:
        return self.meter.prices

    @property
    def live(self) -> bool:
        return any(asker.live for asker in self.askers)

    def settle(self, result: Answer | InvalidRecord | None) -> None:
        """Tell everybody."""
        for asker in self.askers:
            if isinstance(result, Answer):
                asker.take(Paid(result, asker.payer == self.payer))
            else:
                asker.take(result)


class ModelQueue:
    """The calls to one model, in order, under its own limiter and breaker.

    A call counts as in flight until its answer is durable: so a crash costs at most `limit` calls.
    """

    def __init__(
        self,
        context: Context,
        settings: AutolabelerSettings,
        answerer: Answerer,
        *,
        cache: VoteCache,
        budgets: Budgets,
        on_end: Callable[[Call, Answer | InvalidRecord | None], None],
    ) -> None:
        """`on_end` hears of every call that will not be tried again, before its askers do: with its result,
        or with None if it was given up."""
        self._context = context
        self._settings = settings
        self._answerer = answerer
        self._cache = cache
        self._budgets = budgets
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self.limiter = Limiter(
            initial=settings.llm_initial_concurrency,
            maximum=settings.llm_max_concurrency,
            tolerance=settings.llm_latency_tolerance,
        )
        self.breaker = Breaker(
            failures=settings.llm_breaker_failures, max_cooldown=settings.llm_breaker_max_seconds
        )
        self._pending: deque[Call] = deque()
        self._delayed: dict[Call, asyncio.TimerHandle] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._opening: asyncio.TimerHandle | None = None
        self._answered = 0
        self._misconfigured_since: float | None = None
        self._paused = False
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def in_flight(self) -> int:
        return len(self._running)

    def is_held(self) -> bool:
        """Return whether the breaker is not closed."""
        return self.breaker.state(self._loop.time()) is not State.CLOSED

    @property
    def has_calls(self) -> bool:
        return bool(self._pending or self._delayed or self._running)

    @property
    def waits(self) -> bool:
        """Whether nothing is in flight because the breaker holds all calls until a certain time."""
        return not self._running and self.breaker.wait(self._loop.time()) > 0

    def push(self, call: Call) -> None:
        """Queue a call and start what may start."""
        self._pending.append(call)
        self.fill()

    def fill(self) -> None:
        """Start calls while limiter and breaker allow it."""
        while self._pending and len(self._running) < self.limiter.limit:
            now = self._loop.time()
            if not self.breaker.allows(now):
                self._fill_after(self.breaker.wait(now))
                return
            self.breaker.started(now)
            task = self._loop.create_task(self._run(self._pending.popleft(), now))
            self._running.add(task)
            self.idle.clear()
            task.add_done_callback(self._ended)

    def pause(self) -> None:
        """Start no more calls and forget those that are not in flight."""
        self._paused = True
        for call in self._taken_back():
            self._on_end(call, None)

    def resume(self) -> None:
        """Take calls again."""
        self._paused = False

    def cancel(self) -> None:
        """Break off the calls in flight; they may be paid again."""
        self.pause()
        if self._opening is not None:
            self._opening.cancel()
        for task in self._running:
            task.cancel()

    def _taken_back(self) -> list[Call]:
        """Empty the queue and return what was in it."""
        waiting = [*self._pending, *self._delayed]
        for timer in self._delayed.values():
            timer.cancel()
        self._pending.clear()
        self._delayed.clear()
        return waiting

    def _fill_after(self, seconds: float) -> None:
        # With 0 seconds a probe is out, and its end fills the queue.
        if seconds > 0:
            if self._opening is not None:
                self._opening.cancel()
            self._opening = self._loop.call_later(seconds, self.fill)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self.idle.set()
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._context.health.fail(error)
            return
        self.fill()

    async def _run(self, call: Call, started: float) -> None:
        try:
            (answer,) = await self._answerer.answer([call.question])
        except NoAnswer as problem:
            self._failed(call, problem, started)
            return
        except BaseException:
            self.breaker.dropped(started)
            raise
        now = self._loop.time()
        self._answered += 1
        self._in_order(started)
        self.limiter.succeeded(now - started, len(self._running), now)
        call.meter.answered(answer, now - started)
        self._context.health.progress(ITEMS.name, idle=False)
        await self._cache.put(call.question.key, Stored(call.payer, answer))
        self._end(call, answer)

    def _end(self, call: Call, result: Answer | InvalidRecord) -> None:
        self._on_end(call, result)
        call.settle(result)

    def _failed(self, call: Call, problem: NoAnswer, started: float) -> None:
        self._context.health.progress(ITEMS.name, idle=False)
        if isinstance(problem, Passing):
            self._passing(call, problem, started)
        elif isinstance(problem, Misconfigured):
            self._misconfigured(call, problem, started)
        else:
            self._no_use(call, problem, started)

    def _in_order(self, started: float) -> None:
        self.breaker.succeeded(started)
        self._misconfigured_since = None

    def _misconfigured(self, call: Call, problem: Misconfigured, started: float) -> None:
        """Hold all calls until the next probe; give up those that wait once this has gone on for too long."""
        call.meter.failed("misconfigured")
        self._hold(problem, started, None)
        self._again(call, 0.0)
        now = self._loop.time()
        if self._misconfigured_since is None:
            self._misconfigured_since = now
        longest = self._settings.llm_misconfigured_seconds
        if 0 < longest <= now - self._misconfigured_since:
            # They would fill the window for good, and with it stop the projects that ask other models.
            detail = f"the provider refused the model {call.question.model!r} for {longest:g} s: {problem}"
            for waiting in self._taken_back():
                self._end(waiting, InvalidRecord("llm_misconfigured", detail, is_blameless=True))

    def _passing(self, call: Call, problem: Passing, started: float) -> None:
        call.meter.failed(problem.kind)
        if problem.kind == "timeout":
            self._budgets.settle(call, None, is_lost=True)
        now = self._loop.time()
        if problem.kind != "connection":
            self.limiter.overloaded(now)
        if problem.kind == "rate_limited":
            # The provider's matter, not the prompt's: the breaker holds all calls, so this one need not wait.
            self._hold(problem, started, problem.wait)
            self._again(call, 0.0)
            return
        self._hold(problem, started, problem.wait, at_once=False)
        if problem.kind in _BLAMES_PROMPT and self._is_to_blame(call):
            detail = f"{call.failures} tries failed while other prompts were answered; the last: {problem}"
            self._end(call, InvalidRecord("llm_failing", detail))
            return
        self._again(call, max(min(problem.wait or 0.0, MAX_RETRY_AFTER), _delay(call.failures)))

    def _is_to_blame(self, call: Call) -> bool:
        if call.failures == 0:
            call.answered_before = self._answered
        call.failures += 1
        tries = self._settings.llm_failing_tries
        return call.failures >= tries and self._answered - call.answered_before >= _OTHERS_ANSWERED

    def _no_use(self, call: Call, problem: NoAnswer, started: float) -> None:
        self._in_order(started)
        if isinstance(problem, Unusable):
            call.meter.failed("unusable")
            self._budgets.settle(call, None, is_lost=True)
            call.unusable += 1
            if call.unusable < self._settings.llm_unusable_tries:
                self._again(call, _delay(call.unusable))
            else:
                self._end(call, InvalidRecord(problem.reason, problem.detail))
            return
        assert isinstance(problem, Refused)
        call.meter.failed("refused")
        self._end(call, InvalidRecord("llm_refused", str(problem)))

    def _hold(self, problem: NoAnswer, started: float, wait: float | None, *, at_once: bool = True) -> None:
        now = self._loop.time()
        was_held = self.breaker.wait(now) > 0
        self.breaker.failed(started, now, wait=wait, at_once=at_once)
        seconds = self.breaker.wait(now)
        if seconds > 0 and not was_held:
            say = log.error if isinstance(problem, Misconfigured) else log.warning
            say("LLM calls held back", seconds=round(seconds, 1), problem=str(problem))

    def _again(self, call: Call, delay: float) -> None:
        if self._paused or not call.live:
            self._on_end(call, None)
        elif delay <= 0:
            self._readmit(call)
        else:
            self._delayed[call] = self._loop.call_later(delay, self._return, call)

    def _return(self, call: Call) -> None:
        del self._delayed[call]
        self._readmit(call)
        self.fill()

    def _readmit(self, call: Call) -> None:
        """Queue a call for another try; it must be paid for anew if the one before may be charged."""
        if call.till is not None or self._budgets.pay(call):
            self._pending.appendleft(call)


def _delay(failures: int) -> float:
    """Seconds before the next try: doubling, with jitter, so that failed calls do not come back together."""
    longest = min(_MAX_DELAY, _FIRST_DELAY * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)


class Calls:
    """All calls of this process; a component of the service.

    A question that is already on its way is not asked again: its asker waits with the others.
    """

    def __init__(
        self,
        context: Context,
        settings: AutolabelerSettings,
        answerer: Answerer,
        *,
        cache: VoteCache,
        budgets: Budgets,
    ) -> None:
        self._context = context
        self._settings = settings
        self._answerer = answerer
        self._cache = cache
        self._budgets = budgets
        budgets.connect(self._begin, self._refuse)
        self._queues: dict[str, ModelQueue] = {}
        self._open: dict[bytes, Call] = {}
        self._recent: dict[bytes, Stored] = {}
        self._paused = False
        self._show()

    async def start(self) -> None:
        """Nothing: queues are made as models are met."""

    async def stop(self) -> None:
        for queue in self._queues.values():
            queue.cancel()
        await self.idle()

    @property
    def all_held(self) -> bool:
        """Whether there are calls and every one of them waits for its provider's breaker or for money."""
        busy = [queue for queue in self._queues.values() if queue.has_calls]
        return bool(busy or self._budgets.parked) and all(queue.waits for queue in busy)

    def ask(self, question: Question, asker: Asker, meter: VoterMeter) -> None:
        """Have `question` answered; `asker` is told. While paused nothing is asked and nobody told."""
        if self._paused:
            return
        recent = self._recent.get(question.key)
        if recent is not None:
            asker.take(Paid(recent.answer, asker.payer == recent.payer))
            return
        known = self._open.get(question.key)
        if known is not None:
            known.askers.append(asker)
            return
        call = self._open[question.key] = Call(question, asker, meter)
        if self._budgets.pay(call):
            self._begin(call)

    def pause(self) -> None:
        """Start no more calls and forget those that wait; those in flight go on."""
        self._paused = True
        for call in self._budgets.forget():
            self._open.pop(call.question.key, None)
        for queue in self._queues.values():
            queue.pause()

    def resume(self) -> None:
        """Take questions again."""
        self._paused = False
        for queue in self._queues.values():
            queue.resume()

    async def idle(self) -> None:
        """Return once no call is in flight."""
        for queue in self._queues.values():
            await queue.idle.wait()

    def _queue(self, model: str) -> ModelQueue:
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = ModelQueue(
                self._context,
                self._settings,
                self._answerer,
                cache=self._cache,
                budgets=self._budgets,
                on_end=self._ended,
            )
        return queue

    def _begin(self, call: Payable) -> None:
        assert isinstance(call, Call)
        self._queue(call.question.model).push(call)

    def _refuse(self, call: Payable, error: InvalidRecord | None) -> None:
        assert isinstance(call, Call)
        self._open.pop(call.question.key, None)
        call.settle(error)

    def _ended(self, call: Call, result: Answer | InvalidRecord | None) -> None:
        self._open.pop(call.question.key, None)
        self._budgets.settle(call, result if isinstance(result, Answer) else None)
        if isinstance(result, Answer):
            self._recent[call.question.key] = Stored(call.payer, result)
            if len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]

    def _show(self) -> None:
        metrics, queues = self._context.metrics, self._queues
        metrics.llm_in_flight.set_function(lambda: sum(queue.in_flight for queue in queues.values()))
        metrics.llm_limit.set_function(lambda: sum(queue.limiter.limit for queue in queues.values()))
        metrics.llm_breaker.set_function(lambda: any(queue.is_held() for queue in queues.values()))
