"""The journeys of ch09 9 on the demo: who finds and asks, who builds, who runs, who owns; and a reader from whom policy
hides things beside one who sees all."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Response, expect

from dataos.cli import demo
from support import browser as web
from support.browser import Watched, choose, settled, write
from support.ports import free_port
from support.server import Installation, installation, wait_until

MANIFEST = Path(demo.__file__).parent / "flights" / "5-product.yaml"
PRODUCT = "/products/flights-from-new-york"
BY_ORIGIN = "SELECT origin, count(*) AS flights FROM flightslake.nyc.flights GROUP BY origin ORDER BY origin"
FLOW = """name: shop-nightly
version: v1
type: workflow
workflow:
  dag:
    - name: {job}
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{{name: airports, dataset: "dataos://flightfiles:raw/airports.csv", format: csv}}]
            outputs: [{{name: airports, dataset: "dataos://flightslake:shop/airports?acl=rw", format: iceberg}}]
"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The demo, at a port that stays over a restart."""
    env = {"DATAOS_LISTEN__PORT": str(free_port())}
    with installation(tmp_path_factory.mktemp("journeys"), start=False, env=env) as made:
        made.ok("demo", "flights", timeout=300)
        yield made


@pytest.fixture(scope="module")
def kept_operator(chromium: Browser, flights: Installation) -> str:
    return web.kept(chromium, flights, "operator")


@pytest.fixture(scope="module")
def kept_analyst(chromium: Browser, flights: Installation) -> str:
    return web.kept(chromium, flights, "analyst")


@pytest.fixture
def operator(chromium: Browser, flights: Installation, kept_operator: str) -> Iterator[Watched]:
    context = web.context(
        chromium, flights, storage_state=kept_operator, permissions=["clipboard-read", "clipboard-write"]
    )
    yield Watched(context.new_page())
    context.close()


@pytest.fixture
def analyst(chromium: Browser, flights: Installation, kept_analyst: str) -> Iterator[Watched]:
    context = web.context(chromium, flights, storage_state=kept_analyst)
    yield Watched(context.new_page())
    context.close()


def test_a_consumer_finds_understands_asks_and_takes_along(
    chromium: Browser, flights: Installation, operator: Watched
) -> None:
    """From a link to a product, by somebody who reads no SQL, to a grant and the answer that it opens."""
    context = web.context(chromium, flights)
    analyst = Watched(context.new_page())
    page = analyst.page
    page.goto(PRODUCT)
    page.wait_for_url("**/login?next=**")
    page.goto(web.link_for(flights, "analyst").replace("#", f"?next={PRODUCT}#"))
    web.choose_password(page)
    page.get_by_role("heading", level=1, name="Flights from New York").wait_for()
    page.get_by_role("button", name="Favourite: Flights from New York").click()

    settled(page, "/products")
    page.keyboard.press("/")
    page.keyboard.type("delays plane weather")
    page.get_by_role("article", name="Flights from New York").get_by_role("link").first.click()
    page.get_by_role("tab", name=re.compile("^Outputs")).click()
    page.get_by_role("button", name="Restricted Access", exact=True).click()
    drawer = page.get_by_role("dialog", name="Restricted Access")
    expect(drawer).to_contain_text("origin = 'EWR'")
    expect(drawer.get_by_role("row", name=re.compile("^tailnum"))).to_contain_text("hash(")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show sample rows").click()
    rows = page.get_by_role("table", name="Sample rows")
    expect(rows.get_by_text("EWR").first).to_be_visible()
    expect(rows.get_by_text("JFK", exact=True)).to_have_count(0)

    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("button", name="Add group").click()
    choose(page, "Column of group 1", "origin")
    page.get_by_role("button", name="Show", exact=True).click()
    answer = page.get_by_role("table", name="Answer")
    expect(answer.get_by_role("row", name=re.compile(r"EWR.*120.?835"))).to_be_visible()
    expect(answer.get_by_role("row")).to_have_count(2)

    page.get_by_role("tab", name=re.compile("^Outputs")).click()
    page.get_by_role("button", name="Ask for access").first.click()
    dialog = page.get_by_role("dialog", name="Ask for access to Flights from New York")
    dialog.get_by_label("What you need it for").fill("routes of the summer")
    dialog.get_by_role("button", name="Ask", exact=True).click()
    expect(dialog.get_by_text("requested")).to_be_visible()

    boss = operator.page
    settled(boss, "/governance/grants")
    boss.get_by_role("row", name=re.compile("routes of the summer")).get_by_role("link").click()
    boss.get_by_label("Reason").fill("for the summer")
    boss.get_by_role("button", name="Approve").click()
    expect(boss.get_by_text("approved", exact=True).first).to_be_visible()

    page.reload()
    page.get_by_role("link", name=re.compile("route_daily")).or_(
        page.get_by_role("button", name=re.compile("route_daily"))
    ).first.click()
    page.get_by_role("button", name="Show sample rows").click()
    expect(page.get_by_role("table", name="Sample rows").get_by_role("row").nth(2)).to_be_visible()
    analyst.check("401", "403")
    operator.check()
    context.close()


def test_a_developer_looks_asks_mends_and_applies(operator: Watched, flights: Installation) -> None:
    page = operator.page
    page.goto("/workbench")
    page.get_by_role("treeitem", name="flightslake").wait_for()
    editor = page.get_by_role("textbox", name="SQL")
    editor.click()
    page.keyboard.insert_text(BY_ORIGIN.replace("GROUP BY origin", "GROUP BY orgin"))
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("orgin")
    page.keyboard.press("Control+a")
    page.keyboard.press("Backspace")
    page.keyboard.insert_text(BY_ORIGIN)
    page.keyboard.press("Control+Enter")
    grid = page.get_by_role("grid", name="Rows")
    expect(
        grid.get_by_role("gridcell", name="111,279").or_(grid.get_by_role("gridcell", name="111279"))
    ).to_be_visible()

    settled(page, "/operations/apply")
    write(page, "Manifest", FLOW.format(job="Bad_Name"))
    page.get_by_role("button", name="Plan").click()
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_role("button", name="line 6:")).to_be_visible()
    write(page, "Manifest", FLOW.format(job="load"))
    page.get_by_role("button", name="Plan").click()
    expect(outcome.get_by_text("create", exact=True)).to_be_visible()
    page.get_by_role("button", name="Apply", exact=True).click()
    outcome.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="shop-nightly")).to_be_visible()
    settled(page, "/operations/workflows/public/shop-nightly")
    graph = page.get_by_role("region", name="Jobs and what they wait for")
    expect(graph.get_by_label("load, succeeded")).to_be_visible(timeout=90_000)
    told = flights.ok("query", "SELECT count(*) AS n FROM flightslake.shop.airports", "-O", "json").json
    assert told == [{"n": 1458}]
    operator.check("400", "422")


def test_an_operator_sees_what_runs_what_was_asked_and_by_whom(operator: Watched) -> None:
    page = operator.page
    settled(page, "/operations/workflows")
    page.get_by_role("table", name="Workflows").get_by_role("link", name="flights", exact=True).click()
    graph = page.get_by_role("region", name="Jobs and what they wait for")
    node = graph.get_by_label(re.compile(", succeeded$")).first
    node.focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name=re.compile("^Job "))
    expect(drawer.get_by_role("region", name=re.compile("^Log of "))).to_contain_text("workflow name: flights")
    page.go_back()
    expect(drawer).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("table", name="Workflows")).to_be_visible()

    settled(page, "/operations/queries")
    page.get_by_label("Search statements").fill("hours")
    page.get_by_role("table", name="Statements").get_by_role("link", name=re.compile("hours")).first.click()
    expect(page.get_by_role("main")).to_contain_text("flightslake.nyc.weather")
    settled(page, "/operations/health")
    expect(page.get_by_text("All parts work.")).to_be_visible()
    settled(page, "/governance/audit")
    expect(page.get_by_text("The chain holds")).to_be_visible()
    operator.check()


def test_an_owner_changes_a_product_and_hears_who_asks(
    chromium: Browser, flights: Installation, analyst: Watched
) -> None:
    context = web.context(chromium, flights, permissions=["clipboard-read", "clipboard-write"])
    owner = Watched(context.new_page())
    web.sign_up(owner.page, web.link_for(flights, "admin"))
    page = owner.page
    flights.client().json(
        "POST",
        "/api/v1/products/data/v1alpha/flights-from-new-york/access-requests",
        body={"reason": "a look", "datasets": ["dataos://flightslake:nyc/route_daily"]},
    )
    settled(page, f"{PRODUCT}?tab=files")
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("textbox", name="Manifest")).to_contain_text("flights-from-new-york")

    reader = analyst.page
    settled(reader, PRODUCT)
    changed = MANIFEST.read_text().replace("Every flight that left", "Each flight that left")
    write(page, "Manifest", changed)
    page.get_by_role("button", name="Plan").click()
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_text("update", exact=True)).to_be_visible()
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(outcome.get_by_text("updated", exact=True)).to_be_visible()
    expect(reader.get_by_text("Each flight that left New York").first).to_be_visible()  # without loading again
    owner.check()
    analyst.check()
    context.close()


# --- a restricted reader ----------------------------------------------------------------------------------------------


@dataclass
class Told:
    """Everything that a page was told: bodies of answers, but streams of events, and what it then showed."""

    pieces: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def listen(self, page: Page) -> None:
        page.on("response", self._take)

    def _take(self, response: Response) -> None:
        kind = response.headers.get("content-type", "")
        if "event-stream" in kind or "javascript" in kind or "css" in kind or "font" in kind:
            return
        with contextlib.suppress(Error):  # a redirect, and an answer to a page that is gone, have no body
            self.pieces.append((response.url, response.body().decode(errors="replace")))

    def see(self, page: Page) -> None:
        self.pieces.append((page.url, page.content()))

    def naming(self, canaries: set[str]) -> list[tuple[str, str]]:
        return [(url, c) for url, text in self.pieces for c in canaries if c in text]


def test_no_hidden_value_reaches_the_browser_of_who_may_not_see_it(
    analyst: Watched, operator: Watched, flights: Installation
) -> None:
    """The same pages for both: what an operator is shown, the analyst's browser never got."""
    sql = "SELECT DISTINCT tailnum FROM flightslake.nyc.flights WHERE tailnum IS NOT NULL LIMIT 4000"
    canaries = {str(row["tailnum"]) for row in flights.ok("query", sql, "-O", "json").json}
    assert len(canaries) > 3000
    question = "SELECT tailnum, origin, dest FROM flightslake.nyc.flights ORDER BY scheduled_at, tailnum LIMIT 200"
    told: dict[str, Told] = {}
    for who, watched in (("operator", operator), ("analyst", analyst)):
        heard = told[who] = Told()
        page = watched.page
        heard.listen(page)
        for tab in ("overview", "inputs", "outputs", "quality", "lineage", "access", "files"):
            settled(page, f"{PRODUCT}?tab={tab}")
            heard.see(page)
        settled(page, f"{PRODUCT}?tab=outputs")
        page.get_by_role("button", name="Show sample rows").click()
        expect(page.get_by_role("table", name="Sample rows").get_by_role("row").nth(2)).to_be_visible()
        heard.see(page)
        page.goto(f"/workbench?sql={question}")
        page.get_by_role("button", name="Run", exact=True).click()
        grid = page.get_by_role("grid", name="Rows")
        expect(grid.get_by_role("gridcell").first).to_be_visible()
        for view in ("Policies", "Plan", "Details"):
            page.get_by_role("tab", name=view).click()
            expect(page.get_by_role("tabpanel", name=view)).to_be_visible()
            expect(page.get_by_label("Loading")).to_have_count(0)
            heard.see(page)
        page.goto("/workbench?panel=history")
        expect(page.get_by_label("Loading")).to_have_count(0)
        for path in (
            "/", "/profile", "/products", "/operations/resources", "/operations/workflows", "/operations/queries",
            "/operations/events", "/operations/health", "/operations/resources/workflow/flights?workspace=public&tab=manifest",
            "/governance/users", "/governance/policies", "/governance/grants", "/governance/audit", "/governance/tags",
            "/governance/coverage",
        ):  # fmt: skip
            page.goto(path)
            page.get_by_role("heading", level=1).first.wait_for()
            expect(page.get_by_label("Loading")).to_have_count(0)
            heard.see(page)
    assert told["operator"].naming(canaries), "the pages show tail numbers to those who may see them"
    assert not told["analyst"].naming(canaries)
    rows = [json.loads(text) for url, text in told["analyst"].pieces if "/api/v1/quer" in url and '"rows"' in text]
    answers = [answer["rows"] for answer in rows if isinstance(answer.get("rows"), list)]
    origins = {str(v) for answer in answers for row in answer for v in _cells(row)}
    assert "EWR" in origins
    assert not origins & {"JFK", "LGA"}, "no flight from Newark ends there"


def _cells(row: Any) -> list[Any]:
    return list(row.values()) if isinstance(row, dict) else list(row)


# --- a server that goes and comes ---------------------------------------------------------------------------------------


def test_a_page_that_is_open_outlives_a_restart_of_the_server(operator: Watched, flights: Installation) -> None:
    page = operator.page
    other = page.context.new_page()
    settled(page, "/operations/resources")
    settled(other, "/products")
    flights.ok("down")
    page.get_by_role("link", name="Workflows").click()
    expect(page.get_by_text("server.unreachable")).to_be_visible()
    flights.ok("up")
    expect(page.get_by_role("table", name="Workflows").get_by_role("link", name="flights", exact=True)).to_be_visible()
    secret = "name: seen-after\nversion: v1\ntype: secret\nsecret: {type: key-value, acl: r, data: {k: v}}\n"
    page.get_by_role("link", name="Resources").click()
    expect(page.get_by_role("heading", level=1, name="Resources")).to_be_visible()
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("seen-after")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    flights.ok("apply", "-f", flights.write("seen.yaml", secret))
    expect(page.get_by_role("link", name="seen-after")).to_be_visible()  # the stream of events goes on
    expect(other.get_by_role("article", name="Flights from New York").first).to_be_visible()
    other.close()


def test_ten_thousand_resources_are_a_list_that_one_works_with(operator: Watched, flights: Installation) -> None:
    client = flights.client()
    for start in range(0, 10_000, 500):
        documents = [
            {"document": {"name": f"many-{n:05}", "version": "v1", "type": "secret",
                          "secret": {"type": "key-value", "acl": "r", "data": {"k": "v"}}}, "workspace": "public"}
            for n in range(start, start + 500)
        ]  # fmt: skip
        client.json("POST", "/api/v1/apply-set", body={"documents": documents}, timeout_s=300)
    wait_until(lambda: client.resources(type="secret", name="many-09999"), 120, "the last is there")
    page = operator.page
    settled(page, "/operations/resources")
    assert page.get_by_role("row").count() < 300, "what is out of sight is not in the page"
    page.keyboard.press("/")
    page.keyboard.type("many-09999")
    expect(page.get_by_role("link", name="many-09999")).to_be_visible()
    operator.check()
