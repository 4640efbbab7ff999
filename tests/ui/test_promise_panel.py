"""The dashboard shows managers how the promise stands, and shows reviewers nothing of it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from labelmill.acceptance import Threshold
from labelmill.quality import Quality, Slice, SliceExample
from playwright.async_api import FloatRect, Locator, Page, expect

from .promised import GOOD, OPEN, make_manager, publish
from .test_accessibility import AT_REST
from .workplace import PASSWORD, Item, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
RELIABILITY = "Is it as sure as it is right?"
RISK = "What would accepting more cost?"
PAYLOAD = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def as_manager(work: Workplace, reviewer: Reviewer) -> Page:
    name = f"m{work.reviewer}"
    await make_manager(work, name, PASSWORD)
    await reviewer.sign_in(replace(work, reviewer=name), "/dashboard")
    await expect(reviewer.page.locator(".promise")).to_be_visible()
    return reviewer.page


def meter(page: Page, name: str) -> Locator:
    return page.locator(f"[data-meter='{name}']")


async def box(locator: Locator) -> FloatRect:
    found = await locator.bounding_box()
    assert found is not None
    return found


def altered(acceptance: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(acceptance, **changes)


async def test_an_open_promise_is_shown_with_its_evidence(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, {"policy": {"target_error": 0.02}, "budget": {"usd_per_day": 2.0}})
    await work.add([Item("a", "a text", confidence=0.99, accepted=True, cost_usd=0.5)])
    await publish(work, acceptance=OPEN, quality=GOOD)
    page = await as_manager(work, reviewer)
    standing = page.locator(".standing")
    await expect(standing).to_have_attribute("data-state", "open")
    await expect(standing.locator(".state")).to_have_text("Kept: labels are accepted")
    await expect(standing.locator(".state svg")).to_be_visible()
    await expect(standing.locator(".sentence")).to_have_text(OPEN.sentence)
    await expect(meter(page, "Error at most")).to_contain_text("1.7%")
    await expect(meter(page, "Error at most")).to_contain_text("2% promised, with 95% confidence")
    audits = meter(page, "Blind audits")
    await expect(audits).to_contain_text("1,236")
    await expect(audits).to_contain_text("140 missing until more is accepted. 6.2% of items are audited now")
    await expect(meter(page, "Accepted from")).to_contain_text("92%")
    await expect(meter(page, "Spent today")).to_contain_text("$0.50")
    await expect(meter(page, "Spent today")).to_contain_text("of $2.00 a day (25%)")
    await expect(meter(page, "Doubtful decisions")).to_contain_text("7")


async def test_money_is_shown_by_label_that_is_accepted_and_right(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add([Item("a", "a text", confidence=0.99, accepted=True, cost_usd=0.5)])
    page = await as_manager(work, reviewer)
    price = meter(page, "Cost per accepted-correct label")
    await expect(price).to_contain_text("unknown until audits of accepted labels are decided")
    # Ten minutes at $12 an hour, by 18 of 20 labels.
    await work.query(
        "UPDATE minute_stats SET accepted = 20, audits = 10, audit_errors = 1, human_seconds = 600"
        " WHERE project = $1",
        work.project,
    )
    await expect(price).to_contain_text("$0.1389")
    await expect(price).to_contain_text("machine and people; 10% of 10 audits found errors")


async def test_doubtful_decisions_say_what_became_of_them(work: Workplace, reviewer: Reviewer) -> None:
    await publish(work, acceptance=OPEN, quality=GOOD)
    page = await as_manager(work, reviewer)
    doubtful = meter(page, "Doubtful decisions")
    await expect(doubtful).to_contain_text("7")
    await expect(doubtful).to_contain_text("likely slips of people; none looked at again yet")
    await expect(doubtful).not_to_contain_text("waiting")
    for number, changed in enumerate((True, False, False, None, None)):
        await work.query(
            "INSERT INTO rereviews (task_id, project, label, decisions, decided_at, settled_at, changed)"
            " VALUES ($1, $2, '\"a\"', 1, 0, CASE WHEN $3 THEN now() END, $4)",
            10**12 + number,
            work.project,
            changed is not None,
            changed,
        )
    await page.reload()
    await expect(doubtful).to_contain_text(
        "3 looked at again, 1 of them changed; 2 waiting for another reviewer"
    )
    await publish(work, quality=altered(GOOD, decisions=1, suspects=[]))
    await page.reload()
    await expect(doubtful).to_contain_text("no decision looks like a slip now; 3 looked at again")


async def test_the_diagrams_show_the_curves_and_where_we_stand(work: Workplace, reviewer: Reviewer) -> None:
    await publish(work, acceptance=OPEN, quality=GOOD)
    page = await as_manager(work, reviewer)
    reliability, risk = (page.locator(f'[data-chart="{name}"]') for name in (RELIABILITY, RISK))
    await expect(reliability.locator(".bin")).to_have_count(len(GOOD.reliability))
    await expect(reliability.locator("path.diagonal")).to_have_count(1)
    await expect(risk.locator("path.target")).to_have_count(1)
    await expect(risk.locator(".here circle")).to_have_count(1)
    await expect(risk.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile("From 92% confidence up")
    )
    await expect(risk.locator(".diagram-note")).to_contain_text("From 92% confidence up, 60% are accepted")
    line, mark = await box(risk.locator("path.target")), await box(risk.locator(".here circle"))
    assert mark["y"] > line["y"], "0.5% of error is drawn below the 2% promised"
    await risk.get_by_text("As a table").focus()
    await page.keyboard.press("Enter")
    await expect(risk.get_by_role("row")).to_have_count(len(GOOD.risk_coverage) + 1)
    await reliability.get_by_text("As a table").click()
    await expect(reliability.get_by_role("row").nth(1)).to_contain_text("43.7% to 61.1%")


async def test_slices_open_their_examples_by_keyboard(work: Workplace, reviewer: Reviewer) -> None:
    await publish(work, acceptance=OPEN, quality=GOOD)
    page = await as_manager(work, reviewer)
    table = page.get_by_role("region", name="Slices, table")
    first = table.get_by_role("row").nth(1)
    for text in ("Topic", "great, thanks, delay, again", "52", "36.5%", "9.9%", "< 0.001"):
        await expect(first).to_contain_text(text)
    button = table.get_by_role("button", name="2 examples of great, thanks, delay, again")
    await expect(button).to_have_attribute("aria-expanded", "false")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-expanded", "true")
    await expect(table.get_by_text("oh lovely, the delay is delayed again :)")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(table.locator(".examples")).to_have_count(0)


async def test_texts_of_items_are_shown_and_never_run(work: Workplace, reviewer: Reviewer) -> None:
    example = SliceExample(item_id=PAYLOAD, content=PAYLOAD, machine_label=PAYLOAD, label=PAYLOAD)
    hostile = Slice(
        kind=PAYLOAD,
        name=PAYLOAD,
        decisions=9,
        errors=5,
        error=0.5,
        error_elsewhere=0.1,
        q_value=0.01,
        examples=[example],
    )
    quality = Quality(release=1, decisions=9, accuracy=0.5, calibration_error=0.1, slices=[hostile])
    await publish(work, acceptance=altered(OPEN, sentence=PAYLOAD), quality=quality)
    page = await as_manager(work, reviewer)
    await page.locator(".expander").click()
    await expect(page.locator(".example-text")).to_have_text(PAYLOAD)
    await expect(page.locator(".sentence")).to_have_text(PAYLOAD)
    assert await page.locator(".promise :is(img, script)").count() == 0
    assert "owned" not in await page.title()


async def test_reviewers_see_nothing_of_it(work: Workplace, reviewer: Reviewer) -> None:
    await publish(work, acceptance=OPEN, quality=GOOD)
    async with reviewer.page.expect_response("**/promise") as answer:
        await reviewer.sign_in(work, "/dashboard")
    assert (await answer.value).status == 403
    await expect(reviewer.page.locator(".tile")).to_have_count(6)
    await expect(reviewer.page.get_by_role("heading", name="Throughput")).to_be_visible()
    assert await reviewer.page.locator(".promise").count() == 0
    assert OPEN.sentence not in str(reviewer.payloads)


async def test_each_state_has_words_and_a_picture(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, {"policy": {"target_error": 0.02}})
    page = await as_manager(work, reviewer)
    await expect(page.locator(".no-promise")).to_contain_text(
        "Nothing is accepted before the first blind audits are judged."
    )
    closed: dict[str, Any] = {
        "thresholds": [Threshold(release=4, confidence=2.0)],
        "audit_rate": 1.0,
        "error_bound": 1.0,
    }
    for state, words in (("gathering", "Gathering evidence"), ("alarm", "Broken: acceptance is closed")):
        alarms = int(state == "alarm")
        await publish(
            work, acceptance=altered(OPEN, state=state, alarms=alarms, sentence=f"It is {state}.", **closed)
        )
        await page.reload()
        standing = page.locator(f".standing-{state}")
        await expect(standing.locator(".state")).to_have_text(words)
        await expect(standing.locator(".state svg")).to_be_visible()
        await expect(standing.locator(".sentence")).to_have_text(f"It is {state}.")
        await expect(meter(page, "Error at most")).to_contain_text("nothing is accepted now")
        await expect(meter(page, "Blind audits")).to_contain_text("Every item is audited now")
        await expect(standing.get_by_text("1 alarm since the start")).to_have_count(alarms)


async def test_quality_is_shown_without_a_promise(work: Workplace, reviewer: Reviewer) -> None:
    page = await as_manager(work, reviewer)
    await expect(page.locator(".no-promise")).to_contain_text(
        "Set policy.target_error in the project's file and apply it"
    )
    await expect(page.locator(".diagram")).to_have_count(0)
    await publish(work, quality=GOOD)
    await page.reload()
    await expect(page.locator(".diagram")).to_have_count(2)
    await expect(page.locator("path.target")).to_have_count(0)
    await expect(page.locator(".here")).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
async def test_axe_finds_nothing_in_the_promise(
    work: Workplace, open_page: Open, axe: str, width: int, scheme: str
) -> None:
    await publish(
        work, acceptance=altered(OPEN, state="alarm", alarms=1) if scheme == "dark" else OPEN, quality=GOOD
    )
    reviewer = await open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = await as_manager(work, reviewer)
    await page.locator(".expander").click()
    await page.locator(".diagram summary").first.click()
    await expect(page.locator(".examples")).to_be_visible()
    await page.wait_for_function(AT_REST)
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert reviewer.complaints == []
