"""When nothing fails any more: has everything come to what was wanted, and is nothing left over?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.manifests import CANARY

if TYPE_CHECKING:
    from simulation.servers import Life
    from simulation.world import World


_LATE_US = 2_000_000
"""A look that says when the next one is takes its time."""


def _held(life: Life) -> list[str]:
    return sorted(set(life.admissions._running) - set(life.admissions._granted))


def unrest(world: World) -> list[str]:
    """What still goes on."""
    found: list[str] = []
    rows = world.disk.rows
    now = world.true_us()
    if world.pending:
        found += [f"call {n}" for n in world.pending]
    up = [m.life for m in world.machines.values() if m.life is not None and m.life.up]
    found += [f"{m.id} is down" for m in world.machines.values() if not m.gone and (m.life is None or not m.life.up)]
    found += [f"{life.name} is frozen" for life in up if life.frozen_until_us > world.loop.now_us]
    found += [f"{life.name} ends after its looks" for life in up if life.stopping]
    found += [f"{life.name} looks at {unit}" for life in up for unit in life.reconciler._units()]
    found += [f"a slot of {life.name} is held for {key}" for life in up for key in _held(life)]
    found += [f"run {r.id} of {r.doc.name} ({r.state})" for r in world.model.runs.runs.values() if r.open]
    for key, uid in world.model.living.items():
        timer = world.model.runs.timers.get(uid)
        if timer is not None and timer.paused:
            found.append(f"{key} is paused")
    found += [f"{r.key} is being deleted" for r in world.model.resources.values() if r.living and r.deleting]
    clock = up[0].clock.now_us() if up else now
    for unit, due, owner, server, error in rows(
        "SELECT unit, due_at, lease_owner, server, error FROM work "
        "WHERE lease_until >= ? OR due_at <= ? OR unit NOT LIKE 'resource:%' "
        "OR substr(unit, 10) NOT IN (SELECT uid FROM resources WHERE live_key IS NOT NULL)",  # the last look at what is gone
        clock,
        clock,
    ):
        found.append(f"{unit}: due {(due - clock) / 1e6} s, lease {owner}, bound {server}, {error}")
    found += [f"{p.key} runs on {m.id}" for m in world.machines.values() for p in m.processes.values() if p.alive]
    for name, status, generation, observed in rows(
        "SELECT live_key, status, generation, observed_generation FROM resources WHERE live_key IS NOT NULL "
        "AND (status != 'active' OR generation != observed_generation)"
    ):
        if status != "error" or not world.model.forced:
            found.append(f"{name} is {status} at {observed}/{generation}")
    if not world.climate.alone:
        states = dict(rows("SELECT id, state FROM servers"))
        found += [
            f"server {m.id} is {states.get(m.id)}"
            for m in world.machines.values()
            if not m.gone and states.get(m.id) != "running"
        ]
    return found


def look(world: World) -> None:
    """At rest: compare all that there is with what there must be."""
    must = world.fault
    rows = world.disk.rows
    model = world.model
    living = {
        key: (uid, generation, status, info)
        for uid, key, generation, status, info in rows(
            "SELECT uid, live_key, generation, status, info FROM resources WHERE live_key IS NOT NULL"
        )
    }
    expected = {key: (uid, model.resources[uid].generation) for key, uid in model.living.items()}
    if {k: v[:2] for k, v in living.items()} != expected:
        must("rest", f"living are {living}, should be {expected}")
    for key, (_, _, status, info) in living.items():
        if status != "active" and not (status == "error" and model.forced):
            must("rest", f"{key} is {status}: {info}")
    for uid, count, newest in rows("SELECT uid, count(*), max(generation) FROM generations GROUP BY uid"):
        known = model.resources.get(uid)
        if known is None or (count, newest) != (known.generation, known.generation):
            must(
                "rest",
                f"{known and known.key}: {count} generations up to {newest}, the model has {known and known.generation}",
            )
    for unit, due in rows("SELECT unit, due_at FROM work"):
        prefix, _, id_ = unit.partition(":")
        known = model.resources.get(id_)
        reason = prefix == "resource" and known is not None and known.living
        if not reason:
            must("rest", f"work is left: {unit}, due at {due}")
    for id_, state in rows("SELECT run_id || '/' || name, state FROM jobs"):
        if state not in ("succeeded", "failed", "aborted", "skipped"):
            must("rest", f"job {id_} is {state}")
    for id_, state in rows("SELECT id, state FROM attempts WHERE state IN ('launching', 'running')"):
        must("rest", f"attempt {id_} is {state}")
    for (name,) in rows("SELECT name FROM tokens WHERE kind = 'attempt' AND revoked_at IS NULL"):
        must("rest", f"the token of {name} is still good")
    for (id_,) in rows("SELECT DISTINCT id FROM vault"):
        type_, _, rest_ = id_.partition(":")
        name = rest_.partition(":")[0]
        if not any(key.startswith(f"{type_}/") and key.endswith(f"/{name}") for key in living):
            must("rest", f"the vault holds values of {id_}, which is gone")
    for (target,) in rows(
        "SELECT f.target FROM resource_references f LEFT JOIN resources r ON r.uid = f.uid WHERE r.live_key IS NULL"
    ):
        must("rest", f"a reference to {target} from nobody that lives")
    if CANARY.encode() in world.disk.image():
        must("secrets", "a secret value is in the store in clear text")
    for machine in world.machines.values():
        if machine.life is not None and (held := _held(machine.life)):
            must("rest", f"slots on {machine.id} are held by {held}")
    _runs(world, living)


def _runs(world: World, living: dict[str, tuple[str, int, str, str]]) -> None:
    must, model = world.fault, world.model
    for key, (uid, _, status, _) in living.items():
        doc = model.doc_of_newest(uid)
        if doc is None or doc.type != "workflow" or status != "active" or doc.all_dry:
            continue
        triggers = {t for u, t in model.runs.triggers if u == uid}
        reruns = model.resources[uid].reruns
        if reruns and f"re-run:{reruns}" not in triggers:
            must("rest", f"{key}: re-run {reruns} was accepted and never begun: {sorted(triggers)}")
        if (
            doc.cron is None
            and not reruns
            and not triggers & {"apply"}
            and not any(t.startswith("re-run") for t in triggers)
        ):
            must("rest", f"{key} has not run: {sorted(triggers)}")
        timer = model.runs.timers.get(uid)
        if doc.cron is not None:
            life = world.life(0)
            now = life.clock.now_us() if life is not None else world.true_us()
            if timer is None or timer.paused or timer.next_at is None:
                must("rest", f"{key} has a schedule and no next tick: {timer}")
            elif timer.next_at < now - _LATE_US:
                must("rest", f"{key}: tick {timer.next_at} is due since {(now - timer.next_at) / 1e6} s")
            elif timer.next_at > now and timer.next_at != doc.cron.next(now) and not world.jumped_s:
                must("rest", f"{key}: the next tick is {timer.next_at}, should be {doc.cron.next(now)}")
