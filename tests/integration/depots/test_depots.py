"""Depots on a real store, a real folder and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataos.core.addresses import Udl
from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.depots.types.file.adapter import FileAdapter
from dataos.governance.vault import Vault
from dataos.store import upgrades
from dataos.store.database import Store
from support import postgres as pg
from support import stores


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Postgres]:
    with pg.running() as running:
        running.run(
            "CREATE DATABASE shop",
            "CREATE ROLE reader LOGIN PASSWORD 'reader-secret'",
        )
        with running.connect("shop") as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, amount numeric(10,2), note text)")
            connection.execute("CREATE TABLE hidden (id int)")
            connection.execute("GRANT SELECT ON orders TO reader")
        yield running


@pytest.fixture
def vault() -> Vault:
    return Vault(b"k" * 32, SystemClock())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(stores.url(tmp_path))
    upgrades.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def depots(store: Store, vault: Vault, tmp_path: Path) -> resolver.Depots:
    (tmp_path / "data").mkdir()
    return resolver.Depots(store, vault, allowed_paths=[tmp_path / "data"], connect_timeout_s=1.0)


def postgres_entry(server: pg.Postgres, **changes: object) -> DepotEntry:
    location = {"host": server.host, "port": server.port, "database": "shop", "params": {}} | changes
    return DepotEntry("shop", "uid-1", "POSTGRESQL", location, {"r": ("instance-secret:shop-r",)})


def file_entry(path: Path) -> DepotEntry:
    return DepotEntry("drop", "uid-2", "FILE", {"path": str(path), "format": None})


def code(awaitable: object) -> str:
    with pytest.raises(DataOSError) as caught:
        asyncio.run(awaitable)  # type: ignore[arg-type]
    return caught.value.problem.code


def test_register_is_idempotent_and_forget_forgets(store: Store, depots: resolver.Depots, tmp_path: Path):
    entry = file_entry(tmp_path / "data")
    store.write_sync(resolver.register, entry)
    store.write_sync(resolver.register, entry)
    assert asyncio.run(depots.list()) == [entry]
    assert asyncio.run(depots.get("drop")) == entry
    store.write_sync(resolver.forget, "drop")
    assert code(depots.get("drop")) == "depot.not_found"


def test_credentials_take_the_newest_version_and_keep_purposes_apart(
    store: Store, depots: resolver.Depots, vault: Vault, server: pg.Postgres
):
    store.write_sync(vault.seal, "instance-secret:shop-r", {"username": "reader", "password": "old"})
    store.write_sync(vault.seal, "instance-secret:shop-r", {"username": "reader", "password": "new"})
    store.write_sync(resolver.register, postgres_entry(server))
    assert asyncio.run(depots.credentials("shop", "r")) == {"username": "reader", "password": "new"}
    with pytest.raises(DataOSError) as caught:
        asyncio.run(depots.credentials("shop", "rw"))
    assert caught.value.problem.code == "depot.read_only"
    assert "could not get the secret map for the dataos address: 'dataos://shop?acl=rw'" in caught.value.problem.message
    assert code(depots.resolve(Udl.parse("dataos://shop:public/orders?acl=rw"))) == "depot.read_only"


def test_a_lone_rw_secret_serves_reading(store: Store, depots: resolver.Depots, vault: Vault):
    store.write_sync(vault.seal, "depot:old:rw", {"username": "u", "password": "p"})
    store.write_sync(resolver.register, DepotEntry("old", "u", "POSTGRESQL", {}, {"r": (), "rw": ("depot:old:rw",)}))
    assert asyncio.run(depots.credentials("old", "r"))["username"] == "u"


def test_postgresql_lists_only_what_its_user_may_read(depots: resolver.Depots, server: pg.Postgres):
    entry = postgres_entry(server)
    adapter = depots.adapter(entry)
    secret = {"username": "reader", "password": "reader-secret"}

    async def look() -> None:
        await adapter.check(entry, secret, 5)
        assert await adapter.list_collections(entry, secret) == ["public"]
        assert await adapter.list_datasets(entry, secret, "public") == ["orders"]
        columns = await adapter.describe(entry, secret, "public", "orders")
        assert [(c.name, c.native_type, c.nullable) for c in columns] == [
            ("id", "integer", False),
            ("amount", "numeric(10,2)", True),
            ("note", "text", True),
        ]

    asyncio.run(look())
    assert code(adapter.describe(entry, secret, "public", "hidden")) == "depot.dataset_not_found"
    # The superuser's hashes of passwords are nobody's dataset.
    owner = {"username": server.user, "password": server.password}
    assert code(adapter.describe(entry, owner, "pg_catalog", "pg_authid")) == "depot.dataset_not_found"
    assert code(adapter.describe(entry, owner, "information_schema", "tables")) == "depot.dataset_not_found"
    assert asyncio.run(adapter.list_datasets(entry, owner, "pg_catalog")) == []
    text = asyncio.run(adapter.resolve(entry, Udl.parse("dataos://shop:public/orders")))
    assert text == f"postgresql://127.0.0.1:{server.port}/shop public.orders"


@pytest.mark.parametrize(
    ("changes", "secret", "expected"),
    [
        ({}, {"username": "reader", "password": "wrong"}, "depot.credentials"),
        ({}, {"username": "reader"}, "depot.credentials"),
        ({"database": "absent"}, {"username": "reader", "password": "reader-secret"}, "depot.no_such_database"),
        ({"port": 1}, {"username": "reader", "password": "reader-secret"}, "depot.unreachable"),
        ({"host": "nowhere.invalid"}, {"username": "reader", "password": "reader-secret"}, "depot.unreachable"),
        ({"params": {"sslmode": "require"}}, {"username": "reader", "password": "reader-secret"}, "depot.unreachable"),
        (
            {"params": {"sslmode": "verify-full", "sslrootcert": "/etc/passwd"}},
            {"username": "reader", "password": "reader-secret"},
            "depot.path",
        ),
    ],
)
def test_postgresql_check_says_what_is_wrong_without_the_password(
    depots: resolver.Depots, server: pg.Postgres, changes: dict[str, object], secret: dict[str, str], expected: str
):
    entry = postgres_entry(server, **changes)
    with pytest.raises(DataOSError) as caught:
        asyncio.run(depots.adapter(entry).check(entry, secret, 5))
    assert caught.value.problem.code == expected
    assert "reader-secret" not in repr(caught.value.problem)
    assert caught.value.problem.hint


def test_a_silent_server_is_a_timeout(depots: resolver.Depots, server: pg.Postgres):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # the kernel accepts, nobody answers
        entry = postgres_entry(server, port=listener.getsockname()[1])
        adapter = depots.adapter(entry)
        assert code(adapter.check(entry, {"username": "u", "password": "p"}, 0.3)) == "depot.timeout"


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "data" / "root"
    for name in ("landing/2024/a.csv", "landing/2024/b.csv", "landing/2025/c.csv", "landing/.hidden.csv", "top.csv"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x\n1\n")
    (tmp_path / "outside.csv").write_text("secret")
    return root


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("dataos://drop:landing/2024/a.csv", ["landing/2024/a.csv"]),
        ("dataos://drop:landing/2024", ["landing/2024/a.csv", "landing/2024/b.csv"]),
        ("dataos://drop:none/landing", ["landing/2024/a.csv", "landing/2024/b.csv", "landing/2025/c.csv"]),
        ("dataos://drop:landing/*/*.csv", ["landing/2024/a.csv", "landing/2024/b.csv", "landing/2025/c.csv"]),
        ("dataos://drop:none/**", ["landing/2024/a.csv", "landing/2024/b.csv", "landing/2025/c.csv", "top.csv"]),
        ("dataos://drop:none/**/a.csv", ["landing/2024/a.csv"]),
        ("dataos://drop:none/top.csv", ["top.csv"]),
    ],
)
def test_files_of_an_address(depots: resolver.Depots, tree: Path, address: str, expected: list[str]):
    adapter = depots.adapter(file_entry(tree))
    assert isinstance(adapter, FileAdapter)
    found = asyncio.run(adapter.files(file_entry(tree), Udl.parse(address)))
    assert [os.path.relpath(f, tree) for f in found] == expected


def test_links_out_and_traversal_are_refused(depots: resolver.Depots, tree: Path, tmp_path: Path):
    adapter = depots.adapter(file_entry(tree))
    assert isinstance(adapter, FileAdapter)
    entry = file_entry(tree)
    (tree / "landing" / "out.csv").symlink_to(tmp_path / "outside.csv")
    (tree / "landing" / "away").symlink_to(tmp_path)
    for address in ("landing/out.csv", "landing/away/outside.csv", "landing/*.csv", "landing/away/*"):
        assert code(adapter.files(entry, Udl.parse(f"dataos://drop:{address}"))) == "depot.path"
    assert code(adapter.files(entry, Udl("drop", "none", "../outside.csv"))) == "depot.path"
    assert code(adapter.files(entry, Udl("drop", "..", "outside.csv"))) == "depot.path"


def test_a_missing_file_names_the_physical_path_and_a_near_name(depots: resolver.Depots, tree: Path):
    adapter = depots.adapter(file_entry(tree))
    assert isinstance(adapter, FileAdapter)
    with pytest.raises(DataOSError) as caught:
        asyncio.run(adapter.files(file_entry(tree), Udl.parse("dataos://drop:none/tap.csv")))
    assert str(tree / "tap.csv") in caught.value.problem.message
    assert "top.csv" in caught.value.problem.hint


def test_the_base_folder_must_be_allowed_even_through_a_link(depots: resolver.Depots, tmp_path: Path):
    (tmp_path / "data" / "link").symlink_to("/etc")
    for place in (Path("/etc"), tmp_path / "data" / "link", tmp_path):
        entry = file_entry(place)
        assert code(depots.adapter(entry).check(entry, {}, 1)) == "depot.path"
    absent = file_entry(tmp_path / "data" / "absent")
    assert code(depots.adapter(absent).check(absent, {}, 1)) == "depot.path"
    good = file_entry(tmp_path / "data")
    asyncio.run(depots.adapter(good).check(good, {}, 1))


@pytest.mark.parametrize("address", ["landing/2024", "none/landing", "landing/*/*.csv", "none/**", "none/top.csv"])
def test_one_file_of_an_address_is_found_without_the_others(depots: resolver.Depots, tree: Path, address: str):
    adapter = depots.adapter(file_entry(tree))
    assert isinstance(adapter, FileAdapter)
    entry, udl = file_entry(tree), Udl.parse(f"dataos://drop:{address}")
    known = set(asyncio.run(adapter.files(entry, udl)))
    (tree / "landing" / "2024" / "out.csv").symlink_to(tree.parent.parent / "outside.csv")
    for path in sorted(known):
        assert str(asyncio.run(adapter.file(entry, udl, path))) == path
    others = {str(p) for p in tree.rglob("*")} - known
    others |= {str(tree), str(tree.parent.parent / "outside.csv"), f"{tree}/landing/../top.csv", "/etc/passwd", ""}
    for path in sorted(others):
        assert code(adapter.file(entry, udl, path)) == "depot.path", path
