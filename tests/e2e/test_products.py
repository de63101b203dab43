"""Data products on a real server, driven by the CLI and by HTTP: ch09 scenarios 1 to 4, 6, 7, 9, 10, 16, 17, 20, 22."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from support import lakes
from support.server import Installation, installation, wait_until

ORDERS = """\
name: store-orders
version: v1beta
entity: product
type: data
tags: [DPDomain.Sales, DPUsecase.Order Tracking, DPTier.Source Aligned]
description: Orders as booked in the shop system.
refs: [{title: Field dictionary, href: "https://wiki.example.org/store-orders"}]
v1beta:
  data:
    meta: {title: Store Orders, sourceCodeUrl: "https://git.example.org/retail/store-orders"}
    collaborators: [{name: maria, description: owner}, {name: jon, description: developer}]
    resource: {refType: dataos, ref: "bundle:v1beta:store-orders-bundle"}
    inputs: [{refType: depot, ref: "dataos://lakehouse:raw/orders"}]
    outputs:
      - refType: dataos
        ref: dataset:lakehouse:retail:orders
        checks: [{name: no missing ids, check: "missing_count(id) = 0", category: Completeness}]
    slos:
      - {name: fresh, category: availability, target: 99, window: 30d}
      - {name: whole, category: Completeness, target: 99, window: 30d, dataset: "dataset:lakehouse:retail:orders"}
"""
BASKETS = """\
name: basket-insights
version: v1beta
type: data
tags: [DPDomain.Sales, DPDomain.Marketing, DPUsecase.Cross Selling, DPTier.Consumer Aligned, Team.Red, Team.Blue]
description: Which products are bought together.
v1beta:
  data:
    resource: {refType: dataos, ref: "bundle:v1beta:store-orders-bundle"}
    inputs: [{refType: dataos, ref: "dataset:lakehouse:retail:orders"}]
    outputs: [{refType: depot, ref: "dataos://lakehouse:retail/baskets"}]
"""
BUNDLE = """\
name: store-orders-bundle
version: v1beta
type: bundle
bundle:
  resources:
    - id: s
      workspace: public
      spec: {name: orders-key, version: v1, type: secret, secret: {type: key-value, acl: r, data: {k: v}}}
"""
OLD = """\
name: customer-master
version: v1alpha
entity: product
type: data
tags: [data-product, Readiness.Ready to use, Type.Internal Data Product, Tier.Gold, Domain.Customer Service]
description: One row per customer.
purpose: Stable customer keys for all teams.
collaborators: [jon]
refs: [{title: Dashboard, href: "https://bi.example.org/d/7"}]
v1alpha:
  data:
    domain: customer-service
    useCases: [customer segmentation]
    resources:
      - {refType: dataos, type: secret, version: v1, name: orders-key, workspace: public}
    inputs: [{purpose: source, refType: dataos, ref: "dataos://lakehouse:raw/orders"}]
    outputs: [{purpose: consumption, refType: dataos_address, ref: "dataos://lakehouse:retail/customer_master"}]
"""
DRAFT = """\
name: store-footfall
version: v1beta
entity: product
type: data
tags: [DPDomain.Stores, DPUsecase.Staff Planning]
description: Visitors per store and hour.
"""


class People:
    """Users with clients of their own."""

    def __init__(self, server: Installation) -> None:
        self.server = server
        self.env: dict[str, dict[str, str]] = {}

    def add(self, name: str, *roles: str) -> None:
        tags = ",".join(f"roles:id:{r}" for r in roles)
        self.server.ok("user", "create", "-u", name, "-n", name.title(), *(("--tags", tags) if tags else ()))
        key = self.server.ok("user", "apikey", "create", "-i", name, "-O", "json").json["token"]
        self.env[name] = {"DATAOS_FQDN": self.server.url, "USER_ID": name, "APIKEY": key}

    def call(self, name: str, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.env[name]['APIKEY']}"}
        return httpx.request(method, self.server.url + path, headers=headers, timeout=30, **more)

    def get(self, name: str, path: str) -> Any:
        found = self.call(name, "GET", path)
        assert found.status_code == 200, found.text
        return found.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("products")) as made:
        yield made


@pytest.fixture(scope="module")
def people(server: Installation) -> People:
    found = People(server)
    found.add("maria", "data-dev", "system-dev")
    found.add("jon", "data-dev")
    found.add("uma", "user")
    return found


def write(server: Installation, text: str) -> str:
    return server.write(f"{yaml.safe_load(text)['name']}.yaml", text)


def apply(server: Installation, text: str, *flags: str, **more: Any) -> Any:
    return server.cli("product", "apply", "-f", write(server, text), *flags, **more)


def said(done: Any) -> str:
    return str(done.out + done.err)


def status(server: Installation, name: str) -> str:
    rows = server.ok("product", "get", "-a", "-O", "json").json
    return next((str(r["status"]) for r in rows if r["name"] == name), "absent")


def card(people: People, name: str, user: str = "uma", query: str = "") -> Any:
    items = people.get(user, f"/api/v1/products?limit=1000{query}")["items"]
    return next((i for i in items if i["name"] == name), None)


PAGE = "/api/v1/products/data/v1beta/store-orders"


@pytest.mark.acceptance("ch09-AS03")
@pytest.mark.acceptance("ch09-AS02")
def test_a_product_waits_for_what_it_points_at_and_turns_active_by_itself(server: Installation, people: People) -> None:
    strict = apply(server, ORDERS, "--strict")
    assert strict.code == 1
    assert status(server, "store-orders") == "absent"
    done = apply(server, ORDERS, env=people.env["maria"])
    assert done.code == 0, said(done)
    assert "applying data:v1beta:store-orders...created" in said(done)
    assert "product apply...complete" in said(done)
    for missing in (
        "bundle:v1beta:store-orders-bundle",
        "dataos://lakehouse:raw/orders",
        "dataos://lakehouse:retail/orders",
    ):
        assert missing in said(done), said(done)
    assert "store-orders.yaml:" in said(done), "a warning has its line"
    assert status(server, "store-orders") == "pending"
    assert card(people, "store-orders")["stage"] == "build", "it is in the Hub at once"
    server.ok("apply", "-f", write(server, BUNDLE))
    lakes.make_table(server, "raw.orders", 1, 2)
    lakes.make_table(server, "retail.orders", 1, 2, 3)
    wait_until(lambda: status(server, "store-orders") == "active", timeout=40, what="it turns active untouched")
    found = card(people, "store-orders")
    assert (found["stage"], found["useCases"], found["title"]) == ("active", ["Order Tracking"], "Store Orders")
    shown = server.ok("product", "get", "-a").out
    (row,) = [line for line in shown.splitlines() if "store-orders" in line]
    assert [c.strip() for c in row.replace("│", "|").split("|") if c.strip()] == [
        "data", "v1beta", "store-orders", "active", "maria",
    ]  # fmt: skip


@pytest.mark.acceptance("ch09-AS04")
def test_a_change_makes_a_generation_and_no_change_none(server: Installation, people: People) -> None:
    again = apply(server, ORDERS, env=people.env["maria"])
    assert "store-orders...nothing to do" in said(again)
    changed = apply(server, ORDERS.replace("as booked", "as written"), env=people.env["maria"])
    assert "store-orders...updated" in said(changed)
    versions = people.get("uma", f"{PAGE}/versions")["items"]
    assert [v["generation"] for v in versions] == [2, 1]
    assert [c["path"] for c in versions[0]["changes"]] == ["description"]
    assert card(people, "store-orders")["description"] == "Orders as written in the shop system."
    server.ok("rollback", "-i", "data:v1beta:store-orders")
    wait_until(
        lambda: card(people, "store-orders")["description"].startswith("Orders as booked"), what="the Hub goes back"
    )


def test_page_shows_people_references_and_tabs(server: Installation, people: People) -> None:
    page = people.get("uma", f"{PAGE}/page")
    assert page["people"] == [
        {"id": "maria", "name": "Maria", "role": "owner"},
        {"id": "jon", "name": "Jon", "role": "developer"},
    ]
    assert page["ownerName"] == "Maria"
    assert page["links"] == [{"title": "Field dictionary", "href": "https://wiki.example.org/store-orders"}]
    assert page["tabs"] == ["Overview", "Inputs", "Outputs", "Quality"]
    bundle = next(r for r in page["refs"] if r["side"] == "bundle")
    assert (bundle["ref"], bundle["health"], bundle["status"]) == ("bundle:v1beta:store-orders-bundle", "ok", "active")
    assert [i["name"] for i in people.get("uma", "/api/v1/me/recent")["items"]] == ["store-orders"]
    people.call("uma", "PUT", "/api/v1/me/favorites/products/store-orders")
    assert [i["name"] for i in people.get("uma", "/api/v1/products?favorite=true")["items"]] == ["store-orders"]
    assert people.get("jon", "/api/v1/products?favorite=true")["items"] == []
    people.call("uma", "DELETE", "/api/v1/me/favorites/products/store-orders")
    assert people.get("uma", "/api/v1/products?favorite=true")["items"] == []
    shown = server.ok("product", "status", "store-orders").out
    assert "bundle:v1beta:store-orders-bundle" in shown
    quality = server.client().json("GET", f"{PAGE}/quality")
    assert quality["declared"][0]["category"] == "Completeness"


@pytest.mark.acceptance("ch09-AS17")
def test_roles_and_collaborators(server: Installation, people: People) -> None:
    assert people.get("uma", f"{PAGE}/page")["title"] == "Store Orders"
    refused = apply(server, BASKETS, env=people.env["uma"])
    assert refused.code == 4
    assert "`manage-products`" in said(refused)
    refused = apply(server, BASKETS, env=people.env["jon"])
    assert refused.code == 4
    mine = apply(server, ORDERS.replace("as booked", "as typed"), env=people.env["jon"])
    assert mine.code == 0, said(mine)
    assert server.ok("product", "get", "-n", "store-orders", "-O", "json").json[0]["owner"] == "maria"
    stolen = apply(server, ORDERS.replace("type: data\n", "type: data\nowner: jon\n"), env=people.env["jon"])
    assert stolen.code == 4
    assert apply(server, ORDERS, env=people.env["jon"]).code == 0


@pytest.mark.acceptance("ch09-AS10")
def test_access_label_and_drawer(server: Installation, people: People) -> None:
    outputs = people.get("uma", f"{PAGE}/datasets?side=output")["items"]
    assert (outputs[0]["access"], outputs[0]["name"], outputs[0]["address"]) == (
        "No Access",
        "restricted dataset",
        None,
    )
    assert outputs[0]["columns"] == []
    refs = people.get("uma", f"{PAGE}/page")["refs"]
    assert {r["ref"] for r in refs if r["side"] in ("input", "output")} == {"restricted dataset"}
    assert "retail" not in str(people.get("uma", f"{PAGE}/graph"))
    levels = people.get("uma", f"{PAGE}/health")
    assert "retail" not in str(levels)
    assert [slo["dataset"] for slo in levels["slos"]] == [None, "restricted dataset"]
    policies = """\
name: uma-reads
version: v1
type: policy
policy:
  access:
    subjects: {tags: ["users:id:uma"]}
    predicates: [read, select]
    objects: {paths: ["dataos://lakehouse:retail/orders"]}
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
    collection: retail
    dataset: orders
    filters: [{column: id, operator: not_equals, value: 3}]
---
name: uma-mask
version: v1
type: policy
policy:
  data:
    type: mask
    priority: 1
    selector: {column: {names: [name]}, user: {match: any, tags: ["users:id:uma"]}}
    depot: lakehouse
    collection: retail
    dataset: orders
    mask: {operator: hash, hash: {algo: sha256}}
"""
    server.ok("apply", "-f", server.write("policies.yaml", policies))
    found = wait_until(
        lambda: (d := people.get("uma", f"{PAGE}/datasets?side=output")["items"][0])["access"] != "No Access" and d,
        what="the policies are in force",
    )
    assert (found["access"], found["address"]) == ("Restricted Access", "dataos://lakehouse:retail/orders")
    assert found["rows"] is None, "no statistics of what is restricted"
    drawer = people.get("uma", f"{PAGE}/access?ref=dataos://lakehouse:retail/orders")
    assert [f["filter"] for f in drawer["filters"]] == ["id <> 3"]
    masked = {c["column"]: c["masking"] for c in drawer["columns"] if c["shown"] == "masked"}
    assert masked == {"name": 'hash({"algo":"sha256"})'} or "name" not in [c["column"] for c in drawer["columns"]]
    op = server.client().json("GET", f"{PAGE}/access?ref=dataos://lakehouse:retail/orders")
    assert op["label"] == "Full Access"
    assert people.call("uma", "GET", f"{PAGE}/access?ref=dataos://lakehouse:other/x").status_code == 404


def test_rows_are_those_of_the_table_whoever_wrote_them(server: Installation) -> None:
    def rows() -> int | None:
        (output,) = server.client().json("GET", f"{PAGE}/datasets?side=output")["items"]
        assert output["rowsWritten"] is None, "no job of ours wrote it"
        return output["rows"]

    assert rows() == 3
    table = lakes.catalog(server).load_table("retail.orders")
    table.append(lakes.rows(4, 5))
    assert rows() == 5
    table.delete("id > 3")
    assert rows() == 3


def test_asking_for_access_reaches_the_owner(people: People) -> None:
    body = {"reason": "monthly report", "datasets": ["dataos://lakehouse:raw/orders"]}
    asked = people.call("uma", "POST", f"{PAGE}/access-requests", json=body).json()
    assert asked["told"] == ["jon", "maria"]
    (notice,) = people.get("maria", "/api/v1/me/inbox?unread=true")["items"]
    assert notice["kind"] == "product.access"
    assert "monthly report" in notice["text"]
    assert people.call("maria", "POST", "/api/v1/me/inbox/read", json={}).json() == {"read": 1}
    assert people.get("maria", "/api/v1/me/inbox?unread=true")["items"] == []
    grants = people.server.client().json("GET", "/api/v1/grants")["items"]
    (mine,) = [g for g in grants if g["id"] == asked["id"]]
    assert (mine["state"], mine["policy_use_case_id"]) == ("requested", "read-specific-dataset")
    people.server.client().json("POST", f"/api/v1/grants/{asked['id']}/approve")
    wait_until(lambda: people.get("uma", f"{PAGE}/datasets?side=input")["items"][0]["access"] == "Full Access")


@pytest.mark.acceptance("ch09-AS09")
def test_filters_groups_and_facets(server: Installation, people: People) -> None:
    assert apply(server, BASKETS).code == 0

    def names(query: str) -> list[str]:
        return [i["name"] for i in people.get("uma", f"/api/v1/products?{query}")["items"]]

    assert names("domain=Sales&tier=Source Aligned") == ["store-orders"]
    assert names("domain=Sales") == ["basket-insights", "store-orders"]
    assert names("domain=Marketing&domain=Sales") == ["basket-insights", "store-orders"], "values are alternatives"
    assert names("tag=Team.Red&tag=Team.Blue") == ["basket-insights"], "all values of a custom group"
    assert names("tag=Team.Red&tag=Team.Green") == []
    assert names("owner=maria") == ["store-orders"]
    assert names("q=cross") == ["basket-insights"]
    assert names("q=Maria") == ["store-orders"], "people are found by their names"
    assert names("sort=-title") == ["store-orders", "basket-insights"]
    for path in ("", "/facets"):
        at_its_other_address = people.get("uma", f"/POROS/api/v1/Products{path}")
        assert at_its_other_address == people.get("uma", f"/api/v1/products{path}")
    facets = {
        f["id"]: {v["value"]: v["count"] for v in f["values"]}
        for f in people.get("uma", "/api/v1/products/facets")["items"]
    }
    assert facets["domain"] == {"Marketing": 1, "Sales": 2}
    assert facets["tag.Team"] == {"Blue": 1, "Red": 1}
    page = people.get("uma", "/api/v1/products?limit=1")
    assert (page["total"], page["next"]) == (2, "basket-insights")
    assert [i["name"] for i in people.get("uma", "/api/v1/products?limit=1&after=basket-insights")["items"]] == [
        "store-orders"
    ]
    assert people.call("uma", "GET", "/api/v1/products?sort=colour").status_code == 400


@pytest.mark.acceptance("ch09-AS07")
def test_a_draft_is_seen_by_those_who_work_on_it(server: Installation, people: People) -> None:
    done = apply(server, DRAFT, env=people.env["maria"])
    assert done.code == 0, said(done)
    assert status(server, "store-footfall") == "pending"
    assert card(people, "store-footfall", "maria")["stage"] == "design"
    assert card(people, "store-footfall", "uma") is None
    assert people.call("uma", "GET", "/api/v1/products/data/v1beta/store-footfall/page").status_code == 404
    assert people.get("maria", "/api/v1/products/data/v1beta/store-footfall/page")["tabs"] == ["Overview"]
    spec = "v1beta: {data: {resource: {refType: dataos, ref: 'bundle:v1beta:store-orders-bundle'}, inputs: []}}\n"
    assert apply(server, DRAFT + spec, env=people.env["maria"]).code == 0
    wait_until(lambda: (c := card(people, "store-footfall")) and c["stage"] == "active", what="it is promoted")


@pytest.mark.acceptance("ch09-AS20")
def test_the_old_form_is_shown_and_converted(server: Installation, people: People) -> None:
    assert apply(server, OLD, env=people.env["maria"]).code == 0
    found = card(people, "customer-master")
    assert found["domains"] == ["Customer Service", "customer-service"]
    assert (found["tiers"], found["useCases"], found["owner"]) == (["Gold"], ["customer segmentation"], "maria")
    assert found["tags"] == ["Readiness.Ready to use", "Type.Internal Data Product"]
    text = server.ok("product", "get", "-n", "customer-master", "--as", "v1beta").out
    document = yaml.safe_load(text)
    assert document["version"] == "v1beta"
    before = people.get("maria", "/api/v1/products/data/v1alpha/customer-master/page")
    assert server.cli("product", "apply", "-f", server.write("converted.yaml", text)).code == 0
    after = people.get("maria", "/api/v1/products/data/v1beta/customer-master/page")
    same = ("title", "description", "purpose", "domains", "useCases", "tiers", "tags", "owner", "people", "links")
    assert {k: before[k] for k in same} == {k: after[k] for k in same}
    assert [r["ref"] for r in before["refs"]] == [r["ref"] for r in after["refs"]]


@pytest.mark.acceptance("ch09-AS16")
@pytest.mark.acceptance("ch09-AS01")
def test_bad_files_say_where_and_what_and_variants_pass_lint(server: Installation) -> None:
    bad = {
        "name": (ORDERS.replace("name: store-orders", "name: store_orders", 1), "store_orders"),
        "ref": (ORDERS.replace("dataset:lakehouse:retail:orders", "dataset:lakehouse:orders"), "dataset:<depot>"),
        "key": (ORDERS.replace("    outputs:", "    output:"), "output"),
        "version": (ORDERS.replace("version: v1beta", "version: v1alpha", 1), "v1beta"),
    }
    for name, (text, word) in bad.items():
        file = server.write(f"bad-{name}.yaml", text.replace("store-orders", "never-stored"))
        for flags in (("-l",), ()):
            refused = server.cli("product", "apply", "-f", file, *flags)
            assert refused.code == 1, (name, said(refused))
            assert word in said(refused)
            assert f"bad-{name}.yaml:" in said(refused)
    assert status(server, "never-stored") == "absent"
    people = ORDERS.replace("{name: maria, description: owner}", "{name: <owner>}, {name: ''}").replace(
        "entity: product\n", ""
    )
    for text in (
        OLD,
        DRAFT,
        people,
        BASKETS.replace("    inputs", "    ports: {lens: {ref: 'lens:v1alpha:m:public'}}\n    inputs"),
    ):
        linted = apply(server, text, "-l")
        assert linted.code == 0, said(linted)
        assert "product apply...lint" in said(linted)
    resource = server.cli("product", "apply", "-f", write(server, BUNDLE))
    assert resource.code == 1
    assert "dataos resource apply" in said(resource)


def test_circles_claims_and_plans_are_told(server: Installation) -> None:
    twin = BASKETS.replace("name: basket-insights", "name: basket-twin").replace("retail:orders", "retail:other")
    done = apply(server, twin, "-l")
    assert done.code == 0
    done = apply(server, twin)
    assert "is an output of basket-insights too" in said(done)
    circle = ORDERS.replace("dataos://lakehouse:raw/orders", "dataos://lakehouse:retail/baskets")
    planned = server.ok("product", "plan", "-f", write(server, circle))
    assert "~ store-orders" in planned.out or "~" in planned.out
    assert "store-orders <- basket-insights <- store-orders" in said(planned)
    server.ok("product", "delete", "-n", "basket-twin")
    assert card_of(server, "basket-twin") is None


def card_of(server: Installation, name: str) -> Any:
    items = server.client().json("GET", "/api/v1/products?limit=1000")["items"]
    return next((i for i in items if i["name"] == name), None)


@pytest.mark.acceptance("ch09-AS06")
def test_a_product_with_dependants_stays_until_it_is_forced(server: Installation, people: People) -> None:
    answer = server.ok("query", "SELECT count(*) AS n FROM lakehouse.retail.orders", env=people.env["uma"], timeout=120)
    assert answer.out
    wait_until(lambda: people.get("maria", f"{PAGE}/usage")["users"] == 1, what="the query is in the history")
    assert people.get("maria", f"{PAGE}/usage")["byUser"] == [{"user": "uma", "queries": 1}]
    assert people.get("uma", f"{PAGE}/usage")["byUser"] == [], "who asks is not for everybody"
    levels = people.get("uma", f"{PAGE}/health")
    assert levels["availability"] == {"percent": 100.0, "queries": 1}
    assert levels["latency"]["p50_s"] > 0
    slo = levels["slos"][0]
    assert (slo["actual"], slo["ok"]) == (100.0, True)
    refused = server.cli("product", "delete", "-i", "data:v1beta:store-orders")
    assert refused.code == 1
    assert "basket-insights" in said(refused)
    assert "user `uma`" in said(refused)
    told = server.ok("product", "deprecate", "store-orders", "--replaced-by", "data:v1beta:basket-insights",
                     "--retire-on", "2031-01-31")  # fmt: skip
    assert "uma" in told.out
    (notice,) = wait_until(lambda: people.get("uma", "/api/v1/me/inbox")["items"], what="the consumer hears of it")
    assert "deprecated and goes on 2031-01-31: use data:v1beta:basket-insights" in notice["text"]
    found = card(people, "store-orders")
    assert (found["stage"], found["banner"]["retireOn"]) == ("deprecated", "2031-01-31")
    assert people.get("uma", "/api/v1/products")["items"][-1]["name"] == "store-orders", "it sorts last"
    done = server.ok("product", "delete", "-i", "data:v1beta:store-orders", "--force", "--cascade")
    assert "deleting data:v1beta:store-orders..." in said(done)
    assert "removes bundle:v1beta:store-orders-bundle" in said(done)
    assert card(people, "store-orders") is None
    assert card(people, "store-orders", query="&deleted=true")["stage"] == "retired"
    rows = lambda: server.client().resources(type="bundle")  # noqa: E731 - polled
    wait_until(lambda: not any(r["name"] == "store-orders-bundle" for r in rows()), what="the Bundle goes")


def test_a_promise_is_not_broken_without_a_major_version(server: Installation) -> None:
    lakes.make_table(server, "promise.t", 1)
    text = BASKETS.replace("basket-insights", "promised").replace(
        "dataos://lakehouse:retail/baskets", "dataos://lakehouse:promise/t"
    )
    text += "    contract: {version: 1.0.0}\n"
    assert apply(server, text).code == 0
    time.sleep(1)
    gone = text.replace('    outputs: [{refType: depot, ref: "dataos://lakehouse:promise/t"}]\n', "")
    refused = apply(server, gone)
    assert refused.code == 1
    assert "output dataos://lakehouse:promise/t is gone" in said(refused)
    assert "2.0.0" in said(refused)
    server.ok("query", "ALTER TABLE lakehouse.promise.t ADD COLUMN more varchar", timeout=120)
    assert apply(server, text.replace("1.0.0", "1.1.0")).code == 0, "a new column breaks nothing"
    time.sleep(1)
    server.ok("query", "ALTER TABLE lakehouse.promise.t DROP COLUMN more", timeout=120)
    refused = apply(server, text.replace("1.0.0", "1.2.0"))
    assert "column `more` of dataos://lakehouse:promise/t is gone" in said(refused)
    assert apply(server, text.replace("1.0.0", "2.0.0")).code == 0


def test_init_from_a_table_and_from_a_contract(server: Installation) -> None:
    lakes.make_table(server, "intake.visits", 1, 2)
    server.ok("product", "init", "visit-facts", "--from-table", "dataos://lakehouse:intake/visits")
    root = server.work / "visit-facts"
    assert "id" in (root / "build/data_processing/load.yaml").read_text()
    checked = server.cli("validate", "-R", "-f", str(root))
    assert checked.code == 0, said(checked)
    server.ok("apply", "-f", str(root / "deploy/deploy_bundle.yaml"))
    assert server.cli("product", "apply", "-f", str(root / "deploy/data_product_spec.yaml")).code == 0
    wait_until(lambda: status(server, "visit-facts") == "active", timeout=120, what="the job made the output")
    contract = yaml.safe_load(server.ok("product", "export", "visit-facts", "--odcs").out)
    assert contract["apiVersion"].startswith("v3")
    assert {"id", "text"} <= {p["name"] for p in contract["schema"][0]["properties"]}
    again = server.work / "again"
    server.ok(
        "product", "init", "--from-odcs", server.write("contract.yaml", yaml.safe_dump(contract)), "-o", str(again)
    )
    back = yaml.safe_load((again / "deploy/data_product_spec.yaml").read_text())
    own = yaml.safe_load((root / "deploy/data_product_spec.yaml").read_text())
    for key in ("name", "tags", "description"):
        assert back[key] == own[key]
    for key in ("meta", "resource", "inputs", "contract"):
        assert back["v1beta"]["data"][key] == own["v1beta"]["data"][key]
    assert server.cli("product", "init", "visit-facts").code != 0, "nothing is overwritten"


@pytest.mark.acceptance("ch09-AS22")
def test_two_thousand_products_are_listed_searched_and_counted(server: Installation, people: People) -> None:
    client = server.client()
    documents = [
        {
            "document": {
                "name": f"many-{n:04}",
                "version": "v1beta",
                "type": "data",
                "tags": [f"DPDomain.D{n % 20}", f"DPTier.T{n % 3}", f"Team.X{n % 7}"],
                "description": f"product number {n}",
                "v1beta": {
                    "data": {"resources": [], "resource": {"refType": "dataos", "ref": "bundle:v1beta:b"}, "inputs": []}
                },
            }
        }
        for n in range(2000)
    ]
    for start in range(0, 2000, 500):
        client.json("POST", "/api/v1/apply-set", body={"documents": documents[start : start + 500]}, timeout_s=300)
    with httpx.Client(headers={"Authorization": f"Bearer {people.env['uma']['APIKEY']}"}, timeout=60) as http:
        for path, total in (
            ("?limit=60", 2000),
            ("?q=number 17&limit=60", 10),
            ("?domain=D3&tier=T0", 30),
            ("/facets", 7),
        ):
            body = http.get(f"{server.url}/api/v1/products{path}").json()
            assert body.get("total", len(body["items"])) >= total
