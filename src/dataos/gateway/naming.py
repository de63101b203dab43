"""Names of one statement against the mounted catalogs: what a principal may know of, and near misses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dataos.core import names
from dataos.core.errors import DataOSError
from dataos.gateway import problems, securing, systemtables
from dataos.gateway.asking import Statement
from dataos.gateway.commands.ports import Writable
from dataos.gateway.commands.targets import with_places
from dataos.gateway.journal import Asked, Journal
from dataos.gateway.problems import Source
from dataos.gateway.qualifying import TableName
from dataos.gateway.relations import Authority, HasViews, OfAll, Relation, RelationProvider, RowsScan
from dataos.gateway.systemtables import SYSTEM
from dataos.governance.exposure import DatasetName


class Names:
    """Names of one statement against the mounted catalogs."""

    def __init__(
        self,
        cluster: str,
        authority: Authority,
        providers: Mapping[str, RelationProvider],
        statement: Statement,
        about: Asked,
        source: Source,
        journal: Journal,
    ) -> None:
        self.about = about
        self._cluster = cluster
        self._journal = journal
        self._authority = authority
        self.providers = providers
        self.statement = statement
        self.principal = about.principal
        self.source = source
        self.asked: dict[str, RelationProvider] = {}
        self.missed: str | None = None  # a catalog that is not mounted
        self.views: set[str] = set()  # that were read so far

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

    def forbidden(self, name: TableName) -> DataOSError:
        """The refusal of a table, by its name as it is written: the catalog's spelling would tell that it is there."""
        wanted, schema, table = self.parts(name.parts, name.place)
        catalog, _ = self.catalog(wanted, name.place)
        return problems.forbidden(name.place, self.principal, f"{catalog}.{schema}.{table}")

    def permit(self, policies: Sequence[str]) -> None:
        """These policies allow what the statement is to change."""
        self.about.permitted += policies

    async def intend(self, action: str, thing: str) -> None:
        """This statement is about to change something. Raises DataOSError `store.*`; then it may not."""
        await self._journal.intended(self.about, action, thing)

    async def shown(self, name: TableName) -> Relation:
        """As `relation`, with what this principal may see of it. Raises DataOSError `query.forbidden` besides."""
        relation = await self.relation(name)
        if isinstance(relation.scan, RowsScan) and relation.scan.of_all:
            return relation
        (decision,) = await self._authority.decide(self.principal, [relation])
        if not decision.allowed:
            raise self.forbidden(name)
        return securing.visible([relation], [decision])[0]

    async def schemas(self, catalog: str, provider: RelationProvider) -> list[str]:
        """The schemas in which this principal may know of a table."""
        found = await provider.schemas(catalog, self.principal)
        if isinstance(provider, OfAll):
            return found
        whole = await self._authority.may_read(self.principal, [DatasetName(catalog, s, "") for s in found])
        return [
            schema
            for schema, open_ in zip(found, whole, strict=True)
            if open_ or await self.tables(catalog, schema, provider)
        ]

    async def tables(self, catalog: str, schema: str, provider: RelationProvider) -> list[str]:
        """The tables of a schema that this principal may know of."""
        found = await provider.tables(catalog, schema, self.principal)
        if isinstance(provider, OfAll):
            return found
        known = await self._authority.may_read(self.principal, [DatasetName(catalog, schema, t) for t in found])
        return [table for table, open_ in zip(found, known, strict=True) if open_]

    async def find(self, name: TableName) -> Relation | None:
        """As `relation`, None where there is none."""
        wanted, schema, table = self.parts(name.parts, name.place)
        catalog, provider = self.catalog(wanted, name.place)
        if schema.lower() == systemtables.SCHEMA and catalog != SYSTEM:
            return await systemtables.information(self, catalog, provider, table)
        try:
            relation = await provider.relation(catalog, schema, table, name.version, self.principal)
        except DataOSError:  # what goes wrong with a table would tell those that it is there who may not know of it
            known = await self.tables(catalog, schema, provider)
            if re.split(r"[$@]", table, maxsplit=1)[0].lower() not in (t.lower() for t in known):
                raise self.forbidden(name) from None
            raise
        self.asked[catalog] = provider
        if relation is None and isinstance(provider, HasViews):
            relation = await provider.view(catalog, schema, table, self.principal)
        if relation is None or not name.target:
            return relation
        writes = provider.writes(catalog) if isinstance(provider, Writable) else None
        return await with_places(relation, writes, self.principal, name.place)

    async def view(self, name: TableName) -> Relation | None:
        """The view of a name, None if it is none."""
        wanted, schema, table = self.parts(name.parts, name.place)
        catalog, provider = self.catalog(wanted, name.place)
        found = await provider.view(catalog, schema, table, self.principal) if isinstance(provider, HasViews) else None
        if found is not None:
            self.views.add(found.udl)
        return found

    async def relation(self, name: TableName) -> Relation:
        """The relation that a table name means. Raises DataOSError `query.unknown_relation` with near names."""
        relation = await self.find(name)
        if relation is not None:
            return relation
        wanted, schema, table = self.parts(name.parts, name.place)
        catalog, provider = self.catalog(wanted, name.place)
        named = [DatasetName(catalog, schema, table)]
        if not isinstance(provider, OfAll) and not all(await self._authority.may_read(self.principal, named)):
            raise self.forbidden(name)
        schemas = await self.schemas(catalog, provider)
        if schema.lower() not in (s.lower() for s in schemas):
            raise problems.at(
                name.place,
                "query.unknown_relation",
                f"Schema '{catalog}.{schema}' does not exist",
                names.did_you_mean(schema.lower(), schemas),
            )
        tables = await self.tables(catalog, schema, provider)
        raise problems.at(
            name.place,
            "query.unknown_relation",
            f"Table '{catalog}.{schema}.{table}' does not exist",
            names.did_you_mean(table.lower(), tables) or "SHOW TABLES lists what is there",
        )
