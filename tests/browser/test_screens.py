"""The screens, as people use them, on a real server."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from support import browser as web

FLOW = """name: nightly
version: v1
type: workflow
workflow:
  dag:
    - name: fails
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          script: |
            raise SystemExit("no such table")
"""
SECRET = "name: {name}\nversion: v1\ntype: secret\nworkspace: public\nsecret:\n  type: key-value\n  acl: r\n  data:\n    word: hidden-word\n"
SCREENS = {
    "home": "/",
    "profile": "/profile",
    "tokens": "/profile/tokens",
    "resources": "/operations/resources",
    "resource": "/operations/resources/cluster/miniature?workspace=system",
    "yaml": "/operations/resources/cluster/miniature?workspace=system&tab=manifest",
    "runtime": "/operations/resources/cluster/miniature?workspace=system&tab=runtime",
    "events": "/operations/resources/cluster/miniature?workspace=system&tab=events",
    "apply": "/operations/apply",
    "edit": "/operations/apply?type=cluster&name=miniature&workspace=system",
    "missing": "/operations/resources/depot/nosuch",
    "nowhere": "/nosuch/page",
}


@pytest.mark.parametrize("path", SCREENS.values(), ids=SCREENS.keys())
def test_every_screen_is_open_to_all(themed, path):
    page = themed.page
    page.goto(path)
    page.get_by_role("heading").first.wait_for()
    expect(page.get_by_label("Loading")).to_have_count(0)
    if path != "/nosuch/page":
        assert page.title().endswith("DataOS")
        assert page.get_by_role("main").count() == 1
    assert not web.violations(page)
    themed.check("404", "422")  # answers that a screen shows; nothing that the page's policy refused


def test_resources_are_filtered_by_the_address(signed_in, server):
    server.ok("apply", "-f", server.write("one.yaml", SECRET.format(name="filtered-one")))
    page = signed_in.page
    page.goto("/operations/resources")
    table = page.get_by_role("table", name="Resources")
    expect(table.get_by_role("link", name="miniature")).to_be_visible()
    page.get_by_role("button", name="Filter by type").click()
    page.get_by_role("checkbox", name=re.compile(r"^secret \(")).check()
    page.keyboard.press("Escape")
    expect(table.get_by_role("link", name="miniature")).to_have_count(0)
    expect(table.get_by_role("link", name="filtered-one")).to_be_visible()
    assert "type=" in page.url
    page.reload()
    expect(table.get_by_role("link", name="filtered-one")).to_be_visible()
    expect(table.get_by_role("link", name="miniature")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("nothing-like-it")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Clear search and filters").click()
    expect(table.get_by_role("link", name="miniature")).to_be_visible()
    page.get_by_role("button", name="Name").click()
    expect(table.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", re.compile("ending"))
    signed_in.check()


def test_what_changes_is_seen_without_loading_again(signed_in, server):
    page = signed_in.page
    page.goto("/operations/resources")
    expect(page.get_by_role("link", name="miniature")).to_be_visible()
    other = page.context.new_page()  # shares the stream of the first
    other.goto("/operations/resources")
    expect(other.get_by_role("link", name="miniature")).to_be_visible()
    server.ok("apply", "-f", server.write("live.yaml", SECRET.format(name="seen-live")))
    for tab in (page, other):
        expect(tab.get_by_role("link", name="seen-live")).to_be_visible(timeout=30_000)
    server.ok("delete", "-t", "secret", "-n", "seen-live")
    for tab in (page, other):
        expect(tab.get_by_role("link", name="seen-live")).to_have_count(0, timeout=30_000)


def test_a_manifest_is_mended_by_its_lines_planned_and_applied(signed_in, server):
    page = signed_in.page
    page.goto("/operations/apply")
    editor = page.get_by_role("textbox", name="Manifest")
    editor.click()
    page.keyboard.press("Control+a")
    bad = SECRET.format(name="from-browser").replace("acl: r", "acl: everything")
    page.evaluate("text => navigator.clipboard.writeText(text)", bad)
    page.keyboard.press("Control+v")
    page.get_by_role("button", name="Plan").click()
    outcome = page.get_by_role("region", name="Outcome")
    place = outcome.get_by_role("button", name="line 7:")
    expect(place).to_be_visible()
    expect(page.locator(".cm-lintRange-error")).to_have_text("acl")
    assert not web.violations(page)
    place.click()
    expect(editor).to_be_focused()
    page.keyboard.press("End")
    for _ in "everything":
        page.keyboard.press("Backspace")
    page.keyboard.type("r")
    page.get_by_role("button", name="Plan").click()
    expect(outcome.get_by_text("create", exact=True)).to_be_visible()
    assert server.cli("get", "-t", "secret", "-n", "from-browser").out.count("from-browser") == 0
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(outcome.get_by_text("created", exact=True)).to_be_visible()
    assert not web.violations(page)
    outcome.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="from-browser")).to_be_focused()
    page.get_by_role("tab", name="YAML").click()
    manifest = page.get_by_role("region", name="Manifest of from-browser")
    expect(manifest).to_contain_text("name: from-browser")
    expect(manifest).not_to_contain_text("hidden-word")
    page.get_by_role("button", name="Copy Manifest of from-browser").click()
    assert "name: from-browser" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_text("created", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog", name="Delete from-browser?")).to_be_visible()
    assert not web.violations(page)
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/operations/resources")
    expect(page.get_by_text("from-browser is deleted").or_(page.get_by_text("being deleted"))).to_be_visible()
    signed_in.check()


def test_a_run_that_failed_says_why_and_asks_for_a_look(signed_in, server):
    server.ok("apply", "-f", server.write("flow.yaml", FLOW))
    page = signed_in.page
    page.goto("/operations/resources/workflow/nightly?workspace=public&tab=runtime")
    table = page.get_by_role("table", name="Nodes")
    expect(table.get_by_text("failed", exact=True)).to_be_visible(timeout=30_000)
    expect(table.get_by_text("fails-execute")).to_be_visible()
    page.goto("/")
    notices = page.get_by_role("region", name="Needs a look")
    expect(notices.get_by_role("link", name="nightly")).to_be_visible()
    expect(notices.get_by_text("failed", exact=True)).to_be_visible()


def test_a_key_is_shown_once_works_and_is_revoked(signed_in, server):
    page = signed_in.page
    page.goto("/profile/tokens")
    page.get_by_role("button", name="Add API key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("from-browser")
    dialog.locator("input[aria-haspopup=listbox]").click()
    page.get_by_role("option", name="7 days").click()
    dialog.get_by_role("button", name="Add", exact=True).click()
    shown = page.get_by_role("region", name="API key", exact=True)
    expect(shown).to_contain_text("dk_")
    assert not web.violations(page)
    token = shown.inner_text().strip()
    me = page.request.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["id"] == "admin"
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_text(token)).to_have_count(0)
    page.reload()
    row = page.get_by_role("row", name=re.compile("from-browser"))
    expect(
        row.get_by_text("in 6 days").or_(row.get_by_text("in 7 days")).or_(row.get_by_text("next week"))
    ).to_be_visible()
    row.get_by_role("button", name="Revoke from-browser").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name=re.compile("from-browser"))).to_have_count(0)
    assert server.cli("get", env={"DATAOS_FQDN": server.url, "USER_ID": "admin", "APIKEY": token}).code == 3
    signed_in.check()


def test_the_keyboard_is_enough(signed_in, server):
    page = signed_in.page
    page.goto("/")
    expect(page.get_by_role("heading", level=1, name="Welcome")).to_be_visible()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1, name="Profile")).to_be_focused()
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog")
    palette.get_by_label("Section or Resource").fill("minia")
    expect(palette.get_by_text("cluster in system")).to_be_visible()
    assert not web.violations(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="miniature")).to_be_focused()
    page.keyboard.press("Control+k")
    palette.get_by_label("Section or Resource").wait_for()
    page.keyboard.press("Escape")
    expect(palette).to_have_count(0)
    signed_in.check()


def test_the_theme_is_chosen_and_kept(signed_in):
    page = signed_in.page
    page.goto("/")
    page.get_by_role("button", name="Use the dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.get_by_role("button", name="Use the light theme")).to_be_visible()
    signed_in.check()
