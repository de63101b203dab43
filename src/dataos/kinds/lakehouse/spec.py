"""What a Lakehouse manifest may say (ch06 1.2, 1.3). Storage of type `file` is the embedded default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataos.core import names
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import LowerText, Path, Reading, Spec, Text, read_model, spelled

_LATER = "it comes with part 3: see docs/roadmap.md"


class FileStorage(Spec):
    """A folder on this machine. Without `path`: `<home>/warehouse/<depot name>`."""

    path: Text | None = None
    relative_path: Text | None = None
    format: LowerText = "iceberg"
    iceberg_catalog_type: LowerText | None = None
    metastore_type: LowerText | None = None


class Storage(Spec):
    """Where the tables live."""

    depot_name: Text | None = None
    type: LowerText = "file"
    file: FileStorage | None = None
    abfss: Any = None
    wasbs: Any = None
    s3: Any = None
    gcs: Any = None
    secrets: Any = spelled("secret", default=None)


class Iceberg(Spec):
    """The format section."""

    storage: Storage = Storage()
    metastore: Any = spelled("metaStore", default=None)
    query_engine: Any = None


class LakehouseSection(Spec):
    """The section as written."""

    type: LowerText = "iceberg"
    compute: Text | None = None
    iceberg: Iceberg = Iceberg()
    run_as_user: Text | None = None
    run_as_api_key: Text | None = None
    metastore: Any = spelled("metaStore", default=None)
    query_engine: Any = None


@dataclass(frozen=True)
class LakehouseSpec:
    """Canonical Lakehouse: the Depot it makes and where its files are (None: the home's warehouse folder)."""

    depot: str
    path: str | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical LakehouseSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(LakehouseSection, section, reading, path)
    if spec is None:
        return None
    if spec.type != "iceberg":
        reading.error((*path, "type"), f"lakehouse type `{spec.type}` is not allowed", hint="allowed: iceberg")
    storage = spec.iceberg.storage
    where = (*path, "iceberg", "storage")
    if storage.type in ("s3", "abfss", "wasbs", "gcs"):
        reading.error(
            (*where, "type"),
            f"storage of type `{storage.type}` is not supported yet",
            code="manifest.unsupported",
            hint=f"use `type: file`; {_LATER}",
        )
    elif storage.type != "file":
        reading.error((*where, "type"), f"storage type `{storage.type}` is not allowed", hint="allowed: file")
    if storage.file and storage.file.format != "iceberg":
        reading.error(
            (*where, "file", "format"), f"format `{storage.file.format}` is not allowed", hint="allowed: iceberg"
        )
    if spec.query_engine or spec.iceberg.query_engine:
        reading.error(
            (*path, "iceberg", "queryEngine"),
            "a Lakehouse's own query engine (Themis) is not supported yet",
            code="manifest.unsupported",
            hint="leave it out: the Cluster `miniature` serves every Lakehouse",
        )
    depot = storage.depot_name or default_depot(context.meta.name, context.workspace or "public")
    if not names.matches(depot, names.FLAT):
        reading.error((*where, "depotName"), names.rule_text("depotName", depot, names.FLAT), code="manifest.name")
    if len(reading.problems) > before:
        return None
    return KindReading(LakehouseSpec(depot, storage.file.path if storage.file else None))


def default_depot(name: str, workspace: str) -> str:
    """`<lakehouse>0<workspace>0storage`, characters that a depot name may not hold dropped (ch06 1.3)."""
    flat = re.sub(r"[^a-z0-9]", "", f"{name}0{workspace}0storage").lstrip("0123456789")
    return flat[: names.MAX_NAME]
