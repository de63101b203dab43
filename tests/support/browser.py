"""The system's Chromium, driven by Playwright; axe-core from web/node_modules finds what would shut people out."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from support.server import Installation

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
WHY = "Debian's package chromium-headless-shell, or chromium"
PASSWORD = "seven grey horses run"
_BAD = ("serious", "critical")


@functools.cache
def installed() -> str | None:
    """The browser's program."""
    return next(
        (
            found
            for name in ("chromium-headless-shell", "chromium", "chromium-browser")
            if (found := shutil.which(name))
        ),
        None,
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page whose console errors and refused contents are kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))

    def check(self, *expected: str) -> None:
        """Nothing went wrong on the page, but what is expected (a part of its text)."""
        left = [e for e in self.errors if not any(part in e for part in expected)]
        assert not left, left
        self.errors.clear()


def context(browser: Browser, server: Installation, scheme: str = "light", **options: Any) -> BrowserContext:
    """A browser's profile of its own: cookies, storage."""
    size = {"width": 1440, "height": 900}
    options = {"viewport": size, "color_scheme": scheme, "reduced_motion": "reduce", **options}
    return browser.new_context(base_url=server.url, **options)


def link_for(server: Installation, user: str) -> str:
    """A one-time link, as an operator prints it."""
    return server.ok("login", "--link", "--user", user).out.strip()


def sign_up(page: Page, link: str, password: str = PASSWORD) -> None:
    """Follow a one-time link, choose a password; ends on Home."""
    page.goto(link)
    choose_password(page, password)
    page.get_by_role("heading", level=1, name="Welcome").wait_for()


def choose_password(page: Page, password: str = PASSWORD) -> None:
    """Fill in the screen of a one-time link, which is open."""
    page.get_by_role("textbox", name="New password").fill(password)
    page.get_by_role("textbox", name="Once more").fill(password)
    page.get_by_role("button", name="Set password and sign in").click()


def kept(browser: Browser, server: Installation, user: str) -> str:
    """The state of a browser in which the user signed in, as a file."""
    profile = context(browser, server)
    sign_up(profile.new_page(), link_for(server, user))
    file = server.folder / f"signed-in-{user}.json"
    profile.storage_state(path=file)
    profile.close()
    return str(file)


def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in screen, which is open."""
    page.get_by_role("textbox", name="User").fill(user)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def settled(page: Page, path: str | None = None) -> None:
    """A page that is there, at a path if one is given, with nothing loading any more."""
    if path is not None:
        page.goto(path)
    page.get_by_role("heading", level=1).first.wait_for()
    expect(page.get_by_label("Loading")).to_have_count(0)


def choose(page: Page, label: str, option: str) -> None:
    """An option of a list that opens."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def write(page: Page, label: str, text: str) -> None:
    """Put a text into an editor in place of what is there. Needs the permission to write to the clipboard."""
    page.get_by_role("textbox", name=label, exact=True).click()
    page.keyboard.press("Control+a")
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+v")


def violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page as it stands, each with the first elements."""
    page.evaluate(AXE.read_text())  # by the debugger: the page itself would not run a foreign script
    found = json.loads(page.evaluate("async () => JSON.stringify((await axe.run(document)).violations)"))
    return [
        f"{v['impact']} {v['id']}: {v['help']}: {[n['html'][:160] + ' | ' + (n.get('failureSummary') or '')[:200] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in _BAD
    ]
