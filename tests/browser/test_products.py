"""Data Products as people find, read, ask for and explore them, on a real server: a table that a job made, under policy."""

from __future__ import annotations

import datetime
import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import expect

from support import browser as web
from support import lakes
from support.browser import Watched, choose, settled
from support.server import Installation

DEPOT = "name: files\nversion: v2alpha\ntype: depot\ndepot: {{type: FILE, file: {{path: {path}}}}}\n"
BUNDLE = """\
name: coffee-bundle
version: v1beta
type: bundle
bundle:
  resources:
    - id: key
      workspace: public
      spec: {name: coffee-key, version: v1, type: secret, secret: {type: key-value, acl: r, data: {k: v}}}
"""
LINEAGE = {
    "eventType": "COMPLETE",
    "eventTime": "2030-01-01T00:00:00Z",
    "producer": "https://example.org/loader",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "3b452093-782c-4ef2-9c0c-aafe2aa6f34d"},
    "job": {"namespace": "tills", "name": "coffee.load"},
}
CHECKS = (
    ("email", "Invalid", "invalid_percentage < 0.02", (1, 1, 1)),
    ("shop", "Duplicates", "duplicate_count == 0", (1, 0, 0)),
)
SALES = """\
name: coffee-sales
version: v1beta
entity: product
type: data
tags: [DPDomain.Retail, DPUsecase.Shop Planning, DPTier.Source Aligned, Team.Beans]
description: Every cup that was sold, by shop and day.
refs: [{title: Field dictionary, href: "https://wiki.example.org/coffee"}, {title: Bad, href: "javascript:alert(1)"}]
v1beta:
  data:
    meta: {title: Coffee Sales, sourceCodeUrl: "https://git.example.org/retail/coffee"}
    collaborators: [{name: maria, description: owner}]
    resource: {refType: dataos, ref: "bundle:v1beta:coffee-bundle"}
    inputs: [{refType: depot, ref: "dataos://files:data/sales.csv"}]
    outputs:
      - refType: dataos
        ref: dataset:lakehouse:coffee:sales
        checks: [{name: no missing ids, check: "missing_count(id) = 0", category: Completeness}]
    slos: [{name: answers, category: availability, target: 99, window: 30d}]
    documentation: A cup is a row. Refunds are cups with a negative amount.
"""
OLD = """\
name: coffee-ledger
version: v1beta
type: data
tags: [DPDomain.Finance, DPTier.Gold]
description: Books of the shops.
v1beta:
  data:
    meta: {title: Coffee Ledger}
    resource: {refType: dataos, ref: "bundle:v1beta:coffee-bundle"}
    inputs: [{refType: dataos, ref: "dataset:lakehouse:coffee:sales"}]
    outputs: [{refType: dataos, ref: "dataset:lakehouse:coffee:ledger"}]
    lifecycle: {stage: deprecated, retireOn: 2031-01-31, replacedBy: "data:v1beta:coffee-sales"}
"""
POLICIES = """\
name: uma-reads
version: v1
type: policy
policy:
  access:
    subjects: {tags: ["users:id:uma"]}
    predicates: [read, select]
    objects: {paths: ["dataos://lakehouse:coffee/sales"]}
    allow: true
---
name: uma-rows
version: v1
type: policy
policy:
  data:
    type: filter
    priority: 1
    selector: {user: {match: any, tags: ["users:id:uma"]}}
    depot: lakehouse
    collection: coffee
    dataset: sales
    filters: [{column: shop, operator: not_equals, value: Oslo}]
---
name: uma-mask
version: v1
type: policy
policy:
  data:
    type: mask
    priority: 1
    selector: {column: {names: [email]}, user: {match: any, tags: ["users:id:uma"]}}
    depot: lakehouse
    collection: coffee
    dataset: sales
    mask: {operator: hash, hash: {algo: sha256}}
"""
TABLE = "dataos://lakehouse:coffee/sales"
SHOPS = ("Oslo", "Rome", "Bern")
PAGE = "/products/coffee-sales"
SCREENS = {
    "list": "/products",
    "table": "/products?view=table",
    "recent": "/products?only=recent",
    "nothing": "/products?q=nosuchthing",
    "preview": "/products?preview=coffee-sales",
    "overview": PAGE,
    "inputs": f"{PAGE}?tab=inputs",
    "outputs": f"{PAGE}?tab=outputs",
    "explore": f"{PAGE}?tab=explore",
    "quality": f"{PAGE}?tab=quality",
    "lineage": f"{PAGE}?tab=lineage",
    "access": f"{PAGE}?tab=access",
    "files": f"{PAGE}?tab=files",
    "deprecated": "/products/coffee-ledger",
    "missing": "/products/nosuch",
    "home": "/",
}


def keep_results(server: Installation) -> None:
    """Results of checks as three runs left them: jobs that check are others' tests."""
    query = "INSERT INTO dataset_quality (address, at, job, column, name, test, value, passed) VALUES (?,?,?,?,?,?,?,?)"
    with sqlite3.connect(server.home / "store.db", timeout=30) as store:
        for run in range(3):
            at, job = (1_790_000_000 + run * 86_400) * 1_000_000, json.dumps({"run": f"run{run}"})
            for column, name, test, passed in CHECKS:
                store.execute(query, (TABLE, at, job, column, name, test, 0.0, passed[run]))


@pytest.fixture(scope="module")
def shop(server: Installation) -> Installation:
    """Two products, one of them deprecated; the table of the first is there, with lineage and results of checks."""
    server.ok(
        "user",
        "create",
        "-t",
        "person",
        "-u",
        "maria",
        "-n",
        "Maria",
        "--tags",
        "roles:id:data-dev,roles:id:system-dev",
    )
    server.ok("user", "create", "-t", "person", "-u", "uma", "-n", "Uma", "--tags", "roles:id:user")
    (server.work / "data").mkdir()
    (server.work / "data" / "sales.csv").write_text("id\n1\n")
    server.ok("apply", "-f", server.write("depot.yaml", DEPOT.format(path=server.work)))
    server.ok("apply", "-f", server.write("bundle.yaml", BUNDLE))
    rows = {
        "id": list(range(60)),
        "shop": [SHOPS[n % 3] for n in range(60)],
        "email": [f"guest{n}@example.org" for n in range(60)],
        "booked": [datetime.date(2026, 1 + n % 3, 10 + n % 9) for n in range(60)],
        "amount": [n + 0.5 for n in range(60)],
    }
    lake = lakes.catalog(server)
    lake.create_namespace("coffee")
    lake.create_table("coffee.sales", pa.table(rows).schema).append(pa.table(rows))
    ends = {
        "inputs": [{"namespace": "file", "name": f"{server.work}/data/sales.csv"}],
        "outputs": [{"namespace": "dataos://lakehouse", "name": "coffee/sales"}],
    }
    server.client().json("POST", "/api/v1/lineage", body={**LINEAGE, **ends})
    tag = {"assetFqn": f"{TABLE}#email", "tagFqn": "PII.Contact"}
    server.client().json("PUT", "/api/v1/asset-tags", body=tag)
    keep_results(server)
    server.ok("product", "apply", "-f", server.write("sales.yaml", SALES))
    server.ok("product", "apply", "-f", server.write("ledger.yaml", OLD))
    return server


@pytest.fixture(scope="module")
def uma_kept(chromium, shop) -> str:
    """The state of a browser in which Uma signed in: she has no role but to look."""
    return web.kept(chromium, shop, "uma")


@pytest.fixture
def uma(chromium, shop, uma_kept) -> Iterator[Watched]:
    context = web.context(chromium, shop, storage_state=uma_kept)
    yield Watched(context.new_page())
    context.close()


@pytest.mark.parametrize("path", SCREENS.values(), ids=SCREENS.keys())
def test_every_screen_is_open_to_all(themed, shop, path):
    settled(themed.page, path)
    assert not web.violations(themed.page)
    themed.check("404")


@pytest.mark.acceptance("ch09-AS09")
def test_products_are_found_by_search_filters_and_groups(signed_in, shop):
    page = signed_in.page
    settled(page, "/products")
    card = page.get_by_role("article", name="Coffee Sales")
    expect(card).to_be_visible()
    expect(page.get_by_role("heading", level=2, name="Shop Planning")).to_be_visible()
    expect(page.get_by_role("heading", level=2, name="Others")).to_be_visible()
    expect(page.get_by_role("article", name="Coffee Ledger").get_by_text("deprecated")).to_be_visible()
    page.get_by_role("button", name="Filter by domain").click()
    page.get_by_role("checkbox", name="Finance (1)").check()
    expect(card).to_have_count(0)
    expect(page.get_by_role("checkbox", name="Retail (1)")).to_be_visible()  # a second value stays to be chosen
    page.get_by_role("checkbox", name="Retail (1)").check()
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Filter by team").click()
    page.get_by_role("checkbox", name="Beans (1)").check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("article", name="Coffee Ledger")).to_have_count(0)
    page.reload()
    expect(card).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_role("button", name="Clear 3 filters").click()
    expect(page.get_by_role("article")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("books of")
    expect(card).to_have_count(0)
    expect(page.get_by_text("1 product matches")).to_be_visible()
    page.get_by_role("button", name="Clear search").click()
    page.get_by_role("button", name="Quick facts of Coffee Sales").click()
    facts = page.get_by_role("dialog", name="Coffee Sales")
    expect(facts.get_by_text("Full Access")).to_be_visible()
    page.keyboard.press("Escape")
    expect(facts).to_have_count(0)
    signed_in.check()


def test_a_star_is_kept_and_stands_on_home(uma, shop):
    page = uma.page
    settled(page, "/products?only=favorite")
    expect(page.get_by_role("heading", name="You have no favourites yet")).to_be_visible()
    settled(page, "/products")
    star = page.get_by_role("article", name="Coffee Sales").get_by_role("button", name="Favourite: Coffee Sales")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    settled(page, "/")
    mine = page.get_by_role("region", name="Favourite products")
    expect(mine.get_by_role("link", name="Coffee Sales")).to_be_visible()
    mine.get_by_role("button", name="Favourite: Coffee Sales").click()
    expect(mine.get_by_role("link", name="Coffee Sales")).to_have_count(0)
    uma.check()


def test_a_product_says_what_it_is_and_leads_on(signed_in, shop):
    page = signed_in.page
    settled(page, "/products/coffee-ledger")
    expect(page.get_by_text("This product is deprecated and goes on 2031-01-31").first).to_be_visible()
    page.get_by_role("link", name="Go to coffee-sales, which replaces it").click()
    expect(page.get_by_role("heading", level=1, name="Coffee Sales")).to_be_focused()
    about = page.get_by_role("region", name="About")
    expect(about.get_by_role("link", name="Field dictionary")).to_have_attribute(
        "href", "https://wiki.example.org/coffee"
    )
    expect(about.get_by_role("link", name="Bad")).to_have_count(0)  # an address that is none leads nowhere
    expect(page.get_by_role("region", name="Documentation")).to_contain_text("A cup is a row")
    expect(page.get_by_role("list", name="Quality").get_by_text("Uniqueness 0/1")).to_be_visible()
    picture = page.get_by_role("region", name="Coffee Sales and what it is made of")
    expect(picture.get_by_role("link", name="Coffee Ledger")).to_be_visible()
    picture.get_by_role("link", name="coffee/sales").click()
    expect(page).to_have_url(re.compile("tab=outputs"))
    expect(page.get_by_role("heading", level=2, name="sales")).to_be_visible()
    signed_in.check()


@pytest.mark.acceptance("ch09-AS08")
def test_a_source_aligned_product_has_the_parts_of_its_datasets_and_none_of_a_model(signed_in, shop):
    """A page as that of 11.1. Lineage, ways in and files are ours; Explore needs no model here."""
    page = signed_in.page
    settled(page, PAGE)
    parts = page.get_by_role("tablist").get_by_role("tab")
    expect(parts).to_have_text(
        ["Overview", "Inputs", "Outputs", "Explore", "Quality", "Lineage", "Access Options", "Files"]
    )
    expect(page.get_by_role("heading", level=1, name="Coffee Sales")).to_be_visible()
    picture = page.get_by_role("region", name="Coffee Sales and what it is made of")
    expect(picture.get_by_text("coffee-sales", exact=True)).to_be_visible()
    for model in ("Semantic Model", "Metrics"):
        expect(page.get_by_text(model, exact=True)).to_have_count(0)
    signed_in.check()


def test_a_dataset_is_read_tagged_and_sampled(signed_in, shop):
    page = signed_in.page
    settled(page, f"{PAGE}?tab=outputs")
    table = page.get_by_role("table", name="Columns of sales")
    expect(table.get_by_role("row", name=re.compile("email.*PII.Contact"))).to_be_visible()
    page.get_by_role("searchbox", name="Search columns").fill("am")
    expect(table.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Clear search").click()
    page.get_by_role("button", name="Change tags of email").click()
    dialog = page.get_by_role("dialog", name="Tags of email")
    dialog.get_by_label("New tag").fill("nothing like a tag")
    dialog.get_by_role("button", name="Give").click()
    expect(dialog.get_by_text("metadata.tag", exact=True)).to_be_visible()
    dialog.get_by_label("New tag").fill("PII.Email")
    dialog.get_by_role("button", name="Give").click()
    expect(dialog.get_by_text("(user:admin)")).to_have_count(2)
    assert not web.violations(page)
    dialog.get_by_role("button", name="Take PII.Email off").click()
    expect(dialog.get_by_text("(user:admin)")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show sample rows").click()
    expect(page.get_by_role("table", name="Sample rows").get_by_text("@example.org").first).to_be_visible(
        timeout=60_000
    )
    link = page.get_by_role("link", name="Open in Workbench")
    expect(link).to_have_attribute("href", re.compile(r"^/workbench\?sql=SELECT\+%22id%22"))
    signed_in.check("422", "400")


def test_one_asks_for_what_one_may_not_see(uma, shop):
    page = uma.page
    settled(page, f"{PAGE}?tab=outputs")
    hidden = page.get_by_role("heading", name="You have no access to this dataset")
    if hidden.count() == 0:
        hidden.wait_for()
    expect(page.get_by_text("coffee/sales")).to_have_count(0)  # not even its name
    expect(page.get_by_role("tab", name="Explore")).to_have_count(0)
    page.get_by_role("button", name="Ask for access").first.click()
    dialog = page.get_by_role("dialog", name="Ask for access to Coffee Sales")
    expect(dialog.get_by_role("button", name="Ask", exact=True)).to_be_disabled()
    dialog.get_by_label("What you need it for").fill("the yearly report")
    assert not web.violations(page)
    dialog.get_by_role("button", name="Ask", exact=True).click()
    expect(dialog.get_by_text("requested")).to_be_visible()
    expect(dialog.get_by_text("maria")).to_be_visible()
    assert not web.violations(page)
    uma.check()
    grants: Any = shop.client().json("GET", "/api/v1/grants?state=requested")
    assert [(g["notes"], g["requester"]) for g in grants["items"]] == [("the yearly report", "uma")]


@pytest.mark.acceptance("ch09-AS10")
def test_what_policies_hide_is_explained_and_holds_everywhere(uma, signed_in, shop):
    page = uma.page
    settled(page, f"{PAGE}?tab=outputs")
    page.get_by_role("heading", name="You have no access to this dataset").wait_for()
    shop.ok("apply", "-f", shop.write("policies.yaml", POLICIES))
    page.reload()
    page.get_by_role("button", name="Restricted Access", exact=True).click()
    drawer = page.get_by_role("dialog", name="Restricted Access")
    expect(drawer.get_by_text("You see only rows with")).to_contain_text("shop <> 'Oslo'")
    row = drawer.get_by_role("row", name=re.compile("^email"))
    expect(row).to_contain_text('hash({"algo":"sha256"})')
    assert not web.violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show sample rows").click()
    rows = page.get_by_role("table", name="Sample rows")
    expect(rows.get_by_text("Rome").first).to_be_visible(timeout=60_000)
    expect(rows.get_by_text("Oslo")).to_have_count(0)
    expect(rows.get_by_text("@example.org")).to_have_count(0)
    expect(page.get_by_role("button", name="Change tags of email")).to_have_count(0)
    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("button", name="Add group").click()
    choose(page, "Column of group 1", "shop")
    page.get_by_role("button", name="Show", exact=True).click()
    answer = page.get_by_role("table", name="Answer")
    expect(answer.get_by_role("row", name="Bern 20")).to_be_visible(timeout=60_000)
    expect(answer.get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="Download").click()
    page.get_by_role("menuitem", name="CSV").click()
    expect(page.get_by_text("auth.forbidden")).to_be_visible()  # rows are for looking at, by her role
    uma.check("403")


def test_who_reads_no_sql_explores(signed_in, shop):
    page = signed_in.page
    settled(page, f"{PAGE}?tab=explore")
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_role("heading", name="Nothing is shown yet")).to_be_visible()
    page.get_by_role("button", name="Add filter").click()
    choose(page, "Column of filter 1", "booked")
    page.get_by_role("textbox", name="Value of filter 1").fill("2026-02-30")
    expect(outcome.get_by_text("“2026-02-30” is no value for booked.")).to_be_visible()
    expect(page.get_by_role("button", name="Show", exact=True)).to_be_disabled()
    choose(page, "Condition of filter 1", "at least")
    page.get_by_role("textbox", name="Value of filter 1").fill("2026-02-01")
    page.get_by_role("button", name="Add group").click()
    choose(page, "Column of group 1", "booked")
    page.get_by_role("button", name="Add group").click()
    choose(page, "Column of group 2", "shop")
    page.get_by_role("button", name="Add measure").click()
    choose(page, "Measure 1", "Sum of")
    choose(page, "Column of measure 1", "amount")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(outcome.get_by_role("table", name="Answer").get_by_role("columnheader", name="sum of amount")).to_be_visible(
        timeout=60_000
    )
    for kind in ("Bars", "Line"):
        outcome.get_by_text(kind, exact=True).click()
        picture = outcome.get_by_role("img", name="sum of amount by booked by month and shop")
        expect(picture).to_be_visible()
    assert not web.violations(page)
    url = page.url
    choose(page, "Column of measure 1", "id")
    expect(outcome.get_by_text("of an earlier choice")).to_be_visible()
    settled(page, url)  # somebody else gets the same question
    expect(page.get_by_role("textbox", name="Value of filter 1")).to_have_value("2026-02-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(outcome.get_by_role("img")).to_be_visible(timeout=60_000)
    outcome.get_by_role("button", name="Download").click()
    with page.expect_download() as coming:
        page.get_by_role("menuitem", name="CSV").click()
    text = coming.value.path().read_text()
    assert text.splitlines()[0] == "booked by month,shop,sum of amount"
    signed_in.check()


def test_choices_of_an_address_are_never_read_as_sql(signed_in, shop):
    page = signed_in.page
    settled(
        page,
        f'{PAGE}?tab=explore&ask={{"columns":["id\\" FROM x; --"],"filters":[{{"column":"shop","is":"eq","value":"\' OR 1=1 --"}}]}}',
    )
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_text('There is no column id" FROM x; --.')).to_be_visible()
    expect(page.get_by_role("button", name="Show", exact=True)).to_be_disabled()
    settled(page, f'{PAGE}?tab=explore&ask={{"filters":[{{"column":"shop","is":"eq","value":"\' OR 1=1 --"}}]}}')
    page.get_by_role("button", name="Show", exact=True).click()
    expect(outcome.get_by_text("There are no rows, or none that you may see.")).to_be_visible(timeout=60_000)
    signed_in.check()


def test_quality_lineage_ways_in_and_files(signed_in, shop):
    page = signed_in.page
    settled(page, f"{PAGE}?tab=quality")
    expect(page.get_by_role("table", name="Checks", exact=True).get_by_text("failed")).to_be_visible()
    expect(page.get_by_role("table", name="Declared checks").get_by_text("no missing ids")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Checks passed by run"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Validity")).click()
    expect(page).to_have_url(re.compile("category=Validity"))
    expect(page.get_by_role("table", name="Checks", exact=True).get_by_text("failed")).to_have_count(0)
    page.get_by_role("tab", name="Lineage").click()
    ways = page.get_by_role("table", name="Lineage")
    expect(ways.get_by_role("row", name=re.compile(r"sales.csv.*coffee.load.*sales$"))).to_be_visible()
    page.get_by_role("button", name="Show neighbours of dataos://files:data/sales.csv").click()
    expect(page.get_by_role("button", name="Show neighbours of dataos://files:data/sales.csv")).to_have_count(0)
    page.get_by_role("tab", name="Access Options").click()
    expect(page.get_by_role("region", name="HTTP code")).to_contain_text(f"{shop.url}/api/v1/query")
    page.get_by_role("button", name="Copy Command line code").click()
    assert 'FROM "lakehouse"."coffee"."sales"' in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("tab", name="Files").click()
    expect(page.get_by_role("region", name="Manifest of coffee-sales")).to_contain_text("name: coffee-sales")
    page.get_by_text("Data contract (ODCS)").click()
    expect(page.get_by_role("region", name="Data contract of coffee-sales")).to_contain_text("apiVersion")
    expect(page.get_by_text("Generation 1 (in force)")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("heading", level=1, name="Edit coffee-sales")).to_be_visible()
    signed_in.check()


def test_a_change_is_seen_without_loading_again(signed_in, shop):
    page = signed_in.page
    settled(page, PAGE)
    expect(page.get_by_role("heading", level=1, name="Coffee Sales")).to_be_visible()
    other = page.context.new_page()
    settled(other, "/products")
    expect(other.get_by_role("article", name="Coffee Sales")).to_be_visible()
    changed = SALES.replace("Every cup that was sold", "Each cup we sold")
    shop.ok("product", "apply", "-f", shop.write("sales.yaml", changed))
    for tab in (page, other):
        expect(tab.get_by_text("Each cup we sold").first).to_be_visible(timeout=30_000)


@pytest.mark.acceptance("ch09-AS22")
def test_of_two_thousand_products_those_in_sight_are_in_the_page(signed_in, shop):
    document = {"version": "v1beta", "type": "data", "v1beta": {"data": {"resources": [], "inputs": [],
                "resource": {"refType": "dataos", "ref": "bundle:v1beta:coffee-bundle"}}}}  # fmt: skip
    documents = [
        {"document": {**document, "name": f"many-{n:04}", "tags": [f"DPUsecase.Case {n % 40:02}"]}} for n in range(2000)
    ]
    for start in range(0, 2000, 500):
        body = {"documents": documents[start : start + 500]}
        shop.client().json("POST", "/api/v1/apply-set", body=body, timeout_s=300)
    page = signed_in.page
    settled(page, "/products")
    expect(page.get_by_text("2002 products")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("button", name=re.compile("^Case 00 50"))).to_be_visible(timeout=15_000)
    shown = page.evaluate(
        """async () => {
             let most = 0;
             for (let i = 0; i < 60; i++) {
               window.scrollBy(0, 900);
               await new Promise(requestAnimationFrame);
               most = Math.max(most, document.querySelectorAll("article").length);
             }
             return most;
           }"""
    )
    assert 0 < shown < 60, "what is out of sight is not in the page"
    settled(page, "/products?group=none&q=many-1999")
    expect(page.get_by_role("article", name="many-1999")).to_be_visible()
    signed_in.check()
