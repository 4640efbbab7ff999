"""axe-core finds nothing to object to (WCAG 2.2 A and AA, and its own best practices), light and dark."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .workplace import Item, Reviewer, Workplace

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


EVERYWHERE = None
COLOURED = frozenset({"sign in", "suggestion", "comment", "remarked", "blind", "offline", "dashboard"})
"""Places that between them show every colour and every layout: names, roles and order are the same anyway."""

# Colours that change are measured once they have changed: nothing is pressed, nothing fades.
AT_REST = """
    () => !document.querySelector('.pressed') && document.getAnimations().every((animation) =>
        animation.playState !== 'running' || animation.effect.getComputedTiming().iterations === Infinity)
"""


@dataclass
class Scan:
    """Runs axe-core in some places of a page, or in all, and collects what it finds, a line each."""

    page: Page
    axe: str
    places: frozenset[str] | None
    found: dict[str, list[str]] = field(default_factory=dict)

    async def __call__(self, place: str) -> None:
        if self.places is not EVERYWHERE and place not in self.places:
            return
        await self.page.wait_for_function(AT_REST)
        await self.page.locator("h1").first.wait_for(
            state="attached"
        )  # before the first answer there is none
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(self.axe)
        found: dict[str, Any] = await self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        lines = [
            f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]
        if lines:
            self.found[place] = lines


@pytest.mark.parametrize(
    ("size", "scheme", "places"),
    [
        pytest.param(DESK, "light", EVERYWHERE, id="desk-light"),
        pytest.param(DESK, "dark", COLOURED, id="desk-dark"),
        pytest.param(PHONE, "light", COLOURED, id="phone-light"),
        pytest.param(PHONE, "dark", COLOURED, id="phone-dark"),
    ],
)
async def test_axe_finds_nothing(
    work: Workplace,
    open_page: Open,
    axe: str,
    size: dict[str, int],
    scheme: str,
    places: frozenset[str] | None,
) -> None:
    await work.add(
        [
            Item(
                "0",
                "a text that the machine has an opinion about",
                confidence=0.52,
                metadata={"source": "mail"},
            ),
            Item("1", "a long text. " * 60, confidence=0.53),
            Item("3", "an accepted text", confidence=0.99, accepted=True, cost_usd=0.002),
        ]
    )
    await work.release(1, 0.8, 0.7)
    reviewer = await open_page(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = reviewer.page
    scan = Scan(page, axe, places)
    await page.goto(reviewer.url)
    await expect(page.get_by_label("Name")).to_be_visible()
    await scan("sign in")
    await reviewer.sign_in(work)
    await expect(page.locator(".task-text")).to_be_visible()
    await scan("suggestion")
    await reviewer.press("?")
    await scan("help")
    await reviewer.press("Escape", "s")
    await scan("skip")
    await reviewer.press("Escape", "f")
    await scan("flag")
    await reviewer.press("Escape", "c")
    await scan("comment")
    await expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    await page.keyboard.type("to whom it may concern")
    await reviewer.press("Control+Enter")
    await expect(page.locator(".remarks")).to_be_visible()
    await scan("remarked")
    await reviewer.press("g")
    await scan("guideline toggled")
    await page.wait_for_timeout(250)
    await reviewer.press("1")
    await expect(page.locator(".task-text.long")).to_be_visible()
    await scan("long text")
    await page.wait_for_timeout(250)
    await reviewer.press("2")
    await work.add([Item("2", "a blind text", confidence=0.98, blind=True)])
    await expect(page.locator(".blind")).to_be_visible()
    await scan("blind")
    await page.wait_for_timeout(250)
    await reviewer.context.set_offline(True)
    await reviewer.press("1")
    await expect(page.locator(".banner")).to_be_visible()
    await scan("offline")
    await reviewer.context.set_offline(False)
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await scan("nothing to do")
    await page.goto(f"{reviewer.url}/dashboard?project={work.project}")
    await expect(page.locator(".plot canvas").first).to_be_visible()
    await page.locator("summary").first.click()
    await scan("dashboard")
    assert scan.found == {}


async def test_nothing_is_cut_off_on_a_small_phone(work: Workplace, open_page: Open) -> None:
    await work.add([Item("0", "w" * 300, confidence=0.52)])
    reviewer = await open_page(viewport={"width": 320, "height": 640})
    await reviewer.sign_in(work)
    await expect(reviewer.page.locator(".task-text")).to_be_visible()
    for path in ("/", "/dashboard"):
        await reviewer.page.goto(f"{reviewer.url}{path}?project={work.project}")
        await expect(reviewer.page.locator(".task-text, .tile").first).to_be_visible()
        assert await reviewer.page.evaluate("document.documentElement.scrollWidth") <= 320, path
