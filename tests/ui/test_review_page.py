"""The reviewers' page: everything a reviewer does, in Chromium, on the real system."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Route, expect

from .workplace import Item, Reviewer, Workplace, apply, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]


def items(*contents: str, **fields: Any) -> list[Item]:
    """Items whose tasks come in this order: the machine is less sure of the earlier ones."""
    return [
        Item(f"item-{number}", content, confidence=0.51 + 0.01 * number, **fields)
        for number, content in enumerate(contents)
    ]


async def test_labelling_by_keyboard_alone(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await expect(reviewer.page.locator(".suggestion")).to_contain_text("positive")
    await expect(reviewer.page.locator(".suggestion")).to_contain_text("51% sure")
    await reviewer.press("1")
    await reviewer.sees("second text")
    await reviewer.press("2")
    await reviewer.sees("third text")
    for _ in range(30):  # the same without single keys: Tab to the button, Enter on it
        await reviewer.press("Tab")
        if await reviewer.page.evaluate("document.activeElement.textContent.includes('negative')"):
            break
    await reviewer.press("Enter")
    await expect(reviewer.page.get_by_role("heading", name="All caught up")).to_be_visible()
    assert await work.decided(3) == {"item-0": "positive", "item-1": "negative", "item-2": "negative"}
    await expect(reviewer.page.locator("[data-figure=decided]")).to_have_text("3")
    await expect(reviewer.page.locator("[data-figure=left]")).to_have_text("0")


async def test_the_next_task_shows_at_once(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    milliseconds = await reviewer.page.evaluate(
        """async () => {
          const started = performance.now();
          dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
          while (document.querySelector(".task-text").textContent !== "second text")
            await new Promise(requestAnimationFrame);
          return performance.now() - started;
        }"""
    )
    assert milliseconds < 250


async def test_a_second_press_does_not_label_an_unseen_text(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await reviewer.page.evaluate(
        """() => { for (let i = 0; i < 2; i++) dispatchEvent(new KeyboardEvent("keydown", { key: "1" })); }"""
    )
    await reviewer.sees("second text")
    assert await work.decided(1) == {"item-0": "positive"}


async def test_skipping_with_and_without_a_reason(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await reviewer.press("s", "Enter")
    await reviewer.sees("second text")
    await reviewer.press("s", "2")
    await reviewer.sees("third text")
    await reviewer.press("s", "Escape")
    await expect(reviewer.page.locator("dialog")).to_have_count(0)
    await reviewer.press("1")
    await work.decided(1)
    await until(lambda: _reasons(work, ["", "Not in a language I read"]))
    assert await work.final_labels() == {"item-2": "positive"}


async def _reasons(work: Workplace, wanted: list[str]) -> bool:
    rows = await work.query("SELECT reason FROM skips WHERE reviewer = $1 ORDER BY reason", work.reviewer)
    return [row["reason"] for row in rows] == wanted


@pytest.mark.parametrize("key", ["u", "Control+z"])
async def test_undo_brings_the_task_back(work: Workplace, reviewer: Reviewer, key: str) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    async with reviewer.page.expect_response("**/decision"):
        await reviewer.press("1")
    await reviewer.sees("second text")
    await reviewer.press(key)
    await reviewer.sees("first text")
    await expect(reviewer.page.get_by_role("button", name="positive")).to_contain_text("taken back")
    await expect(reviewer.page.locator("[data-figure=decided]")).to_have_text("0")
    await reviewer.press("2")
    await reviewer.sees("second text")
    await reviewer.press("1")
    assert await work.decided(2) == {"item-0": "negative", "item-1": "positive"}


async def test_undo_after_the_label_left_says_so(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await reviewer.press("1")
    await work.decided(1)
    await work.let_go()
    await reviewer.press("u")
    await expect(reviewer.page.locator(".notice")).to_contain_text("too late to take “positive” back")
    await reviewer.sees("second text")


async def test_a_blind_task_never_receives_a_suggestion(work: Workplace, reviewer: Reviewer) -> None:
    await work.add([Item("open", "an open text", confidence=0.52)])
    await reviewer.sign_in(work)
    await reviewer.sees("an open text")
    await expect(reviewer.page.locator(".suggestion")).to_be_visible()
    await reviewer.press("1")
    await work.add([Item("blind", "a blind text", label="negative", confidence=0.97, blind=True)])
    await reviewer.sees("a blind text")
    await expect(reviewer.page.locator(".blind")).to_contain_text("Blind check")
    await expect(reviewer.page.locator(".suggestion")).to_have_count(0)
    await expect(reviewer.page.locator(".label-mark")).to_have_count(0)
    await expect(reviewer.page.locator(".label.suggested")).to_have_count(0)
    tasks = {task["item_id"]: task for task in reviewer.tasks()}
    assert tasks["open"]["suggestion"] == {"label": "positive", "confidence": 0.52}
    assert tasks["blind"]["suggestion"] is None
    assert "negative" not in str(tasks["blind"]), "the machine's label travelled with a blind task"
    assert "0.97" not in str(tasks["blind"])
    assert tasks["blind"]["reasons"] == []


HOSTILE = [
    "<script>document.title='hit'</script>",
    "<img src=x onerror=\"document.title='hit'\">",
    '"><svg onload="document.title=\'hit\'">',
    "javascript:document.title='hit'",
    "{{constructor.constructor('document.title=1')()}} ${7*7}",
    "</div></article><iframe srcdoc=\"<script>parent.document.title='hit'</script>\"></iframe>",
    "\u202eevil \u0007 <b>bold</b> & &lt;i&gt;",
]


async def test_hostile_text_stays_text(work: Workplace, reviewer: Reviewer) -> None:
    guideline = "\n\n".join(
        [*HOSTILE, "[a link](javascript:document.title='hit')", "![x](x\"onerror=\"document.title='hit')"]
    )
    labels = [{"name": HOSTILE[1], "description": HOSTILE[0]}, {"name": "negative"}, {"name": HOSTILE[2]}]
    await apply(work, {"labels": labels, "guideline": guideline, "title": HOSTILE[5]})
    await work.add(
        [
            Item(f'h{n}"><i>', text, label=HOSTILE[1], confidence=0.5 + n / 100, metadata={"<u>name": text})
            for n, text in enumerate(HOSTILE)
        ]
    )
    await reviewer.sign_in(work)
    page = reviewer.page
    for text in HOSTILE:
        await reviewer.sees(text)
        await expect(page.locator(".suggestion")).to_contain_text(HOSTILE[1])
        assert await page.locator(".task").locator("script, img, iframe, b, u, [onload]").count() == 0
        await reviewer.press("2")
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    prose = page.locator(".guideline .prose")
    await expect(prose).to_contain_text(HOSTILE[0])
    assert await prose.locator("script, img, svg, iframe, [onerror], [onload]").count() == 0
    assert await prose.locator("a[href^=javascript]").count() == 0
    assert "labelmill" in await page.title()
    await page.goto(f"{reviewer.url}/dashboard?project={work.project}")
    await expect(page.locator(".tile").first).to_be_visible()
    await expect(page.locator(".chooser option:checked")).to_have_text(HOSTILE[5])
    assert "labelmill" in await page.title()


async def test_a_lost_connection_loses_nothing(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text", "fourth text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await until(lambda: _prefetched(reviewer))
    await reviewer.context.set_offline(True)
    await reviewer.press("2")
    await reviewer.sees("second text")
    banner = reviewer.page.locator(".banner")
    await expect(banner).to_contain_text("1 answer is kept in this browser")
    await reviewer.press("1")
    await reviewer.sees("third text")
    await reviewer.press("1")
    await expect(banner).to_contain_text("3 answers are kept in this browser")
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('labelmill.outbox/')).length"
    assert await reviewer.page.evaluate(kept) == 3, "each has its own key: tabs overwrite nothing"
    await expect(
        reviewer.page.get_by_role("heading", name="That was all that had been loaded")
    ).to_be_visible()
    assert await work.final_labels() == {}
    await reviewer.context.set_offline(False)
    await reviewer.sees("fourth text")
    await expect(banner).to_have_count(0)
    assert await work.decided(3) == {"item-0": "negative", "item-1": "positive", "item-2": "positive"}
    assert await reviewer.page.evaluate(kept) == 0


async def test_answers_of_two_tabs_do_not_overwrite_each_other(work: Workplace, open_page: Open) -> None:
    await work.add(items("first text", "second text", "third text", "fourth text"))
    one = await open_page()
    await one.sign_in(work)
    await one.sees("first text")
    await until(lambda: _prefetched(one))
    other = Reviewer(await one.context.new_page(), one.context, one.url)
    await other.page.goto(f"{one.url}/?project={work.project}")
    await other.sees("fourth text")
    await one.context.set_offline(True)
    await one.press("1")
    await other.press("2")
    await one.sees("second text")
    await one.press("1")
    await expect(one.page.locator(".banner")).to_contain_text("3 answers are kept in this browser")
    await one.context.set_offline(False)
    assert await work.decided(3) == {"item-0": "positive", "item-1": "positive", "item-3": "negative"}


async def _prefetched(reviewer: Reviewer, count: int = 3) -> bool:
    return len(reviewer.tasks()) >= count


async def test_answers_survive_a_closed_tab(work: Workplace, open_page: Open) -> None:
    await work.add(items("first text", "second text"))
    one = await open_page()
    await one.sign_in(work)
    await one.sees("first text")
    await one.context.set_offline(True)
    await one.press("2")
    await expect(one.page.locator(".banner")).to_contain_text("1 answer")
    await one.page.close()
    await one.context.set_offline(False)
    one.page = await one.context.new_page()
    await one.page.goto(f"{one.url}/?project={work.project}")
    assert await work.decided(1) == {"item-0": "negative"}


async def test_an_answer_whose_reply_is_lost_counts_once(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    lost = asyncio.Event()

    async def lose_the_reply(route: Route) -> None:
        if lost.is_set():
            await route.continue_()
        else:
            await route.fetch()  # the server counts it
            await route.abort("connectionreset")
            lost.set()

    async def after_that(route: Route) -> None:  # whose success must not end the retries of the answer
        await lost.wait()
        await route.continue_()

    await reviewer.page.route("**/decision", lose_the_reply)
    await reviewer.page.route("**/claim", after_that)
    await reviewer.press("1")
    await reviewer.sees("second text")
    await expect(reviewer.page.locator(".last")).to_have_text("Last: positive")
    assert await work.decided(1) == {"item-0": "positive"}
    await expect(reviewer.page.locator(".notice")).to_have_count(0)


async def test_a_late_answer_is_explained_and_kept(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await expire(work)
    await reviewer.press("2")
    notice = reviewer.page.locator(".notice")
    await expect(notice).to_contain_text("Your answer “negative” came after your hold on the task had ended")
    await reviewer.sees("first text")  # nobody else took it: it comes back
    await expect(reviewer.page.get_by_role("button", name="negative")).to_contain_text("your kept answer")
    await reviewer.page.get_by_role("button", name="Dismiss").click()
    await expect(notice).to_have_count(0)
    await reviewer.press("2")
    assert await work.decided(1) == {"item-0": "negative"}


async def test_an_answer_with_a_label_that_is_gone_is_asked_for_again(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await until(lambda: _prefetched(reviewer, 2))
    await apply(work, {"labels": [{"name": "glad"}, {"name": "negative"}]})
    await reviewer.page.wait_for_timeout(2500)  # for so long a process may remember the project as it was
    await reviewer.press("1")
    await expect(reviewer.page.locator(".notice")).to_contain_text("Your answer “positive” was not taken")
    await expect(reviewer.page.get_by_role("button", name="glad")).to_be_visible()
    await reviewer.sees("second text")  # what is being read stays
    await reviewer.press("2")
    await reviewer.sees("first text")
    await reviewer.press("1")
    assert await work.decided(2) == {"item-0": "glad", "item-1": "negative"}


async def test_heartbeats_hold_the_task_that_is_read(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text"))
    await reviewer.page.clock.install()
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await work.query(
        "UPDATE assignments SET lease_until = now() + interval '12 s' WHERE project = $1", work.project
    )
    async with reviewer.page.expect_response("**/heartbeat") as beat:
        await reviewer.page.clock.fast_forward(11_000)  # a third of the lease, and a second
    assert (await beat.value).status == 200
    rows = await work.query(
        "SELECT lease_until > now() + interval '20 s' AS held FROM assignments WHERE project = $1",
        work.project,
    )
    assert [row["held"] for row in rows] == [True]


async def test_a_task_that_was_lost_is_not_swapped_under_the_hand(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add(items("first text"))
    await reviewer.page.clock.install()
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await expire(work)
    claimed = await work.admin.post(f"/v1/projects/{work.project}/tasks/claim")
    assert len(claimed.json()["tasks"]) == 1
    await reviewer.page.clock.fast_forward(11_000)
    await expect(reviewer.page.locator(".notice")).to_contain_text("This task is no longer yours here")
    await expect(reviewer.page.locator(".label").first).to_be_disabled()
    await reviewer.press("1")
    await reviewer.page.get_by_role("button", name="Next task").click()
    await expect(reviewer.page.get_by_role("heading", name="All caught up")).to_be_visible()
    assert await work.final_labels() == {}


async def test_a_lost_task_that_nobody_took_is_simply_held_again(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text"))
    await reviewer.page.clock.install()
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await expire(work)
    async with reviewer.page.expect_response("**/claim"):
        await reviewer.page.clock.fast_forward(11_000)
    await expect(reviewer.page.locator(".label").first).to_be_enabled()
    await expect(reviewer.page.locator(".notice")).to_have_count(0)
    await reviewer.press("1")
    assert await work.decided(1) == {"item-0": "positive"}


async def expire(work: Workplace) -> None:
    """Let all leases run out."""
    await work.query(
        "UPDATE assignments SET lease_until = now() - interval '1 s' WHERE project = $1", work.project
    )


async def test_signing_out_without_a_connection_says_so(work: Workplace, reviewer: Reviewer) -> None:
    await reviewer.sign_in(work)
    await expect(reviewer.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await reviewer.context.set_offline(True)
    await reviewer.open_account_menu()
    await reviewer.page.get_by_role("button", name="Sign out").click()
    await expect(reviewer.page.locator(".bar .problem")).to_contain_text("You are still signed in")
    await reviewer.context.set_offline(False)
    await reviewer.page.get_by_role("button", name="Sign out").click()
    await expect(reviewer.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_reload_goes_on_with_the_same_task(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await until(lambda: _prefetched(reviewer))
    await reviewer.page.reload()
    await reviewer.sees("first text")
    await reviewer.press("1")
    await reviewer.sees("second text")


async def test_an_ended_session_keeps_the_answer(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await reviewer.context.clear_cookies()
    await reviewer.press("2")
    note = f"One answer by {work.reviewer} is kept in this browser. It is sent once {work.reviewer} signs in."
    await expect(reviewer.page.locator(".gate-note")).to_have_text(note)
    await reviewer.page.get_by_label("Name").fill(work.reviewer)
    await reviewer.page.get_by_label("Password").fill("correct horse battery")
    await reviewer.press("Enter")
    assert await work.decided(1) == {"item-0": "negative"}


async def test_the_gate_says_whose_answers_wait_and_claims_no_more(
    work: Workplace, reviewer: Reviewer
) -> None:
    page = reviewer.page
    await reviewer.sign_in(work)
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await reviewer.open_account_menu()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.locator(".gate-note")).to_have_count(0)
    await page.evaluate("for (const n of [1, 2]) localStorage.setItem(`labelmill.outbox/eve/${n}`, '{}')")
    await page.reload()
    await expect(page.locator(".gate-note")).to_have_text(
        "2 answers by eve are kept in this browser. They are sent once eve signs in."
    )


async def test_guideline_help_theme_and_single_keys(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    page = reviewer.page
    guideline = page.get_by_role("complementary", name="Guideline")
    await expect(guideline.get_by_role("heading", name="How to decide")).to_be_visible()
    await reviewer.press("g")
    await expect(guideline).to_have_count(0)
    await reviewer.press("?")
    await expect(page.get_by_role("dialog", name="Keys and help")).to_be_visible()
    await reviewer.press("1")  # not while a dialog is open
    await page.get_by_label("Single keys act at once").uncheck()
    await reviewer.press("Escape", "1")
    await expect(page.locator(".task-text")).to_have_text("first text")
    await expect(page.locator(".label kbd")).to_have_count(0)
    await reviewer.open_account_menu()
    await page.get_by_role("button", name="Theme: system").click()
    await page.get_by_role("button", name="Theme: light").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_screen_readers_hear_what_happened(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await reviewer.press("1")
    await expect(reviewer.page.locator("[data-announcer]")).to_have_text("Labelled positive. second text")


async def test_the_page_lets_nothing_foreign_in(work: Workplace, reviewer: Reviewer) -> None:
    answer = await work.admin.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    script = next(line for line in answer.text.splitlines() if "review.js" in line).split('"')[3]
    first = await work.admin.get(script)
    assert "immutable" in first.headers["cache-control"]
    again = await work.admin.get(script, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    old = await work.admin.get("/static/000000000000/review.js")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    assert (await work.admin.get("/static/x/../../api.py")).status_code == 404
