"""What a Service manifest may say (ch03 3): one stack that never ends, its ports, its public path and its replicas."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from dataos.manifest import blocks, registry
from dataos.manifest.annotations import Shape, needs, rules, when_true
from dataos.manifest.blocks import AutoScaling, Count, HighAvailability, Port, PortNumber, Scaling, Spread
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.runnables import Runnable, RunnableBlock, read_host
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.manifest.stacks import Exposure


class AppDetail(Spec):
    """A tile of the home page (ch03 3.3)."""

    name: Text
    title: Text = ""
    release_level: Text = ""
    description: Text = ""
    icon: Text = ""
    section: Text = ""
    path: Text
    keyword: tuple[Text, ...] = spelled("keywords", default=(), lone=True)
    is_internal: bool = False
    disabled: bool = False
    navigation: Any = None


class IngressBlock(Spec, json_schema_extra=rules(when_true("enabled", needs("path")))):
    """`ingress` as written."""

    enabled: bool = False
    """The service has a public path."""
    path: Text | None = None
    """The public path, for instance `/stores`."""
    strip_path: bool = False
    """The program sees paths without this prefix."""
    no_authentication: bool = False
    """Anyone may call it."""
    app_detail_spec: Annotated[Any, Shape(AppDetail, text=True)] = None
    """A tile of the home page, as JSON or as a mapping."""
    api_detail_spec: Any = None
    """What the API page shows."""


class ServiceSection(RunnableBlock):
    """The section as written: a runnable block and what makes it reachable."""

    service_port: PortNumber | None = None
    """Port on which the program listens."""
    service_ports: tuple[Port, ...] = spelled(default=(), lone=True)
    """More ports."""
    replicas: Count = 1
    """How many processes."""
    auto_scaling: AutoScaling | None = None
    """Replicas that follow the use."""
    ingress: IngressBlock | None = None
    """The public path."""
    high_availability_config: HighAvailability | None = None
    """How replicas are spread."""

    def exposure(self) -> Exposure:
        """Its ports and its public path."""
        public = self.ingress.path if self.ingress is not None and self.ingress.enabled else None
        strips = self.ingress is not None and self.ingress.strip_path
        return Exposure(self.service_port, tuple(p.service_port for p in self.service_ports), public, strips)

    def copies(self) -> int:
        """Replicas, as many as there may be."""
        scaling = self.auto_scaling
        return max(self.replicas, scaling.max_replicas or 1) if scaling and scaling.enabled else self.replicas


@dataclass(frozen=True)
class Ingress:
    """A public path. `strip`: the program sees what follows the path; else it serves below the path itself."""

    path: str
    strip: bool
    is_open: bool  # anyone who reaches the host, without signing in
    tile: AppDetail | None
    api_detail: str


@dataclass(frozen=True)
class ServiceSpec:
    """Canonical Service."""

    runnable: Runnable
    port: int | None
    ports: tuple[Port, ...]
    replicas: int
    scaling: Scaling | None
    spread: Spread | None
    ingress: Ingress | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical ServiceSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    found = read_host(ServiceSection, section, reading, path, context.workspace, "service")
    if found is None:
        return None
    block, runnable = found
    scaling = blocks.read_scaling(block.auto_scaling, (*path, "autoScaling"), reading)
    if scaling and not scaling.least <= block.replicas <= scaling.most:
        text = f"replicas {block.replicas} lie outside of autoScaling's {scaling.least} to {scaling.most}"
        reading.warn((*path, "replicas"), f"{text}, which win")
    taken = {block.service_port: "servicePort"} if block.service_port else {}
    blocks.check_ports(block.service_ports, taken, (*path, "servicePorts"), reading)
    _check_port(block, runnable, reading, path)
    spec = ServiceSpec(
        runnable=runnable,
        port=block.service_port,
        ports=block.service_ports,
        replicas=block.replicas,
        scaling=scaling,
        spread=blocks.read_spread(block.high_availability_config, (*path, "highAvailabilityConfig"), reading),
        ingress=_ingress(block.ingress, reading, (*path, "ingress")),
    )
    if len(reading.problems) > before:
        return None
    return KindReading(spec, runnable.references, tuple(p[1:] for p in runnable.secret_paths))


def _check_port(block: ServiceSection, runnable: Runnable, reading: Reading, path: Path) -> None:
    descriptor = registry.find_stack(runnable.stack)
    if block.service_port is None and not (descriptor and descriptor.brings_port):
        if block.ingress and block.ingress.enabled:
            hint = "write the port on which the program listens"
            reading.error(path, "`servicePort` is required: `ingress` leads to it", code="manifest.missing", hint=hint)
        elif not block.service_ports:
            reading.warn(path, "no `servicePort`: nothing can reach this service", hint="or make it a worker")


def _ingress(block: IngressBlock | None, reading: Reading, path: Path) -> Ingress | None:
    if block is None:
        return None
    tile = _tile(block.app_detail_spec, reading, (*path, "appDetailSpec"))
    if not block.enabled:
        if block.path is not None or tile is not None:
            reading.warn(path, "`ingress` has no effect: it is not enabled", hint="write `enabled: true`")
        return None
    if block.path is None:
        reading.error(path, "`path` is required where ingress is enabled", code="manifest.missing")
        return None
    public = block.path
    if public.endswith("**"):
        public = public.rstrip("*")
        reading.warn((*path, "path"), f"`{block.path}` is read as `{public}`", code="manifest.variant")
    if not public.startswith("/") or any(c.isspace() or c in "?#*" for c in public) or ".." in public.split("/"):
        hint = "it begins with `/` and holds no blank, `?`, `#`, `*` or `..`"
        reading.error((*path, "path"), f"ingress path `{block.path}` is not allowed", hint=hint)
    if block.no_authentication:
        reading.warn(
            (*path, "noAuthentication"), "anyone who reaches the host may use this service, without signing in"
        )
    detail = block.api_detail_spec
    text = detail if isinstance(detail, str) else json.dumps(detail) if detail is not None else ""
    return Ingress(public.rstrip("/") or "/", block.strip_path, block.no_authentication, tile, text)


def _tile(written: Any, reading: Reading, path: Path) -> AppDetail | None:
    """The tile, as a JSON text or as a mapping."""
    if written is None:
        return None
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except (ValueError, RecursionError) as error:
            reading.error(path, f"`ingress.appDetailSpec` is not JSON: {error}", hint="or write it as a mapping")
            return None
    return read_model(AppDetail, written, reading, path)
