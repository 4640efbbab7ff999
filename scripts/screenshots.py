"""Take the pictures of the pages for the README from a running system.

    PASSWORD=... python scripts/screenshots.py http://127.0.0.1:18080 PROJECT NAME

NAME is an account with the reviewer role. Needs the packages of requirements-dev.lock, and Chromium.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main(url: str, project: str, name: str) -> None:
    """Write docs/images/review-page.png and docs/images/dashboard.png."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is missing: run scripts/setup_browser.sh")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        sign_in(page, f"{url}/?project={project}", name)
        page.locator(".label").first.wait_for()
        page.wait_for_timeout(1000)
        page.screenshot(path=IMAGES / "review-page.png")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{url}/dashboard?project={project}")
        page.locator(".plot canvas").first.wait_for()
        page.wait_for_timeout(1000)
        page.screenshot(path=IMAGES / "dashboard.png", full_page=True)
        browser.close()


def sign_in(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(os.environ["PASSWORD"])
    page.keyboard.press("Enter")


if __name__ == "__main__":
    if len(sys.argv) != 4 or "PASSWORD" not in os.environ:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
