"""axe-core finds nothing to object to (WCAG 2.2 A and AA, and its own best practices), light and dark."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .workplace import Item, Reviewer, Workplace

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


async def violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds, a line each."""
    await page.wait_for_timeout(300)  # colours that change are measured once they have changed
    await page.evaluate(axe)
    found: dict[str, Any] = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_axe_finds_nothing(
    work: Workplace, open_page: Open, axe: str, scheme: str, size: dict[str, int]
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
    found: dict[str, list[str]] = {}
    await page.goto(reviewer.url)
    await expect(page.get_by_label("Name")).to_be_visible()
    found["sign in"] = await violations(page, axe)
    await reviewer.sign_in(work)
    await expect(page.locator(".task-text")).to_be_visible()
    found["suggestion"] = await violations(page, axe)
    await reviewer.press("?")
    found["help"] = await violations(page, axe)
    await reviewer.press("Escape", "s")
    found["skip"] = await violations(page, axe)
    await reviewer.press("Escape", "g")
    found["guideline toggled"] = await violations(page, axe)
    await page.wait_for_timeout(250)
    await reviewer.press("1")
    await expect(page.locator(".task-text.long")).to_be_visible()
    found["long text"] = await violations(page, axe)
    await reviewer.press("2")
    await work.add([Item("2", "a blind text", confidence=0.98, blind=True)])
    await expect(page.locator(".blind")).to_be_visible()
    found["blind"] = await violations(page, axe)
    await page.wait_for_timeout(250)
    await reviewer.context.set_offline(True)
    await reviewer.press("1")
    await expect(page.locator(".banner")).to_be_visible()
    found["offline"] = await violations(page, axe)
    await reviewer.context.set_offline(False)
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    found["nothing to do"] = await violations(page, axe)
    await page.goto(f"{reviewer.url}/dashboard?project={work.project}")
    await expect(page.locator(".plot canvas").first).to_be_visible()
    await page.locator("summary").first.click()
    found["dashboard"] = await violations(page, axe)
    assert {place: lines for place, lines in found.items() if lines} == {}


async def test_nothing_is_cut_off_on_a_small_phone(work: Workplace, open_page: Open) -> None:
    await work.add([Item("0", "w" * 300, confidence=0.52)])
    reviewer = await open_page(viewport={"width": 320, "height": 640})
    await reviewer.sign_in(work)
    await expect(reviewer.page.locator(".task-text")).to_be_visible()
    for path in ("/", "/dashboard"):
        await reviewer.page.goto(f"{reviewer.url}{path}?project={work.project}")
        await expect(reviewer.page.locator(".task-text, .tile").first).to_be_visible()
        assert await reviewer.page.evaluate("document.documentElement.scrollWidth") <= 320, path
