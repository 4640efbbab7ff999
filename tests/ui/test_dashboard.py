"""The dashboard draws what the ledger holds."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from .workplace import Item, Reviewer, Workplace, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

CHARTS = ["Throughput", "Queue", "Share accepted", "Accuracy against people", "Cost", "Releases"]


def tile(page: Page, name: str) -> Locator:
    return page.locator(f"[data-tile='{name}'] .tile-value")


async def is_painted(page: Page, chart: str, least: int) -> bool:
    return await painted(page, chart) > least


async def painted(page: Page, chart: str) -> int:
    """Return how many pixels of the chart's canvas are drawn in the colours of lines and areas."""
    return int(
        await page.locator(f"[data-chart='{chart}'] canvas").evaluate(
            """canvas => {
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              let count = 0;
              for (let i = 0; i < data.length; i += 4) {
                const colour = data.slice(i, i + 3);
                if (data[i + 3] > 200 && Math.max(...colour) - Math.min(...colour) > 40) count++;
              }
              return count;
            }"""
        )
    )


async def decide(work: Workplace, answers: dict[str, str]) -> None:
    """Decide all open tasks over the API, as `answers` says by item."""
    while tasks := (
        await work.admin.post(f"/v1/projects/{work.project}/tasks/claim", json={"count": 20})
    ).json()["tasks"]:
        for task in tasks:
            body = {"lease": task["lease"], "label": answers[task["item_id"]]}
            (await work.admin.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()


async def fill(work: Workplace) -> dict[str, Any]:
    """6 accepted, 4 blind checks (1 wrong), 2 low-confidence (1 wrong), 3 waiting; two releases."""
    accepted = [Item(f"a{n}", f"text {n}", confidence=0.99, accepted=True, cost_usd=0.01) for n in range(6)]
    audits = [Item(f"b{n}", f"text {n}", confidence=0.97, blind=True) for n in range(4)]
    unsure = [Item(f"u{n}", f"text {n}", confidence=0.55) for n in range(2)]
    await work.add([*accepted, *audits, *unsure])
    answers = {one.item_id: "positive" for one in [*audits, *unsure]}
    await decide(work, {**answers, "b3": "negative", "u1": "negative"})
    await work.add([Item(f"w{n}", f"waiting {n}", confidence=0.52) for n in range(3)])
    await work.release(1, 0.80, 0.70)
    await work.release(2, 0.90, 0.80)
    await until(lambda: _complete(work))
    return await work.status()


async def _complete(work: Workplace) -> bool:
    stats = await work.stats()
    return len(stats["releases"]) == 2 and sum(minute["decided"] for minute in stats["minutes"]) == 6


async def test_the_tiles_and_charts_show_what_the_ledger_holds(work: Workplace, reviewer: Reviewer) -> None:
    status = await fill(work)
    await reviewer.sign_in(work, "/dashboard")
    page = reviewer.page
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    await expect(page.locator(".tile")).to_have_count(6)
    await expect(tile(page, "Final labels")).to_have_text("12")
    await expect(page.locator("[data-tile='Final labels']")).to_contain_text("of 15 items")
    await expect(tile(page, "Share accepted")).to_have_text("40%")
    await expect(tile(page, "Waiting for people")).to_have_text("3")
    await expect(tile(page, "Accuracy against people")).to_have_text("75%")
    await expect(page.locator("[data-tile='Accuracy against people']")).to_contain_text("4 blind checks")
    await expect(tile(page, "Cost of the machine")).to_have_text("$0.06")
    assert status["human_seconds"] > 0
    for chart in CHARTS:
        await until(lambda name=chart: is_painted(page, name, 15))  # type: ignore[misc]
    releases = page.locator("[data-chart='Releases']")
    await expect(releases.get_by_role("img")).to_have_attribute(
        "aria-label", "Releases. This release: 90% now, highest 90%; The one before it: 80% now, highest 80%."
    )
    await releases.get_by_text("As a table").click()
    await expect(releases.get_by_role("row")).to_have_count(3)
    await expect(releases.get_by_role("row").nth(1)).to_contain_text("90%")
    await expect(page.get_by_role("region", name="Releases, table").last).to_contain_text("+10 points")


async def test_the_tiles_say_what_was_erased(work: Workplace, reviewer: Reviewer) -> None:
    await fill(work)
    await reviewer.sign_in(work, "/dashboard")
    labels = reviewer.page.locator("[data-tile='Final labels'] .tile-about")
    time = reviewer.page.locator("[data-tile='Human time'] .tile-about")
    await expect(labels).to_have_text("of 15 items")
    await expect(time).to_contain_text("6 tasks decided, ")
    erased = sorted(await work.final_labels())[:2]
    for item_id in erased:
        body = {"project": work.project, "item_id": item_id}
        (await work.admin.post("/v1/erasures", json=body)).raise_for_status()
    await expect(labels).to_have_text("of 13 items; 2 erased, counted no more")
    await expect(tile(reviewer.page, "Final labels")).to_have_text("10")
    await expect(time).to_contain_text("6 tasks decided (of erased items too), ")


async def test_savings_go_by_the_time_that_decisions_took_once_there_are_enough(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add([Item(f"a{n}", f"text {n}", confidence=0.99, accepted=True) for n in range(12)])
    await reviewer.sign_in(work, "/dashboard")
    time = reviewer.page.locator("[data-tile='Human time']")
    saved = r"less than people alone, at {} s a decision, {}"
    await expect(time).to_contain_text("3 min and")
    await expect(time).to_contain_text(re.compile(saved.format("15(.0)?", "assumed in the project’s file")))
    for decisions in (49, 50):
        await work.query(
            "INSERT INTO workdays (reviewer, day, project, decisions, checks, skips, reveals, active_seconds,"
            " usd_per_hour, floor_usd_per_hour) VALUES ('ann', current_date, $1, $2, 0, 0, 0, $2 * 5, 0, 0)"
            " ON CONFLICT (reviewer, day, project) DO UPDATE"
            " SET decisions = EXCLUDED.decisions, active_seconds = EXCLUDED.active_seconds",
            work.project,
            decisions,
        )
        status = await work.status()
        assert status["seconds_each"] == (5 if decisions == 50 else None)
    await expect(time).to_contain_text(re.compile(saved.format("5(.0)?", "measured")), timeout=15_000)
    await expect(time).to_contain_text("1 min and")


async def test_the_figures_refresh_by_themselves(work: Workplace, reviewer: Reviewer) -> None:
    await reviewer.sign_in(work, "/dashboard")
    page = reviewer.page
    await expect(page.locator("[data-tile='Final labels'] .tile-value")).to_have_text("0")
    await expect(page.locator("[data-chart='Throughput']")).to_contain_text("Nothing in this window yet.")
    await work.add([Item("a", "text", confidence=0.99, accepted=True)])
    await expect(page.locator("[data-tile='Final labels'] .tile-value")).to_have_text("1")
    await until(lambda: is_painted(page, "Throughput", 10))


async def test_a_share_of_nothing_is_a_finding_and_zeros_are_in_the_table(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add([Item("a", "text", confidence=0.55)])
    await decide(work, {"a": "negative"})
    await until(lambda: _decided(work, 1))
    await reviewer.sign_in(work, "/dashboard")
    page = reviewer.page
    for name in ("Share accepted", "Accuracy against people"):
        chart = page.locator(f"[data-chart='{name}']")
        await expect(chart.locator("canvas")).to_be_visible()
        await expect(chart.locator(".chart-empty")).to_have_count(0)
    await expect(page.locator("[data-chart='Cost'] .chart-empty")).to_be_visible()
    share = page.locator("[data-chart='Share accepted']")
    await share.get_by_text("As a table").click()
    await expect(share.get_by_role("row")).to_have_count(2)
    await expect(share.get_by_role("row").nth(1)).to_contain_text("0%")


async def _decided(work: Workplace, count: int) -> bool:
    return sum(minute["decided"] for minute in (await work.stats())["minutes"]) == count


async def test_the_window_and_the_project_can_be_chosen(work: Workplace, reviewer: Reviewer) -> None:
    await work.add([Item("a", "text", confidence=0.99, accepted=True)])
    await reviewer.sign_in(work, "/dashboard")
    page = reviewer.page
    await expect(page.locator("[data-chart='Throughput']")).to_contain_text("Items a minute")
    async with page.expect_response("**/stats?minutes=1440"):
        await page.get_by_label("24 hours").check()
    await expect(page.get_by_label("24 hours")).to_be_checked()
    await expect(page.locator(".chooser select")).to_have_value(work.project)


async def test_a_lost_connection_shows_the_age_of_the_figures(work: Workplace, reviewer: Reviewer) -> None:
    await reviewer.sign_in(work, "/dashboard")
    await expect(reviewer.page.locator(".fresh")).to_contain_text("Updated")
    await reviewer.context.set_offline(True)
    await expect(reviewer.page.locator(".fresh")).to_contain_text("No connection. Figures of")
    await reviewer.context.set_offline(False)
    await expect(reviewer.page.locator(".fresh")).to_contain_text("Updated")
