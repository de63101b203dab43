"""Patterns that manifests hold: globs of policies, regular expressions, jq filters (ch08 3.2, 7). Checked, not run."""

from __future__ import annotations

import re
import warnings

OPERATORS = ("equals", "not_equals", "greater_than", "less_than", "greater_than_equals", "less_than_equals")
"""How Monitors compare."""

JQ_HINT = "write a jq filter such as `.value` or `.properties.severity`"


def glob_fault(pattern: str) -> str | None:
    """What is wrong with a glob of a policy, or None. Unclosed sets and alternatives match nothing, silently."""
    if not pattern.strip():
        return "is empty"
    depth, position = 0, 0
    while position < len(pattern):
        sign = pattern[position]
        if sign == "\\":
            if position + 1 == len(pattern):
                return "ends with an escape that escapes nothing"
            position += 1
        elif sign == "[":
            start = position + 2 if pattern[position + 1 : position + 2] == "!" else position + 1
            end = pattern.find("]", start)
            if end < 0:
                return "has a `[` that is not closed"
            if end == start:
                return "has a set `[]` that is empty"
            position = end
        elif sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth < 0:
                return "has a `}` that was not opened"
        position += 1
    return "has a `{` that is not closed" if depth else None


def regex_fault(pattern: str) -> str | None:
    """What is wrong with a regular expression, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a set that looks nested is right, if odd
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    return None


_PAIRS = {")": "(", "]": "[", "}": "{"}


def jq_fault(text: str) -> str | None:
    """What is wrong with a jq filter: it is empty, something is not closed, or what jq itself says."""
    import jq  # only Monitors, Pagers and Stacks have filters

    if not text.strip():
        return "is empty"
    open_, position = list[str](), 0
    while position < len(text):
        sign = text[position]
        if sign == '"':
            end = position + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                return "has a text that is not closed"
            position = end
        elif sign == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif sign in _PAIRS.values():
            open_.append(sign)
        elif sign in _PAIRS and (not open_ or open_.pop() != _PAIRS[sign]):
            return f"has a `{sign}` that was not opened"
        position += 1
    if open_:
        return f"has a `{open_[-1]}` that is not closed"
    try:
        jq.compile(text)
    except ValueError as error:
        first = next((line for line in str(error).splitlines() if line.strip()), "").removeprefix("jq: error: ")
        return f"is no jq program: {first.rstrip(':')}"
    return None


_SQL_TOKEN = re.compile(
    r"(?P<gap>--[^\n]*|/\*.*?\*/)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$)"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<stray>['\"`]|/\*)",
    re.DOTALL,
)
_STRAY = {"'": "a text", '"': "a quoted name", "`": "a quoted name", "/*": "a comment"}


def sql_fault(text: str) -> str | None:
    """What is plainly wrong with SQL of any dialect: it is empty, or something is not closed. The engine knows the
    rest."""
    bare, open_ = False, list[str]()
    position = 0
    for token in _SQL_TOKEN.finditer(text):
        bare = bare or bool(text[position : token.start()].strip(" \t\r\n;"))
        position = token.end()
        if sign := token["stray"]:
            line = text.count("\n", 0, token.start()) + 1
            return f"has {_STRAY[sign]} that is not closed (line {line})"
        if token["open"]:
            open_.append(token["open"])
        elif (sign := token["close"]) and (not open_ or open_.pop() != _PAIRS[sign]):
            return f"has a `{sign}` that was not opened"
        bare = bare or not token["gap"]
    if open_:
        return f"has a `{open_[-1]}` that is not closed"
    return None if bare or text[position:].strip(" \t\r\n;") else "is empty"
