"""What a Lens manifest may say (ch07 11): where the semantic model is kept, what it reads, and how it is served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.kinds.lens.layouts import COMPONENTS, lift
from dataos.manifest import blocks
from dataos.manifest.annotations import Shape, Words
from dataos.manifest.blocks import Count, PortNumber, Scaling, SecretUse, Sizes, Spread
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

SOURCES = ("depot", "minerva", "themis", "flash")
LOG_LEVELS = ("INFO", "WARN", "DEBUG", "ERROR")
DEFAULT_SIZES = Sizes(cpu_request=0.1, memory_request=100 << 20, cpu_limit=0.4, memory_limit=400 << 20)
_SECRET_ENV = re.compile(r"(APIKEY|API_KEY|PASSWORD|_PASS|TOKEN|SECRET)$", re.IGNORECASE)


class SourceBlock(Spec):
    """What the model's SQL reads."""

    type: Annotated[Text, Words(*SOURCES)]
    """What the model reads."""
    name: Text
    """Name of the Depot or Cluster."""
    catalog: Text | None = None
    """Catalog of the Cluster."""


class RepoBlock(Spec):
    """Where the model's files are."""

    url: Text
    """Address of the Git repository."""
    lens_base_dir: Text = spelled("baseDir")
    """Folder of the model in the repository."""
    secret_id: Text | None = None
    """Secret with the repository's credentials."""
    sync_flags: tuple[Text, ...] = spelled("syncFlag", default=(), lone=True)
    """Flags of the synchronisation, for instance `--ref=main`."""


class LensScaling(blocks.AutoScaling):
    """As elsewhere, but a block that is there is enabled."""

    enabled: bool = True


class MetricEndpoint(Spec):
    """Where measurements are read."""

    port: PortNumber
    """Port."""
    path: Text = "/metrics"
    """Path."""


class ComponentBlock(Spec):
    """`api`, `worker`, `router`, `iris`, `metric`."""

    log_level: Annotated[Text, Words(*LOG_LEVELS)] = "INFO"
    """How much is logged."""
    replicas: Count = 1
    """How many processes."""
    resources: blocks.Resources = spelled("resource", default=blocks.Resources())
    """CPU and memory."""
    envs: blocks.Envs = spelled("env", default={})
    """Environment variables."""
    auto_scaling: LensScaling | None = spelled("autoscaling", default=None)
    """Replicas that follow the use."""
    metric_endpoint: MetricEndpoint | None = None
    """Where measurements are read."""
    high_availability_config: blocks.HighAvailability | None = None
    """How replicas are spread."""


class LensSection(Spec):
    """The section as written."""

    compute: Text
    """Compute it runs on."""
    run_as_api_key: Text | None = None
    """API key it reads with; it is sealed."""
    run_as_user: Text | None = None
    """User as whom it reads."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled(
        "secret", "dataosSecrets", default=(), lone=True
    )
    """Secrets of repository and source."""
    source: SourceBlock
    """What the model's SQL reads."""
    repo: RepoBlock = spelled("repository")
    """Where the model's files are."""
    api: ComponentBlock | None = None
    """Component that answers questions."""
    worker: ComponentBlock | None = None
    """Component that runs statements."""
    router: ComponentBlock | None = None
    """Component that distributes statements."""
    iris: ComponentBlock | None = None
    """Component that serves the studio."""
    metric: ComponentBlock | None = spelled("metrics", default=None)
    """Component that serves metrics."""


@dataclass(frozen=True)
class Component:
    """One component, canonical. `sizes` are whole: what is not said has its default."""

    log_level: str
    replicas: int
    sizes: Sizes
    envs: dict[str, str]
    scaling: Scaling | None
    spread: Spread | None
    metric_port: int | None
    metric_path: str

    def __repr__(self) -> str:
        return f"Component(replicas={self.replicas}, envs={sorted(self.envs)})"


@dataclass(frozen=True)
class Repository:
    """`folder`: below the repository's top. `ref`: branch, None: its main branch. `secret`: of its credentials."""

    url: str
    folder: str
    ref: str | None
    secret: str | None


@dataclass(frozen=True)
class LensSpec:
    """Canonical Lens. `acts_by_key`: a sealed key says whose rights it has."""

    compute: str
    source_type: str
    source: str
    catalog: str | None
    repository: Repository
    secrets: tuple[SecretUse, ...]
    components: dict[str, Component]
    run_as_user: str | None
    acts_by_key: bool


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical LensSpec. Keys that stand beside the section are read as part of it."""
    path: Path = (context.section,)
    before = len(reading.problems)
    for where in blocks.paths_where(context.root, _is_secret):
        reading.error(where, "a secret may not stand outside of the section", hint=f"indent it below `{path[0]}`")
    data = lift(section, context.root, reading, path)
    spec = read_model(LensSection, data, reading, path)
    if spec is None:
        return None
    if not names.matches(spec.compute, names.STD):
        rule = names.rule_text("compute", spec.compute, names.STD)
        reading.error((*path, "compute"), rule, code="manifest.name")
    word = "minerva" if spec.source.type.strip().lower() == "trino" else spec.source.type
    if word != spec.source.type:
        reading.warn((*path, "source", "type"), "type `trino` is read as `minerva`", code="manifest.variant")
    kind = one_of(word, SOURCES, (*path, "source", "type"), reading, "type of source")
    if not spec.source.name.strip():
        reading.error((*path, "source", "name"), "a source has a name", code="manifest.missing")
    if spec.source.catalog is not None and kind in ("depot", "flash"):
        reading.warn((*path, "source", "catalog"), f"`catalog` has no effect where the source is a {kind}")
    uses = _secrets(spec, path, reading)
    repository = _repository(spec.repo, bool(uses), (*path, "repo"), reading)
    components = {
        name: _component(block, name, (*path, name), reading)
        for name in COMPONENTS
        if (block := cast("ComponentBlock | None", getattr(spec, name))) is not None
    }
    for name in ("api", "worker", "router"):
        components.setdefault(name, _component(ComponentBlock(), name, (*path, name), reading))
    references = blocks.compute_reference(spec.compute, (*path, "compute"))
    references += blocks.secret_references(uses, context.workspace)
    if kind == "depot":
        references += (Reference(ResourceKey("depot", spec.source.name.strip()), (*path, "source", "name")),)
    if len(reading.problems) > before or kind is None:
        return None
    canonical = LensSpec(
        compute=spec.compute,
        source_type=kind,
        source=spec.source.name.strip(),
        catalog=None if kind in ("depot", "flash") else spec.source.catalog,
        repository=repository,
        secrets=tuple(use for use, _ in uses),
        components=components,
        run_as_user=spec.run_as_user or context.meta.run_as_user,
        acts_by_key=spec.run_as_api_key is not None,
    )
    return KindReading(canonical, references, tuple(blocks.paths_where(section, _is_secret)))


def _is_secret(path: Path) -> bool:
    """`runAsApiKey`, and variables whose name says that they are a credential."""
    keys = [str(part).lower() for part in path]
    if any(key in ("envs", "env") for key in keys[:-1]):
        return _SECRET_ENV.search(keys[-1]) is not None
    return keys[-1] == "runasapikey"


def _secrets(spec: LensSection, path: Path, reading: Reading) -> tuple[tuple[SecretUse, Path], ...]:
    written = [(entry, (*path, "secrets", position)) for position, entry in enumerate(spec.secrets)]
    return blocks.read_secret_uses(written, reading)


def _repository(block: RepoBlock, has_secrets: bool, path: Path, reading: Reading) -> Repository:
    url = block.url.strip()
    name = _check_url(url, (*path, "url"), reading)
    parts = [part for part in block.lens_base_dir.strip().split("/") if part]
    if ".." in parts:
        reading.error((*path, "lensBaseDir"), f"`{block.lens_base_dir}` may not hold `..`")
    if len(parts) > 1 and name and parts[0] == name:
        parts = parts[1:]  # published samples begin with the repository's own name
    if not parts:
        reading.error((*path, "lensBaseDir"), "the folder of the model has no name", code="manifest.missing")
    secret = None
    if block.secret_id is not None:
        secret = block.secret_id.strip().replace("-", "_")
        if not has_secrets:
            where = (*path, "secretId")
            reading.warn(
                where, "`secretId` has no effect without `secrets`", hint="name the secret below `lens.secrets`"
            )
    return Repository(url.rstrip("/"), "/".join(parts), _ref(block.sync_flags, path, reading), secret)


def _check_url(url: str, path: Path, reading: Reading) -> str:
    """Name of the repository, empty after a problem. Credentials in the address are refused, and not repeated."""
    hint = "write an https:// address, file:// or a folder of this machine"
    if url.startswith("/"):
        return url.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, "@" in parts.netloc
    except ValueError:
        reading.error(path, "Credential url cannot be parsed", hint=hint)
        return ""
    if user:
        reading.error(path, "the address holds a user or password", hint="name a secret below `lens.secrets`")
        return ""
    local = parts.scheme == "file" and parts.path.startswith("/")
    if not local and (parts.scheme.lower() not in ("http", "https") or not host or not parts.path.strip("/")):
        reading.error(path, f"Credential url cannot be parsed: `{url[:80]}`", hint=hint)
        return ""
    return parts.path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")


def _ref(flags: tuple[str, ...], path: Path, reading: Reading) -> str | None:
    found: str | None = None
    words = [word for flag in flags for word in flag.split()]
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("--") and name == "ref" and equals and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", value):
            found = value
        elif word.startswith("--") and name == "ref":
            reading.error((*path, "syncFlags"), f"`{word}` names no branch", hint="write `--ref=main`")
        else:
            reading.warn((*path, "syncFlags"), f"flag `{word}` has no effect", hint="known: --ref=<branch>")
    return found


def _component(block: ComponentBlock, name: str, path: Path, reading: Reading) -> Component:
    level = one_of(block.log_level, LOG_LEVELS, (*path, "logLevel"), reading, "logLevel")
    sizes = blocks.read_sizes(block.resources, (*path, "resources"), reading)
    if block.auto_scaling is not None and name != "api":
        reading.warn((*path, "autoScaling"), "`autoScaling` has an effect in `api` only")
    scaling = None
    if name == "api":
        scaling = blocks.read_scaling(block.auto_scaling, (*path, "autoScaling"), reading)
    endpoint = block.metric_endpoint
    if endpoint is not None and not endpoint.path.startswith("/"):
        reading.error((*path, "metricEndpoint", "path"), f"`{endpoint.path}` is no path", hint="write `/metrics`")
    return Component(
        log_level=level or "INFO",
        replicas=block.replicas,
        sizes=_whole(sizes),
        envs=blocks.read_envs(block.envs, (*path, "envs"), reading),
        scaling=scaling,
        spread=_spread(block, path, reading),
        metric_port=endpoint.port if endpoint else None,
        metric_path=endpoint.path if endpoint else "/metrics",
    )


def _spread(block: ComponentBlock, path: Path, reading: Reading) -> Spread | None:
    config = block.high_availability_config
    if config is not None and config.level.strip().lower() == "host":
        where = (*path, "highAvailabilityConfig", "level")
        reading.warn(where, "level `host` is read as `hostname`", code="manifest.variant")
        config = config.model_copy(update={"level": "hostname"})
    return blocks.read_spread(config, (*path, "highAvailabilityConfig"), reading)


def _whole(sizes: Sizes) -> Sizes:
    """Defaults for what is not said; a default limit is not below a request that is."""
    cpu = sizes.cpu_request if sizes.cpu_request is not None else DEFAULT_SIZES.cpu_request
    memory = sizes.memory_request if sizes.memory_request is not None else DEFAULT_SIZES.memory_request
    most_cpu = sizes.cpu_limit if sizes.cpu_limit is not None else max(DEFAULT_SIZES.cpu_limit or 0, cpu or 0)
    most_memory = (
        sizes.memory_limit if sizes.memory_limit is not None else max(DEFAULT_SIZES.memory_limit or 0, memory or 0)
    )
    return Sizes(cpu, memory, most_cpu, most_memory)
