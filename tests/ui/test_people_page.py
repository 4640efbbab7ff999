"""Who may do what: the pages /people, /account and /invitation, in a real browser."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from .test_accessibility import AT_REST
from .workplace import PASSWORD, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
NEW_PASSWORD = "another good password"
WIDENED = """
    [...document.querySelectorAll('.card')].filter((card) => card.scrollWidth > card.clientWidth)
        .map((card) => card.innerText.slice(0, 40))
"""
LONG = "a.very.long.name.of.somebody.who.works.for.a.very.long.firm"


async def manager_of(work: Workplace, *roles: str) -> Workplace:
    """Make a manager of the project, or an account with `roles` everywhere; return their workplace."""
    name = f"m_{work.reviewer}"[:60]
    account = {"name": name, "roles": roles, "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    if not roles:
        path = f"/v1/projects/{work.project}/members/{name}"
        (await work.admin.put(path, json={"roles": ["manager"]})).raise_for_status()
    return replace(work, reviewer=name)


async def scan(page: Page, axe: str) -> list[str]:
    await page.wait_for_function(AT_REST)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    found: dict[str, Any] = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def test_a_manager_invites_and_the_invited_comes_in(
    work: Workplace, reviewer: Reviewer, open_page: Open
) -> None:
    page = reviewer.page
    await reviewer.sign_in(await manager_of(work), "/people")
    await expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()
    await expect(page.get_by_role("heading", name="Audit log")).to_have_count(0)
    await page.get_by_label("Whom it is for").fill("Ines from the clinic")
    await page.get_by_role("button", name="Make a link").click()
    link = await page.get_by_label("Link to send").input_value()
    assert "/invitation#token=" in link
    await expect(page.get_by_text("Ines from the clinic")).to_be_visible()

    guest = await open_page(viewport={"width": 1440, "height": 900})
    await guest.page.goto(link)
    await expect(guest.page.get_by_role("heading", name="You are invited")).to_be_visible()
    assert "token" not in guest.page.url, "the secret does not stay in the address bar"
    await guest.page.get_by_label("Name").fill("ines_ui")
    await guest.page.get_by_label("Password").fill(PASSWORD)
    await guest.page.keyboard.press("Enter")
    await expect(guest.page.get_by_role("button", name="ines_ui")).to_be_visible()
    await expect(guest.page.get_by_role("link", name="People")).to_have_count(0)
    await guest.page.goto(f"{guest.url}/people?project={work.project}")
    await expect(guest.page.get_by_role("heading", name="For managers")).to_be_visible()

    late = await open_page(viewport={"width": 1440, "height": 900})
    await late.page.goto(link)
    await expect(late.page.get_by_role("heading", name="This invitation is over")).to_be_visible()
    assert guest.complaints == late.complaints == []

    await page.reload()
    await expect(page.get_by_text("used by ines_ui")).to_be_visible()
    async with page.expect_response(lambda answer: answer.request.method == "PUT"):
        await page.get_by_label("Role of ines_ui").select_option("Manager and reviewer")
    await guest.page.reload()
    await expect(guest.page.get_by_role("heading", name="Members")).to_be_visible()
    await page.get_by_role("button", name="Remove ines_ui").click()
    await expect(page.get_by_label("Role of ines_ui")).to_have_count(0)


async def test_refusals_are_told_where_they_happen(work: Workplace, reviewer: Reviewer) -> None:
    page = reviewer.page
    manager = await manager_of(work)
    await reviewer.sign_in(manager, "/people")
    await expect(page.get_by_label(f"Role of {manager.reviewer}")).to_be_disabled()
    await page.get_by_label("Account").fill("nobody_at_all")
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("alert").filter(has_text="there is no account")).to_be_visible()
    await page.get_by_label("Account").fill(work.reviewer)
    await page.keyboard.press("Enter")
    await expect(page.get_by_label(f"Role of {work.reviewer}")).to_have_value("reviewer")
    await expect(page.get_by_role("alert").filter(has_text="there is no account")).to_have_count(0)
    await page.get_by_role("button", name="Make a link").click()
    await page.get_by_role("button", name="Revoke the invitation without a note").click()
    await expect(page.get_by_text("Nobody is invited yet.")).to_be_visible()


async def test_skills_are_granted_and_taken_by_keyboard_alone(work: Workplace, reviewer: Reviewer) -> None:
    skill = {"name": "medical", "labels": ["negative"], "metadata": {"topic": ["health", "care"]}}
    await apply(work, {"review": {"skills": [skill]}})
    manager = await manager_of(work)
    page = reviewer.page
    await reviewer.sign_in(manager, "/people")
    skills = page.get_by_role("region", name="Skills")
    await expect(skills).to_contain_text(
        "for tasks where the machine says negative, or topic is health or care"
    )
    await expect(skills.get_by_text("Nobody has it")).to_have_count(2)
    await skills.get_by_label("Who", exact=True).focus()
    await page.keyboard.type(work.reviewer)
    await page.keyboard.press("Tab")
    await page.keyboard.type("medical")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(skills.get_by_role("status")).to_have_text(f"{work.reviewer} has medical now.")
    await expect(skills.get_by_label("Who", exact=True)).to_be_focused()
    grants = (await work.admin.get(f"/v1/projects/{work.project}/skills")).json()["grants"]
    assert [(one["reviewer"], one["skill"], one["source"]) for one in grants] == [
        (work.reviewer, "medical", "manager")
    ]
    await skills.get_by_role("button", name=f"Take medical from {work.reviewer}").focus()
    await page.keyboard.press("Enter")
    await expect(skills.get_by_role("status")).to_contain_text("does not have medical any more")
    await expect(skills.get_by_text("Nobody has it")).to_have_count(2)
    await expect(skills.get_by_label("Who", exact=True)).to_be_focused()
    await page.keyboard.type("nobody_at_all")
    await page.keyboard.press("Enter")
    await expect(skills.get_by_role("alert")).to_contain_text("there is no account")


async def test_an_admin_reads_the_log(work: Workplace, reviewer: Reviewer) -> None:
    page = reviewer.page
    admin = await manager_of(work, "admin")
    typed = asyncio.Event()

    async def after_that(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await page.route("**/v1/audit?*", after_that)
    await reviewer.sign_in(admin, "/people")
    about = page.get_by_label("About")
    await about.fill(admin.reviewer)
    typed.set()
    entries = page.get_by_role("list", name="Entries").get_by_role("listitem")
    await expect(entries).not_to_have_count(0)
    await expect(about).to_have_value(admin.reviewer)  # what somebody types outlives the entries' arrival
    await about.press("Enter")
    await expect(entries).to_have_count(1)
    await expect(entries.first).to_contain_text(f"admin saved an account: {admin.reviewer}")
    await expect(entries.first.get_by_title("account.saved")).to_be_visible()
    await page.get_by_role("combobox", name="What", exact=True).select_option("Granted a skill")
    await expect(page.get_by_text("No act is like that.")).to_be_visible()
    path = f"/v1/projects/{work.project}/skills/expert/{admin.reviewer}"
    (await work.admin.put(path)).raise_for_status()
    await page.get_by_label("Place").select_option("This project")
    await expect(entries).to_have_count(1)
    await expect(entries.first).to_contain_text(f"admin granted a skill to {admin.reviewer}")
    await expect(entries.first).to_contain_text(f"in {work.project} · skill: expert")
    await page.get_by_role("combobox", name="Where", exact=True).select_option("All projects")
    await page.get_by_role("button", name="Make a link").click()
    await expect(page.get_by_label("Link to send")).to_be_visible()


async def test_ones_own_account_by_keyboard_alone(work: Workplace, reviewer: Reviewer) -> None:
    page = reviewer.page
    await reviewer.sign_in(work)
    await page.get_by_role("button", name=work.reviewer).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Your account")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    await page.get_by_label("So far").focus()
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Tab")
    await page.keyboard.type(NEW_PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("The password is changed.")).to_be_visible()
    await page.get_by_label("What it is for").focus()
    await page.keyboard.type("my script")
    assert await page.get_by_role("checkbox").count() == 2, "only what a reviewer may"
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("The token")).to_be_focused()
    assert len(await page.get_by_label("The token").input_value()) == 43
    await expect(page.get_by_text("read · good until")).to_be_visible()
    await page.get_by_role("button", name="Revoke my script").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("You have none.")).to_be_visible()
    await page.get_by_role("button", name="Sign out everywhere").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
async def test_axe_finds_nothing_and_nothing_is_cut_off(
    work: Workplace, open_page: Open, axe: str, tmp_path: Path, width: int, scheme: str
) -> None:
    admin = await manager_of(work, "admin", "manager")
    for name in (LONG, "kim"):
        await work.admin.post("/v1/accounts", json={"name": name, "roles": []})
        path = f"/v1/projects/{work.project}/members/{name}"
        await work.admin.put(path, json={"roles": ["reviewer", "manager"]})
    skills = [
        {"name": "medical", "labels": ["negative"]},
        {"name": "languages_of_the_far_north", "metadata": {"lang": ["se", "fi"]}},
    ]
    await apply(work, {"review": {"skills": skills}})
    for name in (LONG, "kim"):
        await work.admin.put(f"/v1/projects/{work.project}/skills/medical/{name}")
    path = f"/v1/projects/{work.project}/invitations"
    for note in ("Grace, who has worked on the guideline since its first version " * 3, ""):
        await work.admin.post(path, json={"roles": ["reviewer"], "note": note.strip()})
    person = await open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = person.page
    await person.sign_in(admin, "/people")
    await page.get_by_role("button", name="Make a link").click()
    link = await page.get_by_label("Link to send").input_value()
    await expect(page.get_by_role("button", name="Take medical from kim")).to_be_visible()
    await expect(page.get_by_role("list", name="Entries").get_by_role("listitem").first).to_be_visible()
    found = {"people": await scan(page, axe)}
    await page.screenshot(path=tmp_path / f"people-{width}-{scheme}.png", full_page=True)
    assert await page.evaluate(WIDENED) == [], "nothing sticks out of its card"
    cut = {"people": await page.evaluate("document.documentElement.scrollWidth")}
    await page.goto(f"{person.url}/account")
    await page.get_by_label("What it is for").fill("my script")
    await page.get_by_role("button", name="Make a token").click()
    await expect(page.get_by_label("The token")).to_be_visible()
    found["account"] = await scan(page, axe)
    await page.screenshot(path=tmp_path / f"account-{width}-{scheme}.png", full_page=True)
    cut["account"] = await page.evaluate("document.documentElement.scrollWidth")
    await page.goto(link)
    await expect(page.get_by_role("heading", name="You are invited")).to_be_visible()
    await page.get_by_role("button", name="Make another account").click()
    found["invitation"] = await scan(page, axe)
    await page.screenshot(path=tmp_path / f"invitation-{width}-{scheme}.png", full_page=True)
    cut["invitation"] = await page.evaluate("document.documentElement.scrollWidth")
    assert found == {"people": [], "account": [], "invitation": []}
    assert max(cut.values()) <= width, cut
