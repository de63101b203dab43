"""Other doors: the same world behind a server's HTTP API gives the answers of the suite's own gateway."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from pyiceberg.catalog import load_catalog

from dataos.governance.policies import AccessRule, DataRule, Mask
from leaks import oracles, sources, worlds
from leaks.lab import Answer, Laboratory, frozen, told
from leaks.model import DEPOT, World
from leaks.oracles import Failure, Stage, same
from leaks.run import PER_WORLD

ROLES = ("analyst", "emea", "lead")


class Server:
    """An installation, reached by HTTP with an operator's token."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._operator = self._client(token)
        self._clients: dict[str, httpx.Client] = {}
        self._made: list[tuple[str, str]] = []

    def _client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def _do(self, method: str, path: str, body: Any) -> Any:
        answer = self._operator.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json()

    def stage(self, world: World) -> None:
        """Make a world's tables, users, tags and policies."""
        catalog = load_catalog("leaks", type="rest", uri=f"{self._url}/iceberg", warehouse=DEPOT, token=self._token)
        catalog.create_namespace(world.schema)
        for table in world.tables:
            sources.fill(catalog.create_table((world.schema, table.name), sources.schema_of(table.columns)), table)
        for role in ROLES:
            self._operator.post("/api/v1/governance/roles", json={"name": role})
        for user in world.users:
            tags = sorted(user.tags - {"roles:id:user", f"users:id:{user.id}"})
            self._do("POST", "/api/v1/users", {"id": user.id, "name": user.id, "type": "person", "tags": tags})
            token = self._do("POST", f"/api/v1/users/{user.id}/tokens", {})["token"]
            self._clients[user.id] = self._client(token)
        for _, rule in world.rules:
            self._do("POST", "/api/v1/apply", {"document": document(rule)})
            self._made.append(("policy", rule.name))

    def ask(self, schema: str, user: str, sql: str) -> Answer:
        """A user's answer."""
        body = {"sql": sql, "catalog": DEPOT, "schema": schema}
        answer = self._clients[user].post("/api/v1/query", json=body)
        if answer.status_code != 200:
            problem = answer.json()["errors"][0]
            return Answer(code=problem["code"], message=told(f"{problem['message']} | {problem.get('hint', '')}"))
        found = answer.json()
        columns = tuple((c["name"], c["type"]) for c in found["columns"])
        return Answer(columns, tuple(frozen(r) for r in found["rows"]))

    def close(self) -> None:
        """Take policies and users away; tables stay."""
        for type_, name in self._made:
            self._operator.delete(f"/api/v1/resources/{type_}/{name}")
        for user, client in self._clients.items():
            self._operator.delete(f"/api/v1/users/{user}")
            client.close()
        self._operator.close()


def portable(world: World) -> World:
    """The world without what only its own laboratory has: its key for digests, properties of users, tags of columns,
    views of owners who may not make any."""

    def plain(rule: AccessRule | DataRule) -> AccessRule | DataRule:
        if isinstance(rule, DataRule) and rule.mask is not None and rule.mask.keyed:
            return replace(rule, mask=replace(rule.mask, keyed=False))
        return rule

    rules = tuple((key, plain(rule)) for key, rule in world.rules if key.startswith("policy:") and _valid(rule))
    users = tuple(replace(u, id=f"{world.schema}-{u.id}", properties=(), email=None) for u in world.users)
    known = {"roles:id:user", *(f"roles:id:{role}" for role in ROLES)}
    users = tuple(replace(u, tags=(u.tags & known) | {f"users:id:{u.id}"}) for u in users)
    return replace(
        world, rules=tuple((f"policy:{r.name}", r) for _, r in rules), users=users, column_tags=frozenset(), views=()
    )


def _valid(rule: AccessRule | DataRule) -> bool:
    """A manifest wants columns to select, values to compare with."""
    if isinstance(rule, AccessRule):
        return bool(rule.paths)
    return not rule.column_tags and not any(f.value == "" for f in rule.filters)


def document(rule: AccessRule | DataRule) -> dict[str, Any]:
    """The manifest of a rule."""
    head = {"name": rule.name, "version": "v1", "type": "policy", "layer": rule.layer}
    if isinstance(rule, AccessRule):
        subjects = {"tags": [list(group) for group in rule.subjects]}
        block = {"subjects": subjects, "predicates": list(rule.predicates), "objects": {"paths": list(rule.paths)}}
        return {**head, "policy": {"access": {**block, "allow": rule.allow}}}
    user = {"match": "all" if rule.match_all else "any", "tags": list(rule.user_tags)}
    data: dict[str, Any] = {"type": rule.type, "priority": rule.priority}
    data |= {"depot": rule.depot, "collection": rule.collection, "dataset": rule.dataset}
    if rule.mask is not None:
        data["selector"] = {"user": user, "column": {"names": list(rule.column_names)}}
        data["mask"] = _mask(rule.mask)
    else:
        data["selector"] = {"user": user}
        data["filters"] = [
            {
                "column": f.column,
                "operator": f.operator,
                **({"valueFrom": {"userAttribute": f.attribute}} if f.attribute else {"value": f.value}),
            }
            for f in rule.filters
        ]
    return {**head, "policy": {"data": data}}


def _mask(mask: Mask) -> dict[str, Any]:
    names = ("algo", "replacement", "precision", "pattern")
    block = {n: getattr(mask, n) for n in names if getattr(mask, n) is not None}
    block |= {"buckets": list(mask.buckets)} if mask.buckets else {}
    return {"operator": mask.operator, **({mask.operator: block} if block else {})}


def compare(server: Server, lab: Laboratory, seed: int, count: int) -> Iterator[Failure]:
    """Where the answers of a world differ. The server and the laboratory must not know its names yet."""
    world = portable(worlds.make(seed))
    server.stage(world)
    stage = Stage(lab, world)
    try:
        for number in range(count):
            draw = random.Random(f"{seed} {number}")
            user = draw.choice(world.users).id
            made = oracles.statement(stage, user, draw)
            if made.sql.startswith(("SHOW CREATE", "SHOW STATS", "SHOW SCHEMAS")) or "$" in made.sql:
                continue  # places differ, and schemas of others
            theirs, ours = server.ask(world.schema, user, made.sql), stage.ask(user, made.sql)
            why = same(theirs, ours, made.random_of([name for name, _ in ours.columns]), ordered=made.ordered)
            if why:
                yield Failure("doors", why, world, user, made, number)
    finally:
        stage.close()


def main(url: str, token: str | None, seed: int, count: int) -> int:
    """`./dev leaks --url`: so many statements, in worlds from `seed` on; exit code 1 if answers differ."""
    if token is None:
        print("--token names the file with an operator's token")
        return 2
    lab, differing = Laboratory(), 0
    worlds_ = range(seed, seed + -(-count // PER_WORLD))
    try:
        for number in worlds_:
            server = Server(url, Path(token).read_text().strip())
            try:
                for failure in compare(server, lab, number, PER_WORLD):
                    differing += 1
                    print(
                        f"world {number}, statement {failure.number}: {failure.text[:400]}\n"
                        f"  as {failure.user}: {failure.statement.sql}",
                        flush=True,
                    )
            finally:
                server.close()
    finally:
        lab.close()
    print(f"{len(worlds_) * PER_WORLD} statements of {len(worlds_)} worlds by {url}: {differing} answered differently")
    return 1 if differing else 0
