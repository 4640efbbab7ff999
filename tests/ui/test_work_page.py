"""My work: what a reviewer did, said and is told, and what managers answer; and the states of the review page
that only come up among several people."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Route, expect

from .test_accessibility import DESK, EVERYWHERE, PHONE, Scan
from .test_review_page import HOSTILE, expire, items
from .workplace import PASSWORD, Item, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]

ELEMENTS = (
    "script:not([src]), .my-work img, .task img, iframe, .my-work b, .task b, .task i, .my-work i, [onerror]"
)


async def go_to_work(reviewer: Reviewer) -> None:
    await reviewer.press("Shift+W")
    await expect(reviewer.page.get_by_role("heading", name="My work")).to_be_visible()


async def test_everything_one_did_is_found_again(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items(*(f"text {number}" for number in range(40))))
    await reviewer.sign_in(work)
    for number in range(34):
        await reviewer.sees(f"text {number}")
        await reviewer.press("1" if number % 2 else "2")
    await reviewer.sees("text 34")
    await reviewer.press("s", "1")
    await reviewer.sees("text 35")
    await work.decided(34)
    await work.let_go()
    await go_to_work(reviewer)
    page = reviewer.page
    rows = page.locator(".row")
    await expect(rows).to_have_count(30)
    await expect(rows.first).to_contain_text("text 33")
    await expect(rows.first).to_contain_text("positive")
    await expect(page.locator("[data-figure=today]")).to_have_text("34")
    await page.get_by_role("button", name="Show older").click()
    await expect(rows).to_have_count(34)
    await expect(rows.last).to_contain_text("text 0")
    await expect(page.get_by_role("button", name="Show older")).to_have_count(0)
    await expect(page.get_by_role("button", name="Take back")).to_have_count(0)
    await page.get_by_label("Item").fill("item-7")
    await reviewer.press("Enter")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("text 7")
    await page.get_by_label("Item").fill("nothing like it")
    await reviewer.press("Enter")
    await expect(page.get_by_text("You have decided nothing about an item")).to_be_visible()
    await page.get_by_role("tab", name="Decisions").focus()
    await reviewer.press("ArrowRight")  # tabs are chosen by arrows
    await expect(page.get_by_role("tab", name="Skips")).to_be_focused()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("The guideline is unclear here")
    await expect(page.get_by_role("tab", name="From reviewers")).to_have_count(0)


async def test_a_decision_is_taken_back_and_on_the_desk_again(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, {"policy": {"decisions_per_task": 2}})
    await work.add(items("first text", "second text", needed=2))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    async with reviewer.page.expect_response("**/decision"):
        await reviewer.press("1")
    await reviewer.sees("second text")
    await go_to_work(reviewer)
    await reviewer.page.get_by_role("button", name="Take back").click()
    await reviewer.sees("first text")
    await expect(reviewer.page.get_by_role("button", name="positive")).to_contain_text("taken back")
    async with reviewer.page.expect_response("**/decision"):
        await reviewer.press("2")
    await reviewer.sees("second text")
    rows = await work.query("SELECT label FROM decisions WHERE project = $1", work.project)
    assert [row["label"] for row in rows] == ['"negative"']


async def test_a_manager_answers_a_flag_and_hostile_text_stays_text(work: Workplace, open_page: Open) -> None:
    one = await open_page()
    nasty, item_id = HOSTILE[1], "h<b>0</b>"
    await work.add([Item(item_id, nasty, confidence=0.51, metadata={"<i>name": nasty})])
    await one.sign_in(work)
    await one.sees(nasty)
    await one.press("f", "5")
    await expect(one.page.get_by_label("Something else")).to_be_focused()
    await one.page.keyboard.type(nasty)
    await one.press("Enter", "c")
    await expect(one.page.get_by_label("Comment", exact=True)).to_be_focused()
    await one.page.keyboard.type(HOSTILE[2])
    await one.press("Control+Enter", "1")
    await work.decided(1)
    await go_to_work(one)

    boss = await open_page()
    account = {"name": f"m_{work.reviewer}"[:64], "roles": ["manager"], "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    work.reviewer = account["name"]
    await boss.sign_in(work, "/work")
    await boss.page.get_by_role("tab", name="From reviewers (1)").click()
    await expect(boss.page.locator(".row").first).to_contain_text(nasty)
    await boss.page.get_by_role("textbox").fill(f"Thanks {nasty}")
    await boss.page.get_by_role("button", name="Resolve").click()
    await expect(boss.page.get_by_text("No open flags.")).to_be_visible()
    await expect(boss.page.locator(".rows")).to_contain_text(HOSTILE[2])
    assert await boss.page.locator(ELEMENTS).count() == 0

    for tab, text in [("Flags", f"Thanks {nasty}"), ("Comments", HOSTILE[2]), ("Decisions", item_id)]:
        await one.page.get_by_role("tab", name=tab).click()
        await expect(one.page.get_by_role("tabpanel")).to_contain_text(text)
        assert await one.page.locator(ELEMENTS).count() == 0
    assert "labelmill" in await one.page.title()
    assert one.complaints == []


ANSWERS = {"answers": ["positive", "negative", "positive"]}


async def differing(route: Route) -> None:
    """Let the tasks be ones on which people differ, and on which they commented."""
    response = await route.fetch()
    body: dict[str, Any] = await response.json()
    for task in body["tasks"]:
        said = [{"text": HOSTILE[0], "at": 1}, {"text": "The second sentence turns it.\nI think.", "at": 2}]
        task.update(blind=True, suggestion=None, adjudication=ANSWERS, comments=said)
    await route.fulfill(response=response, json=body)


async def test_who_adjudicates_sees_the_answers_and_comments_without_names(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add(items("first text"))
    await reviewer.page.route("**/claim", differing)
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    page = reviewer.page
    await expect(page.get_by_role("button", name="positive")).to_contain_text("2 people said so")
    await expect(page.get_by_role("button", name="negative")).to_contain_text("1 person said so")
    await expect(page.locator(".blind")).to_contain_text("3 people differ")
    comments = page.get_by_role("region", name="Comments of earlier raters")
    await expect(comments.get_by_role("listitem")).to_have_count(2)
    await expect(comments).to_contain_text(HOSTILE[0])
    assert await page.locator(".task script").count() == 0


async def test_who_is_given_no_task_is_told_why(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text"))
    body = {"error": "paused", "detail": "A manager looks at your last answers."}
    await reviewer.page.route("**/claim", lambda route: route.fulfill(status=403, json=body))
    await reviewer.sign_in(work)
    await expect(reviewer.page.get_by_text("A manager looks at your last answers.")).to_be_visible()
    await reviewer.page.unroute("**/claim")
    await reviewer.sees("first text")  # by itself, once it may be


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")],
    ids=["desk-light", "desk-dark", "phone-light", "phone-dark"],
)
async def test_axe_finds_nothing_here_either(
    work: Workplace, open_page: Open, axe: str, size: dict[str, int], scheme: str
) -> None:
    await work.add(items("first text", "second text", "third text"))
    one = await open_page(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = one.page
    scan = Scan(page, axe, EVERYWHERE)
    await page.route("**/claim", differing)
    await one.sign_in(work)
    await one.sees("first text")
    await scan("adjudication")
    await one.press("f", "1", "1")
    await one.sees("second text")
    await expire(work)
    await one.press("2")
    await expect(page.locator(".notice.people")).to_be_visible()
    await scan("late")
    await one.press("Shift+N", "Shift+W")
    await expect(page.locator(".row").first).to_be_visible()
    await scan("my work")
    for tab in ("Skips", "Flags", "Comments", "Edge cases", "Came too late"):
        await page.get_by_role("tab", name=tab).click()
        await page.locator(".rows, .nothing").first.wait_for()
        await scan(tab)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert scan.found == {}
