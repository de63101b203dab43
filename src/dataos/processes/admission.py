"""Who may run next on this machine: slots by CPU and memory, fair between groups (workspaces), never a starving one.

Pure: the caller says who waits and who runs, and acts on the answer. The order is round robin over groups, the one
served longest ago first, and by age inside a group. The first one that does not fit reserves what it needs, so
that small jobs behind it can't keep it waiting for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMED = 3


@dataclass(frozen=True)
class Demand:
    """What one job asks for. `since_us`: when it began to wait (UTC microseconds)."""

    key: str
    group: str
    cpu: float
    memory_bytes: int
    since_us: int


@dataclass(frozen=True)
class Decision:
    """The answer for one waiting job; `reason` says why it waits, or what is unusual about its start."""

    key: str
    admit: bool
    reason: str = ""


@dataclass(frozen=True)
class _Slots:
    """An amount of the machine; CPUs in thousandths, so that sums are exact."""

    cpu: int
    memory: int

    def fits(self, other: _Slots) -> bool:
        return other.cpu <= self.cpu and other.memory <= self.memory

    def less(self, other: _Slots) -> _Slots:
        return _Slots(max(self.cpu - other.cpu, 0), max(self.memory - other.memory, 0))


class Admission:
    """The machine's capacity, and whose turn it is. The turns are a courtesy: a restart may forget them."""

    def __init__(self, cpus: float, memory_bytes: int) -> None:
        self._all = _Slots(_milli(cpus), memory_bytes)
        self._served: dict[str, int] = {}
        self._turn = 0

    def decide(self, waiting: Sequence[Demand], running: Sequence[Demand], asking: str | None = None) -> list[Decision]:
        """One decision for each waiting job, in the order in which they are considered. With `asking`, the key of one
        of them (or ""), only its reason is told: telling a thousand takes its time.

        Together, running and admitted jobs never hold more than the machine, save what ran already. A job that asks
        for more than the whole machine runs alone, with all of it.
        """
        present = {demand.group for demand in (*waiting, *running)}
        known = {group: turn for group, turn in self._served.items() if group in present}
        # Whoever comes, or comes back, stands level with the one served longest ago, never before it: else a stream of
        # newcomers would keep that one waiting for ever.
        level = min(known.values(), default=self._turn)
        self._served = {group: known.get(group, level) for group in present}
        decisions = decide_admissions(self._all, waiting, running, self._served, asking)
        groups = {demand.key: demand.group for demand in waiting}
        for decision in decisions:
            if decision.admit:
                self._turn += 1
                self._served[groups[decision.key]] = self._turn
        return decisions


def decide_admissions(
    capacity: _Slots,
    waiting: Sequence[Demand],
    running: Sequence[Demand],
    served: Mapping[str, int],
    asking: str | None = None,
) -> list[Decision]:
    """The decision itself. `served` tells when each group was served last, as a growing number."""
    free = capacity
    holders = list(running)
    for demand in running:
        free = free.less(_share(capacity, demand))
    first_in_line: Demand | None = None
    decisions: list[Decision] = []
    for demand in _in_turn(waiting, served):
        need = _share(capacity, demand)
        if free.fits(need) and not (_is_oversize(capacity, demand) and holders):
            free = free.less(need)
            holders.append(demand)
            decisions.append(Decision(demand.key, True, _oversize_note(capacity, demand)))
            continue
        reason = ""
        if asking is None or demand.key == asking:
            turn = f"waits its turn behind {first_in_line.key}; " if first_in_line is not None else ""
            reason = turn + _shortage(capacity, demand, need, holders)
        first_in_line = first_in_line or demand
        decisions.append(Decision(demand.key, False, reason))
        free = free.less(need)  # reserved: what ends from now on is kept for it
    return decisions


def _in_turn(waiting: Sequence[Demand], served: Mapping[str, int]) -> list[Demand]:
    queues: dict[str, list[Demand]] = defaultdict(list)
    for demand in sorted(waiting, key=lambda d: (d.since_us, d.key)):
        queues[demand.group].append(demand)
    rounds = sorted(queues.values(), key=lambda q: (served.get(q[0].group, 0), q[0].since_us, q[0].key))
    order: list[Demand] = []
    for number in range(max(map(len, rounds), default=0)):
        order += [queue[number] for queue in rounds if number < len(queue)]
    return order


def _milli(cpu: float) -> int:
    return round(cpu * 1000)


def _is_oversize(capacity: _Slots, demand: Demand) -> bool:
    return not capacity.fits(_Slots(_milli(demand.cpu), demand.memory_bytes))


def _share(capacity: _Slots, demand: Demand) -> _Slots:
    """What a job holds while it runs: all of the machine if it asks for more than that."""
    return capacity if _is_oversize(capacity, demand) else _Slots(_milli(demand.cpu), demand.memory_bytes)


def _oversize_note(capacity: _Slots, demand: Demand) -> str:
    if not _is_oversize(capacity, demand):
        return ""
    asked = [_cpus(_milli(demand.cpu))] if _milli(demand.cpu) > capacity.cpu else []
    asked += [f"{_size(demand.memory_bytes)} of memory"] if demand.memory_bytes > capacity.memory else []
    return (
        f"asks for {' and '.join(asked)}, more than this machine lends ({_cpus(capacity.cpu)}, "
        f"{_size(capacity.memory)}): runs alone with all of it"
    )


def _shortage(capacity: _Slots, demand: Demand, need: _Slots, holders: Sequence[Demand]) -> str:
    if _is_oversize(capacity, demand):
        note = _oversize_note(capacity, demand).replace("runs alone", "will run alone")
        return f"{note}; waits for {_names(holders)} to end" if holders else note
    used = _Slots(sum(_share(capacity, d).cpu for d in holders), sum(_share(capacity, d).memory for d in holders))
    left = capacity.less(used)
    parts: list[str] = []
    if need.cpu > left.cpu:
        parts.append(f"waits for {_cpus(need.cpu)}: {_number(used.cpu)} of {_number(capacity.cpu)} in use")
    if need.memory > left.memory:
        parts.append(
            f"waits for {_size(need.memory)} of memory: {_size(used.memory)} of {_size(capacity.memory)} in use"
        )
    if not parts:
        return "what is free is kept for those before it"
    return " and ".join(parts) + f" by {_names(holders)}"


def _names(holders: Sequence[Demand]) -> str:
    named = ", ".join(d.key for d in holders[:_NAMED])
    more = len(holders) - _NAMED
    return f"run {named}" + (f" and {more} more" if more > 0 else "")


def _number(milli: int) -> str:
    return f"{milli / 1000:g}"


def _cpus(milli: int) -> str:
    return f"{_number(milli)} CPU" + ("" if milli == 1000 else "s")


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} B"
