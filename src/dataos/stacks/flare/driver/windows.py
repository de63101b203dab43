"""Parts of inputs: the window of an incremental one, the first rows for a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from dataos.core.errors import fail
from dataos.stacks.flare import incremental, sql
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.readers import View
from dataos.stacks.flare.incremental import Increment, Key
from dataos.stacks.flare.quoting import quoted

Check = Callable[[str, dict[str, str]], sql.Checked]


def few(engine: Engine, name: str, whole: View, limit: int) -> View:
    """Let the input's view be its first rows only."""
    raw = f"__all_{name}"
    engine.session.table(name).createOrReplaceTempView(raw)
    engine.sql(f"SELECT * FROM {quoted(raw)} LIMIT {limit}").createOrReplaceTempView(name)
    return View(name, whole.columns, None, whole.text)


def window(
    engine: Engine,
    check: Check,
    name: str,
    increment: Increment,
    whole: View,
    remembered: Mapping[str, str],
    tell: Callable[[str], None],
) -> tuple[View, dict[str, str]]:
    """Let the input's view be its window only. Returns it, and what the next run is to begin with.

    `tell` is for the log; `check`: a text and the views that it may read -> as the engine gets it. Raises DataOSError
    `flare.incremental`.
    """
    raw = f"__whole_{name}"
    engine.sql(f"SELECT * FROM {quoted(name)}").createOrReplaceTempView(raw)
    views = {increment.context: raw}
    values: dict[str, str] = {}
    for key in increment.keys:
        value = remembered.get(key.name)
        if value is None:
            value = _first_cell(engine, check, key, views, values)
        values[key.name] = value
    _check_clock(increment, values, remembered)
    told = ", ".join(f"{k} = {v}{' (remembered)' if k in remembered else ''}" for k, v in values.items())
    tell(f"{name}: reads a window: {told or 'without keys'}")
    text = incremental.fill(increment.sql, values)
    frame = engine.sql(check(text, views).text)
    columns = tuple(frame.columns)
    frame.createOrReplaceTempView(name)
    return View(name, columns, None, whole.text), {k: values[v] for k, v in increment.state.items()}


def _check_clock(increment: Increment, values: Mapping[str, str], remembered: Mapping[str, str]) -> None:
    """Refuse to remember a time before the one that is remembered: the window from there to here is empty, and what
    came in meanwhile would never be read."""
    clocks = incremental.clock_keys(increment) - set(remembered)
    for name, source in increment.state.items():
        old = remembered.get(name)
        if old is not None and source in clocks and incremental.goes_back(values[source], old):
            raise fail(
                "flare.incremental",
                f"the window ends ({source} = {values[source]}) before it begins ({name} = {old}, remembered): "
                "the clock was ahead when the last run read, or is behind now",
                hint="set the clock; if it was ahead, tell when the last run really read: "
                f"dataos runtime state --set {name}=...",
            )


def _first_cell(engine: Engine, check: Check, key: Key, views: dict[str, str], values: dict[str, str]) -> str:
    found = engine.run(check(incremental.fill(key.sql, values), views).text)
    cell = found[0][0] if found and len(found[0]) else None
    if cell is None:
        raise fail(
            "flare.incremental",
            f"the SQL of the key `{key.name}` answers no value",
            hint="give it a first value: coalesce(..., 0)",
        )
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
