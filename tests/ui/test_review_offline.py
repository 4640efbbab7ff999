"""What the reviewers' page does while there is no server, and when there is one again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from labelmill_local.system import Running, System
from playwright.async_api import Route, expect

from .test_review_page import expire, items
from .workplace import PASSWORD, Reviewer, Workplace, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]
KEPT = "Object.keys(localStorage).filter((key) => key.startsWith('labelmill.outbox/')).length"


async def ready(work: Workplace, reviewer: Reviewer, count: int, **fields: Any) -> None:
    """Sign in, with `count` items of which three are at hand."""
    await work.add(items(*(f"text {number}" for number in range(count)), **fields))
    await reviewer.sign_in(work)
    await reviewer.sees("text 0")
    await until(lambda: at_hand(reviewer, min(3, count)))


async def at_hand(reviewer: Reviewer, count: int) -> bool:
    return len(reviewer.tasks()) >= count


async def test_everything_goes_on_offline_and_is_sent_in_order_once(
    work: Workplace, reviewer: Reviewer
) -> None:
    await ready(work, reviewer, 4)
    sent: list[str] = []
    reviewer.page.on("requestfinished", lambda request: sent.append(request.url.rsplit("/", 1)[1]))
    await reviewer.context.set_offline(True)
    await reviewer.press("f", "4")
    await expect(reviewer.page.locator(".remarks")).to_have_text("Flagged: a duplicate.")
    await reviewer.press("c")
    await reviewer.page.get_by_label("Comment", exact=True).fill("irony <b>?</b>")
    await reviewer.press("Control+Enter")
    await expect(reviewer.page.locator(".remarks")).to_contain_text("Commented.")
    await reviewer.press("1")
    await reviewer.sees("text 1")
    await reviewer.press("2", "u")  # an answer that has not left is taken back without a server
    await expect(reviewer.page.get_by_role("button", name="negative")).to_contain_text("taken back")
    await reviewer.sees("text 1")
    await reviewer.press("1")
    await reviewer.sees("text 2")
    await reviewer.press("s", "1")
    await expect(reviewer.page.locator(".banner")).to_contain_text("5 answers are kept in this browser")
    assert await reviewer.page.evaluate(KEPT) == 5
    await reviewer.context.set_offline(False)
    await reviewer.sees("text 3")
    assert await work.decided(2) == {"item-0": "positive", "item-1": "positive"}
    await until(lambda: nothing_waits(reviewer))
    await until(lambda: _is_sent(sent, "skip"))
    said = [what for what in sent if what in {"flag", "comment", "decision", "skip"}]
    assert said == ["flag", "comment", "decision", "decision", "skip"]
    flags = await work.query("SELECT reason, item_id FROM flags WHERE project = $1", work.project)
    assert [tuple(row) for row in flags] == [("duplicate", "item-0")]
    comments = await work.query("SELECT text, audience FROM comments WHERE project = $1", work.project)
    assert [tuple(row) for row in comments] == [("irony <b>?</b>", "managers")]


async def _is_sent(sent: list[str], what: str) -> bool:
    return what in sent


async def test_a_skip_that_has_not_left_can_be_taken_back(work: Workplace, reviewer: Reviewer) -> None:
    await ready(work, reviewer, 2)
    await reviewer.context.set_offline(True)
    await reviewer.press("s", "Enter")
    await reviewer.sees("text 1")
    await reviewer.press("u")
    await reviewer.sees("text 0")
    assert await reviewer.page.evaluate(KEPT) == 0
    await reviewer.context.set_offline(False)
    await reviewer.press("1")
    assert await work.decided(1) == {"item-0": "positive"}


async def test_remarks_that_come_too_late_are_shown_again(work: Workplace, reviewer: Reviewer) -> None:
    await ready(work, reviewer, 1)
    await reviewer.context.set_offline(True)
    await reviewer.press("c")
    await reviewer.page.get_by_label("Comment", exact=True).fill("a long thought <i>")
    await reviewer.press("Control+Enter", "2")
    await expire(work)
    claimed = await work.admin.post(f"/v1/projects/{work.project}/tasks/claim")
    assert len(claimed.json()["tasks"]) == 1
    await reviewer.context.set_offline(False)
    notices = reviewer.page.locator(".notice")
    await expect(notices.first).to_contain_text("Your comment “a long thought <i>” was not taken")
    await expect(notices.nth(1)).to_contain_text("Your answer “negative” came after your hold")
    await until(lambda: nothing_waits(reviewer))
    await reviewer.press("Shift+N")
    await expect(notices).to_have_count(0)
    await reviewer.press("Shift+W")
    await reviewer.page.get_by_role("tab", name="Came too late").click()
    panel = reviewer.page.get_by_role("tabpanel")
    await expect(panel).to_contain_text("a long thought <i>")
    await expect(panel.locator(".rows").nth(1)).to_contain_text("negative")
    assert await panel.locator("i").count() == 0
    await panel.get_by_role("button", name="Put away").first.click()
    await panel.get_by_role("button", name="Put away").first.click()
    await expect(panel.get_by_role("heading", name="Kept in this browser")).to_have_count(0)


async def test_an_undo_in_one_tab_waits_for_the_answer_that_another_sends(
    work: Workplace, open_page: Open
) -> None:
    """Otherwise the answer that is taken back would be counted, and the new one refused."""
    one = await open_page()
    await ready(work, one, 4)
    other = Reviewer(await one.context.new_page(), one.context, one.url)
    await other.page.goto(f"{one.url}/?project={work.project}")
    await other.sees("text 3")
    on_its_way, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        on_its_way.set()
        await go_on.wait()
        await route.continue_()

    await one.context.set_offline(True)
    await one.press("1")
    await one.sees("text 1")
    await other.page.route("**/decision", slowly)
    await one.page.route("**/*", lambda route: route.abort())  # this tab stays without a connection
    await one.context.set_offline(False)
    await other.press("2")
    await on_its_way.wait()
    await one.page.unroute("**/*")
    await one.press("u")
    await one.page.wait_for_timeout(300)
    go_on.set()
    await one.sees("text 0")
    await expect(one.page.get_by_role("button", name="positive")).to_contain_text("taken back")
    await one.press("2")
    assert await work.decided(2) == {"item-0": "negative", "item-3": "negative"}
    await expect(one.page.locator(".notice")).to_have_count(0)


async def test_tasks_nobody_looked_at_go_back_when_the_tab_closes(work: Workplace, open_page: Open) -> None:
    one = await open_page()
    await ready(work, one, 3)
    await one.page.goto("about:blank")
    await until(lambda: held_are(work, 1))
    skips = await work.query("SELECT 1 FROM skips WHERE reviewer = $1", work.reviewer)
    assert skips == [], "it is no skip: they may come back to the same person"
    await one.page.goto(f"{one.url}/?project={work.project}")
    await one.sees("text 0")  # the one that was read is still held
    await until(lambda: held_are(work, 3))


async def test_signing_out_gives_all_tasks_back(work: Workplace, reviewer: Reviewer) -> None:
    await ready(work, reviewer, 3)
    await reviewer.press("Shift+O")
    await expect(reviewer.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await until(lambda: held_are(work, 0))


async def test_signing_out_leaves_no_text_in_another_tab(work: Workplace, open_page: Open) -> None:
    one = await open_page()
    await ready(work, one, 8)
    other = Reviewer(await one.context.new_page(), one.context, one.url)
    await other.page.goto(f"{one.url}/?project={work.project}")
    await other.sees("text 3")
    await other.press("1")
    await other.sees("text 4")
    await one.press("Shift+O")
    for tab in (one, other):
        await expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
        kept = await tab.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
        assert "text " not in kept


@pytest.mark.parametrize("status", [200, 404])
async def test_an_answer_of_somebody_else_than_the_server_loses_nothing(
    work: Workplace, reviewer: Reviewer, status: int
) -> None:
    """A network that wants a sign-in answers any request with its page; a proxy without a server with 404."""
    await ready(work, reviewer, 4)
    await reviewer.page.route(
        "**/v1/**", lambda route: route.fulfill(status=status, content_type="text/html", body="<p>Hello</p>")
    )
    await reviewer.press("1")
    await expect(reviewer.page.locator(".banner")).to_contain_text("kept in this browser")
    assert await reviewer.page.evaluate(KEPT) == 1
    await reviewer.page.unroute("**/v1/**")
    assert await work.decided(1) == {"item-0": "positive"}
    await until(lambda: nothing_waits(reviewer))


async def nothing_waits(reviewer: Reviewer) -> bool:
    return int(await reviewer.page.evaluate(KEPT)) == 0


async def held_are(work: Workplace, count: int) -> bool:
    rows = await work.query(
        "SELECT 1 FROM assignments WHERE project = $1 AND reviewer = $2 AND state = 'leased'",
        work.project,
        work.reviewer,
    )
    return len(rows) == count


async def test_an_idle_page_lets_go_of_what_it_does_not_show(work: Workplace, reviewer: Reviewer) -> None:
    await reviewer.page.clock.install()
    await ready(work, reviewer, 3)
    await reviewer.page.clock.fast_forward(11 * 60_000)
    await until(lambda: held_are(work, 1))
    await reviewer.press("Shift")  # somebody is there again
    await until(lambda: held_are(work, 3))


@pytest_asyncio.fixture(loop_scope="session")
async def server(system: System) -> AsyncIterator[Running]:
    """A server that a test may stop and start; the others go on."""
    async with system.running("review-api") as running:
        yield running


async def sign_in_at(server: Running, work: Workplace, one: Reviewer) -> None:
    one.url = server.url
    await one.page.goto(f"{one.url}/?project={work.project}")
    await one.page.get_by_label("Name").fill(work.reviewer)
    await one.page.get_by_label("Password").fill(PASSWORD)
    await one.press("Enter")


async def test_a_server_that_is_killed_and_comes_back(
    work: Workplace, open_page: Open, server: Running
) -> None:
    one = await open_page()
    await work.add(items(*(f"text {number}" for number in range(4))))
    await sign_in_at(server, work, one)
    await one.sees("text 0")
    await until(lambda: at_hand(one, 3))
    await server.process.stop()
    for number in range(1, 3):
        await one.press("1")
        await one.sees(f"text {number}")
    await expect(one.page.locator(".banner")).to_contain_text("2 answers are kept")
    await server.process.start(server.ready)
    assert await work.decided(2) == {"item-0": "positive", "item-1": "positive"}
    await expect(one.page.locator(".banner")).to_have_count(0)
    await one.sees("text 2")
    rows = await work.query("SELECT 1 FROM decisions WHERE project = $1", work.project)
    assert len(rows) == 2


async def test_the_page_opens_without_a_server_and_goes_on(
    work: Workplace, open_page: Open, server: Running
) -> None:
    one = await open_page(service_workers="allow")
    await work.add(items(*(f"text {number}" for number in range(4))))
    await sign_in_at(server, work, one)
    await one.sees("text 0")
    await until(lambda: at_hand(one, 3))
    await one.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await server.process.stop()
    await one.press("2")
    await one.sees("text 1")
    await one.page.reload()
    await one.sees("text 1")
    await expect(one.page.locator(".banner")).to_contain_text("1 answer is kept")
    await one.press("1")
    await one.sees("text 2")
    await server.process.start(server.ready)
    assert await work.decided(2) == {"item-0": "negative", "item-1": "positive"}
    await until(lambda: nothing_waits(one))
    kept = await one.page.evaluate(
        """async () => {
          const urls = [];
          for (const name of await caches.keys())
            for (const { url } of await (await caches.open(name)).keys()) urls.push(new URL(url).pathname);
          return urls;
        }"""
    )
    assert "/" in kept
    assert [path for path in kept if path.startswith("/v1")] == [], "no data is kept there"
