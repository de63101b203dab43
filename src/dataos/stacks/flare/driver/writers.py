"""Outputs: the table made or compared, then written in one commit that the server holds back."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Path
from dataos.stacks.flare import merging, tagging
from dataos.stacks.flare.driver import schemas
from dataos.stacks.flare.driver.catalog import Catalog, Table, has_vectors
from dataos.stacks.flare.driver.engine import Engine, table_name
from dataos.stacks.flare.driver.job import Target
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.driver.readers import SYSTEM_COLUMN
from dataos.stacks.flare.driver.views import Views, Written
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import MergeClauses, Output, PartitionField
from dataos.stacks.flare.quoting import literal, quoted


@dataclass(frozen=True)
class Stamp:
    """What the system column `__metadata` says of a row: the run that wrote it, and an id of the row's own.

    The id is a UUID (version 8, RFC 9562): the attempt's (and batch's) own digits, then the row's number in the write.
    """

    attempt: str
    batch: int = 0  # of a stream

    @property
    def expression(self) -> str:
        """The map as the engine's SQL."""
        own = uuid.uuid5(uuid.NAMESPACE_URL, f"dataos:{self.attempt}" + (f"/{self.batch}" if self.batch else "")).hex
        head = f"{own[:8]}-{own[8:12]}-8{own[12:15]}-8{own[15:18]}-"
        number = "lpad(lower(hex(monotonically_increasing_id())), 12, '0')"
        return f"map('_dataos_run_mapper_id', {literal(self.attempt)}, 'id', concat('{head}', {number}))"


class Writers(Views):
    """Writes registered views into Lakehouse tables."""

    def __init__(
        self, engine: Engine, catalog: Catalog, log: Log, root: Path, now: datetime, stamp: Stamp | None
    ) -> None:
        """`now`: the instant of the run; `stamp`: what the system column says of every row, None: it is not written."""
        super().__init__(engine, root)
        self._catalog = catalog
        self._log = log
        self._now = now
        self._stamp = stamp

    def prepare(self, output: Output, target: Target) -> tuple[Table | None, list[str]]:
        """The existing table, if any, and the select list that fits it; the new table's columns otherwise.

        Raises DataOSError where the frame does not fit: nothing has been changed then.
        """
        columns = self.columns(output)
        self._resolve_partitions(output, columns)
        for sort in output.sort:
            self.find(sort.name, columns, (*sort.path, "name"), "sort column")
        table = self._catalog.find(target.warehouse, target.namespace, target.name)
        if table is None and output.branch:
            raise self.problem(
                "flare.branch",
                f"{output.address} has no branch `{output.branch}`, or is not there",
                (*output.path, "options"),
                "make the branch first: dataos dataset create-branch",
            )
        if table is None:
            chosen = [*self._stamped(columns), *[quoted(c) for c, _ in columns]]
            for column, kind in columns:
                try:
                    schemas.iceberg_type(kind, [0])
                except DataOSError as error:
                    raise self.fault(
                        output, "flare.types", f"column `{column}`: {error.problem.message}", "cast it"
                    ) from error
        elif output.merge is not None and self._has_vectors(table):
            raise self.problem(
                "flare.merge",
                f"{output.address} has deletion vectors (format version 3): the embedded engine cannot merge into it",
                output.merge.path,
                "let Apache Spark run the job (a Compute with a Spark address), or rewrite the table's files there",
            )
        elif output.merge is not None and not self._clauses(output.merge).stars:
            chosen = [quoted(c) for c, _ in columns]  # its clauses name what they take
        else:
            chosen = self._fit(output, columns, table)
        return table, chosen

    def _has_vectors(self, table: Table) -> bool:
        return self._engine.name is EngineName.SAIL and has_vectors(table, table.snapshot)

    def _stamped(self, columns: Sequence[tuple[str, Any]]) -> list[str]:
        """The system column for a frame that has none of its own."""
        if self._stamp is None or any(c.lower() == SYSTEM_COLUMN for c, _ in columns):
            return []
        return [f"{self._stamp.expression} AS {quoted(SYSTEM_COLUMN)}"]

    def write(self, output: Output, target: Target, table: Table | None, chosen: Sequence[str]) -> Written:
        """Create or evolve the table and write the view. Raises DataOSError."""
        columns = self.columns(output)
        partitions = self._resolve_partitions(output, columns)
        created = table is None
        place = (target.warehouse, target.namespace, target.name)
        if table is None:
            counter = [0]
            fields = _documented(schemas.iceberg_fields(self._with_stamp(columns), counter), output)
            spec = _spec(partitions, {f["name"]: f["id"] for f in fields}, 1000)
            order = self._sort_order(output, columns, {f["name"]: f["id"] for f in fields})
            table = self._catalog.create(*place, fields, spec, order, self._properties(output))
        else:
            table = self._widen(output, target, table, columns)
            table = self._evolve(output, target, table, partitions)
            table = self._document(output, target, table)
            table = self._resort(output, target, table, columns)
        text = f"SELECT {', '.join(chosen)} FROM {quoted(output.name)}"
        name = table_name(*place)
        if output.merge is not None and not created:
            operation = "merge"
            self._merge(output, output.merge, name, text)
        elif output.dynamic and table.spec:
            operation = "overwrite partitions"
            self._engine.sql(text).writeTo(name).overwritePartitions()
        else:
            operation = output.mode
            verb = "INSERT INTO" if output.mode == "append" else "INSERT OVERWRITE"
            self._engine.run(f"{verb} {name} {text}")
        after = self._catalog.find(*place)
        shown = [
            {"name": f["name"], "type": schemas.text_of(f["type"]), "description": f.get("doc") or ""}
            for f in (after or table).fields
        ]
        added = None if operation == "merge" else _added(table, after)
        return Written(added, operation, shown, created)

    def _merge(self, output: Output, clauses: MergeClauses, name: str, text: str) -> None:
        made = self._clauses(clauses)
        # Spark refuses a source that would answer anew (the row ids). Sail knows the size of one that was kept, and
        # holds that in memory while it reads the table, not the other way round.
        view = f"__merge_{output.name}"
        self._engine.keep(self._engine.sql(text), view).createOrReplaceTempView(view)
        using = f"(SELECT * FROM {quoted(view)})"
        statement = f"MERGE INTO {name} AS {made.old} USING {using} AS {made.new} ON {made.on} {made.whens}"
        try:
            self._engine.run(statement)
        except Exception as error:
            if "MERGE_CARDINALITY_VIOLATION" not in str(error):
                raise
            raise self.problem(
                "flare.merge",
                f"several rows of `{output.name}` match one row of {output.address}: which of them should it become?",
                (*clauses.path, "onClause"),
                "leave one row a key first: drop_duplicates, or row_number() OVER (PARTITION BY key ORDER BY ...) = 1",
            ) from error

    def _clauses(self, clauses: MergeClauses) -> merging.Merge:
        return merging.check(clauses.on, clauses.when, self._now, self._engine.name)

    def _with_stamp(self, columns: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        if not self._stamped(columns):
            return list(columns)
        from pyspark.sql.types import MapType, StringType

        return [(SYSTEM_COLUMN, MapType(StringType(), StringType())), *columns]

    def _resolve_partitions(
        self, output: Output, columns: Sequence[tuple[str, Any]]
    ) -> list[tuple[PartitionField, str, str]]:
        """(field, column as it is spelt, partition name). Raises for unknown columns and names that are taken."""
        found: list[tuple[PartitionField, str, str]] = []
        taken = {c.lower() for c, _ in columns}
        for field in output.partitions:
            column = self.find(field.column, columns, (*field.path, "column"), "partition column")
            kind = dict(columns)[column].simpleString()
            if not schemas.can_transform(field.transform, kind):
                raise self.problem(
                    "flare.partition",
                    f"`{field.transform}` cannot partition `{column}`, which is {kind}",
                    (*field.path, "type"),
                    "cast it in a step, or partition by something else",
                )
            default = column if field.transform == "identity" else f"{column}_{field.transform}"
            name = field.name or default
            if name.lower() in taken and not (field.transform == "identity" and name.lower() == column.lower()):
                if field.name is not None:
                    raise self.problem(
                        "flare.partition",
                        f"the partition may not be named `{name}`: a column has that name",
                        (*field.path, "name"),
                        "choose another name, or leave it out",
                    )
                name = f"{name}_partition"
            found.append((field, column, name))
        return found

    def _fit(self, output: Output, columns: Sequence[tuple[str, Any]], table: Table) -> list[str]:
        """The select list in the table's order, cast where that is safe (ch04 14.2)."""
        have = {c.lower(): (c, t) for c, t in columns}
        wanted = {f["name"].lower(): f for f in table.fields}
        system = wanted.get(SYSTEM_COLUMN)
        if system is not None and SYSTEM_COLUMN not in have:
            wanted.pop(SYSTEM_COLUMN)
        missing = [f["name"] for k, f in wanted.items() if k not in have]
        extra = [c for c, _ in columns if c.lower() not in wanted]
        lists = (
            f"the table has {', '.join(f['name'] for f in wanted.values())}; "
            f"the data has {', '.join(c for c, _ in columns)}"
        )
        empty = {f["name"].lower() for f in table.fields if f["name"] in missing and not f.get("required")}
        if output.evolution != "strict":
            missing = [m for m in missing if m.lower() not in empty]
        if missing:
            raise self.fault(
                output,
                "flare.schema",
                f"Cannot find data for the output column {_ticked(missing)} of {output.address}: {lists}",
                "select the column in the last step (CAST(NULL AS ...) AS name fills it with NULL)"
                + ("; or options.schemaEvolution: ignore" if output.evolution == "strict" else ""),
            )
        if extra and output.evolution == "strict":
            raise self.fault(
                output,
                "flare.schema",
                f"Too many data columns for {output.address}: {_ticked(extra)} not in the table: {lists}",
                "leave the column out, or add it to the table first (dataset add-field); options.schemaEvolution: add "
                "does that",
            )
        chosen: list[str] = []
        for field in table.fields:
            key = field["name"].lower()
            if key not in wanted:  # the system column, which the data need not have
                value = self._stamp.expression if self._stamp is not None else "CAST(NULL AS MAP<STRING, STRING>)"
                chosen.append(f"{value} AS {quoted(field['name'])}")
                continue
            if key not in have:
                chosen.append(f"CAST(NULL AS {schemas.spark_text(field['type'])}) AS {quoted(field['name'])}")
                continue
            column, kind = have[key]
            verdict = schemas.assignable(kind, field["type"])
            if verdict is None:
                raise self.fault(
                    output,
                    "flare.schema",
                    f"Cannot safely cast '{column}': {kind.simpleString()} to {schemas.text_of(field['type'])}, "
                    f"the column's type in {output.address}",
                    f"cast it in the last step: CAST({column} AS {schemas.spark_text(field['type'])}) AS {column}",
                )
            text = f"CAST({quoted(column)} AS {verdict})" if verdict else quoted(column)
            chosen.append(f"{text} AS {quoted(field['name'])}")
        if output.evolution == "add":
            chosen += [quoted(c) for c, _ in self._new_columns(output, columns, table)]
        elif extra:
            self._log.warning(f"{output.address}: {_ticked(extra)} are not written (schemaEvolution: ignore)")
        return chosen

    def _new_columns(self, output: Output, columns: Sequence[tuple[str, Any]], table: Table) -> list[tuple[str, Any]]:
        """Columns that the table does not have yet. Raises DataOSError for one of a type that no table has."""
        known = {f["name"].lower() for f in table.fields}
        found = [(c, t) for c, t in columns if c.lower() not in known]
        for column, kind in found:
            try:
                schemas.iceberg_type(kind, [0])
            except DataOSError as error:
                text = f"column `{column}`: {error.problem.message}"
                raise self.fault(output, "flare.types", text, "cast it") from error
        return found

    def _widen(self, output: Output, target: Target, table: Table, columns: Sequence[tuple[str, Any]]) -> Table:
        """Give the table the columns that are new in the view, at its end, where the output lets them come."""
        new = self._new_columns(output, columns, table) if output.evolution == "add" else []
        if not new:
            return table
        counter = [int(table.metadata["last-column-id"])]
        fields = [*table.fields, *schemas.iceberg_fields(new, counter)]
        self._log.info(f"{output.address}: new columns {_ticked([c for c, _ in new])} (schemaEvolution: add)")
        updates = [
            {"action": "add-schema", "schema": {"type": "struct", "fields": fields}, "last-column-id": counter[0]},
            {"action": "set-current-schema", "schema-id": -1},
        ]
        last = {"type": "assert-last-assigned-field-id", "last-assigned-field-id": table.metadata["last-column-id"]}
        return self._catalog.change(target.warehouse, target.namespace, target.name, table, updates, [last])

    def _evolve(
        self, output: Output, target: Target, table: Table, partitions: Sequence[tuple[PartitionField, str, str]]
    ) -> Table:
        """Change the table's partition spec to the output's, if it names one (ch04 6.4)."""
        if not partitions:
            return table
        ids = {f["name"]: f["id"] for f in table.fields}
        by_name = {f["name"].lower(): f["name"] for f in table.fields}
        spelt = [(f, by_name[c.lower()], n) for f, c, n in partitions]
        wanted = [(ids[c], schemas.transform_text(f)) for f, c, _ in spelt]
        if wanted == [(f["source-id"], f["transform"]) for f in table.spec]:
            return table
        if output.dynamic:
            raise self.fault(
                output,
                "flare.partition",
                f"{output.address} is partitioned otherwise than this job says, and `overwrite-mode: dynamic` "
                "replaces partitions of one kind only",
                "overwrite the whole table once (without overwrite-mode), then go back to dynamic",
            )
        last = max([int(table.metadata.get("last-partition-id", 999)), 999])
        spec = _spec(spelt, ids, last + 1)
        known = {(f["source-id"], f["transform"]): f for s in table.metadata["partition-specs"] for f in s["fields"]}
        for field in spec:  # an equal field of an older spec keeps its id and name
            old = known.get((field["source-id"], field["transform"]))
            if old is not None:
                field.update({"field-id": old["field-id"], "name": old["name"]})
        self._log.info(f"{output.address}: new data is partitioned by {', '.join(f['name'] for f in spec)}")
        number = max(s["spec-id"] for s in table.metadata["partition-specs"]) + 1
        updates = [
            {"action": "add-spec", "spec": {"spec-id": number, "fields": spec}},
            {"action": "set-default-spec", "spec-id": -1},
        ]
        return self._catalog.change(target.warehouse, target.namespace, target.name, table, updates)

    def _resort(self, output: Output, target: Target, table: Table, columns: Sequence[tuple[str, Any]]) -> Table:
        """Give the table the output's sort order, if it names another one than the table has."""
        wanted = self._sort_order(output, columns, {f["name"]: f["id"] for f in table.fields})
        if not wanted or wanted == table.sort_order:
            return table
        number = max([o["order-id"] for o in table.metadata.get("sort-orders", [])] or [0]) + 1
        updates = [
            {"action": "add-sort-order", "sort-order": {"order-id": number, "fields": wanted}},
            {"action": "set-default-sort-order", "sort-order-id": -1},
        ]
        return self._catalog.change(target.warehouse, target.namespace, target.name, table, updates)

    def _document(self, output: Output, target: Target, table: Table) -> Table:
        """Give the table's columns the texts that the output has for them, where they read otherwise."""
        wanted = _documented(table.fields, output)
        if wanted == table.fields:
            return table
        updates = [
            {"action": "add-schema", "schema": {"type": "struct", "fields": wanted}},
            {"action": "set-current-schema", "schema-id": -1},
        ]
        return self._catalog.change(target.warehouse, target.namespace, target.name, table, updates)

    def _sort_order(
        self, output: Output, columns: Sequence[tuple[str, Any]], ids: Mapping[str, int]
    ) -> list[dict[str, Any]]:
        """Fields of the table's sort order. The engine sorts what it writes by that, and by nothing else: an ORDER BY
        in the statement is lost on the way to the files."""
        fields: list[dict[str, Any]] = []
        for sort in output.sort:
            column = self.find(sort.name, columns, (*sort.path, "name"), "sort column")
            source = next(i for name, i in ids.items() if name.lower() == column.lower())
            direction, nulls = ("desc", "nulls-last") if sort.descending else ("asc", "nulls-first")
            fields.append({"source-id": source, "transform": "identity", "direction": direction, "null-order": nulls})
        return fields

    def _properties(self, output: Output) -> dict[str, str]:
        properties: dict[str, str] = dict(output.properties)
        if output.description or output.title:
            properties.setdefault("comment", output.description or output.title)
        return properties


def _documented(fields: Sequence[Mapping[str, Any]], output: Output) -> list[dict[str, Any]]:
    """The fields with the texts that the output's `columnTags` give them."""
    texts = tagging.resolve(output.column_tags, [f["name"] for f in fields]).descriptions
    return [{**f, "doc": texts[f["name"]]} if f["name"] in texts else dict(f) for f in fields]


def _ticked(words: Sequence[str]) -> str:
    return ", ".join(f"`{w}`" for w in words)


def _spec(
    partitions: Sequence[tuple[PartitionField, str, str]], ids: Mapping[str, int], first: int
) -> list[dict[str, Any]]:
    return [
        {"source-id": ids[column], "field-id": first + n, "name": name, "transform": schemas.transform_text(field)}
        for n, (field, column, name) in enumerate(partitions)
    ]


def _added(before: Table, after: Table | None) -> int | None:
    """Rows that the newest snapshot added; 0 if there is no new one."""
    if after is None or after.snapshot is None:
        return 0
    if before.snapshot is not None and before.snapshot["snapshot-id"] == after.snapshot["snapshot-id"]:
        return 0
    added = after.snapshot.get("summary", {}).get("added-records", "0")
    return int(added) if re.fullmatch("[0-9]+", str(added)) else None
