"""Rules of the house that a linter does not know: portable SQL, loadable descriptors, generated pages, cited scenarios."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dataos.manifest import depot_types, registry

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "src" / "dataos").rglob("*.py"))
MAY_KNOW_DIALECTS = {"store/database.py"}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT / "src" / "dataos").as_posix()


def calls(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                found.append(f"{target.value.id}.{target.attr}")
            elif isinstance(target, ast.Attribute):
                found.append(f".{target.attr}")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_only_portable_sql(file):
    """No SQL text, no dialect imports: the same statements run on SQLite and PostgreSQL."""
    if name_of(file) in MAY_KNOW_DIALECTS:
        return
    tree = ast.parse(file.read_text("utf-8"))
    uses_sqlalchemy = any(
        isinstance(n, ast.Import) and any(a.name == "sqlalchemy" for a in n.names) for n in ast.walk(tree)
    )
    assert "sa.text" not in calls(tree)
    if uses_sqlalchemy:
        assert ".exec_driver_sql" not in calls(tree)
        assert "connection.exec_driver_sql" not in calls(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not node.module.startswith("sqlalchemy.dialects"), node.module


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_no_own_import_hides_in_a_function(file):
    """A circle is cured by moving the name down. The CLI may, for its start-up time."""
    if name_of(file).startswith("cli/"):
        return
    tree = ast.parse(file.read_text("utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dataos"):
                    assert _only_heavy(node), f"{name_of(file)}:{node.lineno} imports {node.module} inside a function"


def _only_heavy(node: ast.ImportFrom) -> bool:
    """Modules of ours that exist to keep a heavy library out of an idle server."""
    return node.module in {
        "dataos.depots.rowwriting.copytext",
        "dataos.lakehouse.commits",
        "dataos.stacks.flare.driver.upkeep",
        "dataos.lakehouse.manifests",
        "dataos.lakehouse.operations.plans",
        "dataos.lakehouse.writing",
    }


def test_every_dotted_string_of_a_descriptor_resolves():
    stacks = [*registry.STACKS.values(), registry.find_stack("script")]
    for named in (*registry.KINDS.values(), *stacks, *depot_types.DEPOT_TYPES.values()):
        assert named is not None
        assert callable(registry.resolve(named.spec))
        built = next(getattr(named, a) for a in ("controller", "planner", "adapter") if hasattr(named, a))
        assert built is None or callable(registry.resolve(built))  # None: it is read, and cannot run yet


def test_the_reference_pages_are_those_of_the_code():
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_room_has_notes():
    for room in sorted((ROOT / "src" / "dataos").iterdir()):
        if room.is_dir() and (room / "__init__.py").exists():
            notes = room / "NOTES.md"
            assert notes.exists(), room.name
            assert len(notes.read_text().splitlines()) <= 60, room.name


SCENARIOS = [
    *[f"ch01-AS{n:02}" for n in (*range(1, 10), 11, 12, 14, 15, 16, 17, 20)],
    *[f"ch02-AS{n:02}" for n in (*range(1, 10), 20, 21)],
    *[f"ch03-AS{n:02}" for n in (*range(1, 8), 18, 20)],
]
"""Acceptance scenarios of what is built (parts 1 and 2)."""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_acceptance_scenario_of_what_is_built_is_cited(scenario):
    tests = "".join(f.read_text("utf-8") for f in (ROOT / "tests").rglob("test_*.py") if f != Path(__file__))
    assert f'acceptance("{scenario}")' in tests


def test_locks_name_no_address():
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text(), lock.name


def test_the_pip_wheel_is_the_one_that_dev_expects():
    text = (ROOT / "dev").read_text()
    import hashlib

    (wheel,) = (ROOT / "tools" / "bootstrap").glob("pip-*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in text


def test_the_wheel_holds_the_web_app_packed_and_unpacked(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    app = [n.removeprefix("dataos/doors/webapp/") for n in names if n.startswith("dataos/doors/webapp/")]
    assert "index.html" in app
    page = zipfile.ZipFile(wheel).read("dataos/doors/webapp/index.html").decode()
    (entry,) = re.findall(r'<script[^>]* src="/(assets/[^"]+)"', page)
    assert {entry, f"{entry}.br", f"{entry}.gz"} <= set(app)
    assert not [n for n in names if "node_modules" in n or n.endswith((".map", ".ts", ".tsx"))]
