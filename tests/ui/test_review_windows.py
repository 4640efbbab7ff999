"""One person in two windows, or with a browser that is gone: what it holds can be taken over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Route, expect

from .test_accessibility import Scan
from .test_review_page import items
from .workplace import Reviewer, Workplace, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]


async def both_held(work: Workplace, open_page: Open, **options: Any) -> tuple[Reviewer, Reviewer]:
    """Sign in at two browsers, of which the first has got the two tasks there are."""
    await work.add(items("first text", "second text"))
    one = await open_page()
    await one.sign_in(work)
    await one.sees("first text")
    await until(lambda: has_two(one))
    other = await open_page(**options)
    await other.sign_in(work)
    return one, other


async def beats_held_back(one: Reviewer) -> asyncio.Event:
    """Keep heartbeats on their way until the event that is returned is set."""
    go_on = asyncio.Event()

    async def wait(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await one.page.route("**/heartbeat", wait)
    return go_on


async def has_two(one: Reviewer) -> bool:
    return len(one.tasks()) >= 2


async def test_the_tasks_of_a_lost_browser_are_taken_over_by_a_key(work: Workplace, open_page: Open) -> None:
    one, other = await both_held(work, open_page)
    heading = other.page.get_by_role("heading", name="You have 2 tasks in hand in another window")
    await expect(heading).to_be_visible()
    await expect(other.page.locator("[data-announcer]")).to_contain_text("You have 2 tasks in hand")
    await one.context.set_offline(True)  # as if it were gone
    await other.press("Shift+H")
    await other.sees("first text")
    await other.press("1")
    await other.sees("second text")
    await other.press("2")
    assert await work.decided(2) == {"item-0": "positive", "item-1": "negative"}
    await expect(other.page.get_by_role("heading", name="All caught up")).to_be_visible()
    assert one.complaints + other.complaints == []


async def test_a_window_that_is_still_open_loses_them_and_says_so(work: Workplace, open_page: Open) -> None:
    one, other = await both_held(work, open_page)
    beats = await beats_held_back(one)
    button = other.page.get_by_role("button", name="Take them here")
    await button.focus()
    await other.press("Enter")
    await other.sees("first text")
    await one.press("2")  # before a heartbeat tells it
    await expect(one.page.locator(".notice").first).to_contain_text("came after your hold")
    beats.set()
    await other.press("1")
    await other.sees("second text")
    assert await work.decided(1) == {"item-0": "positive"}
    lost = one.page.get_by_text("This task is no longer yours here")  # its next heartbeat finds out
    await expect(lost).to_be_visible(timeout=40_000)
    await one.press("Shift+N")
    await one.page.get_by_role("button", name="Take it here").click()
    await one.sees("second text")
    await one.press("2")
    assert await work.decided(2) == {"item-0": "positive", "item-1": "negative"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_it_fits_a_phone(
    work: Workplace, open_page: Open, axe: str, scheme: str
) -> None:
    phone = {"width": 360, "height": 740}
    _, other = await both_held(work, open_page, viewport=phone, color_scheme=scheme, bypass_csp=True)
    await expect(other.page.get_by_role("button", name="Take them here")).to_be_visible()
    scan = Scan(other.page, axe, None)
    await scan("in another window")
    assert scan.found == {}
    assert await other.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
