"""Who comes in at the reviewers' page, and who is sent on."""

from dataclasses import replace

import pytest
from playwright.async_api import expect

from .promised import make_manager
from .workplace import PASSWORD, Reviewer, Workplace

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_signing_in_says_when_the_password_is_wrong(work: Workplace, reviewer: Reviewer) -> None:
    page = reviewer.page
    await page.goto(reviewer.url)
    await page.get_by_label("Name").fill(work.reviewer)
    await page.get_by_label("Password").fill("not the password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("This name and password do not match.")
    await reviewer.sign_in(work)
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    cookies = await reviewer.context.cookies()
    assert [(c["httpOnly"], c["sameSite"]) for c in cookies] == [(True, "Strict")]


async def test_someone_without_the_role_is_told_so(work: Workplace, reviewer: Reviewer) -> None:
    account = {"name": work.reviewer, "roles": ["service"]}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    await reviewer.sign_in(work)
    await expect(reviewer.page.get_by_role("heading", name="This account does not review")).to_be_visible()
    await expect(reviewer.page.get_by_text("ask one of its managers for the reviewer role")).to_be_visible()
    await expect(reviewer.page.get_by_role("link", name="Review", exact=True)).to_have_count(0)


async def test_a_manager_who_does_not_review_goes_to_the_dashboard(
    work: Workplace, reviewer: Reviewer
) -> None:
    name = f"m{work.reviewer}"
    await make_manager(work, name, PASSWORD)
    page = reviewer.page
    await reviewer.sign_in(replace(work, reviewer=name))
    await expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    await page.goto(f"{reviewer.url}/?project={work.project}")
    await expect(page.get_by_role("heading", name="This account does not review")).to_be_visible()
    await page.get_by_role("main").get_by_role("link", name="queue").click()
    await expect(page.get_by_role("heading", name="Queue", exact=True)).to_be_visible()
    assert f"project={work.project}" in page.url
    await page.goto(f"{reviewer.url}/?project={work.project}#signed-in")
    await page.wait_for_url("**/dashboard?**")
