"""The hostile hour: what somebody with no more than an analyst's API key tries in order to read one cell that policies
hide, or to gain a right. Each test is an attempt, and says in one line what was tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from support.server import Installation, installation, wait_until

EMAILS = ("canary-ann@x.org", "canary-bob@x.org", "canary-cyd@x.org")
SSNS = ("canary-111", "canary-222", "canary-333")
HIDDEN_NAME = "canary-hidden-row"
SALARY = 7_654_321
CANARIES = (*EMAILS, *SSNS, HIDDEN_NAME, str(SALARY), "canary-file")
CUSTOMERS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "name": ["Ann", "Bob", HIDDEN_NAME],
        "email": list(EMAILS),
        "ssn": list(SSNS),
        "region": ["EMEA", "EMEA", "AMER"],
    }
)
SALARIES = pa.table({"id": pa.array([1], pa.int64()), "salary": pa.array([SALARY], pa.int64())})


@dataclass
class Scene:
    """A server, its operator, and who attacks it."""

    server: Installation
    op: httpx.Client
    eve: httpx.Client
    data: Path

    def ask(self, sql: str, who: httpx.Client | None = None, **more: Any) -> httpx.Response:
        """A statement's answer. What the attacker gets never holds a canary."""
        answer = (who or self.eve).post("/api/v1/query", json={"sql": sql, **more})
        if who in (None, self.eve):
            self.clean(answer)
        return answer

    def clean(self, answer: httpx.Response) -> httpx.Response:
        """No protected cell is in an answer or its headers."""
        shown = answer.text + str(answer.headers)
        assert not [c for c in CANARIES if c in shown], f"{answer.request.url} told {shown[:500]}"
        return answer

    def rows(self, sql: str, who: httpx.Client | None = None) -> list[list[Any]]:
        answer = self.ask(sql, who)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    def refused(self, answer: httpx.Response, *statuses: int) -> dict[str, Any]:
        """The problem of what the attacker may not do."""
        self.clean(answer)
        assert answer.status_code in (statuses or (403,)), f"{answer.status_code}: {answer.text}"
        return answer.json()["errors"][0]

    def apply(self, document: dict[str, Any], who: httpx.Client | None = None) -> httpx.Response:
        return (who or self.op).post("/api/v1/apply", json={"document": document})

    def must(self, document: dict[str, Any], who: httpx.Client | None = None) -> None:
        answer = self.apply(document, who)
        assert answer.status_code == 200, answer.text

    def run(self, name: str, *jobs: dict[str, Any], who: httpx.Client | None = None) -> dict[str, Any]:
        """Apply a Workflow and wait for its run to end; its description with the logs of its jobs."""
        self.must(workflow(name, *jobs), who or self.eve)
        path = f"/api/v1/workspaces/public/resources/workflow/{name}"

        def ended() -> Any:
            run = self.op.get(f"{path}/runtime").json()["run"] or {}
            return run if run.get("state") in ("succeeded", "failed", "aborted") else None

        found = dict(wait_until(ended, 90, f"the end of {name}"))
        found["log"] = (who or self.eve).get(f"{path}/log", params={"tail": 400}).text
        return found


def workflow(name: str, *jobs: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"name": name, "version": "v1", "type": "workflow", "workspace": "public", **meta,
            "workflow": {"dag": list(jobs)}}  # fmt: skip


def flare(name: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec = {"stack": "flare:7.0", "compute": "runnable-default", "stackSpec": {"job": body}, **more}
    return {"name": name, "spec": spec}


def script(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "spec": {"stack": "script", "compute": "runnable-default", "stackSpec": {"script": text}, **more},
    }


def access(name: str, tag: str, *paths: str, allow: bool = True, predicates: Any = ("read", "select"), **objects: Any):
    block = {
        "subjects": {"tags": [[tag]]},
        "predicates": list(predicates),
        "objects": {"paths": list(paths), **objects} if paths else objects,
        "allow": allow,
    }
    return {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"access": block}}


def data(name: str, kind: str, **block: Any) -> dict[str, Any]:
    body = {"type": kind, "priority": 40, "dataset_id": "lakehouse.retail.customers", **block}
    return {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"data": body}}


def mask(name: str, column: dict[str, Any], operator: str, dataset: str = "lakehouse.retail.customers") -> Any:
    user = {"match": "any", "tags": ["roles:id:analyst"]}
    more = {"hash": {"algo": "sha256"}} if operator == "hash" else {"redact": {"replacement": "gone"}}
    return data(name, "mask", dataset_id=dataset, selector={"user": user, "column": column},
                mask={"operator": operator, **more})  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("hostile")
    files = folder / "depot"
    (files / "hr" / "deep").mkdir(parents=True)
    (files / "hr" / "open.csv").write_text("id,v\n1,free\n")
    (files / "hr" / "salaries.csv").write_text("id,v\n1,canary-file\n")
    (files / "hr" / "deep" / "salaries.csv").write_text("id,v\n1,canary-file\n")
    with ExitStack() as stack:
        server = stack.enter_context(installation(folder / "server", "--allow", str(folder)))
        token = (server.home / "keys" / "admin.token").read_text().strip()

        def client(key: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {key}"}
            return stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=60))

        op = client(token)
        assert op.post("/api/v1/governance/roles", json={"name": "analyst"}).status_code == 200
        for user, tags in (("eve", ["analyst", "data-dev"]), ("bob", ["data-dev"])):
            body = {"id": user, "name": user, "type": "person", "tags": [f"roles:id:{t}" for t in tags]}
            assert op.post("/api/v1/users", json=body).status_code == 200
        eve = client(op.post("/api/v1/users/eve/tokens", json={}).json()["token"])
        _tables(server.url, token)
        made = Scene(server, op, eve, files)
        tag = "roles:id:analyst"
        for document in (
            {"name": "files", "version": "v2alpha", "type": "depot", "depot": {"type": "FILE", "file": {"path": str(files)}}},
            access("readers", tag, "dataos://lakehouse:retail/*", "dataos://files:**"),
            access("makers", tag, "dataos://lakehouse:lab/*", "dataos://lakehouse:lab", predicates=["**"]),
            access("no-salaries", tag, "dataos://lakehouse:retail/salaries", allow=False, predicates=["**"]),
            access("no-files", tag, "dataos://files:hr/salaries.csv", "dataos://files:hr/deep/salaries.csv", allow=False),
            mask("mask-email", {"names": ["email"]}, "hash"),
            mask("mask-ssn", {"tags": ["PII.Ssn"]}, "redact", "*.*.*"),
            data("rows", "filter", selector={"user": {"match": "any", "tags": [tag]}},
                 filters=[{"column": "region", "operator": "equals", "value": "EMEA"}]),
        ):  # fmt: skip
            made.must(document)
        body = {"assetFqn": "dataos://lakehouse:retail/customers#ssn", "tagFqn": "PII.Ssn"}
        assert op.put("/api/v1/asset-tags", json=body).status_code == 200
        yield made


def _tables(url: str, token: str) -> None:
    from pyiceberg.catalog.rest import RestCatalog

    catalog = RestCatalog("lake", uri=f"{url}/iceberg", token=token, warehouse="lakehouse")
    for namespace in ("retail", "lab", "vault"):
        catalog.create_namespace(namespace)
    catalog.create_table("retail.customers", CUSTOMERS.schema).append(CUSTOMERS)
    catalog.create_table("retail.salaries", SALARIES.schema).append(SALARIES)
    catalog.create_table("vault.secrets", SALARIES.schema).append(SALARIES)


# --- what she sees ----------------------------------------------------------------------------------------------------


def test_the_scene_hides_what_it_should(scene: Scene):
    """Nothing was tried yet: masks and filter hold, and the operator sees everything."""
    found = scene.rows("SELECT id, name, email, ssn FROM lakehouse.retail.customers ORDER BY id")
    assert [row[:2] for row in found] == [[1, "Ann"], [2, "Bob"]]
    assert [row[3] for row in found] == ["gone", "gone"]
    assert not set(EMAILS) & {row[2] for row in found}
    assert len(scene.rows("SELECT * FROM lakehouse.retail.customers", scene.op)) == 3
    scene.refused(scene.ask("SELECT * FROM lakehouse.retail.salaries"))


# --- rights -----------------------------------------------------------------------------------------------------------


def grant(scene: Scene, use_case: str, values: dict[str, Any] | None = None) -> str:
    """What the operator gave her for an attempt."""
    body = {"policy_use_case_id": use_case, "subjects": ["users:id:eve"], "approve": True, "values": values or {}}
    answer = scene.op.post("/api/v1/grants", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def granted(scene: Scene) -> Iterator[Any]:
    ids: list[str] = []
    yield lambda use_case, values=None: ids.append(grant(scene, use_case, values))
    for id_ in ids:
        scene.op.delete(f"/api/v1/grants/{id_}")


def test_tags_of_users_are_no_way_to_a_role(scene: Scene, granted: Any):
    """With `manage-user-tags`: she gives herself the operator's role, another's id, a role that she lacks."""
    granted("manage-user-tags")
    for tag in ("roles:id:operator", "users:id:admin", "roles:id:system-dev", "roles:id:analyst"):
        for user in ("eve", "bob"):
            scene.refused(scene.eve.put(f"/api/v1/users/{user}/tags", json={"tags": [tag]}))
    scene.refused(scene.eve.post("/api/v1/users/eve/tags/remove", json={"tags": ["roles:id:analyst"]}))
    granted("manage-users")
    scene.refused(scene.eve.put("/api/v1/users/bob/tags", json={"tags": ["roles:id:operator"]}))
    assert scene.eve.put("/api/v1/users/bob/tags", json={"tags": ["roles:id:analyst"]}).status_code == 200
    body = {"id": "mallory", "name": "m", "type": "person", "tags": ["roles:id:operator"]}
    scene.refused(scene.eve.post("/api/v1/users", json=body))
    scene.refused(scene.eve.post("/api/v1/users", json={**body, "tags": ["users:id:admin"]}))
    assert scene.eve.put("/api/v1/users/bob/tags", json={"tags": ["roles:id:nosuch"]}).status_code in (403, 422)


def test_jobs_run_as_somebody_else_only_by_a_grant(scene: Scene, granted: Any):
    """runAsUser names the operator; then bob, with the grant of the use case, and once it ended."""
    job = script("look", "import os\nprint('as', os.environ['DATAOS_RUN_AS_USER'])", runAsUser="admin")
    problem = scene.refused(scene.apply(workflow("runas-admin", job), scene.eve))
    assert "run-as-user" in problem["hint"]
    granted("run-as-user", {"run-as-dataos-resource": [{"user": "bob"}]})
    scene.refused(scene.apply(workflow("runas-admin", job), scene.eve))
    job["spec"]["runAsUser"] = "bob"
    assert "as bob" in scene.run("runas-bob", job)["log"]


def test_a_grant_to_run_as_somebody_is_asked_again_at_each_start(scene: Scene):
    """She applies with the grant, and runs again after it ended."""
    id_ = grant(scene, "run-as-user", {"run-as-dataos-resource": [{"user": "bob"}]})
    job = script("look", "print('hello')", runAsUser="bob")
    assert scene.run("runas-later", job)["state"] == "succeeded"
    assert scene.op.delete(f"/api/v1/grants/{id_}").status_code == 200
    path = "/api/v1/workspaces/public/resources/workflow/runas-later"
    before = scene.op.get(f"{path}/runtime").json()["run"]["id"]
    again = scene.eve.post(f"{path}/runtime/re-run", json={})
    assert again.status_code == 200, again.text

    def ended() -> Any:
        body = scene.op.get(f"{path}/runtime").json()
        return body if body["run"]["id"] != before and body["run"]["state"] in ("failed", "succeeded") else None

    found = wait_until(ended, 60, "the second run")
    assert found["run"]["state"] == "failed"
    assert "may not run jobs as `bob`" in json.dumps(found)


def test_secrets_of_others_do_not_reach_her_jobs(scene: Scene, granted: Any):
    """dataosSecrets by name: an operator's secret, and one that comes into the place of her own's name later."""
    value = {"type": "key-value", "acl": "r", "data": {"token": "canary-file"}}
    scene.must({"name": "theirs", "version": "v1", "type": "instance-secret", "instance-secret": value})
    uses = {"dataosSecrets": [{"name": "theirs", "allkeys": True, "consumptionType": "envVars"}]}
    look = script("look", "import os\nprint(os.environ)", **uses)
    scene.refused(scene.apply(workflow("steal", look), scene.eve))
    own = {"type": "key-value", "acl": "r", "data": {"token": "mine"}}
    scene.must({"name": "theirs", "version": "v1", "type": "secret", "workspace": "public", "secret": own}, scene.eve)
    assert scene.run("steal", look)["state"] == "succeeded"
    assert scene.eve.delete("/api/v1/workspaces/public/resources/secret/theirs?force=true").status_code == 200
    path = "/api/v1/workspaces/public/resources/workflow/steal"
    before = scene.op.get(f"{path}/runtime").json()["run"]["id"]
    assert scene.eve.post(f"{path}/runtime/re-run", json={}).status_code == 200

    def ended() -> Any:
        run = scene.op.get(f"{path}/runtime").json()["run"]
        return run if run["id"] != before and run["state"] in ("failed", "succeeded") else None

    assert wait_until(ended, 60, "the second run")["state"] == "failed"
    scene.clean(scene.eve.get(f"{path}/log", params={"tail": 400}))


@pytest.fixture
def login(scene: Scene) -> Iterator[str]:
    """A Depot whose credentials the operator keeps, in a place that is no database."""
    value = {"type": "key-value-properties", "acl": "r", "data": {"username": "u", "password": "canary-file"}}
    scene.must({"name": "pg-r", "version": "v1", "type": "instance-secret", "instance-secret": value})
    depot = {"type": "POSTGRESQL", "secrets": [{"name": "pg-r", "allkeys": True}],
             "postgresql": {"host": "127.0.0.1", "port": 1, "database": "x"}}  # fmt: skip
    scene.must({"name": "pg", "version": "v2alpha", "type": "depot", "depot": depot})
    wait_until(lambda: scene.op.get("/ds/api/v2/depots/pg").status_code == 200, 20, "the depot")
    scene.must(access("pg-hidden", "roles:id:analyst", "dataos://pg:public/payroll", allow=False, predicates=["**"]))
    yield "pg"
    for type_, name in (("policy", "pg-hidden"), ("depot", "pg"), ("instance-secret", "pg-r")):
        scene.op.delete(f"/api/v1/resources/{type_}/{name}?force=true")


def test_credentials_of_a_depot_open_nothing_that_policies_hide(scene: Scene, login: str, granted: Any):
    """With every right to secrets: she reads a Depot's credentials by each route, by a job, and for her own Depot."""
    granted("read-all-secrets-from-heimdall")
    granted("un-sanitize-resource")
    granted("manage-all-depot")
    for path in (
        "/ds/api/v2/depots/pg/secrets",
        "/ds/api/v2/secrets/pg_r",
        "/heimdall/api/v1/secrets/pg_r",
        "/heimdall/api/v1/secrets/pg-r",
        "/api/v1/resources/instance-secret/pg-r?unSanitize=true",
        "/poros/api/v1/resources/instance-secret/pg-r?unSanitize=true",
        "/collated/api/v1/resources/instance-secret/pg-r?unSanitize=true",
    ):
        answer = scene.clean(scene.eve.get(path))
        assert answer.status_code in (403, 404) or "pg-hidden" not in answer.text
    uses = {"dataosSecrets": [{"name": "pg-r", "allkeys": True, "consumptionType": "envVars"}]}
    problem = scene.refused(scene.apply(workflow("login", script("look", "print(1)", **uses)), scene.eve), 403, 422)
    assert "pg-hidden" in problem["message"]
    depot = {"type": "POSTGRESQL", "secrets": [{"name": "pg-r", "allkeys": True}],
             "postgresql": {"host": "evil.example", "port": 2, "database": "x"}}  # fmt: skip
    document = {"name": "second", "version": "v2alpha", "type": "depot", "depot": depot}
    assert "pass by the policies" in scene.refused(scene.apply(document, scene.eve))["message"]
    mine = scene.op.get("/ds/api/v2/depots/pg/secrets")
    assert mine.status_code == 200, mine.text


def test_a_second_depot_is_no_other_name_for_the_same_data(scene: Scene, granted: Any):
    """With `manage-all-depot`: Depots over the warehouse, the home, another Depot's folder, what holds it, its file."""
    granted("manage-all-depot")
    home, files = scene.server.home, scene.data
    (files / "x.sqlite").write_bytes(b"")
    for number, path in enumerate(
        (home / "warehouse", home / "warehouse" / "lakehouse" / "retail", home, files, files / "hr", files.parent)
    ):
        document = {"name": f"over{number}", "version": "v2alpha", "type": "depot",
                    "depot": {"type": "FILE", "file": {"path": str(path)}}}  # fmt: skip
        problem = scene.refused(scene.apply(document, scene.eve), 403, 422)
        assert problem["code"] in ("depot.overlap", "depot.path")
    sqlite = {"type": "JDBC", "jdbc": {"subprotocol": "sqlite", "database": str(files / "x.sqlite")}}
    scene.refused(
        scene.apply({"name": "lite", "version": "v2alpha", "type": "depot", "depot": sqlite}, scene.eve), 403, 422
    )
    lake = {"type": "ICEBERG", "iceberg": {"warehouse": "lakehouse"}}
    scene.refused(
        scene.apply({"name": "lake2", "version": "v2alpha", "type": "depot", "depot": lake}, scene.eve), 403, 422
    )
    link = scene.data.parent / "link"
    link.symlink_to(files)
    document = {"name": "linked", "version": "v2alpha", "type": "depot",
                "depot": {"type": "FILE", "file": {"path": str(link)}}}  # fmt: skip
    assert scene.refused(scene.apply(document, scene.eve))["code"] == "depot.overlap"
    own = scene.data.parent / "own"
    own.mkdir()
    document["depot"]["file"]["path"] = str(own)
    scene.must(document, scene.eve)


# --- files, and jobs that read them -----------------------------------------------------------------------------------

FORMS = (
    "dataos://files:hr/salaries.csv",
    "dataos://files:none/hr/salaries.csv",
    "dataos://files:hr//salaries.csv",
    "dataos://files:hr/sal*.csv",
    "dataos://files:hr/*",
    "dataos://files:none/hr",
    "dataos://files:none/**",
    "dataos://files:hr/deep",
    "dataos://files:h*/s[a]laries.csv",
    "dataos://files:hr/%73alaries.csv",
)


@pytest.mark.parametrize("address", FORMS)
def test_a_denied_file_is_denied_by_every_spelling(scene: Scene, address: str):
    """An input of a Flare job, a schema file and /inputs name the file by pattern, folder, doubled sign, other collection."""
    read = {"inputs": [{"name": "f", "dataset": address, "format": "csv"}],
            "steps": [{"sequence": [{"name": "o", "sql": "SELECT * FROM f"}]}],
            "outputs": [{"name": "o", "dataset": "dataos://lakehouse:lab/stolen?acl=rw", "format": "iceberg"}]}  # fmt: skip
    scene.refused(scene.apply(workflow("spellings", flare("read", read)), scene.eve), 403, 404, 422)
    scene.refused(
        scene.eve.post("/api/v1/inputs", json={"address": address, "path": str(scene.data / "hr/salaries.csv")}),
        403,
        404,
        422,
    )


def test_an_open_file_beside_a_denied_one_is_read(scene: Scene):
    """No attempt: what is not hidden stays open."""
    read = {"inputs": [{"name": "f", "dataset": "dataos://files:hr/open.csv", "format": "csv"}],
            "steps": [{"sequence": [{"name": "o", "sql": "SELECT * FROM f"}]}],
            "outputs": [{"name": "o", "dataset": "dataos://lakehouse:lab/open?acl=rw", "format": "iceberg"}]}  # fmt: skip
    assert scene.run("reads-open", flare("read", read))["state"] == "succeeded"
    assert scene.rows("SELECT v FROM lakehouse.lab.open") == [["free"]]


# --- copies, names, history -------------------------------------------------------------------------------------------


def test_tags_go_where_statements_carry_data(scene: Scene):
    """An operator copies the table by CTAS, INSERT ... SELECT, MERGE and UPDATE; she reads the copies under new names."""
    op = scene.op
    source = "lakehouse.retail.customers"
    assert scene.ask(f"CREATE TABLE lakehouse.lab.ctas AS SELECT id, ssn AS plain FROM {source}", op).status_code == 200
    assert scene.ask("CREATE TABLE lakehouse.lab.ins (id bigint, x varchar)", op).status_code == 200
    assert scene.ask(f"INSERT INTO lakehouse.lab.ins SELECT id, lower(ssn) || '' FROM {source}", op).status_code == 200
    assert (
        scene.ask("CREATE TABLE lakehouse.lab.chain AS SELECT plain AS y FROM lakehouse.lab.ctas", op).status_code
        == 200
    )
    assert scene.ask("CREATE TABLE lakehouse.lab.mer (id bigint, m varchar)", op).status_code == 200
    merge = (f"MERGE INTO lakehouse.lab.mer t USING (SELECT id, ssn FROM {source}) s ON t.id = s.id "
             "WHEN NOT MATCHED THEN INSERT (id, m) VALUES (s.id, s.ssn)")  # fmt: skip
    assert scene.ask(merge, op).status_code == 200
    assert (
        scene.ask("CREATE TABLE lakehouse.lab.upd AS SELECT 1 AS id, CAST('' AS varchar) AS u", op).status_code == 200
    )
    update = f"UPDATE lakehouse.lab.upd SET u = (SELECT max(ssn) FROM {source})"
    answer = scene.ask(update, op)
    assert answer.status_code in (200, 400, 422), answer.text
    for table, column in (("ctas", "plain"), ("ins", "x"), ("chain", "y"), ("mer", "m"), ("upd", "u")):
        found = scene.rows(f"SELECT DISTINCT {column} FROM lakehouse.lab.{table}")
        assert found in ([["gone"]], [[""]]), (table, found)


def test_a_column_keeps_its_policies_under_every_name(scene: Scene):
    """Renamed by SQL, by the REST catalog and back in time; the filtered column renamed; a new one in its old name's place."""
    op = scene.op
    copy = "CREATE TABLE lakehouse.retail.people AS SELECT * FROM lakehouse.retail.customers"
    assert scene.ask(copy, op).status_code == 200
    asset = "dataos://lakehouse:retail/people"
    for column in ("id", "name", "region", "email", "ssn"):  # what came with the copy is taken off again
        op.delete("/api/v1/asset-tags", params={"assetFqn": f"{asset}#{column}", "tagFqn": "PII.Ssn"})
    for column in ("email", "ssn"):
        body = {"assetFqn": f"{asset}#{column}", "tagFqn": "PII.Ssn"}
        assert op.put("/api/v1/asset-tags", json=body).status_code == 200
    user = {"match": "any", "tags": ["roles:id:analyst"]}
    scene.must(data("people-rows", "filter", dataset_id="lakehouse.retail.people", selector={"user": user},
                    filters=[{"column": "region", "operator": "equals", "value": "EMEA"}]))  # fmt: skip
    snapshot = scene.rows('SELECT snapshot_id FROM lakehouse.retail."people$snapshots"', op)[0][0]
    assert scene.ask("ALTER TABLE lakehouse.retail.people RENAME COLUMN ssn TO harmless", op).status_code == 200
    from pyiceberg.catalog.rest import RestCatalog

    key = op.headers["Authorization"].partition(" ")[2]
    table = RestCatalog("l", uri=f"{scene.server.url}/iceberg", token=key, warehouse="lakehouse").load_table(
        "retail.people"
    )
    with table.update_schema() as change:
        change.rename_column("email", "plain")
    assert scene.rows("SELECT DISTINCT harmless, plain FROM lakehouse.retail.people") == [["gone", "gone"]]
    assert scene.ask("ALTER TABLE lakehouse.retail.people RENAME COLUMN region TO area", op).status_code == 200
    assert len(scene.rows("SELECT harmless FROM lakehouse.retail.people")) == 2
    assert scene.ask("ALTER TABLE lakehouse.retail.people ADD COLUMN region varchar", op).status_code == 200
    scene.ask("SELECT * FROM lakehouse.retail.people")
    old = scene.ask(f"SELECT ssn, email FROM lakehouse.retail.people FOR VERSION AS OF {snapshot}")
    assert old.status_code == 200, old.text
    assert old.json()["rows"] == [["gone", "gone"]] * 2
    assert scene.clean(scene.eve.get("/iceberg/v1/lakehouse/namespaces/retail/tables/people")).status_code == 403
    assert scene.ask("ALTER TABLE lakehouse.retail.people RENAME TO lakehouse.lab.people", op).status_code == 200
    assert scene.rows("SELECT DISTINCT harmless, plain FROM lakehouse.lab.people WHERE id < 3") == [["gone", "gone"]]
    assert scene.ask("DROP TABLE lakehouse.lab.people", op).status_code == 200


SELECTS = (
    "SELECT email FROM (SELECT email FROM {c}) t",
    "WITH t AS (SELECT * FROM {c}) SELECT ssn FROM t UNION ALL SELECT email FROM t",
    "SELECT t.* FROM {c} t CROSS JOIN (SELECT * FROM {c}) u",
    "SELECT max(ssn), min(email), array_agg(ssn), map_agg(id, email) FROM {c}",
    "SELECT count(*) FROM {c} WHERE ssn = 'canary-111' OR email LIKE 'canary%'",
    "SELECT region, count(*) FROM {c} GROUP BY region, ssn, email HAVING max(ssn) > 'a'",
    "SELECT CAST(ssn AS integer) FROM {c}",
    "SELECT 1 / (CASE WHEN name = 'canary-hidden-row' THEN 0 ELSE 1 END) FROM {c}",
    "SELECT element_at(array[1], CASE WHEN region = 'AMER' THEN -9 ELSE 1 END) FROM {c}",
    "SELECT row_number() OVER (ORDER BY email), first_value(ssn) OVER () FROM {c}",
    "SELECT ROW(email, ssn), ARRAY[ssn], CAST(ROW(ssn) AS json) FROM {c}",
    "SELECT (SELECT max(email) FROM {c} u WHERE u.id = t.id) FROM {c} t",
    "SELECT x FROM {c} CROSS JOIN UNNEST(ARRAY[ssn, email]) AS u(x)",
    "SELECT * FROM {c} TABLESAMPLE BERNOULLI (100)",
    "SELECT * FROM {c} FOR TIMESTAMP AS OF TIMESTAMP '2999-01-01 00:00:00 UTC'",
    'SELECT * FROM lakehouse.retail."CUSTOMERS"',
    'SELECT * FROM "LAKEHOUSE"."Retail"."customers@main"',
    'SELECT * FROM lakehouse.retail."customers$files"',
    'SELECT * FROM lakehouse.retail."customers$partitions"',
    'SELECT * FROM lakehouse.retail."customers$manifests"',
    'SELECT * FROM lakehouse.retail."customers$entries"',
    "SELECT * FROM lakehouse.retail.customers.files",
    'SELECT * FROM lakehouse.retail."salaries$files"',
    'SELECT * FROM lakehouse.retail."salaries$snapshots"',
    'SELECT * FROM lakehouse.retail."salaries@main"',
    'SELECT * FROM lakehouse.retail."ſalaries"',
    'SELECT * FROM lakehouse.retail."SALARIES"',
    'SELECT * FROM lakehouse.retail."salaries "',
    "SHOW STATS FOR {c}",
    "SHOW STATS FOR (SELECT ssn FROM {c})",
    "SHOW STATS FOR lakehouse.retail.salaries",
    "EXPLAIN SELECT * FROM {c} WHERE ssn = 'x'",
    "EXPLAIN ANALYZE SELECT * FROM {c} WHERE ssn = 'x'",
    "EXPLAIN ANALYZE VERBOSE SELECT * FROM {c}",
    "EXPLAIN (TYPE IO, FORMAT JSON) SELECT * FROM {c}",
    "EXPLAIN (TYPE POLICY) SELECT * FROM {c}",
    "DESCRIBE lakehouse.retail.salaries",
    "SHOW COLUMNS FROM lakehouse.retail.salaries",
    "SHOW CREATE TABLE lakehouse.retail.salaries",
    "SELECT * FROM lakehouse.information_schema.columns",
    "SELECT * FROM lakehouse.information_schema.tables",
    "SELECT * FROM system.metadata.table_comments",
    "SELECT * FROM read_parquet('{w}/**/*.parquet')",
    "SELECT * FROM '{w}/retail/customers/data/x.parquet'",
    "SELECT * FROM iceberg_scan('{w}')",
    "SELECT * FROM parquet_metadata('{w}/**')",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_settings()",
    "SELECT query('SELECT 1')",
    "SELECT * FROM TABLE(system.query('SELECT 1'))",
    "SELECT getenv('HOME')",
    "SELECT current_setting('secret_directory')",
    "PREPARE p FROM SELECT ssn FROM {c}",
    "EXECUTE IMMEDIATE 'SELECT ssn, email FROM lakehouse.retail.customers'",
    "EXECUTE IMMEDIATE 'SELECT ?' USING (SELECT max(ssn) FROM {c})",
    "SET SESSION AUTHORIZATION admin",
    "SET ROLE ALL",
    "COPY (SELECT 1) TO '/tmp/x'",
    "ATTACH '/tmp/x' AS x",
    "PRAGMA database_list",
    "CALL system.runtime.kill_query('x')",
    "TABLE lakehouse.retail.salaries",
    "SELECT salary FROM lakehouse.lab.nothing, lakehouse.retail.salaries",
    "SELECT * FROM lakehouse.vault.secrets",
    "SELECT __dt_r0.ssn FROM {c}",
    "SELECT * FROM {c} -- \u2028 UNION SELECT * FROM lakehouse.vault.secrets",
    "SELECT 1; SELECT * FROM lakehouse.vault.secrets",
    "SELECT /*+ x */ * FROM {c} /* ; */ WHERE true OR region = 'AMER'",
    "SELECT DISTINCT ON (ssn) * FROM {c}",
    "SELECT c.* REPLACE ('x' AS id) FROM {c} c",
    "SELECT COLUMNS('.*') FROM {c}",
    "SELECT customers FROM {c}",
    "SELECT try(CAST(ssn AS bigint)), typeof(ssn), length(ssn), md5(to_utf8(ssn)) FROM {c}",
    "SELECT json_parse(ssn) FROM {c}",
    "SELECT date_parse(email, '%Y') FROM {c}",
    "SELECT fail(ssn) FROM {c}",
    "SELECT error(ssn) FROM {c}",
)


@pytest.mark.parametrize("sql", SELECTS)
def test_no_statement_shows_a_hidden_cell(scene: Scene, sql: str):
    """Nesting, aggregates, conditions, conversions that fail, metadata tables, statistics, plans, engine functions,
    look-alike names, comments. The answer, right or wrong, holds no canary."""
    text = sql.format(c="lakehouse.retail.customers", w=scene.server.home / "warehouse")
    answer = scene.ask(text)
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200 and answer.json().get("columns"):
        assert HIDDEN_NAME not in answer.text
        assert "AMER" not in json.dumps(answer.json()["rows"])


WRITES = (
    "CREATE TABLE lakehouse.lab.t1 AS SELECT * FROM {c}",
    "CREATE TABLE lakehouse.lab.t2 AS SELECT email AS e, ssn AS s FROM {c}",
    "INSERT INTO lakehouse.retail.customers SELECT * FROM {c}",
    "UPDATE lakehouse.retail.customers SET name = ssn",
    "UPDATE lakehouse.retail.customers SET region = 'EMEA'",
    "DELETE FROM lakehouse.retail.customers WHERE ssn = 'canary-111'",
    "MERGE INTO lakehouse.retail.customers t USING {c} s ON t.id = s.id WHEN MATCHED THEN DELETE",
    "TRUNCATE TABLE lakehouse.retail.customers",
    "DROP TABLE lakehouse.retail.customers",
    "ALTER TABLE lakehouse.retail.customers RENAME TO lakehouse.lab.mine",
    "ALTER TABLE lakehouse.retail.salaries RENAME TO lakehouse.lab.mine",
    "ALTER TABLE lakehouse.retail.customers RENAME COLUMN ssn TO x",
    "ALTER TABLE lakehouse.retail.customers DROP COLUMN region",
    "ALTER TABLE lakehouse.retail.customers ADD COLUMN email2 varchar",
    "ALTER TABLE lakehouse.retail.customers EXECUTE rollback_to_snapshot(snapshot_id => 1)",
    "ALTER SCHEMA lakehouse.retail RENAME TO lab2",
    "CREATE TABLE lakehouse.lab.like1 (LIKE lakehouse.retail.salaries)",
    "CALL lakehouse.system.register_table('lab', 'stolen', '{w}/lakehouse/retail/salaries')",
    "CALL lakehouse.system.rollback_to_snapshot('retail', 'customers', 1)",
    "CREATE VIEW lakehouse.lab.v0 SECURITY DEFINER AS SELECT * FROM lakehouse.vault.secrets",
    "CREATE VIEW lakehouse.lab.v1 SECURITY INVOKER AS SELECT * FROM lakehouse.retail.salaries",
    "CREATE OR REPLACE VIEW lakehouse.retail.customers AS SELECT 1 AS x",
    "COMMENT ON TABLE lakehouse.retail.salaries IS 'x'",
    "ANALYZE lakehouse.retail.salaries",
)


@pytest.mark.parametrize("sql", WRITES)
def test_no_statement_that_writes_gains_anything(scene: Scene, sql: str):
    """Copies, changes, renames, registrations, views of what she may not read; then everything that she owns is read."""
    answer = scene.ask(sql.format(c="lakehouse.retail.customers", w=scene.server.home / "warehouse"))
    assert answer.status_code < 500, answer.text
    for row in scene.rows("SHOW TABLES FROM lakehouse.lab"):
        scene.ask(f'SELECT * FROM lakehouse.lab."{row[0]}"')
    assert len(scene.rows("SELECT * FROM lakehouse.retail.customers", scene.op)) == 3


def test_views_launder_nothing(scene: Scene):
    """A definer's view of an operator over the masked table, a view over her copy of it, one that follows a grant's end."""
    op = scene.op
    view = "CREATE VIEW lakehouse.lab.defined SECURITY DEFINER AS SELECT email AS e, ssn AS s, name FROM lakehouse.retail.customers"
    assert scene.ask(view, op).status_code == 200
    found = scene.rows("SELECT e, s FROM lakehouse.lab.defined")
    assert len(found) == 2
    assert {row[1] for row in found} == {"gone"}
    denied = "CREATE VIEW lakehouse.lab.paid SECURITY DEFINER AS SELECT * FROM lakehouse.retail.salaries"
    assert scene.ask(denied, op).status_code == 200
    scene.refused(scene.ask("SELECT * FROM lakehouse.lab.paid"))
    scene.refused(scene.ask("SELECT count(*) FROM (SELECT 1 FROM lakehouse.lab.paid)"))
    over = "CREATE OR REPLACE VIEW lakehouse.lab.over AS SELECT * FROM lakehouse.lab.defined"
    scene.ask(over)
    scene.ask("SELECT * FROM lakehouse.lab.over")


# --- other doors ------------------------------------------------------------------------------------------------------


def test_the_iceberg_catalog_gives_nothing_away(scene: Scene):
    """loadTable, credentials, metrics, commits with foreign paths, register, rename, staged creates in foreign places."""
    rest = "/iceberg/v1/lakehouse"
    token = scene.op.headers["Authorization"]
    loaded = httpx.get(
        f"{scene.server.url}{rest}/namespaces/retail/tables/customers", headers={"Authorization": token}
    ).json()
    for table in ("customers", "salaries", "customers@main", "customers$files", "SALARIES"):
        for path in (f"tables/{table}", f"tables/{table}/credentials", f"tables/{table}?snapshots=all"):
            assert scene.clean(scene.eve.get(f"{rest}/namespaces/retail/{path}")).status_code in (403, 404, 405)
    assert scene.clean(scene.eve.get(f"{rest}/namespaces/vault/tables/secrets")).status_code in (403, 404)
    tries: list[tuple[str, dict[str, Any]]] = [
        (f"{rest}/namespaces/lab/register", {"name": "stolen", "metadata-location": loaded["metadata-location"]}),
        (f"{rest}/tables/rename", {"source": {"namespace": ["retail"], "name": "salaries"},
                                   "destination": {"namespace": ["lab"], "name": "salaries"}}),
        (f"{rest}/namespaces/lab/tables", {"name": "staged", "stage-create": True,
                                           "location": loaded["metadata"]["location"],
                                           "schema": loaded["metadata"]["schemas"][0]}),
        (f"{rest}/namespaces/lab/tables", {"name": "placed", "location": loaded["metadata"]["location"] + "/data",
                                           "schema": loaded["metadata"]["schemas"][0]}),
        (f"{rest}/namespaces/retail/tables/customers", {"requirements": [], "updates": []}),
        (f"{rest}/transactions/commit", {"table-changes": [
            {"identifier": {"namespace": ["retail"], "name": "customers"}, "requirements": [], "updates": []}]}),
    ]  # fmt: skip
    for path, body in tries:
        answer = scene.clean(scene.eve.post(path, json=body))
        assert answer.status_code in (400, 403, 404, 409), f"{path}: {answer.text}"
    for row in scene.rows("SHOW TABLES FROM lakehouse.lab"):
        scene.ask(f'SELECT * FROM lakehouse.lab."{row[0]}"')


def test_tables_of_her_own_cannot_point_at_files_of_others(scene: Scene):
    """A table of hers is committed with a snapshot, a manifest list and a location of the masked table."""
    key = scene.eve.headers["Authorization"].partition(" ")[2]
    from pyiceberg.catalog.rest import RestCatalog

    own = RestCatalog("l", uri=f"{scene.server.url}/iceberg", token=key, warehouse="lakehouse")
    own.create_table("lab.pointer", CUSTOMERS.schema)
    admin = scene.op.get("/iceberg/v1/lakehouse/namespaces/retail/tables/customers").json()["metadata"]
    theirs = admin["snapshots"][-1]
    updates: list[list[dict[str, Any]]] = [
        [{"action": "add-snapshot", "snapshot": {**theirs, "sequence-number": 1}},
         {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": theirs["snapshot-id"]}],
        [{"action": "set-location", "location": admin["location"]}],
        [{"action": "set-properties", "updates": {"write.data.path": admin["location"] + "/data"}}],
        [{"action": "set-properties", "updates": {"write.metadata.path": admin["location"]}}],
    ]  # fmt: skip
    for update in updates:
        body = {"requirements": [], "updates": update}
        answer = scene.clean(scene.eve.post("/iceberg/v1/lakehouse/namespaces/lab/tables/pointer", json=body))
        assert answer.status_code in (400, 403, 406, 409, 422) or update[0]["action"] == "set-properties", answer.text
    assert scene.rows("SELECT * FROM lakehouse.lab.pointer") == []


def test_the_object_door_opens_no_file_of_the_masked_table(scene: Scene):
    """S3 requests with her key as access key id: listing, a table's folder, a file's path, the escape by `..`."""
    key = scene.eve.headers["Authorization"].partition(" ")[2]
    scope = f"{key}/20990101/us-east-1/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"}
    for path in ("/", "/lakehouse", "/lakehouse?list-type=2&prefix=retail", "/lakehouse/retail/customers/metadata",
                 "/lakehouse/lab/../retail/customers", "/warehouse/lakehouse/retail"):  # fmt: skip
        answer = scene.clean(httpx.get(f"{scene.server.url}{path}", headers=headers))
        assert answer.status_code >= 400, f"{path}: {answer.text[:300]}"


PATHS = (
    "/api/v1/users/admin/tokens",
    "/api/v1/users/bob/tokens",
    "/heimdall/api/v1/users/admin/tokens",
    "/api/v1/users/admin/sessions",
    "/api/v1/users/admin/changes",
    "/api/v1/resources/instance-secret/theirs?unSanitize=true",
    "/heimdall/api/v1/secrets/theirs",
    "/ds/api/v2/secrets/files_r",
    "/ds/api/v2/depots/files/secrets",
    "/api/v1/metadata/datasets/lakehouse:retail/customers/profile",
    "/api/v1/metadata/datasets/lakehouse:retail/customers/quality",
    "/api/v1/datasets/lakehouse/retail/salaries",
    "/metrics",
)


@pytest.mark.parametrize("path", PATHS)
def test_no_route_tells_what_is_not_hers(scene: Scene, path: str):
    """Keys, sessions, audit, history, policies, secrets, measures and tags of others, by each family of routes."""
    answer = scene.clean(scene.eve.get(path))
    listing = path.startswith("/api/v1/queries")
    assert answer.status_code in ((200, 403) if listing else (400, 403, 404)), (
        f"{answer.status_code} {answer.text[:300]}"
    )
    if answer.status_code == 200:
        assert '"admin"' not in answer.text


CHANGES: tuple[tuple[str, str, Any], ...] = (
    ("put", "/api/v1/users/eve/tags", {"tags": ["roles:id:operator"]}),
    ("post", "/api/v1/users/admin/tokens", {}),
    ("put", "/api/v1/users/eve/properties", {"properties": [{"key": "region", "value": "AMER"}]}),
    ("put", "/api/v1/asset-tags", {"assetFqn": "dataos://lakehouse:retail/customers#ssn", "tagFqn": "Open.All"}),
    ("put", "/api/v1/asset-tags", {"assetFqn": "lakehouse.retail.customers.SSN", "tagFqn": "Open.All"}),
    ("delete", "/api/v1/asset-tags?assetFqn=dataos://lakehouse:retail/customers%23ssn&tagFqn=PII.Ssn", None),
    ("post", "/api/v1/governance/roles", {"name": "godlike"}),
    ("post", "/api/v1/governance/tag-namespaces", {"id": "x", "glob": "**", "type": "subject"}),
    ("delete", "/api/v1/resources/policy/rows", None),
    ("delete", "/api/v1/resources/policy/mask-ssn?force=true", None),
    ("post", "/api/v1/grants", {"policy_use_case_id": "run-as-user", "approve": True}),
    ("post", "/api/v1/metadata/datasets/lakehouse:retail/customers/labels",
     {"column": "ssn", "tag": "Open.All", "decision": "accept"}),
    ("post", "/api/v1/users/admin/invitations", {}),
    ("delete", "/api/v1/users/bob", None),
)  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "body"), CHANGES)
def test_no_route_gives_her_a_right(scene: Scene, verb: str, path: str, body: Any):
    """Roles, keys, properties, tags off and on, namespaces, policies deleted, grants approved by herself."""
    answer = scene.clean(scene.eve.request(verb, path, **({"json": body} if body is not None else {})))
    assert answer.status_code in (400, 403, 404, 405, 422), answer.text
    assert scene.rows("SELECT DISTINCT ssn FROM lakehouse.retail.customers") == [["gone"]]


@pytest.fixture(scope="module")
def ivy(scene: Scene) -> Iterator[httpx.Client]:
    """An analyst who is no developer: those may read policies, and with them which columns they are about."""
    body = {"id": "ivy", "name": "ivy", "type": "person", "tags": ["roles:id:user", "roles:id:analyst"]}
    assert scene.op.post("/api/v1/users", json=body).status_code == 200
    key = scene.op.post("/api/v1/users/ivy/tokens", json={}).json()["token"]
    with httpx.Client(base_url=scene.server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


def test_no_product_tells_columns_of_what_she_may_not_read(scene: Scene, ivy: httpx.Client):
    """A product of her own that names the table: its scaffold, its contract, and what breaks of it once a column goes."""
    table = "dataos://lakehouse:vault/payroll"
    made = "CREATE TABLE lakehouse.vault.payroll AS SELECT 1 AS id, 'x' AS canarycolumn, 'y' AS othercanary"
    assert scene.ask(made, scene.op).status_code == 200
    body = {"name": "mine", "kind": "source", "table": table}
    told = scene.op.post("/api/v1/products/scaffold", json=body)
    assert "canarycolumn" in told.text, "who may read it is told"
    for developer in (scene.eve, ivy):
        asked = developer.post("/api/v1/products/scaffold", json=body)
        assert "canarycolumn" not in asked.text
    assert asked.status_code == 404, asked.text
    assert asked.json()["errors"][0]["code"] == "metadata.not_found"
    data_ = {
        "outputs": [{"refType": "dataos", "ref": table}],
        "contract": {"version": "1.0.0"},
        "meta": {"title": "P"},
        "inputs": [],
        "resource": {"refType": "dataos", "ref": "bundle:v1beta:payrolls-bundle"},
    }
    product = {"name": "payrolls", "version": "v1beta", "entity": "product", "type": "data", "description": "p",
               "owner": "ivy", "v1beta": {"data": data_}}  # fmt: skip
    scene.must(product)
    path = "/api/v1/products/data/v1beta/payrolls"
    waits = lambda: scene.op.get("/api/v1/resources/data/payrolls").json()["builder"]["info"]  # noqa: E731 - polled
    wait_until(lambda: "payrolls-bundle" in waits(), 60, "it is looked at")
    assert "canarycolumn" in scene.op.get(f"{path}/odcs").text
    assert scene.ask("ALTER TABLE lakehouse.vault.payroll DROP COLUMN canarycolumn", scene.op).status_code == 200
    changed = scene.apply({**product, "description": "q"}, ivy)
    assert changed.status_code == 200, changed.text
    answers = [changed, *(ivy.get(f"{path}{end}") for end in ("", "/odcs", "/page", "/datasets?side=output",
                          "/quality", "/health", "/graph", "/files", "/usage"))]  # fmt: skip
    for answer in (asked, *answers):
        assert "canary" not in answer.text, answer.request.url


def test_no_catalog_tells_of_a_column_that_is_denied_to_her(scene: Scene, ivy: httpx.Client):
    """Its tags, its place in a contract or scaffold, its description: beside the table, which she reads."""
    table = "dataos://lakehouse:lab/wages"
    made = "CREATE TABLE lakehouse.lab.wages AS SELECT 1 AS id, 'x' AS hiddencanary"
    assert scene.ask(made, scene.op).status_code == 200
    body = {"assetFqn": f"{table}#hiddencanary", "tagFqn": "Canary.Tag"}
    assert scene.op.put("/api/v1/asset-tags", json=body).status_code == 200
    data_ = {
        "outputs": [{"refType": "dataos", "ref": table}],
        "meta": {"title": "W"},
        "inputs": [],
        "resource": {"refType": "dataos", "ref": "bundle:v1beta:wages-bundle"},
    }
    scene.must({"name": "wages", "version": "v1beta", "entity": "product", "type": "data", "description": "w",
                "v1beta": {"data": data_}})  # fmt: skip
    path = "/api/v1/products/data/v1beta/wages"

    def told() -> str:
        scaffold = ivy.post("/api/v1/products/scaffold", json={"name": "w", "kind": "source", "table": table})
        tags = ivy.get("/api/v1/asset-tags", params={"assetFqn": table})
        tag = ivy.get("/api/v1/asset-tags", params={"assetFqn": f"{table}#hiddencanary"})
        pages = (ivy.get(f"{path}{end}") for end in ("/odcs", "/datasets?side=output", "/quality"))
        found = [scaffold, tags, *pages]
        assert [a.status_code for a in found] == [200] * 5
        assert "Canary.Tag" in tag.text or tag.json()["items"] == []
        return "\n".join(a.text for a in found)

    assert all(word in told() for word in ("hiddencanary", "Canary.Tag"))
    scene.must(access("no-wages", "roles:id:analyst", f"{table}#hiddencanary", allow=False))
    wait_until(lambda: "canary" not in told().lower(), 10, "nothing tells of it")
    assert "wages" in told()
    assert scene.op.delete("/api/v1/resources/policy/no-wages").status_code == 200


def test_who_may_write_and_not_read_sees_nothing_by_writing(scene: Scene):
    """A commit without a change, a new name in her own collection, a job's output, and the object door's key."""
    table = "dataos://lakehouse:vault/secrets"
    scene.must(access("vault-writers", "roles:id:analyst", table, predicates=["update", "write"]))
    where = "/iceberg/v1/lakehouse/namespaces/vault/tables/secrets"
    empty = {"requirements": [], "updates": []}
    new_name = {
        "source": {"namespace": ["vault"], "name": "secrets"},
        "destination": {"namespace": ["lab"], "name": "mine"},
    }
    for path, body in (
        (where, empty),
        ("/iceberg/v1/lakehouse/tables/rename", new_name),
        ("/iceberg/v1/lakehouse/transactions/commit",
         {"table-changes": [{"identifier": new_name["source"], **empty}]}),
    ):  # fmt: skip
        refused = scene.clean(scene.eve.post(path, json=body))
        assert refused.status_code == 403, f"{path}: {refused.text}"
        assert "schema" not in refused.text
    body = {"inputs": [{"name": "o", "dataset": "dataos://lakehouse:retail/customers"}],
            "steps": [{"sequence": [{"name": "p", "sql": "SELECT id, name AS v FROM o"}]}],
            "outputs": [{"name": "p", "dataset": f"{table}?acl=rw", "format": "iceberg"}]}  # fmt: skip
    scene.refused(scene.apply(workflow("blind", flare("write", body)), scene.eve))
    assert scene.ask("INSERT INTO lakehouse.vault.secrets VALUES (9, 9)").status_code == 200, "SQL shows nothing of it"
    assert scene.ask("DELETE FROM lakehouse.vault.secrets WHERE id = 9").status_code == 403
    assert scene.rows("DELETE FROM lakehouse.vault.secrets WHERE id = 9", scene.op)
    assert scene.op.delete("/api/v1/resources/policy/vault-writers").status_code == 200


def test_what_jobs_of_others_report_is_for_who_may_read_their_logs(scene: Scene, ivy: httpx.Client):
    """Bob's job says which cell it could not read: in its run, the list of Workflows and events it is told to nobody
    else; who may not know of the Workflow has no runs of it."""
    made = "CREATE TABLE lakehouse.vault.words AS SELECT 'canary-of-bob' AS word"
    assert scene.ask(made, scene.op).status_code == 200
    key = scene.op.post("/api/v1/users/bob/tokens", json={}).json()["token"]
    headers = {"Authorization": f"Bearer {key}"}
    scene.must(
        access(
            "bob-reads", "users:id:bob", "dataos://lakehouse:vault/words", "dataos://lakehouse:lab/*", predicates=["**"]
        )
    )
    body = {"inputs": [{"name": "o", "dataset": "dataos://lakehouse:vault/words"}],
            "steps": [{"sequence": [{"name": "p", "sql": "SELECT CAST(word AS int) AS n FROM o"}]}],
            "outputs": [{"name": "p", "dataset": "dataos://lakehouse:lab/bobs?acl=rw", "format": "iceberg"}]}  # fmt: skip
    path = "/api/v1/workspaces/public/resources/workflow/bobs"
    with httpx.Client(base_url=scene.server.url, headers=headers, timeout=60) as bob:
        assert scene.run("bobs", flare("cast", body), who=bob)["state"] == "failed"
        told = bob.get(f"{path}/runtime").json()
        assert "canary-of-bob" in str(told["nodes"])
        assert "canary-of-bob" in bob.get("/api/v1/resources?type=workflow").text
    paths = [f"{path}/runtime", f"{path}/runs", f"{path}/runs/{told['run']['id']}"]
    for route in (*paths, path, "/api/v1/resources?type=workflow", "/api/v1/events?limit=1000", f"{path}/history"):
        answer = scene.clean(scene.eve.get(route))
        assert answer.status_code == 200, answer.text
        assert "canary-of-bob" not in answer.text, route
    for route in paths:
        assert scene.clean(ivy.get(route)).status_code == 403, route
    assert scene.op.delete("/api/v1/resources/policy/bob-reads").status_code == 200


def test_she_asks_for_a_grant_and_cannot_approve_it(scene: Scene):
    """A request by herself for herself with a glob in a variable; by API, and by a Grant that says `approve`."""
    values = {"run-as-dataos-resource": [{"user": "**"}]}
    asked = scene.eve.post("/api/v1/grants", json={"policy_use_case_id": "run-as-user", "values": values})
    assert asked.status_code in (200, 403), asked.text
    if asked.status_code == 200:
        scene.refused(scene.eve.post(f"/api/v1/grants/{asked.json()['id']}/approve"))
        scene.op.delete(f"/api/v1/grants/{asked.json()['id']}")
    document = {"name": "mine", "version": "v1", "type": "grant", "layer": "user",
                "grant": {"policy_use_case_id": "run-as-user", "subjects": ["users:id:eve"], "values": values, "approve": True}}  # fmt: skip
    scene.refused(scene.apply(document, scene.eve), 403, 422)
    for owner in ("admin", "bob"):
        job = workflow("owned", script("look", "print(1)"), owner=owner)
        scene.refused(scene.apply(job, scene.eve))


def test_events_of_others_make_her_no_owner(scene: Scene):
    """OpenLineage events that say she wrote the masked table, so that its measures and tags would be hers."""
    event = {"eventType": "COMPLETE", "eventTime": "2030-01-01T00:00:00Z", "producer": "https://x.example",
             "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json", "job": {"namespace": "evil", "name": "j"},
             "run": {"runId": "0199c3a4-0000-7000-8000-000000000001"}, "inputs": [],
             "outputs": [{"namespace": "dataos://lakehouse", "name": "retail.customers"},
                         {"namespace": "dataos", "name": "dataos://lakehouse:retail/customers"}]}  # fmt: skip
    scene.eve.post("/api/v1/lineage", json=event)
    for part in ("profile", "quality"):
        answer = scene.clean(scene.eve.get(f"/api/v1/metadata/datasets/lakehouse:retail/customers/{part}"))
        assert answer.status_code in (403, 404), answer.text
    body = {"assetFqn": "dataos://lakehouse:retail/customers#ssn", "tagFqn": "PII.Ssn"}
    scene.refused(scene.eve.request("delete", "/api/v1/asset-tags", params=body))


def test_measures_of_hidden_columns_are_told_to_no_owner(scene: Scene):
    """She profiles her own table; then a policy masks a column of it, then rows: its measures go with what she sees."""
    made = "CREATE TABLE lakehouse.lab.own AS SELECT 1 AS id, 'value-of-her-own' AS secret"
    assert scene.ask(made).status_code == 200
    body = {"inputs": [{"name": "o", "dataset": "dataos://lakehouse:lab/own"}],
            "steps": [{"sequence": [{"name": "p", "sql": "SELECT * FROM o"}]}],
            "outputs": [{"name": "p", "dataset": "dataos://lakehouse:lab/own2?acl=rw", "format": "iceberg"}]}  # fmt: skip
    profile = {
        "inputs": [{"name": "o", "dataset": "dataos://lakehouse:lab/own2"}],
        "profile": {"level": "intermediate"},
    }
    second = {**flare("measure", profile), "dependencies": ["copy"]}
    assert scene.run("measures", flare("copy", body), second)["state"] == "succeeded"
    path = "/api/v1/metadata/datasets/lakehouse:lab/own2/profile"
    before = scene.eve.get(path)
    assert before.status_code == 200, before.text
    assert "value-of-her-own" in before.text
    scene.must(mask("own-mask", {"names": ["secret"]}, "redact", "lakehouse.lab.own2"))
    after = scene.eve.get(path)
    assert after.status_code == 200, after.text
    assert "value-of-her-own" not in after.text
    user = {"match": "any", "tags": ["roles:id:analyst"]}
    scene.must(data("own-rows", "filter", dataset_id="lakehouse.lab.own2", selector={"user": user},
                    filters=[{"column": "id", "operator": "equals", "value": 7}]))  # fmt: skip
    assert scene.eve.get(path).status_code == 403
    assert "value-of-her-own" in scene.op.get(path).text


def test_old_states_of_policies_and_depots_are_no_way_round_them(scene: Scene, granted: Any):
    """With every right to Resources: she takes a Policy back to a weaker generation, brings back one that opened the
    table and was deleted, and a Depot that lay over files which policies hide by now."""
    weaker = mask("mask-name", {"names": ["name"]}, "redact")
    weaker["policy"]["data"]["selector"]["user"]["tags"] = ["roles:id:nobody"]
    opener = access("opener", "roles:id:analyst", "dataos://lakehouse:vault/*")
    scene.must(weaker)
    scene.must(mask("mask-name", {"names": ["name"]}, "redact"))
    scene.must(opener)
    assert scene.op.delete("/api/v1/resources/policy/opener").status_code == 200
    granted("manage-all-other-resources-in-user-layer")
    granted("manage-all-depot")
    granted("read-all-resources-in-user-workspaces")
    for name, generation in (("mask-name", 1), ("opener", 1), ("opener", None), ("rows", 1)):
        for path in ("/api/v1", "/api/v1/workspaces/public"):
            body = {"toGeneration": generation} if generation else {}
            answer = scene.clean(scene.eve.post(f"{path}/resources/policy/{name}/rollback", json=body))
            assert answer.status_code in (403, 404, 422), (name, generation, answer.text)
    for verb, path in (
        ("put", "/poros/api/v1/resources"),
        ("post", "/poros/api/v1/resources"),
        ("post", "/api/v1/apply-set"),
    ):
        body = {"documents": [weaker]} if path.endswith("set") else weaker
        answer = scene.clean(scene.eve.request(verb, path, json=body))
        assert answer.status_code in (400, 403, 404, 405, 422), (path, answer.text)
    assert {row[0] for row in scene.rows("SELECT name FROM lakehouse.retail.customers")} == {"gone"}
    scene.refused(scene.ask("SELECT * FROM lakehouse.vault.secrets"))
    own = scene.data.parent / "later"
    own.mkdir()
    (own / "salaries.csv").write_text("id,v\n1,canary-file\n")
    document = {
        "name": "later",
        "version": "v2alpha",
        "type": "depot",
        "depot": {"type": "FILE", "file": {"path": str(own)}},
    }
    scene.must(document, scene.eve)
    assert scene.eve.delete("/api/v1/resources/depot/later").status_code == 200
    wait_until(lambda: scene.op.get("/ds/api/v2/depots/later").status_code == 404, 20, "the depot to go")
    scene.must({**document, "name": "kept"})
    scene.must(access("no-later", "roles:id:analyst", "dataos://kept:**", allow=False, predicates=["**"]))
    answer = scene.clean(scene.eve.post("/api/v1/resources/depot/later/rollback", json={}))
    assert answer.status_code in (403, 422), answer.text
    assert answer.json()["errors"][0]["code"] == "depot.overlap", answer.text
    for type_, name in (("policy", "mask-name"), ("policy", "no-later"), ("depot", "kept")):
        scene.op.delete(f"/api/v1/resources/{type_}/{name}?force=true")


def test_who_manages_data_policies_takes_no_other_policy_out_of_force(scene: Scene, granted: Any):
    """With `manage-datapolicy`, and as the operator who owns them: she stores a mask by the name of the policy that denies her a table, and a data policy of
    layer user by the name of one of layer system."""
    granted("manage-datapolicy")
    granted("run-as-user", {"run-as-dataos-resource": [{"user": "admin"}]})
    harmless = mask("no-salaries", {"names": ["nothing"]}, "redact")
    scene.refused(scene.apply(harmless, scene.eve))
    scene.refused(
        scene.eve.put("/gateway/api/v1/datapolicy", json={**harmless["policy"]["data"], "name": "no-salaries"})
    )
    scene.refused(scene.eve.delete("/api/v1/resources/policy/no-salaries"))
    scene.refused(scene.ask("SELECT * FROM lakehouse.retail.salaries"))
    system = {**mask("whole", {"names": ["email"]}, "redact"), "layer": "system"}
    scene.refused(scene.apply(system, scene.eve))
    scene.must(system)
    scene.refused(scene.apply({**system, "layer": "user"}, scene.eve))
    scene.refused(scene.eve.delete("/api/v1/resources/policy/whole"))
    assert scene.op.delete("/api/v1/resources/policy/whole").status_code == 200


LATE = """
import time
from pyflare.sdk import load, save, session_builder
spark = session_builder.SparkSessionBuilder().build_session()
print("begun")
time.sleep(10)
for turn in range(2):
    try:
        print("seen", [tuple(row) for row in load("dataos://lakehouse:retail/late").collect()])
    except Exception as error:
        print("refused", str(error)[:300])
"""


def test_a_program_that_began_before_a_policy_reads_under_it(scene: Scene):
    """Her program waits until the table that it names is masked, and reads then; and another runs in what the first
    left waiting."""
    made = "CREATE TABLE lakehouse.retail.late AS SELECT 1 AS id, 'canary-111' AS plain"
    assert scene.ask(made, scene.op).status_code == 200
    body = {"inputs": [{"name": "late", "dataset": "dataos://lakehouse:retail/late"}], "outputs": [], "program": LATE}
    scene.must(workflow("late", flare("late", body)), scene.eve)
    path = "/api/v1/workspaces/public/resources/workflow/late"
    wait_until(lambda: "begun" in scene.eve.get(f"{path}/log", params={"tail": 400}).text, 60, "the program")
    scene.must(mask("mask-late", {"names": ["plain"]}, "redact", "lakehouse.retail.late"))

    def ended() -> Any:
        run = scene.op.get(f"{path}/runtime").json()["run"] or {}
        return run.get("state") in ("succeeded", "failed")

    wait_until(ended, 90, "the end of the program")
    log = scene.eve.get(f"{path}/log", params={"tail": 400})
    scene.clean(log)
    assert log.text.count("refused") + log.text.count("gone") >= 2
    again = {**body, "program": LATE.replace("(10)", "(0)")}
    found = scene.run("again", flare("late", again))
    assert "gone" in found["log"]
    assert not [c for c in CANARIES if c in found["log"]]


def test_her_program_finds_nothing_in_its_sandbox(scene: Scene):
    """A script looks through its mounts, environment, the server's home and socket, and calls each API with its token."""
    text = f"""
import os, glob, pathlib, socket
home = {str(scene.server.home)!r}
found = [p for p in glob.glob(home + "/warehouse/**", recursive=True) + glob.glob(home + "/keys/*")]
print("SEEN", len([p for p in found if os.path.isfile(p)]))
try:
    print("KEY", len(pathlib.Path(home, "keys", "admin.token").read_text()))
except OSError as error:
    print("no key", type(error).__name__)
"""
    found = scene.run("looks", script("look", text))
    from support.server import NO_SANDBOX

    if NO_SANDBOX:
        pytest.skip("programs are not sandboxed here: only those whom one trusts may run any")
    assert "SEEN 0" in found["log"]
    assert "KEY" not in found["log"]


HOLDER = """
import os, pathlib, time
for name in ("DATAOS_OUT_DIR", "DATAOS_TEMP_DIR", "TMPDIR"):
    if os.environ.get(name):
        pathlib.Path(os.environ[name], "kept").write_text("canary-file")
print("holds")
time.sleep(120)
"""
LOOKS = """
import glob, os
from pyflare.sdk import session_builder
from pyspark.sql.functions import udf
spark = session_builder.SparkSessionBuilder().build_session()

def look(_):
    import glob, os, pathlib
    home, found = HOME, []
    for pattern in (home + "/*", home + "/keys/*", home + "/warehouse/**", home + "/work/**", home + "/store.db",
                    "/tmp/**/kept", "/proc/[0-9]*/environ", "/proc/[0-9]*/root/tmp/**", "/proc/[0-9]*/cwd/**",
                    "/proc/[0-9]*/fd/*", "/run/**", "/var/tmp/**", "/dev/shm/**"):
        for path in glob.glob(pattern, recursive=True):
            try:
                text = pathlib.Path(path).read_bytes() if os.path.isfile(path) and os.path.getsize(path) < 1 << 20 else b""
            except OSError:
                continue
            if b"def look" in text:
                continue  # itself
            if b"canary" in text:
                found.append("LEAK " + path)
            if b"DATAOS_RUN_AS_APIKEY=" in text and os.environ.get("DATAOS_RUN_ID", "?").encode() not in text:
                found.append("ENVIRON " + path)
            if os.path.isfile(path) and path.startswith((home + "/keys", home + "/store", home + "/warehouse")):
                found.append("HOME " + path)
    return str(sorted(set(found)))

print("PROGRAM", look(0))
print("UDF", spark.range(1).select(udf(look)("id")).collect()[0][0])
"""


def test_neither_a_program_nor_its_functions_find_what_others_run_with(scene: Scene):
    """PyFlare and a function of it look for the server's home, and for folders, environments and open files of another
    job that runs meanwhile."""
    from support.server import NO_SANDBOX

    if NO_SANDBOX:
        pytest.skip("programs are not sandboxed here: only those whom one trusts may run any")
    secret = {"envs": {"KEPT": "canary-file"}}
    scene.must(workflow("holder", script("hold", HOLDER, **secret)))
    path = "/api/v1/workspaces/public/resources/workflow/holder"
    wait_until(lambda: "holds" in scene.op.get(f"{path}/log").text, 30, "the other job")
    kept = list((scene.server.home / "work").glob("*/**/kept"))
    assert kept, "the other job left something to be found"
    body = {"inputs": [], "outputs": [], "program": LOOKS.replace("HOME,", f"{str(scene.server.home)!r},")}
    found = scene.run("finds", flare("find", body))
    scene.op.delete(f"{path}?force=true")
    assert found["state"] == "succeeded", found["log"]
    assert "PROGRAM []" in found["log"]
    assert "UDF []" in found["log"]


# --- much, deep, wide -------------------------------------------------------------------------------------------------


def test_large_statements_end_and_hide_what_they_should(scene: Scene):
    """A statement of 1 MB, expressions and sub-queries nested deep, a table of 1,000 columns with one that is masked."""
    long = "SELECT ssn FROM lakehouse.retail.customers WHERE name <> '" + "x" * (1 << 20) + "'"
    assert scene.ask(long).status_code in (200, 400, 413, 422)
    deep = "SELECT " + "(" * 400 + "ssn" + ")" * 400 + " FROM lakehouse.retail.customers"
    nested = "lakehouse.retail.customers"
    for level in range(60):
        nested = f"(SELECT * FROM {nested}) t{level}"
    for sql in (deep, f"SELECT ssn, email FROM {nested}"):
        assert scene.ask(sql).status_code < 500
    columns = ", ".join(f"{n} AS c{n}" for n in range(999))
    wide = f"CREATE TABLE lakehouse.lab.wide AS SELECT {columns}, 'canary-111' AS ssn"
    assert scene.ask(wide, scene.op).status_code == 200
    body = {"assetFqn": "dataos://lakehouse:lab/wide#ssn", "tagFqn": "PII.Ssn"}
    assert scene.op.put("/api/v1/asset-tags", json=body).status_code == 200
    assert scene.rows("SELECT * FROM lakehouse.lab.wide")[0][-1] == "gone"
