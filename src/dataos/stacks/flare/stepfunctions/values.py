"""Functions on values: constants, texts, digests, casts."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dataos.core.errors import fail
from dataos.stacks.flare.quoting import literal, quoted
from dataos.stacks.flare.stepfunctions import sed
from dataos.stacks.flare.stepfunctions.model import Ask, Call, Frame, Function, pairs, text, texts, whole

CONSTANTS = {
    "string": "STRING", "boolean": "BOOLEAN", "byte": "TINYINT", "short": "SMALLINT", "int": "INT", "integer": "INT",
    "long": "BIGINT", "bigint": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "decimal": "DECIMAL(38, 18)",
    "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip
"""Types of `add_column`."""
CASES = {"lower": "lower", "lowercase": "lower", "upper": "upper", "uppercase": "upper", "title": "title",
         "titlecase": "title"}  # fmt: skip
DIGESTS = {"md5": "MD5", "sha-1": "SHA-1", "sha1": "SHA-1", "sha-256": "SHA-256", "sha256": "SHA-256",
           "sha-384": "SHA-384", "sha384": "SHA-384", "sha-512": "SHA-512", "sha512": "SHA-512"}  # fmt: skip
TRIMS = {"trim": "trim", "ltrim": "ltrim", "rtrim": "rtrim", "both": "trim", "left": "ltrim", "right": "rtrim"}
_DIGEST_CALLS = {"MD5": "md5({})", "SHA-1": "sha1({})", "SHA-256": "sha2({}, 256)", "SHA-384": "sha2({}, 384)",
                 "SHA-512": "sha2({}, 512)"}  # fmt: skip
_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def _in_place(call: Call, frame: Frame, expression: str) -> str:
    return frame.select({frame.find(call.text("column")): expression})


def _column_text(call: Call, frame: Frame) -> str:
    return frame.text(frame.find(call.text("column")))


def _add_column(call: Call, frame: Frame, ask: Ask) -> str:
    value = f"CAST({literal(call.text('value'))} AS {CONSTANTS[call.text('type')]})"
    return frame.select({}, [(call.text("column"), value)])


def _set_column(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.select({}, [(call.text("column"), literal(call.text("value")))])


def _set_variable(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.select({}, [(call.text("column"), f"({call.text('expression')})")])


def _increment_variable(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    value = f"CAST({quoted(column)} AS BIGINT)" if frame.is_text(column) else quoted(column)
    return frame.select({column: f"{value} + 1"})


def _change_case(call: Call, frame: Frame, ask: Ask) -> str:
    name = {"title": "initcap"}.get(call.text("case"), call.text("case"))
    return _in_place(call, frame, f"{name}({_column_text(call, frame)})")


def _cut_character(call: Call, frame: Frame, ask: Ask) -> str:
    start, end = int(call.arguments["startIndex"]), int(call.arguments["endIndex"])
    if start < 1 or end < start:
        raise fail(
            "flare.function",
            f"characters {start} to {end} are no range",
            hint="characters count from 1, both ends are included",
        )
    cut = f"substring({_column_text(call, frame)}, {start}, {end - start + 1})"
    return frame.select({}, [(call.text("asColumn"), cut)])


def _fill(call: Call, frame: Frame, ask: Ask) -> str:
    changed: dict[str, str] = {}
    for wanted, default in call.pairs("columns").items():
        column = frame.find(wanted)
        if frame.is_text(column):
            changed[column] = f"coalesce(nullif({quoted(column)}, ''), {literal(default)})"
        else:
            changed[column] = f"coalesce({quoted(column)}, CAST({literal(default)} AS {frame.columns[column]}))"
    return frame.select(changed)


def _find_and_replace(call: Call, frame: Frame, ask: Ask) -> str:
    return _in_place(call, frame, sed.parse(call.text("sedExpression")).of_text(_column_text(call, frame)))


def _generate_uuid(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.select({}, [(call.text("asColumn"), "uuid()")])


def _hash(call: Call, frame: Frame, ask: Ask) -> str:
    return _in_place(call, frame, _DIGEST_CALLS[call.text("algo")].format(_column_text(call, frame)))


def _mask_number(call: Call, frame: Frame, ask: Ask) -> str:
    """`#` keeps the character at that position, any other character of the pattern stands in its place."""
    value = _column_text(call, frame)
    parts: list[str] = []
    for match in re.finditer(r"#+|[^#]+", call.text("pattern")):
        kept = match[0].startswith("#")
        parts.append(f"substring({value}, {match.start() + 1}, {len(match[0])})" if kept else literal(match[0]))
    return _in_place(call, frame, f"concat({', '.join(parts)})")


def _merge(call: Call, frame: Frame, ask: Ask) -> str:
    values = [frame.text(frame.find(c)) for c in call.texts("columns")]
    merged = f"concat_ws({literal(call.text('separator'))}, {', '.join(values)})"
    return frame.select({}, [(call.text("asColumn"), merged)])


def _set_type(call: Call, frame: Frame, ask: Ask) -> str:
    """A blank text is no value; any other text that is none of the type fails, with the value in the message."""
    changed: dict[str, str] = {}
    for wanted, kind in call.pairs("columns").items():
        column = frame.find(wanted)
        target = type_of(kind)
        value = quoted(column)
        if frame.is_text(column) and not target.startswith(("STRING", "VARCHAR", "CHAR", "BINARY")):
            value = f"nullif(trim({value}), '')"
        changed[column] = f"CAST({value} AS {target})"
    return frame.select(changed)


def type_of(word: str) -> str:
    """A type as Spark SQL writes it, of any spelling that Spark knows. Raises DataOSError `flare.function`."""
    try:
        return exp.DataType.build(word.strip(), dialect="spark").sql(dialect="spark")
    except (SqlglotError, ValueError) as error:
        raise fail(
            "flare.function",
            f"Invalid datatype found: `{word}`",
            hint="for instance int, long, double, decimal(10,2), string, boolean, date, timestamp",
        ) from error


def _trim(call: Call, frame: Frame, ask: Ask) -> str:
    return _in_place(call, frame, f"{call.text('method')}({_column_text(call, frame)})")


def _split_email(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    value = f"trim({frame.text(column)})"
    pattern = literal("^([^@\\s]+)@([^@\\s]+)$")

    def part(group: int) -> str:
        return f"CASE WHEN {value} RLIKE {pattern} THEN regexp_extract({value}, {pattern}, {group}) END"

    return frame.select({}, [(f"{column}_account", part(1)), (f"{column}_domain", part(2))])


_URL = "^([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?([^?#]*)(?:[?]([^#]*))?(?:#.*)?$"
"""Scheme, authority, path, query: the expression of RFC 3986, appendix B, with a scheme that must be there."""
_AUTHORITY = "^(?:[^@]*@)?(\\[[^\\]]*\\]|[^:]*)(?::([0-9]*))?$"


def _split_url(call: Call, frame: Frame, ask: Ask) -> str:
    """A text that is no address gives nulls, as does a column that is not there (ch04 4)."""
    wanted = call.text("column")
    column = frame.get(wanted)
    name = column or wanted
    parts = ("protocol", "authority", "host", "port", "path", "filename", "query")
    if column is None:
        nulls = [(f"{name}_{p}", f"CAST(NULL AS {'INT' if p == 'port' else 'STRING'})") for p in parts]
        return frame.select({}, nulls)
    value = f"trim({frame.text(column)})"

    def group(number: int) -> str:
        return f"nullif(regexp_extract({value}, {literal(_URL)}, {number}), '')"

    def inner(number: int) -> str:
        return f"nullif(regexp_extract(coalesce({group(2)}, ''), {literal(_AUTHORITY)}, {number}), '')"

    path = f"regexp_extract({value}, {literal(_URL)}, 3)"
    asked = f"coalesce(concat('?', {group(4)}), '')"
    found = {
        "protocol": group(1),
        "authority": group(2),
        "host": inner(1),
        "port": f"try_cast({inner(2)} AS INT)",
        "path": path,
        "filename": f"concat({path}, {asked})",
        "query": group(4),
    }
    is_url = f"{value} RLIKE {literal(_URL)}"
    return frame.select({}, [(f"{name}_{p}", f"CASE WHEN {is_url} THEN {found[p]} END") for p in parts])


_ENTITIES = (
    ("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&"),
)  # fmt: skip


def _parse_html(call: Call, frame: Frame, ask: Ask) -> str:
    """The text between tags, with single blanks."""
    column = frame.find(call.text("column"))
    value = frame.text(column)
    for pattern in (r"(?is)<!--.*?-->", r"(?is)<(?:script|style)\b.*?</(?:script|style)\s*>"):
        value = f"regexp_replace({value}, {literal(pattern)}, ' ')"
    breaks = r"(?i)</?(?:p|div|br|li|ul|ol|tr|td|th|h[1-6]|table|section|article)\b[^>]*>"
    value = f"regexp_replace({value}, {literal(breaks)}, ' ')"
    value = f"regexp_replace({value}, {literal('<[^>]*>')}, '')"
    for entity, letter in _ENTITIES:
        value = f"replace({value}, {literal(entity)}, {literal(letter)})"
    blanks = literal(r"\s+")
    return frame.select(
        {}, [(str(call.arguments.get("asColumn") or column), f"trim(regexp_replace({value}, {blanks}, ' '))")]
    )


FUNCTIONS = {
    "add_column": Function(_add_column, (text("column"), text("value"), text("type", words={k: k for k in CONSTANTS}))),
    "change_case": Function(_change_case, (text("column"), text("case", words=CASES))),
    "cut_character": Function(
        _cut_character, (text("column"), text("asColumn"), whole("startIndex"), whole("endIndex"))
    ),
    "fill_null_or_empty": Function(_fill, (pairs("columns"),)),
    "find_and_replace": Function(_find_and_replace, (text("column"), text("sedExpression"))),
    "generate_uuid": Function(_generate_uuid, (text("asColumn"),)),
    "hash": Function(_hash, (text("column"), text("algo", words=DIGESTS))),
    "increment_variable": Function(_increment_variable, (text("column"),)),
    "mask_number": Function(_mask_number, (text("column"), text("pattern"))),
    "merge": Function(_merge, (texts("columns"), text("separator"), text("asColumn"))),
    "parse_html": Function(_parse_html, (text("column"), text("asColumn", required=False))),
    "set_column": Function(_set_column, (text("column"), text("value"))),
    "set_type": Function(_set_type, (pairs("columns"),)),
    "set_variable": Function(_set_variable, (text("column"), text("expression"))),
    "split_email": Function(_split_email, (text("column"),)),
    "split_url": Function(_split_url, (text("column"),)),
    "trim": Function(_trim, (text("column"), text("method", words=TRIMS))),
}
