"""Take the pictures of the pages for the documents from a running system.

    PASSWORD=... python scripts/screenshots.py http://127.0.0.1:18080 PROJECT NAME [PAGE...]

NAME is an account with the roles reviewer and manager; PAGE are names from review_api/web/pages.py, all of
them unless given. Pages that a link alone leads to are left out. Needs the packages of
requirements-dev.lock, and Chromium.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from review_api.web.pages import PAGES, PageSpec

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

SIZE = {"width": 1440, "height": 900}
SIZES = {"review": {"width": 1280, "height": 800}}
READY = {"review": ".label", "dashboard": ".plot canvas", "work": ".row, .nothing"}
"""What a page has once it is drawn, where its main part alone does not say so."""
FILES = {"review": "review-page"}
NEED_A_LINK = {"invitation"}


def main(url: str, project: str, name: str, names: Sequence[str]) -> None:
    """Write docs/images/NAME.png of each page, and of the reviewers' page also in dark and on a phone."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is missing: run scripts/setup_browser.sh")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for spec in chosen(names):
            size = SIZES.get(spec.name, SIZE)
            take(browser, f"{url}{spec.path}?project={project}", name, spec, size=size)
            if spec.name == "review":
                take(browser, f"{url}/?project={project}", name, spec, size=size, scheme="dark")
                phone = {"width": 390, "height": 844}
                take(browser, f"{url}/?project={project}", name, spec, size=phone, suffix="-phone")
        browser.close()


def chosen(names: Sequence[str]) -> list[PageSpec]:
    """Return the pages of these names, or all."""
    unknown = set(names) - {page.name for page in PAGES}
    if unknown:
        raise SystemExit(f"no such page: {', '.join(sorted(unknown))}")
    return [page for page in PAGES if page.name not in NEED_A_LINK and (not names or page.name in names)]


def take(
    browser: Browser,
    address: str,
    name: str,
    spec: PageSpec,
    *,
    size: dict[str, int],
    scheme: str = "light",
    suffix: str = "",
) -> None:
    """Write one picture, in a browser of its own."""
    context = browser.new_context(viewport=size, locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, address, name)
    page.locator(READY.get(spec.name, "main")).first.wait_for()
    page.wait_for_timeout(1000)
    file = f"{FILES.get(spec.name, spec.name)}{'-dark' if scheme == 'dark' else ''}{suffix}.png"
    page.screenshot(path=IMAGES / file, full_page=spec.name != "review")
    print(f"docs/images/{file}")
    context.close()


def sign_in(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(os.environ["PASSWORD"])
    page.keyboard.press("Enter")


if __name__ == "__main__":
    if len(sys.argv) < 4 or "PASSWORD" not in os.environ:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
