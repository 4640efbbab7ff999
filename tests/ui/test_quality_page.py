"""The page of quality: reviewers with their accuracy, gold, pauses; training on the review page."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page, expect

from .test_accessibility import AT_REST
from .workplace import PASSWORD, Item, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]

PAYLOAD = "<img src=x onerror=\"document.title='owned'\">"


async def put(work: Workplace, *lines: dict[str, Any]) -> None:
    body = msgspec.json.encode(list(lines))
    answer = await work.admin.put(f"/v1/projects/{work.project}/gold", content=body)
    assert answer.json()["refused_count"] == 0, answer.text


async def answered(work: Workplace, who: str, right: int, wrong: int, suggested: bool = False) -> None:
    """Store answers of somebody, the wrong ones last."""
    rows = await work.query(
        "SELECT gold_id FROM gold_items WHERE project = $1 ORDER BY gold_id LIMIT $2",
        work.project,
        right + wrong,
    )
    for place, row in enumerate(rows):
        await work.query(
            """
            INSERT INTO gold_checks (task_id, gold_id, project, reviewer, purpose, suggested, pool, place,
                needed, fence, leased_at, lease_until, label, seconds, decided_at, undo_until)
            VALUES (nextval('task_ids'), $1, $2, $3, 'check', $4, '', 1, 1, nextval('fences'), now(), now(),
                $5, 4, to_timestamp($6), now())
            """,
            row["gold_id"],
            work.project,
            who,
            suggested,
            '"positive"' if place < right else '"negative"',
            time.time() - 7200 + place,
        )


async def prepare(work: Workplace, more: dict[str, Any] | None = None) -> None:
    await apply(work, {"review": {"gold": {"rate": 0.05, "bar": 0.7}} | (more or {})})
    await put(
        work,
        {"content": PAYLOAD, "label": "positive", "explanation": "markup is text"},
        *({"content": f"gold text {n}", "label": "positive"} for n in range(19)),
    )


async def as_manager(work: Workplace, reviewer: Reviewer) -> Page:
    account = {"name": work.reviewer, "roles": ["reviewer", "manager"], "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    await reviewer.sign_in(work, "/quality")
    await expect(reviewer.page.get_by_role("heading", name="Reviewers")).to_be_visible()
    return reviewer.page


async def pause(work: Workplace, who: str) -> None:
    await work.query(
        """
        INSERT INTO pauses (project, reviewer, cause, since, answers, correct, reopened)
        VALUES ($1, $2, 'accuracy', now(), 12, 3, 7)
        """,
        work.project,
        who,
    )


async def test_reviewers_show_with_accuracy_and_can_be_let_go_on(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    await answered(work, "ann", 10, 2, suggested=True)
    await answered(work, "ben", 3, 9)
    await pause(work, "ben")
    page = await as_manager(work, reviewer)
    people = page.get_by_role("list", name="Reviewers").locator("> li")
    await expect(people).to_have_count(2)
    await expect(people.first).to_have_attribute("data-person", "ben")
    await expect(people.first).to_contain_text("Paused")
    await expect(people.last).to_contain_text("83%")
    await expect(people.last).to_contain_text("55% to 95% likely")
    button = people.first.get_by_role("button", name="Details of ben")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(people.first).to_contain_text(
        "3 of 12 answers right. 7 decisions made since are reviewed again."
    )
    await expect(people.first).to_contain_text("negative")
    await page.get_by_label("Why may they work again?").fill("we talked")
    await page.keyboard.press("Enter")
    await expect(people.first).not_to_contain_text("Paused on")
    await expect(people.first).to_contain_text("we talked")
    await people.last.get_by_role("button", name="Details of ann").click()
    await expect(people.last).to_contain_text("10 of 12 were right all the same")
    assert await page.locator(".quality :is(img, script)").count() == 0
    assert "owned" not in await page.title()


async def test_gold_is_added_made_and_retired_by_keyboard(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, {"policy": {"decisions_per_task": 1}})
    await work.add([Item("t1", "an item of the project")])
    page = await as_manager(work, reviewer)
    await expect(page.get_by_role("heading", name="No gold yet")).to_be_visible()
    await page.get_by_label("Item of the project").fill("nowhere")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert").filter(has_text="has no item")).to_be_visible()
    await page.get_by_label("Item of the project").fill("t1")
    await page.get_by_label("Why, shown in training").fill("because")
    await page.keyboard.press("Enter")
    row = page.locator("[data-gold=t1]")
    await expect(row).to_contain_text("an item of the project")
    await expect(row).to_contain_text("not answered yet")
    await expect(row.get_by_role("link", name="t1")).to_have_attribute("href", re.compile("t1"))
    await page.get_by_label("Or a text of its own").fill("a text that is no item")
    await page.get_by_role("button", name="Add", exact=True).press("Enter")
    text = page.locator(".gold-row", has_text="a text that is no item")
    await expect(text).to_contain_text("a text of its own, shown as")
    await expect(text.get_by_role("link")).to_have_count(0)
    await row.get_by_role("button", name="Retire t1").press("Enter")
    await row.get_by_role("button", name="Retire it").press("Enter")
    await expect(row).to_have_count(0)


async def test_gold_that_most_people_miss_is_suspect(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    for who in ("ann", "ben", "cyd"):
        await answered(work, who, 0, 1)
    page = await as_manager(work, reviewer)
    first = page.get_by_role("list", name="Gold", exact=True).locator("> li").first
    await expect(first).to_contain_text("Suspect")
    await expect(first).to_contain_text("0 of 3 right (0%); instead 3 × negative")
    await expect(first.locator(".excerpt")).to_have_text(PAYLOAD)


async def test_who_is_no_manager_sees_nothing_of_it(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    await answered(work, "ann", 10, 2)
    await reviewer.sign_in(work, "/quality")
    await expect(reviewer.page.get_by_role("heading", name="For managers")).to_be_visible()
    assert "ann" not in str(reviewer.payloads)
    assert await reviewer.page.get_by_role("link", name="Quality").count() == 0


async def test_training_explains_each_answer(work: Workplace, reviewer: Reviewer) -> None:
    gold = {"gold": {"training_tasks": 2, "bar": 0.5}}
    await apply(work, {"review": gold})
    await put(
        work,
        *({"content": f"gold text {n}", "label": "positive", "explanation": f"why {n}"} for n in range(9)),
    )
    await work.add([Item("t1", "an ordinary text")])
    await reviewer.sign_in(work)
    page = reviewer.page
    await expect(page.locator(".training-hint")).to_be_visible()
    text = await page.locator(".task-text").inner_text()
    await page.wait_for_timeout(250)
    await page.keyboard.press("2")
    dialog = page.get_by_role("dialog", name="Not quite")
    await expect(dialog).to_contain_text("The right label is positive; you said negative.")
    await expect(dialog).to_contain_text(text.replace("gold text", "why"))
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    for _ in range(6):  # what was in hand when the training was passed is answered too
        await expect(page.locator(".task-text")).not_to_have_text(text)
        text = await page.locator(".task-text").inner_text()
        await reviewer.sees(text)
        if text == "an ordinary text":
            break
        await page.keyboard.press("1")
        await expect(page.get_by_role("dialog", name="That is right")).to_be_visible()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_have_count(0)
    await reviewer.sees("an ordinary text")
    await expect(page.locator(".training-hint")).to_have_count(0)


async def test_people_see_their_own_accuracy_on_their_page(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    await answered(work, work.reviewer, 8, 4)
    await answered(work, "ben", 1, 9)
    await reviewer.sign_in(work, "/me")
    card = reviewer.page.locator(".own-accuracy")
    await expect(card).to_contain_text("8 of 12 checks answered as agreed.")
    await expect(card).to_contain_text("67%")
    await expect(card.get_by_role("list", name="Your accuracy, by label")).to_contain_text("positive")
    assert "ben" not in await reviewer.page.locator("main").inner_text()


async def test_a_paused_person_is_told_so(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    await work.add([Item("t1", "an ordinary text")])
    await pause(work, work.reviewer)
    await reviewer.sign_in(work)
    await expect(reviewer.page.locator("main")).to_contain_text("a manager can look at them with you")


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
async def test_axe_finds_nothing_in_it(
    work: Workplace, open_page: Open, axe: str, width: int, scheme: str
) -> None:
    await prepare(work, {"skills": [{"name": "law", "labels": ["negative"]}]})
    await answered(work, "ann", 10, 2, suggested=True)
    await answered(work, "a.person.with-a-really+long@name.example.org", 3, 9)
    await answered(work, "cyd", 1, 0)
    await pause(work, "a.person.with-a-really+long@name.example.org")
    reviewer = await open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = await as_manager(work, reviewer)
    await expect(page.get_by_role("list", name="Reviewers").locator("> li")).to_have_count(3)
    for button in await page.get_by_role("button", name="Details").all():
        await button.click()
    await page.locator(".gold-row button").first.click()
    await page.wait_for_function(AT_REST)
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert reviewer.complaints == []


async def test_training_is_accessible(work: Workplace, open_page: Open, axe: str) -> None:
    await apply(work, {"review": {"gold": {"training_tasks": 2, "bar": 0.5}}})
    await put(
        work, *({"content": f"gold text {n}", "label": "positive", "explanation": "why"} for n in range(9))
    )
    reviewer = await open_page(viewport={"width": 360, "height": 800}, bypass_csp=True)
    await reviewer.sign_in(work)
    await expect(reviewer.page.locator(".training-hint")).to_be_visible()
    await reviewer.page.wait_for_timeout(250)
    await reviewer.page.keyboard.press("2")
    await expect(reviewer.page.get_by_role("dialog")).to_be_visible()
    await reviewer.page.wait_for_function(AT_REST)
    await reviewer.page.evaluate(axe)
    found = await reviewer.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found["violations"]] == []
    assert await reviewer.page.evaluate("document.documentElement.scrollWidth") <= 360
