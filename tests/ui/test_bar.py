"""The bar: one row at every width, with a menu where the pages do not fit, and the account's menu."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from .test_accessibility import EVERYWHERE, Scan
from .workplace import PASSWORD, Reviewer, Workplace

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1200, "light"), (1024, "dark"), (390, "light"), (320, "dark")]
)
async def test_the_bar_is_one_row_and_leads_everywhere(
    work: Workplace, open_page: Open, axe: str, width: int, scheme: str
) -> None:
    account = {"name": work.reviewer, "roles": ["manager", "reviewer"], "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    reviewer = await open_page(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = reviewer.page
    scan = Scan(page, axe, EVERYWHERE)
    await reviewer.sign_in(work, "/queue")
    await expect(page.locator(".tile").first).to_be_visible()
    bar = await page.locator(".bar").bounding_box()
    assert bar is not None
    assert bar["height"] < 64
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    here = page.get_by_role("link", name="Queue", exact=True)
    if width < 1280:
        await expect(here).to_be_hidden()
        await page.get_by_role("button", name="Pages, now: Queue").focus()
        await page.keyboard.press("Enter")
    await expect(here).to_have_attribute("aria-current", "page")
    await expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(9)
    await scan("pages")
    await page.keyboard.press("Escape")
    await reviewer.open_account_menu()
    await scan("account")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    assert scan.found == {}
    assert reviewer.complaints == []
