"""The catalog `gateway`: statements and their audit by SQL, to each user his own (ch06 5.6)."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from support.retail import Lake, access, filtered, mask
from support.server import wait_until

QUERY, AUDIT = "gateway.public.query", "gateway.public.query_audit"
ODD = [
    "SELECT 'it''s \\\\ {\"a\": [1]}' AS \"x\"",
    "SELECT 'line\nnext', ' ; -- , } ] NULL'",
    "SELECT 'naïve 東京 😀'",
    "  SELECT ''  ",
    "SELECT nosuch",
]


def ask(who: httpx.Client, sql: str) -> str:
    """Run a statement that may fail; its id, or nothing."""
    return who.post("/api/v1/query", json={"sql": sql}).json().get("query_id", "")


def test_statements_come_back_as_they_were_written(lake: Lake):
    for sql in ODD:
        ask(lake.ana, sql)
    found = [row[0] for row in lake.rows(lake.ana, f"SELECT query FROM {QUERY} ORDER BY created_at, query_id")]
    assert [sql for sql in found if sql in ODD] == ODD, found
    failed = lake.rows(lake.ana, f"SELECT state, error, row_count FROM {QUERY} WHERE query = 'SELECT nosuch'")
    assert failed == [["failed", "query.unknown_column", None]]


def test_each_user_sees_only_his_own_and_an_operator_all(lake: Lake, readers: None):
    secret = "SELECT 'the salary of ben' AS s"
    mine = ask(lake.ben, secret)
    lake.refused(lake.ben, "SELECT * FROM lakehouse.other.things")
    for table in (QUERY, AUDIT):
        assert lake.rows(lake.ana, f"SELECT count(*) FROM {table} WHERE user_id <> 'ana'") == [[0]]
        assert lake.rows(lake.ben, f"SELECT DISTINCT user_id FROM {table}") == [["ben"]]
        assert ["ben"] in lake.rows(lake.op, f"SELECT DISTINCT user_id FROM {table}")
    assert lake.rows(
        lake.ana, f"SELECT count(*) FROM {QUERY} WHERE query LIKE '%salary of ben%' AND user_id <> 'ana'"
    ) == [[0]]
    assert "salary of ben" not in json.dumps(lake.rows(lake.ana, f"SELECT * FROM {AUDIT}"))
    assert lake.rows(lake.op, f"SELECT query FROM {QUERY} WHERE query_id = '{mine}'") == [[secret]]
    assert [False] in lake.rows(lake.ben, f"SELECT allowed FROM {AUDIT}")


def test_a_grant_of_the_use_case_opens_the_rows_of_others_and_its_end_closes_them(lake: Lake):
    ask(lake.ben, "SELECT 1")
    body = {"policy_use_case_id": "read-query-history", "subjects": ["users:id:ana"], "approve": True}
    made = lake.op.post("/api/v1/grants", json=body).json()
    of_ben = "SELECT count(*) > 0 FROM {} WHERE user_id = 'ben'"
    assert lake.rows(lake.ana, of_ben.format(QUERY)) == [[True]]
    assert lake.rows(lake.ana, of_ben.format(AUDIT)) == [[False]]  # that is the use case read-audit
    lake.op.delete(f"/api/v1/grants/{made['id']}")
    assert lake.rows(lake.ana, of_ben.format(QUERY)) == [[False]]


def test_the_audit_tells_what_policies_did_to_each_column(lake: Lake, readers: None):
    lake.apply(mask("hide-email", "email", "redact"))
    lake.apply(filtered("emea", {"column": "region", "operator": "equals", "value": "EMEA"}))
    query_id = ask(lake.ana, "SELECT email FROM lakehouse.retail.customers")
    lake.delete("policy", "hide-email", "emea")
    ((schema, table, policy, columns),) = lake.rows(
        lake.ana,
        f"SELECT t.s, t.t, t.p, t.c FROM {AUDIT} AS a "
        f"CROSS JOIN UNNEST(a.tables) AS t (d, s, t, p, c) WHERE a.query_id = '{query_id}'",
    )
    assert (schema, table, policy) == ("retail", "customers", "readers")
    assert json.loads(columns) == [
        {"column": "email", "policy": "hide-email", "mask": "'REDACTED'"},
        {"column": "region", "policy": "emea", "filter": "region = 'EMEA'"},
    ]


def test_plans_and_times_are_kept_with_each_statement(lake: Lake, readers: None):
    one = "SELECT email FROM lakehouse.retail.customers"
    two = "SELECT 1 / (length(email) - length(email)) FROM lakehouse.retail.customers"
    asked = ask(lake.ana, one)
    ask(lake.ana, two)
    ask(lake.ana, "SELECT * FROM lakehouse.other.things")

    kept = f"SELECT query, plan, element_at(timings, 'admitted') <= element_at(timings, 'planned') FROM {QUERY}"
    scan = "    TableScan[table = lakehouse.retail.customers, columns = [{}]]"
    told = {sql: (plan, in_order) for sql, plan, in_order in lake.rows(lake.ana, kept)}
    assert told[one] == (f"Output[columnNames = [email]]\n{scan.format('email')}", True)
    assert told[two][0].endswith(scan.format("email"))
    assert told["SELECT * FROM lakehouse.other.things"] == (None, None)
    shown = lake.ana.get(f"/api/v1/queries/{asked}").json()
    assert shown["plan"] == told[one][0]
    assert shown["timings"]["planned"] <= shown["timings"]["started"]


def test_the_catalog_is_listed_and_described(lake: Lake):
    assert ["gateway"] in lake.rows(lake.ana, "SHOW CATALOGS")
    assert lake.rows(lake.ana, "SHOW TABLES FROM gateway.public") == [["query"], ["query_audit"]]
    assert ["created_at", "bigint", "", ""] in lake.rows(lake.ana, f"DESCRIBE {QUERY}")
    names = lake.rows(lake.ana, "SELECT DISTINCT table_name FROM gateway.information_schema.columns ORDER BY 1")
    assert names == [["query"], ["query_audit"]]
    answer = lake.ana.post("/api/v1/query", json={"sql": "SELECT * FROM gateway.public.querys"})
    assert "does not exist" in answer.text
    assert "cannot be written" in lake.ana.post("/api/v1/query", json={"sql": f"DELETE FROM {QUERY}"}).text


@pytest.mark.parametrize(
    "policy",
    [
        access("shut", ["roles:id:analyst"], "dataos://gateway:public/*", allow=False),
        access("shut", ["roles:id:analyst"], "dataos://gateway:public/query#query", allow=False),
    ],
)
def test_a_denial_closes_the_table(lake: Lake, policy: dict[str, object]):
    lake.apply(policy)
    assert "shut" in lake.refused(lake.ana, f"SELECT 1 FROM {QUERY}")["hint"]
    lake.delete("policy", "shut")
    wait_until(lambda: lake.rows(lake.ana, f"SELECT count(*) > 0 FROM {QUERY}") == [[True]], what="it is open again")


def test_the_statement_of_the_guide_works(lake: Lake, readers: None):
    ask(lake.ana, "SELECT name FROM lakehouse.retail.customers")
    guide = (Path(__file__).parents[3] / "docs/howto/govern-data.md").read_text().split("```sql\n")[1].split("```")[0]
    assert ["ana", "[]", "SELECT name FROM lakehouse.retail.customers"] in lake.rows(lake.ana, guide)
