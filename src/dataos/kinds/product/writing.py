"""A product as a manifest of version v1beta, whatever it was written as (`product get --as v1beta`, ch09 2.1)."""

from __future__ import annotations

from typing import Any

from dataos.core.addresses import ResourceKey, resource_id
from dataos.kinds.product.spec import Dataset, ProductSpec
from dataos.manifest import registry
from dataos.manifest.documents import Manifest

_GROUPS = (("domains", "DPDomain"), ("use_cases", "DPUsecase"), ("tiers", "DPTier"))


def to_v1beta(manifest: Manifest, document: dict[str, Any]) -> dict[str, Any]:
    """A document that means the same and applies. `document`: as it is stored; one in v1beta comes back as it is."""
    if manifest.version == "v1beta":
        return dict(document)
    spec: ProductSpec = manifest.spec
    found: dict[str, Any] = {"name": manifest.meta.name, "version": "v1beta", "entity": "product", "type": "data"}
    known = {tag.partition(".")[0] for _, tag in _GROUPS} | {"Domain", "Tier", "DPDomain", "DPUsecase", "DPTier"}
    plain = [t for t in manifest.meta.tags if t.partition(".")[0] not in known]
    grouped = [f"{tag}.{value}" for name, tag in _GROUPS for value in getattr(spec, name)]
    found["tags"] = [*plain, *grouped]
    root: dict[str, Any] = {
        "description": manifest.meta.description,
        "purpose": spec.purpose,
        "owner": manifest.meta.owner or document.get("owner"),
        "refs": [{"title": title, "href": href} for title, href in spec.links],
    }
    found |= {key: value for key, value in root.items() if value}
    return found if spec.draft else {**found, "v1beta": {"data": _data(spec)}}


def _data(spec: ProductSpec) -> dict[str, Any]:
    people = [{"name": user, **({"description": role} if role else {})} for user, role in spec.collaborators]
    cycle = spec.lifecycle
    life = {
        "stage": cycle.stage,
        "deprecatedOn": cycle.deprecated_on and cycle.deprecated_on.isoformat(),
        "retireOn": cycle.retire_on and cycle.retire_on.isoformat(),
        "replacedBy": cycle.replaced_by,
    }
    ports: dict[str, Any] = {
        "lens": [{"ref": _id(key), "refType": "dataos"} for key in spec.ports.lens],
        "talos": [{"ref": _id(key), "refType": "dataos"} for key in spec.ports.services],
        "rest": [{"url": url} for url in spec.ports.rest],
        "postgres": [{"host": host, "port": port, "params": params} for host, port, params in spec.ports.postgres],
    }
    found: dict[str, Any] = {
        "meta": spec.meta,
        "collaborators": people,
        "relatedDataProducts": [id_ for id_ in spec.related if id_],
        "resources": [_member(key) for key in spec.members],
        "ports": {key: value for key, value in ports.items() if value},
        "contract": {"version": spec.contract_version} if spec.contract_version else None,
        "lifecycle": {key: value for key, value in life.items() if value},
        "slos": [_slo(slo) for slo in spec.slos],
        "metrics": spec.metrics,
        "documentation": spec.documentation,
        "support": spec.support.model_dump(by_alias=True, exclude_none=True) if spec.support else None,
    }
    data = {key: value for key, value in found.items() if value}
    if spec.bundle is not None:
        data["resource"] = {"refType": "dataos", "ref": _id(spec.bundle)}
    elif not spec.members:
        data.setdefault("resources", [])
    data["inputs"] = [_dataset(d) for d in spec.inputs]
    data["outputs"] = [_dataset(d) for d in spec.outputs]
    return data


def _id(key: ResourceKey) -> str:
    kind = registry.find_kind(key.type)
    return resource_id(key.type, kind.versions[0] if kind else "v1", key.name, key.workspace)


def _member(key: ResourceKey) -> dict[str, Any]:
    kind = registry.find_kind(key.type)
    found = {"refType": "dataos", "type": key.type, "version": kind.versions[0] if kind else "v1", "name": key.name}
    return {**found, **({"workspace": key.workspace} if key.workspace else {})}


def _dataset(dataset: Dataset) -> dict[str, Any]:
    found = {
        "refType": "dataos",
        "ref": str(dataset.address or dataset.product),
        "description": dataset.description,
        "purpose": dataset.purpose,
        "checks": dataset.checks,
    }
    return {key: value for key, value in found.items() if value}


def _slo(slo: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": slo.name, "category": slo.category, "target": slo.target}
    if slo.window_s is not None:
        found["window"] = f"{slo.window_s:g}s"
    return found | {k: v for k, v in (("dataset", slo.dataset and str(slo.dataset)), ("metric", slo.metric)) if v}
