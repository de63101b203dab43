"""Wrong policies, look-alike names and engines that die: what is said, and that nothing hidden is shown (ch08 3)."""

from __future__ import annotations

import os
import signal
import threading
import time
import unicodedata
from typing import Any

import httpx
import pyarrow as pa
import pytest

from support.retail import READERS, Lake, access, filtered, mask
from support.server import Installation, below, wait_until

SLOW = """SELECT c.email, max(sqrt(x * 1e0 + y)) FROM lakehouse.retail.customers c
CROSS JOIN UNNEST(sequence(1, 10000)) AS t(x) CROSS JOIN UNNEST(sequence(1, 10000)) AS u(y)
CROSS JOIN UNNEST(sequence(1, 1000)) AS v(z) GROUP BY 1"""
WIDE = """SELECT c.email, x, y FROM lakehouse.retail.customers c
CROSS JOIN UNNEST(sequence(1, 10000)) AS t(x) CROSS JOIN UNNEST(sequence(1, 10000)) AS u(y)"""


def engine_of(server: Installation) -> int:
    """The process of the Cluster's engine."""

    def look() -> int | None:
        for pid in below(server.pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
            except OSError:  # it ended
                continue
            if b"engines.duckdb" in line:
                return pid
        return None

    return int(wait_until(look, 20, "the engine's process"))


@pytest.mark.parametrize("form", ["json", "arrow"])
def test_an_engine_killed_in_a_masked_statement_shows_nothing_raw_and_is_there_again(
    lake: Lake, readers: None, form: str
):
    lake.apply(mask("hide-email", "email", "redact", replacement="gone"))
    sql = "SELECT DISTINCT email FROM lakehouse.retail.customers"
    assert lake.rows(lake.ana, sql) == [["gone"]]
    engine = engine_of(lake.server)
    found: list[Any] = []

    def ask() -> None:
        more = {"Accept": "application/vnd.apache.arrow.stream"} if form == "arrow" else {}
        body = {"sql": WIDE if form == "arrow" else SLOW}
        with lake.ana.stream("POST", "/api/v1/query", json=body, headers=more) as answer:
            found.append(answer.status_code)
            try:
                for piece in answer.iter_bytes():
                    found.append(piece)
                    if form == "arrow" and len(found) == 3:
                        os.kill(engine, signal.SIGKILL)
            except httpx.HTTPError as error:
                found.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    if form == "json":
        time.sleep(1.5)
        os.kill(engine, signal.SIGKILL)
    asking.join(60)
    assert not asking.is_alive()
    told = b"".join(f for f in found if isinstance(f, bytes))
    assert b"@x.org" not in told
    if form == "json":
        assert found[0] in (500, 502, 503), found
        assert b'"code":"engine.' in told, told[:500]
    else:
        assert isinstance(found[-1], httpx.HTTPError), "an answer that is cut off looks whole"
    assert lake.rows(lake.ana, sql) == [["gone"]]
    assert engine_of(lake.server) != engine
    states = {q["state"] for q in lake.ana.get("/api/v1/queries").json()["items"] if "UNNEST" in q["sql"]}
    assert states <= {"failed", "cancelled"}, states
    lake.delete("policy", "hide-email")


FAULTY = """\
name: broken-one
version: v1
type: policy
layer: user
policy:
  access:
    subjects:
      tags:
        - "roles:[id"
        - 7
    predicates: []
    objects:
      paths: ["dataos://{lakehouse"]
---
name: broken-two
version: v1
type: policy
layer: user
policy:
  data:
    type: mask
    priority: 900
    dataset_id: lakehouse.retail
    selector:
      user: {match: some, tags: []}
      column: {names: [email]}
    mask: {operator: hush}
---
name: broken-three
version: v1
type: policy
layer: user
policy:
  data:
    type: filter
    selector:
      user: {match: any, tags: ["roles:id:analyst"]}
    filters:
      - {column: "", operator: like, value: [1]}
---
name: broken-four
version: v1
type: policy
layer: user
policy:
  access: {subjects: {tags: ["roles:id:user"]}, predicates: [read], objects: {paths: ["**"]}, alow: true}
  data: {type: mask}
---
name: broken-five
version: v1
type: policy
layer: user
policy:
  access:
    allow: maybe
    subject: {tags: x}
"""
TOLD = ("roles:[id", "- 7", "predicates: []", "{lakehouse", "priority: 900", "dataset_id", "match: some", "hush",
        "operator: like", "alow", "allow: maybe")  # fmt: skip


def test_all_faults_of_all_policies_are_told_at_once_with_their_lines(lake: Lake):
    done = lake.server.cli("apply", "-f", lake.server.write("faulty.yaml", FAULTY))
    assert done.code == 1
    for text in TOLD:
        number = next(i for i, line in enumerate(FAULTY.splitlines(), 1) if text in line)
        assert f"faulty.yaml:{number}:" in done.err, (text, number, done.err)
    for name in ("one", "two", "three", "four", "five"):
        assert lake.op.get(f"/api/v1/resources/policy/broken-{name}").status_code == 404
    for text in (
        "name: x\ntype: policy\npolicy: [\n",
        "name: x\nversion: v1\ntype: policy\npolicy: 7\n",
        "policy: {}\n",
    ):
        done = lake.server.cli("apply", "-f", lake.server.write("odd.yaml", text))
        assert (done.code, "odd.yaml:" in done.err) == (1, True), (text, done.err)
    assert lake.rows(lake.op, "SELECT count(*) FROM lakehouse.retail.orders") == [[2]]


WARNS = (
    (access("w", ["roles:id:analist"], "dataos://lakehouse:retail/*"), "roles:id:analist"),
    (access("w", ["roles:id:analyst"], "dataos://lakehouse:retial/*"), "dataos://lakehouse:retial/*"),
    (access("w", ["roles:id:\u0430nalyst"], "dataos://lakehouse:retail/*"), "roles:id:"),
    (mask("w", {"tags": ["PII.Emial"]}, "redact"), "PII.Emial"),
    (mask("w", {"tags": ["PII.\u0415mail"]}, "redact"), "PII."),
    (mask("w", "email", "redact", role="analist"), "roles:id:analist"),
)


@pytest.mark.parametrize(("document", "said"), WARNS)
def test_tags_names_and_globs_that_match_nothing_are_said(lake: Lake, document: Any, said: str):
    answer = lake.apply(document)
    known = lake.apply(mask("known", "email", "redact"))["warnings"] + lake.apply(READERS)["warnings"]
    try:
        assert not known, "what is there is known"
        assert [w for w in answer["warnings"] if said in w["message"]], answer["warnings"]
    finally:
        lake.delete("policy", "w", "known", "readers")


def test_a_mask_that_names_no_column_of_what_is_known_is_said(lake: Lake):
    made = "CREATE TABLE lakehouse.retail.known AS SELECT customer_id, email FROM lakehouse.retail.customers"
    assert lake.op.post("/api/v1/query", json={"sql": made}).status_code == 200
    document = mask("w", {"names": ["emial", "EMAIL"]}, "redact")
    document["policy"]["data"]["dataset_id"] = "lakehouse.retail.known"
    (told,) = lake.apply(document)["warnings"]
    lake.delete("policy", "w")
    assert "`emial`" in told["message"]
    assert told["hint"] == "did you mean `email`?"
    assert told["path"] == "policy.data.selector.column.names[0]"


LOCKS = (
    access("lock", ["roles:id:operator"], "**", allow=False, predicates=["**"]),
    access("lock", ["users:id:admin"], "/api/v1/**", allow=False, predicates=["**"]),
    access("lock", ["**"], "/api/v1/apply", allow=False, predicates=["*"]),
    {**access("lock", ["roles:id:operator"], allow=False, predicates=["update", "delete"]),
     "policy": {"access": {"subjects": {"tags": ["roles:id:operator"]}, "predicates": ["update", "delete"],
                           "objects": {"tags": ["dataos:resource:policy"]}, "allow": False}}},
)  # fmt: skip


@pytest.mark.parametrize("document", LOCKS)
def test_what_would_leave_no_operator_is_refused_and_not_in_force(lake: Lake, document: Any):
    answer = lake.op.post("/api/v1/apply", json={"document": document})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "policy.lockout"), answer.text
    assert lake.op.get("/api/v1/resources/policy/lock").status_code == 404
    lake.apply(READERS)
    lake.delete("policy", "readers")


# --- names that look alike --------------------------------------------------------------------------------------------

CAFE = "caf\u00e9"  # one character; decomposed it is two


@pytest.fixture(scope="module")
def alike(lake: Lake) -> None:
    """A table whose name and columns have an accent, and one whose names have letters with odd capitals."""
    from pyiceberg.catalog.rest import RestCatalog

    token = (lake.server.home / "keys" / "admin.token").read_text().strip()
    catalog = RestCatalog("lake", uri=f"{lake.server.url}/iceberg", token=token, warehouse="lakehouse")
    for name, columns in ((CAFE, ("id", "k\u00fcche")), ("kiss", ("id", "risk"))):
        rows = pa.table({columns[0]: pa.array([1], pa.int64()), columns[1]: ["canary"]})
        catalog.create_table(f"retail.{name}", rows.schema).append(rows)
    decomposed = unicodedata.normalize("NFD", "m\u00fcnze")
    rows = pa.table({"id": pa.array([1], pa.int64()), decomposed: ["canary"]})
    catalog.create_table("retail." + unicodedata.normalize("NFD", "t\u00e9"), rows.schema).append(rows)


def spellings(name: str) -> list[str]:
    """The name in forms that somebody may take for it."""
    found = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    found += [f(name) for f in (str.upper, str.lower, str.swapcase, str.title)]
    odd = {"k": "\u212a", "s": "\u017f", "i": "\u0131", "I": "\u0130", "e": "\u0435", "a": "\u0430"}
    found += [name.replace(a, b) for a, b in odd.items()]
    found += [name + mark for mark in ("\u200b", "\u200d", "\ufe0f", "\u00a0", " ", "\u0301")]
    found += ["".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("table", [CAFE, "kiss", "t\u00e9"])
def test_a_denied_table_is_denied_by_every_look_alike_name(lake: Lake, readers: None, alike: None, table: str):
    for written in dict.fromkeys(unicodedata.normalize(form, table) for form in ("NFC", "NFD")):
        lake.apply(access("no-alike", ["roles:id:analyst"], f"dataos://lakehouse:retail/{written}", allow=False))
        for name in spellings(table):
            answer = lake.ana.post("/api/v1/query", json={"sql": f'SELECT * FROM lakehouse.retail."{name}"'})
            assert answer.status_code in (400, 403, 404, 422), (written, name, answer.text)
            assert "canary" not in answer.text
        shown = lake.ana.post("/api/v1/query", json={"sql": "SHOW TABLES FROM lakehouse.retail"}).json()["rows"]
        assert not {unicodedata.normalize("NFC", row[0]) for row in shown} & {table}
        lake.delete("policy", "no-alike")


@pytest.mark.parametrize(("table", "column"), [(CAFE, "k\u00fcche"), ("kiss", "risk"), ("t\u00e9", "m\u00fcnze")])
def test_a_masked_column_is_masked_by_every_look_alike_name(
    lake: Lake, readers: None, alike: None, table: str, column: str
):
    known = lake.rows(lake.op, "SHOW TABLES FROM lakehouse.retail")
    real = next(row[0] for row in known if unicodedata.normalize("NFC", row[0]) == table)
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD") for text in (column, column.upper())]
    for written in dict.fromkeys(forms):
        for dataset in dict.fromkeys(unicodedata.normalize(form, table) for form in ("NFC", "NFD")):
            document = mask("alike", written, "redact", replacement="gone")
            document["policy"]["data"]["dataset_id"] = f"lakehouse.retail.{dataset}"
            lake.apply(document)
            for name in ("*", *(f'"{s}"' for s in spellings(column))):
                answer = lake.ana.post("/api/v1/query", json={"sql": f'SELECT {name} FROM lakehouse.retail."{real}"'})
                assert "canary" not in answer.text, (written, dataset, name, answer.text)
            lake.delete("policy", "alike")


def test_a_tag_that_looks_like_another_takes_nothing_away_and_gives_nothing(lake: Lake, readers: None):
    fqn = "dataos://lakehouse:retail/customers#age"
    tags = ("PII.Age", "PII.\u0410ge")
    for tag in tags:
        assert lake.op.put("/api/v1/asset-tags", json={"assetFqn": fqn, "tagFqn": tag}).status_code == 200
    assert lake.rows(lake.ana, "SELECT age FROM lakehouse.retail.customers WHERE customer_id = 1") == [[25]]
    for tag in tags:
        lake.op.delete("/api/v1/asset-tags", params={"assetFqn": fqn, "tagFqn": tag})
    for role in ("\u0430nalyst", "analyst\u200b", "op\u0435rator", "Analyst"):
        made = lake.op.post("/api/v1/governance/roles", json={"name": role})
        assert made.status_code in (409, 422), (role, made.text)
    for tag in ("roles:id:\u043eperator", "roles:id:Operator", "roles:id:operator\u200b"):
        assert lake.op.put("/api/v1/users/ben/tags", json={"tags": [tag]}).status_code == 422


def test_filters_and_denials_of_columns_count_in_each_form_of_accents(lake: Lake, readers: None, alike: None):
    decomposed = unicodedata.normalize("NFD", CAFE)
    rule = filtered(
        "alike-rows", {"column": unicodedata.normalize("NFD", "k\u00fcche"), "operator": "equals", "value": "x"}
    )
    rule["policy"]["data"]["dataset_id"] = f"lakehouse.retail.{decomposed}"
    lake.apply(rule)
    assert lake.rows(lake.ana, f'SELECT * FROM lakehouse.retail."{CAFE}"') == []
    lake.delete("policy", "alike-rows")
    column = unicodedata.normalize("NFD", "k\u00fcche")
    lake.apply(
        access("alike-column", ["roles:id:analyst"], f"dataos://lakehouse:retail/{decomposed}#{column}", allow=False)
    )
    assert lake.rows(lake.ana, f'SELECT * FROM lakehouse.retail."{CAFE}"') == [[1]]
    lake.delete("policy", "alike-column")
