"""Chromium for tests, driven by Playwright."""

import os
import shutil
import time

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OPTIONS += ["--disable-component-update"]
MILLISECONDS = 120_000  # the most that a page may take
MISSING = "no Chromium on this machine: pages are not opened in a browser"


def is_required() -> bool:
    """Whether a missing browser is a failure, as in CI, and no reason to skip."""
    return os.environ.get("REQUIRE_BROWSER") == "1"


class Browser:
    """One headless Chromium; a context manager."""

    def __enter__(self):
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=EXECUTABLE, args=OPTIONS)
        return self

    def __exit__(self, *_):
        self._chromium.close()
        self._playwright.stop()

    def open(self, address: str, **options):
        """A page at an address, and what it has said and asked for: (page, messages, requests).

        options: of Playwright's new_page, such as color_scheme and viewport.
        """
        page, messages, requests = self._chromium.new_page(**options), [], []
        page.set_default_timeout(MILLISECONDS)
        page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        return page, messages, [url for url in requests if not url.startswith("data:")]

    def ask(self, address: str, expression: str):
        """The value of a JavaScript expression in a page, once it counts as true."""
        page, messages, _ = self.open(address)
        end = time.monotonic() + MILLISECONDS / 1000
        # `wait_for_function` needs eval, which a policy forbids
        while not (value := page.evaluate(expression)):
            failed = any(text.startswith("error") for text in messages)
            assert time.monotonic() < end and not failed, messages
            page.wait_for_timeout(50)
        page.close()
        return value
