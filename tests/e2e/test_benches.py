"""Statements that people keep: whose they are, who reads them, and that they give nobody anything but a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.server import Installation, installation


class People:
    """A server, and clients of its operator, of two analysts and of a stranger to both."""

    def __init__(self, server: Installation) -> None:
        self.server = server
        self.op = self._client((server.home / "keys" / "admin.token").read_text().strip())
        assert self.op.post("/api/v1/governance/roles", json={"name": "analyst"}).status_code == 200
        self.ana, self.ben = (self._made(user, "roles:id:analyst") for user in ("ana", "ben"))
        self.cyd = self._made("cyd")

    def _client(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def _made(self, user: str, *tags: str) -> httpx.Client:
        body = {"id": user, "name": user, "type": "person", "tags": ["roles:id:user", *tags]}
        assert self.op.post("/api/v1/users", json=body).status_code == 200
        return self._client(self.op.post(f"/api/v1/users/{user}/tokens", json={}).json()["token"])

    def close(self) -> None:
        for client in (self.op, self.ana, self.ben, self.cyd):
            client.close()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with installation(tmp_path_factory.mktemp("benches")) as server:
        made = People(server)
        yield made
        made.close()


def keep(who: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    answer = who.post("/api/v1/benches", json={"name": name, "sql": f"SELECT '{name}'", **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(who: httpx.Client) -> set[str]:
    return {item["name"] for item in who.get("/api/v1/benches").json()["items"]}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_a_bench_is_read_by_whom_it_is_shared_with(people: People) -> None:
    made = {
        "own": keep(people.ana, "own"),
        "for all": keep(people.ana, "for all", sharing="all"),
        "by tag": keep(people.ana, "by tag", sharing="tags", tags=["roles:id:analyst"]),
        "by name": keep(people.ana, "by name", sharing="tags", tags=["users:id:cyd"]),
    }
    seen = {
        "ana": (people.ana, {"own", "for all", "by tag", "by name"}),
        "ben": (people.ben, {"for all", "by tag"}),
        "cyd": (people.cyd, {"for all", "by name"}),
        "op": (people.op, {"for all"}),
    }
    for who, wanted in seen.values():
        assert names(who) & set(made) == wanted
        for name, bench in made.items():
            answer = who.get(f"/api/v1/benches/{bench['id']}")
            if name in wanted:
                assert answer.json()["sql"] == f"SELECT '{name}'"
            else:
                assert refusal(answer) == (404, "bench.not_found")
    (shown,) = [b for b in people.ben.get("/api/v1/benches").json()["items"] if b["name"] == "for all"]
    assert (shown["owner"], shown["excerpt"], "sql" in shown) == ("ana", "SELECT 'for all'", False)


def test_only_its_owner_writes_it(people: People) -> None:
    bench = keep(people.ana, "guarded", sharing="all")
    changed = {"name": "guarded", "sql": "SELECT 2", "sharing": "all", "version": 1}
    where = f"/api/v1/benches/{bench['id']}"
    for who in (people.ben, people.op):
        assert refusal(who.put(where, json=changed)) == (403, "auth.forbidden")
    assert refusal(people.ben.delete(where)) == (403, "auth.forbidden")
    done = people.ana.put(where, json=changed).json()
    assert (done["sql"], done["version"]) == ("SELECT 2", 2)
    assert refusal(people.ana.put(where, json=changed)) == (409, "bench.conflict")
    assert people.ana.get(where).json()["sql"] == "SELECT 2"
    private = keep(people.ana, "hidden")
    assert refusal(people.op.delete(f"/api/v1/benches/{private['id']}")) == (404, "bench.not_found")
    assert people.op.delete(where).json() == {"result": "deleted"}  # it was shared with everybody
    assert refusal(people.ana.get(where)) == (404, "bench.not_found")


def test_names_are_unique_for_each_owner_and_bodies_are_checked(people: People) -> None:
    first = keep(people.ana, "twice")
    keep(people.ben, "twice")
    assert refusal(people.ana.post("/api/v1/benches", json={"name": " twice ", "sql": ""})) == (409, "bench.conflict")
    other = keep(people.ana, "once")
    body = {"name": "twice", "sql": "", "version": 1}
    assert refusal(people.ana.put(f"/api/v1/benches/{other['id']}", json=body)) == (409, "bench.conflict")
    assert people.ana.put(f"/api/v1/benches/{first['id']}", json=body).status_code == 200
    wrong: list[dict[str, Any]] = [
        {"name": "", "sql": ""},
        {"name": "n", "sql": "a\0b"},
        {"name": "n", "sql": "", "sharing": "tags"},
        {"name": "n", "sql": "", "sharing": "some"},
        {"name": "n", "sql": "x" * (1 << 20) + "x"},
    ]
    for body in wrong:
        assert refusal(people.ana.post("/api/v1/benches", json=body)) == (400, "request.invalid")


def test_a_deleted_users_benches_go_with_him(people: People) -> None:
    body = {"id": "dee", "name": "dee", "type": "person", "tags": ["roles:id:user"]}
    assert people.op.post("/api/v1/users", json=body).status_code == 200
    key = people.op.post("/api/v1/users/dee/tokens", json={}).json()["token"]
    with httpx.Client(base_url=people.server.url, headers={"Authorization": f"Bearer {key}"}) as dee:
        keep(dee, "of dee", sharing="all")
    assert "of dee" in names(people.ben)
    assert people.op.delete("/api/v1/users/dee").status_code == 200
    assert "of dee" not in names(people.ben)
