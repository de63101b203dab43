"""The audit of a real server: changes of what governs, statements that write, refusals (ch08 11.5)."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from support.retail import READERS, Lake
from support.server import installation, wait_until


def audit(lake: Lake, **wanted: Any) -> list[dict[str, Any]]:
    rows = lake.op.get("/api/v1/audit", params={"limit": 10000}).json()["items"]
    return [r for r in rows if all(r[key] == value for key, value in wanted.items())]


def test_changes_by_api_and_cli_say_who_made_them(lake: Lake):
    lake.apply(READERS)
    lake.delete("policy", "readers")
    lake.server.ok("tag", "add", "dataos://lakehouse:retail/customers#email", "-t", "PII.Email")
    lake.server.ok("tag", "remove", "dataos://lakehouse:retail/customers#email", "-t", "PII.Email")
    stored, removed = audit(lake, object="policy:readers")[-2:]
    assert (stored["actor"], stored["action"]) == ("admin", "policy.stored")
    assert stored["data"]["paths"] == ["dataos://lakehouse:retail/*"]
    assert (removed["actor"], removed["action"]) == ("admin", "policy.removed")
    given, taken = audit(lake, action="tag.changed", object="dataos://lakehouse:retail/customers")[-2:]
    assert given["data"] == {"added": [{"column": "email", "tag": "PII.Email"}], "removed": []}
    assert taken["data"] == {"added": [], "removed": [{"column": "email", "tag": "PII.Email"}]}
    assert {r["action"] for r in audit(lake, object="user:ana")} >= {"user.created", "user.key-created"}
    assert audit(lake, action="role.created", object="role:analyst")
    assert "rows are as they were written" in lake.server.ok("audit", "verify").out


def vault(user: str) -> dict[str, Any]:
    held = {"username": user, "password": "canary-4d1"}
    secret = {"type": "key-value-properties", "acl": "r", "data": held}
    return {"name": "shopkey", "version": "v1", "type": "secret", "secret": secret}


def test_what_people_do_to_resources_says_who_did_it(lake: Lake):
    lake.apply(vault("u"))
    lake.apply(vault("v"))
    assert lake.op.get("/api/v1/resources/secret/shopkey", params={"unSanitize": True}).status_code == 200
    lake.delete("secret", "shopkey")
    lake.server.ok("workspace", "create", "-n", "audited")
    lake.server.ok("workspace", "delete", "-n", "audited")
    expected = ["created", "updated", "revealed", "deleted"]
    wait_until(lambda: audit(lake, action="workspace.deleted"))
    rows = audit(lake, object="secret:v1:shopkey:public")
    assert [(r["actor"], r["action"]) for r in rows] == [("admin", f"resource.{word}") for word in expected]
    assert rows[1]["data"]["generation"] == 2
    assert "canary" not in str(rows)
    told = audit(lake, object="workspace:v1beta1:audited")
    assert [r["action"] for r in told] == ["workspace.created", "workspace.deleted"]


def test_refusals_at_every_door_are_told(lake: Lake):
    assert lake.ana.get("/api/v1/audit/verify").status_code == 403
    assert lake.ana.get("/iceberg/v1/lakehouse/namespaces/retail/tables/customers").status_code == 403
    token = lake.ana.headers["Authorization"].partition(" ")[2]
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={token}/20260101/us-east-1/s3/aws4_request"}
    assert httpx.get(f"{lake.server.url}/no-bucket/key", headers=signed).status_code == 403
    lake.refused(lake.ana, "SELECT * FROM lakehouse.retail.stores")
    told = [r["object"] for r in audit(lake, actor="ana", action="refused", allowed=False)]
    assert told == [
        "GET /api/v1/audit/verify",
        "GET /iceberg/v1/lakehouse/namespaces/retail/tables/customers",
        "GET /no-bucket/key",
    ]
    assert audit(lake, actor="ana", action="query", allowed=False)


def test_a_flood_of_refusals_does_not_fill_the_audit(lake: Lake):
    before = len(audit(lake))
    for number in range(100):
        assert lake.ben.get("/api/v1/audit", params={"actor": f"x{number}"}).status_code == 403
        assert lake.ben.get(f"/api/v1/users/u{number}/tokens").status_code == 403
    assert 1 <= len(audit(lake)) - before <= 21


def test_the_server_removes_what_is_over_by_itself(tmp_path: Path):
    with installation(tmp_path) as server:
        server.up()
        headers = {"Authorization": f"Bearer {(server.home / 'keys' / 'admin.token').read_text().strip()}"}
        soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        body = {"policy_use_case_id": "read-audit", "subjects": ["users:id:ana"], "approve": True, "expires": soon}
        made = httpx.post(f"{server.url}/api/v1/grants", json=body, headers=headers).json()
        key = {"name": "brief", "duration_s": 1}
        assert httpx.post(f"{server.url}/api/v1/users/admin/tokens", json=key, headers=headers).status_code == 200
        server.ok("down")
        time.sleep(2.5)
        server.env |= {"DATAOS_KEEP__KEYS_DAYS": "0", "DATAOS_KEEP__AUDIT_DAYS": "0.00001"}
        server.up()

        def actions() -> set[str]:
            rows = httpx.get(f"{server.url}/api/v1/audit", params={"limit": 1000}, headers=headers).json()["items"]
            return {r["action"] for r in rows}

        wait_until(lambda: {"grant.expired", "audit.trimmed"} <= actions(), what="the first round of upkeep")
        assert "user.key-created" not in actions()  # its row was old
        assert httpx.get(f"{server.url}/api/v1/grants/{made['id']}", headers=headers).status_code == 404
        assert "went because they were old" in server.ok("audit", "verify").out
        store = sqlite3.connect(f"file:{server.home / 'store.db'}?mode=ro", uri=True)
        assert store.execute("SELECT count(*) FROM tokens WHERE name = 'brief'").fetchone() == (0,)
        store.close()


def test_reads_and_changes_past_the_gateway_are_told_before_they_happen(lake: Lake, readers: None):
    from pyiceberg.catalog.rest import RestCatalog

    def ways(user: str) -> list[tuple[str, str]]:
        return [(r["action"], r["object"]) for r in audit(lake, actor=user, allowed=True) if r["action"] != "query"]

    token = lake.ana.headers["Authorization"].partition(" ")[2]
    table = RestCatalog("a", uri=f"{lake.server.url}/iceberg", token=token, warehouse="lakehouse").load_table(
        "retail.customers"
    )
    before = ways("ana")
    assert ("table.read", "dataos://lakehouse:retail/customers") in before
    for _ in range(3):
        table.refresh()
    assert ways("ana") == before  # once a minute
    op = lake.op.headers["Authorization"].partition(" ")[2]
    own = RestCatalog("o", uri=f"{lake.server.url}/iceberg", token=op, warehouse="lakehouse").load_table(
        "retail.orders"
    )
    written = ("table.write", "dataos://lakehouse:retail/orders")
    made = ways("admin").count(written)
    own.append(own.scan().to_arrow())
    assert ways("admin").count(written) == made + 1
    own.manage_snapshots().rollback_to_snapshot(own.history()[0].snapshot_id).commit()
    assert ways("admin").count(written) == made + 2
