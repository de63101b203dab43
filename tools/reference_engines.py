"""The page of Flare's engines side by side, of what the engine suite found (`tests/engines/flare/side_by_side.json`)."""

from __future__ import annotations

import json
from pathlib import Path

_HEAD = """# Flare's engines side by side

What the suite of heavy engines found when it ran each case on the embedded engine (Sail) and on Apache Spark, and compared
values. *rewritten*: the guard gives the embedded engine another text, which answers what Spark's would. *no*: refused
at apply where no [Spark address](../howto/use-apache-spark.md) is set, and given to Spark where one is. *differs*: it
answers otherwise, without a word.
"""


def page(file: Path) -> str:
    """A table an area: feature, Sail, Apache Spark."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads(file.read_text("utf-8"))
    parts = [_HEAD]
    for area, features in found.items():
        parts.append(f"\n## {area}\n\n| feature | Sail | Apache Spark |\n|---|---|---|\n")
        parts += [f"| {_cell(name)} | {_cell(on['sail'])} | {_cell(on['spark'])} |\n" for name, on in features.items()]
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")
