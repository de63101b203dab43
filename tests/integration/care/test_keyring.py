"""Keys: which one counts, where a new one is found, what stays when it changes."""

from __future__ import annotations

import pytest

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RandomIds, RunId
from dataos.governance import keyring
from dataos.governance.identities import ADMINISTRATOR, Identities
from dataos.governance.keyring import Keyring
from dataos.governance.principals import AttemptScope
from dataos.governance.vault import Vault
from dataos.store import tables
from dataos.store.database import Store
from support import stores
from support.stores import database, postgresql_server  # noqa: F401

OLD, NEW, THIRD = b"o" * 32, b"n" * 32, b"t" * 32
SCOPE = AttemptScope("public", RunId("r"), AttemptId("r-a-1"))


@pytest.fixture
def store(tmp_path):
    opened = Store(stores.url(tmp_path))
    opened.write_sync(tables.metadata.create_all)
    yield opened
    opened.close()


def folder(tmp_path, name: str, key: bytes):
    place = tmp_path / name
    place.mkdir()
    keyring.write_key(place, keyring.FILE, key)
    return place


def ring(store: Store, place) -> Keyring:
    made = Keyring(keyring.load_master_key(place), place)
    store.write_sync(made.open)
    return made


def test_before_and_after_a_rotation(store, tmp_path):
    clock, ids = SystemClock(), RandomIds()
    mine = ring(store, folder(tmp_path, "a", OLD))
    vault, people = Vault(mine, clock), Identities(mine, clock, ids)
    store.write_sync(vault.seal, "s", {"a": "b"})
    token = store.write_sync(people.ensure_administrator)
    attempt = store.write_sync(people.attempt_token, ADMINISTRATOR, SCOPE)
    digest = vault.digest(b"manifest")
    assert store.write_sync(mine.rotate, NEW, [], 1) == 1
    keyring.write_key(tmp_path / "a", keyring.NEXT, NEW)
    assert store.read_sync(vault.reveal, "s") == {"a": "b"}
    assert store.read_sync(people.authenticate, token).user_id == ADMINISTRATOR
    assert vault.digest(b"manifest") == digest
    assert store.write_sync(people.attempt_token, ADMINISTRATOR, SCOPE) == attempt, "the token that the job has"
    other = store.write_sync(
        people.attempt_token, ADMINISTRATOR, AttemptScope("public", RunId("r"), AttemptId("r-a-2"))
    )
    assert other == keyring.attempt_token(mine.newest.attempts[0], AttemptId("r-a-2"))
    store.write_sync(people.revoke_attempt, SCOPE.attempt_id)
    with pytest.raises(DataOSError, match="revoked"):
        store.read_sync(people.authenticate, attempt)
    mine.save()
    again = ring(store, tmp_path / "a")
    assert again.newest.mark == keyring.mark(NEW)
    assert store.read_sync(Vault(again, clock).reveal, "s") == {"a": "b"}
    assert not (tmp_path / "a" / keyring.NEXT).exists()


def test_another_server_takes_the_key_from_the_store(store, tmp_path):
    here, there = folder(tmp_path, "a", OLD), folder(tmp_path, "b", OLD)
    first, second = ring(store, here), ring(store, there)
    vault = Vault(second, SystemClock())
    store.write_sync(vault.seal, "s", {"a": "b"})
    store.write_sync(first.rotate, NEW, ["b"], 1)
    assert store.read_sync(vault.reveal, "s") == {"a": "b"}, "in memory at once"
    store.write_sync(vault.seal, "t", {"c": "d"})
    assert store.read_sync(vault.reveal, "t") == {"c": "d"}
    assert not second.is_saved()
    second.save()
    assert second.is_saved()
    assert store.read_sync(keyring.pending) == ["b"]
    store.write_sync(keyring.taken, "b")
    assert store.read_sync(keyring.pending) == []
    assert NEW.hex() not in stores.text_of(tmp_path)


def test_a_server_that_was_away_finds_the_key_at_its_start(store, tmp_path):
    here, there = folder(tmp_path, "a", OLD), folder(tmp_path, "b", OLD)
    first = ring(store, here)
    store.write_sync(first.rotate, NEW, ["b", "c"], 1)
    assert ring(store, there).newest.mark == keyring.mark(NEW)
    store.write_sync(keyring.taken, "b")
    store.write_sync(keyring.taken, "nobody")
    assert store.read_sync(keyring.pending) == ["c"]


def test_a_second_rotation_waits_for_servers_that_are_there(store, tmp_path):
    first = ring(store, folder(tmp_path, "a", OLD))
    store.write_sync(first.rotate, NEW, ["b"], 1)
    keyring.write_key(tmp_path / "a", keyring.NEXT, NEW)
    with pytest.raises(DataOSError) as caught:
        store.write_sync(first.rotate, THIRD, ["b"], 2, ["b"])
    assert caught.value.problem.code == "keys.pending"
    store.read_sync(first.now)
    assert first.newest.mark == keyring.mark(NEW)
    store.write_sync(first.rotate, THIRD, ["b", "c"], 2, ["c"])  # b is down: it misses this one
    assert store.read_sync(keyring.pending) == ["b", "c"]


def test_a_strange_key_is_refused(store, tmp_path):
    ring(store, folder(tmp_path, "a", OLD))
    with pytest.raises(DataOSError) as caught:
        ring(store, folder(tmp_path, "b", THIRD))
    assert caught.value.problem.code == "server.master_key"


def test_a_damaged_secret_keeps_the_old_key(store, tmp_path):
    mine = ring(store, folder(tmp_path, "a", OLD))
    vault = Vault(mine, SystemClock())
    store.write_sync(vault.seal, "good", {"a": "b"})
    store.write_sync(vault.seal, "bad", {"a": "b"})
    store.write_sync(
        lambda c: c.execute(tables.vault.update().where(tables.vault.c.id == "bad").values(wrapped_key=b"x" * 60))
    )
    with pytest.raises(DataOSError, match="'bad'"):
        store.write_sync(mine.rotate, NEW, [], 1)
    assert store.read_sync(vault.reveal, "good") == {"a": "b"}
    assert mine.newest.mark == keyring.mark(OLD)


def test_a_key_file_that_others_can_read_or_that_is_cut(tmp_path):
    place = folder(tmp_path, "a", OLD)
    (place / keyring.FILE).chmod(0o640)
    with pytest.raises(DataOSError, match="read by others"):
        keyring.load_master_key(place)
    (place / keyring.FILE).chmod(0o600)
    (place / keyring.FILE).write_bytes(b"short")
    with pytest.raises(DataOSError, match="damaged"):
        keyring.load_master_key(place)
