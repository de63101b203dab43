"""Takes docs/pictures/screens/*.png and writes docs/screens.md: `python tools/screens.py [name]`.

The web app on the demo, in the system's Chromium. Run by hand after a change of a screen; look at each picture before it is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


def statement(page: Page) -> None:
    settled(page, "/operations/queries")
    page.get_by_role("link", name=re.compile("^SELECT.* AS fl")).first.click()
    page.get_by_role("region", name="Plan by which it ran").wait_for()


def explained(page: Page) -> None:
    settled(page, "/governance/explain?user=analyst&object=dataos://flightslake:nyc/flights&predicate=select")


@dataclass(frozen=True)
class Screen:
    """What is opened as whom ("": nobody signed in), and what the gallery says of it."""

    user: str
    open: Callable[[Page], None]
    area: str
    caption: str


HUB, SQL, RUNS, RULES, OWN = "Data Products", "Workbench", "Operations", "Governance", "Oneself"
SCREENS: dict[str, Screen] = {
    "home": Screen("operator", at("/"), OWN, "Home: what is recent, favourite, and asks for a decision"),
    "sign-in": Screen("", at("/login"), OWN, "Signing in; a login provider stands beside the password where there is one"),
    "profile": Screen("operator", at("/profile"), OWN, "Profile: who one is, tags and roles"),
    "tokens": Screen("operator", at("/profile/tokens"), OWN, "API keys, shown once"),
    "hub": Screen("operator", at("/products"), HUB, "The Hub"),
    "product": Screen("operator", at(PRODUCT), HUB, "Overview of a product: from inputs to outputs"),
    "inputs": Screen("operator", at(f"{PRODUCT}?tab=inputs"), HUB, "Inputs"),
    "outputs": Screen("operator", at(f"{PRODUCT}?tab=outputs"), HUB, "Outputs: columns, tags, sample rows"),
    "restricted": Screen("analyst", restricted, HUB, "What policies leave the analyst of a dataset, and why"),
    "explore": Screen("operator", explore, HUB, "Explore: questions without SQL"),
    "quality": Screen("operator", at(f"{PRODUCT}?tab=quality"), HUB, "Quality: checks by category, over time"),
    "lineage": Screen("operator", at(f"{PRODUCT}?tab=lineage"), HUB, "Lineage, one step at a time"),
    "access": Screen("operator", at(f"{PRODUCT}?tab=access"), HUB, "Access options: ready to copy"),
    "files": Screen("operator", at(f"{PRODUCT}?tab=files"), HUB, "Files: the manifests that made it"),
    "workbench": Screen("operator", workbench, SQL, "A statement and its rows"),
    "chart": Screen("operator", chart, SQL, "The same as a chart"),
    "resources": Screen("operator", at("/operations/resources"), RUNS, "Resources with status and reason"),
    "resource": Screen("operator", at("/operations/resources/workflow/flights?workspace=public&tab=manifest"), RUNS,
                       "A Resource and its manifest"),
    "apply": Screen("operator", faults, RUNS, "Plan and apply: faults at their lines"),
    "workflows": Screen("operator", at("/operations/workflows"), RUNS, "Workflows with their last and next runs"),
    "workflow": Screen("operator", job, RUNS, "A run as it went, a job and its log"),
    "queries": Screen("operator", at("/operations/queries"), RUNS, "Statements under way and past"),
    "statement": Screen("operator", statement, RUNS, "A statement: its time step by step, policies, plan"),
    "analysis": Screen("operator", at("/operations/queries/analysis"), RUNS, "What was asked of each cluster"),
    "events": Screen("operator", at("/operations/events"), RUNS, "Events as they come"),
    "health": Screen("operator", at("/operations/health"), RUNS, "Health: parts, examination, quotas"),
    "users": Screen("operator", at("/governance/users"), RULES, "Users"),
    "user": Screen("operator", at("/governance/users/analyst?tab=access"), RULES, "What a user may do, and by what"),
    "roles": Screen("operator", at("/governance/roles"), RULES, "Roles and tag namespaces"),
    "use-cases": Screen("operator", at("/governance/use-cases"), RULES, "Use cases and the providers of their atoms"),
    "grants": Screen("operator", at("/governance/grants?tab=approved"), RULES, "Grants: asked for, in force, rejected"),
    "policies": Screen("operator", at("/governance/policies"), RULES, "Policies in words"),
    "policy": Screen("operator", at("/governance/policies/flights-tail-numbers"), RULES, "A policy, and whom it reaches"),
    "explain": Screen("operator", explained, RULES, "Explain: why somebody may, or may not"),
    "simulate": Screen("operator", at("/governance/simulate"), RULES, "Simulate: who would gain and lose what"),
    "coverage": Screen("operator", at("/governance/coverage"), RULES, "Coverage: tagged columns that somebody sees in clear"),
    "tags": Screen("operator", at("/governance/tags"), RULES, "Tags of columns and where they are"),
    "audit": Screen("operator", at("/governance/audit"), RULES, "The audit, verified by a click"),
}  # fmt: skip


def gallery() -> str:
    """docs/screens.md."""
    text = "# Screens\n\nThe web app on what `./dev demo` makes. [The tour](tour.md) tells how its screens belong together.\n"
    for area in (HUB, SQL, RUNS, RULES, OWN):
        text += f"\n## {area}\n"
        for name, screen in SCREENS.items():
            if screen.area == area:
                text += f"\n**{screen.caption}**\n\n![{screen.caption}](pictures/screens/{name}.png)\n"
    return text


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
            screen = SCREENS[name]
            for scheme in schemes:
                context = web.context(chromium, made, scheme, storage_state=kept.get(screen.user), viewport=SIZE)
                page = context.new_page()
                screen.open(page)
                page.wait_for_timeout(400)  # the layout of pictures comes to rest
                file = OUT / (f"{name}.png" if scheme == "light" else f"{name}-{scheme}.png")
                page.screenshot(path=file)
                print(file.relative_to(ROOT))
                context.close()
    (ROOT / "docs" / "screens.md").write_text(gallery())


if __name__ == "__main__":
    main(sys.argv[1:])
