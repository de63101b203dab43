"""Local admission: never too much, never for ever, in order inside a group."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.processes.admission import Admission, Demand

GIB = 1 << 30


def demand(key: str, group: str = "a", cpu: float = 1.0, memory: int = GIB, since: int = 0) -> Demand:
    return Demand(key, group, cpu, memory, since)


def admitted(admission: Admission, waiting: list[Demand], running: list[Demand]) -> list[str]:
    return [d.key for d in admission.decide(waiting, running) if d.admit]


def test_what_fits_is_admitted_and_the_rest_hears_why():
    admission = Admission(2, 8 * GIB)
    running = [demand("x", cpu=1.0), demand("y", cpu=0.5)]
    [decision] = admission.decide([demand("z", cpu=2)], running)
    assert not decision.admit
    assert decision.reason == "waits for 2 CPUs: 1.5 of 2 in use by run x, y"


def test_memory_is_named_when_memory_is_short():
    admission = Admission(8, 4 * GIB)
    [decision] = admission.decide([demand("z", memory=3 * GIB)], [demand(f"r{n}", memory=GIB // 2) for n in range(4)])
    assert decision.reason == "waits for 3 GiB of memory: 2 GiB of 4 GiB in use by run r0, r1, r2 and 1 more"


def test_groups_take_turns_however_long_one_queue_is():
    admission = Admission(1, 8 * GIB)
    waiting = [demand(f"a{n}", "a", since=n) for n in range(5)] + [
        demand(f"b{n}", "b", since=100 + n) for n in range(2)
    ]
    order: list[str] = []
    while waiting:
        [key] = admitted(admission, waiting, [])
        order.append(key)
        waiting = [d for d in waiting if d.key != key]
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3", "a4"]


def test_a_big_job_at_the_head_is_not_overtaken():
    admission = Admission(4, 8 * GIB)
    running = [demand("r", "c", cpu=2)]
    waiting = [demand("big", "a", cpu=4, since=1), demand("small", "b", cpu=1, since=2)]
    decisions = admission.decide(waiting, running)
    assert [(d.key, d.admit) for d in decisions] == [("big", False), ("small", False)]
    assert decisions[1].reason == "waits its turn behind big; what is free is kept for those before it"
    assert admitted(admission, waiting, []) == ["big"]


def test_a_job_larger_than_the_machine_runs_alone():
    admission = Admission(2, 4 * GIB)
    huge = demand("huge", cpu=64, memory=GIB)
    [waits] = admission.decide([huge], [demand("r", cpu=0.1, memory=1)])
    assert not waits.admit
    assert waits.reason == (
        "asks for 64 CPUs, more than this machine lends (2 CPUs, 4 GiB): will run alone with all of it; "
        "waits for run r to end"
    )
    [runs] = admission.decide([huge], [])
    assert runs.admit
    assert "runs alone with all of it" in runs.reason
    assert admitted(admission, [demand("tiny", cpu=0.001, memory=1)], [huge]) == []


def test_newcomers_do_not_overtake_a_group_that_waits():
    admission = Admission(1, 8 * GIB)
    admission.decide([demand("a0", "a")], [])
    waiting = [demand("a1", "a", since=1), demand("new", "fresh", since=2)]
    assert admitted(admission, waiting, []) == ["a1"]


_DEMANDS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([0.1, 0.5, 1.0, 1.7, 4.0, 9.0]),
        st.sampled_from([1, GIB, 3 * GIB, 8 * GIB, 20 * GIB]),
        st.integers(0, 5),  # how many rounds it runs
        st.integers(0, 9),  # in which round it comes
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(_DEMANDS)
def test_every_job_runs_once_in_order_and_the_machine_is_never_overbooked(spec):
    admission = Admission(4, 8 * GIB)
    jobs = [
        (Demand(f"j{i}", group, cpu, memory, when * 100 + i), lasts)
        for i, (group, cpu, memory, lasts, when) in enumerate(spec)
    ]
    to_come = sorted(jobs, key=lambda j: j[0].since_us)
    waiting: list[Demand] = []
    running: dict[str, tuple[Demand, int]] = {}
    lasting = {d.key: lasts for d, lasts in jobs}
    started: dict[str, list[int]] = defaultdict(list)
    rounds = 0
    while to_come or waiting or running:
        rounds += 1
        assert rounds < 10 + sum(lasts + 2 for _, lasts in jobs), "somebody starves"
        while to_come and to_come[0][0].since_us // 100 < rounds:
            waiting.append(to_come.pop(0)[0])
        before = [d for d, _ in running.values()]
        decisions = admission.decide(waiting, before)
        assert sorted(d.key for d in decisions) == sorted(d.key for d in waiting)
        for decision in decisions:
            assert decision.admit or decision.reason
            if decision.admit:
                job = next(d for d in waiting if d.key == decision.key)
                waiting.remove(job)
                started[job.group].append(job.since_us)
                running[job.key] = (job, lasting[job.key])
        now = [d for d, _ in running.values()]
        huge = [d for d in now if d.cpu > 4 or d.memory_bytes > 8 * GIB]
        if huge:
            assert len(now) == 1
        else:
            assert sum(d.cpu for d in now) <= 4 + 1e-9
            assert sum(d.memory_bytes for d in now) <= 8 * GIB
        running = {key: (d, left - 1) for key, (d, left) in running.items() if left > 0}
    assert all(order == sorted(order) for order in started.values())


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.booleans())
def test_a_waiting_job_is_served_although_others_never_stop_coming(width, come_and_go):
    """One patient job against an endless stream of small ones, from groups that stay or are always new."""
    admission = Admission(4, 8 * GIB)
    held = [demand("long", "p", cpu=0.5)]  # its group already holds something, for ever
    patient = demand("patient", "p", cpu=3.5, since=0)
    running: list[Demand] = []
    for turn in range(1, 200):
        group = f"g{turn}" if come_and_go else f"g{turn % width}"
        stream = [demand(f"s{turn}-{n}", group, cpu=1, since=turn) for n in range(width)]
        keys = admitted(admission, [patient, *stream], held + running)
        if "patient" in keys:
            return
        running = [d for d in stream if d.key in keys]
    raise AssertionError("the patient job starved")
