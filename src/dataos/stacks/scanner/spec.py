"""What a stackSpec of the stack `scanner` may say: metadata of a source, or an indexer of events (ch02 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.manifest import locations
from dataos.manifest.annotations import Shape, Words
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled
from dataos.manifest.stacks import Use, literal_credentials, read_depot
from dataos.stacks.scanner.patterns import Config, read_config
from dataos.stacks.scanner.patterns import ConfigBlock as FilterBlock

WORKERS = ("poros_indexer", "data_profile_indexer", "data_quality_indexer", "soda_indexer", "query_indexer")
SYSTEM_TYPES = ("data-product", "users")
CONNECTORS = (
    "bigquery", "snowflake", "redshift", "mysql", "mariadb", "mssql", "postgres", "oracle", "mongodb", "trino",
    "kafka", "pulsar", "elasticsearch", "athena", "databricks", "superset", "powerbi", "tableau", "looker", "metabase",
)  # fmt: skip
"""Sources that are reached without a depot, by the names that are known. Others are taken with a notice."""

_SECRETS = frozenset({"privatekey", "privatekeyid", "credentials", "connectionstring", "secretaccesskey"})
_TEMPLATE = re.compile(r"\$\{|\{\{|^\$[A-Za-z_]")


class ConnectionBlock(Spec):
    """`sourceConnection`: how to reach a source without a depot."""

    config: dict[str, Any]
    """`type` of the connector, and what it needs."""


class ConfigBlock(Spec):
    """`sourceConfig`."""

    config: Annotated[dict[str, Any], Shape(FilterBlock)] = {}
    """What is taken in and left out."""


class StackBlock(Spec):
    """The stackSpec as written."""

    depot: Text | None = None
    """Depot to scan, by name or address."""
    type: Text | None = None
    """A connector, or data-product, users, worker."""
    worker: Annotated[Text, Words(*WORKERS)] | None = None
    """Which indexer."""
    source: Text | None = None
    """Name of the source in the catalog."""
    source_connection: ConnectionBlock | None = None
    """How to reach a source without a depot."""
    source_config: ConfigBlock | None = None
    """What is taken in and left out."""


class GcsConfig(Spec):
    """`credentials.gcsConfig` of BigQuery: a service account."""

    type: Text = "service_account"
    project_id: Text
    private_key_id: Text
    private_key: Text
    client_email: Text
    client_id: Text
    auth_uri: Text = "https://accounts.google.com/o/oauth2/auth"
    token_uri: Text = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    auth_provider_x509_cert_url: Text = spelled(
        default="https://www.googleapis.com/oauth2/v1/certs", alias="authProviderX509CertUrl"
    )
    client_x509_cert_url: Text = spelled(alias="clientX509CertUrl")


@dataclass(frozen=True)
class ScannerSpec:
    """One scan. `form`: depot, connection, data-product, users or worker."""

    form: str
    config: Config
    depot: Udl | None = None
    connector: str | None = None
    source: str | None = None  # its name in the catalog
    connection: dict[str, Any] | None = None
    worker: str | None = None
    addresses: tuple[tuple[Path, Udl], ...] = ()
    secret_paths: tuple[Path, ...] = ()


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> ScannerSpec | None:
    """Canonical ScannerSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    written = block.source_config.config if block.source_config else {}
    config = read_config(written, (*path, "sourceConfig", "config"), reading)
    form = _form(block, path, reading)
    depot = read_depot(block.depot, (*path, "depot"), reading) if form == "depot" and block.depot else None
    worker = None
    if form == "worker":
        worker = one_of(block.worker or "", WORKERS, (*path, "worker"), reading, "worker") if block.worker else None
        if block.worker is None:
            hint = "allowed: " + ", ".join(WORKERS)
            reading.error(path, "`worker` is required with type worker", code="manifest.missing", hint=hint)
    connection = _connection(block, path, reading) if form == "connection" else None
    if config is not None and config.type == "DataProduct" and form not in ("data-product", None):
        where = (*path, "sourceConfig", "config", "type")
        reading.error(where, "`DataProduct` goes with `type: data-product`", hint="write DatabaseMetadata")
    if form == "data-product" and config is not None and "dataProduct" not in config.filters:
        hint = "add `dataProductFilterPattern: {includes: ['^name$']}`"
        reading.warn(path, "without a filter every Data Product is scanned", hint=hint)
    if form is None or config is None or len(reading.problems) > before:
        return None
    return ScannerSpec(
        form=form,
        config=config,
        depot=depot,
        connector=(block.type or "").strip().lower() if form == "connection" else None,
        source=block.source,
        connection=connection,
        worker=worker,
        addresses=(((*path, "depot"), depot),) if depot else (),
        secret_paths=tuple(literal_credentials(data, _TEMPLATE, _SECRETS)),
    )


def bind(spec: ScannerSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """A scan ends and is a job of a Workflow; an indexer never ends and is a Worker."""
    is_worker = spec.form == "worker"
    if is_worker != (use.host == "worker"):
        what, kind = ("an indexer never ends", "worker") if is_worker else ("a scan ends", "workflow")
        reading.error(
            (*use.stack_path, "type" if is_worker or spec.depot is None else "depot"),
            f"{what}: it cannot run under a {use.host}",
            code="stack.host",
            hint=f"write a manifest of type {kind}",
        )
    return ()


def _form(block: StackBlock, path: Path, reading: Reading) -> str | None:
    """Which of the recipes this is. What belongs to another one is a problem."""
    type_ = (block.type or "").strip().lower().replace("_", "-")
    if type_ == "worker" or (block.worker is not None and not type_ and block.depot is None):
        form, allowed = "worker", ("type", "worker")
        if not type_:
            reading.warn((*path, "worker"), "`type: worker` is not said: it is taken", code="manifest.variant")
    elif type_ in SYSTEM_TYPES:
        form, allowed = type_, ("type", "sourceConfig")
    elif block.depot is not None:
        form, allowed = "depot", ("depot", "sourceConfig", "source", "type")
        for key, value in (("type", block.type), ("source", block.source)):
            if value is not None and key == "type":
                reading.warn((*path, key), f"`{key}` has no effect beside `depot`: the depot knows its type")
    elif type_:
        form, allowed = "connection", ("type", "source", "sourceConnection", "sourceConfig")
    else:
        hint = "name a `depot`, or a `type`: a connector, data-product, users or worker"
        reading.error(
            path, "there is nothing to scan: `depot` or `type` is required", code="manifest.missing", hint=hint
        )
        return None
    given = {
        "depot": block.depot,
        "type": block.type,
        "worker": block.worker,
        "source": block.source,
        "sourceConnection": block.source_connection,
        "sourceConfig": block.source_config,
    }
    for key, value in given.items():
        if value is not None and key not in allowed:
            what = f"`type: {type_}`" if form != "depot" else "`depot`"
            reading.error((*path, key), f"`{key}` cannot stand beside {what}", hint="keep one of them")
    return form


def _connection(block: StackBlock, path: Path, reading: Reading) -> dict[str, Any] | None:
    """The connection of a source without a depot: which connector, and what it needs."""
    connector = (block.type or "").strip().lower()
    if connector not in CONNECTORS:
        near = names.nearest(connector, (*CONNECTORS, *SYSTEM_TYPES, "worker"), 1)
        if near:
            reading.error((*path, "type"), f"type `{block.type}` is not known", hint=f"did you mean `{near[0]}`?")
        else:
            reading.warn((*path, "type"), f"no source of type `{block.type}` is known", hint=", ".join(CONNECTORS))
    if block.source is None or not block.source.strip():
        hint = "the name that the source gets in the catalog"
        reading.error(path, "`source` is required without a depot", code="manifest.missing", hint=hint)
    if block.source_connection is None:
        reading.error(path, "`sourceConnection` is required without a depot", code="manifest.missing")
        return None
    config, where = block.source_connection.config, (*path, "sourceConnection", "config")
    said = next((v for k, v in config.items() if k.lower() == "type"), None)
    if said is None:
        hint = "for instance type: BigQuery"
        reading.error(where, "`type` is required", code="manifest.missing", hint=hint)
    elif connector in CONNECTORS and str(said).strip().lower().replace("-", "").replace("_", "") != connector.replace(
        "-", ""
    ).replace("_", ""):
        reading.error((*where, "type"), f"`{said}` does not fit type `{block.type}`", hint="name the same connector")
    if connector == "bigquery":
        _check_service_account(config, where, reading)
    return config


def _check_service_account(config: dict[str, Any], path: Path, reading: Reading) -> None:
    block: Any = config
    for key in ("credentials", "gcsConfig"):
        found = next((k for k in block if k.lower() == key.lower()), None) if isinstance(block, dict) else None
        if found is None:
            hint = "credentials.gcsConfig holds the fields of a service account's key"
            reading.error(path, f"`{key}` is required for BigQuery", code="manifest.missing", hint=hint)
            return
        path, block = (*path, key), cast("dict[str, Any]", block)[found]
    account = read_model(GcsConfig, block, reading, path)
    if account is None:
        return
    if account.type != "service_account":
        reading.error((*path, "type"), f"type `{account.type}` is not allowed", hint="write service_account")
    for key, url in (
        ("authUri", account.auth_uri),
        ("tokenUri", account.token_uri),
        ("authProviderX509CertUrl", account.auth_provider_x509_cert_url),
        ("clientX509CertUrl", account.client_x509_cert_url),
    ):
        locations.check_url(url, ("https", "http"), (*path, key), reading)
