"""Takes docs/pictures/screens/*.png: the web app on the demo, in the system's Chromium: `python tools/screens.py [name]`.

Run by hand after a change of a screen; look at each picture before it is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "pictures" / "screens"
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import Page  # noqa: E402

from support import browser as web  # noqa: E402
from support.browser import choose, settled  # noqa: E402
from support.server import Installation, installation  # noqa: E402

SIZE = {"width": 1280, "height": 800}
PRODUCT = "/products/flights-from-new-york"
QUESTION = """SELECT airline, count(*) AS flights, round(avg(arr_delay), 1) AS mean_delay
FROM flightslake.nyc.flights_enriched
GROUP BY airline
ORDER BY mean_delay DESC"""


def at(path: str) -> Callable[[Page], None]:
    """The screen at an address."""
    return lambda page: settled(page, path)


def workbench(page: Page) -> None:
    page.goto("/workbench")
    page.get_by_role("treeitem", name="flightslake").wait_for()
    page.get_by_role("textbox", name="SQL").click()
    page.keyboard.insert_text(QUESTION)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    page.get_by_role("grid", name="Rows").get_by_role("gridcell").first.wait_for()


def chart(page: Page) -> None:
    workbench(page)
    page.get_by_role("tab", name="Chart").click()
    page.get_by_role("img", name=re.compile(" by airline")).first.wait_for()


def explore(page: Page) -> None:
    settled(page, f"{PRODUCT}?tab=explore")
    page.get_by_role("button", name="Add group").click()
    choose(page, "Column of group 1", "origin")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("table", name="Answer").wait_for()
    page.get_by_text("Bars", exact=True).click()


def restricted(page: Page) -> None:
    settled(page, f"{PRODUCT}?tab=outputs")
    page.get_by_role("button", name="Restricted Access", exact=True).click()
    page.get_by_role("dialog", name="Restricted Access").wait_for()


def job(page: Page) -> None:
    settled(page, "/operations/workflows/public/flights")
    page.get_by_role("region", name="Jobs and what they wait for").get_by_label(
        re.compile(", succeeded$")
    ).first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name=re.compile("^Job ")).get_by_role("region", name=re.compile("^Log of ")).wait_for()


def faults(page: Page) -> None:
    settled(page, "/operations/apply")
    page.get_by_role("textbox", name="Manifest").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Backspace")
    page.keyboard.insert_text(
        "name: shop_key\nversion: v1\ntype: secret\nsecret:\n  type: key-value\n  acl: everything\n"
    )
    page.get_by_role("button", name="Plan").click()
    page.get_by_role("region", name="Outcome").get_by_role("button", name=re.compile("^line")).first.wait_for()


SCREENS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "home": ("operator", at("/")),
    "hub": ("operator", at("/products")),
    "product": ("operator", at(PRODUCT)),
    "outputs": ("operator", at(f"{PRODUCT}?tab=outputs")),
    "restricted": ("analyst", restricted),
    "explore": ("operator", explore),
    "lineage": ("operator", at(f"{PRODUCT}?tab=lineage")),
    "workbench": ("operator", workbench),
    "chart": ("operator", chart),
    "resources": ("operator", at("/operations/resources")),
    "apply": ("operator", faults),
    "workflow": ("operator", job),
    "queries": ("operator", at("/operations/queries")),
    "health": ("operator", at("/operations/health")),
    "policies": ("operator", at("/governance/policies")),
    "grants": ("operator", at("/governance/grants")),
    "coverage": ("operator", at("/governance/policies?tab=coverage")),
    "audit": ("operator", at("/governance/audit")),
}


@contextmanager
def demo() -> Iterator[Installation]:
    """The demo in a home of its own, or that of DATAOS_SCREENS_HOME, which stays for the next time."""
    kept = os.environ.get("DATAOS_SCREENS_HOME")
    folder = Path(kept or tempfile.mkdtemp(prefix="dataos-screens-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with installation(folder, start=False, env={"DATAOS_LISTEN__PORT": "0"}) as made:
            made.ok("demo", "flights", timeout=300)
            yield made
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def main(names: list[str]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    schemes = os.environ.get("DATAOS_SCREENS_SCHEMES", "light").split(",")
    with demo() as made, web.chromium() as chromium:
        kept = {user: web.kept(chromium, made, user) for user in ("operator", "analyst")}
        for name in names or SCREENS:
            user, open_ = SCREENS[name]
            for scheme in schemes:
                context = web.context(chromium, made, scheme, storage_state=kept[user], viewport=SIZE)
                page = context.new_page()
                open_(page)
                page.wait_for_timeout(400)  # the layout of pictures comes to rest
                file = OUT / (f"{name}.png" if scheme == "light" else f"{name}-{scheme}.png")
                page.screenshot(path=file)
                print(file.relative_to(ROOT))
                context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
