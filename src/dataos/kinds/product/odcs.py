"""Products as documents of the Open Data Contract Standard v3, and back (bitol.io).

Fields that both have keep their meaning; what only a product has travels in `customProperties` as `dataosProduct`, so
that a product that goes out and comes in again is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, Problem, fail
from dataos.kinds.product import writing
from dataos.kinds.product.columns import Columns
from dataos.kinds.product.quality import category
from dataos.kinds.product.spec import ProductSpec
from dataos.manifest.documents import Manifest

API_VERSION = "v3.0.2"
OWN = "dataosProduct"
_STATUS = {"design": "draft", "build": "proposed", "active": "active", "deprecated": "deprecated", "retired": "retired"}
_DIMENSIONS = {
    "Accuracy": "accuracy",
    "Completeness": "completeness",
    "Freshness": "timeliness",
    "Schema": "consistency",
    "Uniqueness": "uniqueness",
    "Validity": "conformity",
}
_LOGICAL = (
    ("date", r"date"),
    ("timestamp", r"timestamp.*|datetime.*"),
    ("integer", r"(tiny|small|big)?int(eger)?|long|short"),
    ("number", r"decimal.*|numeric.*|double|float|real"),
    ("boolean", r"bool(ean)?"),
    ("array", r"(list|array).*"),
    ("object", r"(struct|map|row).*"),
)
_READ = {
    "apiVersion", "kind", "id", "name", "version", "status", "domain", "dataProduct", "tags", "description", "schema",
    "team", "slaProperties", "support", "authoritativeDefinitions", "customProperties",
}  # fmt: skip


def logical_type(physical: str) -> str:
    """The standard's type of a column's type."""
    folded = physical.strip().lower()
    return next((name for name, pattern in _LOGICAL if re.fullmatch(pattern, folded)), "string")


async def write(manifest: Manifest, document: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """The contract of a product; columns of its outputs as the platform knows them."""
    spec: ProductSpec = manifest.spec
    own = writing.to_v1beta(manifest, document)
    data: dict[str, Any] = dict(own.get("v1beta", {}).get("data") or {}) if not spec.draft else {}
    found: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": manifest.id,
        "name": spec.title,
        "dataProduct": manifest.meta.name,
        "version": spec.contract_version or "0.0.0",
        "status": _STATUS[spec.lifecycle.stage or ("design" if spec.draft else "active")],
        "domain": spec.domains[0] if spec.domains else None,
        "tags": list(manifest.meta.tags),
        "description": _filled({"purpose": spec.purpose, "usage": manifest.meta.description}),
        "authoritativeDefinitions": [{"type": title, "url": href} for title, href in spec.links],
        "team": [_filled({"username": user, "role": role}) for user, role in spec.collaborators],
        "support": _support(spec),
        "slaProperties": [_sla(slo) for slo in cast("list[dict[str, Any]]", data.get("slos") or [])],
        "schema": [await _schema(dataset, columns) for dataset in spec.outputs if dataset.address is not None],
        "customProperties": [{"property": OWN, "value": own}],
    }
    return _filled(found)


def _filled(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _support(spec: ProductSpec) -> list[dict[str, Any]]:
    support = spec.support
    if support is None:
        return []
    url = support.url or (f"mailto:{support.email}" if support.email else None)
    return [_filled({"channel": support.channel or "support", "url": url})]


def _sla(slo: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "property": slo["category"],
        "value": slo["target"],
        "unit": "%",
        "valueExt": slo.get("window"),
        "element": slo.get("dataset"),
        "description": slo["name"],
    }
    return _filled(found)


async def _schema(dataset: Any, columns: Columns) -> dict[str, Any]:
    udl: Udl = dataset.address
    known = await columns(udl)
    properties = [
        _filled(
            {
                "name": c["name"],
                "logicalType": logical_type(c["type"]),
                "physicalType": c["type"],
                "description": c["description"],
            }
        )
        for c in known
    ]
    checks = [_quality(entry) for entry in dataset.checks or ()]
    found = {
        "name": udl.dataset,
        "physicalName": str(udl),
        "physicalType": "table",
        "description": dataset.description,
        "properties": properties,
        "quality": checks,
    }
    return _filled(found)


def _quality(entry: Any) -> dict[str, Any]:
    given: Mapping[str, Any] = entry if isinstance(entry, dict) else {"check": entry}
    check = str(given.get("check") or next(iter(given), ""))
    group = str(given.get("category") or category(check, check))
    found = {"type": "custom", "engine": "soda", "implementation": check, "name": given.get("name")}
    return _filled({**found, "dimension": _DIMENSIONS.get(group, "accuracy")})


# --- coming in --------------------------------------------------------------------------------------------------------


def read(contract: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """A product manifest of a contract; what has no place in one is told in `problems`. Raises DataOSError
    `product.odcs`."""
    if contract.get("kind") != "DataContract" or not str(contract.get("apiVersion", "")).startswith("v3"):
        found = f"kind {contract.get('kind')!s:.40}, apiVersion {contract.get('apiVersion')!s:.40}"
        raise fail(
            "product.odcs",
            f"this is no data contract of version 3: {found}",
            hint="kind: DataContract, apiVersion: v3...",
        )
    try:
        return _read(contract, problems)
    except (TypeError, AttributeError, KeyError) as error:
        text = f"the contract is not built as the standard says: {error}"
        raise fail("product.odcs", text, hint="https://bitol-io.github.io/open-data-contract-standard") from error


def _read(contract: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    custom = {str(c.get("property")): c.get("value") for c in contract.get("customProperties") or []}
    own = custom.pop(OWN, None)
    base: dict[str, Any] = dict(cast("dict[str, Any]", own)) if isinstance(own, dict) else {}
    name = base.get("name") or _name(
        str(contract.get("dataProduct") or contract.get("name") or contract.get("id") or "")
    )
    data: dict[str, Any] = dict((base.get("v1beta") or {}).get("data") or {})
    described = contract.get("description") or {}
    if isinstance(described, str):
        described = {"usage": described}
    found: dict[str, Any] = {**base, "name": name, "version": "v1beta", "entity": "product", "type": "data"}
    tags = [str(t) for t in contract.get("tags") or []]
    domain = contract.get("domain")
    if (
        domain
        and not any(t in (f"DPDomain.{domain}", f"Domain.{domain}") for t in tags)
        and data.get("domain") != domain
    ):
        tags.append(f"DPDomain.{domain}")
    found |= _filled({"tags": tags, "description": described.get("usage"), "purpose": described.get("purpose")})
    links = [{"title": str(d.get("type")), "href": d["url"]} for d in contract.get("authoritativeDefinitions") or []]
    found |= _filled({"refs": links})
    _fill(contract, data, str(name), custom, problems)
    found["v1beta"] = {"data": data}
    for key in sorted(set(contract) - _READ):
        problems.append(Problem("product.odcs", f"`{key}` has no place in a product: it is left out", path=key))
    if described.get("limitations"):
        data.setdefault("meta", {})["limitations"] = described["limitations"]
    return found


def _fill(
    contract: Mapping[str, Any], data: dict[str, Any], name: str, custom: Mapping[str, Any], problems: list[Problem]
) -> None:
    title = contract.get("name")
    if title and title != name:
        data["meta"] = {**(data.get("meta") or {}), "title": title}
    if custom:
        data["meta"] = {**(data.get("meta") or {}), **custom}
    team = contract.get("team") or []
    members = team.get("members", []) if isinstance(team, dict) else team
    people = [_filled({"name": m.get("username") or m.get("name"), "description": m.get("role")}) for m in members]
    slas = [s for s in contract.get("slaProperties") or [] if _slo(s) is not None]
    for sla in contract.get("slaProperties") or []:
        if _slo(sla) is None:
            text = f"slaProperty `{sla.get('property')}` has no place in a product: it is left out"
            problems.append(Problem("product.odcs", text, path="slaProperties"))
    version = str(contract.get("version") or "")
    stage = {v: k for k, v in _STATUS.items()}.get(str(contract.get("status")))
    life = {**(data.get("lifecycle") or {}), **({"stage": stage} if stage in ("deprecated", "retired") else {})}
    outputs = {str(o.get("ref")): o for o in data.get("outputs") or []}
    data.pop("collaborators", None)
    data |= _filled(
        {
            "collaborators": people,
            "slos": [_slo(s) for s in slas],
            "contract": {"version": version}
            if re.fullmatch(r"\d+\.\d+\.\d+.*", version) and version != "0.0.0"
            else None,
            "lifecycle": life,
            "support": data.get("support") or _support_in(contract.get("support") or []),
        }
    )
    data.setdefault("inputs", [])
    if not data.get("resource") and not data.get("resources"):
        data["resource"] = {"refType": "dataos", "ref": f"bundle:v1beta:{name}-bundle"}
    data["outputs"] = [_output(s, outputs, name, problems) for s in contract.get("schema") or []]


def _name(text: str) -> str:
    found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48].strip("-")
    if not found:
        raise fail("product.odcs", "the contract has no name", hint="give `dataProduct` or `name`")
    return found


def _slo(sla: Mapping[str, Any]) -> dict[str, Any] | None:
    known = {c.lower(): c for c in (*_DIMENSIONS, "availability", "latency", "cost")}
    group = known.get(str(sla.get("property")).lower())
    try:
        target = float(sla.get("value"))  # pyright: ignore[reportArgumentType] - a TypeError is what is asked for
    except (TypeError, ValueError):
        return None
    if group is None:
        return None
    found = {
        "name": sla.get("description") or f"{group} target",
        "category": group,
        "target": target,
        "window": sla.get("valueExt") or "30d",
        "dataset": sla.get("element") if str(sla.get("element")).startswith("data") else None,
    }
    return _filled(found)


def _support_in(support: list[Mapping[str, Any]]) -> dict[str, Any]:
    first = support[0] if support else {}
    url = str(first.get("url") or "")
    place = {"email": url.removeprefix("mailto:")} if url.startswith("mailto:") else {"url": url}
    return _filled({"channel": first.get("channel"), **place})


def _output(
    schema: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], name: str, problems: list[Problem]
) -> dict[str, Any]:
    table = str(schema.get("name") or schema.get("physicalName") or "")
    ref = str(schema.get("physicalName") or "")
    try:
        Udl.parse(ref)
    except DataOSError:
        ref = f"dataos://lakehouse:{name.replace('-', '_')}/{_name(table).replace('-', '_')}"
        text = f"schema `{table}` says no address: `{ref}` is taken"
        problems.append(Problem("product.odcs", text, path="schema", hint="change the ref if it lives elsewhere"))
    same = next((dict(o) for r, o in known.items() if r == ref or _equal(r, ref)), {})
    dimensions = {v: k for k, v in _DIMENSIONS.items()}
    checks = same.pop("checks", None) or [
        _filled(
            {
                "name": q.get("name"),
                "check": q.get("implementation") or q.get("rule") or q.get("query") or q.get("description"),
                "category": dimensions.get(str(q.get("dimension"))),
            }
        )
        for q in schema.get("quality") or []
    ]
    found = {"refType": "dataos", "ref": ref, **same, "description": schema.get("description"), "checks": checks}
    return _filled(found)


def _equal(ref: str, address: str) -> bool:
    if not ref.startswith("dataset:"):
        return False
    depot, collection, dataset = (*ref.removeprefix("dataset:").split(":", 2), "", "")[:3]
    return str(Udl(depot, collection, dataset)) == address
