"""Shapes that quality checks have: one key each, and what a check of the schema may say (ch08 9.3)."""

from __future__ import annotations

from typing import Any, cast

from dataos.core import names
from dataos.manifest.specs import Path, Reading

CHANGES = ("column add", "column delete", "column index change", "column type change")
SCHEMA = (
    "when required column missing",
    "when forbidden column present",
    "when wrong column type",
    "when wrong column index",
    "when schema changes",
)


def one_key(item: Any, path: Path, reading: Reading) -> tuple[str, Any] | None:
    """The expression of a check and its keys. Keys beside the expression (bad indentation) are a problem."""
    if not isinstance(item, dict) or not item:
        hint = "for instance - row_count > 0"
        reading.error(path, "a check is a text, or one expression with its keys", code="soda.check", hint=hint)
        return None
    block = cast("dict[str, Any]", item)
    if len(block) > 1:
        first, *rest = (str(key) for key in block)
        hint = f"indent {', '.join(f'`{r}`' for r in rest[:4])} below `{first}:`"
        reading.error(path, f"a check has one key, found {len(block)}", code="soda.check", hint=hint)
        return None
    ((key, value),) = block.items()
    return str(key), value


def check_schema(value: Any, path: Path, reading: Reading) -> dict[str, Any]:
    """What `warn` or `fail` of a check of the schema holds, as written; problems are recorded."""
    if not isinstance(value, dict) or not value:
        reading.error(path, "conditions on the schema are a mapping", code="soda.check", hint=", ".join(SCHEMA))
        return {}
    block = {" ".join(str(k).split()): v for k, v in cast("dict[str, Any]", value).items()}
    for key, content in block.items():
        where = (*path, key)
        if key not in SCHEMA:
            hint = names.did_you_mean(key, SCHEMA)
            reading.error(where, f"unknown condition `{key}` on the schema", code="soda.check", hint=hint)
        elif key == "when schema changes":
            _check_changes(content, where, reading)
        elif key in ("when wrong column type", "when wrong column index"):
            _check_columns(key, content, where, reading)
        elif not isinstance(content, list) or not content or not all(isinstance(c, str) for c in content):  # pyright: ignore[reportUnknownVariableType] - foreign data
            reading.error(where, f"`{key}` is a list of columns", code="soda.check", hint="for instance [id, 'tmp_%']")
    return block


def _check_changes(content: Any, path: Path, reading: Reading) -> None:
    if content == "any":
        return
    if not isinstance(content, list) or not content:
        hint = "write `any`, or a list of " + ", ".join(CHANGES)
        reading.error(path, "`when schema changes` is `any` or a list", code="soda.check", hint=hint)
        return
    for position, change in enumerate(cast("list[Any]", content)):
        if change not in CHANGES:
            hint = names.did_you_mean(str(change), CHANGES)
            reading.error((*path, position), f"`{change}` is no change of a schema", code="soda.check", hint=hint)


def _check_columns(key: str, content: Any, path: Path, reading: Reading) -> None:
    wanted = "a type" if key.endswith("type") else "a position"
    if not isinstance(content, dict) or not content:
        reading.error(path, f"`{key}` maps columns to {wanted}", code="soda.check", hint="for instance {id: integer}")
        return
    for column, value in cast("dict[str, Any]", content).items():
        is_right = (
            isinstance(value, str) if wanted == "a type" else isinstance(value, int) and not isinstance(value, bool)
        )
        if not is_right:
            reading.error((*path, column), f"`{column}` has no {wanted[2:]} here", code="soda.check")
