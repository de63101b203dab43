"""Units of work over the catalog's own rows: what is there, and moving pointers.

All functions are synchronous, take a connection, and do no other I/O. They see through a view: an attempt's held rows
lie over the published ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId
from dataos.core.names import as_spelled, did_you_mean
from dataos.lakehouse import holds
from dataos.lakehouse import namespaces as spelling
from dataos.lakehouse.files import SCHEME, folded
from dataos.lakehouse.views import AttemptView, Change, Pointer, TableRef, View
from dataos.store import tables
from dataos.store.database import batches

_w = tables.iceberg_warehouses
_n = tables.iceberg_namespaces
_t = tables.iceberg_tables
_o = tables.iceberg_overlays
_on = tables.iceberg_overlay_namespaces
_p = tables.publications
_g = tables.iceberg_garbage
_i = tables.iceberg_idempotency
_a = tables.attempts
_v = tables.iceberg_views


# Sail percent-encodes the rest in the file names it commits; PyIceberg and DuckDB take names as they are.
_LOCATION = re.compile(r"(s3:/)?(/[A-Za-z0-9_.=+@,-]+)+")


_HOUR_US = 3600 * 1_000_000


class MovedError(Exception):
    """A pointer was not where the change expects it: somebody else was first. Look again, then retry or refuse."""


@dataclass(frozen=True)
class Warehouse:
    """One registered warehouse; `location` is an absolute folder without a slash at its end."""

    name: str
    uid: str
    location: str
    properties: Mapping[str, str]


# --- warehouses -------------------------------------------------------------------------------------------------------


def warehouses(connection: sa.Connection) -> list[str]:
    """Names of all warehouses, sorted."""
    return list(connection.execute(sa.select(_w.c.name).order_by(_w.c.name)).scalars())


def locations(connection: sa.Connection) -> dict[str, str]:
    """Where each registered warehouse keeps its tables."""
    return {row.name: row.location for row in connection.execute(sa.select(_w.c.name, _w.c.location))}


def warehouse(connection: sa.Connection, name: str) -> Warehouse:
    """One warehouse. Raises DataOSError `iceberg.not_found.warehouse`, listing the known ones."""
    row = connection.execute(sa.select(_w).where(_w.c.name == name)).first()
    if row is None:
        known = warehouses(connection)
        raise fail(
            "iceberg.not_found.warehouse",
            f"there is no warehouse `{name}`; known: {', '.join(known) or 'none'}",
            hint=did_you_mean(name, known) or "a Lakehouse Resource makes one",
        )
    return Warehouse(row.name, row.uid, row.location, row.properties)


def bucket_warehouses(connection: sa.Connection) -> dict[str, str]:
    """Locations of the warehouses that lie in buckets, by name."""
    query = sa.select(_w.c.name, _w.c.location).where(_w.c.location.startswith(SCHEME)).order_by(_w.c.name)
    return {row.name: row.location for row in connection.execute(query)}


def overlapping_warehouse(connection: sa.Connection, name: str, location: str) -> str | None:
    """Another warehouse that lies at, above or below a location."""
    for row in connection.execute(sa.select(_w.c.name, _w.c.location).where(_w.c.name != name)):
        longer, shorter = sorted((f"{folded(row.location)}/", f"{folded(location)}/"), key=len, reverse=True)
        if longer.startswith(shorter):
            return str(row.name)
    return None


def table_at(connection: sa.Connection, view: View, location: str) -> TableRef | None:
    """The table, published or held, in whose folder a location lies. What other attempts hold is not in an attempt's
    view."""
    above = [location[:i] for i, char in enumerate(location) if char == "/"][2:]
    for table in (_t, _o):
        query = sa.select(table.c.warehouse, table.c.namespace, table.c.name)
        query = query.where(table.c.location.in_([*above, location]))
        if table is _o and isinstance(view, AttemptView):
            query = query.where(_o.c.attempt_id == view.attempt_id)
        row = connection.execute(query.limit(1)).first()
        if row is not None:
            return TableRef(row.warehouse, row.namespace, row.name)
    return None


def register_warehouse(
    connection: sa.Connection, name: str, uid: str, location: str, properties: Mapping[str, str], now_us: int
) -> None:
    """Make or change a warehouse. Raises DataOSError `iceberg.exists.warehouse` if its tables live elsewhere."""
    location = location.rstrip("/")
    if not _LOCATION.fullmatch(location):
        raise fail(
            "iceberg.invalid.location",
            f"a warehouse cannot lie at {location}: engines do not agree on how to spell such a path",
            hint="choose an absolute path of letters, digits and `/ _ - . = + @ ,`; for the default one, move the home",
        )
    row = connection.execute(sa.select(_w).where(_w.c.name == name)).first()
    values = {"uid": uid, "location": location, "properties": dict(properties)}
    if row is None:
        connection.execute(_w.insert().values(name=name, created_at=now_us, **values))
        return
    if row.location != location and connection.execute(sa.select(_t.c.name).where(_t.c.warehouse == name)).first():
        raise fail(
            "iceberg.exists.warehouse",
            f"warehouse `{name}` has tables under {row.location}: its location cannot become {location}",
            hint="choose another depot name, or drop its tables first",
        )
    connection.execute(_w.update().where(_w.c.name == name).values(**values))


def drop_warehouse(connection: sa.Connection, name: str) -> None:
    """Forget a warehouse with its namespaces and pointers; files stay. A missing one is fine."""
    for table in (_o, _on, _t, _v, _n):
        connection.execute(table.delete().where(table.c.warehouse == name))
    connection.execute(_w.delete().where(_w.c.name == name))


# --- attempts ---------------------------------------------------------------------------------------------------------


def outcome(connection: sa.Connection, attempt_id: AttemptId) -> str | None:
    """`published`, `abandoned`, or None while the attempt's view is open."""
    return connection.execute(sa.select(_p.c.outcome).where(_p.c.attempt_id == attempt_id)).scalar()


def check_open(connection: sa.Connection, view: View) -> None:
    """Raise DataOSError `iceberg.settled` if the view may change no more."""
    if not isinstance(view, AttemptView):
        return
    settled = outcome(connection, view.attempt_id)
    if settled is not None:
        raise fail(
            "iceberg.settled",
            f"attempt {view.attempt_id} was {settled}: it may change no table any more",
            hint="a new attempt has its own token",
        )


# --- namespaces -------------------------------------------------------------------------------------------------------


def namespaces(connection: sa.Connection, view: View, in_warehouse: str) -> dict[str, dict[str, str]]:
    """All namespaces with their own properties, sorted by name."""
    warehouse(connection, in_warehouse)
    rows = connection.execute(sa.select(_n.c.name, _n.c.properties).where(_n.c.warehouse == in_warehouse))
    found = {row.name: dict(row.properties) for row in rows}
    if isinstance(view, AttemptView):
        held = connection.execute(
            sa.select(_on.c.name, _on.c.properties).where(
                _on.c.attempt_id == view.attempt_id, _on.c.warehouse == in_warehouse
            )
        )
        found = {row.name: dict(row.properties) for row in held} | found
    return dict(sorted(found.items()))


def namespace(connection: sa.Connection, view: View, in_warehouse: str, name: str) -> dict[str, str]:
    """A namespace's own properties. Raises DataOSError `iceberg.not_found.namespace`."""
    found = _namespace(connection, view, in_warehouse, name)
    if found is None:
        warehouse(connection, in_warehouse)
        raise fail(
            "iceberg.not_found.namespace",
            f"there is no namespace `{name}` in `{in_warehouse}`",
            hint="list the namespaces, or create it first",
        )
    return found


def _namespace(connection: sa.Connection, view: View, in_warehouse: str, name: str) -> dict[str, str] | None:
    row = connection.execute(
        sa.select(_n.c.properties).where(_n.c.warehouse == in_warehouse, _n.c.name == name)
    ).first()
    if row is None and isinstance(view, AttemptView):
        row = connection.execute(
            sa.select(_on.c.properties).where(
                _on.c.attempt_id == view.attempt_id, _on.c.warehouse == in_warehouse, _on.c.name == name
            )
        ).first()
    return None if row is None else dict(row.properties)


def namespace_folder(root: str, name: str) -> str:
    """Where the tables of a namespace lie."""
    return "/".join([root, *map(spelling.folder, spelling.split(name))])


def namespace_folders(connection: sa.Connection, in_warehouse: str | None = None) -> set[str]:
    """Folders of all namespaces, also of those that attempts hold."""
    found: set[str] = set()
    for table in (_n, _on):
        query = sa.select(_w.c.location, table.c.name).join(_w, _w.c.name == table.c.warehouse)
        if in_warehouse is not None:
            query = query.where(table.c.warehouse == in_warehouse)
        found |= {namespace_folder(row.location, row.name) for row in connection.execute(query)}
    return found


def _refuse_covered(connection: sa.Connection, in_warehouse: str, name: str) -> None:
    folder = namespace_folder(warehouse(connection, in_warehouse).location, name)
    if in_a_table(connection, folder):
        raise fail(
            "iceberg.invalid",
            f"namespace `{name}` would have the folder {folder}, in which a table or view keeps its files",
            hint="choose another name",
        )


def create_namespace(
    connection: sa.Connection, view: View, in_warehouse: str, name: str, properties: Mapping[str, str], now_us: int
) -> None:
    """Raises DataOSError `iceberg.exists.namespace`, `iceberg.invalid` (its folder is a table's)."""
    check_open(connection, view)
    warehouse(connection, in_warehouse)
    if _namespace(connection, view, in_warehouse, name) is not None:
        raise fail("iceberg.exists.namespace", f"namespace `{name}` exists already in `{in_warehouse}`")
    _refuse_covered(connection, in_warehouse, name)
    values = {"warehouse": in_warehouse, "name": name, "properties": dict(properties)}
    if isinstance(view, AttemptView):
        connection.execute(_on.insert().values(attempt_id=view.attempt_id, **values))
    else:
        connection.execute(_n.insert().values(created_at=now_us, **values))


def drop_namespace(connection: sa.Connection, view: View, in_warehouse: str, name: str) -> None:
    """Raises DataOSError `iceberg.not_found.namespace`, `iceberg.conflict.not_empty`."""
    check_open(connection, view)
    _lock_namespace(connection, in_warehouse, name, read=False)
    namespace(connection, view, in_warehouse, name)
    inside = list_tables(connection, view, in_warehouse, name) + list_views(connection, in_warehouse, name)
    below = [n for n in namespaces(connection, view, in_warehouse) if n.startswith(name + ".")]
    if inside or below:
        raise fail(
            "iceberg.conflict.not_empty",
            f"namespace `{name}` is not empty",
            hint="drop what it holds first",
        )
    if _drop_held(connection, view, in_warehouse, name):
        return
    connection.execute(_n.delete().where(_n.c.warehouse == in_warehouse, _n.c.name == name))


def rename_namespace(
    connection: sa.Connection, view: View, in_warehouse: str, name: str, new_name: str, now_us: int
) -> None:
    """Give a published namespace, with all that is in and below it, another name.

    Raises DataOSError `iceberg.not_found.namespace`, `iceberg.exists.namespace`, `iceberg.unsupported` (in a run).
    """
    if isinstance(view, AttemptView):
        raise _not_held(name)
    _lock_namespace(connection, in_warehouse, name, read=False)
    known = namespaces(connection, view, in_warehouse)
    namespace(connection, view, in_warehouse, name)
    moved = {n: new_name + n[len(name) :] for n in known if n == name or n.startswith(name + ".")}
    taken = [new for new in moved.values() if new in known and new not in moved]
    if taken or new_name == name:
        raise fail("iceberg.exists.namespace", f"namespace `{(taken or [name])[0]}` exists already in `{in_warehouse}`")
    for new in moved.values():
        _refuse_covered(connection, in_warehouse, new)
    for old, new in moved.items():
        values = {"warehouse": in_warehouse, "name": new, "properties": known[old], "created_at": now_us}
        connection.execute(_n.insert().values(**values))
        for table in (_t, _v):
            here = (table.c.warehouse == in_warehouse, table.c.namespace == old)
            connection.execute(table.update().where(*here).values(namespace=new))
        connection.execute(_n.delete().where(_n.c.warehouse == in_warehouse, _n.c.name == old))


def set_namespace(
    connection: sa.Connection, view: View, in_warehouse: str, name: str, properties: Mapping[str, str]
) -> None:
    """Replace a namespace's own properties."""
    check_open(connection, view)
    if isinstance(view, AttemptView):
        done = connection.execute(
            _on.update()
            .where(_on.c.attempt_id == view.attempt_id, _on.c.warehouse == in_warehouse, _on.c.name == name)
            .values(properties=dict(properties))
        )
        if done.rowcount:
            return
        raise _not_held(name)
    connection.execute(
        _n.update().where(_n.c.warehouse == in_warehouse, _n.c.name == name).values(properties=dict(properties))
    )


def _lock_namespace(connection: sa.Connection, in_warehouse: str, name: str, *, read: bool) -> None:
    # PostgreSQL: a table must not be made in a namespace that is being dropped. SQLite has one writer anyhow
    connection.execute(
        sa.select(_n.c.name).where(_n.c.warehouse == in_warehouse, _n.c.name == name).with_for_update(read=read)
    )


def _drop_held(connection: sa.Connection, view: View, in_warehouse: str, name: str) -> bool:
    if not isinstance(view, AttemptView):
        return False
    done = connection.execute(
        _on.delete().where(_on.c.attempt_id == view.attempt_id, _on.c.warehouse == in_warehouse, _on.c.name == name)
    )
    if done.rowcount:
        return True
    raise _not_held(name)


def _not_held(name: str) -> DataOSError:
    return fail(
        "iceberg.unsupported",
        f"a job cannot change or drop the published namespace `{name}`: that could not be held back until it succeeds",
        hint="do it outside of a run, with your own token",
    )


# --- tables -----------------------------------------------------------------------------------------------------------


def list_tables(connection: sa.Connection, view: View, in_warehouse: str, in_namespace: str) -> list[str]:
    """Names of the tables of a namespace, sorted. Raises DataOSError `iceberg.not_found.namespace`."""
    namespace(connection, view, in_warehouse, in_namespace)
    return [name for _, name in names(connection, view, in_warehouse, in_namespace, views=False)]


def names(
    connection: sa.Connection, view: View, in_warehouse: str, in_namespace: str | None = None, *, views: bool = True
) -> list[tuple[str, str]]:
    """(namespace, name) of all tables and, if wanted, views of a warehouse or namespace, sorted."""

    def of(table: sa.Table, *columns: sa.Column[Any]) -> sa.Select[Any]:
        query = sa.select(table.c.namespace, table.c.name, *columns).where(table.c.warehouse == in_warehouse)
        return query if in_namespace is None else query.where(table.c.namespace == in_namespace)

    found = {(row.namespace, row.name) for row in connection.execute(of(_t))}
    if isinstance(view, AttemptView):
        for row in connection.execute(of(_o, _o.c.metadata_location).where(_o.c.attempt_id == view.attempt_id)):
            change = found.discard if row.metadata_location is None else found.add
            change((row.namespace, row.name))
    if views:
        found |= {(row.namespace, row.name) for row in connection.execute(of(_v))}
    return sorted(found)


def pointer(connection: sa.Connection, view: View, ref: TableRef) -> Pointer | None:
    """Where a table stands in this view, or None."""
    if isinstance(view, AttemptView):
        held = _overlay(connection, view, ref)
        if held is not None:
            return None if held.metadata_location is None else Pointer(held.uuid, held.location, held.metadata_location)
    row = _published(connection, ref)
    return None if row is None else Pointer(row.uuid, row.location, row.metadata_location)


def pointers(connection: sa.Connection, view: View, refs: Iterable[TableRef]) -> dict[TableRef, Pointer | None]:
    """Where several tables stand, at one moment."""
    return {ref: pointer(connection, view, ref) for ref in refs}


def spelled(connection: sa.Connection, view: View, ref: TableRef) -> TableRef | None:
    """A table as the catalog spells it: the one of exactly this name, else the only one of it in any letter case."""
    if pointer(connection, view, ref) is not None:
        return ref
    in_namespace = as_spelled(namespaces(connection, view, ref.warehouse), ref.namespace)
    if in_namespace is None:
        return None
    name = as_spelled(list_tables(connection, view, ref.warehouse, in_namespace), ref.name)
    return None if name is None else TableRef(ref.warehouse, in_namespace, name)


def pin(connection: sa.Connection, view: AttemptView, ref: TableRef, now_us: int) -> Pointer | None:
    """As `pointer`, and from now on the attempt sees the table as it is now.

    Clients load a table several times for one statement (Sail reads by one answer and commits on a later one); without
    a fixed base a change that another run publishes in between would be overwritten unseen. A pin is an overlay row
    whose held metadata is its base: publish passes it by. Raises MovedError if another load pinned it just now.
    """
    found = pointer(connection, view, ref)
    settled = outcome(connection, view.attempt_id) is not None
    if found is None or settled or _overlay(connection, view, ref) is not None:
        return found
    here = found.metadata_location
    values = {
        "uuid": found.uuid,
        "location": found.location,
        "metadata_location": here,
        "base_metadata_location": here,
        "origin_metadata_location": here,
        "appends_only": True,
        "purge": False,
        "updated_at": now_us,
    }
    try:
        connection.execute(_o.insert().values(attempt_id=view.attempt_id, **_key(ref), **values))
    except IntegrityError as error:  # PostgreSQL: another load of the same attempt was first
        raise MovedError(str(ref)) from error
    return found


def is_held(connection: sa.Connection, view: AttemptView, ref: TableRef) -> bool:
    """True if the attempt has changed, pinned or dropped the table."""
    return _overlay(connection, view, ref) is not None


def origin(connection: sa.Connection, view: View, ref: TableRef, here: Pointer) -> str | None:
    """The published metadata that a table of this view grew from; None if the attempt made the table itself."""
    held = _overlay(connection, view, ref) if isinstance(view, AttemptView) else None
    return here.metadata_location if held is None else held.origin_metadata_location


def not_found(connection: sa.Connection, view: View, ref: TableRef) -> DataOSError:
    """The error for a missing table. Raises the one for a missing namespace or warehouse instead.

    It names no others: whoever asks may not know of them."""
    namespace(connection, view, ref.warehouse, ref.namespace)
    return fail("iceberg.not_found.table", f"there is no table `{ref}`", hint="list the namespace to see its tables")


def _published(connection: sa.Connection, ref: TableRef) -> Any:
    return connection.execute(sa.select(_t).where(*_same(_t, ref))).first()


def _overlay(connection: sa.Connection, view: AttemptView, ref: TableRef) -> Any:
    return connection.execute(sa.select(_o).where(_o.c.attempt_id == view.attempt_id, *_same(_o, ref))).first()


def _same(table: sa.Table, ref: TableRef) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.warehouse == ref.warehouse, table.c.namespace == ref.namespace, table.c.name == ref.name)


def _key(ref: TableRef) -> dict[str, str]:
    return {"warehouse": ref.warehouse, "namespace": ref.namespace, "name": ref.name}


# --- changes ----------------------------------------------------------------------------------------------------------


def apply(connection: sa.Connection, view: View, changes: Iterable[Change], now_us: int) -> None:
    """Move pointers, all or none. Raises MovedError, DataOSError `iceberg.settled`, `iceberg.not_found.namespace`."""
    check_open(connection, view)
    for change in changes:
        if change.base is None:
            _lock_namespace(connection, change.ref.warehouse, change.ref.namespace, read=True)
            namespace(connection, view, change.ref.warehouse, change.ref.namespace)
            refuse_view(connection, change.ref)
        if isinstance(view, AttemptView):
            _hold(connection, view, change, now_us)
        else:
            old = _published(connection, change.ref)
            swap(connection, change.ref, change.base, change.new, now_us)
            if change.new is None and change.purge and old is not None:
                add_garbage(connection, old.location, None, now_us)


def swap(connection: sa.Connection, ref: TableRef, base: str | None, new: Pointer | None, now_us: int) -> None:
    """Move one published pointer from `base` to `new`. Raises MovedError if it is not at `base`."""
    if base is None:
        if new is None:
            return
        if _published(connection, ref) is not None or view_pointer(connection, ref) is not None:
            raise MovedError(str(ref))
        try:
            connection.execute(
                _t.insert().values(
                    **_key(ref),
                    uuid=new.uuid,
                    location=new.location,
                    metadata_location=new.metadata_location,
                    previous_metadata_location=None,
                    updated_at=now_us,
                )
            )
        except IntegrityError as error:  # PostgreSQL: another writer inserted it in between
            raise MovedError(str(ref)) from error
        return
    at_base = (*_same(_t, ref), _t.c.metadata_location == base)
    if new is None:
        done = connection.execute(_t.delete().where(*at_base))
    else:
        done = connection.execute(
            _t.update()
            .where(*at_base)
            .values(
                uuid=new.uuid,
                location=new.location,
                metadata_location=new.metadata_location,
                previous_metadata_location=base,
                updated_at=now_us,
            )
        )
    if done.rowcount != 1:
        raise MovedError(str(ref))


def _hold(connection: sa.Connection, view: AttemptView, change: Change, now_us: int) -> None:
    held = _overlay(connection, view, change.ref)
    published = _published(connection, change.ref)
    current = held.metadata_location if held is not None else (published.metadata_location if published else None)
    if current != change.base:
        raise MovedError(str(change.ref))
    base = held.base_metadata_location if held is not None else current
    if held is not None and not change.renamed and (change.new is None or not change.grew):
        discard(connection, held, change.new, now_us)
    origin = change.origin
    if change.grew and change.new is not None:
        origin = held.origin_metadata_location if held is not None else base
    where = (_o.c.attempt_id == view.attempt_id, *_same(_o, change.ref))
    if change.new is None and base is None:
        connection.execute(_o.delete().where(*where))  # made and dropped by the attempt itself: nothing is left
        return
    values = {
        "uuid": change.new.uuid if change.new else None,
        "location": change.new.location if change.new else None,
        "metadata_location": change.new.metadata_location if change.new else None,
        "base_metadata_location": base,
        "origin_metadata_location": origin,
        "appends_only": change.appends_only and (held is None or held.appends_only),
        "purge": change.purge or (held is not None and held.purge),
        "updated_at": now_us,
    }
    if held is not None:
        connection.execute(_o.update().where(*where).values(**values))
        return
    try:
        connection.execute(_o.insert().values(attempt_id=view.attempt_id, **_key(change.ref), **values))
    except IntegrityError as error:
        raise MovedError(str(change.ref)) from error


# --- views (SQL that is kept under a name) ----------------------------------------------------------------------------


def list_views(connection: sa.Connection, in_warehouse: str, in_namespace: str) -> list[str]:
    """Names of the views of a namespace, sorted."""
    query = sa.select(_v.c.name).where(_v.c.warehouse == in_warehouse, _v.c.namespace == in_namespace)
    return sorted(connection.execute(query).scalars())


def view_pointer(connection: sa.Connection, ref: TableRef) -> Pointer | None:
    """Where a view stands, or None."""
    row = connection.execute(sa.select(_v).where(*_same(_v, ref))).first()
    return None if row is None else Pointer(row.uuid, row.location, row.metadata_location)


def refuse_view(connection: sa.Connection, ref: TableRef) -> None:
    """Raise DataOSError `iceberg.exists.view` where a view has the name that a table is to have."""
    if view_pointer(connection, ref) is not None:
        raise fail("iceberg.exists.view", f"`{ref}` is a view", hint="drop it first, or choose another name")


def view_definer(connection: sa.Connection, ref: TableRef) -> str | None:
    """The user whose right to select a view lends; None for nobody's."""
    return connection.execute(sa.select(_v.c.definer).where(*_same(_v, ref))).scalar()


def swap_view(
    connection: sa.Connection,
    ref: TableRef,
    base: str | None,
    new: Pointer | None,
    now_us: int,
    definer: str | None = None,
) -> None:
    """Move one view from `base` (None: nothing) to `new` (None: nothing any more). Raises MovedError if it is gone.

    `definer`: the user whose right to select it lends from now on. Whoever changes a view without saying so takes the
    right away that its earlier text lent.
    A name that a table has is refused (`iceberg.exists.table`).
    """
    _lock_namespace(connection, ref.warehouse, ref.namespace, read=True)
    if base is None and new is not None:
        if _published(connection, ref) is not None:
            raise fail("iceberg.exists.table", f"`{ref}` is a table", hint="drop it first, or choose another name")
        if view_pointer(connection, ref) is not None:
            raise MovedError(str(ref))
        values: dict[str, Any] = {"uuid": new.uuid, "location": new.location, "definer": definer}
        values["metadata_location"] = new.metadata_location
        try:
            connection.execute(_v.insert().values(**_key(ref), **values, updated_at=now_us))
        except IntegrityError as error:
            raise MovedError(str(ref)) from error
        return
    at_base = (*_same(_v, ref), _v.c.metadata_location == base)
    if new is None:
        done = connection.execute(_v.delete().where(*at_base))
    else:
        done = connection.execute(
            _v.update()
            .where(*at_base)
            .values(metadata_location=new.metadata_location, updated_at=now_us, definer=definer)
        )
    if done.rowcount != 1:
        raise MovedError(str(ref))


# --- garbage ----------------------------------------------------------------------------------------------------------


def discard(connection: sa.Connection, held: Any, replaced_by: Pointer | None, now_us: int) -> None:
    """What an overlay row held will be used by nobody: note its files, unless the new pointer uses the same ones."""
    if held.metadata_location is None or (replaced_by is not None and replaced_by.location == held.location):
        return
    if held.origin_metadata_location is None:
        add_garbage(connection, held.location, None, now_us)
    elif held.origin_metadata_location != held.metadata_location:
        add_garbage(connection, held.metadata_location, held.origin_metadata_location, now_us)


def add_garbage(connection: sa.Connection, path: str, base: str | None, due_us: int) -> None:
    """Note files to delete at `due_us` unless they are in use then."""
    row = connection.execute(sa.select(_g.c.due_at).where(_g.c.path == path)).first()
    if row is None:
        connection.execute(_g.insert().values(path=path, base=base, due_at=due_us))
    else:
        connection.execute(_g.update().where(_g.c.path == path).values(due_at=min(row.due_at, due_us)))


def location_in_use(connection: sa.Connection, location: str, *, itself: bool = True) -> bool:
    """True if a living table or view, published or held, keeps files at, above or below `location`; without `itself`
    that of just this location does not count."""
    return any(_uses(connection, table, location, itself=itself) for table in (_t, _o, _v))


def in_a_table(connection: sa.Connection, location: str) -> bool:
    """True if `location` is the folder of a living table or view, or lies in it."""
    return any(_uses(connection, table, location, below=False) for table in (_t, _o, _v))


def _uses(
    connection: sa.Connection,
    t: sa.Table,
    location: str,
    *,
    below: bool = True,
    itself: bool = True,
    odd: Iterable[str] | None = None,
) -> bool:
    place = folded(location)
    tests = [t.c.location == place]
    tests.append(sa.func.substr(sa.literal(place), 1, sa.func.length(t.c.location) + 1) == t.c.location + "/")
    if below:
        tests.append(sa.func.substr(t.c.location, 1, len(place) + 1) == place + "/")
    others = [] if itself else [t.c.location != location]
    query = sa.select(t.c.name).where(sa.or_(*tests), *others).limit(1)
    if connection.execute(query).first() is not None:
        return True
    known = _odd(connection, t, *others) if odd is None else odd
    return any(o == place or place.startswith(o + "/") or (below and o.startswith(place + "/")) for o in known)


def _odd(connection: sa.Connection, t: sa.Table, *others: sa.ColumnElement[bool]) -> list[str]:
    query = sa.select(t.c.location).where(sa.or_(*(t.c.location.like(text) for text in _ODD)), *others)
    return [folded(location) for location in connection.execute(query).scalars()]


_ODD = ("file:%", "/%//%", "s3://%//%", "%/./%", "%/../%", "%/.", "%/..", "%/")
"""Spellings of locations that tables of before may have: `files.below` makes none of these."""


LONE_FILE = ""
"""In the place of a garbage note's base: the path is a single file that nothing names."""


def add_garbage_files(connection: sa.Connection, paths: Iterable[str], due_us: int) -> None:
    """Note single files that no table names any more."""
    values = [{"path": path, "base": LONE_FILE, "due_at": due_us} for path in sorted(set(paths))]
    for some in batches(values):
        known = connection.execute(sa.select(_g.c.path).where(_g.c.path.in_([v["path"] for v in some]))).scalars()
        there = set(known)
        new = [v for v in some if v["path"] not in there]
        if new:
            connection.execute(_g.insert(), new)


def forget_garbage_below(connection: sa.Connection, location: str) -> None:
    """Files of a folder that was garbage are in use again."""
    inside = sa.func.substr(_g.c.path, 1, len(location) + 1) == location + "/"
    connection.execute(_g.delete().where(sa.or_(_g.c.path == location, inside)))


def held_metadata(
    connection: sa.Connection, location: str, but_reads_of: AttemptId | None = None
) -> tuple[set[str], int | None]:
    """Metadata files below a table's folder that runs hold or look at, and since when the oldest of these runs may
    have been writing (UTC microseconds; None: no run). `but_reads_of`: an attempt whose mere looking does not count."""
    rows = connection.execute(
        sa.select(
            _o.c.attempt_id,
            _o.c.updated_at,
            _o.c.metadata_location,
            _o.c.base_metadata_location,
            _o.c.origin_metadata_location,
        )
    ).all()
    found: set[str] = set()
    since: list[int] = []
    for row in rows:
        if row.attempt_id == but_reads_of and row.metadata_location == row.base_metadata_location:
            continue
        paths = {row.metadata_location, row.base_metadata_location, row.origin_metadata_location} - {None}
        inside = {p for p in paths if p.startswith(location + "/")}
        if inside:
            found |= inside
            started = connection.execute(sa.select(_a.c.created_at).where(_a.c.id == row.attempt_id)).scalar()
            since.append(row.updated_at if started is None else started)
    return found, min(since, default=None)


def due_garbage(connection: sa.Connection, now_us: int, limit: int = 100) -> list[tuple[str, str | None]]:
    """Take `(path, base)` of what is due and used by nobody; forgets what a table lives in, puts off what is held.
    Nothing while files are held (`holds`)."""
    if holds.until(connection, now_us):
        return []
    rows = connection.execute(
        sa.select(_g.c.path, _g.c.base).where(_g.c.due_at <= now_us).order_by(_g.c.due_at).limit(limit)
    ).all()
    found: list[tuple[str, str | None]] = []
    kept = _Kept(connection) if any(row.base is None for row in rows) else None
    for row in rows:
        if row.base is not None or kept is None:
            found.append((row.path, row.base))
        elif kept.by_all(row.path):
            forget_garbage(connection, row.path)
        elif kept.uses(_o, row.path):
            connection.execute(_g.update().where(_g.c.path == row.path).values(due_at=now_us + _HOUR_US))
        else:
            found.append((row.path, row.base))
    return found


class _Kept:
    """Who keeps files in or around a folder, at one moment."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._spaces = {folded(space) for space in namespace_folders(connection)}
        self._odd = {table: _odd(connection, table) for table in (_t, _o, _v)}

    def by_all(self, path: str) -> bool:
        """Does a published table or view, or is it where a namespace makes its tables?"""
        place = folded(path)
        if any(space == place or space.startswith(place + "/") for space in self._spaces):
            return True
        return self.uses(_t, path) or self.uses(_v, path)

    def uses(self, table: sa.Table, path: str) -> bool:
        """Is one of these tables there?"""
        return _uses(self._connection, table, path, odd=self._odd[table])


def put_off_garbage(connection: sa.Connection, paths: Iterable[str], now_us: int) -> None:
    """Files that cannot be deleted now are tried again in an hour."""
    for path in paths:
        connection.execute(_g.update().where(_g.c.path == path).values(due_at=now_us + _HOUR_US))


def forget_garbage(connection: sa.Connection, path: str) -> None:
    """The files are gone, or are in use after all."""
    connection.execute(_g.delete().where(_g.c.path == path))


# --- idempotency ------------------------------------------------------------------------------------------------------


def replay(connection: sa.Connection, key: str) -> Any:
    """The result kept under a key, or None."""
    return connection.execute(sa.select(_i.c.result).where(_i.c.key == key)).scalar()


def remember(connection: sa.Connection, key: str, result: Any, now_us: int) -> None:
    """Keep a result in the transaction that made it true."""
    connection.execute(_i.insert().values(key=key, result=result, created_at=now_us))


def forget_results(connection: sa.Connection, before_us: int) -> None:
    """Drop results older than a moment."""
    connection.execute(_i.delete().where(_i.c.created_at < before_us))
