"""product commands: apply, get, delete, plan, validate, status, init, deprecate, open, graph, export (ch09 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
import yaml

from dataos.cli import documents, options, planning, validating
from dataos.cli.documents import Loaded
from dataos.cli.groups import Group, Manifests, Printed, Reader, Redrawn, Server, command
from dataos.cli.options import Details, Strict
from dataos.cli.output import Output
from dataos.cli.resources import redraw
from dataos.client.api import Client
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.loader import Document, report

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_TYPE = "data"
OneName = Annotated[str | None, typer.Argument(help="Name of the product, or TYPE:VERSION:NAME.")]


@dataclass(frozen=True)
class Product(Group):
    """A product, in any of the ways to name one."""

    product_id: Annotated[str | None, typer.Option("-i", "--productId", help="TYPE:VERSION:NAME")] = None
    type: Annotated[str | None, typer.Option("-t", "--type", help="Type: data.")] = None
    name: Annotated[str | None, typer.Option("-n", "--name", help="Name.")] = None
    version: Annotated[str | None, typer.Option("-v", "--version", help="Manifest version.")] = None

    def find(self) -> tuple[str | None, str | None]:
        """(version, name); None where it is not said. Raises DataOSError `usage.target`."""
        if self.product_id:
            return parse(self.product_id)
        if self.type not in (None, _TYPE, "product"):
            raise fail("usage.target", f"type `{self.type}` is no product", hint="-t data")
        return self.version, self.name


def parse(text: str) -> tuple[str | None, str]:
    """`data:v1beta:name` or a bare name. Raises DataOSError `usage.target`."""
    parts = [p.strip() for p in text.replace("|", ":").split(":") if p.strip()]
    if len(parts) == 1:
        return None, parts[0]
    if len(parts) == 3 and _TYPE in (parts[0], parts[2]):
        version = parts[1]
        return version, parts[2] if parts[0] == _TYPE else parts[0]
    raise fail("usage.target", f"`{text}` names no product", hint="-i data:v1beta:NAME")


def _path(version: str, name: str, more: str = "") -> str:
    return f"/api/v1/products/{_TYPE}/{quote(version, safe='')}/{quote(name, safe='')}{more}"


def _named(client: Client, product: Product, given: str | None = None) -> tuple[str, str]:
    """Version and name of one product. Raises DataOSError `usage.target`, `resource.not_found`."""
    version, name = parse(given) if given else product.find()
    if name is None:
        raise fail("usage.target", "name a product", hint="-i data:v1beta:NAME, or -n NAME")
    return version or str(client.resource(_TYPE, name, None)["version"]), name


# --- apply, plan, validate --------------------------------------------------------------------------------------------


@command(app, "product-apply")
def apply(
    manifests: Manifests,
    reader: Reader,
    lint: Annotated[bool, typer.Option("-l", "--lint", help="Validate, store nothing.")] = False,
    de_ref: Annotated[bool, typer.Option("-d", "--de-ref", help="Print the documents as sent.")] = False,
    strict: Strict = False,
) -> int:
    """Apply products. What they point at may come later: they turn active by themselves; --strict refuses them then."""
    out = reader.out()
    loaded = manifests.load("product apply")
    if de_ref:
        for document in loaded.documents:
            print("---")
            Output("yaml").data(document.data)
        return ExitCode.FAILED if loaded.problems else ExitCode.OK
    out.talk("product apply...", "🛠")
    options.report(out, loaded.problems, loaded.warnings)
    failures = list(loaded.problems)
    results: list[dict[str, Any]] = []
    client = None if lint else reader.client()
    for document in loaded.documents:
        try:
            results.append(_apply_one(out, client, document, loaded, strict))
        except DataOSError as error:
            failures += error.problems
    if out.machine:
        out.data(results)
    if failures:
        out.talk("product apply...error", "🛠", "WARN")
        return exit_code(failures[0].code) or ExitCode.FAILED
    out.talk("product apply...lint" if lint else "product apply...complete", "🛠")
    return ExitCode.OK


def _apply_one(out: Output, client: Client | None, document: Document, loaded: Loaded, strict: bool) -> dict[str, Any]:
    reading = loaded.reading()
    manifest = _read(document, reading)
    errors, warnings = report(document, reading)
    data = document.data if isinstance(document.data, dict) else {}
    label = f"applying {data.get('type', '?')}:{data.get('version', '?')}:{data.get('name', '?')}..."
    out.talk(label, "🔧")
    if manifest is None or (strict and warnings):
        options.report(out, errors, warnings)
        out.talk(f"{label}error", "🔧", "WARN")
        raise DataOSError(errors or warnings)
    if client is None:
        options.report(out, [], warnings)
        return {"action": "valid", "id": manifest.id}
    body = {"document": document.data}
    path = _path(manifest.version, manifest.meta.name)
    try:
        if strict:
            _check_strictly(client, path, body)
        answer = client.json("PUT", path, body=body)
    except DataOSError as error:
        located = [document.located(p) for p in error.problems]
        options.report(out, located, warnings)
        out.talk(f"{label}error", "🔧", "WARN")
        raise DataOSError(located) from error
    noticed = [document.located(Problem.from_json(w)) for w in answer["warnings"]]
    for warning in dict.fromkeys([*warnings, *noticed]):
        out.problem(warning, warning=True)
    action = {"unchanged": "nothing to do"}.get(answer["action"], answer["action"])
    out.talk(f"{label}{action}", "🔧")
    return dict(answer)


def _check_strictly(client: Client, path: str, body: dict[str, Any]) -> None:
    found = client.json("PUT", path, body={**body, "dryRun": True})["warnings"]
    if found:
        raise DataOSError([Problem.from_json(w) for w in found])


def _read(document: Document, reading: Any) -> Manifest | None:
    """Only products: what else is in a file is applied by `dataos apply`."""
    data = document.data if isinstance(document.data, dict) else {}
    entity = str(data.get("entity", "product")).strip().lower()
    if entity != "product" or str(data.get("type")) != _TYPE:
        text = f"{documents.label(data)} is no data product: it has `type: data`"
        reading.error(("type",), text, hint="Resources are applied with `dataos resource apply -f FILE`")
        return None
    return read_manifest(document.data, reading)


@command(app, "product-plan")
def plan(manifests: Manifests, reader: Reader) -> int:
    """Show what an apply would change, and which references do not resolve."""
    return planning.plan(manifests, reader)


@command(app, "product-validate")
def validate(manifests: Manifests, printed: Printed, strict: Strict = False) -> int:
    """Check product manifests offline."""
    return validating.validate(manifests, printed, strict)


# --- get, delete, status ----------------------------------------------------------------------------------------------


@command(app, "product-get")
def get(
    product: Product,
    reader: Reader,
    redrawn: Redrawn,
    all: Annotated[bool, typer.Option("-a", "--all", help="Of all owners.")] = False,
    owner: Annotated[str | None, typer.Option("-o", "--owner", help="Of one owner.")] = None,
    manifest_file: Annotated[Path | None, typer.Option("-f", "--manifestFile", help="Those of a file.")] = None,
    details: Details = False,
    tags: Annotated[bool, typer.Option("--tags", help="Show tags.")] = False,
    as_: Annotated[
        str | None, typer.Option("--as", help="With details: as a manifest of this version: v1beta.")
    ] = None,
) -> int:
    """List products, or show one."""
    out = reader.out()
    client = reader.client()
    version, name = product.find()
    if manifest_file is not None:
        named = {t.name for t in documents.targets([manifest_file], False, None, True) if t.type == _TYPE}
    else:
        named = {name} if name else set[str]()

    def draw() -> int:
        out.talk("product get...", "🔍")
        wanted: dict[str, Any] = {"type": _TYPE, "owner": owner, "mine": not (all or owner or named)}
        items = [r for r in client.resources(**wanted) if not named or r["name"] in named]
        items = [r for r in items if version in (None, r["version"])]
        if named and not items:
            raise fail(
                "resource.not_found", f"no data product `{', '.join(sorted(named))}`", hint="dataos product get -a"
            )
        out.talk("product get...complete", "🔍")
        if details or as_:
            full = [
                client.json("GET", _path(r["version"], r["name"]), params={"as": as_} if as_ else {}) for r in items
            ]
            if out.machine:
                out.data(full)
            for item in [] if out.machine else full:
                print("---")
                if not as_:
                    print(f"# {item['id']}  {item['status']}  generation {item['generation']}  {item['info']}")
                Output("yaml").data(item["manifest"])
        elif out.machine:
            out.data(items)
        else:
            headers = ["TYPE", "VERSION", "NAME", "STATUS", "OWNER", *(["TAGS"] if tags else [])]
            keys = [h.lower() for h in headers]
            out.table(headers, [[", ".join(r[k]) if k == "tags" else r[k] for k in keys] for r in items])
        return ExitCode.OK

    return redraw(redrawn.refresh_rate, draw) if redrawn.refresh else draw()


@command(app, "product-delete")
def delete(
    product: Product,
    server: Server,
    manifest_file: Annotated[list[Path] | None, typer.Option("-f", "--manifestFile", help="Those of a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also if something depends on it.")] = False,
    cascade: Annotated[bool, typer.Option("--cascade", help="With its Bundle and that one's members.")] = False,
) -> int:
    """Delete a product: its Bundle, datasets and ports stay, unless --cascade takes the Bundle along."""
    out = server.out()
    client = server.client()
    if manifest_file:
        found = documents.targets(manifest_file, False, None, True)
        targets = [(t.version or "v1beta", t.name) for t in found if t.type == _TYPE]
    else:
        targets = [_named(client, product)]
    out.talk("product delete...", "🗑")
    failed: DataOSError | None = None
    for version, name in targets:
        label = f"deleting {_TYPE}:{version}:{name}..."
        out.talk(label, "🗑")
        try:
            answer = client.json("DELETE", _path(version, name), params={"force": force, "cascade": cascade})
        except DataOSError as error:
            for problem in error.problems:
                out.problem(problem)
            out.talk(f"{label}error", "🗑", "WARN")
            failed = failed or error
            continue
        for id_ in answer["removed"]:
            out.talk(f"  removes {id_}", "🗑")
        out.talk(f"{label}{answer['result']}", "🗑")
    if failed is not None:
        return exit_code(failed.problem.code)
    out.talk("product delete...complete", "🗑")
    return ExitCode.OK


@command(app, "product-status")
def status(reader: Reader, product: Product, given: OneName = None) -> int:
    """Show how a product stands: references with their health, freshness, service levels, runs, what is missing."""
    out = reader.out()
    client = reader.client()
    version, name = _named(client, product, given)
    page = client.json("GET", _path(version, name, "/page"))
    levels = client.json("GET", _path(version, name, "/health"))
    if out.machine:
        out.data({**page, "levels": levels})
        return ExitCode.OK
    out.table(
        ["ID", "TITLE", "STATUS", "STAGE", "OWNER"],
        [[page[k] for k in ("id", "title", "status", "stage", "ownerName")]],
    )
    if page["banner"]:
        print(f"\n  {page['banner']['text']}")
    print()
    rows = [[r[k] for k in ("side", "ref", "health", "status", "runtime", "reason")] for r in page["refs"]]
    out.table(["SIDE", "REF", "HEALTH", "STATUS", "RUNTIME", "REASON"], rows)
    print()
    out.table(
        ["OUTPUT", "WRITTEN", "AGE (s)"],
        [[f[k] for k in ("dataset", "writtenAt", "age_s")] for f in levels["freshness"]],
    )
    print()
    runs, latency = levels["runs"], levels["latency"]
    shown = [levels["availability"]["percent"], latency["p50_s"], latency["p95_s"], levels["quality"]["adherence"]]
    out.table(
        ["AVAILABILITY %", "P50 (s)", "P95 (s)", "CHECKS %", "RUNS OK", "RUNS FAILED"],
        [[*shown, runs["succeeded"], runs["failed"]]],
    )
    if levels["slos"]:
        print()
        keys = ("name", "category", "target", "actual", "ok")
        out.table(["SLO", "CATEGORY", "TARGET", "ACTUAL", "KEPT"], [[s[k] for k in keys] for s in levels["slos"]])
    return ExitCode.OK


@command(app, "product-graph")
def graph(reader: Reader, product: Product, given: OneName = None) -> int:
    """Show what a product reads, makes and consists of, and which products read it."""
    out = reader.out()
    client = reader.client()
    body = client.json("GET", _path(*_named(client, product, given), "/graph"))
    if out.machine:
        out.data(body)
        return ExitCode.OK
    titles = {n["id"]: n["title"] for n in body["nodes"]}
    out.table(["FROM", "KIND", "TO"], [[titles[e["from"]], e["kind"], titles[e["to"]]] for e in body["edges"]])
    return ExitCode.OK


@command(app, "product-open")
def open_(server: Server, product: Product, given: OneName = None) -> int:
    """Print the address of a product's page in the Hub."""
    client = server.client()
    version, name = _named(client, product, given)
    print(f"{client.connection.url}/hub/products/{version}/{name}")
    return ExitCode.OK


# --- new, end, contracts ----------------------------------------------------------------------------------------------


@command(app, "product-init")
def init(
    server: Server,
    name: Annotated[str | None, typer.Argument(help="Name of the product.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="source or consumer")] = "source",
    from_table: Annotated[str | None, typer.Option("--from-table", help="dataos://depot:collection/dataset")] = None,
    from_odcs: Annotated[Path | None, typer.Option("--from-odcs", help="An Open Data Contract (v3) file.")] = None,
    folder: Annotated[Path | None, typer.Option("-o", "--out", help="Folder; default: the name.")] = None,
) -> int:
    """Write the files of a new product: from a table with its real columns, or from a data contract."""
    out = server.out()
    client = server.client()
    if from_odcs is not None:
        body = client.json("POST", "/api/v1/products/from-odcs", body={"contract": _yaml_of(from_odcs)})
        for warning in body["warnings"]:
            out.problem(Problem.from_json({**warning, "file": str(from_odcs)}), warning=True)
        document = {**body["document"], **({"name": name} if name else {})}
        name = str(document["name"])
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
        files = {"deploy/data_product_spec.yaml": text}
    elif name:
        asked = {"name": name, "kind": kind, "table": from_table}
        files = client.json("POST", "/api/v1/products/scaffold", body=asked)["files"]
    else:
        raise fail("usage.target", "name the product", hint="dataos product init NAME --from-table dataos://...")
    root = folder or Path(name)
    there = [str(root / f) for f in files if (root / f).exists()]
    if there:
        raise fail("usage.file", f"{', '.join(there)} exists already", hint="choose another folder with -o")
    out.talk("product init...", "🚀")
    for file, text in sorted(files.items()):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")
        out.talk(f"  {root / file}", "🚀")
    out.talk("product init...complete", "🚀")
    return ExitCode.OK


def _yaml_of(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise fail("usage.file", f"{file} is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise fail("usage.file", f"{file} holds no mapping")
    return found  # pyright: ignore[reportUnknownVariableType] - foreign


@command(app, "product-export")
def export(
    reader: Reader,
    product: Product,
    given: OneName = None,
    odcs: Annotated[bool, typer.Option("--odcs", help="As an Open Data Contract Standard v3 document.")] = False,
) -> int:
    """Print a product as a manifest of version v1beta, or as a data contract."""
    client = reader.client()
    version, name = _named(client, product, given)
    if odcs:
        found = client.json("GET", _path(version, name, "/odcs"))["document"]
    else:
        found = client.json("GET", _path(version, name), params={"as": "v1beta"})["manifest"]
    (Output("yaml") if not reader.out().machine else reader.out()).data(found)
    return ExitCode.OK


@command(app, "product-deprecate")
def deprecate(
    reader: Reader,
    product: Product,
    given: OneName = None,
    replaced_by: Annotated[str | None, typer.Option("--replaced-by", help="data:VERSION:NAME")] = None,
    retire_on: Annotated[str | None, typer.Option("--retire-on", help="The day on which it ends: 2031-01-31.")] = None,
) -> int:
    """Announce a product's end; who used it in the last 30 days is named and has a notice in the inbox."""
    out = reader.out()
    client = reader.client()
    version, name = _named(client, product, given)
    out.talk("product deprecate...", "🛠")
    body = {"replacedBy": replaced_by, "retireOn": retire_on}
    answer = client.json("POST", _path(version, name, "/deprecate"), body=body)
    out.talk(f"deprecating {_TYPE}:{version}:{name}...{answer['action']}", "🔧")
    if out.machine:
        out.data(answer)
        return ExitCode.OK
    rows = [[c["user"], d, n] for c in answer["consumers"] for d, n in c["datasets"].items()]
    out.table(["CONSUMER", "DATASET", "QUERIES"], rows)
    out.talk("product deprecate...complete", "🛠")
    return ExitCode.OK
