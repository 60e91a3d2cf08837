"""The browser that pages are tested in, and its absence."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, WebSocket, sync_playwright

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
    unanswered: set[str] = field(default_factory=set)

    def type(self, label: str, text: str) -> None:
        """Type into a field, and press Enter."""
        one = self.page.get_by_label(label, exact=True)
        one.fill(text)
        one.press("Enter")
        self.settle()

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def settle(self) -> None:
        """Wait until the server has answered all that the page has sent.

        What stands on the page until then may be the answer to an earlier click.
        """
        until = time.monotonic() + PATIENCE / 1000
        self.page.wait_for_timeout(20)
        while self.unanswered and time.monotonic() < until:
            self.page.wait_for_timeout(20)
        assert not self.unanswered

    def sends(self, frame: str | bytes) -> None:
        """Take note of a message to the server."""
        if isinstance(frame, str):
            self.unanswered.add(json.loads(frame)["header"]["msg_id"])

    def receives(self, frame: str | bytes) -> None:
        """Take note of the server's word that it has done with a message."""
        if isinstance(frame, str) and '"idle"' in frame:
            message = json.loads(frame)
            if message["header"]["msg_type"] == "status":
                self.unanswered.discard(message["parent_header"].get("msg_id"))

    def check(self) -> None:
        """Refuse errors, and requests to anywhere but this computer."""
        assert self.errors == []
        assert self.foreign == []


@contextmanager
def tab(width: int = 1280, height: int = 800, offline: bool = False) -> Iterator[Tab]:
    """Open a tab in which nothing but this computer can be reached."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=offline, accept_downloads=True,
            reduced_motion="reduce",
        )  # fmt: skip
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

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", opened.sends)
        socket.on("framereceived", opened.receives)

    context.route("**/*", guard)
    page.on("websocket", listen)
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
