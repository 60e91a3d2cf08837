"""The browser that pages are tested in, and its absence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

PATIENCE = 60_000.0  # milliseconds: a busy machine is not a fault


def chromium() -> str:
    """Return the path of Debian's chromium; without it skip, or fail where it is required."""
    found = os.environ.get("TOKENFLOW_CHROMIUM") or shutil.which("chromium")
    if found:
        return found
    told = "there is no chromium here: apt-get install chromium"
    if os.environ.get("TOKENFLOW_BROWSER") == "required":
        pytest.fail(told)
    pytest.skip(told)


@dataclass
class Tab:
    """A page in the browser, with what went wrong there."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def type(self, label: str, text: str) -> None:
        """Type into a field, and press Enter once the page has sent what was typed.

        While the server is busy, what was typed waits in the page and Enter does not: only a machine types so fast.
        """
        one = self.page.get_by_label(label, exact=True)
        already = len(self.sent)
        one.fill(text)
        for _ in range(250):
            if any(json.dumps(text) in frame for frame in self.sent[already:]):
                break
            self.page.wait_for_timeout(20)
        one.press("Enter")

    def check(self) -> None:
        """Refuse errors, and requests to anywhere but this computer."""
        assert self.errors == []
        assert self.foreign == []


@contextmanager
def tab(width: int = 1280, height: int = 800, offline: bool = False) -> Iterator[Tab]:
    """Open a tab in which nothing but this computer can be reached."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=offline, accept_downloads=True
        )
        try:
            yield _watched(context)
        finally:
            browser.close()


def _watched(context: BrowserContext) -> Tab:
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    opened = Tab(page)

    def guard(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("http", "https") and address.hostname != "127.0.0.1":
            opened.foreign.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    def keep(payload: str | bytes) -> None:
        opened.sent.append(payload if isinstance(payload, str) else payload.decode(errors="replace"))

    context.route("**/*", guard)
    page.on("websocket", lambda socket: socket.on("framesent", keep))
    page.on(
        "console", lambda message: opened.errors.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on(
        "response",
        lambda response: (
            opened.errors.append(f"{response.status} {response.url}") if response.status >= 400 else None
        ),
    )
    return opened
