"""The Workbench: statements, what they return, what policies do to that, and what is kept of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from support import browser as web
from support.browser import Watched
from support.retail import access, mask
from support.server import Installation

TABLE = (
    "CREATE TABLE lakehouse.retail.customers AS SELECT * FROM (VALUES (1, 'Ann', 'ann@x.org', 27.5), "
    "(2, 'Bob', 'bob@x.org', 4.0), (3, NULL, 'cyd@x.org', 77.25)) AS t(customer_id, name, email, spent)"
)
CUSTOMERS = "SELECT * FROM lakehouse.retail.customers ORDER BY customer_id"
MILLION = "SELECT x AS n, 'row ' || CAST(x AS varchar) AS t FROM UNNEST(sequence(1, 1000000)) AS s(x) ORDER BY x"
SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 50000)) AS a(x), UNNEST(sequence(1, 50000)) AS b(y), "
    "UNNEST(sequence(1, 100)) AS c(z) WHERE x + y + z = -1"
)
SCREENS = {
    "empty": "/workbench",
    "history": "/workbench?panel=history",
    "benches": "/workbench?panel=benches",
}
VIEWS = ("Rows", "Chart", "Pivot", "Policies", "Plan", "Details")


def as_admin(server: Installation) -> httpx.Client:
    token = (server.home / "keys" / "admin.token").read_text().strip()
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


@pytest.fixture(scope="module", autouse=True)
def retail(server) -> None:
    """A table, readers of it, and a mask for them."""
    server.ok("query", "CREATE SCHEMA lakehouse.retail")
    server.ok("query", TABLE)
    with as_admin(server) as admin:
        for document in (
            access("readers", [["roles:id:data-dev"]], "dataos://lakehouse:retail/*"),
            mask("hide-email", "email", "redact", role="data-dev"),
        ):
            answer = admin.post("/api/v1/apply", json={"document": document})
            assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def idas(chromium, server) -> str:
    """The state of a browser in which Ida signed in, as a file."""
    return web.kept(chromium, server, "ida")


@pytest.fixture
def ida(chromium, server, idas) -> Iterator[Watched]:
    """A page on which Ida is signed in: she reads customers, with masks."""
    context = web.context(chromium, server, storage_state=idas)
    yield Watched(context.new_page())
    context.close()


def opened(watched: Watched, sql: str = "") -> Page:
    """The Workbench with a text."""
    page = watched.page
    page.goto("/workbench")
    if sql:
        write(page, sql)
    return page


def write(page: Page, sql: str) -> Locator:
    editor = page.get_by_role("textbox", name="SQL")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Backspace")  # a text put over another gets inline styles by Chromium, which the page refuses
    page.keyboard.insert_text(sql)
    page.keyboard.press("Escape")
    return editor


def run(page: Page, sql: str, state: str = "finished") -> None:
    """Run all statements of a text; the last ends so."""
    write(page, sql)
    page.keyboard.press("Control+Alt+Enter")
    expect(bars(page).last).to_contain_text(state, timeout=30_000)


def bars(page: Page) -> Locator:
    return page.get_by_role("region", name="Results").locator("ul").first.get_by_role("button")


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Rows")


@pytest.mark.parametrize("path", SCREENS.values(), ids=SCREENS.keys())
def test_every_screen_is_open_to_all(themed, path):
    page = themed.page
    page.goto(path)
    page.get_by_role("heading", level=1, name="Workbench").wait_for()
    expect(page.get_by_role("treeitem", name="lakehouse")).to_be_visible()
    expect(page.get_by_label("Loading")).to_have_count(0)
    assert page.title().endswith("DataOS")
    assert not web.violations(page)
    themed.check()


def test_every_view_of_a_result_is_open_to_all(themed):
    page = opened(themed)
    run(page, CUSTOMERS)
    grid(page).get_by_role("gridcell").first.click()
    for view in VIEWS:
        page.get_by_role("tab", name=view).click()
        expect(page.get_by_role("tabpanel", name=view)).to_be_visible()
        expect(page.get_by_label("Loading")).to_have_count(0)
        assert not web.violations(page), view
    write(page, "SELECT nothing FROM nowhere")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert not web.violations(page)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("dialog").wait_for()
    assert not web.violations(page)
    themed.check("404", "400", "422")


def test_a_statement_at_the_cursor_runs_and_its_values_are_read_and_copied(signed_in):
    page = opened(signed_in, f"SELECT 1 AS one;\n{CUSTOMERS};")
    page.keyboard.press("Control+Enter")
    expect(grid(page).get_by_role("columnheader").nth(1)).to_contain_text("name")
    expect(grid(page).get_by_role("columnheader").nth(3)).to_contain_text("decimal")
    cells = grid(page).get_by_role("gridcell")
    expect(cells.nth(9)).to_have_text("NULL")
    expect(bars(page)).to_have_count(1)
    expect(bars(page).first).to_contain_text("3 rows · 4 columns")
    cells.first.click()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.get_by_role("region", name="Value")).to_have_text("bob@x.org")
    page.keyboard.press("Control+c")
    expect(page.get_by_text("The value is copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "bob@x.org"
    signed_in.check()


def test_faults_stand_at_their_lines_and_end_what_comes_after(signed_in):
    page = opened(signed_in)
    run(page, "SELECT 1;\nSELECT customer_id,\n  nmae FROM lakehouse.retail.customers;\nSELECT 3", "skipped")
    expect(bars(page)).to_have_count(3)
    expect(bars(page).nth(0)).to_contain_text("finished")
    expect(bars(page).nth(1)).to_contain_text("failed")
    place = page.get_by_role("alert").get_by_role("button", name=re.compile(r"^line 3"))
    place.click()
    expect(page.get_by_role("textbox", name="SQL")).to_be_focused()
    expect(page.locator(".cm-lintRange-error")).to_have_text("nmae")
    bars(page).nth(0).click()
    expect(grid(page).get_by_role("gridcell")).to_have_text(["1"])
    signed_in.check("400", "404", "422")


def test_whole_numbers_keep_all_their_digits(signed_in):
    page = opened(signed_in)
    run(page, "SELECT 9007199254740993 AS key")
    expect(grid(page).get_by_role("gridcell")).to_have_text(["9007199254740993"])
    signed_in.check()


def test_a_million_rows_are_looked_at_from_end_to_end(signed_in):
    page = opened(signed_in)
    run(page, MILLION)
    expect(bars(page).first).to_contain_text("1,000,000 rows")
    expect(grid(page).get_by_role("gridcell").first).to_have_text("1")
    assert grid(page).get_by_role("row").count() < 80
    grid(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+ArrowRight")
    expect(page.get_by_role("region", name="Value")).to_have_text("row 500000")
    page.locator("input[aria-label='Rows that are shown']").click()
    page.get_by_role("option", name="500,001 to 1,000,000").click()
    grid(page).focus()
    page.keyboard.press("ArrowDown")  # to the first cell
    page.keyboard.press("Control+End")
    expect(page.get_by_role("region", name="Value")).to_have_text("row 1000000")
    signed_in.check()


def test_a_statement_is_stopped(signed_in):
    page = opened(signed_in, f"{SLOW};\nSELECT 2")
    page.keyboard.press("Control+Alt+Enter")
    expect(bars(page).first).to_contain_text("running")
    page.get_by_role("link", name="Home").first.click()  # it goes on while another page is looked at
    page.get_by_role("heading", level=1, name="Welcome").wait_for()
    page.get_by_role("link", name="Workbench").first.click()
    expect(bars(page).first).to_contain_text("running")
    page.get_by_role("button", name="Cancel").click()
    expect(bars(page).first).to_contain_text("cancelled", timeout=15_000)
    expect(bars(page).last).to_contain_text("skipped")
    signed_in.check("409", "400", "499")


def test_names_come_from_the_catalog(signed_in):
    page = opened(signed_in)
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name="lakehouse").click()
    tree.get_by_role("treeitem", name="retail").click()
    tree.get_by_role("treeitem", name="customers").click()
    expect(tree.get_by_role("treeitem", name="email, varchar")).to_be_visible()
    page.get_by_role("searchbox", name="Search what is open").fill("spe")
    expect(tree.get_by_role("treeitem", name=re.compile("^spent"))).to_be_visible()
    expect(tree.get_by_role("treeitem", name="email, varchar")).to_have_count(0)
    assert "find=spe" in page.url
    page.get_by_role("searchbox", name="Search what is open").fill("")
    editor = write(page, "SELECT  FROM ")
    page.get_by_role("treeitem", name="customers").hover()
    page.get_by_role("button", name="Insert customers").click()
    expect(editor).to_contain_text("SELECT FROM lakehouse.retail.customers", use_inner_text=True)
    tree.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")  # from `gateway` to `lakehouse`
    page.keyboard.press("ArrowLeft")
    expect(tree.get_by_role("treeitem", name="retail")).to_have_count(0)
    write(page, "SELECT * FROM lakehouse.retail.")
    page.keyboard.type("cus")
    page.get_by_role("option", name="customers").click()
    page.keyboard.type(" c WHERE c.")
    expect(page.get_by_role("option", name=re.compile("^email"))).to_be_visible()
    signed_in.check()


def test_a_table_that_was_just_made_is_in_the_catalog(signed_in):
    page = opened(signed_in)
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name="lakehouse").click()
    tree.get_by_role("treeitem", name="retail").click()
    expect(tree.get_by_role("treeitem", name="customers")).to_be_visible()
    run(page, "CREATE TABLE lakehouse.retail.fresh AS SELECT 1 AS id")
    expect(bars(page).first).to_contain_text("CREATE TABLE: 1 row")
    expect(tree.get_by_role("treeitem", name="fresh")).to_be_visible()
    run(page, "DROP TABLE lakehouse.retail.fresh")
    expect(tree.get_by_role("treeitem", name="fresh")).to_have_count(0)
    signed_in.check()


def test_a_session_goes_on_in_its_tab(signed_in):
    page = opened(signed_in)
    run(page, "USE lakehouse.retail")
    expect(page.get_by_text("lakehouse.retail", exact=True)).to_be_visible()
    run(page, "SELECT count(*) AS n FROM customers")
    expect(grid(page).get_by_role("gridcell")).to_have_text(["3"])
    page.get_by_role("button", name="Forget the session").click()
    run(page, "SELECT count(*) AS n FROM customers", "failed")
    signed_in.check("400", "404", "422")


def test_policies_are_told_before_and_after(ida):
    page = opened(ida)
    write(page, CUSTOMERS)
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_role("region", name="Results")).to_contain_text("explained")
    page.get_by_role("tab", name="Policies").click()
    table = page.get_by_role("table", name="Policies")
    expect(table.get_by_role("row", name=re.compile("hide-email"))).to_contain_text("values are masked")
    page.get_by_role("tab", name="Plan").click()
    expect(page.get_by_role("region", name="Plan")).to_contain_text("customers")
    run(page, CUSTOMERS)
    expect(bars(page).first).to_contain_text("policies applied")
    page.get_by_role("tab", name="Policies").click()
    expect(table.get_by_role("row", name=re.compile("hide-email"))).to_contain_text("email")
    page.get_by_role("tab", name="Rows").click()
    expect(grid(page)).not_to_contain_text("ann@x.org")
    ida.check()


@pytest.mark.acceptance("ch06-AS19")
def test_an_answer_is_taken_along_by_whom_policies_let(signed_in, ida, tmp_path):
    page = opened(signed_in)
    run(page, CUSTOMERS)
    for label, start in (("CSV", b"customer_id,name"), ("Excel", b"PK"), ("Parquet", b"PAR1")):
        page.get_by_role("button", name="Download").click()
        with page.expect_download() as got:
            page.get_by_role("menuitem", name=label, exact=True).click()
        file = tmp_path / got.value.suggested_filename
        got.value.save_as(file)
        assert file.read_bytes().startswith(start)
    signed_in.check()
    page = opened(ida)
    run(page, CUSTOMERS)
    page.get_by_role("button", name="Download").click()
    page.get_by_role("menuitem", name="CSV").click()
    expect(page.get_by_text("download-workbench-file").first).to_be_visible()
    ida.check("403")


def test_a_result_is_drawn(signed_in):
    page = opened(signed_in)
    run(page, CUSTOMERS)
    page.get_by_role("tab", name="Chart").click()
    expect(page.get_by_role("img", name="customer_id by name")).to_be_visible()
    page.get_by_role("tabpanel", name="Chart").get_by_text("Lines").click()
    assert "view=chart" in page.url
    run(page, "SELECT 'a' AS t")
    expect(page.get_by_text("There is nothing to draw")).to_be_visible()
    signed_in.check()


@pytest.mark.acceptance("ch06-AS19")
def test_rows_are_grouped_with_totals(signed_in):
    page = opened(signed_in)
    run(
        page,
        "SELECT * FROM (VALUES ('Oslo', 2026, 2.5), ('Oslo', 2027, 4.0), ('Rome', 2026, 1.0)) AS t(city, year, amount)",
    )
    page.get_by_role("tab", name="Pivot").click()
    panel = page.get_by_role("tabpanel", name="Pivot")
    expect(panel.get_by_role("row", name="Oslo")).to_have_text(re.compile("Oslo *2"))
    for field, option in (("Across", "year"), ("Aggregate", "Sum"), ("Of", "amount")):
        panel.get_by_label(field, exact=True).first.click()
        page.get_by_role("option", name=option, exact=True).click()
    expect(panel.get_by_role("columnheader")).to_have_text(["city", "2026", "2027", "Total"])
    expect(panel.get_by_role("row", name="Oslo").get_by_role("cell")).to_have_text(["2.5", "4", "6.5"])
    expect(panel.get_by_role("row", name="Total").last.get_by_role("cell")).to_have_text(["3.5", "4", "7.5"])
    signed_in.check()


@pytest.mark.acceptance("ch06-AS19")
def test_two_results_are_compared(signed_in):
    page = opened(signed_in)
    run(page, "SELECT 'old' AS t; SELECT 'new' AS t")
    for sql in ("SELECT 'old' AS t", "SELECT 'new' AS t"):
        page.get_by_role("checkbox", name=f"Compare {sql}").check()
    expect(grid(page)).to_have_count(2)
    expect(grid(page).first.get_by_role("gridcell")).to_have_text(["old"])
    expect(grid(page).last.get_by_role("gridcell")).to_have_text(["new"])
    assert not web.violations(page)
    signed_in.check()


def test_texts_are_laid_out_and_outlive_a_reload(signed_in):
    page = opened(signed_in)
    editor = write(page, "select a,b from t where a=1")
    page.get_by_role("button", name="Format").click()
    expect(editor.locator(".cm-line").first).to_have_text("SELECT")
    page.keyboard.press("Control+z")
    expect(editor).to_contain_text("select a,b")
    page.get_by_role("button", name="New text").click()
    write(page, "SELECT 'second'")
    page.wait_for_timeout(500)  # what is typed is kept a moment later
    page.reload()
    texts = page.get_by_role("navigation", name="Open texts")
    expect(editor).to_contain_text("SELECT 'second'")
    texts.get_by_role("button", name=re.compile("^Query 1")).click()
    expect(editor).to_contain_text("select a,b")
    texts.get_by_role("button", name="Close Query 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Close text").click()
    expect(editor).to_contain_text("SELECT 'second'")
    signed_in.check()


def test_a_link_opens_a_statement_and_runs_nothing(signed_in):
    page = signed_in.page
    page.goto("/workbench?sql=SELECT%20%27linked%27")
    expect(page.get_by_role("textbox", name="SQL")).to_contain_text("SELECT 'linked'")
    expect(page.get_by_text("Nothing has run yet")).to_be_visible()
    assert "sql=" not in page.url
    signed_in.check()


@pytest.mark.acceptance("ch06-AS19")
def test_the_history_opens_again_what_ran(signed_in, server):
    server.ok("query", "SELECT 'from the command line'")
    page = opened(signed_in)
    run(page, "SELECT 'from here'")
    page.get_by_role("button", name="History").click()
    drawer = page.get_by_role("dialog", name="History")
    expect(drawer.get_by_role("article", name="SELECT 'from here'").first).to_contain_text("finished")
    expect(drawer.get_by_role("article", name=re.compile("SHOW"))).to_have_count(0)
    drawer.get_by_label("Search statements").fill("command line")
    entry = drawer.get_by_role("article", name="SELECT 'from the command line'")
    entry.first.get_by_role("button", name="Open").click()
    expect(page.get_by_role("textbox", name="SQL")).to_contain_text("from the command line")
    signed_in.check()


def keep(page: Page, name: str, sharing: str, tag: str = "") -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label(sharing).check()
    if tag:
        dialog.get_by_label("Tags of users").fill(tag)
        page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(f"{name} is saved").last).to_be_visible()
    expect(dialog).to_have_count(0)


@pytest.mark.acceptance("ch06-AS19")
def test_benches_are_kept_shared_and_deleted(signed_in, ida, server):
    page = opened(signed_in, "SELECT 'for all' AS t")
    keep(page, "For all", "Everybody who is signed in")
    page.get_by_role("button", name="New text").click()
    write(page, "SELECT 'mine' AS t")
    keep(page, "Mine", "Only you")
    other = ida.page
    other.goto("/workbench?panel=benches")
    drawer = other.get_by_role("dialog", name="Saved benches")
    expect(drawer.get_by_role("article", name="For all")).to_contain_text("by admin · read by everybody")
    expect(drawer.get_by_role("article", name="Mine")).to_have_count(0)
    expect(drawer.get_by_role("button", name="Delete For all")).to_have_count(0)
    drawer.get_by_role("button", name="Open").click()
    expect(other.get_by_role("textbox", name="SQL")).to_contain_text("for all")
    keep(other, "For all", "Only you")  # of her own: a bench of another is not written
    with as_admin(server) as admin:
        items: list[dict[str, Any]] = admin.get("/api/v1/benches").json()["items"]
        by_name = {item["name"]: item for item in items}
    assert {name: by_name[name]["version"] for name in ("For all", "Mine")} == {"For all": 1, "Mine": 1}
    other.goto(f"/workbench?bench={by_name['Mine']['id']}")
    expect(other.get_by_text("bench.not_found")).to_be_visible()
    ida.check("404")
    page.goto(f"/workbench?bench={by_name['Mine']['id']}")
    expect(page.get_by_role("textbox", name="SQL")).to_contain_text("mine")
    write(page, "SELECT 'changed' AS t")
    keep(page, "Mine", "Users who have one of these tags", "roles:id:analyst")
    page.get_by_role("button", name="Saved benches").click()
    mine = page.get_by_role("article", name="Mine")
    expect(mine).to_contain_text("changed")
    mine.get_by_role("button", name="Delete Mine").click()
    page.get_by_role("dialog", name="Delete Mine?").get_by_role("button", name="Delete", exact=True).click()
    expect(mine).to_have_count(0)
    signed_in.check()


def test_what_is_asked_aside_is_named_so(signed_in, server):
    opened(signed_in).get_by_role("treeitem", name="lakehouse").wait_for()
    with as_admin(server) as admin:
        items = json.loads(admin.get("/api/v1/queries").text)["items"]
    assert {item["source"] for item in items if item["sql"].startswith("SHOW CATALOGS")} == {"Workbench, aside"}
