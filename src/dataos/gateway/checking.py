"""Step 6: the written statement, read back by the engine's own parser.

The engine parses the statement and each secured relation. In the statement's tree, a sub-query that equals a secured
relation's tree is a known leaf; outside these leaves there may be no raw name at all: no base table but WITH
relations in scope, no table function, no function that the gateway does not write. What the translation and the
engine read differently is thus found before it runs. A difference is a fault of ours or an attack: refused, and
logged as an incident.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

from dataos.engines.duckdb import macros
from dataos.gateway import functions

_TABLES = frozenset({"EMPTY", "JOIN", "SUBQUERY", "EXPRESSION_LIST", "BASE_TABLE"})
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_EXPRESSIONS = frozenset(
    {
        "COLUMN_REF",
        "CONSTANT",
        "FUNCTION",
        "COMPARISON",
        "CONJUNCTION",
        "OPERATOR",
        "CASE",
        "CAST",
        "SUBQUERY",
        "WINDOW",
        "LAMBDA",
        "LAMBDA_REF",
        "BETWEEN",
        "TYPE",  # a type name in a cast
    }
)

_WRITTEN = """
+ - * / % || ~~ !~~ like_escape not_like_escape ~~~ & | ~ << >> count_star list_value row struct_extract unnest
len range round to_json json_extract_string left cardinality map map_keys map_values map_extract_value
list_transform list_filter list_reduce list_reverse list_append list_prepend reverse length octet_length unhex
md5 sha1 sha256 sign sum avg list string_agg histogram strftime strptime date_trunc date_sub now regexp_replace
regexp_full_match generate_series trim list_zip map_entries map_from_entries nfc_normalize count_if map_concat
greatest least to_milliseconds to_seconds to_minutes to_hours to_days to_weeks to_months to_quarters to_years
coalesce isodow isoyear dayofyear year quarter month week day hour minute second date_part array_extract
"""

ALLOWED: frozenset[str] = (
    frozenset(_WRITTEN.split())
    | macros.NAMES
    | frozenset(f.target for f in functions.ALL if not f.target.startswith("@"))
)
"""Engine functions that the gateway writes."""


class Difference(Exception):
    """The engine reads something that the gateway did not mean. `text` is for the log."""

    def __init__(self, text: str) -> None:
        super().__init__("the engine reads this statement differently")
        self.text = text


class Confirmed:
    """Texts that were compared already. What an engine's parser reads in a text is a function of the text alone, so
    that what was found for a statement with these secured relations holds for the same texts again."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def has(self, texts: Sequence[str]) -> bool:
        """Was this statement found to be as it should? `texts`: its own, and those of its secured relations."""
        key = self._key(texts)
        if key not in self._known:
            return False
        self._known.move_to_end(key)
        return True

    def add(self, texts: Sequence[str]) -> None:
        """It was."""
        self._known[self._key(texts)] = None
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _key(self, texts: Sequence[str]) -> bytes:
        digest = hashlib.sha256()
        for text in texts:
            data = text.encode()
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        return digest.digest()


def verify(statement: dict[str, Any], secured: Sequence[dict[str, Any]]) -> None:
    """Compare the engine's tree of the statement with those of its secured relations. Raises Difference."""
    leaves = {_canonical(_only(tree)) for tree in secured}
    _query(_only(statement), frozenset(), leaves)


def _only(tree: dict[str, Any]) -> dict[str, Any]:
    statements = tree.get("statements")
    if not isinstance(statements, list) or len(cast("list[Any]", statements)) != 1:
        raise Difference("not one statement")
    return cast("dict[str, Any]", statements[0]["node"])


def _canonical(node: Any) -> str:
    return json.dumps(_stripped(node), sort_keys=True)


def _stripped(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _stripped(v) for k, v in cast("dict[str, Any]", node).items() if k != "query_location"}
    if isinstance(node, list):
        return [_stripped(v) for v in cast("list[Any]", node)]
    return node


def _query(node: dict[str, Any], ctes: frozenset[str], leaves: set[str]) -> None:
    kind = node.get("type")
    if kind not in _QUERIES:
        raise Difference(f"query node {kind}")
    visible = ctes
    for entry in _cte_entries(node):
        name = str(entry["key"]).lower()
        inner = entry["value"]["query"]["node"]
        # A recursive member names itself; DuckDB resolves the name only if the WITH is recursive.
        _query(inner, visible | {name}, leaves)
        visible = visible | {name}
    if kind == "CTE_NODE":
        name = str(node.get("cte_name", "")).lower()
        _query(node["query"], visible | {name}, leaves)
        _query(node["child"], visible | {name}, leaves)
        return
    if kind == "RECURSIVE_CTE_NODE":
        visible = visible | {str(node.get("cte_name", "")).lower()}
    for key, value in node.items():
        if key not in ("cte_map", "type", "query_location"):
            _any(value, visible, leaves)


def _cte_entries(node: dict[str, Any]) -> list[dict[str, Any]]:
    entries = (node.get("cte_map") or {}).get("map") or []
    return cast("list[dict[str, Any]]", entries)


def _any(value: Any, ctes: frozenset[str], leaves: set[str]) -> None:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            _any(item, ctes, leaves)
    elif isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        if "class" in node:
            _expression(node, ctes, leaves)
        elif node.get("type") in _QUERIES:
            _query(node, ctes, leaves)
        elif "sample" in node and "type" in node:
            _table(node, ctes, leaves)
        else:
            for inner in node.values():
                _any(inner, ctes, leaves)


def _values(node: dict[str, Any]) -> Any:
    """The expressions of a VALUES list, which DuckDB reads as `SELECT * FROM <list>`; None for any other query."""
    source = node.get("from_table") or {}
    plain = all(
        not node.get(k) for k in ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
    )
    if node.get("type") == "SELECT_NODE" and source.get("type") == "EXPRESSION_LIST" and plain:
        selected = node.get("select_list") or []
        if len(selected) == 1 and selected[0].get("class") == "STAR" and not _cte_entries(node):
            return [source["values"], node.get("modifiers")]
    return None


def _expression(node: dict[str, Any], ctes: frozenset[str], leaves: set[str]) -> None:
    class_ = node["class"]
    if class_ not in _EXPRESSIONS:
        raise Difference(f"expression {class_}")
    if class_ in ("FUNCTION", "WINDOW"):
        name = str(node.get("function_name", "")).lower()
        if name not in ALLOWED or node.get("schema") not in ("", "main") or node.get("catalog"):
            raise Difference(f"function {name}")
    for key, value in node.items():
        if key == "value" and class_ == "CONSTANT":
            continue
        _any(value, ctes, leaves)


def _table(node: dict[str, Any], ctes: frozenset[str], leaves: set[str]) -> None:
    kind = node["type"]
    if kind not in _TABLES:
        raise Difference(f"table {kind} {node.get('function', {}).get('function_name', '')}")
    if kind == "BASE_TABLE":
        name = str(node.get("table_name", "")).lower()
        if node.get("catalog_name") or node.get("schema_name") or name not in ctes:
            raise Difference(f"base table {node.get('catalog_name')}.{node.get('schema_name')}.{name}")
        return
    if kind == "SUBQUERY":
        inner = node["subquery"]["node"]
        rows = _values(inner)
        if rows is not None:
            _any(rows, ctes, leaves)
        elif _canonical(inner) not in leaves:
            _query(inner, ctes, leaves)
        return
    for key, value in node.items():
        if key not in ("type", "query_location"):
            _any(value, ctes, leaves)
