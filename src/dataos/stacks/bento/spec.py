"""What a stackSpec of the stack `bento` may say: one stream pipeline (ch05 2 to 5).

Checked are the sections, every component's type, label, children and references, addresses of Depots and variables.
The fields of components and the mappings in them are the engine's language: the engine checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.manifest.annotations import needs, rules
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec
from dataos.manifest.stacks import Use, literal_credentials, texts, warn_literals
from dataos.stacks.bento import sections, variables
from dataos.stacks.bento.components import ENDING
from dataos.stacks.bento.walking import Walk

_RESOURCES = ("input", "processor", "output", "cache", "rate_limit")
_SECRETS = frozenset(
    {"authorization", "storage_access_key", "storage_connection_string", "account_key", "connection_string",
     "private_key", "private_key_pass", "user_nkey_seed", "user_jwt", "license_key"}
)  # fmt: skip
_FILLED = re.compile(r"\$\{")
_URL_LOGIN = re.compile(r"://[^/\s:@]*:[^@/\s]+@|^[^/\s:@]+:[^@/\s]+@(tcp|unix)?\(")


class StackBlock(Spec, json_schema_extra=rules(needs("input"))):
    """The stackSpec as written: the engine's own sections."""

    http: Any = None
    """The engine's own server."""
    input: Any = None
    """Where messages come from."""
    buffer: Any = None
    """What stands between input and pipeline."""
    pipeline: Any = None
    """Processors, and how many threads run them."""
    output: Any = None
    """Where messages go."""
    input_resources: Any = None
    """Inputs that are named by label."""
    processor_resources: Any = None
    """Processors that are named by label."""
    output_resources: Any = None
    """Outputs that are named by label."""
    cache_resources: Any = None
    """Caches that are named by label."""
    rate_limit_resources: Any = None
    """Rate limits that are named by label."""
    logger: Any = None
    """Logs of the engine."""
    metrics: Any = None
    """Metrics of the engine."""
    tracer: Any = None
    """Traces of the engine."""
    error_handling: Any = None
    """What happens to messages that failed."""
    shutdown_delay: Any = None
    """Wait before a stop."""
    shutdown_timeout: Any = None
    """How long a stop may take."""
    tests: Any = None
    """Unit tests."""

    model_config = {"alias_generator": None}


SECTIONS = tuple(StackBlock.model_fields)


@dataclass(frozen=True)
class BentoSpec:
    """One pipeline. `config`: as the engine takes it. `components`: (kind, type, config, path) of each one."""

    config: dict[str, Any]
    components: tuple[tuple[str, str, Any, Path], ...]
    addresses: tuple[tuple[Path, Udl], ...]
    variables: tuple[tuple[str, Path], ...]  # that the environment must set, with where they stand
    secret_paths: tuple[Path, ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> BentoSpec | None:
    """Canonical BentoSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    if not isinstance(data, dict):
        reading.error(path, "expected object value", code="bento.config", hint="a pipeline has `input` and `output`")
        return None
    block = cast("dict[str, Any]", data)
    for key in block:
        if key not in SECTIONS:
            hint = names.did_you_mean(key, SECTIONS) or "sections: " + ", ".join(SECTIONS)
            reading.error((*path, key), f"field {key} not recognised", code="bento.config", hint=hint)
    if block.get("input") is None:
        hint = "for instance input: {generate: {interval: 5s, mapping: ...}}"
        reading.error(path, "field input is required", code="manifest.missing", hint=hint)
    walk = Walk(reading)
    config = _sections(block, walk, path, reading)
    walk.check_references()
    for text, where in variables.escaped(data, path):
        reading.warn(where, f"`{text}` is no variable: it stays as the text `${text[2:-1]}`")
    secrets = tuple(_secrets(data))
    warn_literals(data, secrets, path, reading, 'write "${NAME}", and list a secret below `dataosSecrets`')
    if len(reading.problems) > before:
        return None
    return BentoSpec(config, tuple(walk.used), tuple(walk.addresses), tuple(variables.wanted(data, path)), secrets)


def _sections(block: dict[str, Any], walk: Walk, path: Path, reading: Reading) -> dict[str, Any]:
    config = {k: v for k, v in block.items() if k in SECTIONS and v is not None}
    for kind in _RESOURCES:  # first: others name them
        key = f"{kind}_resources"
        if key in config:
            config[key] = walk.resources(kind, config[key], (*path, key))
    for key in ("input", "buffer", "output", "metrics", "tracer"):
        if key in config:
            config[key] = walk.single(key, config[key], (*path, key))
    for key, fields in (
        ("pipeline", sections.PIPELINE),
        ("http", sections.HTTP),
        ("logger", sections.LOGGER),
        ("error_handling", sections.ERRORS),
    ):
        if key in config:
            sections.check_fields(config[key], fields, (key,), (*path, key), reading)
    pipeline = config.get("pipeline")
    if isinstance(pipeline, dict) and "processors" in pipeline:
        whole = cast("dict[str, Any]", pipeline)
        found = walk.processors(whole["processors"], (*path, "pipeline", "processors"))
        config["pipeline"] = {**whole, "processors": found}
    for key in ("shutdown_delay", "shutdown_timeout"):
        if key in config:
            sections.check_duration(config[key], (*path, key), reading)
    if "tests" in config:
        sections.check_tests(config["tests"], (*path, "tests"), reading)
    return config


def _secrets(data: Any) -> Iterator[Path]:
    """Credentials that stand there in clear: by the key's name, or inside an address. In the order of the document."""
    named = set(literal_credentials(data, _FILLED, _SECRETS))
    for path, text in texts(data):
        if path in named or ("\n" not in text and _URL_LOGIN.search(text) and not _FILLED.search(text)):
            yield path


# --- the rest of the workload -----------------------------------------------------------------------------------------


def bind(spec: BentoSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """Variables are set, ports fit, and what stands alone in one process is not taken for shared."""
    missing: dict[str, Path] = {}
    for name, where in spec.variables:
        if name not in variables.PLATFORM and not use.may_get(name):
            missing.setdefault(name, where)
    if missing:
        reading.error(
            next(iter(missing.values())),
            f"required environment variables were not set: [{' '.join(missing)}]",
            code="bento.variable",
            hint="set them below `envs`, list a secret below `dataosSecrets`, or write a default: ${NAME:default}",
        )
    _check_ports(spec, use, reading)
    if use.replicas > 1:
        _check_shared(spec, use, reading)
    if use.host == "workflow" and not _ends(spec.config.get("input")):
        hint = "write a service or a worker, `count` for `generate`, or `read_until`"
        reading.warn((*use.stack_path, "input"), "this input may never end, and so may the job", hint=hint)
    return ()


def _check_ports(spec: BentoSpec, use: Use, reading: Reading) -> None:
    port = use.exposure.port
    if port is not None and use.metric_port == port:
        text = f"port {port} is the service's own: metrics need another one"
        reading.error((*use.path, "metricPort"), text, hint="leave metricPort out")
    servers = [
        (cast("dict[str, Any]", config), where)
        for kind, type_, config, where in spec.components
        if kind == "input" and type_ == "http_server" and isinstance(config, dict)
    ]
    for config, where in servers:
        address, path = str(config.get("address") or ""), str(config.get("path") or "/post")
        found = re.search(r":([0-9]+)$", address)
        if port is not None and found and int(found[1]) not in (port, *use.exposure.ports):
            text = f"`http_server` listens on {found[1]}, and the service routes to {port}"
            reading.warn((*where, "address"), text, hint=f"write 0.0.0.0:{port}")
        public = use.exposure.path
        is_plain = len(servers) == 1 and not use.exposure.strips and "${" not in path
        if public and is_plain and path.rstrip("/") != public.rstrip("/"):
            text = f"`http_server` answers below {path}, and is asked for {public}"
            reading.warn((*where, "path"), text, hint=f"write `path: {public}`, or `stripPath: true`")


def _check_shared(spec: BentoSpec, use: Use, reading: Reading) -> None:
    for kind, type_, _, where in spec.components:
        if (kind, type_) in (("cache", "memory"), ("cache", "lru"), ("cache", "ttlru"), ("rate_limit", "local")):
            text = f"each of the {use.replicas} replicas has a {kind.replace('_', ' ')} of its own"
            reading.warn(where, text, hint="use `redis` if they must share it")


def _ends(component: Any) -> bool:
    """Whether an input comes to an end by itself, as far as can be seen."""
    if not isinstance(component, dict):
        return False
    types = [(k, v) for k, v in cast("dict[str, Any]", component).items() if k not in ("label", "processors")]
    for type_, config in types:
        body = cast("dict[str, Any]", config) if isinstance(config, dict) else {}
        if type_ == "generate":
            return str(body.get("count") or "0") != "0"
        if type_ in ("broker", "sequence"):
            return all(_ends(child) for child in cast("list[Any]", body.get("inputs") or [None]))
        if type_ == "batched":
            return _ends(body.get("child"))
        return type_ in ENDING and not (type_ == "aws_s3" and body.get("sqs"))
    return False
