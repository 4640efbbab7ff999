"""Wherever managers see texts of others' items, a distressing one is hidden until they ask for it."""

from typing import Any

import httpx
import msgspec
import pytest
from labelmill.quality import SliceExample
from playwright.async_api import Locator, expect

from .promised import GOOD, OPEN
from .promised import publish as publish_promise
from .test_agreement_panel import LABELS, decided
from .test_agreement_panel import prepare as prepare_labels
from .test_guideline_page import publish as publish_guideline
from .test_item_page import sign_in_as_manager
from .test_quality_page import put as put_gold
from .workplace import GUIDELINE, Item, Reviewer, Workplace, apply, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

CARE = {"review": {"care": {"sensitive": {"kind": ["grim"]}}}}
GRIM = {"kind": "grim"}
TEXT = "what nobody wants to read"


async def remark(work: Workplace) -> None:
    """Have the reviewer, who would see distressing texts, take the only task and say all there is to say."""
    made = await work.admin.post(f"/v1/accounts/{work.reviewer}/tokens", json={"label": "test"})
    headers = {"Authorization": f"Bearer {made.raise_for_status().json()['token']}"}
    project = f"/v1/projects/{work.project}"
    async with work.system.review_client() as client:
        client.headers.update(headers)
        (await client.put(f"{project}/consent", json={"given": True})).raise_for_status()
        task = await claimed(client, project)
        for kind, body in (
            ("flag", {"reason": "offensive"}),
            ("comment", {"text": "is this one for us?"}),
            ("edge-case", {"question": "does it count?"}),
        ):
            path = f"/v1/tasks/{task['task_id']}/{kind}"
            (await client.post(path, json={"lease": task["lease"], **body})).raise_for_status()


async def claimed(client: httpx.AsyncClient, project: str) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = []

    async def given() -> bool:
        answer = await client.post(f"{project}/tasks/claim", json={"count": 1})
        tasks.extend(answer.raise_for_status().json()["tasks"])
        return bool(tasks)

    await until(given)
    return tasks[0]


async def lifted(place: Locator, item: str, text: str) -> None:
    """Look through the veil in `place` with the keyboard, and let it fall again."""
    closed = place.locator("[data-veil=closed]")
    await expect(closed).to_have_count(1)
    assert text not in (await place.text_content() or "")
    await place.get_by_role("button", name=f"Show the text of {item}").press("Enter")
    await expect(place.get_by_text(text, exact=True)).to_be_visible()
    hide = place.get_by_role("button", name=f"Hide it again of {item}")
    await expect(hide).to_be_focused()
    await hide.press("Enter")
    await expect(closed).to_have_count(1)
    await expect(place.get_by_text(text, exact=True)).to_have_count(0)


async def test_in_flags_comments_and_edge_cases(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, CARE)
    await work.add([Item("q1", TEXT, metadata=GRIM)])
    await remark(work)
    page = await sign_in_as_manager(work, reviewer, "/work")
    await page.get_by_role("tab", name="From reviewers (1)").click()
    rows = page.locator(".row")
    await expect(rows).to_have_count(2)
    await lifted(rows.filter(has_text="is this one for us?"), "q1", TEXT)
    await lifted(rows.filter(has=page.get_by_role("button", name="Resolve")), "q1", TEXT)
    await page.goto(f"{reviewer.url}/guideline?project={work.project}")
    await lifted(page.locator(".case").filter(has_text="does it count?"), "q1", TEXT)
    assert reviewer.complaints == []


async def test_in_the_first_items_of_a_campaign(work: Workplace, reviewer: Reviewer) -> None:
    await apply(work, CARE)
    await work.add(
        [
            Item("i1", TEXT, confidence=0.97, accepted=True, metadata=GRIM),
            Item("i2", "what a day", confidence=0.97, accepted=True),
        ]
    )
    changed = [{"name": "positive", "description": "sincerely good"}, {"name": "negative"}]
    await publish_guideline(work, GUIDELINE, labels=changed)
    page = await sign_in_as_manager(work, reviewer, "/guideline")
    await page.get_by_role("button", name="Preview", exact=True).click()
    await page.get_by_role("button", name="The first of them").click()
    items = page.locator(".sample li")
    await expect(items.filter(has_text="i2")).to_contain_text("what a day")
    await lifted(items.filter(has_text="i1"), "i1", TEXT)


async def test_in_gold_and_its_candidates(work: Workplace, reviewer: Reviewer) -> None:
    await prepare_labels(work)
    await apply(work, {**CARE, "labels": [{"name": name} for name in LABELS]})
    await decided(work, [["praise", "praise"]] * 3)
    await work.query("""UPDATE tasks SET label = '"praise"' WHERE project = $1""", work.project)
    await make_grim(work, "t1")
    await put_gold(
        work,
        {"content": TEXT, "metadata": GRIM, "label": "praise"},
        {"content": "a mild one", "label": "praise"},
    )
    page = await sign_in_as_manager(work, reviewer, "/quality")
    gold = page.get_by_role("list", name="Gold", exact=True).locator("> li")
    await expect(gold.filter(has_text="a mild one")).to_have_count(1)
    grim = gold.filter(has=page.locator(".veil"))
    await lifted(grim, await grim.get_attribute("data-gold") or "", TEXT)
    candidates = page.get_by_role("list", name="Candidates").locator("> li")
    await expect(candidates).to_have_count(3)
    await lifted(candidates.filter(has=page.locator(".veil")), "t1", TEXT)


async def test_in_examples_of_agreement_and_of_slices(work: Workplace, reviewer: Reviewer) -> None:
    await prepare_labels(work)
    await apply(work, {**CARE, "labels": [{"name": name} for name in LABELS]})
    await decided(work, [["complaint", "question"]] * 2 + [["praise", "praise"]] * 12)
    await make_grim(work, "t1")
    example = SliceExample(item_id="t1", content=TEXT, machine_label="praise", label="other")
    mild = msgspec.structs.replace(example, item_id="t2", content="a mild one")
    part = msgspec.structs.replace(GOOD.slices[0], examples=[example, mild])
    await publish_promise(work, acceptance=OPEN, quality=msgspec.structs.replace(GOOD, slices=[part]))
    page = await sign_in_as_manager(work, reviewer, "/dashboard")
    await page.get_by_role("button", name="2 examples of complaint or question").click()
    examples = page.locator(".pair-examples > li")
    await expect(examples).to_have_count(2)
    await expect(examples.locator("> .example-text")).to_have_count(1)
    await lifted(examples.filter(has=page.locator(".veil")), "t1", TEXT)
    await page.get_by_role("button", name=f"2 examples of {part.name}").click()
    slices = page.locator(".examples li")
    await expect(slices.filter(has_text="t2")).to_contain_text("a mild one")
    await lifted(slices.filter(has=page.locator(".veil")), "t1", TEXT)


async def test_terms_are_explained_where_they_stand(work: Workplace, reviewer: Reviewer) -> None:
    await publish_promise(work, acceptance=OPEN, quality=GOOD)
    page = await sign_in_as_manager(work, reviewer, "/dashboard")
    terms = page.locator(".standing .meanings")
    await expect(terms.get_by_text("Propensity")).to_be_hidden()
    await terms.get_by_text("What these terms mean").click()
    await expect(terms.get_by_text("Propensity")).to_be_visible()
    await page.goto(f"{reviewer.url}/quality?project={work.project}")
    await page.get_by_text("What these terms mean").click()
    await expect(page.get_by_text("Items whose right label is known.")).to_be_visible()


async def make_grim(work: Workplace, item_id: str) -> None:
    await work.query(
        "UPDATE items SET metadata = $3::text::jsonb, content = $4 WHERE project = $1 AND item_id = $2",
        work.project,
        item_id,
        msgspec.json.encode(GRIM).decode(),
        TEXT,
    )
