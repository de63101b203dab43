"""Statements by seed: typed SQL of Trino over what a user may see of a world, and a little over what he may not.

Answers of what is made here are functions of the rows as multisets: orders are total where rows are cut, aggregates that
depend on order have one. Random columns are shown, counted and tested for NULL, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from leaks.expressions import (
    COMPARED,
    SORTABLE,
    Expressions,
    Field,
    Ref,
    Scope,
    Shape,
    Statement,
    add,
    fields_as_refs,
    kind,
    listed,
    type_of,
)
from leaks.model import BIGINT, BOOLEAN, DEPOT, INTEGER, VARCHAR, Type, quoted


class Grammar(Expressions):
    """Draws one statement."""

    # --- whole statements ---------------------------------------------------------------------------------------------

    def statement(self) -> Statement:
        """One statement."""
        told = self._draw.random()
        if told < 0.05 and not all(t.view for t in self._tables):
            return self._telling()
        depth = self._draw.choice((1, 2, 2, 3))
        sql, outputs = self._with(depth) if told < 0.3 else self._query(depth)
        if 0.3 <= told < 0.42:
            sql, outputs = self._probe()
        ordered = False
        if self._draw.random() < 0.25 and outputs and all(self._sorts(o) for o in outputs):
            sql += self._total_order(outputs)
            ordered = True
        if told > 0.97:
            how = self._draw.choice(("", "(TYPE IO, FORMAT JSON) ", "(TYPE VALIDATE) ", "(TYPE LOGICAL) "))
            return self._made(f"EXPLAIN {how}{sql}", (), query=False)
        if told > 0.955:
            return self._made("EXECUTE IMMEDIATE '" + sql.replace("'", "''") + "'", outputs, query=False)
        return self._made(sql, outputs, ordered=ordered)

    def parted(self) -> tuple[str, str, str]:
        """(source, condition, what is shown): a query that a condition parts."""
        scope, source = self._from(2, [])
        plain = [r for r in scope.refs if r.random is None] or [Ref("1", INTEGER)]
        shown = ", ".join(f"{self._draw.choice(plain).sql} AS c{i}" for i in range(2))
        return source, self._predicate(plain, 2), shown

    def _made(self, sql: str, outputs: Sequence[Field], **more: Any) -> Statement:
        return Statement(sql, tuple(outputs), fragile=self._fragile, tables=frozenset(self._used), **more)

    def _telling(self) -> Statement:
        table = self._draw.choice([t for t in self._tables if not t.view])
        self._used.add(table.name)
        name = self._named(table)
        kinds = ("files", "snapshots", "partitions", "history", "manifests", "refs", "entries", "all_data_files")
        meta = quoted(f"{table.name}${self._draw.choice(kinds)}")
        meta = f"{table.depot}.{self._schema}.{meta}" if table.depot != DEPOT else meta
        texts = (
            f"DESCRIBE {name}",
            f"SHOW COLUMNS FROM {name}",
            "SHOW TABLES",
            "SHOW SCHEMAS",
            f"SHOW STATS FOR {name}",
            f"SELECT * FROM {meta}",
            f"SELECT count(*) FROM {meta}",
            f"SHOW CREATE TABLE {name}",
            f"SELECT 1 FROM {name} a CROSS JOIN {meta} b",
        )
        return self._made(self._draw.choice(texts), (), query=False)

    def _total_order(self, outputs: Sequence[Field]) -> str:
        order = ", ".join(
            f"{i}{self._draw.choice(('', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'))}"
            for i in range(1, len(outputs) + 1)
        )
        cut = self._draw.choice(
            ("", f" LIMIT {self._draw.randrange(4)}", f" OFFSET 1 LIMIT {self._draw.randrange(1, 5)}")
        )
        if cut.startswith(" OFFSET"):
            cut = " OFFSET 1 ROWS FETCH FIRST 3 ROWS ONLY" if self._draw.random() < 0.3 else cut
        return f" ORDER BY {order}{cut}"

    def _sorts(self, output: Field) -> bool:
        return output.random is None and kind(output.type) in SORTABLE

    def _probe(self) -> tuple[str, list[Field]]:
        """A small statement that asks about hidden things in one place only."""
        table = self._draw.choice(self._tables)
        self._used.add(table.name)
        one, two = f"a{self._next()}", f"a{self._next()}"
        outer, inner = fields_as_refs(one, table.columns), fields_as_refs(two, table.columns)
        wanted = self._wanted(inner)
        here, there = f"{self._named(table)} AS {one}", f"{self._named(table)} AS {two}"
        condition = f"{self._leaf(wanted, inner)} {self._draw.choice(COMPARED)} {self._literal(wanted)}"
        value = self._leaf(wanted, inner)
        if self._draw.random() < 0.2:
            where = self._draw.choice((condition, self._correlation(inner, outer), "true"))
            lateral = f"{here} CROSS JOIN LATERAL (SELECT {value} AS v FROM {there} WHERE {where}) AS l"
            return f"SELECT l.v AS c0 FROM {lateral}", [Field("c0", type_of(wanted))]
        shown, type_ = self._draw.choice(
            (
                (f"EXISTS (SELECT 1 FROM {there} WHERE {condition})", BOOLEAN),
                (f"(SELECT max({value}) FROM {there} WHERE {condition})", type_of(wanted)),
                (f"(SELECT count(*) FROM {there} WHERE {condition} AND {self._correlation(inner, outer)})", BIGINT),
                (f"{self._leaf(wanted, outer)} IN (SELECT {value} FROM {there})", BOOLEAN),
                (
                    f"{self._literal(wanted)} IN (SELECT {value} FROM {there} UNION ALL SELECT {value} FROM {there})",
                    BOOLEAN,
                ),
                (f"EXISTS (SELECT 1 FROM {there} WHERE {self._correlation(inner, outer)} AND {condition})", BOOLEAN),
            )
        )
        if self._draw.random() < 0.5 and type_ == BOOLEAN:
            return f"SELECT count(*) AS c0 FROM {here} WHERE {shown}", [Field("c0", BIGINT)]
        return f"SELECT {shown} AS c0 FROM {here}", [Field("c0", type_)]

    def _with(self, depth: int) -> tuple[str, list[Field]]:
        if self._draw.random() < 0.15:
            return self._recursive()
        before = list(self._ctes)
        texts: list[str] = []
        for _ in range(self._draw.choice((1, 1, 2))):
            sql, outputs = self._query(depth - 1)
            name = self._draw.choice((f"w{self._next()}", self._draw.choice(self._tables).name.lower()))
            if any(name == n for n, _ in self._ctes[len(before) :]):
                name = f"w{self._next()}"
            named = self._draw.random() < 0.3 and len(outputs) > 0
            fields = [replace(o, name=f"x{i}") for i, o in enumerate(outputs)] if named else outputs
            columns = f"({', '.join(f.name for f in fields)})" if named else ""
            texts.append(f"{quoted(name)}{columns} AS ({sql})")
            self._ctes = [(n, c) for n, c in self._ctes if n != name] + [(name, tuple(fields))]
        sql, outputs = self._query(depth)
        self._ctes = before
        return f"WITH {', '.join(texts)} {sql}", outputs

    def _recursive(self) -> tuple[str, list[Field]]:
        scope, text = self._from(1, [])
        value = self._expression("varchar", scope.refs, 1)
        where = f" WHERE {self._predicate(scope.refs, 1)}" if self._draw.random() < 0.4 else ""
        table, alias = self._draw.choice(self._tables), f"a{self._next()}"
        self._used.add(table.name)
        inner = fields_as_refs(alias, table.columns)
        step = self._draw.choice(
            (
                f"SELECT n + 1, s FROM r{self._count} WHERE n < 2",
                f"SELECT n + 1, {self._expression('varchar', inner, 1)} FROM r{self._count} CROSS JOIN {self._named(table)} {alias} WHERE n < 1",
            )
        )
        name = step.split(" FROM ")[-1].split(" ")[0]
        sql = f"WITH RECURSIVE {name}(n, s) AS (SELECT 0, {value} FROM {text}{where} UNION {self._draw.choice(('ALL ', ''))}{step}) SELECT n, s FROM {name}"
        return sql, [Field("n", INTEGER), Field("s", VARCHAR)]

    # --- queries ------------------------------------------------------------------------------------------------------

    def _query(
        self, depth: int, outer: Sequence[Ref] = (), kinds: Sequence[str] | None = None
    ) -> tuple[str, list[Field]]:
        roll = self._draw.random()
        if depth > 0 and roll < 0.12:
            wanted = kinds or self._draw.choices(
                ("number", "varchar", "varchar", "boolean", "date"), k=self._draw.randrange(1, 3)
            )
            left, outputs = self._query(depth - 1, outer, wanted)
            right, _ = self._query(depth - 1, outer, wanted)
            operator = self._draw.choice(("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT"))
            return f"{_set_part(left)} {operator} {_set_part(right)}", outputs
        if kinds is None and roll < 0.16:
            return self._lag(depth)
        return self._select(depth, outer, kinds)

    def _select(self, depth: int, outer: Sequence[Ref], kinds: Sequence[str] | None) -> tuple[str, list[Field]]:
        scope, source = self._from(depth, outer)
        refs = [*scope.refs, *(outer if outer and self._draw.random() < 0.3 else ())]
        where = ""
        if outer or self._draw.random() < 0.5:
            correlated = [self._correlation(scope.refs, outer)] if outer and self._draw.random() < 0.8 else []
            where = " WHERE " + " AND ".join([*correlated, self._predicate(refs, depth)])
        mode = self._draw.choices(("plain", "star", "group", "global", "window", "distinct"), (9, 3, 5, 2, 3, 1))[0]
        if mode == "star" and (kinds is not None or outer):
            mode = "plain"
        match mode:
            case "star":
                return self._star(scope, source, where, depth)
            case "group":
                return self._grouped(scope, source, where, depth, kinds)
            case "global":
                wanted = kinds or self._draw.choices(("number", "varchar", "boolean"), k=self._draw.randrange(1, 4))
                shown = [self._aggregate(k, refs, depth) for k in wanted]
                return listed(shown, source, where)
            case "window":
                wanted = kinds or self._draw.choices(("number", "varchar", "date"), k=2)
                shown = [
                    self._window(k, refs) if i == 0 else (self._expression(k, refs, 1), type_of(k))
                    for i, k in enumerate(wanted)
                ]
                return listed(shown, source, where)
            case _:
                return self._plain(scope, refs, source, where, depth, kinds, mode)

    def _plain(
        self,
        scope: Scope,
        refs: Sequence[Ref],
        source: str,
        where: str,
        depth: int,
        kinds: Sequence[str] | None,
        mode: str,
    ) -> tuple[str, list[Field]]:
        if kinds is None:
            shown: list[tuple[str, Type, str | None, bool]] = []
            for _ in range(self._draw.randrange(1, 4)):
                ref = self._draw.choice(scope.refs) if scope.refs else None
                if ref is not None and self._draw.random() < 0.6 and (mode != "distinct" or ref.random is None):
                    shown.append((ref.sql, ref.type, ref.random, ref.hot))
                else:
                    wanted = self._wanted(refs)
                    shown.append((self._expression(wanted, refs, depth), type_of(wanted), None, False))
        else:
            shown = [(self._expression(k, refs, depth), type_of(k), None, False) for k in kinds]
        names = [f"c{i}" for i in range(len(shown))]
        listed = ", ".join(f"{sql} AS {name}" for (sql, *_), name in zip(shown, names, strict=True))
        word = "DISTINCT " if mode == "distinct" and all(kind(t) in SORTABLE for _, t, *_ in shown) else ""
        fields = [Field(name, *of) for name, (_, *of) in zip(names, shown, strict=True)]
        return f"SELECT {word}{listed} FROM {source}{where}", fields

    def _star(self, scope: Scope, source: str, where: str, depth: int) -> tuple[str, list[Field]]:
        alias, fields = self._draw.choice(scope.stars)
        everything = [f for _, fs in scope.stars for f in fs]
        if (
            self._draw.random() < 0.5
            and not scope.merged
            and len({f.name.lower() for f in everything}) == len(everything)
        ):
            return f"SELECT * FROM {source}{where}", everything
        if len({f.name.lower() for f in fields}) < len(fields) or scope.merged:
            return self._plain(scope, scope.refs, source, where, depth, None, "plain")
        return f"SELECT {quoted(alias)}.* FROM {source}{where}", list(fields)

    def _grouped(
        self, scope: Scope, source: str, where: str, depth: int, kinds: Sequence[str] | None
    ) -> tuple[str, list[Field]]:
        keys = [r for r in scope.refs if r.random is None and kind(r.type) in SORTABLE]
        self._draw.shuffle(keys)
        keys = keys[: self._draw.choice((1, 1, 2))]
        if not keys:
            return self._plain(scope, scope.refs, source, where, depth, kinds, "plain")
        by = ", ".join(k.sql for k in keys)
        roll = self._draw.random()
        if roll < 0.12:
            by = f"ROLLUP ({by})"
        elif roll < 0.2:
            by = f"CUBE ({by})"
        elif roll < 0.3:
            by = f"GROUPING SETS (({by}), (), ({keys[0].sql}))"
        wanted = kinds or self._draw.choices(("number", "number", "varchar", "boolean"), k=self._draw.randrange(1, 3))
        shown = [self._aggregate(k, scope.refs, depth) for k in wanted]
        if kinds is None:
            shown += [(k.sql, k.type) for k in keys]
        else:  # keys may stand in for aggregates
            same = {kind(k.type): k for k in keys}
            shown = [
                (same[k].sql, same[k].type) if k in same and self._draw.random() < 0.5 else s
                for k, s in zip(kinds, shown, strict=True)
            ]
        having = ""
        if self._draw.random() < 0.3:
            having = f" HAVING {self._aggregate('number', scope.refs, depth)[0]} {self._draw.choice(COMPARED)} {self._literal('number')}"
        sql, fields = listed(shown, source, where)
        return f"{sql} GROUP BY {by}{having}", fields

    def _lag(self, depth: int) -> tuple[str, list[Field]]:
        """Functions of places in an order: only what the order is made of is shown."""
        scope, source = self._from(depth, [])
        refs = [r for r in scope.refs if r.random is None and kind(r.type) in SORTABLE]
        if not refs:
            return self._plain(scope, scope.refs, source, "", depth, None, "plain")
        ref = self._draw.choice(refs)
        function = self._draw.choice(
            (f"lag({ref.sql})", f"lead({ref.sql})", f"first_value({ref.sql})", f"nth_value({ref.sql}, 2)")
        )
        number = self._draw.random() < 0.3
        function, type_ = ("row_number()", BIGINT) if number else (function, ref.type)
        return f"SELECT {ref.sql} AS c0, {function} OVER (ORDER BY {ref.sql}) AS c1 FROM {source}", [
            Field("c0", ref.type),
            Field("c1", type_),
        ]

    # --- FROM ---------------------------------------------------------------------------------------------------------

    def _from(self, depth: int, outer: Sequence[Ref]) -> tuple[Scope, str]:
        scope = Scope()
        text = self._item(scope, depth)
        for _ in range(self._draw.choices((0, 1, 2), (6, 4, 1 if depth > 1 else 0))[0]):
            before = list(scope.refs)
            arrays = [r for r in before if r.type.name == "array" and r.random is None]
            roll = self._draw.random()
            if arrays and roll < 0.25:
                text += self._unnest(scope, self._draw.choice(arrays))
            elif roll < 0.35 and depth > 0:
                sql, fields = self._select(depth - 1, before, None)
                alias = f"l{self._next()}"
                text += self._draw.choice((" CROSS JOIN LATERAL ", ", LATERAL ")) + f"({sql}) AS {alias}"
                add(scope, alias, fields)
            else:
                text += self._join(scope, before, depth)
        return scope, text

    def _join(self, scope: Scope, before: list[Ref], depth: int) -> str:
        added = Scope()
        item = self._item(added, depth - 1)
        left_names = [f.name.lower() for _, fs in scope.stars for f in fs if f.random is None]
        right_names = [f.name.lower() for _, fs in added.stars for f in fs if f.random is None]
        shared = [n for n in ("id", "region") if left_names.count(n) == 1 == right_names.count(n)]
        scope.refs += added.refs
        roll = self._draw.random()
        if shared and roll < 0.2 and not scope.merged:
            name = self._draw.choice(shared)
            side = self._draw.choice(("", "LEFT ", "RIGHT ", "FULL "))
            scope.refs = [r for r in scope.refs if not r.sql.lower().endswith("." + name)]
            scope.stars += added.stars
            scope.merged = True
            return f" {side}JOIN {item} USING ({name})"
        scope.stars += added.stars
        if roll < 0.35:
            return f" CROSS JOIN {item}" if roll < 0.28 else f", {item}"
        side = self._draw.choice(("", "INNER ", "LEFT ", "LEFT ", "RIGHT ", "FULL "))
        on = self._correlation(before, added.refs)
        if self._draw.random() < 0.3:
            on += f" AND {self._predicate(scope.refs, 0)}"
        return f" {side}JOIN {item} ON {on}"

    def _item(self, scope: Scope, depth: int) -> str:
        roll = self._draw.random()
        alias = f"a{self._next()}"
        if self._ctes and roll < 0.4:
            name, fields = self._draw.choice(self._ctes)
            add(scope, alias, fields)
            return f"{quoted(name)} AS {alias}"
        if depth > 0 and roll < 0.62 and roll > 0.4:
            sql, fields = self._with(depth - 1) if self._draw.random() < 0.15 else self._query(depth - 1)
            if len({f.name.lower() for f in fields}) == len(fields) and fields:
                add(scope, alias, fields)
                return f"({sql}) AS {alias}"
        if roll < 0.66 and roll > 0.62:
            add(scope, alias, (Field("n", INTEGER), Field("s", VARCHAR)))
            word = self._literal("varchar")
            return f"(VALUES (1, {word}), (2, NULL), (NULL, 'ann')) AS {alias}(n, s)"
        table = self._draw.choice(self._tables)
        return self._table(scope, table, alias)

    def _table(self, scope: Scope, table: Shape, alias: str) -> str:
        if any(table.name.lower() == n for n, _ in self._ctes):
            text = f"{self._catalog(table)}{self._schema}.{quoted(table.name)}"
        else:
            text = self._named(table)
        self._used.add(table.name)
        if table.has_old and self._draw.random() < 0.3:
            text += " FOR VERSION AS OF 'old'"
        elif self._draw.random() < 0.02 and not table.view:
            text += self._draw.choice(
                (" FOR VERSION AS OF 'main'", " FOR TIMESTAMP AS OF TIMESTAMP '2100-01-01 00:00:00'")
            )
        if self._draw.random() < 0.2 and " FOR " not in text and not any(a == table.name for a, _ in scope.stars):
            add(scope, table.name.lower(), table.columns)  # without an alias
            return text
        add(scope, alias, table.columns)
        sample = " TABLESAMPLE BERNOULLI (100)" if self._draw.random() < 0.06 else ""
        return f"{text} AS {alias}{sample}"

    def _named(self, table: Shape) -> str:
        """A table in one of its spellings."""
        name = self._draw.choice((quoted(table.name), f'"{table.name}"', f'"{table.name.upper()}"', table.name.lower()))
        prefix = self._draw.choice(
            ("", "", "", f"{self._schema}.", f"lakehouse.{self._schema}.", f'"LAKEHOUSE".{self._schema}.')
        )
        if table.depot != DEPOT:
            spelled = f'"{table.depot.upper()}".' if prefix.startswith('"') else self._catalog(table)
            prefix = f"{spelled}{self._schema}."
        return prefix + name

    def _catalog(self, table: Shape) -> str:
        """What stands before a schema that is not the session's catalog's."""
        return "" if table.depot == DEPOT else f"{table.depot}."

    def _unnest(self, scope: Scope, ref: Ref) -> str:
        element, alias = ref.type.of("element"), f"u{self._next()}"
        if element.name == "row":
            fields = [Field(f"f{i}", t) for i, (_, t) in enumerate(element.parts)]
        else:
            fields = [Field("x", element)]
        ordinal = self._draw.random() < 0.2
        fields += [Field("o", BIGINT)] if ordinal else []
        add(scope, alias, fields)
        columns = ", ".join(f.name for f in fields)
        return f" CROSS JOIN UNNEST({ref.sql}){' WITH ORDINALITY' if ordinal else ''} AS {alias}({columns})"


def _set_part(sql: str) -> str:
    return f"({sql})" if " UNION " in sql or " EXCEPT " in sql or " INTERSECT " in sql else sql
