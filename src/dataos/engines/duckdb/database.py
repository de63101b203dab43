"""Opening the DuckDB database of an engine process: extensions, limits, mounts, locks. Runs inside that process only.

Order matters: extensions and databases can only be attached while external access is on; after
`enable_external_access = false` the engine reads the allowed folders and what is attached, and after
`lock_configuration` nothing can be changed.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from dataos.engines.duckdb import macros

# The loader finds an extension's entry point by the file's name, which differs from the wheel's for postgres.
_EXTENSIONS = {"postgres": "postgres_scanner", "avro": "avro", "iceberg": "iceberg"}


def open_database(config: dict[str, Any], folder: Path) -> tuple[duckdb.DuckDBPyConnection, dict[str, str]]:
    """The locked database and, for each mount that could not be attached, the engine's words (for the log)."""
    settings: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        "memory_limit": f"{config['memory_mib']}MiB",
        "home_directory": str(folder),
    }
    if config.get("threads"):
        settings["threads"] = str(config["threads"])
    connection = duckdb.connect(":memory:", config=settings)
    # Given to connect(), the size limit shows in the settings and has no effect (DuckDB 1.5.5).
    connection.execute(f"SET temp_directory = {_text(config['spill_folder'])}")
    connection.execute(f"SET max_temp_directory_size = '{int(config['spill_mib'])}MiB'")
    _load_extensions(connection, folder)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET default_null_order = 'nulls_last'")
    for macro in macros.ALL:
        connection.execute(macro)
    failures = _attach(connection, config["mounts"])
    folders = ", ".join(_text(f) for f in config["folders"])
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection, failures


def _load_extensions(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    links = folder / "extensions"
    links.mkdir(mode=0o700, exist_ok=True)
    for package, name in _EXTENSIONS.items():
        spec = importlib.util.find_spec(f"duckdb_extension_{package}")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError(f"the package duckdb-extension-{package} is not installed")
        root = Path(next(iter(spec.submodule_search_locations))) / "extensions" / f"v{duckdb.__version__}"
        file = root / f"{package}.duckdb_extension"
        if not file.exists():
            raise RuntimeError(f"duckdb-extension-{package} does not fit DuckDB {duckdb.__version__}")
        link = links / f"{name}.duckdb_extension"
        if not link.is_symlink():
            link.symlink_to(file)
        connection.execute(f"LOAD {_text(str(link))}")


def _attach(connection: duckdb.DuckDBPyConnection, mounts: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Attach all at once: one silent host must not add its timeout to the others'."""

    def attach(mount: dict[str, Any]) -> tuple[str, str | None]:
        with connection.cursor() as cursor:
            try:
                _attach_one(cursor, mount)
            except duckdb.Error as error:
                return mount["catalog"], str(error)[:500]
        return mount["catalog"], None

    if not mounts:
        return {}
    with ThreadPoolExecutor(min(16, len(mounts))) as pool:
        outcomes = list(pool.map(attach, mounts))
    return {catalog: text for catalog, text in outcomes if text is not None}


def _attach_one(cursor: duckdb.DuckDBPyConnection, mount: dict[str, Any]) -> None:
    # Credentials go through a secret: a connection text would show them in duckdb_databases() and in error messages.
    name = "s" + secrets.token_hex(8)
    cursor.execute(
        f'CREATE SECRET "{name}" (TYPE postgres, HOST {_text(mount["host"])}, PORT {_text(str(mount["port"]))}, '
        f"DATABASE {_text(mount['database'])}, USER {_text(mount['user'])}, PASSWORD {_text(mount['password'])})"
    )
    options = {"connect_timeout": "5", "application_name": "dataos", **mount["options"]}
    text = " ".join(f"{k}={_quoted(v)}" for k, v in options.items())
    cursor.execute(f'ATTACH {_text(text)} AS "{mount["catalog"]}" (TYPE postgres, READ_ONLY, SECRET "{name}")')


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
