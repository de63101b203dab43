"""The one function that runs a statement for a principal.

Steps (design: the gateway page): parse, account for every node, resolve names against our catalog, authorise once,
secure each relation, write for the engine, read back with the engine's parser, run and stream. No other code gives an
engine SQL.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from dataos.core import logs, names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids
from dataos.engines.ports import ArrowStream, Engine, EngineFailure, EngineSession
from dataos.gateway import checking, problems, qualifying, securing, shapes, showing, statements, translating, types
from dataos.gateway.problems import Source
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.relations import (
    AllowAll,
    Authority,
    Catalogs,
    DatabaseScan,
    Decision,
    Relation,
    RelationProvider,
)
from dataos.governance.principals import Principal

_log = logs.get(__name__)


@dataclass(frozen=True)
class Statement:
    """What a door hands over. `max_rows` and `timeout_s` are cut to the gateway's own limits."""

    sql: str
    dialect: str = "trino"
    catalog: str | None = None
    schema: str | None = None
    max_rows: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True)
class ResultColumn:
    """An output column; `type` is Trino's type text."""

    name: str
    type: str


@dataclass(frozen=True)
class Limits:
    """Highest values a statement may ask for, and the defaults."""

    timeout_s: float = 300.0
    max_rows: int | None = None


@dataclass
class QueryResult:
    """A running statement. Iterate for Arrow IPC bytes (one stream, schema first), or `aclose` to cancel it.

    Column names of the Arrow schema may differ from `columns` (duplicates, letter case); positions agree.
    """

    query_id: str
    columns: tuple[ResultColumn, ...]
    stream: AsyncIterator[bytes]
    warnings: tuple[Problem, ...] = ()
    _running: _Running | None = field(default=None, repr=False)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.stream

    @property
    def rows(self) -> int | None:
        """Rows sent, after the end."""
        return self._running.arrow.rows if self._running else None

    @property
    def truncated(self) -> bool:
        """True if `max_rows` cut the result; known after the end."""
        return bool(self._running and self._running.arrow.truncated)

    async def read(self) -> bytes:
        """All bytes of the Arrow stream. For small results."""
        return b"".join([piece async for piece in self.stream])

    async def aclose(self) -> None:
        """Stop the statement, wherever it is. A second call does nothing."""
        if self._running is not None:
            await self._running.close()


class Gateway:
    """One Cluster's gateway: an engine, the catalogs it mounts, and the authority that decides."""

    def __init__(
        self,
        engine: Engine,
        catalogs: Catalogs,
        *,
        ids: Ids,
        limits: Limits = Limits(),
        authority: Authority | None = None,
    ) -> None:
        self._engine = engine
        self._catalogs = catalogs
        self._ids = ids
        self._limits = limits
        self._authority: Authority = authority or AllowAll()
        self._seen: dict[tuple[int, str], tuple[Any, ...]] = {}

    @property
    def cluster(self) -> str:
        """The Cluster's name."""
        return self._engine.name

    async def run(self, statement: Statement, principal: Principal) -> QueryResult:
        """Run one statement as a principal. Returns when its columns are known.

        Raises DataOSError `query.syntax`, `query.unsupported`, `query.unsupported_function`, `query.unknown_catalog`,
        `query.unknown_relation`, `query.unknown_column`, `query.ambiguous`, `query.type`, `query.invalid_cast`,
        `query.invalid_argument`, `query.out_of_range`, `query.division_by_zero`, `query.memory`, `query.spill`,
        `query.timeout`, `query.refused`, `query.internal`, `engine.*`, `depot.*`; those of running may also come
        while the result is read. Source: ch06 7, 11.
        """
        query_id = self._ids.token()
        started = time.monotonic()
        logged: dict[str, Any] = {"query_id": query_id, "user": str(principal.user_id), "cluster": self.cluster}
        try:
            result = await self._run(statement, principal, query_id)
        except DataOSError as error:
            _log.info("query_failed", code=error.problem.code, seconds=round(time.monotonic() - started, 3), **logged)
            raise
        _log.info("query_started", seconds=round(time.monotonic() - started, 3), **logged)
        return result

    async def open_input(self, udl: Udl, principal: Principal, query: str | None = None) -> QueryResult:
        """A whole dataset as this principal sees it (for jobs), or the rows of `query` with the depot as catalog.

        No row limit applies. Raises as `run`, and DataOSError `manifest.address` for an address without a dataset.
        """
        if query is None:
            if not udl.collection or not udl.dataset:
                raise fail("manifest.address", f"Invalid dataset found: {udl}", hint="name a dataset")
            parts = (udl.depot, udl.collection, udl.dataset)
            query = "SELECT * FROM " + ".".join('"' + p.replace('"', '""') + '"' for p in parts)
        statement = Statement(query, catalog=udl.depot, schema=udl.collection)
        return await self._run(statement, principal, self._ids.token(), limited=False)

    async def open_query(self, query: str, principal: Principal) -> QueryResult:
        """All rows of a SELECT as this principal sees them (for jobs); tables are named with their catalogs.

        No row limit applies. Raises as `run`.
        """
        return await self._run(Statement(query), principal, self._ids.token(), limited=False)

    # --- the way of a statement ----------------------------------------------------------------------------------

    async def _run(
        self, statement: Statement, principal: Principal, query_id: str, *, limited: bool = True
    ) -> QueryResult:
        if statement.dialect != "trino":
            raise fail("query.unsupported", f"dialect '{statement.dialect}' is not supported", hint="supported: trino")
        parsed, source = statements.parse(statement.sql)
        providers = await self._catalogs.providers()
        names_ = _Names(self, providers, statement, principal, source)
        try:
            return await self._run_parsed(parsed, names_, query_id, limited=limited)
        except DataOSError as error:
            if error.problem.code != "query.unknown_catalog" or names_.missed is None:
                raise
            why = await self._catalogs.why_not(names_.missed)
            if why is None:
                raise
            raise DataOSError(replace(why, line=error.problem.line, column=error.problem.column)) from error

    async def _run_parsed(
        self, parsed: statements.Parsed, names_: _Names, query_id: str, *, limited: bool
    ) -> QueryResult:
        statement = names_.statement
        if isinstance(parsed, statements.Explain):
            return await self._explain(parsed, names_, query_id)
        if not isinstance(parsed, statements.Select):
            table = await showing.answer(parsed, names_, self.cluster)
            return await self._start(showing.as_sql(table), table.columns, query_id, statement)
        for attempt in (1, 2):
            session = await self._engine.session()
            try:
                plan = await self._plan(parsed.tree.copy(), names_, session)
                return await self._execute(plan, session, statement, query_id, limited=limited)
            except BaseException as error:
                await session.release()
                if attempt == 2:
                    raise
                if isinstance(error, securing.NotMounted):
                    await self._engine.remount()
                elif not self._stale(error, names_):
                    raise
        raise AssertionError("not reached")

    async def _plan(self, tree: exp.Query, names_: _Names, session: EngineSession) -> Plan:
        source = names_.source
        tree = shapes.check(tree, source, self.cluster)
        decided: list[Decision] = []
        raw: list[Relation] = []

        async def resolver(wanted: list[TableName]) -> list[Relation]:
            raw.extend([await names_.relation(name) for name in wanted])
            decided.extend(self._authority.decide(names_.principal, raw))
            return securing.visible(raw, decided)  # what a principal may not see has no name to resolve

        qualified = await qualifying.run(tree, source, resolver)
        secured = [
            securing.secure(relation, decision, session, self.cluster)
            for relation, decision in zip(raw, decided, strict=True)
        ]
        about = translating.Session(names_.principal, self.cluster, names_.statement.catalog)
        return Plan(translating.translate(qualified.tree, secured, source, about), secured, qualified)

    async def _execute(
        self, plan: Plan, session: EngineSession, statement: Statement, query_id: str, *, limited: bool
    ) -> QueryResult:
        try:
            trees = await session.parse([plan.sql, *(s.sql for s in plan.secured)])
            checking.verify(trees[0], trees[1:])
        except EngineFailure as failure:
            _log.error("query_engine_parse", query_id=query_id, sql=plan.sql, engine_text=failure.text)
            raise problems.from_engine(EngineFailure(failure.kind.INTERNAL, failure.text), query_id) from None
        except checking.Difference as difference:
            _log.error("query_incident", query_id=query_id, difference=difference.text, sql=plan.sql)
            raise fail(
                "query.refused",
                f"the statement was refused: the engine would read it differently (query {query_id})",
                hint="this is logged as an incident; write the statement in another way and report it",
            ) from difference
        await self._refresh_changed(plan, session)
        columns = plan.qualified.names
        return await self._stream(plan.sql, columns, session, statement, query_id, limited=limited)

    async def _refresh_changed(self, plan: Plan, session: EngineSession) -> None:
        """An engine remembers columns of mounted databases; what our catalog sees to be new, it must look up anew."""
        generation = session.generation
        stale = False
        for secured in plan.secured:
            relation = secured.relation
            if isinstance(relation.scan, DatabaseScan):
                key = (generation, relation.udl)
                stale = stale or self._seen.get(key) != relation.columns
                self._seen[key] = relation.columns
        if stale:
            self._seen = {k: v for k, v in self._seen.items() if k[0] == generation}
            await session.refresh()

    async def _stream(
        self,
        sql: str,
        columns: Sequence[str],
        session: EngineSession,
        statement: Statement,
        query_id: str,
        *,
        limited: bool,
    ) -> QueryResult:
        timeout_s = min(statement.timeout_s or self._limits.timeout_s, self._limits.timeout_s)
        wanted = [n for n in (statement.max_rows, self._limits.max_rows if limited else None) if n is not None]
        try:
            arrow = await session.execute(sql, timeout_s=timeout_s, max_rows=min(wanted) if wanted else None)
        except EngineFailure as failure:
            raise _logged(failure, query_id, sql) from None
        running = _Running(arrow, session, query_id, sql)
        shown = tuple(
            ResultColumn(name, types.from_duckdb(c.type)) for name, c in zip(columns, arrow.columns, strict=True)
        )
        return QueryResult(query_id, shown, running.pieces(), (), running)

    async def _start(self, sql: str, columns: Sequence[str], query_id: str, statement: Statement) -> QueryResult:
        """Run a statement that the gateway wrote from its own catalog: constants only."""
        session = await self._engine.session()
        try:
            return await self._stream(sql, columns, session, statement, query_id, limited=True)
        except BaseException:
            await session.release()
            raise

    async def _explain(self, parsed: statements.Explain, names_: _Names, query_id: str) -> QueryResult:
        session = await self._engine.session()
        try:
            plan = await self._plan(parsed.inner.tree, names_, session)
            trees = await session.parse([plan.sql, *(s.sql for s in plan.secured)])
            checking.verify(trees[0], trees[1:])
        except (EngineFailure, checking.Difference) as error:
            raise fail("query.refused", f"the statement cannot be explained (query {query_id})") from error
        finally:
            await session.release()
        table = showing.explained(parsed, plan.qualified)
        return await self._start(showing.as_sql(table), table.columns, query_id, names_.statement)

    def _stale(self, error: BaseException, names_: _Names) -> bool:
        """True if remembered descriptions may be why it failed; they are forgotten then."""
        codes = ("query.unknown_column", "query.unknown_relation", "query.type")
        if not isinstance(error, DataOSError) or error.problem.code not in codes or not names_.asked:
            return False
        for catalog, provider in names_.asked.items():
            provider.forget(catalog)
        names_.asked.clear()
        return True


@dataclass(frozen=True)
class Plan:
    """A statement ready to run."""

    sql: str
    secured: list[securing.Secured]
    qualified: Qualified


def _logged(failure: EngineFailure, query_id: str, sql: str) -> DataOSError:
    """Engine text and written SQL go to the log only."""
    _log.warning("query_engine_failure", query_id=query_id, kind=failure.kind.value, engine_text=failure.text, sql=sql)
    return problems.from_engine(failure, query_id)


class _Running:
    """A stream with its session: failures become coded errors, the session is given back at the end."""

    def __init__(self, arrow: ArrowStream, session: EngineSession, query_id: str, sql: str) -> None:
        self.arrow = arrow
        self._session = session
        self._query_id = query_id
        self._sql = sql

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self.arrow:
                yield piece
        except EngineFailure as failure:
            raise _logged(failure, self._query_id, self._sql) from None
        finally:
            await self.close()

    async def close(self) -> None:
        await self.arrow.aclose()
        await self._session.release()


class _Names:
    """Names of one statement against the mounted catalogs."""

    def __init__(
        self,
        gateway: Gateway,
        providers: Mapping[str, RelationProvider],
        statement: Statement,
        principal: Principal,
        source: Source,
    ) -> None:
        self._cluster = gateway.cluster
        self.providers = providers
        self.statement = statement
        self.principal = principal
        self.source = source
        self.asked: dict[str, RelationProvider] = {}
        self.missed: str | None = None  # a catalog that is not mounted

    @property
    def default_catalog(self) -> str | None:
        """The session's catalog."""
        return self.statement.catalog

    @property
    def default_schema(self) -> str | None:
        """The session's schema."""
        return self.statement.schema

    def catalog(self, name: str | None, place: tuple[int | None, int | None]) -> tuple[str, RelationProvider]:
        """The mounted catalog of that name, any letter case."""
        if name is None:
            raise problems.at(
                place,
                "query.unknown_catalog",
                "Catalog must be specified when session catalog is not set",
                "write catalog.schema.table, or set a catalog",
            )
        for known, provider in self.providers.items():
            if known.lower() == name.lower():
                return known, provider
        self.missed = name
        mounted = ", ".join(sorted(self.providers)) or "none"
        near = names.nearest(name.lower(), self.providers)
        raise problems.at(
            place,
            "query.unknown_catalog",
            f"Catalog '{name}' not found on cluster {self._cluster}",
            (f"did you mean `{near[0]}`? " if near else "")
            + f"mounted: {mounted}. Lakehouse and database Depots become catalogs when a Cluster lists them "
            f"(minerva.depots[].address: dataos://{name}); the cluster `miniature` mounts all of them. Files of a FILE "
            "Depot are no tables: load them with a job first",
        )

    def parts(self, given: Sequence[str], place: tuple[int | None, int | None]) -> tuple[str | None, str, str]:
        """(catalog, schema, table) of a table's name, filled up from the session."""
        *outer, table = given
        schema = outer[-1] if outer else self.statement.schema
        catalog = outer[-2] if len(outer) > 1 else self.statement.catalog
        if schema is None:
            raise problems.at(
                place,
                "query.unknown_relation",
                f"Schema must be specified when session schema is not set: '{table}'",
                "write catalog.schema.table",
            )
        return catalog, schema, table

    async def relation(self, name: TableName) -> Relation:
        """The relation that a table name means. Raises DataOSError `query.unknown_relation` with near names."""
        wanted, schema, table = self.parts(name.parts, name.place)
        catalog, provider = self.catalog(wanted, name.place)
        relation = await provider.relation(catalog, schema, table, name.version, self.principal)
        self.asked[catalog] = provider
        if relation is not None:
            return relation
        schemas = await provider.schemas(catalog, self.principal)
        if schema.lower() not in (s.lower() for s in schemas):
            raise problems.at(
                name.place,
                "query.unknown_relation",
                f"Schema '{catalog}.{schema}' does not exist",
                names.did_you_mean(schema.lower(), schemas),
            )
        tables = await provider.tables(catalog, schema, self.principal)
        raise problems.at(
            name.place,
            "query.unknown_relation",
            f"Table '{catalog}.{schema}.{table}' does not exist",
            names.did_you_mean(table.lower(), tables) or "SHOW TABLES lists what is there",
        )
