"""The pages in a real Chromium, against the real review-api on real Kafka and PostgreSQL.

Each test has a project and a reviewer of its own. What the router would say is published to Kafka by the
test, so that a test decides what the machine thinks of an item and whether its task is blind.
"""

import re
import shutil
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill_local.system import System
from playwright.async_api import Browser, ConsoleMessage, async_playwright

from .workplace import MOST_MS, PASSWORD, Reviewer, Workplace, apply


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    async with System(
        tmp_path_factory.mktemp("ui"), env={"UNDO_SECONDS": "20", "LEASE_SECONDS": "30"}
    ) as running:
        await running.add("review-api")
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def publisher(system: System) -> AsyncIterator[Publisher]:
    running = Publisher(KafkaSettings(kafka_bootstrap_servers=system.backends.kafka.bootstrap_servers))
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def work(
    request: pytest.FixtureRequest, system: System, publisher: Publisher
) -> AsyncIterator[Workplace]:
    """A project named after the test, without items, and a reviewer."""
    name = re.sub(r"[^a-z0-9]+", "_", request.node.name.removeprefix("test_").lower())[:48].strip("_")
    number = f"{zlib.crc32(request.node.nodeid.encode()):08x}"  # several files have a test of the same name
    async with system.review_client() as admin:
        # The bar has a button with the reviewer's name: no test may take it for one of its own.
        work = Workplace(f"p_{name}_{number}", f"r_{number}", system, publisher, admin)
        account = {"name": work.reviewer, "roles": ["reviewer"], "password": PASSWORD}
        (await admin.post("/v1/accounts", json=account)).raise_for_status()
        await apply(work, {})
        yield work


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    # None: the one that Playwright brought, see scripts/setup_browser.sh.
    found = next((path for path in map(shutil.which, ("chromium", "google-chrome")) if path), None)
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--force-color-profile=srgb",
    ]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=found, args=arguments)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, system: System) -> AsyncIterator[Callable[..., Awaitable[Reviewer]]]:
    """Opens browsers, each with storage and cookies of its own."""
    opened: list[Reviewer] = []
    url = next(running.url for running in system.services if running.service == "review-api")

    async def open_one(**options: Any) -> Reviewer:
        # A service worker's requests pass by what a test routes: only tests about it have one.
        context = await browser.new_context(**{"locale": "en-GB", "service_workers": "block", **options})
        reviewer = Reviewer(await context.new_page(), context, url)
        _listen(reviewer)
        opened.append(reviewer)
        return reviewer

    yield open_one
    for reviewer in opened:
        await reviewer.context.close()


def _listen(reviewer: Reviewer) -> None:
    def note(message: ConsoleMessage) -> None:
        expected = "Failed to load resource" in message.text  # a 401 before signing in, a lost connection
        if message.type == "error" and not expected:
            reviewer.complaints.append(message.text)

    reviewer.page.set_default_timeout(MOST_MS)
    reviewer.page.on("console", note)
    reviewer.page.on("pageerror", lambda error: reviewer.complaints.append(str(error)))
    reviewer.page.on("response", reviewer.keep)


@pytest_asyncio.fixture(loop_scope="session")
async def reviewer(open_page: Callable[..., Awaitable[Reviewer]]) -> AsyncIterator[Reviewer]:
    """A browser at a desk; the test fails if the page complained about anything."""
    one = await open_page(viewport={"width": 1440, "height": 900})
    yield one
    assert one.complaints == []


@pytest.fixture
def axe() -> str:
    """The source of axe-core."""
    return (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
