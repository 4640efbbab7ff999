"""Distressing texts stay hidden until asked for, breaks are calm, and people see what is measured of them."""

import datetime
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .test_accessibility import EVERYWHERE, Scan
from .workplace import Item, Reviewer, Workplace, apply, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
CARE: dict[str, Any] = {"sensitive": {"topic": ["violence"]}, "sensitive_per_day": 2}
SECRET = "He raised the knife and I saw what had been done to her."


async def distressing(work: Workplace, *texts: str) -> None:
    await apply(work, {"review": {"care": CARE}})
    await work.add(
        [
            Item(f"d{number}", text, confidence=0.55 + number / 100, metadata={"topic": "violence"})
            for number, text in enumerate(texts)
        ]
    )


async def agree(work: Workplace) -> None:
    await work.query(
        "INSERT INTO consents (reviewer, project, given) VALUES ($1, $2, true)", work.reviewer, work.project
    )


async def has_worked(work: Workplace, begin: float, minutes: float, seconds: float = 20.0) -> int:
    """Write down decisions that fill `minutes`, from `begin` minutes ago on; return how many are today's."""
    count = round(minutes * 60 / seconds)
    now = datetime.datetime.now(datetime.UTC)
    first = now - datetime.timedelta(minutes=begin)
    ends = [first + datetime.timedelta(seconds=seconds * (number + 1)) for number in range(count)]
    [row] = await work.query("SELECT nextval('task_ids') AS id")
    task = row["id"] * 1_000_000
    await work.query(
        "INSERT INTO assignments (task_id, slot, project, priority, state, reviewer)"
        " SELECT $1::bigint + number, 0, $2, 0, 'decided', $3 FROM generate_series(1, $4) AS n(number)",
        task, work.project, work.reviewer, count,
    )  # fmt: skip
    await work.query(
        "INSERT INTO decisions"
        " SELECT $1::bigint + number, 0, $2, 'old' || number, $3, 0, '\"positive\"', 1, $4, at"
        " FROM unnest($5::timestamptz[]) WITH ORDINALITY AS d(at, number)",
        task, work.project, work.reviewer, seconds, ends,
    )  # fmt: skip
    return sum(end.date() == now.date() for end in ends)


async def a_fortnight(work: Workplace) -> None:
    """Write down the days of two weeks, with one that was badly paid."""
    today = datetime.datetime.now(datetime.UTC).date()
    for back in range(2, 14):
        if back in (5, 6, 12, 13):
            continue
        hours = 2.5 + (back * 7 % 5) / 2
        per_hour = 132 if back == 8 else 150 + (back * 11 % 60)
        await work.query(
            "INSERT INTO workdays (reviewer, day, project, decisions, checks, skips, reveals, active_seconds,"
            " usd_per_hour, usd_per_decision, floor_usd_per_hour)"
            " VALUES ($1, $2, $3, $4, 8, 3, 1, $5, 12, 0.08, 11)",
            work.reviewer, today - datetime.timedelta(days=back), work.project, round(hours * per_hour) - 8,
            hours * 3600,
        )  # fmt: skip


async def accessible_text(page: Page) -> str:
    """Return what a screen reader can come by: the accessibility tree, whole."""
    return str(await page.locator("body").aria_snapshot())


async def test_a_distressing_text_is_nowhere_before_it_is_asked_for(
    work: Workplace, reviewer: Reviewer
) -> None:
    await distressing(work, SECRET, "a second of the kind")
    await agree(work)
    page = reviewer.page
    await reviewer.sign_in(work)
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    assert SECRET not in await accessible_text(page)
    assert SECRET not in await page.content()
    assert SECRET not in str(reviewer.payloads)
    await expect(page.locator("[data-announcer]")).to_contain_text("hidden until you ask")
    await page.wait_for_timeout(250)
    await reviewer.press("1")
    await expect(page.locator("[data-announcer]")).to_contain_text("Show it first")
    await reviewer.press("r")
    await expect(page.locator(".task-text")).to_have_text(SECRET)
    await expect(page.locator(".task-text")).to_be_focused()
    assert SECRET not in await page.locator("[data-announcer]").inner_text(), (
        "read because of the focus, once"
    )
    await reviewer.press("r")
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    assert SECRET not in await accessible_text(page)
    await reviewer.press("r")
    await expect(page.locator(".task-text")).to_have_text(SECRET)
    await page.wait_for_timeout(250)
    await reviewer.press("2")
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    assert SECRET not in await accessible_text(page), "the next one is hidden again, and this one gone"
    [row] = await work.query("SELECT count(*) AS shown FROM reveals WHERE reviewer = $1", work.reviewer)
    assert row["shown"] == 1
    assert await work.decided(1) == {"d0": "negative"}


async def test_over_the_limit_the_task_goes_to_somebody_else(work: Workplace, reviewer: Reviewer) -> None:
    await distressing(work, "one", "two", "three")
    await agree(work)
    page = reviewer.page
    await reviewer.sign_in(work)
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await work.query(
        "INSERT INTO reveals (reviewer, task_id, project)"
        " SELECT $1, -n, 'elsewhere' FROM generate_series(1, 2) AS g(n)",
        work.reviewer,
    )
    await reviewer.press("r")
    await expect(page.get_by_role("alert").filter(has_text="2 distressing items")).to_be_visible()
    held = "SELECT task_id FROM assignments WHERE project = $1 AND state = 'leased'"
    assert len(await work.query(held, work.project)) == 1, "what could not be shown either went to others"
    await page.get_by_role("button", name="Leave it to somebody else").click()
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()


async def test_what_was_loaded_ahead_goes_to_others_when_enough_was_shown(
    work: Workplace, reviewer: Reviewer
) -> None:
    await distressing(work, "one", "two", "three")
    await agree(work)
    await work.add([Item("plain", "a plain text", confidence=0.99)])
    page = reviewer.page
    await reviewer.sign_in(work)
    await reviewer.sees("a plain text")
    await reviewer.press("1")
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()

    async def held(distressing: int) -> bool:
        rows = await work.query(
            "SELECT pool FROM assignments WHERE project = $1 AND state = 'leased'", work.project
        )
        return [row["pool"] for row in rows] == ["!"] * distressing

    await until(lambda: held(3))
    await work.query(
        "INSERT INTO reveals (reviewer, task_id, project) VALUES ($1, -1, 'elsewhere')", work.reviewer
    )
    await reviewer.press("r")
    await expect(page.locator(".task-text.revealed")).to_be_visible()
    assert await held(1)
    await page.wait_for_timeout(250)  # keys count again
    await reviewer.press("1")
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await expect(page.get_by_text("which is enough")).to_be_visible()


async def test_consent_is_asked_for_once_by_keyboard(work: Workplace, reviewer: Reviewer) -> None:
    await distressing(work, SECRET)
    page = reviewer.page
    await reviewer.sign_in(work)
    yes = page.get_by_role("button", name="Yes, I would see them")
    await expect(yes).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await expect(yes).to_have_count(0)
    await work.query("DELETE FROM consents WHERE reviewer = $1", work.reviewer)
    await page.reload()
    await yes.focus()
    await reviewer.press("Enter")
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()


async def test_a_mind_is_changed_at_once_where_the_question_stood(
    work: Workplace, reviewer: Reviewer
) -> None:
    await distressing(work, SECRET)
    page = reviewer.page
    await reviewer.sign_in(work)
    await page.get_by_role("button", name="Ask me another day").click()
    await page.get_by_role("button", name="Answer now").click()
    await page.get_by_role("button", name="Yes, I would see them").click()
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await page.get_by_role("button", name="Leave them to others").click()
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await page.get_by_role("button", name="See them after all").click()
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await page.get_by_role("button", name="Put away").click()
    await expect(page.get_by_role("button", name="Leave them to others")).to_have_count(0)


async def test_where_nothing_is_left_the_mind_is_changed_in_both_directions(
    work: Workplace, reviewer: Reviewer
) -> None:
    await distressing(work, SECRET)
    page = reviewer.page
    await reviewer.sign_in(work)
    await page.get_by_role("button", name="No, leave them to others").click()
    await page.reload()
    waits = page.get_by_role("region", name="Distressing texts")
    await expect(waits).to_contain_text("Texts that may be distressing wait.")
    await waits.get_by_role("button", name="I would see them").click()
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await reviewer.press("r")
    await expect(page.get_by_text(SECRET)).to_be_visible()
    await page.wait_for_timeout(250)  # keys count again
    await reviewer.press("1")
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await waits.get_by_role("button", name="Leave distressing texts to others").click()
    await expect(waits).to_have_count(0)
    [row] = await work.query("SELECT given FROM consents WHERE reviewer = $1", work.reviewer)
    assert row["given"] is False


async def test_consent_is_withdrawn_on_the_page_me(work: Workplace, reviewer: Reviewer) -> None:
    await distressing(work, SECRET)
    await agree(work)
    page = reviewer.page
    await reviewer.sign_in(work)
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await page.goto(f"{reviewer.url}/me?project={work.project}")
    switch = page.get_by_role("switch", name="I would see distressing texts")
    await expect(switch).to_be_checked()
    await switch.focus()
    await reviewer.press("Space")
    await expect(page.get_by_text("1 task you had in hand went to others")).to_be_visible()
    await expect(switch).not_to_be_checked()
    [row] = await work.query("SELECT given FROM consents WHERE reviewer = $1", work.reviewer)
    assert row["given"] is False
    await page.goto(f"{reviewer.url}/?project={work.project}")
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()


async def test_a_break_is_calm_and_ends_with_a_step_of_ones_own(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, {"review": {"care": {"break_after_minutes": 30, "break_minutes": 1}}})
    await work.add([Item("a", "a plain text", confidence=0.55), Item("b", "another", confidence=0.6)])
    await has_worked(work, 31.4, 31)
    page = reviewer.page
    await reviewer.sign_in(work)
    await expect(page.get_by_role("heading", name="Time for a break")).to_be_visible()
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"^0:[0-3]\d$"))
    await expect(page.get_by_text("does not review")).to_have_count(0)
    await expect(page.get_by_role("button", name="Go on")).to_be_focused(timeout=60_000)
    await reviewer.press("Enter")
    await reviewer.sees("a plain text")


async def test_a_full_day_says_when_to_come_back(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, {"review": {"care": {"active_hours_per_day": 1}}})
    await work.add([Item("a", "a plain text", confidence=0.55)])
    await has_worked(work, 70, 62)
    await reviewer.sign_in(work)
    page = reviewer.page
    await expect(page.get_by_role("heading", name="That is enough for today")).to_be_visible()
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"^\d+ h \d+ min$"))


async def test_the_page_tells_that_it_was_touched_and_nothing_else(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add([Item("a", "a plain text", confidence=0.55)])
    page = reviewer.page
    sent: list[dict[str, Any]] = []
    page.on("request", lambda one: sent.append(one.post_data_json) if "/heartbeat" in one.url else None)
    await page.clock.install()
    await reviewer.sign_in(work)
    await reviewer.sees("a plain text")
    await page.mouse.move(200, 200)
    for beats in (1, 2):
        await page.clock.fast_forward(11_000)  # a third of the lease, and a second
        await until(lambda beats=beats: _after(sent, beats))  # type: ignore[misc]
    assert [body["active"] for body in sent[:2]] == [True, False]
    assert all(set(body) == {"lease", "active"} for body in sent)


async def _after(sent: list[dict[str, Any]], count: int) -> bool:
    return len(sent) >= count


async def at_the_page(work: Workplace, reviewer: Reviewer) -> int:
    """Open the page of somebody who has worked for two weeks; return the number of today's decisions."""
    pay = {"usd_per_decision": 0.08, "floor_usd_per_hour": 11}
    care = {**CARE, "break_after_minutes": 50}
    await apply(work, {"review": {"care": care, "pay": pay}})
    await a_fortnight(work)
    decisions = await has_worked(work, 25, 21)
    await reviewer.sign_in(work, "/me")
    await expect(reviewer.page.locator("[data-figure=decided]")).to_have_text(str(decisions))
    return decisions


async def test_people_see_their_days_and_pay(work: Workplace, reviewer: Reviewer) -> None:
    page, decisions = reviewer.page, await at_the_page(work, reviewer)
    earned = f"${decisions * 0.08:.2f}" if decisions else "$0.00"
    assert (await reviewer.figure("earned")).startswith(earned)
    await expect(page.get_by_text("your manager sees that too")).to_have_count(0)
    await expect(page.get_by_role("row").nth(8)).to_be_visible()
    await expect(page.locator("td", has_text="below the floor")).to_have_count(1)
    await expect(page.get_by_role("img", name=re.compile("1 of them below"))).to_be_visible()
    await expect(page.get_by_text("Seen by you alone")).to_be_visible()


async def test_a_newcomer_sees_an_empty_page_that_explains_itself(
    work: Workplace, reviewer: Reviewer
) -> None:
    await reviewer.sign_in(work, "/me")
    await expect(reviewer.page.get_by_text("No work yet.")).to_be_visible()
    await expect(reviewer.page.get_by_role("switch")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
async def test_axe_finds_nothing_and_nothing_is_cut_off(
    work: Workplace, open_page: Open, axe: str, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 900}
    reviewer = await open_page(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = reviewer.page
    await at_the_page(work, reviewer)
    scan = Scan(page, axe, EVERYWHERE)
    await scan("me")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await work.add([Item("d", SECRET, confidence=0.55, metadata={"topic": "violence"})])
    await page.goto(f"{reviewer.url}/?project={work.project}")
    await page.get_by_role("button", name="Yes, I would see them").wait_for()
    await scan("consent")
    await page.get_by_role("button", name="Yes, I would see them").click()
    await expect(page.get_by_text("This text may be distressing")).to_be_visible()
    await scan("hidden")
    await reviewer.press("r")
    await expect(page.locator(".task-text")).to_have_text(SECRET)
    await scan("shown")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await apply(work, {"review": {"care": {**CARE, "active_hours_per_day": 0.1}}})
    await page.wait_for_timeout(250)
    await reviewer.press("1")
    await expect(page.get_by_role("heading", name="That is enough for today")).to_be_visible()
    await scan("rest")
    assert scan.found == {}
