"""Every action has a key, the help tells all of them, and the focus is never lost."""

import json
import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from .test_review_page import items
from .workplace import PASSWORD, Item, Reviewer, Workplace, apply, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]

FOCUS = "document.activeElement.outerHTML.slice(0, 200)"


async def test_from_sign_in_to_sign_out_without_a_mouse(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text"))
    page = reviewer.page
    await page.goto(f"{reviewer.url}/?project={work.project}")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.type(work.reviewer)
    await reviewer.press("Tab")
    await page.keyboard.type(PASSWORD)
    await reviewer.press("Enter")
    await reviewer.sees("first text")
    await reviewer.press("f", "5")
    await expect(page.get_by_label("Something else")).to_be_focused()
    await page.keyboard.type("upside down <3")
    await reviewer.press("Enter")
    await expect(page.locator(".remarks")).to_have_text("Flagged: something else.")
    await reviewer.press("c")
    await expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    await page.keyboard.type("I smiled")
    await reviewer.press("Tab", "ArrowDown", "Control+Enter")
    await expect(page.locator(".remarks")).to_contain_text("Commented.")
    await reviewer.press("s", "5")
    await expect(page.get_by_label("Another reason")).to_be_focused()
    await page.keyboard.type("I know the writer")
    await reviewer.press("Enter")
    await reviewer.sees("second text")
    await reviewer.press("1")
    await reviewer.sees("third text")
    await reviewer.press("u")
    await reviewer.sees("second text")
    await reviewer.press("2")
    await reviewer.press("Shift+W")
    await expect(page.get_by_role("heading", name="My work")).to_be_visible()
    await page.go_back()
    await reviewer.sees("third text")
    await reviewer.press("Shift+P")
    await expect(page.locator(".chooser select")).to_be_focused()
    await page.evaluate("document.activeElement.blur()")
    await reviewer.press("Shift+O")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.get_by_label("Name")).to_be_focused()
    (flag,) = await work.query("SELECT reason, text FROM flags WHERE project = $1", work.project)
    assert tuple(flag) == ("other", "upside down <3")
    (comment,) = await work.query("SELECT audience, text FROM comments WHERE project = $1", work.project)
    assert tuple(comment) == ("raters", "I smiled")
    skips = await work.query("SELECT reason FROM skips WHERE reviewer = $1", work.reviewer)
    assert [row["reason"] for row in skips] == ["I know the writer"]


async def test_the_help_tells_every_key_once(work: Workplace, reviewer: Reviewer) -> None:
    labels = [{"name": f"label {number}"} for number in range(26)]
    await apply(work, {"labels": labels})
    await work.add(
        [Item(f"item-{n}", f"text {n}", label=f"label {n}", confidence=0.5 + n / 100) for n in (0, 25)]
    )
    await reviewer.sign_in(work)
    await reviewer.sees("text 0")
    await reviewer.press("?")
    keys = [text.strip() for text in await reviewer.page.locator(".keys dt").all_inner_texts()]
    assert len(keys) == len(set(keys)), "no key does two things"
    assert {"S", "U", "F", "C", "G", "+", "-", "?", "Esc", "Shift+O"} <= set(keys)
    assert len([key for key in keys if re.fullmatch(r"[0-9A-Z]", key)]) >= 26 + 5
    await reviewer.press("Escape")
    last = await reviewer.page.locator(".label kbd").nth(25).inner_text()
    await reviewer.press(last.lower())
    await reviewer.sees("text 25")
    await reviewer.press("0")  # the tenth
    assert await work.decided(2) == {"item-0": "label 25", "item-25": "label 9"}


async def test_larger_text_is_kept(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    page = reviewer.page
    size = "parseFloat(getComputedStyle(document.querySelector('.task-text')).fontSize)"
    usual = await page.evaluate(size)
    await reviewer.press(*"++++++")
    assert await page.evaluate(size) == pytest.approx(2 * usual, rel=0.01)
    await expect(page.get_by_role("button", name="Larger text")).to_be_disabled()
    await page.reload()
    await reviewer.sees("first text")
    assert await page.evaluate(size) == pytest.approx(2 * usual, rel=0.01)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await reviewer.press(*"-----")
    assert await page.evaluate(size) == pytest.approx(usual, rel=0.01)
    await reviewer.press("-")
    assert await page.evaluate(size) < usual


async def test_the_focus_is_never_lost(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text", "third text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    page = reviewer.page
    await page.get_by_role("button", name="Flag").focus()
    await reviewer.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await reviewer.press("Escape")
    await expect(page.get_by_role("button", name="Flag")).to_be_focused()
    await page.get_by_role("button", name="negative").focus()
    await reviewer.press("Enter")
    await reviewer.sees("second text")
    await expect(page.get_by_role("button", name="negative")).to_be_focused()
    await page.get_by_role("button", name="Undo").focus()
    await reviewer.press("Enter")  # nothing is left to undo: the button is disabled
    await reviewer.sees("first text")
    await until(lambda: _somewhere(page))
    await page.get_by_role("button", name="Close the guideline").focus()
    await reviewer.press("Enter")
    await until(lambda: _somewhere(page))
    for text in ("first text", "second text", "third text"):
        await reviewer.sees(text)
        await page.get_by_role("button", name="positive").focus()
        await reviewer.press("Enter")
    await expect(page.get_by_role("heading", name="All caught up")).to_be_visible()
    await until(lambda: _somewhere(page))


async def _somewhere(page: Page) -> bool:
    focused: str = await page.evaluate(FOCUS)
    return not focused.startswith("<body")


async def test_the_focus_lies_behind_nothing_on_a_low_window(work: Workplace, open_page: Open) -> None:
    """A 1280 by 720 window at 400% is 320 by 180 (WCAG 1.4.10, 2.4.11)."""
    reviewer = await open_page(viewport={"width": 320, "height": 256})
    await work.add([Item("0", "a long text. " * 60, confidence=0.53)])
    await reviewer.sign_in(work)
    page = reviewer.page
    await expect(page.locator(".task-text")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    for open_guideline in (False, True):
        if open_guideline:
            await reviewer.press("g")
            await expect(page.locator("#guideline")).to_be_visible()
        await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        seen: set[str] = set()
        for _ in range(25):
            await reviewer.press("Tab")
            seen.add(await page.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
            hidden = await page.evaluate(
                """() => {
                  const one = document.activeElement, box = one.getBoundingClientRect();
                  if (one === document.body) return "";
                  const free = [0.1, 0.3, 0.5, 0.7, 0.9].some((part) => {
                    const y = box.top + part * box.height, x = box.left + Math.min(box.width / 2, 40);
                    const top = document.elementFromPoint(x, y);
                    return top !== null && (one.contains(top) || top.contains(one));
                  });
                  return free ? "" : one.outerHTML.slice(0, 120);
                }"""
            )
            assert hidden == "", f"guideline open: {open_guideline}"
        assert any("negative" in text for text in seen), seen


async def test_targets_are_large_enough(work: Workplace, open_page: Open) -> None:
    """WCAG 2.5.8: at least 24 by 24 CSS pixels."""
    reviewer = await open_page(viewport={"width": 390, "height": 844}, has_touch=True)
    await work.add(items("first text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    page = reviewer.page
    small = """
        () => [...document.querySelectorAll("button, a, input, select, textarea, summary")]
          .filter((one) => one.checkVisibility())
          .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 100)])
          .filter(([box]) => box.width > 0 && (box.width < 24 || box.height < 24)).map(([, html]) => html)
    """
    for key in ("", "?", "s", "f", "c"):
        if key:
            await reviewer.press(key)
            await expect(page.get_by_role("dialog")).to_be_visible()
        assert await page.evaluate(small) == [], key
        await reviewer.press("Escape")
    await page.goto(f"{reviewer.url}/work?project={work.project}")
    await expect(page.get_by_role("tab").first).to_be_visible()
    assert await page.evaluate(small) == []


async def test_still_and_in_few_colours(work: Workplace, open_page: Open) -> None:
    reviewer = await open_page(reduced_motion="reduce", forced_colors="active")
    await work.add(items("first text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert await reviewer.page.evaluate(moving) == 0
    suggested = "getComputedStyle(document.querySelector('.label.suggested')).borderTopWidth"
    assert await reviewer.page.evaluate(suggested) == "3px", "the suggestion shows without its colour"
    bar = "getComputedStyle(document.querySelector('.sure-bar')).borderTopWidth"
    assert await reviewer.page.evaluate(bar) == "1px"


async def test_a_blind_task_leaves_no_suggestion_in_the_browser(work: Workplace, reviewer: Reviewer) -> None:
    await work.add([Item("blind", "a blind text", label="negative", confidence=0.97, blind=True)])
    await reviewer.sign_in(work)
    await reviewer.sees("a blind text")
    await reviewer.press("c")
    await expect(reviewer.page.get_by_label("Comment", exact=True)).to_be_focused()
    await reviewer.page.keyboard.type("hm")
    await reviewer.press("Control+Enter")
    await expect(reviewer.page.locator(".remarks")).to_have_text("Commented.")
    await _leaks_nothing(reviewer)
    await reviewer.press("1")
    await expect(reviewer.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await work.decided(1)
    await reviewer.press("Shift+W")
    await expect(reviewer.page.get_by_role("tabpanel")).to_contain_text("a blind text")
    for tab in ("Skips", "Flags", "Comments", "Came too late"):
        await reviewer.page.get_by_role("tab", name=tab).click()
    await _leaks_nothing(reviewer)


async def _leaks_nothing(reviewer: Reviewer) -> None:
    """Neither what the API sent nor what the browser keeps has the machine's confidence, or its label but for
    the project's list of labels."""
    stored = await reviewer.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    held = {key: value for part in json.loads(stored) for key, value in part.items() if ".seen." not in key}
    sent = [payload for payload in reviewer.payloads if "spec" not in payload]
    for text in (json.dumps(held), json.dumps(sent)):
        assert "0.97" not in text
        assert "negative" not in text


async def test_a_key_that_a_dialog_takes_labels_nothing(work: Workplace, reviewer: Reviewer) -> None:
    await work.add(items("first text", "second text"))
    await reviewer.sign_in(work)
    await reviewer.sees("first text")
    await reviewer.press("f", "2")
    await expect(reviewer.page.locator(".remarks")).to_have_text("Flagged: offensive.")
    await reviewer.sees("first text")
    await reviewer.press("1")
    await reviewer.sees("second text")
    await reviewer.press("s", "2")
    await expect(reviewer.page.get_by_role("heading", name="All caught up")).to_be_visible()
    assert await work.decided(1) == {"item-0": "positive"}
