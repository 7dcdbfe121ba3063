"""Headless Chromium on a dashboard, and all that a page should not do."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GONE = r"ERR_(CONNECTION|INCOMPLETE|EMPTY)|503 \(Service Unavailable\)"
"""What the browser itself says while the server is away, or has not read the warehouse yet."""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed; apt-get install chromium")
expect.set_options(timeout=30_000)


@dataclass
class Seen:
    """A page, and its errors, warnings and requests to other hosts."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def open(self, place: str = "") -> None:
        self.page.goto(f"{self.url}/{place}")

    def forgive(self, pattern: str) -> None:
        """Forget what went wrong on purpose."""
        self.wrong[:] = [text for text in self.wrong if not re.search(pattern, text)]


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Run Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextlib.contextmanager
def watched(browser: Browser, url: str, width: int = 1920, theme: str = "dark") -> Iterator[Seen]:
    """Open a page on the dashboard at `url`; fail at the end if anything went wrong in it."""
    context = browser.new_context(
        viewport={"width": width, "height": 1080 if width > 500 else 740},
        color_scheme="dark" if theme == "dark" else "light",
    )
    seen = Seen(context.new_page(), url)
    page = seen.page
    page.set_default_timeout(30_000)
    page.on("console", lambda said: seen.wrong.extend([said.text] if said.type in ("error", "warning") else []))
    page.on("pageerror", lambda error: seen.wrong.append(str(error)))
    page.on("request", lambda request: seen.wrong.extend([] if request.url.startswith(url) else [request.url]))
    try:
        yield seen
    finally:
        context.close()
    assert seen.wrong == []
