"""What a Database manifest may say (ch03 13): a managed PostgreSQL database, its schema built by migrations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dataos.manifest import blocks
from dataos.manifest.annotations import Words, one_needed, rules
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

Direction = Literal["up", "down"]
_SUFFIX = re.compile(r"(.+?)[._](up|down)(?:\.sql)?", re.IGNORECASE)


class Migrate(Spec, json_schema_extra=rules(one_needed("includes", "includesInline"))):
    """`migrate` as written. Scripts of `includes` folders are read by the client."""

    includes: tuple[Text, ...] = spelled("include", default=(), lone=True)
    """Folders of SQL scripts, read by the client."""
    includes_inline: Any = None
    """Scripts by name: `001_a.up.sql`."""
    command: Annotated[Text, Words("up", "down")] = "up"
    """Which scripts run."""
    parameter: Text | None = spelled("parameters", default=None)
    """How many scripts run."""


class DatabaseSection(Spec):
    """The section as written."""

    migrate: Migrate
    """Scripts that build the schema."""
    manage_as_user: Text | None = None
    """User on whose behalf it is managed."""
    compute: Text | None = None
    """Compute for the scripts."""
    title: Text = ""
    """Title for people."""


@dataclass(frozen=True)
class Script:
    """One migration. `name` without its suffix: an `up` and its `down` share it."""

    name: str
    direction: Direction
    sql: str


@dataclass(frozen=True)
class DatabaseSpec:
    """Canonical Database. Scripts in the order in which `up` runs them."""

    scripts: tuple[Script, ...]
    folders: tuple[str, ...]
    command: Direction
    steps: int | None  # None: all for `up`, one for `down`
    compute: str
    manage_as_user: str | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical DatabaseSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(DatabaseSection, section, reading, path)
    if spec is None:
        if not isinstance(section, dict) or not any(str(k).lower() == "migrate" for k in section):
            reading.warn(path, "`migrate` stands below `database:`, not beside it", hint="indent it")
        return None
    where = (*path, "migrate")
    migrate = spec.migrate
    command = one_of(migrate.command, ("up", "down"), (*where, "command"), reading, "command")
    steps = _steps(migrate.parameter, (*where, "parameter"), reading)
    scripts = _scripts(migrate.includes_inline, (*where, "includesInline"), reading)
    if not scripts and not migrate.includes and len(reading.problems) == before:
        hint = "`includes` lists folders of SQL files; `includesInline` holds SQL by name"
        reading.error(where, "`migrate` needs `includes` or `includesInline`", code="manifest.missing", hint=hint)
    for position, folder in enumerate(migrate.includes):
        if not folder.strip():
            reading.error((*where, "includes", position), "an empty text is no folder")
    if command == "down" and not migrate.includes and not any(s.direction == "down" for s in scripts):
        reading.error((*where, "command"), "there is no script to go down with", hint="name one `<name>.down.sql`")
    if command is None or len(reading.problems) > before:
        return None
    canonical = DatabaseSpec(
        scripts=scripts,
        folders=migrate.includes,
        command="down" if command == "down" else "up",
        steps=steps,
        compute=spec.compute or "runnable-default",
        manage_as_user=spec.manage_as_user,
    )
    return KindReading(canonical, blocks.compute_reference(canonical.compute, (*path, "compute")))


def _steps(text: str | None, path: Path, reading: Reading) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text.strip()) or int(text) < 1:
        reading.error(path, f"parameter `{text}` is no number of steps", hint="write a whole number above 0")
        return None
    return int(text)


def _scripts(written: Any, path: Path, reading: Reading) -> tuple[Script, ...]:
    """Inline SQL: a mapping of names, or one block of text (older form). Names without a suffix go up."""
    if written is None:
        return ()
    if isinstance(written, str):
        written = {"inline": written}
    if not isinstance(written, dict):
        reading.error(path, "expected a mapping of script names to SQL, or one text")
        return ()
    found: list[Script] = []
    for name, sql in written.items():
        if not isinstance(sql, str) or not sql.strip():
            reading.error((*path, name), f"script `{name}` holds no SQL")
            continue
        match = _SUFFIX.fullmatch(name)
        stem = match[1] if match else name.removesuffix(".sql")
        script = Script(stem, "down" if match and match[2].lower() == "down" else "up", sql)
        if any((s.name, s.direction) == (script.name, script.direction) for s in found):
            reading.error((*path, name), f"two scripts go {script.direction} under the name `{script.name}`")
        found.append(script)
    return tuple(found)
