"""The guideline's page: reading, comparing and editing it, campaigns and edge cases."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .workplace import GUIDELINE, PASSWORD, Item, Reviewer, Workplace, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
EVIL = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>[x](javascript:window.hit=1)'
AT_REST = "() => document.getAnimations().every((one) => one.playState !== 'running')"


async def sign_in(work: Workplace, reviewer: Reviewer, *roles: str) -> Page:
    account = {"name": work.reviewer, "roles": roles, "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    await reviewer.sign_in(work, "/guideline")
    await expect(reviewer.page.get_by_role("heading", name="Guideline", exact=True)).to_be_visible()
    return reviewer.page


async def publish(work: Workplace, guideline: str, **fields: Any) -> None:
    body = {"based_on": work.guideline_version, "guideline": guideline, **fields}
    answer = await work.admin.post(f"/v1/projects/{work.project}/guidelines", json=body)
    found = answer.raise_for_status().json()
    work.version, work.guideline_version = found["version"], found["guideline_version"]


async def test_reviewers_read_every_version_and_what_changed(work: Workplace, reviewer: Reviewer) -> None:
    await publish(work, GUIDELINE.replace("joy, thanks, pride", "joy, sincere thanks, pride"))
    page = await sign_in(work, reviewer, "reviewer")
    await expect(page.get_by_role("region", name="Text of version 2")).to_contain_text("sincere thanks")
    await page.get_by_role("button", name="Version 1").click()
    await expect(page.get_by_role("region", name="Text of version 1")).not_to_contain_text("sincere")
    await page.get_by_role("button", name="Version 2").click()
    await page.get_by_role("radio", name="Changes", exact=True).check()
    await expect(page.locator("ins")).to_have_text("sincere ")
    await expect(page.locator(".diff.side")).to_be_visible()
    await page.get_by_role("radio", name="Unified", exact=True).check()
    signs = page.locator(".diff:not(.side) .sign").filter(has_text="added")
    await expect(signs).to_have_count(1)
    await expect(page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    await expect(page.get_by_role("heading", name="Campaigns")).to_have_count(0)


async def test_a_manager_edits_with_the_keyboard_alone(work: Workplace, reviewer: Reviewer) -> None:
    page = await sign_in(work, reviewer, "manager")
    await page.get_by_role("button", name="Edit", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Text, in Markdown")).to_be_focused()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("\n## New rule\n\nIrony is **negative**.")
    await expect(page.get_by_role("region", name="Preview").locator("strong").last).to_have_text("negative")
    for _ in range(4):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Publish", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Version 2 is in force.")).to_be_visible()
    await expect(page.get_by_role("region", name="Text of version 2")).to_contain_text("Irony is negative.")
    found = await work.admin.get(f"/v1/projects/{work.project}/guidelines/2")
    assert found.json()["guideline"].endswith("\n## New rule\n\nIrony is **negative**.")


async def test_a_draft_outlives_a_reload_and_a_stale_one_is_refused(
    work: Workplace, reviewer: Reviewer
) -> None:
    page = await sign_in(work, reviewer, "manager")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_label("Text, in Markdown").fill("My long text.")
    await page.reload()
    await page.get_by_role("button", name="Edit", exact=True).click()
    await expect(page.get_by_label("Text, in Markdown")).to_have_value("My long text.")
    await publish(work, "Somebody else was faster.")
    await page.get_by_role("button", name="Publish", exact=True).click()
    await expect(page.get_by_role("alert").filter(has_text="no longer in force")).to_be_visible()
    await expect(page.get_by_label("Text, in Markdown")).to_have_value("My long text.")


async def test_a_campaign_is_previewed_started_and_followed(work: Workplace, reviewer: Reviewer) -> None:
    items = [Item(f"i{n}", f"thanks, number {n}", confidence=0.97, accepted=True) for n in range(4)]
    await work.add(items)
    changed = [{"name": "positive", "description": "sincerely good"}, {"name": "negative"}]
    await publish(work, GUIDELINE, labels=changed)
    page = await sign_in(work, reviewer, "manager")
    await expect(page.get_by_label("positive")).to_be_checked()
    await page.get_by_role("radio", name="Review again", exact=True).check()
    await page.get_by_role("button", name="Preview", exact=True).click()
    await expect(page.locator("[data-figure=items]")).to_have_text("4")
    await page.get_by_role("button", name="The first of them").click()
    await expect(page.locator(".sample li")).to_have_count(4)
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator(".counts")).to_contain_text("4 with people")
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.locator(".campaign[data-state=cancelled]")).to_be_visible()


async def test_an_edge_case_goes_from_the_task_to_the_guideline(
    work: Workplace, reviewer: Reviewer, open_page: Open
) -> None:
    await work.add([Item("0", f"thanks {EVIL}")])
    await reviewer.sign_in(work)
    await reviewer.sees(f"thanks {EVIL}")
    await reviewer.press("e")
    await expect(reviewer.page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    await reviewer.page.keyboard.type(f"Is this thanks? {EVIL}")
    await reviewer.page.get_by_label("Label in doubt").select_option("positive")
    await reviewer.page.get_by_role("button", name="Raise it").click()
    await expect(reviewer.page.get_by_role("dialog")).to_have_count(0)
    await reviewer.sees(f"thanks {EVIL}")

    account = {"name": f"{work.reviewer}_boss", "roles": ["manager"], "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    boss = await open_page(viewport={"width": 1440, "height": 900})
    page = boss.page
    await page.goto(f"{boss.url}/guideline?project={work.project}")
    await page.get_by_label("Name").fill(account["name"])
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator(".case-question")).to_have_text(f"Is this thanks? {EVIL}")
    await page.get_by_label("Right label").select_option("negative")
    await page.get_by_label("Why, or an answer").fill(f"Ironic {EVIL}")
    await page.get_by_role("button", name="Make it an example").click()
    await page.get_by_role("button", name="Edit the guideline").click()
    await expect(page.get_by_role("region", name="Preview")).to_contain_text(f"Ironic {EVIL}")
    await page.get_by_role("button", name="Publish", exact=True).click()
    await expect(page.get_by_role("region", name="Text of version 2")).to_contain_text(f"thanks {EVIL}")
    assert await page.evaluate("window.hit") is None
    assert await page.locator(".prose img, .prose script, .prose a").count() == 0
    assert boss.complaints == []

    await reviewer.page.goto(f"{reviewer.url}/guideline?project={work.project}")
    await expect(reviewer.page.locator(".case-answer")).to_contain_text("an example of the guideline")
    assert await reviewer.page.evaluate("window.hit") is None


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param({"width": 1440, "height": 900}, "light", id="desk-light"),
        pytest.param({"width": 1440, "height": 900}, "dark", id="desk-dark"),
        pytest.param({"width": 360, "height": 740}, "light", id="phone-light"),
        pytest.param({"width": 360, "height": 740}, "dark", id="phone-dark"),
    ],
)
async def test_nothing_to_object_to_and_nothing_cut_off(
    work: Workplace, open_page: Open, axe: str, size: dict[str, int], scheme: str
) -> None:
    label = {"name": "a_rather_long_name_of_a_label_that_does_not_end_so_soon", "description": "w" * 90}
    await work.add([Item("0", "w" * 400), Item("1", "thanks", confidence=0.9, accepted=True)])
    await ask(work, "Is it " + "w" * 80)
    text = GUIDELINE.replace("joy, thanks", "joy, sincere thanks") + "w" * 200
    labels = [{"name": "positive", "description": "good"}, {"name": "negative"}, label]
    await publish(work, text, labels=labels)
    reviewer = await open_page(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = await sign_in(work, reviewer, "manager", "reviewer")
    await page.evaluate(axe)
    found: dict[str, list[str]] = {}

    async def scan(place: str) -> None:
        await page.wait_for_function(AT_REST)
        answer = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found[place] = [
            f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
            for one in answer["violations"]
            for node in one["nodes"]
        ]
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], (place, width)

    await expect(page.locator(".case-question").first).to_be_visible()
    await scan("text")
    await page.get_by_role("radio", name="Near a boundary", exact=True).check()
    await scan("boundary")
    await page.get_by_role("radio", name="All", exact=True).check()
    await page.get_by_role("button", name="Preview", exact=True).click()
    await expect(page.locator("[data-figure=items]")).to_have_text("1")
    await page.get_by_role("button", name="The first of them").click()
    await expect(page.locator(".sample li")).to_have_count(1)
    await scan("planned")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator(".counts")).to_be_visible()
    await scan("running")
    await page.get_by_role("radio", name="Changes", exact=True).check()
    await expect(page.locator(".hunk").first).to_be_visible()
    await scan("changes")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await expect(page.get_by_label("Text, in Markdown")).to_be_visible()
    await scan("editor")
    assert {place: lines for place, lines in found.items() if lines} == {}


async def ask(work: Workplace, question: str) -> None:
    """Raise an edge case as the project's reviewer."""
    made = await work.admin.post(f"/v1/accounts/{work.reviewer}/tokens", json={"label": "test"})
    headers = {"Authorization": f"Bearer {made.raise_for_status().json()['token']}"}

    async def claimed() -> bool:
        path = f"/v1/projects/{work.project}/tasks/claim"
        tasks = (await work.admin.post(path, json={}, headers=headers)).raise_for_status().json()["tasks"]
        for task in tasks:
            body = {"lease": task["lease"], "question": question}
            answer = await work.admin.post(
                f"/v1/tasks/{task['task_id']}/edge-case", json=body, headers=headers
            )
            answer.raise_for_status()
        return bool(tasks)

    await until(claimed)
