"""The steps of a simulation: drawn from a seed before it begins, so that some of them can be left out and the rest stay
what they were."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataos.control.resources import ApplyRequest
from dataos.core.addresses import ResourceKey
from dataos.governance.identities import ADMINISTRATOR
from dataos.kinds.workflow.verbs import Asked, Verb
from simulation.manifests import NAMES, Doc, draw, key_of
from simulation.model import Call
from simulation.power import Power
from support.principals import operator

if TYPE_CHECKING:
    from simulation.world import World

STEPS = 50
OPERATOR = operator(ADMINISTRATOR)
DAY_S = 86_400.0


@dataclass(frozen=True)
class Step:
    """`do` with its arguments; then time passes. `salt`: the weather from here on."""

    do: str
    number: int  # of the step: names what it makes
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    then_s: float = 0.0
    salt: int = 0

    def __str__(self) -> str:
        args = " ".join(f"{k}={v}" for k, v in self.args.items() if v not in (None, False, ""))
        return f"{self.number:3d} {self.do} {args}, then {self.then_s:g} s"


_WEIGHTS = {
    "apply": 24,
    "apply_set": 3,
    "plan": 1,
    "delete": 5,
    "rollback": 5,
    "verb": 12,
    "collect": 1,
    "upkeep": 2,
    "process": 8,
    "wait": 5,
    "suspend": 3,
    "jump": 3,
    "kill": 5,
    "sigterm": 2,
    "start": 7,
    "reboot": 1,
    "freeze": 2,
    "storm": 2,
    "cut": 2,
    "loss": 1,
    "sources": 1,
    "lease": 3,
    "wake": 2,
}


def plan(seed: int, count: int = STEPS) -> tuple[Step, ...]:
    """The steps of a seed."""
    rng = random.Random(seed * 2 + 1)
    names, weights = list(_WEIGHTS), list(_WEIGHTS.values())
    made: list[Step] = []
    for number in range(count):
        do = "apply" if number == 0 else rng.choices(names, weights)[0]
        then_s = rng.choice((0.0, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0)) * rng.random()
        args = _draw(do, rng)
        if do == "wait":
            then_s = rng.choice((5.0, 15.0, 30.0, 70.0)) * rng.random()
        made.append(Step(do, number, args, round(then_s, 6), rng.getrandbits(32)))
    return tuple(made)


def _draw(do: str, rng: random.Random) -> dict[str, Any]:
    at = rng.randrange(6)
    match do:
        case "apply" | "plan":
            return {"at": at, **_document(rng), **_how(rng)}
        case "apply_set":
            return {"at": at, "set": [_document(rng) for _ in range(rng.choice((2, 3)))], "idem": rng.choice(_KEYS)}
        case "delete":
            return {"at": at, **_name(rng), "force": rng.random() < 0.4, "expect": rng.choice(_EXPECT)}
        case "rollback":
            to = rng.choice((None, None, 1, 2, 3))
            return {"at": at, **_name(rng), "to": to, "expect": rng.choice(_EXPECT)}
        case "verb":
            verb = rng.choice(("pause", "pause", "resume", "resume", "stop", "stop", "re-run", "run", "run"))
            from_failed = verb == "re-run" and rng.random() < 0.5
            return {
                "at": at,
                "verb": verb,
                "name": rng.choice(NAMES["workflow"]),
                "from_failed": from_failed,
                "idem": rng.choice(_KEYS),
            }
        case "collect":
            return {"at": at, "older_s": rng.choice((0.0, 10.0))}
        case "process":
            return {"which": rng.randrange(8), "fate": rng.choice(("ok", "ok", "fails", "transient", "lost"))}
        case "suspend":
            long = rng.choice((60.0, 600.0, 3600.0, DAY_S, 31 * DAY_S))
            return {"seconds": round(long * rng.random(), 3)}
        case "jump":
            size = rng.choice((1.0, 30.0, 90.0, 3600.0, DAY_S))
            return {
                "machine": at,
                "seconds": round(rng.choice((1, -1)) * size * rng.random(), 3),
                "all": rng.random() < 0.3,
            }
        case "freeze":
            return {"at": at, "seconds": round(rng.choice((5.0, 70.0)) * rng.random(), 3)}
        case "cut":
            return {"machine": at, "seconds": round(rng.choice((5.0, 90.0)) * rng.random(), 3)}
        case "storm" | "sources":
            return {"seconds": round(rng.choice((1.0, 10.0, 40.0)) * rng.random(), 3)}
        case "lease" | "wake":
            return {"which": rng.randrange(16)}
        case "kill" | "reboot" | "sigterm":
            return {"machine": at, "again_s": rng.choice((None, 0.1, 1.0, 10.0, 60.0))}
        case _:
            return {"machine": at}


_KEYS = ("", "", "", "new", "new", "last")
_EXPECT = (*[""] * 8, "right", "right", "right", "wrong")


def _name(rng: random.Random) -> dict[str, Any]:
    type_ = rng.choices(("secret", "instance-secret", "depot", "workflow"), (2, 1, 1, 8))[0]
    return {"type": type_, "name": rng.choice(NAMES[type_])}


def _document(rng: random.Random) -> dict[str, Any]:
    again = rng.random() < 0.3
    return {**_name(rng), "again": again, "content": rng.getrandbits(32)}


def _how(rng: random.Random) -> dict[str, Any]:
    return {
        "expect": rng.choice(_EXPECT),
        "mode": rng.choice((*["apply"] * 10, "create", "update")),
        "rerun": rng.random() < 0.15,
        "idem": rng.choice(_KEYS),
    }


# --- doing ------------------------------------------------------------------------------------------------------------


def perform(world: World, step: Step) -> None:
    """Do it now. A call goes on by itself."""
    _DO[step.do](world, step, step.args)


def _doc(world: World, step: Step, args: dict[str, Any], suffix: str = "") -> Doc:
    key = key_of(args["type"], args["name"])
    sent = [d for call in world.calls for d in call.docs if d.key == key]
    if args["again"] and sent:
        return sent[-1] if args["content"] % 3 else sent[args["content"] % len(sent)]
    marker = f"{args['name']}.{step.number}{suffix}"
    doc = draw(args["type"], args["name"], marker, random.Random(args["content"]))
    world.model.docs[marker] = doc
    return doc


def _expected(world: World, key: str, expect: str) -> int | None:
    if not expect:
        return None
    row = world.model.find(key)
    now = row.generation if row is not None else 0
    return now if expect == "right" else now + 1


def _apply(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is None:
        return
    call = _last(world, "apply") if args["idem"] == "last" else None
    if call is None:
        if "set" in args:
            docs = [_doc(world, step, one, f"-{n}") for n, one in enumerate(args["set"])]
            call = Call(step.number, "apply", docs[0].key, docs)
        else:
            doc = _doc(world, step, args)
            expected = _expected(world, doc.key, args["expect"])
            call = Call(step.number, "apply", doc.key, [doc], expected=expected, mode=args["mode"], rerun=args["rerun"])
        call.idempotency = f"key-{step.number}" if args["idem"] else None
    else:  # the same again, as a client does that got no answer
        again = Call(step.number, "apply", call.key, call.docs, call.idempotency, call.expected, call.mode, call.rerun)
        call = again
    requests = [_request(call, doc) for doc in call.docs]
    world.call(life, call, life.resources.apply_all(requests, key=call.idempotency))


def _request(call: Call, doc: Doc) -> ApplyRequest:
    return ApplyRequest(
        document=doc.data(),
        actor=OPERATOR.user_id,
        rerun=call.rerun,
        mode=call.mode,
        expected_generation=call.expected,
        principal=OPERATOR,
    )


def _last(world: World, verb: str) -> Call | None:
    return next((c for c in reversed(world.calls) if c.verb == verb and c.idempotency), None)


def _plan(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is not None:
        doc = _doc(world, step, args)
        call = Call(step.number, "plan", doc.key, [doc])
        world.call(life, call, life.resources.plan(_request(call, doc)))


def _resource_key(type_: str, name: str) -> ResourceKey:
    return ResourceKey(type_, name, "public" if type_ in ("secret", "workflow") else None)


def _delete(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is None:
        return
    key = key_of(args["type"], args["name"])
    expected = _expected(world, key, args["expect"]) or None
    call = Call(step.number, "delete", key, force=args["force"], expected=expected)
    work = life.resources.delete(
        _resource_key(args["type"], args["name"]),
        OPERATOR.user_id,
        force=args["force"],
        principal=OPERATOR,
        expected_generation=expected,
    )
    world.call(life, call, work)


def _rollback(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is None:
        return
    key = key_of(args["type"], args["name"])
    row = world.model.find(key) or world.model.kept(key)
    expected = None
    if args["expect"] and row is not None:
        expected = row.generation if args["expect"] == "right" else row.generation + 1
    call = Call(step.number, "rollback", key, to=args["to"], expected=expected)
    work = life.history.rollback(_resource_key(args["type"], args["name"]), args["to"], OPERATOR, expected)
    world.call(life, call, work)


def _verb(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is None:
        return
    verb = Verb(args["verb"])
    idem = None
    if verb in (Verb.RUN, Verb.RERUN) and (args["idem"] or args.get("key")):
        last = _last(world, args["verb"]) if args["idem"] == "last" else None
        idem = args.get("key") or (last.idempotency if last is not None else f"key-{step.number}")
    call = Call(
        step.number, args["verb"], key_of("workflow", args["name"]), idempotency=idem, from_failed=args["from_failed"]
    )
    asked = Asked(verb, OPERATOR, args["from_failed"], idem)
    world.call(life, call, life.verbs.ask(_resource_key("workflow", args["name"]), asked))


def resume_all(world: World) -> None:
    """So that what is held can end."""
    life = world.life(0)
    for key, uid in list(world.model.living.items()):
        timer = world.model.runs.timers.get(uid)
        if life is not None and timer is not None and timer.paused:
            call = Call(1000 + len(world.calls), "resume", key)
            asked = Asked(Verb.RESUME, OPERATOR)
            world.call(life, call, life.verbs.ask(_resource_key("workflow", key.rpartition("/")[2]), asked))


def delete_hopeless(world: World) -> None:
    """A schedule whose jobs need what somebody deleted by force may begin the next run before the last one failed for
    good: it would never come to rest."""
    life = world.life(0)
    for key, uid in list(world.model.living.items()):
        row = world.model.resources[uid]
        doc = world.model.doc_of_newest(uid)
        lost = doc is not None and any(world.model.find(r) is None for r in doc.refers)
        if life is None or doc is None or not lost or uid not in world.model.runs.timers or row.deleting:
            continue
        call = Call(1000 + len(world.calls), "delete", key, force=True)
        named = _resource_key("workflow", key.rpartition("/")[2])
        world.call(life, call, life.resources.delete(named, OPERATOR.user_id, force=True, principal=OPERATOR))


def _collect(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is not None:
        call = Call(step.number, "collect", "")
        world.call(life, call, life.upkeep.collect_garbage(OPERATOR, args["older_s"], "user"))


def _upkeep(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["machine"])
    if life is not None:
        world.call(life, Call(step.number, "upkeep", ""), life.upkeep.run())


def _process(world: World, step: Step, args: dict[str, Any]) -> None:
    running = [p for m in world.machines.values() for p in m.processes.values() if p.alive]
    if running:
        process = running[args["which"] % len(running)]
        process.machine.end(process, args["fate"])


def _wait(world: World, step: Step, args: dict[str, Any]) -> None:
    """Only time."""


def _suspend(world: World, step: Step, args: dict[str, Any]) -> None:
    world.loop.suspend(args["seconds"])


def _machine(world: World, number: int) -> Any:
    machines = list(world.machines.values())
    return machines[number % len(machines)]


def _jump(world: World, step: Step, args: dict[str, Any]) -> None:
    machines = list(world.machines.values()) if args["all"] else [_machine(world, args["machine"])]
    for machine in machines:
        machine.jump(round(args["seconds"] * 1e6))
    world.jumped_s += abs(args["seconds"])


def _kill(world: World, step: Step, args: dict[str, Any]) -> None:
    machine = _machine(world, args["machine"])
    if machine.life is not None:
        machine.life.kill()
    machine.supervise(args["again_s"])


def _sigterm(world: World, step: Step, args: dict[str, Any]) -> None:
    machine = _machine(world, args["machine"])
    if machine.life is not None:
        machine.life.stop()
    machine.supervise(args["again_s"])


def _start(world: World, step: Step, args: dict[str, Any]) -> None:
    _machine(world, args["machine"]).begin_life()


def _reboot(world: World, step: Step, args: dict[str, Any]) -> None:
    machine = _machine(world, args["machine"])
    if world.climate.alone and world.power is None:
        world.power = Power(world, machine, args["again_s"])
    else:
        machine.reboot()
        machine.supervise(args["again_s"])


def _freeze(world: World, step: Step, args: dict[str, Any]) -> None:
    life = world.life(args["at"])
    if life is not None:
        life.freeze(args["seconds"], silent=True)


def _storm(world: World, step: Step, args: dict[str, Any]) -> None:
    world.weather.store_away = True
    world.loop.call_later(args["seconds"], lambda: setattr(world.weather, "store_away", False))


def _cut(world: World, step: Step, args: dict[str, Any]) -> None:
    """One machine does not reach the store, the others do."""
    machine = _machine(world, args["machine"])
    world.cut.add(machine.id)
    world.weather.cut_off.add(machine.id)
    world.loop.call_later(args["seconds"], lambda: world.weather.cut_off.discard(machine.id))


def _loss(world: World, step: Step, args: dict[str, Any]) -> None:
    """A machine is gone for good, with all that ran there; never the last one."""
    machine = _machine(world, args["machine"])
    if sum(not m.gone for m in world.machines.values()) > 1:
        machine.reboot()
        machine.gone = True


def _sources(world: World, step: Step, args: dict[str, Any]) -> None:
    world.weather.sources_away = True
    world.loop.call_later(args["seconds"], lambda: setattr(world.weather, "sources_away", False))


def _lease(world: World, step: Step, args: dict[str, Any]) -> None:
    """Leases run out under their holders."""
    world.weather.steals += 1 + args["which"] % 3


def _wake(world: World, step: Step, args: dict[str, Any]) -> None:
    """A wake-up for no reason, in the store or beside it."""
    known = [row[0] for row in world.disk.rows("SELECT unit FROM work ORDER BY unit")]
    known += [f"run:{r}" for r in world.model.runs.runs] + [f"resource:{u}" for u in world.model.resources]
    life = world.life(args["which"])
    if known and life is not None:
        life._context.copy().run(life.reconciler.kick, known[args["which"] % len(known)])


_DO = {
    "apply": _apply,
    "apply_set": _apply,
    "plan": _plan,
    "delete": _delete,
    "rollback": _rollback,
    "verb": _verb,
    "collect": _collect,
    "upkeep": _upkeep,
    "process": _process,
    "wait": _wait,
    "suspend": _suspend,
    "jump": _jump,
    "kill": _kill,
    "sigterm": _sigterm,
    "start": _start,
    "reboot": _reboot,
    "freeze": _freeze,
    "storm": _storm,
    "cut": _cut,
    "loss": _loss,
    "sources": _sources,
    "lease": _lease,
    "wake": _wake,
}
