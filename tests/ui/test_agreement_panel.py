"""The dashboard shows managers how far people agree and what they confuse, and reviewers nothing of it."""

import re
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from playwright.async_api import Page, expect

from .promised import make_manager
from .test_accessibility import AT_REST
from .workplace import PASSWORD, Item, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
LABELS = ("complaint", "question", "praise", "other")
PAYLOAD = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def as_manager(work: Workplace, reviewer: Reviewer) -> Page:
    name = f"m{work.reviewer}"
    await make_manager(work, name, PASSWORD)
    await reviewer.sign_in(replace(work, reviewer=name), "/dashboard")
    await expect(reviewer.page.locator(".agreement")).to_be_visible()
    return reviewer.page


async def decided(work: Workplace, said: Sequence[Sequence[str]], *, blind: bool = True) -> None:
    """Write down what people said of each item, as if the items had come one by one for six weeks."""
    now, first = datetime.now(UTC), zlib.crc32(work.project.encode()) * 1000
    slots = [(first + number, slot) for number, labels in enumerate(said) for slot in range(len(labels))]
    labels = [label for labels in said for label in labels]
    numbers = [task - first for task, _ in slots]
    at = [now - timedelta(days=41) * (1 - number / len(said)) for number in numbers]
    ids = [f"t{number}" for number in range(len(said))]
    contents = [PAYLOAD, *(f"Where is my parcel? I wait since Monday, number {id}." for id in ids[1:])]
    project = work.project
    await work.query(
        "INSERT INTO items SELECT $1, *, '{}', 'h', 0 FROM unnest($2::text[], $3::text[])",
        project, ids, contents,
    )  # fmt: skip
    await work.query(
        "INSERT INTO routes (project, item_id, guideline_version, event_id, outcome, reasons, propensity,"
        " label, confidence, probabilities, votes, content_hash, release, project_version, cost_usd,"
        " scored_at, routed_at)"
        " SELECT $1, id, 1, id, 'requested', '{audit}', 1, to_jsonb(label), 0.9, '{}', '[]', 'h', 0, 1, 0,"
        " 0, 0 FROM unnest($2::text[], $3::text[]) AS r(id, label)",
        project, ids, [each[0] for each in said],
    )  # fmt: skip
    await work.query(
        "INSERT INTO tasks SELECT first + $2, $1, 't' || first, 1, 0, $3, needed, needed, '\"x\"', 0, 0"
        " FROM unnest($4::int[]) WITH ORDINALITY AS t(needed, place), LATERAL (SELECT place - 1) AS f(first)",
        project, first, blind, [len(each) for each in said],
    )  # fmt: skip
    await work.query(
        "INSERT INTO assignments (task_id, slot, project, priority, state, reviewer)"
        " SELECT *, $1, 0, 'decided', 'person ' || slot"
        " FROM unnest($2::bigint[], $3::int[]) AS a(task_id, slot)",
        project, *zip(*slots, strict=True),
    )  # fmt: skip
    await work.query(
        "INSERT INTO decisions"
        " SELECT task, slot, $1, 't' || number, 'person ' || slot, 0, to_jsonb(label), 1, 3, at"
        " FROM unnest($2::bigint[], $3::int[], $4::int[], $5::text[], $6::timestamptz[])"
        " AS d(task, slot, number, label, at)",
        project, *zip(*slots, strict=True), numbers, labels, at,
    )  # fmt: skip


def mixed(items: int = 60) -> list[list[str]]:
    """Return what three people say: complaints and questions are often taken for each other."""
    rng = np.random.default_rng(4)
    said = []
    for number in range(items):
        true = LABELS[number % 4]
        unsure = 0.45 if true in LABELS[:2] else 0.06
        other = {"complaint": "question", "question": "complaint"}.get(true, "other")
        said.append([other if rng.random() < unsure else true for _ in range(3)])
    said[0] = ["complaint", "question", "question"]
    return said


async def prepare(work: Workplace) -> None:
    await apply(work, {"labels": [{"name": name} for name in LABELS]})
    await work.query("UPDATE projects SET guideline_version = 1 WHERE project = $1", work.project)
    await work.query(
        "UPDATE guideline_versions SET labels = $2::text::jsonb WHERE project = $1 AND guideline_version = 1",
        work.project,
        "[" + ",".join(f'{{"name":"{name}"}}' for name in LABELS) + "]",
    )


async def test_it_says_how_far_people_agree_and_on_what_they_do_not(
    work: Workplace, reviewer: Reviewer
) -> None:
    await prepare(work)
    await decided(work, mixed())
    page = await as_manager(work, reviewer)
    card = page.locator(".findings")
    await expect(card).to_have_attribute("data-state", "poor")
    await expect(card.locator(".state")).to_have_text("Not reliable")
    await expect(card.locator(".verdict")).to_contain_text(
        re.compile(r"alpha 0\.\d\d \(0\.\d\d to 0\.\d\d\) on 60")
    )
    await expect(card.locator(".verdict")).to_contain_text("People often disagree")
    await expect(card.locator(".verdict")).to_contain_text("The guideline is least clear about")
    await expect(card.locator(".verdict")).to_contain_text(
        "Most often confused are “complaint” and “question”"
    )
    people = page.locator("[data-meter='Among people']")
    await expect(people).to_contain_text(
        re.compile(r"alpha, 3 people, blind; 60 items, likely 0\.\d\d to 0\.\d\d")
    )
    await expect(page.locator("[data-meter='People with the machine']")).to_contain_text(
        "alpha, blind; 60 items"
    )
    labels = page.get_by_role("list", name="Agreement by label").get_by_role("listitem")
    await expect(labels).to_have_count(4)
    await expect(labels.last).to_contain_text(re.compile("praise|other"))
    weeks = page.get_by_role("list", name="Agreement by week").get_by_role("listitem")
    assert 6 <= await weeks.count() <= 7
    await card.get_by_text("All figures as a table").click()
    table = page.get_by_role("region", name="Agreement, table")
    await expect(table.get_by_role("row")).to_have_count(7)
    await expect(table.get_by_role("row").nth(2)).to_contain_text("it compares two raters, and there are 3")


async def test_examples_open_by_keyboard_and_never_run(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    await decided(work, [*mixed(12)[:1], *[["praise", "praise"]] * 12])
    page = await as_manager(work, reviewer)
    pair = page.locator(".pair")
    await expect(pair).to_contain_text("complaint or question")
    await expect(pair).to_contain_text("1 of 1 item with either (100%)")
    button = pair.get_by_role("button", name="1 example of complaint or question")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-expanded", "true")
    await expect(pair.locator(".example-text")).to_have_text(PAYLOAD)
    await expect(pair).to_contain_text("2 × question, 1 × complaint, item t0")
    assert await page.locator(".agreement :is(img, script)").count() == 0
    assert "owned" not in await page.title()
    await page.keyboard.press("Enter")
    await expect(pair.locator(".example-text")).to_have_count(0)


async def test_too_little_is_explained(work: Workplace, reviewer: Reviewer) -> None:
    await work.add([Item("a", "a text")])
    page = await as_manager(work, reviewer)
    card = page.locator(".findings")
    await expect(card).to_have_attribute("data-state", "unknown")
    await expect(card.locator(".verdict")).to_contain_text("policy.decisions_per_task")
    await expect(page.locator("[data-meter='Among people']")).to_contain_text("nobody has rated anything")
    await expect(page.locator(".bars")).to_have_count(0)


async def test_decisions_that_saw_a_suggestion_are_named(work: Workplace, reviewer: Reviewer) -> None:
    await prepare(work)
    await decided(work, [["praise"] * 2, ["other"] * 2] * 30, blind=False)
    page = await as_manager(work, reviewer)
    await expect(page.locator(".findings")).to_have_attribute("data-state", "good")
    await expect(page.locator(".verdict")).to_contain_text("They saw the machine's suggestion")
    await expect(page.locator("[data-meter='Among people']")).to_contain_text("with the suggestion in sight")


async def test_reviewers_see_nothing_of_it(work: Workplace, reviewer: Reviewer) -> None:
    async with reviewer.page.expect_response("**/agreement") as answer:
        await reviewer.sign_in(work, "/dashboard")
    assert (await answer.value).status == 403
    await expect(reviewer.page.locator(".tile")).to_have_count(6)
    assert await reviewer.page.locator(".agreement").count() == 0


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
async def test_axe_finds_nothing_in_it(
    work: Workplace, open_page: Open, axe: str, width: int, scheme: str
) -> None:
    await prepare(work)
    await decided(work, mixed() if scheme == "light" else [["praise"] * 2, ["other"] * 2] * 30)
    reviewer = await open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = await as_manager(work, reviewer)
    if scheme == "light":
        await page.locator(".expander").first.click()
    await page.get_by_text("All figures as a table").click()
    await page.wait_for_function(AT_REST)
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert reviewer.complaints == []
