"""The next task is on the screen at once, however slow the server: the page measures that itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, Route

from .test_review_page import items
from .workplace import Reviewer, Workplace

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]

DELAY_S = 0.3
MOST_MS = 100
DECISIONS = 30
PACE_MS = 450  # two decisions a second: nobody reads faster
COLLECT = """
    window.times = [];
    new PerformanceObserver((list) => window.times.push(...list.getEntriesByName("labelmill:next-task")))
      .observe({ type: "measure" });
"""


@asynccontextmanager
async def delayed(page: Page, **seconds: float) -> AsyncIterator[None]:
    """Let each request to the API take longer: `claim`, `decision`, and so on, by the ends of their paths."""

    async def wait(route: Route) -> None:
        await asyncio.sleep(seconds.get(route.request.url.rsplit("/", 1)[1], DELAY_S))
        await route.continue_()

    await page.route("**/v1/**", wait)
    yield
    await page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("submit_s", [DELAY_S, 1.0], ids=["slow-server", "slow-submit"])
async def test_the_next_task_shows_within_100_ms(
    work: Workplace, reviewer: Reviewer, submit_s: float, record_property: Callable[[str, object], None]
) -> None:
    await work.add(items(*(f"text {number}" for number in range(DECISIONS + 4))))
    page = reviewer.page
    await page.add_init_script(COLLECT)
    async with delayed(page, decision=submit_s):
        await reviewer.sign_in(work)
        await reviewer.sees("text 0")
        await page.wait_for_function("document.querySelectorAll('.label:not(:disabled)').length === 2")
        await asyncio.sleep(3 * DELAY_S)  # as long as somebody reads the first text
        for number in range(DECISIONS):
            begun = time.monotonic()
            await page.keyboard.press("1")
            await page.wait_for_function(
                "(text) => document.querySelector('.task-text')?.textContent === text",
                arg=f"text {number + 1}",
            )
            # A key counts once its text has been there for a fifth of a second, however late it came.
            await asyncio.sleep(max(0.25, PACE_MS / 1000 - (time.monotonic() - begun)))
        await page.wait_for_function(f"window.times.length >= {DECISIONS}")
        times = sorted(await page.evaluate("window.times.map((one) => one.duration)"))
    assert len(times) == DECISIONS
    p50, p95 = times[len(times) // 2], times[int(0.95 * len(times))]
    record_property("next_task_ms", {"p50": p50, "p95": p95})
    print(f"next task, submit {submit_s} s: p50 {p50:.0f} ms, p95 {p95:.0f} ms, most {times[-1]:.0f} ms")
    assert p95 < MOST_MS, times
    labels = await work.decided(DECISIONS)
    assert set(labels.values()) == {"positive"}


async def test_answers_come_faster_than_tasks_and_none_is_lost(work: Workplace, reviewer: Reviewer) -> None:
    """Four answers a second, each task a second away: the page waits for tasks, not for anything else."""
    await work.add(items(*(f"text {number}" for number in range(12))))
    async with delayed(reviewer.page, claim=1.0, decision=0.5):
        await reviewer.sign_in(work)
        for number in range(12):
            await reviewer.sees(f"text {number}")
            await reviewer.press("1" if number % 2 else "2")
        labels = await work.decided(12)
    assert labels == {f"item-{n}": "positive" if n % 2 else "negative" for n in range(12)}
