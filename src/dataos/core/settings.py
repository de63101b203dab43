"""The server's settings: one typed tree, read once at start and passed down.

Sources, later ones win: defaults, `<home>/settings.yaml`, environment `DATAOS_<AREA>__<KEY>`, flags of `dataos up`.
Unknown keys fail; null and false survive merging. The reference page is generated from the descriptions here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator

from dataos.core.errors import DataOSError, Problem
from dataos.core.loginsettings import AuthSettings
from dataos.core.settingareas import Area
from dataos.core.sparkaddresses import SparkAddress

ENV_PREFIX = "DATAOS_"


class ListenSettings(Area):
    """Where the server listens."""

    host: str = Field(
        default="127.0.0.1", description="Address to bind. A public one without TLS is refused unless forced."
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="HTTP port; 0 picks a free one (recorded in run/server.json)."
    )


class StoreSettings(Area):
    """Where state is kept."""

    url: str | None = Field(
        default=None,
        repr=False,
        description="Where the store is: postgresql://user@host:5432/database, or "
        "postgresql://user@/database?host=/run/postgresql for a local socket; by default SQLite at <home>/store.db.",
    )
    password: SecretStr | None = Field(
        default=None,
        description="Password of the PostgreSQL user; give it as DATAOS_STORE__PASSWORD. PostgreSQL's own PGPASSFILE "
        "works too.",
    )
    password_file: str | None = Field(
        default=None, description="File that holds the password instead (its last line break does not count)."
    )
    server_ttl_s: float = Field(
        default=3.5,
        ge=1.0,
        description="PostgreSQL only: seconds without a sign of life after which the other servers take over a "
        "server's work. Its own jobs end after half of that.",
    )
    readers: int = Field(default=4, ge=1, le=64, description="Threads that serve store reads.")


class StorageSettings(Area):
    """Which folders manifests may name."""

    allowed_paths: tuple[str, ...] = Field(
        default=(),
        description="Folders under which explicit storage and FILE-depot paths must lie, besides <home>/files; "
        "`dataos up` adds the folder it ran in, `up --allow DIR` adds one.",
    )


class WorkloadSettings(Area):
    """Running jobs on this machine."""

    cpus: float | None = Field(
        default=None, gt=0, description="CPUs that jobs may hold together; default: all of the machine."
    )
    memory_mib: int | None = Field(
        default=None, gt=0, description="Memory (MiB) that jobs may hold together; default: 80 % of the machine's."
    )
    sandbox: Literal["auto", "required", "off"] = Field(
        default="auto",
        description="auto: bubblewrap where installed, else plain child processes for the platform's own jobs "
        "and a refusal for user code; required: refuse to start without it; off: never (user code is then refused).",
    )
    trust_user_code: bool = Field(
        default=False,
        description="Run user code without a sandbox. Only honoured where no second principal exists.",
    )
    log_mib: int = Field(
        default=64, ge=1, description="Log kept per job attempt (MiB); the middle is cut out beyond it."
    )
    scratch_mib: int = Field(default=20_480, ge=64, description="Scratch space per job attempt (MiB).")
    stop_grace_s: float = Field(default=10.0, ge=0, description="Seconds between asking a job to stop and killing it.")
    prepared: int = Field(
        default=2,
        ge=0,
        description="Programs of Flare that wait, in a sandbox of their own, for the next job like the one that ran "
        "last: it begins a second earlier. Each holds about 150 MiB, which count for no job. 0: none wait.",
    )
    prepared_s: float = Field(default=300.0, gt=0, description="Seconds that such a program waits for a job.")
    keep_attempts_h: float = Field(
        default=168.0, ge=0, description="Hours that logs and scratch of ended attempts are kept."
    )


class EngineSettings(Area):
    """The embedded SQL engine."""

    memory_mib: int = Field(default=2048, ge=256, description="Memory limit of one query engine process (MiB).")
    threads: int | None = Field(default=None, ge=1, description="Threads per engine; default: the machine's CPUs.")
    spill_mib: int = Field(default=20_480, ge=0, description="Disk that one engine may spill to (MiB).")


class QuerySettings(Area):
    """Limits of a statement."""

    timeout_s: float = Field(default=300.0, gt=0, description="Default and highest run time of a statement (seconds).")
    max_rows: int = Field(default=1_000_000, ge=1, description="Highest number of rows one HTTP answer may carry.")
    running: int = Field(default=16, ge=1, description="Statements that one Cluster runs at once; others wait.")
    running_per_user: int = Field(default=12, ge=1, description="Statements of one user that a Cluster runs at once.")
    queued: int = Field(default=500, ge=0, description="Statements that may wait on one Cluster; others are refused.")
    queued_s: float = Field(default=300.0, gt=0, description="Longest time that a statement may wait (seconds).")
    spool_min: float = Field(
        default=60.0, gt=0, description="How long the answer of a detached statement is kept (min)."
    )
    spool_result_mib: int = Field(default=1024, ge=1, description="Largest answer of a detached statement (MiB).")
    spool_mib: int = Field(default=10_240, ge=1, description="Room for all of them (MiB): the oldest go first.")
    connect_timeout_s: float = Field(default=5.0, gt=0, description="Seconds to wait for a source system to answer.")


class KeepSettings(Area):
    """How long history is kept."""

    finished_days: float = Field(
        default=3.0,
        ge=0,
        description="Days after its last run in which a Workflow without a schedule stays; then it is deleted (and can "
        "be brought back). 0: it stays.",
    )
    deleted_days: float = Field(
        default=30.0, ge=0, description="Days in which a deleted Resource can be brought back; then it is forgotten."
    )
    events_days: float = Field(default=90.0, ge=1, description="Days that events are kept.")
    audit_days: float = Field(
        default=730.0,
        ge=0,
        description="Days that rows of the audit are kept; `dataos audit verify` knows where it was cut. 0: for good.",
    )
    keys_days: float = Field(
        default=90.0, ge=0, description="Days that API keys are known after they expired or were deleted."
    )
    succeeded_runs: int = Field(default=200, ge=1, description="Runs of one Workflow that are kept if they succeeded.")
    failed_runs: int = Field(default=200, ge=1, description="Runs of one Workflow that are kept if they did not.")


class QuotaSettings(Area):
    """How much the server may keep by itself. What is oldest goes first, never what belongs to a run that goes on."""

    free_mib: int = Field(
        default=512,
        ge=0,
        description="Disk space (MiB) that stays free below the home: with less, no job begins, and files of ended "
        "attempts go. 0: do not look.",
    )
    run_logs_mib: int = Field(default=4096, ge=1, description="Logs of ended attempts together (MiB).")
    scratch_mib: int = Field(
        default=4096,
        ge=0,
        description="Scratch and results of ended attempts together (MiB); running ones have "
        "workloads.scratch_mib each.",
    )
    server_log_mib: int = Field(
        default=64, ge=1, description="The server's own log (MiB), the older files of it (server.log.1 ...) included."
    )
    runs: int = Field(default=100_000, ge=100, description="Ended runs of all Workflows together that are kept.")
    events: int = Field(default=1_000_000, ge=1000, description="Events that are kept.")
    idempotency_keys: int = Field(default=100_000, ge=100, description="Answers of repeatable calls that are kept.")
    generations: int = Field(default=500, ge=2, description="Old generations of one Resource that are kept.")
    statements: int = Field(default=200_000, ge=100, description="Ended statements in the query history.")
    lineage_events: int = Field(default=50_000, ge=100, description="OpenLineage events that are kept.")
    profiles: int = Field(default=100, ge=1, description="Profiles of one dataset that are kept.")
    quality_results: int = Field(default=5_000, ge=1, description="Results of assertions on one dataset that are kept.")
    dataset_versions: int = Field(default=200, ge=1, description="Meta versions of one dataset that are kept.")


class FlareSettings(Area):
    """Which engine runs Flare jobs, and Apache Spark by address."""

    spark: str | None = Field(
        default=None,
        description="A Spark Connect server (sc://host:15002) for the jobs that the embedded engine cannot run and "
        "whose Compute names none: docs/howto/use-apache-spark.md.",
    )
    spark_token: SecretStr | None = Field(
        default=None, description="The token that it asks for; give it as DATAOS_FLARE__SPARK_TOKEN."
    )
    engine: Literal["auto", "spark"] = Field(
        default="auto",
        description="auto: the embedded engine, and flare.spark for what it cannot do; spark: flare.spark for all.",
    )
    catalog_url: str | None = Field(
        default=None,
        description="This server's address as Spark reaches it, for instance https://dataos.example; default: the "
        "address it listens at, which a Spark on the same machine reaches.",
    )

    @field_validator("spark")
    @classmethod
    def _address(cls, text: str | None) -> str | None:
        try:
            return None if text is None else str(SparkAddress.parse(text))
        except DataOSError as error:
            raise ValueError(f"{error.problem.message} ({error.problem.hint})") from None

    @model_validator(mode="after")
    def _has_spark(self) -> FlareSettings:
        if self.engine == "spark" and self.spark is None:
            raise ValueError("flare.engine is `spark`, but flare.spark names none")
        return self


class MetricsSettings(Area):
    """`/metrics` for Prometheus."""

    open_on_loopback: bool = Field(
        default=False,
        description="Answer callers on the server's own machine without a token. Not behind a proxy there that adds no "
        "X-Forwarded-For: it would open them to everybody.",
    )


class MetadataSettings(Area):
    """Lineage, and who else hears of it. Events are OpenLineage (2-0-2)."""

    openlineage_namespace: str = Field(
        default="dataos",
        min_length=1,
        max_length=200,
        description="Namespace of this installation's jobs in its events; events of others may not use it.",
    )
    openlineage_url: str | None = Field(
        default=None,
        description="Where events are sent: the whole address, for instance http://marquez:5000/api/v1/lineage. "
        "Default: nowhere; they are served under /api/v1/lineage/events.",
    )
    openlineage_api_key: SecretStr | None = Field(
        default=None,
        description="Bearer token of that receiver; give it as DATAOS_METADATA__OPENLINEAGE_API_KEY.",
    )
    openlineage_api_key_file: str | None = Field(
        default=None, description="File that holds the token instead (its last line break does not count)."
    )
    openlineage_timeout_s: float = Field(default=10.0, gt=0, description="Seconds that the receiver may take.")
    openlineage_keep_h: float = Field(
        default=72.0,
        gt=0,
        description="Hours that an event waits for a receiver that does not answer; then it is given up.",
    )


class Settings(Area):
    """The whole tree."""

    listen: ListenSettings = ListenSettings()
    store: StoreSettings = StoreSettings()
    storage: StorageSettings = StorageSettings()
    workloads: WorkloadSettings = WorkloadSettings()
    engine: EngineSettings = EngineSettings()
    query: QuerySettings = QuerySettings()
    keep: KeepSettings = KeepSettings()
    quotas: QuotaSettings = QuotaSettings()
    metrics: MetricsSettings = MetricsSettings()
    metadata: MetadataSettings = MetadataSettings()
    flare: FlareSettings = FlareSettings()
    auth: AuthSettings = AuthSettings()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The server's own log level."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="Form of the server's log; auto: text on a terminal, JSON elsewhere."
    )
    access_log: bool = Field(default=True, description="A line in the log for each HTTP call.")


def load(home: Path, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Merge all sources into Settings. Raises DataOSError `settings.invalid` listing every fault at once."""
    merged: dict[str, Any] = {}
    file = home / "settings.yaml"
    if file.exists():
        _merge(merged, _from_file(file))
    _merge(merged, _from_environment(environ))
    _merge(merged, flags)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise DataOSError(
            Problem(
                "settings.invalid",
                f"setting {'.'.join(str(p) for p in item['loc'])}: {_explain(item['type'], item['msg'])}",
                hint=_known(item["loc"])
                + f"settings come from {file}, {ENV_PREFIX}<AREA>__<KEY> and the flags of `dataos up`",
            )
            for item in error.errors()
        ) from error


def _from_file(file: Path) -> dict[str, Any]:
    try:
        body = yaml.safe_load(file.read_text("utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        text = f"not YAML: {error.problem or error.context}"
        raise DataOSError(Problem("settings.invalid", text, file=str(file), line=line)) from error
    except UnicodeDecodeError as error:
        raise DataOSError(Problem("settings.invalid", f"{file} is not UTF-8", hint="save it as UTF-8")) from error
    except (OSError, yaml.YAMLError) as error:
        raise DataOSError(Problem("settings.invalid", f"cannot read {file}: {error}")) from error
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise DataOSError(Problem("settings.invalid", f"{file} must hold a mapping", file=str(file)))
    return cast("dict[str, Any]", body)


def _explain(kind: str, message: str) -> str:
    return "there is no such setting" if kind == "extra_forbidden" else message


def _known(place: tuple[int | str, ...]) -> str:
    """The keys that stand beside an unknown one, as a hint; nothing for a known one."""
    model: type[BaseModel] = Settings
    for part in place[:-1]:
        inner = model.model_fields.get(str(part))
        if inner is None or not isinstance(inner.default, Area):
            return ""
        model = type(inner.default)
    return "" if str(place[-1]) in model.model_fields else f"known here: {', '.join(model.model_fields)}; "


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        *areas, key = name[len(ENV_PREFIX) :].lower().split("__")
        place = found
        for area in areas:
            place = place.setdefault(area, {})
        place[key] = _SEPARATED[key](value) if key in _SEPARATED else value
    for name, key in (("LOG_LEVEL", "log_level"), ("LOG_FORMAT", "log_format"), ("ACCESS_LOG", "access_log")):
        if environ.get(ENV_PREFIX + name):
            value = environ[ENV_PREFIX + name]
            found[key] = value.upper() if key == "log_level" else value.lower()
    return found


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


_SEPARATED = {"allowed_paths": lambda text: text.split(os.pathsep), "scopes": _words, "algorithms": _words}
"""Settings that are lists, and how one variable holds them."""


def _merge(base: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        known = base.get(key)
        if isinstance(value, Mapping) and isinstance(known, dict):
            _merge(known, value)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, Mapping):
            base[key] = {}
            _merge(base[key], value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            base[key] = value
