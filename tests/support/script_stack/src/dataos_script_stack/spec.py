"""What a stackSpec of the stack `script` may say."""

from __future__ import annotations

from typing import Any

from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class ScriptSpec(Spec):
    """`script` is Python source; `arguments` become sys.argv[1:]."""

    script: Text
    arguments: tuple[Text, ...] = spelled("argument", default=(), lone=True)
    rerunnable: bool = False

    @property
    def addresses(self) -> tuple[Any, ...]:
        """It names none."""
        return ()


def read(data: Any, reading: Reading, path: Path) -> ScriptSpec | None:
    """Canonical ScriptSpec; a text that is no Python is refused with its line."""
    spec = read_model(ScriptSpec, data, reading, path)
    if spec is None:
        return None
    try:
        compile(spec.script, "script", "exec")
    except SyntaxError as error:
        reading.error((*path, "script"), f"not Python: {error.msg} (line {error.lineno} of the script)")
        return None
    return spec
