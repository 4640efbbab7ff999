"""The queue, as managers see it and act on it."""

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from .test_item_page import PAYLOAD, scan, sign_in_as_manager
from .test_quality_page import put as put_gold
from .workplace import Item, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
SLA = {"review": {"sla_hours": 24, "care": {"sensitive": {"kind": ["grim"]}}}}


async def fill(work: Workplace) -> None:
    """Make a queue: three tasks for anybody, one blind, one late and stuck, and one that distresses."""
    await apply(work, SLA)
    await work.add(
        [
            Item("q1", "what a day", confidence=0.55),
            Item("q2", PAYLOAD, confidence=0.6),
            Item("q3", "a blind one", label="negative", confidence=0.97, blind=True),
            Item("q4", "a grim one", confidence=0.7, metadata={"kind": "grim"}),
        ]
    )
    made = await work.admin.post(f"/v1/accounts/{work.reviewer}/tokens", json={"label": "test"})
    async with work.system.review_client() as client:
        client.headers["Authorization"] = f"Bearer {made.raise_for_status().json()['token']}"
        (await client.post(f"/v1/projects/{work.project}/tasks/claim", json={"count": 1})).raise_for_status()
    await work.query(
        "UPDATE assignments SET leased_at = now() - interval '2 hours',"
        " lease_until = now() + interval '1 hour' WHERE project = $1 AND state = 'leased'",
        work.project,
    )
    await work.query(
        "UPDATE tasks SET created_at = created_at - 200000000 WHERE task_id <="
        " (SELECT min(task_id) FROM tasks WHERE project = $1)",
        work.project,
    )


async def opened(work: Workplace, reviewer: Reviewer) -> Page:
    await fill(work)
    page = await sign_in_as_manager(work, reviewer, "/queue")
    await expect(page.locator(".next-task").first).to_be_visible()
    return page


async def test_what_waits_and_who_holds_it(work: Workplace, reviewer: Reviewer) -> None:
    page = await opened(work, reviewer)
    await expect(page.locator("[data-tile='Ready to take'] .tile-value")).to_have_text("3")
    await expect(page.locator("[data-tile='Ready to take']")).to_contain_text("1 distressing")
    await expect(page.locator("[data-tile='Waiting for people'] .tile-value")).to_have_text("4")
    await expect(page.locator("[data-tile='Waiting for people']")).to_contain_text("3 open, 1 in hand")
    needed = page.locator("[data-tile='People needed']")
    await expect(needed.locator(".tile-value")).to_have_text("1")
    await expect(needed).to_contain_text("if as much comes in as in the last 24 h")
    oldest = page.locator("[data-tile='Oldest waiting']")
    await expect(oldest.locator(".tile-value")).to_have_text(re.compile(r"2\.3 days"))
    await expect(oldest).to_contain_text("SLA 24 h")
    row = page.get_by_role("row").filter(has_text=work.reviewer)
    await expect(row).to_contain_text("stuck")
    await row.get_by_role("button", name="Take back").click()
    await expect(page.get_by_role("status")).to_have_text(re.compile("is back in the queue"))
    await expect(page.get_by_text("Nobody has a task in hand.")).to_be_visible()
    await page.goto(f"{reviewer.url}/dashboard?project={work.project}")
    await expect(page.locator("[data-tile='Oldest waiting']")).to_contain_text("SLA 24 h")
    await expect(page.locator("[data-tile='Waiting for people']")).to_contain_text("4 open, 0 in hand")


async def test_the_order_can_be_changed_and_blind_tasks_tell_nothing(
    work: Workplace, reviewer: Reviewer
) -> None:
    page = await opened(work, reviewer)
    tasks = page.locator(".next-task")
    blind = tasks.filter(has_text="q3")
    await expect(blind).to_contain_text("Blind check")
    assert "negative" not in await blind.inner_text()
    assert all("negative" not in str(one) for one in reviewer.payloads if "/queue" in one["_path"])
    last = await tasks.last.locator(".item-link").inner_text()
    await tasks.last.get_by_role("button", name="To the front").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text(f"{last} comes next.")
    await expect(tasks.first).to_contain_text(last)
    await expect(tasks.first).to_contain_text("put in front")
    await page.get_by_label("Pool").select_option("!")
    await expect(tasks).to_have_count(1)
    assert "a grim one" not in await tasks.first.inner_text()
    await page.get_by_role("button", name="Show the text of q4").focus()
    await page.keyboard.press("Enter")
    await expect(tasks.first).to_contain_text("a grim one")
    await expect(page.get_by_role("button", name="Hide it again of q4")).to_be_focused()
    await page.get_by_role("link", name="q4").click()
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await expect(page.locator(".item-text")).to_have_count(0)
    await page.get_by_role("button", name="Show the text of q4").click()
    await expect(page.locator(".item-text")).to_have_text("a grim one")
    await page.get_by_role("button", name="All items").click()
    row = page.locator(".row").filter(has_text="q4")
    await expect(row.get_by_role("button", name="Show the text of q4")).to_be_visible()
    assert "a grim one" not in await row.inner_text()
    await expect(page.locator(".row").filter(has_text="q1")).to_contain_text("what a day")
    assert await page.locator("main img, main script").count() == 0


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
async def test_axe_finds_nothing(work: Workplace, open_page: Open, axe: str, width: int, scheme: str) -> None:
    reviewer = await open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = await opened(work, reviewer)
    await scan(page, axe, width)


async def test_an_empty_queue_says_so(work: Workplace, reviewer: Reviewer) -> None:
    page = await sign_in_as_manager(work, reviewer, "/queue")
    await expect(page.get_by_text("Nothing waits here.")).to_be_visible()
    await expect(page.locator("[data-tile='Oldest waiting'] .tile-value")).to_have_text("–")


async def test_what_nobody_may_take_is_told_to_managers_and_reviewers(
    work: Workplace, reviewer: Reviewer, open_page: Open
) -> None:
    skills = [{"name": "medical", "metadata": {"field": ["med"]}, "gold_needed": 2}]
    await apply(work, {"review": {"skills": skills}})
    await work.add([Item(f"q{n}", f"what a dose, {n}", metadata={"field": "med"}) for n in range(12)])
    manager = await sign_in_as_manager(work, await open_page(), "/queue")
    notice = manager.get_by_role("region", name="Nobody may take 12 tasks")
    await expect(notice).to_contain_text("12 tasks need the skill medical; nobody has it.")
    await expect(manager.locator("[data-tile='Ready to take']")).to_contain_text("12 that nobody may take")
    await expect(manager.locator("[data-tile='Work that waits']")).to_contain_text("nobody may take it")
    await expect(notice.get_by_role("link", name="People")).to_have_attribute(
        "href", f"/people?project={work.project}"
    )

    page = reviewer.page
    await reviewer.sign_in(work)
    await expect(page.get_by_role("heading", name="What waits needs a skill")).to_be_visible()
    wanted = page.get_by_role("list", name="Skills wanted")
    await expect(wanted).to_contain_text("the skill medical. A manager of the project grants it.")
    gold = {"content": "a dose a day", "label": "positive", "explanation": "it is", "skill": "medical"}
    await put_gold(work, gold)
    await page.reload()
    await wanted.get_by_role("link", name="qualify for medical").click()
    await reviewer.sees("a dose a day")
    await reviewer.press("1")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await reviewer.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("heading", name="That was all for medical")).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text("You do not have the skill yet")

    granted = await work.admin.put(f"/v1/projects/{work.project}/skills/medical/{work.reviewer}")
    granted.raise_for_status()
    own = (await work.admin.get(f"/v1/projects/{work.project}/me/accuracy")).json()
    assert own["skills"] == ["medical"], "of who does not have it"
    await page.reload()
    await expect(page.get_by_role("main")).to_contain_text("Tasks that need a skill you have")
    await page.get_by_role("link", name="Go on to your tasks").click()
    await expect(page.locator(".task-text")).to_contain_text("what a dose")
    await expect(notice).to_have_count(0)
