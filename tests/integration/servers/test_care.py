"""Backups, restores and rotated keys where several servers share one PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import lakes, postgres, stores
from support.crashes import care_until
from support.server import Installation, wait_until

PASSPHRASE = "correct horse battery"
SECRET = "name: s\nversion: v1\ntype: secret\nsecret: {type: key-value, acl: r, data: {a: CANARY-VALUE}}\n"


def back_up(made: Installation, file: Path) -> dict:
    return made.ok("backup", "-f", str(file), "--passphrase-file", "-", "-O", "json", input=PASSPHRASE).json


def revealed(made: Installation) -> str:
    return made.ok("get", "-t", "secret", "-n", "s", "-w", "public", "-d", "--unSanitize").out


def findings(made: Installation) -> dict[str, str]:
    items = made.ok("doctor", "-O", "json").json["items"]
    return {i["name"]: i["state"] for i in items}


def filled(made: Installation) -> Installation:
    made.ok("apply", "-f", made.write("s.yaml", SECRET))
    lakes.make_table(made, "sales.orders", 1, 2)
    return made


@pytest.fixture
def elsewhere(tmp_path):
    """A home without a server, on SQLite unless told otherwise."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    made = Installation(folder)
    yield made
    made.stop()


def test_from_postgresql_to_a_home_of_its_own(join, elsewhere, tmp_path):
    one = filled(join("a"))
    body = back_up(one, tmp_path / "b")
    assert (body["tables"], body["incomplete"]) == (1, [])
    elsewhere.ok("restore", str(tmp_path / "b"), "--passphrase-file", "-", input=PASSPHRASE)
    elsewhere.up()
    assert (elsewhere.home / "store.db").exists()
    assert lakes.ids_of(elsewhere) == [1, 2]
    assert "CANARY-VALUE" in revealed(elsewhere)
    lakes.catalog(elsewhere).load_table("sales.orders").append(lakes.rows(3))
    assert lakes.ids_of(one) == [1, 2], "the original is another installation"


def test_to_postgresql_and_only_into_an_empty_database(join, elsewhere, tmp_path, postgresql_server: postgres.Postgres):
    one = filled(join("a"))
    back_up(one, tmp_path / "b")
    taken = {"DATAOS_STORE__URL": one.env["DATAOS_STORE__URL"], "DATAOS_STORE__PASSWORD": postgresql_server.password}
    refused = elsewhere.cli("restore", str(tmp_path / "b"), "--passphrase-file", "-", input=PASSPHRASE, env=taken)
    assert (refused.code, "not empty" in refused.err) == (1, True), refused.err
    assert not elsewhere.home.exists()
    name = stores.fresh(postgresql_server, template=False)
    server = postgresql_server
    elsewhere.env |= {
        "DATAOS_STORE__URL": f"postgresql://{server.user}@{server.host}:{server.port}/{name}",
        "DATAOS_STORE__PASSWORD": server.password,
    }
    done = elsewhere.ok("restore", str(tmp_path / "b"), "--passphrase-file", "-", "-O", "json", input=PASSPHRASE)
    assert done.json["store"] == "postgresql"
    assert not (elsewhere.home / "store.db").exists()
    elsewhere.up()
    assert lakes.ids_of(elsewhere) == [1, 2]
    assert "CANARY-VALUE" in revealed(elsewhere)
    elsewhere.stop()
    postgresql_server.run(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_rotated_key_reaches_every_server_and_those_that_were_down(join):
    a = filled(join("a"))
    b, c = join("b"), join("c")
    c.ok("down")
    old = (a.home / "keys" / "master.key").read_bytes()
    body = a.ok("admin", "rotate-key", "-O", "json").json
    assert len(body["servers"]) == 2
    assert "CANARY-VALUE" in revealed(b), "at once"
    b.ok("apply", "-f", b.write("s2.yaml", SECRET.replace("name: s", "name: t")))
    new = (a.home / "keys" / "master.key").read_bytes()
    assert new != old
    wait_until(lambda: (b.home / "keys" / "master.key").read_bytes() == new, 20, "the key on b")
    assert (c.home / "keys" / "master.key").read_bytes() == old
    assert findings(a)["key rotation"] == "warn"
    c.up()
    assert (c.home / "keys" / "master.key").read_bytes() == new
    assert "CANARY-VALUE" in revealed(c)
    assert "key rotation" not in findings(a)
    c.ok("admin", "rotate-key")
    wait_until(lambda: (a.home / "keys" / "master.key").read_bytes() not in (old, new), 20, "the key on a")
    assert "CANARY-VALUE" in revealed(a)


@pytest.mark.parametrize("point", ["rotation.key-written", "rotation.wrapped", "rotation.committed"])
def test_a_rotation_killed_on_one_of_two_servers(join, point):
    a = filled(join("a"))
    b = join("b")
    care_until(a, point, "rotate-key")
    for one in (a, b):
        assert "CANARY-VALUE" in revealed(one)
    a.kill()
    a.up()
    assert "CANARY-VALUE" in revealed(a)
    wait_until(lambda: "key rotation" not in findings(a), 20, "both have the key")
    assert (a.home / "keys" / "master.key").read_bytes() == (b.home / "keys" / "master.key").read_bytes()


def test_a_home_of_several_servers_moves_only_when_all_are_down(join, tmp_path):
    a = filled(join("a"))
    b = join("b")
    a.ok("down")
    refused = a.cli("home", "relocate", str(tmp_path / "moved"))
    assert (refused.code, "servers work with this store" in refused.err) == (1, True), refused.err
    assert a.home.exists()
    assert not (tmp_path / "moved").exists()
    b.ok("down")
    a.ok("home", "relocate", str(tmp_path / "moved"))
    a.env["DATAOS_HOME"] = str(tmp_path / "moved")
    a.up()
    assert lakes.ids_of(a) == [1, 2]


def test_readiness_and_metrics_while_the_database_is_away(join, postgresql_server: postgres.Postgres):
    import json
    import urllib.error
    import urllib.request

    a = join("a")

    def ask(path: str, token: str = "") -> tuple[int, str]:
        request = urllib.request.Request(a.url + path, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    wait_until(lambda: ask("/ready")[0] == 200, 30)
    postgresql_server.stop()
    try:
        code, text = ask("/ready")
        assert code == 503
        assert [p["name"] for p in json.loads(text)["parts"] if not p["ok"]] == ["store", "engine", "catalog", "timers"]
        assert postgresql_server.host not in text
        assert ask("/health") == (200, '{"ok":true}')
    finally:
        postgresql_server.start()
    wait_until(lambda: ask("/ready")[0] == 200, 30)
