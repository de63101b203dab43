"""Operations beside Resources: Workflows with their runs and logs, statements, events, health. On a real server."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from support import browser as web
from support.browser import settled
from support.server import Installation, wait_until
from support.workflows import job, workflow

FAILS = """
import os
print("attempt begins")
for number in range(400):
    print("line", number, "of the load")
raise SystemExit("no such table: orders")
"""
SLOW = """
import time
for number in range(600):
    print("tick", number, flush=True)
    time.sleep(0.2)
"""
NIGHTLY = workflow(
    "nightly-load",
    job("extract"),
    job("load", FAILS, "extract", extra="      retry: {count: 1, strategy: OnFailure}"),
    job("report", "print('done')", "load"),
    schedule="cron: '0 2 * * *', timezone: Europe/Lisbon",
)
ONCE = workflow("once", job("hello", "print('hello there')"))
SLOWLY = workflow("slowly", job("ticks", SLOW), schedule="cron: '0 3 * * *'")
LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 50000)) AS a(x), UNNEST(sequence(1, 50000)) AS b(y), "
    "UNNEST(sequence(1, 100)) AS c(z) WHERE x + y + z = -1"
)
FLOW = "/operations/workflows/public/nightly-load"
SCREENS = (
    "workflows",
    "workflow",
    "job",
    "queries",
    "statement",
    "analysis",
    "events",
    "event",
    "health",
    "no such workflow",
    "no such run",
    "no such statement",
)


@pytest.fixture(scope="module")
def paths(server: Installation) -> dict[str, str]:
    """Addresses of the screens, with something on each."""
    for name, text in (("nightly-load", NIGHTLY), ("once", ONCE), ("slowly", SLOWLY)):
        server.ok("apply", "-f", server.write(f"{name}.yaml", text))
    client = server.client()
    verb = "/api/v1/workspaces/public/resources/workflow/nightly-load/runtime/run"
    run = client.json("POST", verb, body={})["runs"][0]
    where = f"/api/v1/workspaces/public/resources/workflow/nightly-load/runs/{run}"
    wait_until(lambda: client.json("GET", where)["run"]["state"] == "failed", 60, "the failed run")
    statement = client.json("POST", "/api/v1/query", body={"sql": "SELECT 1 AS one"})["query_id"]
    wait_until(lambda: client.json("GET", f"/api/v1/queries/{statement}")["state"] == "finished", 10, "the statement")
    event = client.json("GET", "/api/v1/events")["items"][-1]["seq"]
    return {
        "workflows": "/operations/workflows",
        "workflow": FLOW,
        "job": f"{FLOW}?run={run}&job=load",
        "queries": "/operations/queries",
        "statement": f"/operations/queries/{statement}",
        "analysis": "/operations/queries/analysis",
        "events": "/operations/events",
        "event": f"/operations/events?event={event}",
        "health": "/operations/health",
        "no such workflow": "/operations/workflows/public/nosuch",
        "no such run": f"{FLOW}?run=nosuch",
        "no such statement": "/operations/queries/nosuch",
    }


@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_is_open_to_all(themed, paths, screen):
    page = themed.page
    page.goto(paths[screen])
    settled(page)
    assert page.title().endswith("DataOS")
    if screen.startswith("no such"):
        expect(page.get_by_role("alert").filter(has_text="nosuch")).to_be_visible()
    assert not web.violations(page)
    themed.check("404")


def test_one_row_of_navigation_leads_through_operations(signed_in, paths):
    page = signed_in.page
    page.goto("/operations")
    page.wait_for_url("**/operations/resources")
    pages = page.get_by_role("navigation", name="Operations")
    for name in ("Workflows", "Queries", "Events", "Health", "Resources"):
        pages.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_focused()
        expect(pages.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("link", name="Operations", exact=True)).to_have_attribute("aria-current", "page")
    signed_in.check()


def test_workflows_are_found_by_how_their_last_run_ended(signed_in, paths):
    page = signed_in.page
    page.goto("/operations/workflows")
    table = page.get_by_role("table", name="Workflows")
    row = table.get_by_role("row").filter(has_text="nightly-load")
    expect(row.get_by_text("scheduled")).to_be_visible()
    expect(row.get_by_text("failed")).to_be_visible()
    expect(row.get_by_text("0 2 * * * Europe/Lisbon")).to_be_visible()
    expect(table.get_by_text("never ran")).to_be_visible()
    page.get_by_role("button", name="Filter by last run").click()
    page.get_by_role("checkbox", name=re.compile(r"^failed \(")).check()
    page.keyboard.press("Escape")
    expect(table.get_by_role("link", name="once")).to_have_count(0)
    page.reload()
    expect(table.get_by_role("link", name="nightly-load")).to_be_visible()
    expect(table.get_by_role("link", name="once")).to_have_count(0)
    signed_in.check()


def test_a_failed_run_leads_to_the_line_that_says_why(signed_in, paths):
    page = signed_in.page
    page.goto("/operations/workflows")
    page.get_by_role("link", name="nightly-load").click()
    graph = page.get_by_role("region", name="Jobs and what they wait for")
    expect(graph.get_by_label("load, failed")).to_be_visible()
    expect(graph.get_by_label("report, skipped")).to_be_visible()
    expect(page.get_by_role("region", name="Run", exact=True)).to_contain_text("job load failed")
    graph.get_by_label("load, failed").focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Job load")
    expect(drawer.get_by_role("heading", name="2 attempts")).to_be_visible()
    log = drawer.get_by_role("region", name="Log of load-execute")
    expect(log).to_contain_text("no such table: orders")
    assert "job=load" in page.url
    drawer.get_by_label("Search the log").fill("LINE 17")
    expect(drawer.get_by_text("1 of 11 lines")).to_be_visible()
    expect(log.locator("mark").first).to_have_text("line 17")
    drawer.get_by_role("button", name="Next line found").click()
    expect(drawer.get_by_text("2 of 11 lines")).to_be_visible()
    expect(log).to_contain_text("line 170 of the load")
    assert not web.violations(page)
    drawer.get_by_role("button", name="Copy the log").click()
    assert "line 399 of the load" in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        drawer.get_by_role("button", name="Download").click()
    text = download.value.path().read_text()
    assert "attempt begins" in text
    assert "line 399 of the load" in text
    drawer.get_by_text("1: failed").click()
    assert "attempt=" in page.url
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert "job=" not in page.url
    signed_in.check()


def test_a_run_is_followed_stopped_and_run_again(signed_in, paths):
    page = signed_in.page
    page.goto("/operations/workflows/public/slowly")
    page.get_by_role("button", name="Run now").click()
    table = page.get_by_role("table", name="Jobs of the run")
    expect(table.get_by_text("running")).to_be_visible(timeout=20_000)
    table.get_by_role("link", name="ticks").click()
    log = page.get_by_role("region", name="Log of ticks-execute")
    expect(log).to_contain_text("tick 2", timeout=15_000)
    expect(log).to_contain_text(re.compile(r"tick (9|1\d)"), timeout=15_000)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog", name="Stop slowly?")
    assert not web.violations(page)
    dialog.get_by_role("button", name="Stop").click()
    expect(dialog).to_have_count(0)
    runs = page.get_by_role("table", name="Runs")
    expect(runs.get_by_text("aborted")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused by admin")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    refusal = page.get_by_role("alert").filter(has_text="run.conflict")
    expect(refusal).to_contain_text("it is paused")
    expect(refusal).to_contain_text("resume it first")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Paused by admin")).to_have_count(0)
    expect(refusal).to_have_count(0)
    signed_in.check("409")


def test_what_succeeded_is_not_run_again_as_failed(signed_in, paths):
    page = signed_in.page
    page.goto("/operations/workflows/public/once")
    runs = page.get_by_role("table", name="Runs")
    expect(runs.get_by_text("succeeded")).to_be_visible(timeout=20_000)
    first = page.get_by_role("region", name="Run", exact=True).locator("code").inner_text()
    page.get_by_role("button", name="Re-run").click()
    page.get_by_role("menuitem", name="What did not succeed").click()
    expect(page.get_by_role("alert").filter(has_text="run.conflict")).to_contain_text("succeeded")
    page.get_by_role("button", name="Re-run").click()
    page.get_by_role("menuitem", name="All jobs").click()
    expect(runs.get_by_text("succeeded")).to_have_count(2, timeout=20_000)
    runs.get_by_role("link", name=first).click()
    assert f"run={first}" in page.url
    expect(page.get_by_role("heading", name="An earlier run")).to_be_visible()
    page.get_by_role("link", name="Show the newest run").click()
    expect(page.get_by_role("heading", name="Newest run")).to_be_visible()
    signed_in.check("409")


def test_a_statement_is_found_explained_and_stopped(signed_in, server, paths):
    made = server.client().json("POST", "/api/v1/queries", body={"sql": LONG})["id"]
    page = signed_in.page
    page.goto("/operations/queries?state=%5B%22running%22%2C%22queued%22%5D")
    table = page.get_by_role("table", name="Statements")
    table.get_by_role("link", name=re.compile("^SELECT count")).click()
    page.wait_for_url(f"**/operations/queries/{made}")
    expect(page.get_by_role("region", name="Plan by which it ran")).to_contain_text("Output[columnNames")
    page.get_by_role("button", name="Explain now").click()
    expect(page.get_by_role("region", name="Plan of now")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    region = page.get_by_role("region", name="What became of it")
    expect(region.get_by_text("cancelled", exact=True)).to_be_visible(timeout=15_000)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert not web.violations(page)
    page.goto("/operations/queries")
    page.get_by_label("Search statements").fill("as one")
    expect(table.get_by_role("link", name="SELECT 1 AS one")).to_be_visible()
    expect(table.get_by_role("link", name=re.compile("^SELECT count"))).to_have_count(0)
    signed_in.check()


def test_clusters_are_compared(signed_in, paths):
    page = signed_in.page
    page.goto("/operations/queries")
    page.get_by_role("link", name="Cluster analysis").click()
    row = page.get_by_role("table", name="Clusters").get_by_role("row").filter(has_text="miniature")
    expect(row).to_contain_text("100 %")
    page.get_by_text("30 days").click()
    assert "days=30" in page.url
    expect(page.get_by_role("img", name=re.compile("^Statements by day"))).to_be_visible()
    row.get_by_role("link", name="miniature").click()
    expect(page.get_by_role("button", name="Filter by cluster: miniature")).to_be_visible()
    signed_in.check()


def test_events_come_by_themselves_and_tell_their_details(signed_in, server, paths):
    page = signed_in.page
    page.goto("/operations/events?type=%5B%22secret%22%5D")
    settled(page)
    secret = "name: seen\nversion: v1\ntype: secret\nworkspace: public\nsecret:\n  type: key-value\n  acl: r\n  data: {word: hidden-word}\n"
    server.ok("apply", "-f", server.write("seen.yaml", secret))
    table = page.get_by_role("table", name="Events")
    row = table.get_by_role("row").filter(has_text="seen").filter(has_text="created").last
    expect(row).to_be_visible(timeout=30_000)
    row.get_by_role("link", name="created").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("secret:v1:seen:public")
    assert not web.violations(page)
    drawer.get_by_role("link", name="seen").click()
    expect(page.get_by_role("heading", level=1, name="seen")).to_be_visible()
    signed_in.check()


def test_health_says_what_works_and_how_much_room_is_left(signed_in, paths):
    page = signed_in.page
    page.goto("/operations/health")
    expect(page.get_by_text("All parts work.")).to_be_visible()
    parts = page.get_by_role("table", name="Parts and servers")
    for name in ("store", "reconciler", "cluster miniature"):
        expect(parts.get_by_role("cell", name=name, exact=True)).to_be_visible()
    expect(parts.get_by_text(re.compile("running http"))).to_be_visible()  # an operator is told more
    findings = page.get_by_role("region", name="Findings")
    expect(findings).to_contain_text(re.compile(r"in \d+ checks"))
    expect(findings).to_contain_text("the master key is the store's")
    expect(page.get_by_text("Logs of runs")).to_be_visible()
    expect(page.get_by_text("Disk of the home")).to_be_visible()
    page.get_by_role("button", name="Examine again").click()
    expect(findings.get_by_text("just now")).to_be_visible()
    signed_in.check()


def test_who_is_no_operator_sees_what_he_may(chromium, server, paths):
    context = web.context(chromium, server)
    page = context.new_page()
    web.sign_up(page, web.link_for(server, "ida"))
    page.goto("/operations/health")
    expect(page.get_by_text("All parts work.")).to_be_visible()
    expect(page.get_by_text("running http")).to_have_count(0)
    expect(page.get_by_role("alert").filter(has_text="auth.forbidden").first).to_be_visible()
    page.goto("/operations/queries")
    expect(page.get_by_role("heading", name="Nothing was asked yet")).to_be_visible()
    page.get_by_text("Of all users").click()
    expect(page.get_by_role("alert")).to_contain_text("auth.forbidden")
    page.goto("/operations/events")
    settled(page)
    expect(page.get_by_role("table", name="Events").get_by_role("link", name="nightly-load").first).to_be_visible()
    context.close()
