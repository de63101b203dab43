"""The one function that runs a statement for a principal.

Steps (design: the gateway page): parse, account for every node, resolve names against our catalog, authorise once,
secure each relation, write for the engine, read back with the engine's parser, run and stream. No other code gives an
engine SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlglot import exp

from dataos.core import logs
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import Ids
from dataos.core.sqltext import quoted
from dataos.engines.ports import Engine, EngineColumn, EngineFailure, EngineSession
from dataos.gateway import (
    arrowfeed,
    checking,
    problems,
    qualifying,
    securing,
    shapes,
    showing,
    statements,
    translating,
    types,
    views,
)
from dataos.gateway.answer import QueryResult, ResultColumn, Running, logged
from dataos.gateway.asking import Statement
from dataos.gateway.commands import explaining, parsing, running, session_running, showing_more
from dataos.gateway.commands.model import Command, Explain, SessionCommand, ShowSession
from dataos.gateway.commands.ports import Batches, Opened, Outcome, Wrap, Writable
from dataos.gateway.journal import CANCELLED, Asked, Journal
from dataos.gateway.naming import Names
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.queueing import Place, Queue, QueueLimits
from dataos.gateway.relations import (
    FILE,
    POSITION,
    Authority,
    Catalogs,
    Column,
    DatabaseScan,
    Decision,
    Relation,
    RelationProvider,
    RowsScan,
)
from dataos.gateway.sessions import Session, longest
from dataos.gateway.systemtables import SYSTEM, SystemProvider
from dataos.gateway.underway import Underway
from dataos.governance.principals import Principal

T = TypeVar("T")
_LASTING_S = 1.0
"""After which the history has a statement that has no rows yet."""

_log = logs.get(__name__)


@dataclass(frozen=True)
class Limits:
    """Highest values a statement may ask for, and the defaults."""

    timeout_s: float = 300.0
    max_rows: int | None = None
    queue: QueueLimits = field(default_factory=QueueLimits)


class Gateway:
    """One Cluster's gateway: an engine, the catalogs it mounts, and the authority that decides."""

    def __init__(
        self,
        engine: Engine,
        catalogs: Catalogs,
        *,
        ids: Ids,
        limits: Limits = Limits(),
        authority: Authority,
        journal: Journal,
        underway: Underway | None = None,
        own_catalogs: Mapping[str, RelationProvider] | None = None,
    ) -> None:
        """`own_catalogs`: those of the platform itself, beside `system`."""
        self._own_catalogs = dict(own_catalogs or {})
        self._queue = Queue(engine.name, limits.queue)
        self._underway = underway or Underway()
        self._journal = journal
        self._engine = engine
        self._catalogs = catalogs
        self._ids = ids
        self._limits = limits
        self._authority = authority
        self._seen: dict[tuple[int, str], tuple[Any, ...]] = {}
        self._confirmed = checking.Confirmed()

    @property
    def cluster(self) -> str:
        """The Cluster's name."""
        return self._engine.name

    @property
    def authority(self) -> Authority:
        """Who decides."""
        return self._authority

    async def run(self, statement: Statement, principal: Principal) -> QueryResult:
        """Run one statement as a principal. Returns when its columns are known.

        Raises DataOSError `query.syntax`, `query.unsupported`, `query.unsupported_function`, `query.unknown_catalog`,
        `query.unknown_relation`, `query.unknown_column`, `query.ambiguous`, `query.type`, `query.invalid_cast`,
        `query.invalid_argument`, `query.out_of_range`, `query.division_by_zero`, `query.memory`, `query.spill`,
        `query.timeout`, `query.queue_full`, `query.queue_timeout`, `query.cancelled`, `query.refused`,
        `query.internal`, `engine.*`, `depot.*`; those of running may also come while the result is read.
        Source: ch06 7, 11.
        """
        return await self._journaled(statement, principal, limited=True, checked=True)

    async def run_detached(self, statement: Statement, principal: Principal, query_id: str) -> QueryResult:
        """As `run`, without the limit of rows that one answer carries. `query_id`: at least 128 random bits."""
        return await self._journaled(statement, principal, limited=False, checked=True, query_id=query_id)

    async def open_input(self, udl: Udl, principal: Principal, query: str | None = None) -> QueryResult:
        """A whole dataset as this principal sees it (for jobs), or the rows of `query` with the depot as catalog.

        No row limit applies. Raises as `run`, and DataOSError `manifest.address` for an address without a dataset.
        """
        if query is None:
            if not udl.collection or not udl.dataset:
                raise fail("manifest.address", f"Invalid dataset found: {udl}", hint="name a dataset")
            query = f"SELECT * FROM {quoted(udl.depot, udl.collection, udl.dataset)}"
        statement = Statement(query, catalog=udl.depot, schema=udl.collection)
        return await self._journaled(statement, principal, limited=False, checked=False)

    async def open_query(self, query: str, principal: Principal) -> QueryResult:
        """All rows of a SELECT as this principal sees them (for jobs); tables are named with their catalogs.

        No row limit applies. Raises as `run`.
        """
        return await self._journaled(Statement(query), principal, limited=False, checked=False)

    # --- the way of a statement ----------------------------------------------------------------------------------

    async def _journaled(
        self,
        statement: Statement,
        principal: Principal,
        *,
        limited: bool,
        checked: bool,
        query_id: str | None = None,
    ) -> QueryResult:
        """`limited`: by `query.max_rows`; `checked`: the principal must be allowed to use this Cluster."""
        id_ = query_id or self._ids.token()
        asked = Asked(id_, principal, statement.sql, self.cluster, statement.source, statement.dialect)
        logged: dict[str, Any] = {"query_id": asked.query_id, "user": str(principal.user_id), "cluster": self.cluster}
        with ExitStack() as held:
            going = self._underway.begin(asked.query_id, str(principal.user_id))
            held.callback(going.end)
            try:
                place = await going.during(self._admit(asked, checked=checked), Place.leave)
                held.callback(place.leave)
                lasting = asyncio.get_running_loop().call_later(_LASTING_S, self._journal.lasting, asked)
                held.callback(lasting.cancel)
                result = await going.during(self._run(statement, asked, limited=limited), _forget)
            except DataOSError as error:
                asked.passed("failed")
                await self._journal.refused(asked, error)
                _log.info("query_failed", code=error.problem.code, seconds=asked.timings["failed"], **logged)
                raise
            except asyncio.CancelledError:
                self._journal.closed(asked, CANCELLED, "query.cancelled", None, 0)
                raise
            asked.passed("started")
            try:
                await self._journal.opened(asked)
            except BaseException:
                await result.aclose()
                raise
            lasting.cancel()
            held.pop_all()
        result.at_engine_end(place.leave)

        def ended(state: str, code: str, rows: int | None, bytes_: int) -> None:
            going.end()
            self._journal.closed(asked, state, code, rows, bytes_)

        result.watch(ended)
        going.streams(result.stop)
        _log.info("query_started", seconds=asked.timings["started"], **logged)
        return result

    async def _admit(self, asked: Asked, *, checked: bool) -> Place:
        """A place on this Cluster, for somebody who may use it."""
        if checked:
            await self._authority.check_cluster(asked.principal, self.cluster)
        place = await self._queue.enter(str(asked.principal.user_id), lambda why: self._journal.queued(asked, why))
        asked.passed("admitted")
        return place

    async def _run(self, statement: Statement, asked: Asked, *, limited: bool = True) -> QueryResult:
        query_id = asked.query_id
        if statement.dialect != "trino":
            raise fail("query.unsupported", f"dialect '{statement.dialect}' is not supported", hint="supported: trino")
        before = statement.session or Session()
        statement = replace(
            statement,
            catalog=statement.catalog or before.catalog,
            schema=statement.schema or (before.schema if statement.catalog in (None, before.catalog) else None),
            timeout_s=longest(before, statement.timeout_s),
        )
        parsed, source = session_running.resolve(*parsing.known(statement.sql), before)
        session_running.refuse_write_in_transaction(parsed, before)
        providers = {**self._own_catalogs, **await self._catalogs.providers()}
        system = SystemProvider({name: _has_properties(name, p) for name, p in providers.items()})
        providers.setdefault(SYSTEM, system)
        names_ = Names(self.cluster, self._authority, providers, statement, asked, source, self._journal)
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
        self, parsed: parsing.Statement, names_: Names, query_id: str, *, limited: bool
    ) -> QueryResult:
        statement = names_.statement
        if isinstance(parsed, Explain) and isinstance(parsed.inner, statements.Select) and not parsed.analyze:
            return await self._explain(parsed, parsed.inner.tree, names_, query_id)
        if isinstance(parsed, statements.Select):
            tree = parsed.tree

            async def start(session: EngineSession) -> QueryResult:
                plan = await self._plan(tree.copy(), names_, session)
                return await self._execute(plan, session, names_, query_id, limited=limited)

            return await self._in_session(start, names_)
        if isinstance(parsed, statements.Parsed):
            table = await showing.answer(parsed, names_, self.cluster)
            return await self._start(showing.as_sql(table), table.columns, query_id, statement)
        outcome = await self._command(parsed, names_, query_id)
        names_.about.done = True
        return await self._tell(outcome, query_id, statement)

    async def _command(self, parsed: Command, names_: Names, query_id: str) -> Outcome:
        """Run what is no query, and answers rows of constants."""
        session = replace(
            names_.statement.session or Session(), catalog=names_.default_catalog, schema=names_.default_schema
        )
        if isinstance(parsed, SessionCommand):
            return await session_running.run(parsed, names_, self, query_id, session)
        if isinstance(parsed, ShowSession):
            return showing_more.session(parsed, session)
        if isinstance(parsed, Explain):
            run = explaining.analyze if parsed.analyze else explaining.explain
            return await run(parsed, names_, self, query_id)
        try:
            return await running.run(parsed, names_, self, query_id)
        except DataOSError as error:
            if not self._stale(error, names_):
                raise
            return await running.run(parsed, names_, self, query_id)

    async def _tell(self, outcome: Outcome, query_id: str, statement: Statement) -> QueryResult:
        """A command's answer as a result."""
        columns = [name for name, _ in outcome.columns]
        told = await self._start(showing.typed_sql(outcome.columns, outcome.rows), columns, query_id, statement)
        told.update_type, told.update_count = outcome.kind or None, outcome.count
        told.warnings, told.session = outcome.warnings, outcome.session
        return told

    async def _in_session(self, start: Callable[[EngineSession], Awaitable[T]], names_: Names) -> T:
        """Do something with an engine; once more where a database came back, or what was remembered was stale. The
        session is given back if it fails."""
        for attempt in (1, 2):
            session = await self._engine.session()
            try:
                return await start(session)
            except BaseException as error:
                await session.release()
                if attempt == 2:
                    raise
                if isinstance(error, securing.NotMounted):
                    await self._engine.remount()
                elif not self._stale(error, names_):
                    raise
        raise AssertionError("not reached")

    # --- what commands ask -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def secured(
        self,
        tree: exp.Query,
        names: Names,
        query_id: str,
        check: Callable[[Qualified, Sequence[Decision]], None],
        wrap: Wrap,
    ) -> AsyncGenerator[Opened]:
        """Run a query with its relations secured, inside of a SELECT that `wrap` puts around it. `check` may refuse it
        by what it reads. Raises as `run`."""

        async def start(session: EngineSession) -> tuple[Plan, Running]:
            plan = await self._plan(tree.copy(), names, session)
            check(plan.qualified, plan.decided)
            await self._verify(plan, session, query_id)
            columns = await self._columns(plan.sql, session, names.statement, query_id)
            return plan, await self._open(wrap(plan.sql, columns), session, names.statement, query_id)

        plan, opened = await self._in_session(start, names)
        try:
            yield Opened(plan.qualified, plan.decided, opened.arrow.columns, arrowfeed.batches(opened.pieces()))
        finally:
            await opened.close()

    async def derived(
        self, names: Names, query_id: str, target: str, columns: Sequence[Column], qualified: Qualified
    ) -> None:
        """Say of what a dataset is about to be made, before its rows are written: tags come with data."""
        read = [r for r in qualified.relations if not (isinstance(r.scan, RowsScan) and r.scan.of_all)]
        sources = [str(Udl(r.catalog, r.schema, r.dataset or r.table)) for r in read]
        if set(sources) - {target}:
            shown = [(c.name, c.type) for c in columns if c.name not in (FILE, POSITION)]
            await self._journal.derived(str(names.principal.user_id), query_id, target, shown, sources)

    async def raw(self, sql: str, names: Names, query_id: str) -> Batches:
        """Rows of a SELECT that the gateway wrote over a relation which this principal sees whole."""
        session = await self._engine.session()
        try:
            opened = await self._open(sql, session, names.statement, query_id)
        except BaseException:
            await session.release()
            raise
        try:
            async for batch in arrowfeed.batches(opened.pieces()):
                yield batch
        finally:
            await opened.close()

    async def _columns(
        self, sql: str, session: EngineSession, statement: Statement, query_id: str
    ) -> tuple[EngineColumn, ...]:
        """The engine's columns of a SELECT that is not run."""
        opened = await self._open(f"SELECT * FROM ({sql}) AS __dt_looked LIMIT 0", session, statement, query_id)
        async for _ in opened.arrow:
            pass
        await opened.arrow.aclose()
        return opened.arrow.columns

    async def _open(self, sql: str, session: EngineSession, statement: Statement, query_id: str) -> Running:
        """Start a SELECT whose rows stay in the platform: no limit of rows. The session is given back at its end."""
        timeout_s = min(statement.timeout_s or self._limits.timeout_s, self._limits.timeout_s)
        try:
            arrow = await session.execute(sql, timeout_s=timeout_s)
        except EngineFailure as failure:
            raise logged(failure, query_id, sql) from None
        return Running(arrow, session, query_id, sql)

    async def _plan(self, tree: exp.Query, names_: Names, session: EngineSession) -> Plan:
        source = names_.source
        tree = shapes.check(tree, source, self.cluster)

        async def check(view: Relation, lender: str | None, name: TableName) -> bool:
            return await self._check_view(view, lender, name, names_)

        tree = await views.expand(tree, source, names_, check, self.cluster)
        decided: list[Decision] = []
        raw: list[Relation] = []

        async def resolver(wanted: list[TableName]) -> list[Relation]:
            try:
                for name in wanted:
                    raw.append(await names_.relation(name))
            except DataOSError:  # of what may not be known nothing tells that it is there, by what is refused first
                await self._decide(wanted[: len(raw)], raw, names_)
                raise
            decided.extend(await self._decide(wanted, raw, names_))
            return securing.visible(raw, decided)  # what a principal may not see has no name to resolve

        qualified = await qualifying.run(tree, source, resolver)
        names_.about.plans.append(showing.plan(qualified))
        secured = [
            securing.secure(relation, decision, session, self.cluster)
            for relation, decision in zip(raw, decided, strict=True)
        ]
        about = translating.Session(names_.principal, self.cluster, names_.statement.catalog)
        return Plan(translating.translate(qualified.tree, secured, source, about), secured, qualified, decided)

    async def _decide(self, wanted: Sequence[TableName], raw: Sequence[Relation], names_: Names) -> list[Decision]:
        """One decision a relation. Raises DataOSError `query.forbidden`, `policy.*`."""
        principal = names_.principal
        decided: list[Decision] = []
        special = any(isinstance(r.scan, RowsScan) and r.scan.of_all for r in raw)
        if not special and not any(name.lender for name in wanted):
            decided = await self._authority.decide(principal, raw)
        else:
            for name, relation in zip(wanted, raw, strict=True):
                decided += await self._of_lender(principal, name.lender, relation)
        names_.about.touched.extend(zip(raw, decided, strict=True))
        for number, (name, relation) in enumerate(zip(wanted, raw, strict=True)):
            if not decided[number].allowed:
                raise names_.forbidden(name)
            if isinstance(relation.scan, RowsScan) and relation.scan.tells_of:
                if decided[number].bites(replace(relation, columns=relation.scan.tells_of)):
                    raise problems.withheld(name.place, relation.full_name)
                decided[number] = Decision(policies=decided[number].policies)  # its own columns are no dataset's
        return decided

    async def _of_lender(self, principal: Principal, lender: str | None, relation: Relation) -> list[Decision]:
        if isinstance(relation.scan, RowsScan) and relation.scan.of_all:
            return [Decision()]
        if lender is None:
            return await self._authority.decide(principal, [relation])
        return await self._authority.lend(principal, lender, [relation])

    async def _check_view(self, view: Relation, lender: str | None, name: TableName, names_: Names) -> bool:
        """May this principal select from a view? What policies say of the view's own name is not applied inside of it,
        so that such a view is refused."""
        (decision,) = await self._of_lender(names_.principal, lender, view)
        if decision.allowed and decision.bites(view):
            raise problems.at(
                name.place,
                "query.forbidden",
                f"Access Denied: Cannot select from view {view.full_name}: policies hide parts of it from you",
                "policies on the tables that it reads are applied in it; ask for one of those in place of this",
            )
        return decision.allowed

    async def _execute(
        self, plan: Plan, session: EngineSession, names_: Names, query_id: str, *, limited: bool
    ) -> QueryResult:
        """Run a plan. What the journal must have before a row leaves is written while the engine works."""
        await self._verify(plan, session, query_id)
        names_.about.passed("planned")
        written = asyncio.create_task(self._write_opened(names_.about))
        try:
            return await self._stream(
                plan.sql, plan.qualified.names, session, names_.statement, query_id, limited=limited
            )
        finally:
            await asyncio.wait({written})

    async def _write_opened(self, asked: Asked) -> None:
        with suppress(DataOSError):  # `_journaled` tries once more, and no row leaves without it
            await self._journal.opened(asked)

    async def _verify(self, plan: Plan, session: EngineSession, query_id: str) -> None:
        """Have the engine's own parser confirm what is read."""
        texts = [plan.sql, *(s.sql for s in plan.secured)]
        try:
            if not self._confirmed.has(texts):
                trees = await session.parse(texts)
                checking.verify(trees[0], trees[1:])
                self._confirmed.add(texts)
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

    async def _refresh_changed(self, plan: Plan, session: EngineSession) -> None:
        """An engine remembers columns of mounted databases; what our catalog sees to be new, it must look up anew."""
        generation = session.generation
        stale = False
        for secured in plan.secured:
            relation = secured.relation
            if isinstance(relation.scan, DatabaseScan):
                key = (generation, relation.udl)
                columns = tuple(c for c in relation.columns if c.name not in (FILE, POSITION))
                stale = stale or self._seen.get(key) != columns
                self._seen[key] = columns
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
            raise logged(failure, query_id, sql) from None
        running = Running(arrow, session, query_id, sql)
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

    async def _explain(self, parsed: Explain, tree: exp.Query, names_: Names, query_id: str) -> QueryResult:
        session = await self._engine.session()
        try:
            plan = await self._plan(tree, names_, session)
            trees = await session.parse([plan.sql, *(s.sql for s in plan.secured)])
            checking.verify(trees[0], trees[1:])
        except (EngineFailure, checking.Difference) as error:
            raise fail("query.refused", f"the statement cannot be explained (query {query_id})") from error
        finally:
            await session.release()
        told = parsed.type == "POLICY"
        table = showing.policies(names_.about.touched) if told else showing.explained(parsed, plan.qualified)
        return await self._start(showing.as_sql(table), table.columns, query_id, names_.statement)

    def _stale(self, error: BaseException, names_: Names) -> bool:
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
    decided: list[Decision]


def _has_properties(catalog: str, provider: RelationProvider) -> bool:
    """Do tables that are made there take properties? Those of databases have none."""
    return isinstance(provider, Writable) and not provider.writes(catalog).by_clause


def _forget(result: QueryResult) -> None:
    result.stop(fail("query.cancelled", "nobody waits for it"))
