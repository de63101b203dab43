"""jq and develop: sample manifests, JSON Schemas, what there is to declare (ch01 8.3, 8.4)."""

from __future__ import annotations

import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli.groups import Manifests, Printed, Reader, command
from dataos.core.errors import ExitCode, fail
from dataos.manifest import registry
from dataos.manifest.registry import KindDescriptor

app = typer.Typer(add_completion=False, rich_markup_mode=None)
OfType = Annotated[str | None, typer.Option("-t", "--type", help="Resource type.")]
OfVersion = Annotated[str | None, typer.Option("-v", "--version", help="Version of the type.")]


@command(app, "jq")
def jq(
    manifests: Manifests,
    printed: Printed,
    filter: Annotated[str, typer.Option("--filter", help="The jq program.")],
    raw: Annotated[bool, typer.Option("-r", "--raw", help="Print texts without quotes.")] = False,
) -> int:
    """Run a jq program over manifests: over each document, as it would be sent."""
    import jq as engine

    from dataos.cli import options

    out = printed.out()
    loaded = manifests.load("jq --filter PROGRAM")
    options.report(out, loaded.problems, loaded.warnings)
    try:
        program = engine.compile(filter)
    except ValueError as error:
        raise fail("usage.jq", f"--filter is no jq program: {_first_line(error)}") from error
    results: list[Any] = []
    for document in loaded.documents:
        try:
            results += program.input_value(document.data).all()
        except ValueError as error:
            where = f"{document.file}[{document.index}]"
            raise fail("jq.failed", f"{where}: {_first_line(error)}", hint="`?` after a path passes over it") from error
    if out.machine:
        out.data(results)
        return ExitCode.FAILED if loaded.problems else ExitCode.OK
    for result in results:
        print(result if raw and isinstance(result, str) else json.dumps(result, ensure_ascii=False, indent=2))
    return ExitCode.FAILED if loaded.problems else ExitCode.OK


def _first_line(error: Exception) -> str:
    lines = [line.removeprefix("jq: error: ") for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(":") if lines else "it failed"


@command(app, "develop-generate")
def generate(
    type: Annotated[str, typer.Option("-t", "--type", help="Resource type.")],
    name: Annotated[str | None, typer.Option("-n", "--name", help="Name of the Resource.")] = None,
    version: OfVersion = None,
    no_icons: Annotated[bool, typer.Option("--no-icons", help="Plain progress lines.")] = False,
) -> int:
    """Print a sample manifest of a type: it passes `dataos validate`, and says what can be said."""
    sys.stdout.write(sample(registry.need_kind(type), name, version))
    return ExitCode.OK


def sample(kind: KindDescriptor, name: str | None = None, version: str | None = None) -> str:
    """The sample manifest that stands beside a kind's `spec.py`. Raises DataOSError `kind.version`, `kind.sample`."""
    if version is not None and version not in kind.versions:
        hint = "versions: " + ", ".join(kind.versions)
        raise fail("kind.version", f"type {kind.type} has no version `{version}`", hint=hint)
    folder = importlib.resources.files(kind.spec.split(":")[0].rpartition(".")[0])
    wanted = (f"sample-{kind.type}-{version}.yaml", f"sample-{kind.type}.yaml", "sample.yaml")
    file = next((f for f in map(folder.joinpath, wanted) if f.is_file()), None)
    if file is None:
        raise fail(
            "kind.sample", f"type {kind.type} brings no sample", hint="docs/reference/manifests.md lists its keys"
        )
    text = file.read_text("utf-8")
    if version is not None:
        text = re.sub(r"^version: \S+", f"version: {version}", text, count=1, flags=re.MULTILINE)
    if name is not None:
        text = re.sub(r"^name: \S+", f"name: {json.dumps(name)}", text, count=1, flags=re.MULTILINE)
    return text


@command(app, "develop-types")
def types(
    printed: Printed,
    type: Annotated[str | None, typer.Option("-t", "--type", help="`depot`: types of Depots.")] = None,
) -> int:
    """List the types of Resources: their versions, and whether they can be applied yet."""
    out = printed.out()
    if type is not None and registry.canonical_type(type) != "depot":
        raise fail("usage.type", f"-t {type} has no types of its own", hint="-t depot, or leave it out")
    if type is not None:
        depots = [found for name in registry.known_depot_types() if (found := registry.find_depot_type(name))]
        items: list[dict[str, Any]] = [
            {
                "type": d.name,
                "aliases": list(d.aliases),
                "abilities": d.abilities.named(),
                "ready": d.adapter is not None,
            }
            for d in depots
        ]
    else:
        kinds = [registry.need_kind(name) for name in registry.known_kinds()]
        items = [
            {
                "type": k.type,
                "versions": list(k.versions),
                "level": "instance" if k.instance_level else "workspace",
                "ready": k.controller is not None,
            }
            for k in kinds
        ]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    headers = [key.upper() for key in items[0]]
    out.table(headers, [[_cell(value) for value in item.values()] for item in items])
    return ExitCode.OK


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)  # pyright: ignore[reportUnknownVariableType] - our own lists
    return ("yes" if value else "later") if isinstance(value, bool) else str(value)


@command(app, "develop-stack-versions")
def stack_versions(printed: Printed) -> int:
    """List the stacks with their flavours and versions, and whether they can run yet."""
    out = printed.out()
    items = [
        {
            "stack": stack.name,
            "flavor": flavour,
            "version": version,
            "image": "",  # the platform's own programs run from its installation
            "imagePullSecret": "",
            "ready": stack.planner is not None,
        }
        for name in registry.known_stacks()
        if (stack := registry.find_stack(name))
        for flavour in stack.flavours or ("",)
        for version in stack.versions
    ]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    headers = ["STACK", "FLAVOR", "VERSION", "IMAGE", "IMAGE PULL SECRET", "READY"]
    out.table(headers, [[_cell(value) for value in item.values()] for item in items])
    return ExitCode.OK


# --- schemas ----------------------------------------------------------------------------------------------------------


@command(app, "develop-schema-generate")
def schema_generate(
    type: OfType = None,
    version: OfVersion = None,
    depot_type: Annotated[str | None, typer.Option("--depot-type", help="The location of a depot type.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", help="The stackSpec of a stack.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse old spellings and unknown keys, as `validate --strict` does.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write to this file; with --all: to this folder.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All schemas, a file each.")] = False,
    no_icons: Annotated[bool, typer.Option("--no-icons", help="Plain progress lines.")] = False,
) -> int:
    """Print the JSON Schema of a type's manifests, for editors; without -t: of manifests of all types."""
    from dataos.manifest import exports

    given = [
        flag
        for flag, value in (("-t", type), ("--depot-type", depot_type), ("--stack", stack), ("--all", all))
        if value
    ]
    if len(given) > 1:
        raise fail("usage.schema", f"{' and '.join(given)} do not go together", hint="ask for one schema, or for --all")
    if version is not None and type is None:
        raise fail("usage.schema", "-v needs -t", hint="-t TYPE -v VERSION")
    if all:
        return _write_all(out, strict)
    if depot_type is not None:
        schema = exports.depot_schema(depot_type, strict=strict)
    elif stack is not None:
        schema = exports.stack_schema(stack, strict=strict)
    else:
        schema = exports.manifest_schema(type, version, strict=strict)
    _write(schema, out)
    return ExitCode.OK


def _write(schema: dict[str, Any], file: Path | None) -> None:
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, "utf-8")


def _write_all(folder: Path | None, strict: bool) -> int:
    """`manifest.json` for any, `<type>.json` and `<type>-<version>.json` for each, depots and stacks in folders."""
    from dataos.manifest import exports

    if folder is None:
        raise fail("usage.schema", "--all writes many files", hint="name a folder with -o FOLDER")
    for part in (folder, folder / "depots", folder / "stacks"):
        part.mkdir(parents=True, exist_ok=True)
    _write(exports.manifest_schema(strict=strict), folder / "manifest.json")
    for name in registry.known_kinds():
        kind = registry.need_kind(name)
        _write(exports.manifest_schema(name, strict=strict), folder / f"{name}.json")
        for version in kind.versions:
            _write(exports.manifest_schema(name, version, strict=strict), folder / f"{name}-{version}.json")
    for name in registry.known_depot_types():
        _write(exports.depot_schema(name, strict=strict), folder / "depots" / f"{name.lower()}.json")
    for name in registry.known_stacks():
        _write(exports.stack_schema(name, strict=strict), folder / "stacks" / f"{name}.json")
    return ExitCode.OK


SCOPES = {"workspace-scoped": "/api/v1/workspaces/{workspace}/resources", "instance-scoped": "/api/v1/resources"}


@command(app, "develop-schema-get-api")
def schema_get_api(
    reader: Reader,
    type: Annotated[str, typer.Option("-t", "--type", help="instance-scoped or workspace-scoped.")],
    version: Annotated[str, typer.Option("-v", "--version", help="Version of the API.")] = "v1",
) -> int:
    """Print the server's API of Resources as OpenAPI: of instance-level or of workspace-level ones."""
    if type not in SCOPES:
        raise fail("usage.schema", f"-t {type} is no scope", hint="allowed: " + ", ".join(SCOPES))
    if version != "v1":
        raise fail("usage.version", f"the API has version v1, not {version}")
    whole = reader.client().json("GET", "/api/v1/openapi.json")
    paths = {path: body for path, body in whole["paths"].items() if path.startswith(SCOPES[type])}
    shown = {**whole, "paths": paths, "components": _used(whole.get("components", {}), paths)}
    out = reader.out()
    if out.machine:
        out.data(shown)
    else:
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    return ExitCode.OK


def _used(components: dict[str, Any], paths: dict[str, Any]) -> dict[str, Any]:
    """The components that the paths refer to, with what those refer to."""
    schemas: dict[str, Any] = components.get("schemas", {})
    text, found = json.dumps(paths), dict[str, Any]()
    while True:
        named = set(re.findall(r'"#/components/schemas/([^"]+)"', text)) - set(found)
        if not named:
            return {**components, "schemas": dict(sorted(found.items()))}
        found |= {name: schemas[name] for name in named}
        text = json.dumps([schemas[name] for name in named])
