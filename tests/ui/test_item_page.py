"""The lineage of an item and the list of items, as managers and reviewers see them."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .promised import make_manager
from .test_accessibility import AT_REST
from .workplace import PASSWORD, Item, Reviewer, Workplace, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
PAYLOAD = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
ODD = "a/b ../?x=1&item=2#<b>\u202e日本"


async def sign_in_as_manager(work: Workplace, reviewer: Reviewer, path: str) -> Page:
    name = f"m{work.reviewer}"
    await make_manager(work, name, PASSWORD)
    await reviewer.sign_in(replace(work, reviewer=name), path)
    await expect(reviewer.page.locator("h1")).to_be_visible()
    return reviewer.page


async def decide(work: Workplace, reviewer: str, label: str) -> None:
    """Have a person decide one task of the project, with a token."""
    made = await work.admin.post(f"/v1/accounts/{reviewer}/tokens", json={"label": "test"})
    headers = {"Authorization": f"Bearer {made.raise_for_status().json()['token']}"}
    async with work.system.review_client() as client:
        client.headers.update(headers)
        claimed = await client.post(f"/v1/projects/{work.project}/tasks/claim", json={"count": 1})
        (task,) = claimed.raise_for_status().json()["tasks"]
        body = {"lease": task["lease"], "label": label}
        (await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()

    async def gone() -> bool:
        (row,) = await work.query("SELECT count(*) AS n FROM outbox WHERE project = $1", work.project)
        return bool(row["n"] == 0)

    await until(gone)


async def test_a_manager_reads_the_whole_way_of_an_item(work: Workplace, reviewer: Reviewer) -> None:
    await work.add([Item("t1", "what a day", confidence=0.6, metadata={"lang": "en", "@owner": "ada"})])
    await decide(work, work.reviewer, "negative")
    page = await sign_in_as_manager(work, reviewer, "/item")
    await page.get_by_role("link", name="t1").click()
    steps = page.locator(".timeline > li")
    await expect(steps).to_have_count(6)
    kinds = [await steps.nth(n).get_attribute("data-step") for n in range(6)]
    assert kinds == ["ingested", "scored", "routed", "task_opened", "decided", "settled"]
    await expect(page.locator("[data-state]")).to_have_text("Final")
    await expect(page.locator(".verdict-line strong")).to_have_text("negative")
    await expect(page.locator(".item-facts .origin")).to_have_text("ownerada")
    vote = page.get_by_role("list", name="Votes").get_by_role("listitem").first
    await expect(vote).to_contain_text("llm")
    await expect(vote).to_contain_text("41 tokens")
    await expect(page.locator(".chances .chosen")).to_contain_text("positive")
    await expect(page.locator(".chances .chosen .chance-value")).to_have_text("60%")
    await expect(steps.nth(2)).to_contain_text("the machine was not sure enough")
    await expect(steps.nth(4)).to_contain_text(f"{work.reviewer} decided")
    assert "item=t1" in page.url
    await page.go_back()
    await expect(page.get_by_role("link", name="t1")).to_be_visible()


async def test_a_reviewer_sees_their_own_settled_items_without_names(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add([Item("mine", "what a day", confidence=0.6), Item("other", "a night", confidence=0.7)])
    await decide(work, work.reviewer, "negative")
    await reviewer.sign_in(work, "/item")
    page = reviewer.page
    await expect(page.get_by_role("heading", name="Which item?")).to_be_visible()
    assert await page.get_by_role("link", name="Queue").count() == 0
    await page.get_by_label("Id of an item").fill("other")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Not one of yours")).to_be_visible()
    await page.get_by_label("Id of an item").fill("mine")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-step=decided] h3")).to_contain_text("You decided")
    await page.goto(f"{reviewer.url}/queue?project={work.project}")
    await expect(page.get_by_role("heading", name="For managers")).to_be_visible()


async def test_an_open_blind_check_shows_no_label_to_who_may_be_given_it(
    work: Workplace, reviewer: Reviewer
) -> None:
    await work.add([Item("b1", "a blind one", label="positive", confidence=0.97, blind=True)])
    name = f"b{work.reviewer}"
    account: dict[str, Any] = {"name": name, "roles": ["manager", "reviewer"], "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    await reviewer.sign_in(replace(work, reviewer=name), "/item")
    await reviewer.page.get_by_role("link", name="b1").click()
    await expect(reviewer.page.get_by_role("note")).to_contain_text("A blind check of this item waits")
    await expect(reviewer.page.locator("[data-step=scored]")).to_be_visible()
    main = await reviewer.page.locator("main").inner_text()
    assert "positive" not in main
    assert "97" not in main
    lineages = [one for one in reviewer.payloads if "/lineage" in one["_path"]]
    assert lineages
    assert "positive" not in str(lineages)


async def test_odd_ids_and_hostile_texts_stay_text(work: Workplace, reviewer: Reviewer) -> None:
    hostile = PAYLOAD[:190]
    await work.add(
        [
            Item(ODD, PAYLOAD, confidence=0.6, metadata={PAYLOAD: PAYLOAD}),
            Item(hostile, "plain", confidence=0.9, accepted=True),
        ]
    )
    page = await sign_in_as_manager(work, reviewer, "/item")
    await expect(page.locator(".row")).to_have_count(2)
    for item, text in ((ODD, PAYLOAD), (hostile, "plain")):
        await page.get_by_role("link", name=item, exact=True).click()
        await expect(page.locator(".item-text")).to_have_text(text)
        await expect(page.locator(".item-id")).to_have_text(item)
        await page.reload()
        await expect(page.locator(".item-id")).to_have_text(item)
        await page.get_by_role("button", name="All items").click()
    assert await page.title() == "Items · labelmill"
    assert await page.locator("main img, main script").count() == 0


async def test_the_list_is_filtered_and_goes_on(work: Workplace, reviewer: Reviewer) -> None:
    items = [Item(f"i{n:03}", f"text {n}", confidence=0.95, accepted=True) for n in range(60)]
    await work.add([*items, Item("z1", "another", label="negative", confidence=0.5)])
    page = await sign_in_as_manager(work, reviewer, "/item")
    rows = page.locator(".row")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(61)
    await page.get_by_label("Id begins with").fill("i01")
    await expect(rows).to_have_count(10)
    await page.get_by_label("Id begins with").fill("")
    await page.get_by_label("Decided").select_option("none")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Decided").select_option("")
    await page.get_by_role("combobox", name="Final label").first.select_option("negative")
    await expect(page.locator(".none")).to_have_text("No item fits.")


async def test_with_the_keyboard_alone(work: Workplace, reviewer: Reviewer) -> None:
    await work.add([Item("k1", "what a day", confidence=0.6)])
    page = await sign_in_as_manager(work, reviewer, "/item")
    await page.get_by_label("Id of an item").focus()
    await page.keyboard.type("nothing")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="No such item")).to_be_visible()
    await page.get_by_label("Id of an item").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".row")).to_have_count(1)
    await page.get_by_label("Decided").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="k1")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-step=scored]")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]
)
async def test_axe_finds_nothing(work: Workplace, open_page: Open, axe: str, width: int, scheme: str) -> None:
    long = "w" * 190
    await work.add(
        [
            Item(
                "t1",
                "what a day " * 90,
                confidence=0.6,
                metadata={"lang": "en", "@owner": "ada", "x" * 40: long},
            ),
            Item(long, "w" * 300, confidence=0.97, accepted=True),
        ]
    )
    await decide(work, work.reviewer, "negative")
    reviewer = await open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = await sign_in_as_manager(work, reviewer, "/item")
    await expect(page.locator(".row")).to_have_count(2)
    await scan(page, axe, width)
    await page.get_by_role("link", name=re.compile("^t1$")).click()
    await expect(page.locator("[data-step=settled]")).to_be_visible()
    await scan(page, axe, width)


async def scan(page: Page, axe: str, width: int) -> None:
    await page.wait_for_function(AT_REST)
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
