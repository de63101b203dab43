"""What a Lakehouse manifest may say (ch06 1.2, 1.3). Storage of type `file` is the embedded default, and ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import Field

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest import blocks, engines, registry
from dataos.manifest.annotations import Shape, Words, needs, rules, when
from dataos.manifest.blocks import AutoScaling, Count, Resources, SecretUse
from dataos.manifest.depot_types import DEPOT_TYPES
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.specs import LowerText, Path, Reading, Spec, Text, one_of, read_model, spelled

_LATER = "see docs/roadmap.md"
STORAGES = ("file", "abfss", "wasbs", "s3", "gcs")
CATALOG_TYPES = ("hadoop", "hive")
METASTORES = ("iceberg-rest-catalog", "rest", "hive", "hadoop", "glue")


class Place(Spec):
    """What all kinds of storage share."""

    relative_path: Text | None = None
    """Folder below the bucket or container."""
    format: Annotated[LowerText, Words("iceberg")] = "iceberg"
    """Format of the tables."""
    iceberg_catalog_type: Annotated[LowerText, Words(*CATALOG_TYPES)] | None = None
    """Kind of catalog beside the tables."""
    metastore_type: Annotated[LowerText, Words(*METASTORES, also=("iceberg-rest-catlog",))] | None = None
    """Catalog service."""
    metastore_url: Text | None = None
    """Address of the catalog service."""
    depot_name: Text | None = None
    """Old place of `storage.depotName`."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    """Secrets of the storage."""


class FileStorage(Place):
    """A folder on this machine. Without `path`: `<home>/warehouse/<depot name>`."""

    path: Text | None = None
    """Folder on this machine; in the home's warehouse if left out."""


class AzureStorage(Place):
    """A container of an Azure storage account."""

    account: Text | None = None
    """Storage account."""
    container: Text | None = None
    """Container."""
    endpoint_suffix: Text | None = None
    """Suffix of the account's address."""


class GcsStorage(Place):
    """A bucket of Google Cloud Storage."""

    bucket: Text
    """Bucket."""


class S3Storage(Place):
    """A bucket of S3, or of a store that speaks like it."""

    bucket: Text
    """Bucket."""
    region: Text | None = None
    """Region of the bucket."""
    endpoint: Text | None = None
    """Address of a store outside of AWS."""
    scheme: Text | None = None
    """s3a, s3 or https."""


class Storage(Spec, json_schema_extra=rules(*(when("type", kind, needs(kind)) for kind in STORAGES[1:]))):
    """Where the tables live."""

    depot_name: Text | None = None
    """Name of the Depot that is made."""
    type: Annotated[LowerText, Words(*STORAGES)] = "file"
    """Kind of storage; its section is named the same."""
    file: FileStorage | None = None
    """A folder on this machine."""
    abfss: AzureStorage | None = None
    """Azure Data Lake Storage."""
    wasbs: AzureStorage | None = None
    """Azure Blob Storage."""
    s3: S3Storage | None = None
    """S3, or a store that speaks like it."""
    gcs: GcsStorage | None = None
    """Google Cloud Storage."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    """Secrets of the storage."""


class Metastore(Spec):
    """The catalog service. Ours serves every Lakehouse from the server itself."""

    type: Annotated[LowerText, Words("iceberg-rest-catalog", "rest", also=("iceberg-rest-catlog",))]
    """Catalog service."""
    replicas: Count | None = None
    auto_scaling: AutoScaling | None = None
    resources: Resources = spelled("resource", default=Resources())


class QueryEngine(Spec):
    """A Lakehouse's own engine."""

    type: Annotated[LowerText, Words("themis")]
    """Engine."""
    resources: Resources = spelled("resource", default=Resources())
    storage_acl: Annotated[LowerText, Words("r", "rw")] = "r"
    """What the engine may do with the storage."""
    themis: engines.Themis | None = None
    """The engine's section."""


class Iceberg(Spec):
    """The format section."""

    storage: Storage = Storage()
    """Where the tables are."""
    metastore: Metastore | None = spelled("metaStore", default=None)
    """The catalog service."""
    query_engine: QueryEngine | None = None
    """An engine of its own."""


class LakehouseSection(Spec):
    """The section as written."""

    type: Annotated[LowerText, Words("iceberg")]
    """Table format."""
    compute: Text = "query-default"
    """Compute it runs on."""
    iceberg: Iceberg = Iceberg()
    """Storage, catalog and engine."""
    run_as_user: Text | None = None
    """Has no effect."""
    run_as_api_key: Text | None = Field(default=None, repr=False)
    """Has no effect; it is sealed."""


@dataclass(frozen=True)
class LakehouseSpec:
    """Canonical Lakehouse: the Depot it makes and where its files are (path None: the home's warehouse folder).

    `place`: of a storage that is no folder, its location as a depot of that type has it; `secrets` open it.
    """

    depot: str
    path: str | None
    storage: str = "file"
    place: dict[str, Any] = field(default_factory=dict[str, Any])
    secrets: tuple[SecretUse, ...] = ()
    compute: str = "query-default"
    engine: QueryEngine | None = None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical LakehouseSpec with references to its Secrets and Compute."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(LakehouseSection, _lifted(section, path, reading), reading, path)
    if spec is None:
        return None
    one_of(spec.type, ("iceberg",), (*path, "type"), reading, "lakehouse type")
    storage = spec.iceberg.storage
    where = (*path, "iceberg", "storage")
    kind = one_of(storage.type, STORAGES, (*where, "type"), reading, "storage type")
    place = _place(storage, kind, where, reading) if kind else None
    depot = _depot_name(storage, kind, place, context, where, reading)
    written = [(entry, (*where, "secrets", i)) for i, entry in enumerate(storage.secrets)]
    if place is not None:
        written += [(entry, (*where, kind or "", "secrets", i)) for i, entry in enumerate(place.secrets)]
    uses = blocks.read_secret_uses(written, reading)
    references: tuple[Reference, ...] = (
        # a storage's Secrets are Instance-Secrets, but for those that name a workspace (ch06 1.2)
        *(
            Reference(
                ResourceKey("secret", u.name, u.workspace)
                if u.workspace
                else ResourceKey("?secret", u.name, context.workspace),
                at,
            )
            for u, at in uses
        ),
        *blocks.compute_reference(spec.compute, (*path, "compute")),
    )
    _check_services(spec, path, reading)
    if kind == "file" and uses:
        reading.warn((*where, "secrets"), "`secrets` has no effect: a folder needs none")
    location: dict[str, Any] = {}
    if isinstance(place, S3Storage):
        location = _bucket(place, (*where, "s3"), reading)
        if not written:
            reading.error(
                where,
                "`secrets` is required for a bucket",
                code="manifest.missing",
                hint="name Instance-Secrets with the keys accesskeyid and secretkey, one of acl rw",
            )
    elif kind not in (None, "file"):
        hint = f"use `type: file` or `type: s3`; {_LATER}"
        reading.later((*where, "type"), f"storage of type `{kind}` cannot be used yet", hint=hint)
        location = place.model_dump(mode="json", by_alias=True, exclude_none=True) if place else {}
    sealed = blocks.written_path(section, "runAsApiKey")
    if kind is None or len(reading.problems) > before:
        return None
    canonical = LakehouseSpec(
        depot=depot,
        path=_folder(place, where, reading) if isinstance(place, FileStorage) else None,
        storage=kind,
        place=location,
        secrets=tuple(use for use, _ in uses) if kind != "file" else (),
        compute=spec.compute,
        engine=spec.iceberg.query_engine,
    )
    return KindReading(canonical, references, (sealed,) if sealed else ())


def _lifted(section: Any, path: Path, reading: Reading) -> Any:
    """`metastore` and `queryEngine` beside `iceberg` belong into it (ch06 1.3)."""
    if not isinstance(section, dict):
        return section
    whole = dict(cast("dict[str, Any]", section))
    stray = [k for k in whole if k.lower() in ("metastore", "queryengine")]
    home = next((k for k in whole if k.lower() == "iceberg"), "iceberg")
    if not stray or not isinstance(whole.get(home) or {}, dict):
        return whole
    inner = dict(cast("dict[str, Any]", whole.get(home) or {}))
    for key in stray:
        value = whole.pop(key)
        if any(k.lower() == key.lower() for k in inner):
            reading.error((*path, key), f"`{key}` is given twice", hint="keep the one below `iceberg`")
            continue
        reading.warn((*path, key), f"`{key}` belongs below `iceberg`", code="manifest.variant")
        inner[key] = value
    return {**whole, home: inner}


def _place(storage: Storage, kind: str, path: Path, reading: Reading) -> Place | None:
    """The block of the storage's type, checked. Blocks of other types have no effect."""
    for other in STORAGES:
        if other != kind and getattr(storage, other) is not None:
            reading.warn((*path, other), f"`{other}` has no effect: the storage's type is {kind}")
    place: Place | None = getattr(storage, kind)
    if place is None:
        if kind != "file":
            hint = f"a storage of type {kind} says where it is below `{kind}:`"
            reading.error(path, f"`{kind}` is required", code="manifest.missing", hint=hint)
        return None
    where = (*path, kind)
    one_of(place.format, ("iceberg",), (*where, "format"), reading, "format")
    if place.iceberg_catalog_type is not None:
        one_of(place.iceberg_catalog_type, CATALOG_TYPES, (*where, "icebergCatalogType"), reading, "icebergCatalogType")
    if place.metastore_type is not None:
        _metastore_type(place.metastore_type, (*where, "metastoreType"), reading)
    if place.metastore_url is not None:
        reading.later((*where, "metastoreUrl"), "a metastore elsewhere cannot be used yet", hint=_LATER)
    return place


def _bucket(place: S3Storage, path: Path, reading: Reading) -> dict[str, Any]:
    """Location of a depot of type S3; empty after errors."""
    written = {
        "bucket": place.bucket,
        "relativePath": place.relative_path,
        "region": place.region,
        "endpoint": place.endpoint,
        "scheme": (place.scheme or "").removesuffix("://"),
    }
    read_location = registry.resolve(DEPOT_TYPES["S3"].spec)
    found = read_location({key: value for key, value in written.items() if value}, reading, path)
    return found.model_dump(mode="json", by_alias=True, exclude_none=True) if found is not None else {}


def _folder(place: FileStorage, path: Path, reading: Reading) -> str | None:
    relative = (place.relative_path or "").strip("/")
    if relative and place.path is None:
        reading.warn((*path, "file", "relativePath"), "`relativePath` has no effect without `path`")
    return f"{place.path.rstrip('/')}/{relative}" if relative and place.path else place.path


def _metastore_type(written: str, path: Path, reading: Reading) -> str | None:
    if written == "iceberg-rest-catlog":
        reading.warn(path, f"`{written}` is read as `iceberg-rest-catalog`", code="manifest.variant")
        written = "iceberg-rest-catalog"
    return one_of(written, METASTORES, path, reading, "metastore type")


def _depot_name(
    storage: Storage, kind: str | None, place: Place | None, context: Context, path: Path, reading: Reading
) -> str:
    name = storage.depot_name
    if place is not None and place.depot_name is not None:
        where = (*path, kind or "", "depotName")
        if name is not None and name != place.depot_name:
            reading.error(where, f"depotName `{place.depot_name}` differs from `{name}` of the storage")
        elif name is None:
            reading.warn(where, "`depotName` belongs beside `type`", code="manifest.variant")
        name = name or place.depot_name
    depot = name or default_depot(context.meta.name, context.workspace or "public")
    if not names.matches(depot, names.FLAT):
        reading.error((*path, "depotName"), names.rule_text("depotName", depot, names.FLAT), code="manifest.name")
    return depot


def _check_services(spec: LakehouseSection, path: Path, reading: Reading) -> None:
    """The catalog service and the engine: what is said of them is right, and what it does here."""
    where = (*path, "iceberg", "metastore")
    store, engine = spec.iceberg.metastore, spec.iceberg.query_engine
    if store is not None:
        if _metastore_type(store.type, (*where, "type"), reading) not in (None, "iceberg-rest-catalog", "rest"):
            reading.error(
                (*where, "type"), f"metastore type `{store.type}` is not allowed", hint="allowed: iceberg-rest-catalog"
            )
        blocks.read_scaling(store.auto_scaling, (*where, "autoScaling"), reading)
        blocks.read_sizes(store.resources, (*where, "resources"), reading)
        if store.replicas is not None or store.auto_scaling or store.resources != Resources():
            reading.warn(where, "the server's own catalog serves this Lakehouse: its size here has no effect")
    if engine is not None:
        where = (*path, "iceberg", "queryEngine")
        one_of(engine.type, ("themis",), (*where, "type"), reading, "queryEngine type")
        one_of(engine.storage_acl, ("r", "rw"), (*where, "storageAcl"), reading, "storageAcl")
        blocks.read_sizes(engine.resources, (*where, "resources"), reading)
        if engine.themis is not None:
            engines.check_themis(engine.themis, (*where, "themis"), reading)
        hint = "leave it out: the Cluster `miniature` serves every Lakehouse"
        reading.later(where, "a Lakehouse's own query engine (Themis) cannot run yet", hint=hint)
    for key, value in (("runAsUser", spec.run_as_user), ("runAsApiKey", spec.run_as_api_key)):
        if value:
            reading.warn((*path, key), f"`{key}` is accepted and has no effect: the server opens the storage")


def default_depot(name: str, workspace: str) -> str:
    """`<lakehouse>0<workspace>0storage`, characters that a depot name may not hold dropped (ch06 1.3)."""
    flat = re.sub(r"[^a-z0-9]", "", f"{name}0{workspace}0storage").lstrip("0123456789")
    return flat[: names.MAX_NAME]
