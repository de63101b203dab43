"""The screens of governance, as people use them, on a real server with retail tables and three users."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support import browser as web
from support.browser import Watched, choose, write
from support.retail import READERS, Lake, access, filtered, lake_in, mask
from support.server import Installation

CUSTOMERS = "dataos://lakehouse:retail/customers"
ORDERS = {
    "minerva-table-read": [{"catalog": "lakehouse", "schema": "retail", "table": "orders"}],
    "ds-read": [{"depot": "lakehouse", "collection": "retail", "dataset": "orders"}],
}
POLICY = """name: {name}
version: v1
type: policy
layer: user
policy:
  data:
    type: mask
    priority: {priority}
    dataset_id: lakehouse.retail.customers
    selector:
      user: {{match: any, tags: ["roles:id:analyst"]}}
      column: {{names: [name]}}
    mask: {{operator: redact}}
"""
SCREENS = {
    "users": "/governance/users",
    "user": "/governance/users/ana",
    "user-access": "/governance/users/ana?tab=access",
    "user-keys": "/governance/users/ana?tab=keys",
    "user-changes": "/governance/users/ana?tab=changes",
    "nobody": "/governance/users/nobody",
    "roles": "/governance/roles",
    "namespaces": "/governance/roles?tab=namespaces",
    "role": "/governance/roles/analyst",
    "grants": "/governance/grants",
    "grants-in-force": "/governance/grants?tab=approved",
    "grant": "/governance/grants/GRANT",
    "request": "/governance/grants/new?useCase=read-specific-dataset",
    "use-cases": "/governance/use-cases",
    "providers": "/governance/use-cases?tab=providers",
    "use-case": "/governance/use-cases/read-specific-dataset",
    "provider": "/governance/use-cases/providers/gateway-pep-provider",
    "new": "/governance/new?kind=providers",
    "policies": "/governance/policies",
    "policy": "/governance/policies/readers",
    "policy-yaml": "/governance/policies/readers?tab=manifest",
    "mask": "/governance/policies/hide-email",
    "shipped": "/governance/policies/operators-everything",
    "explain": f"/governance/explain?user=ana&predicate=read&object={CUSTOMERS}",
    "denied": "/governance/explain?user=ana&predicate=read&object=dataos://lakehouse:other/x",
    "simulate": "/governance/simulate",
    "edit": "/governance/simulate?policy=readers",
    "coverage": "/governance/coverage",
    "viewers": f"/governance/coverage?viewers={CUSTOMERS}%23phone",
    "tags": "/governance/tags",
    "uses": "/governance/tags?tag=PII.Unknown",
    "audit": "/governance/audit",
    "audit-row": "/governance/audit?row=3",
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with lake_in(tmp_path_factory.mktemp("governance")) as made:
        made.apply(READERS)
        made.apply(mask("hide-email", "email", "hash", role="analyst", algo="sha256"))
        made.apply(filtered("emea-only", {"column": "region", "operator": "equals", "value": "EMEA"}))
        made.apply(access("no-costs", ["roles:id:**"], "dataos://lakehouse:retail/supplier_costs", allow=False))
        for tag in ("PII.Unknown", "PII.Phone"):
            made.server.ok("tag", "add", f"{CUSTOMERS}#phone", "-t", tag)
        made.rows(made.ana, "SELECT customer_id, name FROM lakehouse.retail.customers")
        yield made


@pytest.fixture(scope="module")
def server(lake: Lake) -> Installation:
    return lake.server


@pytest.fixture(scope="module")
def request_of_ana(lake: Lake) -> str:
    """A request that waits."""
    body = {"policy_use_case_id": "read-specific-dataset", "values": ORDERS, "notes": "to see delays"}
    answer = lake.op.post("/api/v1/grants", json={**body, "subjects": ["users:id:ana"]})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def kept_of_ana(chromium: Browser, server: Installation) -> str:
    """The state of a browser in which an analyst signed in."""
    return web.kept(chromium, server, "ana")


@pytest.fixture
def analyst(chromium: Browser, server: Installation, kept_of_ana: str) -> Iterator[Watched]:
    """A page on which somebody is signed in who does not govern."""
    context = web.context(chromium, server, storage_state=kept_of_ana)
    yield Watched(context.new_page())
    context.close()


def settled(page: Page) -> None:
    """The page has what it shows."""
    page.get_by_role("heading", level=1).wait_for()
    expect(page.get_by_label("Loading")).to_have_count(0)
    expect(page.get_by_text("Verifying every row…")).to_have_count(0)


@pytest.mark.parametrize("path", SCREENS.values(), ids=SCREENS.keys())
def test_every_screen_is_open_to_all(themed: Watched, request_of_ana: str, path: str):
    page = themed.page
    page.goto(path.replace("GRANT", request_of_ana))
    settled(page)
    assert page.title().endswith("DataOS")
    assert page.get_by_role("main").count() == 1
    assert not web.violations(page)
    themed.check("404")


def test_a_user_is_added_given_a_role_disabled_and_deleted(signed_in: Watched, lake: Lake):
    page = signed_in.page
    page.goto("/governance/users")
    page.get_by_role("button", name="Add user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Application", exact=True).click()
    dialog.get_by_role("textbox", name="Name").fill("Store Bot")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Store Bot")).to_be_focused()
    assert page.url.endswith("/governance/users/store-bot")
    assert page.get_by_role("button", name="Sign-in link").count() == 0  # applications have keys
    tags = page.get_by_role("region", name="Roles and tags")
    tags.get_by_role("combobox", name="Give a role or tag").fill("roles:id:nosuch")
    tags.get_by_role("button", name="Give").click()
    expect(tags.get_by_role("alert")).to_contain_text("there is no role `roles:id:nosuch`")
    assert not web.violations(page)
    tags.get_by_role("combobox", name="Give a role or tag").fill("roles:id:emea")
    tags.get_by_role("button", name="Give").click()
    row = tags.get_by_role("row", name=re.compile("roles:id:emea"))
    expect(row).to_contain_text("admin")
    assert "roles:id:emea" in lake.op.get("/api/v1/users/store-bot").json()["tags"]
    tags.get_by_role("button", name="Take roles:id:emea away").click()
    expect(row).to_have_count(0)
    page.get_by_label("Property").fill("region")
    page.get_by_label("Value").fill("EMEA")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_role("row", name="region EMEA")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    assert lake.op.get("/api/v1/users/store-bot").json()["state"] == "disabled"
    page.get_by_role("tab", name="Changes").click()
    expect(page.get_by_text("disabled", exact=True).last).to_be_visible()
    expect(page.get_by_text("tags: roles:id:emea").first).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/governance/users")
    expect(page.get_by_role("link", name="ana", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Store Bot")).to_have_count(0)
    signed_in.check("422", "400", "404")


def test_a_sign_in_link_is_shown_once_and_works_once(signed_in: Watched, lake: Lake, chromium: Browser):
    lake.op.post("/api/v1/users", json={"id": "cora", "name": "Cora", "type": "person"})
    page = signed_in.page
    page.goto("/governance/users/cora")
    page.get_by_role("button", name="Sign-in link").click()
    page.get_by_role("button", name="Make the link").click()
    shown = page.get_by_role("region", name="Sign-in link", exact=True)
    expect(shown).to_contain_text("/login")
    assert not web.violations(page)
    link = shown.inner_text().strip()
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_text(link)).to_have_count(0)
    context = web.context(chromium, lake.server)
    web.sign_up(context.new_page(), link)
    page.get_by_role("tab", name="Keys and sessions").click()
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Nobody is signed in as this user.")).to_be_visible()
    context.close()
    signed_in.check()


def test_users_are_found_by_the_address(signed_in: Watched):
    page = signed_in.page
    page.goto("/governance/users")
    page.get_by_role("button", name="Filter by role").click()
    page.get_by_role("checkbox", name=re.compile(r"^emea \(")).check()
    page.keyboard.press("Escape")
    table = page.get_by_role("table", name="Users")
    expect(table.get_by_role("link", name="ben")).to_be_visible()
    expect(table.get_by_role("link", name="ana")).to_have_count(0)
    page.reload()
    expect(table.get_by_role("link", name="ben")).to_be_visible()
    expect(table.get_by_role("link", name="ana")).to_have_count(0)


def test_a_grant_is_asked_for_approved_with_a_reason_and_an_end_and_ended(
    signed_in: Watched, analyst: Watched, lake: Lake
):
    page = analyst.page
    page.goto("/governance/grants")
    expect(page.get_by_role("tab", name=re.compile("Yours"))).to_have_attribute("aria-selected", "true")
    page.get_by_role("link", name="Request a grant").click()
    page.get_by_role("combobox", name="Use case").fill("read-specific-dataset")
    form = page.get_by_role("region", name="Request")
    for atom, pairs in ORDERS.items():
        for name, value in pairs[0].items():
            page.get_by_role("button", name="Add a value").click()
            form.get_by_label("Atom").last.fill(atom)
            form.get_by_label("Variable").last.fill(name)
            form.get_by_label("Value").last.fill(value)
    page.get_by_label("Why").fill("to compare delays")
    assert not web.violations(page)
    page.get_by_role("button", name="File the request").click()
    expect(page.get_by_role("heading", level=1, name="read-specific-dataset")).to_be_visible()
    id_ = page.url.rpartition("/")[2]
    page.get_by_role("button", name="Approve").click()
    decide = page.get_by_role("region", name="Decide")
    expect(decide.get_by_role("alert")).to_contain_text("may not approve grants")  # it is the server that says so
    analyst.check("403")

    boss = signed_in.page
    boss.goto("/governance/grants")
    row = boss.get_by_role("row", name=re.compile("to compare delays"))
    row.get_by_role("link").click()
    expect(boss.get_by_text("table: orders")).to_be_visible()
    boss.get_by_label("Reason").fill("for this quarter")
    choose(boss, "Ends after", "7 days")
    boss.get_by_role("button", name="Approve").click()
    expect(boss.get_by_text("approved", exact=True).first).to_be_visible()
    kept = lake.op.get(f"/api/v1/grants/{id_}").json()
    assert (kept["state"], kept["reason"], kept["decision"]) == ("approved", "for this quarter", "admin")
    assert kept["expires"] is not None

    page.reload()
    expect(page.get_by_text("for this quarter")).to_be_visible()
    boss.get_by_role("button", name="End").click()
    boss.get_by_role("dialog").get_by_role("button", name="End").click()
    boss.wait_for_url("**/governance/grants?tab=approved")
    assert lake.op.get(f"/api/v1/grants/{id_}").status_code == 404
    signed_in.check("404")


def test_the_lines_of_a_request_follow_from_the_use_case(signed_in: Watched):
    page = signed_in.page
    page.goto("/governance/grants/new?useCase=read-specific-dataset")
    form = page.get_by_role("region", name="Request")
    expect(form.get_by_label("Variable").first).to_have_value(re.compile("catalog|depot"))
    expect(form.get_by_label("Variable")).to_have_count(6)
    page.get_by_role("button", name="File the request").click()
    expect(page.get_by_role("alert")).to_contain_text("has no value")
    signed_in.check("400", "422")


def test_policies_say_what_they_do_and_to_whom(signed_in: Watched):
    page = signed_in.page
    page.goto("/governance/policies")
    table = page.get_by_role("table", name="Policies")
    row = table.get_by_role("row", name=re.compile("^no-costs"))
    expect(row).to_contain_text("deny")
    expect(row).to_contain_text("in force")
    page.get_by_role("button", name="Filter by effect").click()
    page.get_by_role("checkbox", name=re.compile("^filter")).check()
    page.keyboard.press("Escape")
    expect(table.get_by_role("link", name="no-costs")).to_have_count(0)
    table.get_by_role("link", name="emea-only").click()
    expect(
        page.get_by_text("sees only rows of dataos://lakehouse:retail/customers where region = 'EMEA'")
    ).to_be_visible()
    users = page.get_by_role("region", name="Users it concerns now")
    expect(users.get_by_role("link", name="ana")).to_be_visible()
    expect(users.get_by_role("link", name="admin")).to_have_count(0)
    page.get_by_role("region", name="Datasets it speaks of").get_by_role("link", name=CUSTOMERS).click()
    expect(page.get_by_role("heading", level=1, name="Explain")).to_be_visible()
    expect(page.get_by_text(f"ana may read {CUSTOMERS}")).to_be_visible()
    signed_in.check()


def test_explain_names_what_decides_and_what_is_seen(signed_in: Watched):
    page = signed_in.page
    page.goto("/governance/explain")
    page.get_by_role("combobox", name="User").fill("ana")
    page.get_by_label("Address, path or tag").fill(CUSTOMERS)
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text(f"ana may read {CUSTOMERS}")).to_be_visible()
    assert "user=ana" in page.url
    expect(page.get_by_text("Only rows where region = 'EMEA'")).to_be_visible()
    columns = page.get_by_role("table", name="Columns")
    email = columns.get_by_role("row", name=re.compile("^email"))
    expect(email).to_contain_text("masked")
    expect(email).to_contain_text("sha256(email)")
    expect(columns.get_by_role("row", name=re.compile("^age"))).to_contain_text("raw")
    page.get_by_label("Address, path or tag").fill("dataos://lakehouse:retail/supplier_costs")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("alert")).to_contain_text("ana may not read")
    expect(page.get_by_role("alert").get_by_role("link", name="no-costs")).to_be_visible()
    page.go_back()
    expect(page.get_by_text(f"ana may read {CUSTOMERS}")).to_be_visible()
    signed_in.check()


def test_a_policy_is_simulated_mended_and_applied(signed_in: Watched, lake: Lake):
    page = signed_in.page
    page.goto("/governance/simulate")
    write(page, "Policies", POLICY.format(name="from-browser", priority=400))
    page.get_by_role("button", name="Simulate").click()
    outcome = page.get_by_role("region", name="Outcome")
    expect(outcome.get_by_role("button", name="line 8:15")).to_be_visible()
    assert not web.violations(page)
    write(page, "Policies", POLICY.format(name="from-browser", priority=30))
    page.get_by_role("button", name="Simulate").click()
    loses = outcome.get_by_role("region", name="Would lose")
    row = loses.get_by_role("row", name=re.compile("column name"))
    expect(row).to_contain_text("ana")
    expect(row).to_contain_text("'REDACTED'")
    assert not web.violations(page)
    assert lake.op.get("/api/v1/resources/policy/from-browser").status_code == 404
    page.get_by_role("button", name="Apply").click()
    expect(outcome.get_by_text("created", exact=True)).to_be_visible()
    assert lake.rows(lake.ana, "SELECT DISTINCT name FROM lakehouse.retail.customers WHERE name IS NOT NULL") == [
        ["REDACTED"]
    ]
    page.goto("/governance/policies/from-browser")
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("textbox", name="Policies")).to_contain_text("name: from-browser")
    page.go_back()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/governance/policies")
    expect(page.get_by_role("link", name="readers")).to_be_visible()
    expect(page.get_by_role("link", name="from-browser")).to_have_count(0)
    signed_in.check("422", "404")  # news of the deletion may come before the page is left


def test_coverage_shows_what_is_in_clear_and_for_whom(signed_in: Watched):
    page = signed_in.page
    page.goto("/governance/coverage")
    row = page.get_by_role("row", name=re.compile("phone"))
    expect(row).to_contain_text("ana, ben")
    row.get_by_role("link", name="Who sees it").click()
    viewers = page.get_by_role("dialog").get_by_role("table", name="Viewers")
    expect(viewers.get_by_role("row", name=re.compile("^ana"))).to_contain_text("raw")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Dataset").fill("dataos://lakehouse:retail/orders")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("heading", name="No column has a tag")).to_be_visible()
    signed_in.check()


def test_a_role_is_made_given_and_removed_though_somebody_has_it(signed_in: Watched, lake: Lake):
    page = signed_in.page
    page.goto("/governance/roles")
    page.get_by_role("button", name="Add role").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Night Shift")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", level=1, name="Night Shift")).to_be_visible()
    users = page.get_by_role("region", name="Users")
    users.get_by_role("combobox", name="Give it to").click()
    page.get_by_role("option", name="ben (ben)").click()
    users.get_by_role("button", name="Give").click()
    expect(users.get_by_role("link", name="ben")).to_be_visible()
    assert "roles:id:night-shift" in lake.op.get("/api/v1/users/ben").json()["tags"]
    page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog.get_by_text("is in use: ben")).to_be_visible()
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Remove").click()
    page.wait_for_url("**/governance/roles")
    expect(page.get_by_role("link", name="analyst")).to_be_visible()
    expect(page.get_by_role("link", name="Night Shift")).to_have_count(0)
    lake.tag("ben", "roles:id:night-shift", remove=True)
    signed_in.check("409")


def test_a_provider_and_a_use_case_are_written_as_yaml(signed_in: Watched):
    page = signed_in.page
    page.goto("/governance/new?kind=providers")
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url("**/governance/use-cases?tab=providers")
    expect(page.get_by_role("link", name="stores-app")).to_be_visible()
    page.goto("/governance/new?kind=use-cases")
    write(page, "YAML", "id: stores-read\nname: Read stores\nauthorization_atoms: [nosuch]\n")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("atom not found with id nosuch")
    expect(page.get_by_role("alert")).to_contain_text("line 3")
    write(page, "YAML", "id: stores-read\nname: Read stores\nauthorization_atoms: [stores-ui]\n")
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url("**/governance/use-cases")
    page.get_by_role("searchbox", name="Search").fill("stores-read")
    page.get_by_role("link", name="stores-read").click()
    expect(page.get_by_role("row", name=re.compile("stores-ui"))).to_contain_text("${path}")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.wait_for_url("**/governance/use-cases")
    signed_in.check("400", "422")


def test_a_tag_is_given_with_a_warning_and_taken_off(signed_in: Watched, lake: Lake):
    page = signed_in.page
    page.goto("/governance/tags")
    page.get_by_role("button", name="Give a tag").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Dataset or column").fill(f"{CUSTOMERS}#plaet")
    dialog.get_by_role("combobox", name="Tag").fill("PII.Plate")
    dialog.get_by_role("button", name="Give").click()
    expect(dialog.get_by_text("did you mean `plate`?")).to_be_visible()
    assert not web.violations(page)
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("link", name="PII.Plate").click()
    drawer = page.get_by_role("dialog", name="PII.Plate")
    expect(drawer.get_by_role("row", name=re.compile("plaet"))).to_contain_text("user admin")
    drawer.get_by_role("button", name=f"Take PII.Plate off {CUSTOMERS}#plaet").click()
    expect(drawer.get_by_text("Nothing has this tag.")).to_be_visible()
    signed_in.check()


def test_the_audit_is_sought_through_verified_and_exported(signed_in: Watched, lake: Lake):
    page = signed_in.page
    page.goto("/governance/audit")
    expect(page.get_by_text("The chain holds")).to_be_visible()
    page.get_by_role("combobox", name="Actor").fill("ana")
    page.get_by_label("Action").fill("query")
    page.get_by_role("button", name="Look").click()
    page.wait_for_url("**actor=ana**")
    table = page.get_by_role("table", name="Audit")
    row = table.get_by_role("row", name=re.compile("lakehouse.retail.customers")).last
    expect(row).to_contain_text("allowed")
    assert table.get_by_text("admin", exact=True).count() == 0
    row.get_by_role("link").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("region", name=re.compile("^Data of row"))).to_contain_text("tables")
    seq = int(re.search(r"row=(\d+)", page.url)[1])
    page.keyboard.press("Escape")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Export as JSON lines").click()
    rows: list[dict[str, Any]] = [json.loads(line) for line in saved.value.path().read_text().splitlines()]
    assert {(r["actor"], r["action"]) for r in rows} == {("ana", "query")}

    store = sqlite3.connect(lake.server.home / "store.db", timeout=10)
    (before,) = store.execute("SELECT object FROM audit WHERE seq = ?", (seq,)).fetchone()
    store.execute("UPDATE audit SET object = 'nothing' WHERE seq = ?", (seq,))
    store.commit()
    page.get_by_role("button", name="Verify again").click()
    expect(page.get_by_role("alert")).to_contain_text(f"row {seq} is not as it was written")
    assert not web.violations(page)
    store.execute("UPDATE audit SET object = ? WHERE seq = ?", (before, seq))
    store.commit()
    store.close()
    page.get_by_role("button", name="Verify again").click()
    expect(page.get_by_text("The chain holds")).to_be_visible()
    signed_in.check()


def test_who_does_not_govern_is_told_so_by_the_server(analyst: Watched):
    page = analyst.page
    for path, said in (
        ("policies", "may not read policies"),
        ("use-cases", "may not read use-cases"),
        ("coverage", "may not look at the coverage"),
        ("tags", "may not list tags"),
    ):
        page.goto(f"/governance/{path}")
        expect(page.get_by_role("alert").first).to_contain_text(said)
        assert not web.violations(page)
    page.goto("/governance/audit")
    expect(page.get_by_text("You see rows of ana.")).to_be_visible()
    expect(page.get_by_role("table", name="Audit").get_by_role("row").nth(1)).to_contain_text("ana")
    page.goto("/governance/users/ben?tab=keys")
    expect(page.get_by_role("alert").first).to_contain_text("may not see the API keys of user ben")
    page.goto(f"/governance/explain?object={CUSTOMERS}")
    expect(page.get_by_text(f"ana may read {CUSTOMERS}")).to_be_visible()
    analyst.check("403")
