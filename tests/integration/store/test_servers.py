"""The registry of servers: beats, giving up, what becomes of the work."""

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError
from dataos.store import servers, tables, upgrades, work
from dataos.store.database import Store
from dataos.store.servers import Server
from dataos.store.work import StaleLease
from support import stores

NOW = 1_000_000
A, B = Server("a", "a1", "one", "0.1"), Server("b", "b1", "two", "0.1")


@pytest.fixture
def store(tmp_path):
    made = Store(stores.url(tmp_path))
    upgrades.upgrade(made)
    for server in (A, B):
        made.write_sync(servers.register, server, f"http://{server.id}", NOW, 1000)
    yield made
    made.close()


def state(store, server="a"):
    return store.read_sync(
        lambda c: c.execute(sa.select(tables.servers.c.state).where(tables.servers.c.id == server)).scalar_one()
    )


def claim(store, owner, at=NOW):
    return store.write_sync(work.claim, owner, at, 60_000_000, 10)


def test_a_beat_shows_the_others_and_moves_on(store):
    first = store.write_sync(servers.beat, A, NOW)
    assert (first.lost, first.superseded, dict(first.others)) == (False, False, {"b": 1})
    assert first.revision == upgrades.revisions()[-1]
    assert store.write_sync(servers.beat, B, NOW).others == {"a": 2}


def test_giving_up_frees_leases_and_bound_units_at_once(store):
    store.write_sync(work.wake, "u:1", NOW)
    (one,) = claim(store, "a")
    store.write_sync(work.wake, "u:2", NOW)
    store.write_sync(lambda c: c.execute(tables.work.update().where(tables.work.c.unit == "u:2").values(server="a")))
    assert claim(store, "b") == []
    assert store.write_sync(servers.declare_lost, "a", 1, NOW)
    assert state(store) == "lost"
    with pytest.raises(StaleLease):
        store.write_sync(lambda c: one.check(c))
    assert sorted(lease.unit for lease in claim(store, "b")) == ["u:1", "u:2"]


def test_who_beat_since_is_not_given_up(store):
    store.write_sync(servers.beat, A, NOW)
    assert not store.write_sync(servers.declare_lost, "a", 1, NOW)
    assert state(store) == "running"


def test_a_server_hears_that_it_was_given_up_once(store):
    store.write_sync(servers.declare_lost, "a", 1, NOW)
    assert store.write_sync(servers.beat, A, NOW).lost
    assert not store.write_sync(servers.beat, A, NOW).lost
    assert state(store) == "running"


def test_a_second_process_of_one_home_is_found(store):
    again = Server("a", "a2", "one", "0.1")
    store.write_sync(servers.register, again, "http://a", NOW, 1000)
    assert store.write_sync(servers.beat, A, NOW).superseded
    assert not store.write_sync(servers.beat, again, NOW).superseded


def test_a_copied_home_on_another_machine_is_refused_while_the_first_lives(store):
    copy = Server("a", "a2", "three", "0.1")
    with pytest.raises(DataOSError) as caught:
        store.write_sync(servers.register, copy, "http://x", NOW + 500, 1000)
    assert caught.value.problem.code == "server.duplicate"
    store.write_sync(servers.register, copy, "http://x", NOW + 5000, 1000)


def test_an_orderly_end_gives_leases_back_and_keeps_bound_units_for_a_while(store):
    store.write_sync(work.wake, "u:1", NOW)
    store.write_sync(work.wake, "job:1", NOW)
    store.write_sync(lambda c: c.execute(tables.work.update().where(tables.work.c.unit == "job:1").values(server="a")))
    claim(store, "a")
    store.write_sync(servers.leave, A, NOW)
    assert state(store) == "stopped"
    assert [lease.unit for lease in claim(store, "b")] == ["u:1"]
    assert store.write_sync(servers.declare_lost, "a", 2, NOW)
    assert state(store) == "gone"
    assert [lease.unit for lease in claim(store, "b")] == ["job:1"]
    assert store.write_sync(servers.register, A, "http://a", NOW, 1000)


def test_alone_every_lease_is_given_back_at_the_start(store):
    store.write_sync(work.wake, "u:1", NOW)
    claim(store, "an earlier name of this server")
    store.write_sync(work.take_over, "a", NOW, alone=True)
    assert [lease.unit for lease in claim(store, "a")] == ["u:1"]


def test_a_server_that_was_given_up_and_did_not_hear_of_it_binds_nothing(store):
    """It would be nobody's: who is given up already is not given up again."""
    assert store.write_sync(servers.declare_lost, "a", 1, NOW)
    store.write_sync(work.wake, "u:1", NOW)
    (lease,) = claim(store, "a")
    with pytest.raises(DataOSError) as caught:
        store.write_sync(work.bind, lease, "a")
    assert caught.value.problem.retry is not None
    store.write_sync(servers.beat, A, NOW)
    store.write_sync(work.bind, lease, "a")


def test_a_unit_is_taken_back_unless_somebody_has_begun_to_look_at_it(store):
    for unit in ("job:1", "job:2", "job:3"):
        store.write_sync(work.wake, unit, NOW)
    store.write_sync(lambda c: c.execute(tables.work.update().values(server="a")))
    assert store.write_sync(servers.declare_lost, "a", 1, NOW)
    taken = claim(store, "b")
    store.write_sync(lambda c: work.bind(c, taken[0], "b"))
    store.write_sync(work.give_back, "b")
    (again,) = store.write_sync(work.claim, "b", NOW, 60_000_000, 1, [])
    left = next(u for u in ("job:1", "job:2", "job:3") if u not in (taken[0].unit, again.unit))
    assert not store.write_sync(work.take_back, taken[0].unit, "a"), "it is bound to another server"
    if again.unit != taken[0].unit:
        assert not store.write_sync(work.take_back, again.unit, "a"), "another server looks at it"
    assert store.write_sync(work.take_back, left, "a")
    assert left not in [lease.unit for lease in claim(store, "b")]
    assert store.write_sync(work.take_back, left, "a"), "a second time changes nothing"
    assert store.write_sync(work.take_back, "job:none", "a")
