"""What a Data Product manifest may say (ch09 2): `type: data`, with its spec below `<version>.data`.

Both versions stay valid; one canonical model comes out of them. What a product points at may come later (ch09 2.7), so
nothing here is a reference that must be there at apply: the model holds the addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dataos.core.addresses import ResourceKey, Udl
from dataos.kinds.product import life, refs
from dataos.kinds.product.life import Contract, Lifecycle, LifecycleBlock, Slo, SloBlock
from dataos.manifest.blocks import PortNumber
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class ProductCollaborator(Spec):
    """A user and their role."""

    name: Text | None = None
    description: Text = spelled("role", default="")


class BundleRef(Spec):
    """The Bundle that holds the product's Resources."""

    ref_type: Text
    ref: Text
    description: Text = ""
    purpose: Text = ""


class MemberRef(Spec):
    """One of the product's Resources (v1alpha)."""

    ref_type: Text = "dataos"
    type: Text
    version: Text
    name: Text
    workspace: Text | None = None
    description: Text = ""
    purpose: Text = ""


class DatasetRef(Spec):
    """A dataset that is read or made."""

    ref_type: Text
    ref: Text
    description: Text = ""
    purpose: Text = ""
    checks: Any = spelled("check", default=None)


class PortRef(Spec):
    """A Lens or a Service."""

    ref: Text
    ref_type: Text = "dataos"
    meta: dict[str, Any] = {}


class RestPort(Spec):
    """A REST address."""

    url: Text


class PostgresPort(Spec):
    """An SQL address."""

    host: Text
    port: PortNumber
    params: dict[str, Text] = {}


class PortsBlock(Spec):
    """`ports`."""

    lens: tuple[PortRef, ...] = spelled(default=(), lone=True)
    talos: tuple[PortRef, ...] = spelled("api", "dataApi", default=(), lone=True)
    rest: tuple[RestPort, ...] = spelled(default=(), lone=True)
    postgres: tuple[PostgresPort, ...] = spelled("postgresql", default=(), lone=True)


class ProductSection(Spec):
    """`<version>.data` as written, of both versions."""

    meta: dict[str, Any] = {}
    """Title and free properties."""
    collaborators: tuple[ProductCollaborator, ...] = spelled(default=(), lone=True)
    """Who works on it."""
    related_data_products: tuple[Text, ...] = spelled(default=(), lone=True)
    """Ids of products that belong to it."""
    resource: BundleRef | None = None
    """Bundle that holds its Resources."""
    resources: tuple[MemberRef, ...] = spelled(default=(), lone=True)
    """Its Resources (v1alpha)."""
    inputs: tuple[DatasetRef, ...] | None = spelled(default=None, lone=True)
    """Datasets it reads."""
    outputs: tuple[DatasetRef, ...] = spelled(default=(), lone=True)
    """Datasets it makes."""
    ports: PortsBlock = PortsBlock()
    """How it is used."""
    metrics: Any = None
    """Measurements."""
    use_cases: tuple[Text, ...] = spelled(default=(), lone=True)
    """What it is used for."""
    domain: Text = ""
    """Domain it belongs to."""
    purpose: Text = ""
    """Why it is there."""
    contract: Contract | None = None
    """Version of its promise."""
    lifecycle: LifecycleBlock | None = None
    """Stage and end."""
    slos: tuple[SloBlock, ...] = spelled(default=(), lone=True)
    """Service levels."""
    documentation: Any = None
    """Text, or address of one."""
    support: life.SupportBlock | None = None
    """Where help is found."""


class LinkBlock(Spec):
    """One entry of `refs`."""

    href: Text
    title: Text | None = None


class Header(Spec):
    """Keys of the document's top that only products have."""

    entity: Text = "product"
    purpose: Text = ""
    collaborators: tuple[Text, ...] = spelled(default=(), lone=True)
    refs: tuple[LinkBlock, ...] = spelled(default=(), lone=True)


@dataclass(frozen=True)
class Dataset:
    """An input or output. `address`: a dataset; `product`: all outputs of another product."""

    address: Udl | None
    product: str | None
    description: str
    purpose: str
    checks: Any = None


@dataclass(frozen=True)
class Ports:
    """How the product is used."""

    lens: tuple[ResourceKey, ...]
    services: tuple[ResourceKey, ...]
    rest: tuple[str, ...]
    postgres: tuple[tuple[str, int, dict[str, str]], ...]


@dataclass(frozen=True)
class ProductSpec:
    """Canonical product. A draft has its header and tags only. `custom_tags`: `Group.value` of other groups."""

    draft: bool
    title: str
    meta: dict[str, Any]
    purpose: str
    links: tuple[tuple[str, str], ...]
    collaborators: tuple[tuple[str, str], ...]
    domains: tuple[str, ...]
    use_cases: tuple[str, ...]
    tiers: tuple[str, ...]
    custom_tags: tuple[str, ...]
    bundle: ResourceKey | None
    members: tuple[ResourceKey, ...]
    related: tuple[str, ...]
    inputs: tuple[Dataset, ...]
    outputs: tuple[Dataset, ...]
    ports: Ports
    contract_version: str | None
    lifecycle: Lifecycle
    slos: tuple[Slo, ...]
    metrics: Any
    documentation: Any
    support: life.SupportBlock | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical ProductSpec."""
    before = len(reading.problems)
    header = read_model(Header, {k: v for k, v in context.root.items() if not k.startswith("v1")}, reading, ())
    if header is not None and header.entity.strip().lower() != "product":
        hint = "a product has `entity: product`; Resources have a type of their own"
        reading.error(("entity",), f"entity `{header.entity}` is not allowed where the type is `data`", hint=hint)
    others = [k for k in context.root if k.startswith("v1")]
    for other in others:
        text = f"the version is `{context.version}`, but the spec stands below `{other}`"
        reading.error((other,), text, hint=f"write `version: {other}`, or rename the key to `{context.version}`")
    data = _data(section, (context.section,), reading)
    path: Path = (context.section, "data")
    refs.check_placeholders(section, (context.section,), reading)
    if data is None and not others and len(reading.problems) == before:
        text = "the product has no spec yet: it is a draft, which consumers do not see"
        reading.warn((), text, hint=f"write its spec below `{context.version}.data`")
    spec = read_model(ProductSection, data, reading, path) if len(reading.problems) == before or data else None
    if spec is None or header is None or others:
        return None
    canonical = _canonical(spec, header, data is None, context, path, reading)
    return KindReading(canonical) if len(reading.problems) == before else None


def _data(section: Any, path: Path, reading: Reading) -> dict[str, Any] | None:
    """What stands below `data`; keys beside an empty `data` are its content. None: a draft."""
    if section is None:
        return None
    if not isinstance(section, dict):
        reading.error(path, "expected a mapping with `data`", hint="write the spec below `data`")
        return None
    block = cast("dict[str, Any]", section)
    key = next((k for k in block if k.lower() == "data"), None)
    data = block[key] if key is not None else None
    if data is not None and not isinstance(data, dict):
        reading.error((*path, cast("str", key)), "expected a mapping", hint="write `inputs`, `outputs` and so on")
        return None
    strays = {k: v for k, v in block.items() if k != key}
    if strays and data is None:
        names = ", ".join(f"`{k}`" for k in strays)
        reading.warn(path, f"{names} belong below `data`: indent them", code="manifest.variant")
        return strays
    for stray in strays:
        reading.error((*path, stray), f"unknown key `{stray}`", code="manifest.unknown_key", hint="known here: data")
    return cast("dict[str, Any] | None", data)


def _canonical(
    spec: ProductSection, header: Header, draft: bool, context: Context, path: Path, reading: Reading
) -> ProductSpec:
    if not draft and context.version == "v1beta":
        if spec.resource is None and not spec.resources:
            hint = "write `resource: {refType: dataos, ref: bundle:v1beta:<name>}`"
            reading.error(path, "`resource` is required", code="manifest.missing", hint=hint)
        if spec.inputs is None:
            reading.error(path, "`inputs` is required", code="manifest.missing", hint="write `inputs: []` for none")
    tags = refs.read_tags(context.meta.tags, context.meta.name, reading)
    title = spec.meta.get("title")
    inputs = spec.inputs or ()
    return ProductSpec(
        draft=draft,
        title=str(title) if isinstance(title, (str, int, float)) and str(title).strip() else context.meta.name,
        meta=spec.meta,
        purpose=header.purpose or spec.purpose,
        links=tuple((link.title or link.href, link.href) for link in header.refs),
        collaborators=_people(spec, header, path, reading),
        domains=tuple(dict.fromkeys([*tags.domains, *([spec.domain] if spec.domain else [])])),
        use_cases=tuple(dict.fromkeys([*tags.use_cases, *spec.use_cases])),
        tiers=tags.tiers,
        custom_tags=tags.custom,
        bundle=_bundle(spec.resource, (*path, "resource"), reading),
        members=tuple(_member(m, (*path, "resources", i), reading) for i, m in enumerate(spec.resources)),
        related=tuple(
            refs.product(text, (*path, "relatedDataProducts", i), reading) or ""
            for i, text in enumerate(spec.related_data_products)
        ),
        inputs=tuple(_dataset(d, (*path, "inputs", i), reading, True) for i, d in enumerate(inputs)),
        outputs=tuple(_dataset(d, (*path, "outputs", i), reading, False) for i, d in enumerate(spec.outputs)),
        ports=_ports(spec.ports, (*path, "ports"), reading),
        contract_version=life.read_contract(spec.contract, (*path, "contract"), reading),
        lifecycle=life.read_lifecycle(spec.lifecycle, (*path, "lifecycle"), reading),
        slos=tuple(life.read_slo(s, (*path, "slos", i), reading) for i, s in enumerate(spec.slos)),
        metrics=spec.metrics,
        documentation=_documentation(spec.documentation, (*path, "documentation"), reading),
        support=spec.support,
    )


def _people(spec: ProductSection, header: Header, path: Path, reading: Reading) -> tuple[tuple[str, str], ...]:
    """(user id, role); an entry without a name is dropped. An unknown user is shown as written."""
    found: list[tuple[str, str]] = []
    for position, person in enumerate(spec.collaborators):
        name = (person.name or "").strip()
        where = (*path, "collaborators", position)
        if not name:
            reading.warn(where, "a collaborator without `name` is dropped")
            continue
        if name.startswith("<"):
            reading.warn((*where, "name"), f"`{name}` looks like a placeholder; it is kept as text")
        found.append((name, person.description))
    found += [(name.strip(), "") for name in header.collaborators if name.strip()]
    first = dict[str, str]()
    for name, role in found:
        first[name] = first.get(name) or role  # a name is listed once, with the first role that is said
    return tuple(first.items())


def _bundle(block: BundleRef | None, path: Path, reading: Reading) -> ResourceKey | None:
    return refs.resource(block.ref, ("bundle",), (*path, "ref"), reading) if block is not None else None


def _member(block: MemberRef, path: Path, reading: Reading) -> ResourceKey:
    return refs.member(block.type, block.name, block.workspace, path, reading)


def _dataset(block: DatasetRef, path: Path, reading: Reading, is_input: bool) -> Dataset:
    address, product = refs.dataset(block.ref, (*path, "ref"), reading, is_input)
    if is_input and block.checks is not None:
        reading.warn((*path, "checks"), "`checks` has an effect for outputs only")
    elif block.checks is not None and not isinstance(block.checks, list):
        reading.error((*path, "checks"), "expected a list of checks", hint="write texts, or {name, check, category}")
    return Dataset(address, product, block.description, block.purpose, None if is_input else block.checks)


def _ports(block: PortsBlock, path: Path, reading: Reading) -> Ports:
    found: dict[str, list[ResourceKey]] = {"lens": [], "talos": []}
    for name, kinds, ports in (("lens", ("lens",), block.lens), ("talos", ("service",), block.talos)):
        for position, port in enumerate(ports):
            key = refs.resource(port.ref, kinds, (*path, name, position, "ref"), reading)
            if key is not None:
                found[name].append(key)
    if len(block.lens) > 1:
        reading.warn((*path, "lens"), "a product shows one Lens: the first")
    for position, port in enumerate(block.rest):
        refs.check_url(port.url, (*path, "rest", position, "url"), reading)
    return Ports(
        lens=tuple(found["lens"]),
        services=tuple(found["talos"]),
        rest=tuple(port.url.strip() for port in block.rest),
        postgres=tuple((port.host.strip(), port.port, port.params) for port in block.postgres),
    )


def _documentation(value: Any, path: Path, reading: Reading) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(cast("dict[str, Any]", value).get("file"), str):
        return cast("dict[str, Any]", value)
    reading.error(path, "expected Markdown text or `{file: ...}`")
    return None
