"""Functions on columns as such: which there are, what they are called."""

from __future__ import annotations

import re

from dataos.core.errors import fail
from dataos.stacks.flare.quoting import quoted
from dataos.stacks.flare.stepfunctions import sed
from dataos.stacks.flare.stepfunctions.model import Ask, Call, Frame, Function, pairs, text, texts

CASES = {"lower": "lower", "lowercase": "lower", "upper": "upper", "uppercase": "upper"}


def _change_column_case(call: Call, frame: Frame, ask: Ask) -> str:
    upper = call.text("case") == "upper"
    return frame.rename({c: c.upper() if upper else c.lower() for c in frame.columns})


def _cleanse(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.rename({c: re.sub(r"[^a-z0-9_]", "_", c.strip().lower()) for c in frame.columns})


def _columns_replace(call: Call, frame: Frame, ask: Ask) -> str:
    change = sed.parse(call.text("sedExpression"))
    return frame.rename({c: change.of_name(c) for c in frame.columns})


def _copy(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.select({}, [(call.text("toColumn"), quoted(frame.find(call.text("fromColumn"))))])


def _drop(call: Call, frame: Frame, ask: Ask) -> str:
    """Columns that are not there are no fault (ch04 4)."""
    gone = {frame.get(c) for c in call.texts("columns")}
    left = [c for c in frame.columns if c not in gone]
    if not left:
        raise fail("flare.function", "no column would be left", hint="keep one")
    return f"SELECT {', '.join(map(quoted, left))} FROM {quoted(frame.view)}"


def _rename(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.rename({frame.find(call.text("column")): call.text("asColumn")})


def _rename_all(call: Call, frame: Frame, ask: Ask) -> str:
    return frame.rename({frame.find(old): new for old, new in call.pairs("columns").items()})


def _select(call: Call, frame: Frame, ask: Ask) -> str:
    chosen = list(dict.fromkeys(frame.find(c) for c in call.texts("columns")))
    return f"SELECT {', '.join(map(quoted, chosen))} FROM {quoted(frame.view)}"


def _snake_case(call: Call, frame: Frame, ask: Ask) -> str:
    def snake(name: str) -> str:
        apart = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.strip()))
        return re.sub(r"[\s-]+", "_", apart).lower()

    return frame.rename({c: snake(c) for c in frame.columns})


def _swap(call: Call, frame: Frame, ask: Ask) -> str:
    first, second = frame.find(call.text("columnA")), frame.find(call.text("columnB"))
    return frame.rename({first: second, second: first})


FUNCTIONS = {
    "change_column_case": Function(_change_column_case, (text("case", words=CASES),)),
    "cleanse_column_names": Function(_cleanse),
    "columns_replace": Function(_columns_replace, (text("sedExpression"),)),
    "copy": Function(_copy, (text("fromColumn"), text("toColumn"))),
    "drop": Function(_drop, (texts("columns", "column"),)),
    "rename": Function(_rename, (text("column"), text("asColumn"))),
    "rename_all": Function(_rename_all, (pairs("columns"),)),
    "select": Function(_select, (texts("columns", "column"),)),
    "snake_case": Function(_snake_case),
    "swap": Function(_swap, (text("columnA"), text("columnB"))),
}
