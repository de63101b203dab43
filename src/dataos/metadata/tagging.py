"""Tags that people give to datasets and columns, and take off again (ch08 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.metadata import entities, inheritance
from dataos.store import tables
from dataos.store.database import Store

_t = tables.dataset_tags
_TAG = re.compile(r"[A-Za-z][\w-]*(\.[\w-]+)+|dataos:info:.+")
PEOPLE = "user"


@dataclass(frozen=True)
class Asset:
    """A dataset, or a column of it (a field in one: `address.zip`)."""

    address: str
    column: str = ""

    @classmethod
    def parse(cls, text: str) -> Asset:
        """`dataos://depot:collection/dataset[#column]`, or `depot.collection.dataset[.column]` of the reference.

        Raises DataOSError `manifest.address`."""
        if text.startswith("dataos://"):
            address, _, column = text.partition("#")
        else:
            depot, collection, dataset, column = (*text.split(".", 3), "", "", "", "")[:4]
            address = f"dataos://{depot}:{collection}/{dataset}"
        udl = Udl.parse(address)
        if not udl.collection or not udl.dataset:
            raise fail(
                "manifest.address", f"`{text}` names no dataset", hint="write dataos://depot:collection/dataset#column"
            )
        return cls(str(Udl(udl.depot, udl.collection, udl.dataset)), column.strip().lower())

    @property
    def fqn(self) -> str:
        """As `parse` reads it."""
        return f"{self.address}#{self.column}" if self.column else self.address


class Tagging:
    """Who gave which tag to what."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def tags(self, asset: Asset) -> list[dict[str, Any]]:
        """Tags of a dataset and all its columns, or of one column: {column, tag, source}."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            query = sa.select(_t.c.column, _t.c.tag, _t.c.source).where(_t.c.address == asset.address)
            if asset.column:
                query = query.where(sa.func.lower(_t.c.column) == asset.column)
            rows = connection.execute(query.order_by(_t.c.column, _t.c.tag, _t.c.source))
            return [{"column": r.column, "tag": r.tag, "source": r.source} for r in rows]

        return await self._store.read(read)

    async def used(self) -> list[dict[str, Any]]:
        """Every tag that anything has: {tag, datasets, columns}."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            each = sa.select(_t.c.address, _t.c.column, _t.c.tag).distinct().subquery()
            columns = sa.func.sum(sa.case((each.c.column != "", 1), else_=0))
            query = sa.select(each.c.tag, sa.func.count(each.c.address.distinct()), columns)
            rows = connection.execute(query.group_by(each.c.tag).order_by(each.c.tag)).all()
            return [{"tag": tag, "datasets": datasets, "columns": int(count)} for tag, datasets, count in rows]

        return await self._store.read(read)

    async def uses(self, tag: str) -> list[tuple[Asset, str, str]]:
        """Where a tag is: what has it, the tag, and who says so."""

        def read(connection: sa.Connection) -> list[tuple[Asset, str, str]]:
            query = sa.select(_t).where(_t.c.tag == tag).order_by(_t.c.address, _t.c.column, _t.c.source)
            return [(Asset(r.address, r.column), r.tag, r.source) for r in connection.execute(query)]

        return await self._store.read(read)

    async def assign(self, actor: str, asset: Asset, tag: str) -> None:
        """Give a tag. Raises DataOSError `metadata.tag` for a text that is none."""
        if not _TAG.fullmatch(tag):
            raise fail("metadata.tag", f"`{tag}` is no tag", hint="write `Group.Tag`, for instance PII.Email")
        key = {"address": asset.address, "column": asset.column, "tag": tag, "source": f"{PEOPLE}:{actor}"}

        def write(connection: sa.Connection) -> None:
            def change() -> None:
                connection.execute(_t.delete().where(*(_t.c[name] == value for name, value in key.items())))
                connection.execute(_t.insert().values(**key))

            inheritance.accept(connection, asset.address, asset.column, tag)
            entities.changed_tags(connection, asset.address, f"user:{actor}", self._clock.now_us(), change)

        await self._store.write(write)

    async def remove(self, actor: str, asset: Asset, tag: str) -> None:
        """Take a tag off, whoever gave it; one that a job gives comes back with its next run.

        Raises DataOSError `metadata.no_tag`."""

        def write(connection: sa.Connection) -> None:
            where = (_t.c.address == asset.address, sa.func.lower(_t.c.column) == asset.column, _t.c.tag == tag)
            sources = list(connection.execute(sa.select(_t.c.source).where(*where)).scalars())
            if not sources:
                raise fail("metadata.no_tag", f"{asset.fqn} has no tag `{tag}`", hint="dataos tag get lists them")
            now = self._clock.now_us()
            if inheritance.SOURCE in sources:
                inheritance.refuse(connection, asset.address, asset.column, tag, actor, now)

            def change() -> None:
                connection.execute(_t.delete().where(*where))

            entities.changed_tags(connection, asset.address, f"user:{actor}", now, change)

        await self._store.write(write)


def renamed(connection: sa.Connection, old: str, new: str) -> None:
    """Unit of work: a dataset is to be called otherwise. Its tags hold by both names: until a run is published, and for
    a table that takes the old name, more is said than needed, and never less."""
    have = {(r.column, r.tag) for r in connection.execute(sa.select(_t).where(_t.c.address == new))}
    rows = [
        {"address": new, "column": r.column, "tag": r.tag, "source": r.source}
        for r in connection.execute(sa.select(_t).where(_t.c.address == old))
        if (r.column, r.tag) not in have
    ]
    if rows:
        connection.execute(_t.insert(), rows)
        inheritance.spread_from(connection, new)
