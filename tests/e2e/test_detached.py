"""Statements that wait, run without their client, are fetched later, and are stopped from elsewhere."""

from __future__ import annotations

import concurrent.futures
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import python_calamine

from support.server import Installation, installation, wait_until

SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 50000)) AS a(x), UNNEST(sequence(1, 50000)) AS b(y), "
    "UNNEST(sequence(1, 100)) AS c(z) WHERE x + y + z = -1"
)
MANY = "SELECT x, CAST(x AS varchar) || 'abcdefghijklmnopqrst' AS t FROM UNNEST(sequence(1, 200000)) AS s(x)"
BOUNDS = {
    "DATAOS_QUERY__RUNNING": "2",
    "DATAOS_QUERY__RUNNING_PER_USER": "1",
    "DATAOS_QUERY__QUEUED": "2",
    "DATAOS_QUERY__SPOOL_RESULT_MIB": "8",
    "DATAOS_QUERY__SPOOL_MIB": "12",
}


class People:
    """A server, and clients of its operator and of two analysts."""

    def __init__(self, server: Installation) -> None:
        self.server = server
        self.op = self._client((server.home / "keys" / "admin.token").read_text().strip())
        self.ana, self.ben = (self._made(user) for user in ("ana", "ben"))

    def _client(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def _made(self, user: str) -> httpx.Client:
        body = {"id": user, "name": user, "type": "person", "tags": ["roles:id:user"]}
        assert self.op.post("/api/v1/users", json=body).status_code == 200
        return self._client(self.op.post(f"/api/v1/users/{user}/tokens", json={}).json()["token"])

    def close(self) -> None:
        for client in (self.op, self.ana, self.ben):
            client.close()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with installation(tmp_path_factory.mktemp("detached"), env=BOUNDS) as server:
        made = People(server)
        yield made
        made.close()


def submit(who: httpx.Client, sql: str) -> str:
    answer = who.post("/api/v1/queries", json={"sql": sql})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == answer.json()["result"]
    return answer.json()["id"]


def result(who: httpx.Client, query_id: str, wait_s: float = 30, **headers: str) -> httpx.Response:
    return who.get(f"/api/v1/queries/{query_id}/result", params={"waitS": wait_s}, headers=headers)


def state(who: httpx.Client, query_id: str) -> dict[str, Any]:
    answer = who.get(f"/api/v1/queries/{query_id}")
    return answer.json() if answer.status_code == 200 else {"state": ""}


def stop(who: httpx.Client, query_id: str) -> httpx.Response:
    return who.delete(f"/api/v1/queries/{query_id}")


def code(answer: httpx.Response) -> str:
    return answer.json()["errors"][0]["code"]


def test_an_answer_is_fetched_later_in_every_format_and_forgotten(people: People, tmp_path) -> None:
    server = people.server
    handle = server.ok("query", MANY, "--detach").out.strip()
    assert len(handle) >= 22
    arrow, parquet = tmp_path / "a.arrow", tmp_path / "a.parquet"
    server.ok("queries", "result", "-i", handle, "-o", str(arrow))
    server.ok("queries", "result", "-i", handle, "-o", str(parquet))
    with pa.OSFile(str(arrow)) as source:
        assert pa.ipc.open_stream(source).read_all().num_rows == 200_000
    assert pq.read_table(parquet).num_rows == 200_000
    shown = server.cli("queries", "result", "-i", handle)
    assert shown.code == 1
    assert "200,000 rows: more than the 100,000 that are sent as JSON" in shown.err
    small = submit(people.op, "SELECT 1 AS one, 'x' AS t")
    assert result(people.op, small).json()["rows"] == [[1, "x"]]
    assert server.ok("queries", "result", "-i", small, "-O", "csv").out == "one,t\n1,x\n"
    assert state(people.op, small)["state"] == "finished"
    assert "had ended already" in server.ok("queries", "cancel", "-i", small).out
    assert code(result(people.op, small)) == "query.not_found"
    assert list((server.home / "spool").iterdir()) == [server.home / "spool" / f"{handle}.arrows"]
    stop(people.op, handle)


def test_parts_of_an_answer_are_fetched_by_position(people: People) -> None:
    handle = submit(people.ana, MANY.replace("sequence(1, 200000)", "sequence(1, 30000)") + " ORDER BY x")
    result(people.ana, handle)

    def part(offset: int, limit: int) -> dict[str, Any]:
        asked = {"waitS": 30, "offset": offset, "limit": limit}
        answer = people.ana.get(f"/api/v1/queries/{handle}/result", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for offset, limit in ((0, 3), (2047, 3), (12_345, 10_000), (29_999, 5), (30_000, 5), (7, 0)):
        found = part(offset, limit)
        wanted = range(offset + 1, min(offset + limit, 30_000) + 1)
        assert [row[0] for row in found["rows"]] == list(wanted)
        assert found["rowCount"] == 30_000
        assert [c["name"] for c in found["columns"]] == ["x", "t"]
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    answer = people.ana.get(f"/api/v1/queries/{handle}/result", params={"offset": 9, "limit": 2}, headers=headers)
    assert pa.ipc.open_stream(answer.content).read_all().column("x").to_pylist() == [10, 11]
    assert people.ben.get(f"/api/v1/queries/{handle}/result", params={"limit": 2}).status_code == 404
    assert people.ana.get(f"/api/v1/queries/{handle}/result", params={"limit": 10_001}).status_code == 400


def test_parts_tell_of_answers_without_rows(people: People) -> None:
    handle = submit(people.op, "SELECT 1 AS one WHERE false")
    answer = people.op.get(f"/api/v1/queries/{handle}/result", params={"waitS": 30, "limit": 5}).json()
    assert (answer["rows"], answer["rowCount"]) == ([], 0)


def test_a_client_says_its_name_for_the_history(people: People) -> None:
    answer = people.ana.post("/api/v1/queries", json={"sql": "SELECT 11", "source": "Workbench"})
    result(people.ana, answer.json()["id"])
    assert state(people.ana, answer.json()["id"])["source"] == "Workbench"


def test_an_answer_is_its_users_alone(people: People) -> None:
    handle = submit(people.ana, "SELECT 'mine'")
    assert result(people.ana, handle).json()["rows"] == [["mine"]]
    for other in (people.ben, people.op):
        answer = result(other, handle)
        assert (answer.status_code, code(answer)) == (404, "query.not_found")
    assert stop(people.ben, handle).status_code == 404
    assert result(people.ana, handle).status_code == 200
    bad = submit(people.ana, "SELECT nothing FROM nowhere")
    assert code(result(people.ana, bad)) in ("query.unknown_relation", "query.unknown_catalog")


def test_what_waits_says_why_and_may_be_stopped(people: People) -> None:
    running, waiting = submit(people.ana, SLOW), submit(people.ana, "SELECT 2")
    wait_until(lambda: state(people.ana, waiting)["state"] == "queued", what="the second waits")
    assert (
        state(people.ana, waiting)["reason"]
        == "running statements of ana: 1, the most that may (query.running_per_user)"
    )
    unfinished = result(people.ana, waiting, 0)
    assert (unfinished.status_code, code(unfinished)) == (409, "query.unfinished")
    assert people.ben.post("/api/v1/query", json={"sql": "SELECT 3"}).json()["rows"] == [[3]]  # no user blocks another
    other = submit(people.ana, "SELECT 4")
    wait_until(lambda: state(people.ana, other)["state"] == "queued", what="the third waits")
    refused = people.ana.post("/api/v1/query", json={"sql": "SELECT 5"})
    assert (refused.status_code, code(refused)) == (429, "query.queue_full")
    assert int(refused.headers["Retry-After"]) > 0
    assert stop(people.ben, running).status_code == 404
    assert stop(people.ana, other).json()["stopped"] is True
    assert stop(people.op, running).json()["stopped"] is True
    assert result(people.ana, waiting).json()["rows"] == [[2]]
    ended = result(people.ana, running)
    assert (ended.status_code, code(ended)) == (499, "query.cancelled")
    assert ended.json()["errors"][0]["message"].endswith("stopped by admin")
    wait_until(lambda: state(people.ana, running)["state"] == "cancelled", what="it is kept as cancelled")
    assert state(people.ana, other)["state"] == "cancelled"


def test_a_statement_with_a_waiting_client_is_stopped_from_elsewhere(people: People) -> None:
    def found() -> Any:
        items = people.op.get("/api/v1/queries", params={"user": "ben"}).json()["items"]
        return next((i for i in items if i["state"] == "running" and i["sql"] == SLOW), None)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(people.ben.post, "/api/v1/query", json={"sql": SLOW})
        handle = wait_until(found, what="the history has it")["id"]
        assert not asked.done()
        assert people.server.ok("queries", "cancel", "-i", handle, "-O", "json").json == {"id": handle, "stopped": True}
        answer = asked.result(10)
    assert (answer.status_code, code(answer)) == (499, "query.cancelled")
    wait_until(lambda: state(people.ben, handle)["state"] == "cancelled", what="it is kept as cancelled")
    assert people.ben.post("/api/v1/query", json={"sql": "SELECT 1"}).json()["rows"] == [[1]]


def test_a_disabled_users_statement_ends(people: People) -> None:
    handle = submit(people.ben, SLOW)
    wait_until(lambda: state(people.op, handle)["state"] == "running", what="it runs")
    people.server.ok("user", "disable", "-i", "ben")
    wait_until(lambda: state(people.op, handle)["state"] == "cancelled", what="it ends")
    people.server.ok("user", "enable", "-i", "ben")
    assert code(result(people.ben, handle)) == "auth.disabled"


def test_rows_under_way_break_off_with_their_statement(people: People) -> None:
    sql = "SELECT x, CAST(x AS varchar) FROM UNNEST(sequence(1, 10000000)) AS s(x)"
    body = {"sql": sql, "maxRows": 1_000_000}
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    with people.ana.stream("POST", "/api/v1/query", json=body, headers=headers) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        handle = answer.headers["X-DataOS-Query-Id"]
        assert stop(people.op, handle).json()["stopped"] is True
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in pieces:
                pass
    wait_until(lambda: state(people.ana, handle)["state"] == "cancelled", what="it is kept as cancelled")
    assert people.ana.post("/api/v1/query", json={"sql": "SELECT 1"}).json()["rows"] == [[1]]


def test_answers_have_bounds_and_the_oldest_go_first(people: People) -> None:
    large = submit(people.ana, "SELECT x, x, x FROM UNNEST(sequence(1, 2000000)) AS s(x)")
    full = result(people.ana, large)
    assert (full.status_code, code(full)) == (507, "query.spool_full")
    assert "8 MiB (query.spool_result_mib)" in full.json()["errors"][0]["message"]
    five_mib = "SELECT x, x, x FROM UNNEST(sequence(1, 220000)) AS s(x)"
    arrow = {"Accept": "application/vnd.apache.arrow.stream"}
    handles = []
    for _ in range(3):
        handles.append(submit(people.ana, five_mib))
        assert result(people.ana, handles[-1], **arrow).status_code == 200
    assert code(result(people.ana, handles[0])) == "query.not_found"
    assert result(people.ana, handles[2], **arrow).status_code == 200


def test_a_server_that_was_killed_knows_what_became_of_its_statements(people: People) -> None:
    server = people.server
    kept, running = submit(people.op, "SELECT 1"), submit(people.ana, SLOW)
    assert result(people.op, kept).status_code == 200
    wait_until(lambda: (server.home / "spool").exists(), what="the answer is kept")
    waiting = submit(people.ana, "SELECT 2")
    wait_until(lambda: state(people.ana, waiting)["state"] == "queued", what="the other one waits")
    wait_until(lambda: state(people.ana, running)["state"] == "running", what="the first one runs")
    server.kill()
    server.up()
    assert not (server.home / "spool").exists()
    for client in (people.op, people.ana):
        client.base_url = server.url
    for handle in (running, waiting):
        found = state(people.ana, handle)
        assert (found["state"], found["error"]) == ("failed", "server.stopped")
    assert code(result(people.op, kept)) == "query.not_found"


# --- taking answers away -----------------------------------------------------------------------------------------------

ODD = """
SELECT * FROM (VALUES
  (1, 'plain', true, 1.50, DATE '2024-02-29', ARRAY['a', null], CAST(null AS varchar)),
  (9007199254740993, 'a "quoted", one' || chr(10) || '=1+1', false, -0.05, null, ARRAY[], ''),
  (null, ' spaces ', null, null, DATE '1970-01-01', null, 'ünï')
) AS t (n, text, flag, amount, day, list, empty)
"""


def fetched(who: httpx.Client, form: str, sql: str = ODD) -> httpx.Response:
    id_ = submit(who, sql)
    arrow = {"Accept": "application/vnd.apache.arrow.stream"}
    assert who.get(f"/api/v1/queries/{id_}/result", params={"waitS": 30}, headers=arrow).status_code == 200
    return who.get(f"/api/v1/queries/{id_}/download", params={"format": form})


def test_csv_tells_null_from_an_empty_text_and_reads_back(people: People):
    answer = fetched(people.op, "csv")
    assert answer.headers["content-disposition"].endswith('.csv"')
    assert answer.text == (
        "n,text,flag,amount,day,list,empty\r\n"
        '1,plain,true,1.50,2024-02-29,"[""a"", null]",\r\n'
        '9007199254740993,"a ""quoted"", one\n=1+1",false,-0.05,,[],""\r\n'
        '," spaces ",,,1970-01-01,,ünï\r\n'
    )
    back = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert [row[1] for row in back] == ["text", "plain", 'a "quoted", one\n=1+1', " spaces "]


def test_json_in_both_forms_keeps_every_row(people: People):
    whole = fetched(people.op, "json").json()
    lines = [json.loads(line) for line in fetched(people.op, "jsonl").text.splitlines()]
    assert whole == lines
    assert whole[1]["n"] == 9007199254740993
    assert [row["empty"] for row in whole] == [None, "", "ünï"]
    assert fetched(people.op, "json", "SELECT 1 AS a WHERE false").json() == []
    many = fetched(people.op, "json", MANY).json()
    assert [many[0]["x"], many[-1]["x"], len(many)] == [1, 200000, 200000]


def test_parquet_and_arrow_keep_types(people: People):
    table = pq.read_table(io.BytesIO(fetched(people.op, "parquet").content))
    assert pa.ipc.open_stream(fetched(people.op, "arrow").content).read_all() == table
    assert table.column("n").to_pylist() == [1, 9007199254740993, None]
    assert [str(t) for t in table.schema.types[2:5]] == ["bool", "decimal128(3, 2)", "date32[day]"]
    assert pq.read_table(io.BytesIO(fetched(people.op, "parquet", "SELECT 1 AS a WHERE false").content)).num_rows == 0


def test_a_sheet_holds_texts_as_texts(people: People):
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(fetched(people.op, "xlsx").content))
    rows = sheet.get_sheet_by_index(0).to_python()
    assert rows[1][:4] == [1.0, "plain", True, "1.50"]
    assert rows[2][:2] == ["9007199254740993", 'a "quoted", one\n=1+1']
    assert (
        fetched(people.op, "xlsx", "SELECT CAST(x AS tinyint) FROM UNNEST(repeat(1, 1048576)) AS s(x)").status_code
        == 413
    )


def test_taking_rows_away_needs_its_use_case(people: People):
    answer = fetched(people.ana, "csv", "SELECT 1")
    assert (answer.status_code, "download-workbench-file" in answer.text) == (403, True)
    body = {"policy_use_case_id": "download-workbench-file", "subjects": ["users:id:ana"], "approve": True}
    assert people.op.post("/api/v1/grants", json=body).status_code == 200
    assert fetched(people.ana, "csv", "SELECT 1 AS a").text == "a\r\n1\r\n"
    own = submit(people.ana, "SELECT 1")
    assert people.op.get(f"/api/v1/queries/{own}/download").json()["errors"][0]["code"] == "query.not_found"
