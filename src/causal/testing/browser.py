"""The web page in a real browser: the system's Chromium, without a window.

with Chromium() as chromium:
    page = chromium.let_in(stack)           # as `causal-ctl open` does
    page.get_by_role("button", name="Start").click()
"""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Browser, Page, expect, sync_playwright

from causal.control.page_link import new_link
from causal.testing.stack import Stack

PROGRAM = "chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LOOKS_WITHIN_MS = 20_000
"""A process may have to start again, on a busy machine."""


class Chromium:
    """Starts on entry, ends on exit. What the pages log as errors is in `errors`."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        expect.set_options(timeout=LOOKS_WITHIN_MS)
        self._playwright = sync_playwright().start()
        try:
            self.browser: Browser = self._playwright.chromium.launch(
                executable_path=shutil.which(PROGRAM), args=list(FLAGS)
            )
        except BaseException:
            self._playwright.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.browser.close()
        self._playwright.stop()

    def new_page(self, **options: Any) -> Page:
        """A page in a browser of its own, with Playwright's options for a context: `viewport`, `color_scheme` …"""
        page = self.browser.new_context(**options).new_page()
        page.set_default_timeout(LOOKS_WITHIN_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def let_in(self, stack: Stack, page: Page | None = None, **options: Any) -> Page:
        """The web page of a stack, connected; its sink need not be up yet."""
        stack.until(stack.paths.page_file.exists, 20.0, "the web page's address")
        page = page or self.new_page(**options)
        page.goto(new_link(stack.paths))
        page.wait_for_selector("#connection.open")
        return page
