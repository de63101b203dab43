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

from dataos.core.sqltext import literal
from dataos.engines.duckdb import macros, masking

TABLE_EXTENSIONS = ("avro", "iceberg")
"""What tables of Lakehouses need; `avro` first."""
MOUNT_EXTENSIONS = {"postgresql": "postgres", "mysql": "mysql", "sqlite": "sqlite"}
"""What mounted databases of a kind need."""
# The loader finds an extension's entry point by the file's name, which differs from the wheel's for these.
_FILE_NAMES = {"postgres": "postgres_scanner", "mysql": "mysql_scanner", "sqlite": "sqlite_scanner"}
_CLEAR = {"postgresql": "CALL pg_clear_cache()", "mysql": "CALL mysql_clear_cache()"}

# MySQL compares, sorts and groups texts by its collations (mostly without letter case), averages with four digits, and
# has its own order of NULL: only filters go down to it, and the gateway keeps those on texts from it.
MYSQL_SETTINGS = (
    "SET GLOBAL mysql_aggregate_pushdown_enabled = false",
    "SET GLOBAL mysql_order_pushdown_enabled = false",
    "SET GLOBAL mysql_tinyint1_as_boolean = false",
    "SET GLOBAL mysql_session_time_zone = '+00:00'",
)


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
    connection.execute(f"SET temp_directory = {literal(config['spill_folder'])}")
    connection.execute(f"SET max_temp_directory_size = '{int(config['spill_mib'])}MiB'")
    kinds = {mount["kind"] for mount in config["mounts"]}
    packages = [*TABLE_EXTENSIONS, *(name for kind, name in MOUNT_EXTENSIONS.items() if kind in kinds)]
    packages += ["httpfs"] if config["buckets"] else []
    packages += ["delta"] if config["delta"] else []
    load_extensions(connection, folder, packages)
    if "mysql" in kinds:
        for setting in MYSQL_SETTINGS:
            connection.execute(setting)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET default_null_order = 'nulls_last'")
    for macro in macros.ALL:
        connection.execute(macro)
    masking.define(connection, bytes.fromhex(config["mask_key"]))
    failures = _attach(connection, config["mounts"])
    places = [*config["folders"]]
    for number, bucket in enumerate(config["buckets"]):
        places += _open_bucket(connection, f"b{number}", bucket)
    _trust(connection, config["buckets"], folder)
    folders = ", ".join(literal(f) for f in places)
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection, failures


def clearing(mounts: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Statements that make DuckDB forget the tables of mounted databases which it remembers."""
    return tuple(_CLEAR[kind] for kind in sorted({mount["kind"] for mount in mounts} & _CLEAR.keys()))


def load_extensions(connection: duckdb.DuckDBPyConnection, folder: Path, packages: Sequence[str]) -> None:
    """Load DuckDB's extensions of these names from their packages; `folder` takes links to the files.

    DuckDB checks each file's signature: a tenth to a third of a second of CPU.
    """
    links = folder / "extensions"
    links.mkdir(mode=0o700, exist_ok=True)
    for package in packages:
        spec = importlib.util.find_spec(f"duckdb_extension_{package}")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError(f"the package duckdb-extension-{package} is not installed")
        root = Path(next(iter(spec.submodule_search_locations))) / "extensions" / f"v{duckdb.__version__}"
        file = root / f"{package}.duckdb_extension"
        if not file.exists():
            raise RuntimeError(f"duckdb-extension-{package} does not fit DuckDB {duckdb.__version__}")
        link = links / f"{_FILE_NAMES.get(package, package)}.duckdb_extension"
        if not link.is_symlink():
            link.symlink_to(file)
        connection.execute(f"LOAD {literal(str(link))}")


def _open_bucket(connection: duckdb.DuckDBPyConnection, name: str, bucket: dict[str, Any]) -> list[str]:
    """Make a bucket's credentials known, for what lies below its place alone. Returns the places, in every spelling."""
    scheme, _, endpoint = bucket["endpoint"].rpartition("://")
    words = {"KEY_ID": bucket["key_id"], "SECRET": bucket["secret"], "REGION": bucket["region"]}
    words |= {"SESSION_TOKEN": bucket["session_token"]} if bucket["session_token"] else {}
    words |= {"ENDPOINT": endpoint} if endpoint else {}
    words |= {"URL_STYLE": "path"} if bucket["path_style"] else {}
    said = "".join(f", {key} {literal(value)}" for key, value in words.items())
    said += ", USE_SSL false" if scheme == "http" else ""
    place = bucket["location"].partition("://")[2].rstrip("/")
    places = [f"{word}://{place}/" for word in ("s3", "s3a", "s3n")]
    scopes = ", ".join(literal(p) for p in places)
    connection.execute(f'CREATE SECRET "{name}" (TYPE s3{said}, SCOPE [{scopes}])')
    return places


def _trust(connection: duckdb.DuckDBPyConnection, buckets: Sequence[dict[str, Any]], folder: Path) -> None:
    """Trust the certificates that depots bring, beside the system's."""
    brought = [b["ca_pem"] for b in buckets if b["ca_pem"]]
    if not brought:
        return
    import ssl

    context = ssl.create_default_context()
    known = [ssl.DER_cert_to_PEM_cert(c) for c in context.get_ca_certs(binary_form=True)]
    file = folder / "trusted.pem"
    file.write_text("\n".join([*known, *brought]), "ascii")
    connection.execute(f"SET ca_cert_file = {literal(str(file))}")


def _attach(connection: duckdb.DuckDBPyConnection, mounts: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Attach all at once: one silent host must not add its timeout to the others'."""

    def attach(mount: dict[str, Any]) -> tuple[str, str | None]:
        with connection.cursor() as cursor:
            try:
                attach_one(cursor, mount)
            except duckdb.Error as error:
                return mount["catalog"], str(error)[:500]
        return mount["catalog"], None

    if not mounts:
        return {}
    with ThreadPoolExecutor(min(16, len(mounts))) as pool:
        outcomes = list(pool.map(attach, mounts))
    return {catalog: text for catalog, text in outcomes if text is not None}


def attach_one(cursor: duckdb.DuckDBPyConnection, mount: dict[str, Any]) -> None:
    """Attach a database, read-only unless the mount is `writable`. Raises duckdb.Error."""
    catalog = f'"{mount["catalog"]}"'
    more = "" if mount.get("writable") else ", READ_ONLY"
    if mount["kind"] in ("sqlite", "duckdb"):
        # The type is said: DuckDB would take it from the file's first bytes.
        cursor.execute(f"ATTACH {literal(mount['path'])} AS {catalog} (TYPE {mount['kind']}{more})")
        return
    # Credentials go through a secret: a connection text would show them in duckdb_databases() and in error messages.
    name = "s" + secrets.token_hex(8)
    if mount["kind"] == "mysql":
        words = "".join(f", {key.upper()} {literal(value)}" for key, value in mount["options"].items())
        cursor.execute(
            f'CREATE SECRET "{name}" (TYPE mysql, HOST {literal(mount["host"])}, PORT {int(mount["port"])}, '
            f"USER {literal(mount['user'])}, PASSWORD {literal(mount['password'])}, "
            f"DATABASE {literal(mount['database'])}{words})"
        )
        cursor.execute(f"ATTACH '' AS {catalog} (TYPE mysql{more}, SECRET \"{name}\")")
        return
    cursor.execute(
        f'CREATE SECRET "{name}" (TYPE postgres, HOST {literal(mount["host"])}, PORT {literal(str(mount["port"]))}, '
        f"DATABASE {literal(mount['database'])}, USER {literal(mount['user'])}, PASSWORD {literal(mount['password'])})"
    )
    options = {"connect_timeout": "5", "application_name": "dataos", **mount["options"]}
    text = " ".join(f"{k}={_quoted(v)}" for k, v in options.items())
    cursor.execute(f'ATTACH {literal(text)} AS {catalog} (TYPE postgres{more}, SECRET "{name}")')


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
