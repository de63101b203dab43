"""Files of a new product in the usual folders (ch09 3.7, layout b), of a table's real columns where one is named."""

from __future__ import annotations

import re

import yaml

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.kinds.product.columns import Columns

KINDS = ("source", "consumer")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


async def files(name: str, kind: str, table: str | None, columns: Columns) -> dict[str, str]:
    """{path: text}: a Bundle, the product, and the manifests that they name. All validate and apply as they are; the
    job and its dataset with a table only. Raises DataOSError `request.invalid`, `metadata.not_found`."""
    if kind not in KINDS:
        raise fail("request.invalid", f"kind `{kind[:40]}` is not known", hint=f"kinds: {', '.join(KINDS)}")
    if not names.matches(name, names.STD, names.MAX_NAME):
        raise fail("request.invalid", names.rule_text("name", name, names.STD, names.MAX_NAME))
    udl = Udl.parse(table) if table else None
    found = await columns(udl) if udl is not None else []
    if udl is not None and not found:
        hint = "a job or a scan makes its columns known: dataos dataset catalog"
        raise fail("metadata.not_found", f"no columns are known of {udl}", hint=hint)
    output = Udl("lakehouse", name.replace("-", "_"), _plain(udl.dataset or "")) if udl is not None else None
    tier = "Source Aligned" if kind == "source" else "Consumer Aligned"
    shown = [c["name"] for c in found]
    made = {
        "deploy/data_product_spec.yaml": _product(name, tier, udl, output, shown),
        "README.md": _readme(name, udl, [(c["name"], c["type"], c["description"]) for c in found]),
    }
    items = [{"id": "access", "file": "../build/access_control/read.yaml"}]
    made["build/access_control/read.yaml"] = _policy(name, output)
    if udl is not None and output is not None:
        items.insert(0, {"id": "load", "file": "../build/data_processing/load.yaml", "workspace": "public"})
        made["build/data_processing/load.yaml"] = _load(name, udl, output, shown)
    bundle = {
        "name": f"{name}-bundle",
        "version": "v1beta",
        "type": "bundle",
        "layer": "user",
        "bundle": {"resources": items},
    }
    made["deploy/deploy_bundle.yaml"] = _yaml(bundle)
    return made


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower().partition(".")[0]).strip("_")


def _yaml(body: object) -> str:
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110)


def _product(name: str, tier: str, udl: Udl | None, output: Udl | None, columns: list[str]) -> str:
    outputs: list[dict[str, object]] = []
    if output is not None:
        key = columns[0]
        checks = [{"name": f"no missing {key}", "check": f"missing_count({key}) = 0", "category": "Completeness"}]
        outputs = [{"refType": "dataos", "ref": str(output), "purpose": "consumption", "checks": checks}]
    data = {
        "meta": {"title": name.replace("-", " ").title()},
        "resource": {"refType": "dataos", "ref": f"bundle:v1beta:{name}-bundle"},
        "inputs": [{"refType": "depot", "ref": str(udl), "purpose": "source"}] if udl is not None else [],
        "outputs": outputs,
        "contract": {"version": "1.0.0"},
    }
    body = {
        "name": name,
        "version": "v1beta",
        "entity": "product",
        "type": "data",
        "tags": [f"DPTier.{tier}"],
        "description": f"What {name} is, and for whom.",
        "v1beta": {"data": data},
    }
    return _yaml(body)


def _load(name: str, udl: Udl, output: Udl, columns: list[str]) -> str:
    listed = ",\n  ".join(c if _PLAIN.fullmatch(c) else f"`{c}`" for c in columns)
    job = {
        "inputs": [{"name": "source", "dataset": str(udl)}],
        "steps": [{"sequence": [{"name": "result", "sql": f"SELECT\n  {listed}\nFROM source"}]}],
        "outputs": [
            {
                "name": "result",
                "dataset": f"{output}?acl=rw",
                "format": "Iceberg",
                "title": (output.dataset or "").replace("_", " ").title(),
                "options": {"saveMode": "overwrite"},
            }
        ],
    }
    spec = {"stack": "flare:7.0", "compute": "runnable-default", "stackSpec": {"job": job}}
    flow = {"dag": [{"name": "load", "spec": spec}]}
    return _yaml({"name": f"{name}-load"[:48], "version": "v1", "type": "workflow", "workflow": flow})


def _policy(name: str, output: Udl | None) -> str:
    path = str(output) if output is not None else f"dataos://lakehouse:{name.replace('-', '_')}/**"
    access = {
        "subjects": {"tags": [["roles:id:data-dev"]]},
        "predicates": ["read", "select"],
        "objects": {"paths": [path]},
        "allow": True,
    }
    body = {
        "name": f"{name}-read"[:48],
        "version": "v1",
        "type": "policy",
        "layer": "user",
        "policy": {"access": access},
    }
    return _yaml(body)


def _readme(name: str, udl: Udl | None, columns: list[tuple[str, str, str]]) -> str:
    table = "".join(f"| {n} | {t} | {d} |\n" for n, t, d in columns)
    shown = f"\nColumns of {udl}:\n\n| column | type | description |\n|---|---|---|\n{table}" if columns else ""
    steps = "    dataos apply -f deploy/deploy_bundle.yaml\n    dataos product apply -f deploy/data_product_spec.yaml\n"
    return f"# {name}\n\n{steps}{shown}"
