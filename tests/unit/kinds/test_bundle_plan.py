"""What a Bundle does next: pure decisions over what is wanted and what was seen."""

import copy
import datetime

import pytest

from dataos.core.clock import to_us
from dataos.kinds.bundle import plan
from dataos.kinds.bundle.plan import Seen
from dataos.kinds.bundle.spec import Schedule
from support.kind_reading import good
from support.kind_samples import VOLUME


def bundle(**waits):
    items = [
        {"id": id_, "workspace": "wool", "spec": {**copy.deepcopy(VOLUME), "name": id_}, **more}
        for id_, more in waits.items()
    ]
    return good("bundle", {"resources": items}).spec


def on(id_, **states):
    return {"dependencyConditions": [{"resourceId": id_, **states}]}


def seen(status="active", runtime="", settled=True, **more):
    return Seen("u", status, runtime, settled, **more)


CHAIN = {"db": {}, "api": on("db", status={"is": ["active"]}, runtime={"is": ["succeeded"]}), "site": {}}


def ids(step):
    return [item.id for item in step.ready]


def test_what_waits_for_nothing_goes_first_and_together():
    step = plan.plan_next(bundle(**CHAIN), {}, frozenset())
    assert sorted(ids(step)) == ["db", "site"]
    assert step.waiting == {"api": "waiting for db: not made yet"}


@pytest.mark.parametrize(
    ("found", "goes"),
    [
        (seen("active", "succeeded"), True),
        (seen("active", "running"), False),
        (seen("pending", "succeeded"), False),
        (seen("active", "succeeded", settled=False), False),  # of the generation before
        (seen("active", "succeeded", leaving=True), False),
    ],
)
def test_both_status_and_runtime_of_the_newest_generation_must_hold(found, goes):
    step = plan.plan_next(bundle(**CHAIN), {"db": found, "site": seen()}, frozenset({"db", "site"}))
    assert ("api" in ids(step)) is goes
    if not goes and not found.leaving:
        assert step.waiting["api"].startswith(f"waiting for db: status={found.status}, runtime={found.runtime}")


@pytest.mark.parametrize(
    ("wanted", "runtime", "goes"),
    [
        ({"is": ["running:2"]}, "running:1", False),
        ({"is": ["running:2"]}, "running:3", True),
        ({"is": ["running"]}, "running:1", True),
        ({"contains": ["run", "succ"]}, "succeeded", True),
        ({"is": ["failed"], "contains": ["succ"]}, "succeeded", True),
        ({"is": ["failed"]}, "succeeded", False),
    ],
)
def test_values_are_alternatives_and_a_number_is_the_least(wanted, runtime, goes):
    spec = bundle(a={}, b=on("a", runtime=wanted))
    step = plan.plan_next(spec, {"a": seen("active", runtime)}, frozenset({"a"}))
    assert (ids(step) == ["b"]) is goes


def test_an_error_blocks_what_depends_on_it_and_is_what_the_bundle_shows():
    spec = bundle(**CHAIN)
    found = {"site": seen()}
    step = plan.plan_next(spec, found, frozenset({"site"}))
    status, info = plan.summarise(spec, found, {"db": "no such host"}, step)
    assert (status, info) == ("error", "db: no such host; api is waiting for db: not made yet")
    found = {"site": seen(), "db": seen("error", info="refused")}
    step = plan.plan_next(spec, found, frozenset({"site", "db"}))
    assert plan.summarise(spec, found, {}, step)[1].startswith("db: refused; api is waiting for db: status=error")
    assert plan.summarise(spec, {}, {}, plan.plan_next(spec, {}, frozenset()))[0] == "pending"
    everything = {id_: seen() for id_ in CHAIN}
    assert plan.summarise(spec, everything, {}, plan.plan_next(spec, everything, frozenset(CHAIN)))[0] == "active"


# --- schedule -------------------------------------------------------------------------------------------------------


def at(hour, day=7):  # 2030-01-07 is a Monday
    return to_us(datetime.datetime(2030, 1, day, hour, 30, tzinfo=datetime.UTC))


OFFICE = Schedule(True, "UTC", ("0 6 * * 1-5",), ("0 20 * * 1-5",))


def test_a_schedule_brings_up_and_tears_down_at_its_ticks():
    first = plan.advance(OFFICE, None, at(12))
    assert not first.up, "create: absent until the next create tick"
    assert plan.advance(Schedule(False, *list(vars(OFFICE).values())[1:]), None, at(12)).up
    evening = plan.advance(OFFICE, first.to_state(), at(21))
    assert not evening.up
    morning = plan.advance(OFFICE, evening.to_state(), at(7, 8))
    assert morning.up
    assert plan.advance(OFFICE, morning.to_state(), at(19, 8)).up
    assert not plan.advance(OFFICE, morning.to_state(), at(21, 8)).up


def test_a_server_that_was_away_does_what_the_newest_tick_says():
    first = plan.advance(OFFICE, None, at(5))
    assert plan.advance(OFFICE, first.to_state(), at(12, 9)).up, "two days later at noon: create was last"
    assert not plan.advance(OFFICE, first.to_state(), at(22, 9)).up


def test_a_changed_schedule_begins_anew_with_what_is_there():
    up = plan.advance(OFFICE, plan.advance(OFFICE, None, at(5)).to_state(), at(12))
    assert up.up
    changed = plan.advance(Schedule(True, "UTC", ("0 7 * * *",), ("0 13 * * *",)), up.to_state(), at(14))
    assert changed.up, "nothing is torn down because the text changed"
    assert changed.soonest("delete") == to_us(datetime.datetime(2030, 1, 8, 13, tzinfo=datetime.UTC))
