"""The real thing under test: a store, a lakehouse, an engine process, a gateway that asks the real decision point; and
gateways over physical copies, to compare with. One laboratory serves many worlds, each in a schema of its own."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds, UserId
from dataos.depots import resolver
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import EngineOptions
from dataos.gateway import historytables, results
from dataos.gateway.asking import Statement
from dataos.gateway.authority import PolicyAuthority
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.journal import Journal, StoredJournal
from dataos.gateway.mounting import MountedDepots
from dataos.gateway.relations import Decision, HasViews, Relation, RelationProvider, RowsScan, Version
from dataos.gateway.sessions import Session
from dataos.governance import decisions, objects, seeding
from dataos.governance.audit import Audit
from dataos.governance.exposure import AppliedFilter, DatasetName
from dataos.governance.policies import AccessRule, Filter
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.listing import Listing
from dataos.lakehouse.views import PUBLISHED
from dataos.metadata import statements
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from leaks import views
from leaks.enforcer import MASK_KEY, Seen
from leaks.model import DEPOT, Table, World
from leaks.sources import Database, Folders, Lakehouse, Source
from support.access import AllowAll, NoJournal
from support.postgres import Postgres

T = TypeVar("T")
COPIES = "copies"


@dataclass(frozen=True)
class Answer:
    """What came back: columns (name, type) and rows, or a problem's code and message."""

    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[Any, ...] = ()
    code: str = ""
    message: str = ""

    @property
    def failed(self) -> bool:
        """Is it a refusal or an error?"""
        return bool(self.code)


class Laboratory:
    """Build, `stage` worlds one after the other, `close`. `server`: where the database lies, if there shall be one."""

    def __init__(self, server: Postgres | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="leaks-"))
        self.loop = asyncio.new_event_loop()
        self.store = Store(sqlite_url(self._folder / "store.db"))
        self.store.write_sync(tables.metadata.create_all)
        self.store.write_sync(seeding.ensure, 0)
        clock, ids = SystemClock(), RandomIds()
        self.catalog = Catalog(self.store, clock, ids)
        self._warehouse = self._folder / "warehouse"
        self._warehouse.mkdir()
        self.store.write_sync(self.catalog.register_warehouse, DEPOT, "uid-l", self._warehouse)
        vault = Vault(b"v" * 32, clock)
        self._lakehouse = Lakehouse(self.catalog, self._warehouse, self.do)
        self._others: list[Folders | Database] = [Folders(n, self._folder / "files" / n) for n in ("iceberg", "delta")]
        self._others += [Database(server, f"leaks-{ids.token()[:8].lower()}")] if server is not None else []
        self._sources: dict[str, Source] = {s.entry.name: s for s in (self._lakehouse, *self._others)}
        for source in self._sources.values():
            if source.secret:
                self.store.write_sync(vault.seal, f"instance-secret:{source.entry.name}", source.secret)
            self.store.write_sync(resolver.register, source.entry)
        depots = resolver.Depots(
            self.store,
            vault,
            allowed_paths=[self._folder / "files"],
            connect_timeout_s=5,
            lakehouse=Listing(self.catalog),
        )
        self.engine = DuckdbEngine(
            "miniature",
            run_folder=self._folder / "run",
            spill_folder=self._folder / "spill",
            ids=ids,
            options=EngineOptions(memory_mib=512, threads=1, mask_key=MASK_KEY.hex()),
        )
        self.mounted = MountedDepots(depots, self.catalog, clock)
        self.point = decisions.DecisionPoint()
        authority = PolicyAuthority(self.store, self.point)
        self._plain = self._gateway(self.mounted, authority)
        self._kept = self._gateway(self.mounted, authority, self._journal(clock))
        self.keeps = False
        self.open = self._gateway(self.mounted, AllowAll())
        self._made: dict[str, str] = {}
        self._placed: dict[tuple[str, str, str], str] = {}
        self._views: dict[tuple[str, str], tuple[str, str]] = {}
        self.governed_asked = 0
        self.log: list[str] = []
        self.tags: dict[str, frozenset[str]] = {}  # of users, as a door knows them
        self.turn = 0  # numbers what statements make
        self._listen()
        self._scratch()
        self.do(self.engine.start(self.do(self.mounted.access())))

    def _scratch(self) -> None:
        """A schema for each user, to write in."""
        rules: dict[str, Any] = {}
        for user in (f"u{n}" for n in range(4)):
            self.do(self.catalog.ensure_namespace(PUBLISHED, DEPOT, scratch(user)))
            every = ("read", "select", "create", "write", "update", "delete")
            path = f"dataos://{DEPOT}:{scratch(user)}/*"
            rules[f"policy:scratch-{user}"] = AccessRule(
                "scratch", ((f"users:id:{user}",),), every, (path,), allow=True
            )
        self.store.write_sync(decisions.write, rules)

    def _journal(self, clock: SystemClock) -> Journal:
        """The audit, the query history and the ways of data of a real installation."""
        audit = Audit(self.store, clock, b"a" * 32)
        return StoredJournal(self.store, clock, audit, statements.Statements("leaks").derived, "leaks")

    def _gateway(self, catalogs: Any, authority: Any, journal: Journal | None = None) -> Gateway:
        limits = Limits(timeout_s=60, max_rows=100_000)
        return Gateway(
            self.engine,
            catalogs,
            ids=RandomIds(),
            limits=limits,
            authority=authority,
            journal=journal or NoJournal(),
            own_catalogs={historytables.CATALOG: historytables.HistoryProvider(self.store, self.point)},
        )

    @property
    def governed(self) -> Gateway:
        """The gateway under test; it keeps what was asked if `keeps` says so."""
        return self._kept if self.keeps else self._plain

    def _listen(self) -> None:
        """Every line of the log goes into `log`."""

        def keep(_: Any, __: str, event: Any) -> Any:
            self.log.append(repr(event))
            raise structlog.DropEvent

        structlog.configure(processors=[keep], cache_logger_on_first_use=False)
        logging.getLogger("pyiceberg").setLevel(logging.ERROR)

    def keep(self, keeps: bool) -> None:
        """Keep what is asked from now on, or do not. What was kept before goes."""
        self.keeps = keeps
        for table in (tables.query_history, tables.audit) if keeps else ():
            self.store.write_sync(sa.Connection.execute, table.delete())

    def close(self) -> None:
        """No more of it."""
        self.do(self.engine.close())
        self.catalog.close()
        for source in (self._lakehouse, *self._others):
            source.close()
        self.store.close()
        self.loop.close()
        structlog.reset_defaults()
        shutil.rmtree(self._folder, ignore_errors=True)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it."""
        return self.loop.run_until_complete(work)

    # --- tables -------------------------------------------------------------------------------------------------------

    def place(self, schema: str, wanted: Sequence[Table]) -> None:
        """Make a schema hold these tables and no others. What is there already stays."""
        self._lakehouse.schema(schema)
        for depot, of, name in list(self._placed):
            if of == schema and not any((t.depot, t.name) == (depot, name) for t in wanted):
                self._sources[depot].drop(schema, name)
                del self._placed[depot, schema, name]
        for table in wanted:
            self._write(schema, table.name, table)

    def view(self, world: World) -> None:
        """Make a world's views, each by its owner as if nothing were denied to him, and no others in its schema."""
        wanted = {view.name: (view.owner, views.text(world, view)) for view in world.views}
        for schema, name in list(self._views):
            if schema == world.schema and name not in wanted:
                self._must(world.schema, "admin", f'DROP VIEW {DEPOT}.{schema}."{name}"')
                del self._views[schema, name]
        for name, made in wanted.items():
            if self._views.get((world.schema, name)) != made:
                self._must(world.schema, *made)
                self._views[world.schema, name] = made

    def _must(self, schema: str, user: str, sql: str) -> None:
        answer = self.ask(self.open, schema, user, sql)
        assert not answer.failed, f"{sql}: {answer.message}"

    def spoil(self) -> None:
        """Tables are not what they were: the next worlds make theirs anew."""
        self._placed = dict.fromkeys(self._placed, "")

    def _write(self, schema: str, name: str, table: Table) -> None:
        key = repr((table.columns, table.rows, table.old))
        if self._placed.get((table.depot, schema, name)) != key:
            self._sources[table.depot].write(schema, name, table)
            self._placed[table.depot, schema, name] = key
            self.forget(table.depot)

    def forget(self, depot: str) -> None:
        """What was remembered of a depot's tables is looked up anew."""
        self.do(self.mounted.providers())[depot].forget(depot)

    def copy(self, table: Table) -> str:
        """The name, in its depot's schema of copies, of a table with these columns and rows. Equal ones are made once."""
        key = repr((table.depot, table.columns, table.rows, table.old))
        if key not in self._made:
            self._made[key] = f"c{len(self._made)}"
            self._write(COPIES, self._made[key], table)
        return self._made[key]

    # --- asking -------------------------------------------------------------------------------------------------------

    def ask(self, gateway: Gateway, schema: str, user: str, sql: str, session: Session | None = None) -> Answer:
        """One statement's answer. What only says that the machine is busy is tried again."""
        return self.do(self._ask(gateway, schema, user, sql, session))

    def ask_all(self, gateways: Sequence[Gateway], schema: str, user: str, sql: str) -> list[Answer]:
        """The answers of several gateways to one statement."""

        async def together() -> list[Answer]:
            return await asyncio.gather(*(self._ask(g, schema, user, sql, None) for g in gateways))

        return self.do(together())

    async def _ask(self, gateway: Gateway, schema: str, user: str, sql: str, session: Session | None) -> Answer:
        answer = Answer()
        self.governed_asked += isinstance(gateway.authority, PolicyAuthority)
        for _ in range(5):
            answer = await self._asked(gateway, schema, user, sql, session)
            if answer.code not in ("policy.unavailable", "engine.unavailable", "query.timeout"):
                break
        return answer

    async def _asked(self, gateway: Gateway, schema: str, user: str, sql: str, session: Session | None) -> Answer:
        statement = Statement(sql, catalog=DEPOT, schema=schema, session=session)
        try:
            result = await results.as_json(await gateway.run(statement, self._principal(user)))
        except DataOSError as error:
            return Answer(code=error.problem.code, message=told(f"{error.problem.message} | {error.problem.hint}"))
        columns = tuple((c["name"], c["type"]) for c in result["columns"])
        return Answer(columns, tuple(frozen(r) for r in result["rows"]))

    def session(self, user: str, schema: str, sql: str) -> Session | None:
        """The session after a governed statement, None if that failed."""
        statement = Statement(sql, catalog=DEPOT, schema=schema)

        async def asked() -> Session | None:
            result = await self.governed.run(statement, self._principal(user))
            await results.as_json(result)
            return result.session

        try:
            return self.do(asked())
        except DataOSError:
            return None

    def _principal(self, user: str) -> Principal:
        return Principal(UserId(user), self.tags.get(user, frozenset()))

    def over(
        self,
        schema: str,
        copies: Mapping[str, Copy],
        depots: frozenset[str] = frozenset(),
        open_: Callable[[DatasetName], bool] = lambda _: False,
    ) -> Gateway:
        """A gateway that reads copies under the names of the originals, and hides nothing of them but what is not
        there. `depots`: where else the schema is, besides of the copies; `open_`: may a name that nothing has be known
        to mean nothing?"""
        return self._gateway(_Catalogs(self.mounted, schema, copies, depots=depots), _Over(schema, copies, open_))

    def swapped(self, world: World, copies: Mapping[str, Copy]) -> Gateway:
        """A gateway that decides as the real one and reads copies, also through views."""
        catalogs = _Catalogs(self.mounted, world.schema, copies, [v.name for v in world.views])
        return self._gateway(catalogs, PolicyAuthority(self.store, self.point))

    # --- what is in force ---------------------------------------------------------------------------------------------

    def enforce(self, before: World | None, world: World) -> None:
        """Put a world's users, tags and rules in force, in the place of those of `before`."""
        self.store.write_sync(_enforce, before, world)
        self.tags = {user.id: user.tags for user in world.users}


def scratch(user: str) -> str:
    """The schema in which a user writes."""
    return f"scratch_{user}"


def _enforce(connection: sa.Connection, before: World | None, world: World) -> None:
    old = dict(before.rules) if before is not None else {}
    new = dict(world.rules)
    changes: dict[str, Any] = {key: None for key in old if key not in new}
    changes |= {key: rule for key, rule in new.items() if old.get(key) != rule}
    decisions.write(connection, changes)
    u = tables.users
    for user in world.users:
        if before is not None and user in before.users:
            continue
        connection.execute(u.delete().where(u.c.id == user.id))
        properties = [{"key": k, "value": v} for k, v in user.properties]
        row = {"id": user.id, "name": user.id, "type": "person", "tags": sorted(user.tags), "created_at": 0}
        connection.execute(u.insert().values(**row, email=user.email, properties=properties))
    t = tables.dataset_tags
    if before is None or before.column_tags != world.column_tags:
        for table in world.tables:
            address = objects.address(DatasetName(table.depot, world.schema, table.name))
            connection.execute(t.delete().where(t.c.address == address))
        for name, path, tag in world.column_tags:
            address = objects.address(DatasetName(world.table(name).depot, world.schema, name))
            connection.execute(t.insert().values(address=address, column=path, tag=tag, source="user:leaks"))


# --- copies under the names of the originals -------------------------------------------------------------------------


@dataclass(frozen=True)
class Copy:
    """A table that stands for another. `place`: its name in the schema of copies of its depot; `seen`: for whom it was
    made."""

    name: str
    place: str
    depot: str
    seen: Seen | None = None


class _Catalogs:
    def __init__(
        self,
        mounted: MountedDepots,
        schema: str,
        copies: Mapping[str, Copy],
        views: Sequence[str] = (),
        depots: frozenset[str] = frozenset(),
    ) -> None:
        self._depots = depots | {DEPOT}
        self._mounted = mounted
        self._schema = schema
        self._copies = copies
        self._views = views

    async def providers(self) -> Mapping[str, RelationProvider]:
        found = await self._mounted.providers()
        return {
            depot: _CopiesProvider(
                self._schema,
                self._of(depot),
                self._views if depot == DEPOT else (),
                inner,
                there=depot in self._depots,
            )
            for depot, inner in found.items()
        }

    def _of(self, depot: str) -> dict[str, Copy]:
        return {name: copy for name, copy in self._copies.items() if copy.depot == depot}

    async def why_not(self, catalog: str) -> None:
        return None


class _CopiesProvider:
    def __init__(
        self, schema: str, copies: Mapping[str, Copy], views: Sequence[str], inner: RelationProvider, *, there: bool
    ) -> None:
        self._there = there
        self._schema = schema
        self._views = list(views)
        self._copies = {name.lower(): copy for name, copy in copies.items()}
        self.inner = inner

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        own = [scratch(str(principal.user_id))] if catalog == DEPOT else []
        return [self._schema, *own] if self._copies or self._there else own

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        return [*(c.name for c in self._copies.values()), *self._views] if self._is(schema) else []

    def _is(self, schema: str) -> bool:
        return schema.lower() == self._schema.lower()

    async def views(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        return self._views if self._is(schema) else []

    async def view(self, catalog: str, schema: str, table: str, principal: Principal) -> Relation | None:
        if not (self._is(schema) and table.lower() in self._views and isinstance(self.inner, HasViews)):
            return None
        return await self.inner.view(catalog, schema, table, principal)

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        base, mark, kind = table.partition("$")
        copy = self._copies.get(base.lower())
        if copy is None or not self._is(schema):
            return None
        try:
            found = await self.inner.relation(catalog, COPIES, copy.place + mark + kind, version, principal)
        except DataOSError as error:  # errors too name the original
            problem = error.problem
            own, theirs = f"{COPIES}.{copy.place}", f"{self._schema}.{copy.name}"
            raise DataOSError(replace(problem, message=problem.message.replace(own, theirs))) from error
        if found is None:
            return None
        named = copy.name + (mark + kind.lower() if mark else "")
        return replace(found, schema=self._schema, table=named, dataset=copy.name)

    def forget(self, catalog: str) -> None:
        """Nothing is remembered."""


class _Over(AllowAll):
    """Allows everything that was copied. Metadata tables tell of a whole table: of one with hidden parts they do not."""

    def __init__(self, schema: str, copies: Mapping[str, Copy], open_: Callable[[DatasetName], bool]) -> None:
        self._open = open_
        self._schema = schema
        self._copies = copies

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        return [self._one(r) for r in relations]

    def _one(self, relation: Relation) -> Decision:
        copy = self._copies.get(relation.table.partition("$")[0].lower())
        hides = copy is not None and copy.seen is not None and copy.seen.bites
        if hides and isinstance(relation.scan, RowsScan):
            return Decision(filters=(AppliedFilter(Filter("id", "equals", 1), "p"),))
        return Decision()

    async def may_read(self, principal: Principal, names: Sequence[DatasetName]) -> list[bool]:
        own = scratch(str(principal.user_id))
        return [(n.depot == DEPOT and n.collection == own) or self._known(n) for n in names]

    def _known(self, name: DatasetName) -> bool:
        if name.collection.lower() != self._schema.lower():
            return False
        copy = self._copies.get(name.dataset.lower())
        return self._open(name) if copy is None else name.depot == copy.depot


# --- answers ----------------------------------------------------------------------------------------------------------


def told(message: str) -> str:
    """A message without what is new each time: ids of queries and snapshots."""
    return re.sub(r"\(query [^)]*\)|\b\d{15,}\b", "#", message)


def frozen(value: Any) -> Any:
    """Lists as tuples, objects as tuples of their sorted pairs: to be compared as members of a multiset."""
    if isinstance(value, list):
        return tuple(frozen(v) for v in value)
    if isinstance(value, dict):
        return ("{}", *sorted((str(k), frozen(v)) for k, v in value.items()))
    return value
