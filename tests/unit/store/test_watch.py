"""Which servers are lost, by our own clock."""

from hypothesis import given
from hypothesis import strategies as st

from dataos.store.servers import Watch

TTL = 4.0


def test_a_beat_that_stands_still_for_the_time_to_live_is_lost():
    watch = Watch(TTL)
    for tenth in range(40):
        assert watch.look(tenth / 10, {"a": 7}) == []
    assert watch.look(4.0, {"a": 7}) == [("a", 7)]


def test_a_beat_that_changes_is_never_lost():
    watch = Watch(TTL)
    for second in range(100):
        assert watch.look(float(second), {"a": second // 3}) == []


def test_who_was_away_itself_begins_anew():
    watch = Watch(TTL)
    watch.look(0.0, {"a": 1})
    assert watch.look(60.0, {"a": 1}) == [], "nobody is judged by what was missed"
    for half in range(1, 8):
        assert watch.look(60.0 + half / 2, {"a": 1}) == []
    assert watch.look(64.0, {"a": 1}) == [("a", 1)]


def test_who_is_not_there_any_more_is_forgotten():
    watch = Watch(TTL)
    watch.look(0.0, {"a": 1})
    watch.look(1.0, {})
    assert watch.look(2.0, {"a": 1}) == []
    assert watch.look(4.5, {"a": 1}) == []


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.booleans()), max_size=60))
def test_nobody_is_lost_sooner_than_the_time_to_live_after_its_last_beat(steps):
    watch, now, beat, changed = Watch(TTL), 0.0, 0, 0.0
    for wait, beats in steps:
        now += wait
        if beats:
            beat, changed = beat + 1, now
        if watch.look(now, {"a": beat}):
            assert now - changed >= TTL
