"""dataset commands (ch06 3): what people do to tables besides reading and writing rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from dataos.cli.groups import Group, Reader, Server, command
from dataos.cli.output import Output, exit_for
from dataos.core.errors import DataOSError, ExitCode, Problem, fail

T = TypeVar("T")

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_ICON = "📂"

FieldName = Annotated[str, typer.Option("-n", "--name", help="Column; dotted for a field of a struct.")]
Datatype = Annotated[str, typer.Option("-t", "--datatype", "--type", help="int, decimal, timestamp_with_zone, ...")]
Precision = Annotated[int | None, typer.Option("-p", "--precision", help="Of a decimal, up to 38.")]
Scale = Annotated[int | None, typer.Option("-s", "--scale", help="Of a decimal; 1 if left out.")]
Branch = Annotated[str, typer.Option("-b", "--branch", help="Name of the branch.")]
Tag = Annotated[str, typer.Option("-b", "--tag", help="Name of the tag.")]
NewName = Annotated[str, typer.Option("-n", "--name", help="Its new name.")]
SnapshotId = Annotated[str, typer.Option("-i", "--id", help="Id of the snapshot.")]
AtSnapshot = Annotated[str | None, typer.Option("-i", "--id", help="Snapshot; the current one of main if left out.")]
Source = Annotated[str, typer.Option("--source", help="A branch.")]
Target = Annotated[str, typer.Option("--target", help="Another branch.")]
Partitions = Annotated[list[str], typer.Option("-p", "--partitions", help="type:column[:name[:buckets]], repeatable.")]
Count = Annotated[int | None, typer.Option("-n", "--count", help="Buckets of those that name none.")]


@dataclass(frozen=True)
class Dataset(Group):
    """The dataset that a command works on."""

    address: Annotated[str | None, typer.Option("-a", "--address", help="dataos://depot:collection/dataset")] = None

    def need(self) -> str:
        """The address. Raises DataOSError `usage.address`."""
        if not self.address:
            raise fail("usage.address", "name a dataset", hint="-a dataos://depot:collection/dataset")
        return self.address


def _logged(out: Output, action: str, call: Callable[[], T]) -> T | int:
    """The call between its two lines of log; an exit code if it failed (ch06 3.1)."""
    out.talk(f"{action}...", _ICON)
    try:
        found = call()
    except DataOSError as error:
        if error.problem.code.startswith("usage."):
            raise
        out.talk(f"{action}...error", _ICON, "ERRO")
        for problem in error.problems:
            where = problem.where()
            place = f"{where}: " if where else f"{problem.path}: " if problem.path else ""
            out.talk(place + problem.message + (f" ({problem.hint})" if problem.hint else ""), level="ERRO")
        return exit_for(error)
    out.talk(f"{action}...completed", _ICON)
    return found


def _change(server: Server, action: str, verb: str, dataset: Dataset, **body: Any) -> int:
    """One verb that changes a dataset; tells how a branch moved."""
    body = {"address": dataset.need(), **{k: v for k, v in body.items() if v is not None}}
    out = server.out()
    done = _logged(out, action, lambda: server.client().json("POST", f"/api/v1/datasets/{verb}", body=body))
    if isinstance(done, int):
        return done
    _tell(done)
    return ExitCode.OK


def _tell(done: dict[str, Any]) -> None:
    if "old" in done:
        typer.echo(f"{done['type']} {done['name']}: {done['old'] or 'none'} -> {done['new'] or 'none'}")


def _read(
    reader: Reader, action: str, verb: str, dataset: Dataset, show: Callable[[Output, Any], None], **params: Any
) -> int:
    """One verb that reads."""
    out = reader.out()
    params = {"address": dataset.need(), **params}
    found: Any = _logged(out, action, lambda: reader.client().json("GET", f"/api/v1/datasets/{verb}", params=params))
    if isinstance(found, int):
        return found
    body = found["items"] if isinstance(found.get("items"), list) else found
    if out.machine:
        out.data(body)
    else:
        show(out, body)
    return ExitCode.OK


# --- datasets ---------------------------------------------------------------------------------------------------------


@command(app, "dataset-create")
def create(
    server: Server,
    dataset: Dataset,
    manifest: Annotated[Path, typer.Option("-f", "--manifestFile", help="YAML with schema, specs and properties.")],
) -> int:
    """Make a dataset of a manifest: an Avro schema, partition specs, properties."""
    from dataos.manifest import loader  # reading manifests costs start-up time that other calls need not pay

    documents = loader.load_file(manifest)
    if len(documents) != 1:
        raise fail("usage.file", f"{manifest} holds {len(documents)} documents", hint="one dataset, one document")
    document = documents[0]
    body = {"address": dataset.need(), "manifest": document.data}

    def call() -> Any:
        try:
            return server.client().json("POST", "/api/v1/datasets/create", body=body)
        except DataOSError as error:
            raise DataOSError([document.located(p) if p.path else p for p in error.problems]) from error

    done = _logged(server.out(), "create dataset", call)
    return done if isinstance(done, int) else ExitCode.OK


@command(app, "dataset-list")
def listing(reader: Reader, dataset: Dataset) -> int:
    """List the datasets of a collection (dataos://depot:collection)."""
    show = lambda out, items: out.table(["DATASETS"], [[name] for name in items])  # noqa: E731
    return _read(reader, "list", "list", dataset, show)


@command(app, "dataset-get")
def get(reader: Reader, dataset: Dataset) -> int:
    """Show schema, partition specs and properties, as `create` takes them."""
    return _read(reader, "get dataset", "get", dataset, lambda _, form: Output("yaml").data(form))


@command(app, "dataset-drop")
def drop(
    server: Server,
    dataset: Dataset,
    purge: Annotated[str, typer.Option("-p", "--purge", help="true deletes the files too; else they stay.")] = "false",
) -> int:
    """Forget a dataset; its files stay unless they are purged."""
    out = server.out()
    body = {"address": dataset.need(), "purge": _bool(purge, "--purge")}
    call = lambda: server.client().json("POST", "/api/v1/datasets/drop", body=body)  # noqa: E731
    done = _logged(out, "drop dataset", call)
    if isinstance(done, int):
        return done
    if not done["purged"]:
        out.talk(f"its files stay: dataos dataset register -a {dataset.address} -m {done['metadataLocation']}")
    return ExitCode.OK


@command(app, "dataset-register")
def register(
    server: Server,
    dataset: Dataset,
    metadata: Annotated[str, typer.Option("-m", "--metadataLocation", help="The table's metadata file.")],
) -> int:
    """Take up a table by its metadata file, as one that was dropped."""
    return _change(server, "register dataset", "register", dataset, metadataLocation=metadata)


# --- properties -------------------------------------------------------------------------------------------------------


@command(app, "dataset-properties")
def properties(reader: Reader, dataset: Dataset) -> int:
    """Show a dataset's properties."""
    show = lambda out, body: out.table(["PROPERTY NAME", "PROPERTY VALUE"], list(body.items()))  # noqa: E731
    return _read(reader, "get properties", "properties", dataset, show)


@command(app, "dataset-add-properties")
def add_properties(
    server: Server,
    dataset: Dataset,
    given: Annotated[list[str], typer.Option("-p", "--properties", help="name:value, repeatable.")],
) -> int:
    """Set properties; the first colon parts name and value."""
    wanted: dict[str, str] = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise fail("usage.property", f"`{text}` is no property", hint="-p name:value")
        wanted[name.strip()] = value
    return _change(server, "add properties", "add-properties", dataset, properties=wanted)


@command(app, "dataset-remove-properties")
def remove_properties(
    server: Server,
    dataset: Dataset,
    names: Annotated[list[str], typer.Option("-p", "--properties", help="name, repeatable.")],
) -> int:
    """Unset properties."""
    return _change(server, "remove properties", "remove-properties", dataset, names=names)


# --- columns and partitions -------------------------------------------------------------------------------------------


@command(app, "dataset-add-field")
def add_field(
    server: Server,
    dataset: Dataset,
    name: FieldName,
    datatype: Datatype,
    precision: Precision = None,
    scale: Scale = None,
    key_type: Annotated[str | None, typer.Option("-k", "--keyType", help="Of a map.")] = None,
    value_type: Annotated[str | None, typer.Option("-v", "--valueType", help="Of a map.")] = None,
) -> int:
    """Add an optional column; a dotted name adds inside a struct."""
    more = {"precision": precision, "scale": scale, "keyType": key_type, "valueType": value_type}
    return _change(server, "add field", "add-field", dataset, name=name, datatype=datatype, **more)


@command(app, "dataset-drop-field")
def drop_field(server: Server, dataset: Dataset, name: FieldName) -> int:
    """Drop a column or a field of a struct."""
    return _change(server, "remove field", "drop-field", dataset, name=name)


@command(app, "dataset-rename-field")
def rename_field(
    server: Server,
    dataset: Dataset,
    name: FieldName,
    new_name: Annotated[str, typer.Option("-m", "--newName", "--new-name", help="Its new name.")],
) -> int:
    """Rename a column or a field of a struct."""
    return _change(server, "rename field", "rename-field", dataset, name=name, newName=new_name)


@command(app, "dataset-update-field")
def update_field(
    server: Server,
    dataset: Dataset,
    name: FieldName,
    datatype: Datatype,
    precision: Precision = None,
    scale: Scale = None,
) -> int:
    """Widen a column's type: int to long, float to double, a decimal to a larger precision."""
    body = {"name": name, "datatype": datatype, "precision": precision, "scale": scale}
    return _change(server, "update field datatype", "update-field", dataset, **body)


@command(app, "dataset-set-nullable")
def set_nullable(
    server: Server,
    dataset: Dataset,
    name: FieldName,
    nullable: Annotated[str, typer.Option("-b", "--nullable", help="true or false.")],
) -> int:
    """Let a column hold nulls, or forbid it where it holds none."""
    may = _bool(nullable, "--nullable")
    return _change(server, "set nullability", "set-nullable", dataset, name=name, nullable=may)


@command(app, "dataset-update-partition")
def update_partition(server: Server, dataset: Dataset, partitions: Partitions, count: Count = None) -> int:
    """Partition what is written from now on in another way; files that are there stay as they are."""
    return _change(server, "update partition", "update-partition", dataset, partitions=partitions, count=count)


@command(app, "dataset")
def without_verb(server: Server, dataset: Dataset, partitions: Partitions, count: Count = None) -> int:
    """As `dataset update-partition`, which may be left out."""
    return _change(server, "update partition", "update-partition", dataset, partitions=partitions, count=count)


# --- snapshots and metadata -------------------------------------------------------------------------------------------


@command(app, "dataset-snapshots")
def snapshots(
    reader: Reader,
    dataset: Dataset,
    branch: Annotated[str | None, typer.Option("-b", "--branch", help="Of this branch only.")] = None,
) -> int:
    """List snapshots, oldest first."""

    def show(out: Output, items: list[dict[str, Any]]) -> None:
        rows = [[s["id"], s["timestamp"], s["at"]] for s in items]
        out.table(["SNAPSHOTID", "TIMESTAMP", "DATE AND TIME (GMT)"], rows)

    return _read(reader, "get snapshots", "snapshots", dataset, show, branch=branch)


@command(app, "dataset-set-snapshot")
def set_snapshot(server: Server, dataset: Dataset, id: SnapshotId) -> int:
    """Make any snapshot the current one."""
    return _change(server, "set snapshot", "set-snapshot", dataset, id=_snapshot(id))


@command(app, "dataset-rollback")
def rollback(server: Server, dataset: Dataset, id: SnapshotId) -> int:
    """Go back to an ancestor of the current snapshot."""
    return _change(server, "rollback", "rollback", dataset, id=_snapshot(id))


@command(app, "dataset-cherrypick-snapshot")
def cherry_pick(
    server: Server,
    dataset: Dataset,
    sid: Annotated[str, typer.Option("--sid", "-sid", help="Id of the snapshot.")],
) -> int:
    """Apply the changes of one snapshot on main."""
    return _change(server, "cherrypick snapshot", "cherrypick-snapshot", dataset, id=_snapshot(sid))


@command(app, "dataset-metadata")
def metadata(reader: Reader, dataset: Dataset) -> int:
    """List the metadata files, oldest first; the last is the current one."""

    def show(out: Output, items: list[dict[str, Any]]) -> None:
        out.table(["VERSION", "TIMESTAMP"], [[m["version"], m["timestamp"]] for m in items])

    return _read(reader, "get metadata", "metadata", dataset, show)


@command(app, "dataset-set-metadata")
def set_metadata(
    server: Server,
    dataset: Dataset,
    version: Annotated[str, typer.Option("-v", "--version", help="latest, or a metadata file.")],
) -> int:
    """Nothing to do with `latest`: the catalog is always current."""
    return _change(server, "set metadata", "set-metadata", dataset, version=version)


# --- branches and tags ------------------------------------------------------------------------------------------------


def _references(heading: str) -> Callable[[Output, Any], None]:
    return lambda out, items: out.table([heading, "SNAPSHOTID"], [[r["name"], r["snapshot"]] for r in items])


@command(app, "dataset-list-branch")
def list_branch(reader: Reader, dataset: Dataset) -> int:
    """List branches."""
    return _read(reader, "list branches", "list-branch", dataset, _references("BRANCH"))


@command(app, "dataset-create-branch")
def create_branch(server: Server, dataset: Dataset, branch: Branch, id: AtSnapshot = None) -> int:
    """Make a branch, at the current snapshot of main if none is named."""
    return _change(server, "create branch", "create-branch", dataset, name=branch, id=_snapshot(id))


@command(app, "dataset-rename-branch")
def rename_branch(server: Server, dataset: Dataset, branch: Branch, name: NewName) -> int:
    """Rename a branch."""
    return _change(server, "rename branch", "rename-branch", dataset, name=branch, newName=name)


@command(app, "dataset-delete-branch")
def delete_branch(server: Server, dataset: Dataset, branch: Branch) -> int:
    """Delete a branch; its snapshots stay until they expire."""
    return _change(server, "delete branch", "delete-branch", dataset, name=branch)


@command(app, "dataset-replace-branch")
def replace_branch(server: Server, dataset: Dataset, source: Source, target: Target) -> int:
    """Let the source branch stand where the target stands."""
    return _change(server, "replace branch", "replace-branch", dataset, source=source, target=target)


@command(app, "dataset-fastforward-branch")
def fast_forward(server: Server, dataset: Dataset, source: Source, target: Target) -> int:
    """Advance the target branch to where the source stands."""
    return _change(server, "fastforward branch", "fastforward-branch", dataset, source=source, target=target)


@command(app, "dataset-list-tag")
def list_tag(reader: Reader, dataset: Dataset) -> int:
    """List tags."""
    return _read(reader, "list tags", "list-tag", dataset, _references("TAG"))


@command(app, "dataset-create-tag")
def create_tag(server: Server, dataset: Dataset, tag: Tag, id: AtSnapshot = None) -> int:
    """Name a snapshot, the current one of main if none is said. It is kept as long as the tag."""
    return _change(server, "create tag", "create-tag", dataset, name=tag, id=_snapshot(id))


@command(app, "dataset-rename-tag")
def rename_tag(server: Server, dataset: Dataset, tag: Tag, name: NewName) -> int:
    """Rename a tag."""
    return _change(server, "rename tag", "rename-tag", dataset, name=tag, newName=name)


@command(app, "dataset-delete-tag")
def delete_tag(server: Server, dataset: Dataset, tag: Tag) -> int:
    """Delete a tag; its snapshot stays until it expires."""
    return _change(server, "delete tag", "delete-tag", dataset, name=tag)


def _bool(text: str, flag: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise fail("usage.flag", f"{flag} is `true` or `false`, not `{text}`")
    return text.strip().lower() == "true"


def _snapshot(text: str | None) -> str | None:
    if text is None:
        return None
    if not text.strip().isdigit():
        raise fail("usage.snapshot", f"`{text}` is no id of a snapshot", hint="dataos dataset snapshots shows them")
    return text.strip()


# --- maintenance ------------------------------------------------------------------------------------------------------

OlderThan = Annotated[str | None, typer.Option("--older-than", help="A time (UTC), epoch milliseconds, or an age: 7d.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def _upkeep(
    reader: Reader, action: str, verb: str, dataset: Dataset, show: Callable[[dict[str, Any]], list[Any]], **body: Any
) -> int:
    out = reader.out()
    body = {"address": dataset.need(), **{k: v for k, v in body.items() if v is not None}}
    call = lambda: reader.client().json("POST", f"/api/v1/datasets/{verb}", body=body, timeout_s=_LONG_S)  # noqa: E731
    done = _logged(out, action, call)
    if isinstance(done, int):
        return done
    if out.machine:
        out.data(done)
    else:
        out.table(["WHAT", "WOULD BE" if done.get("dryRun") else "DONE"], show(done))
    return ExitCode.OK


_LONG_S = 3600.0


@command(app, "dataset-expire")
def expire(
    reader: Reader,
    dataset: Dataset,
    older_than: OlderThan = None,
    retain_last: Annotated[int | None, typer.Option("--retain-last", help="Newest of each branch that stay.")] = None,
    snapshot: Annotated[list[str] | None, typer.Option("-i", "--id", help="Only this one; repeatable.")] = None,
    dry_run: DryRun = False,
) -> int:
    """Expire old snapshots and delete the files that only they name; by default those older than five days."""

    def show(done: dict[str, Any]) -> list[Any]:
        return [
            ["snapshots expired", len(done["snapshots"])],
            ["snapshots kept", done["snapshotsKept"]],
            ["branches and tags expired", ", ".join(done["references"]) or 0],
            ["data files deleted", done["dataFiles"]],
            ["delete files deleted", done["deleteFiles"]],
            ["metadata files deleted", done["metadataFiles"]],
            ["bytes freed", done["bytes"]],
        ]

    more = {"olderThanTimestamp": older_than, "retainLast": retain_last, "snapshotIds": snapshot, "dryRun": dry_run}
    return _upkeep(reader, "expire snapshots", "expire", dataset, show, **more)


@command(app, "dataset-clean-orphans")
def clean_orphans(
    reader: Reader,
    dataset: Dataset,
    older_than: OlderThan = None,
    location: Annotated[str | None, typer.Option("--location", help="A folder in the table's folder.")] = None,
    dry_run: DryRun = False,
) -> int:
    """Delete files in the table's folder that nothing names; by default those older than three days."""

    def show(done: dict[str, Any]) -> list[Any]:
        return [["files deleted", done["files"]], ["bytes freed", done["bytes"]], *(["", p] for p in done["paths"])]

    more = {"olderThanTimestamp": older_than, "location": location, "dryRun": dry_run}
    return _upkeep(reader, "remove orphans", "clean-orphans", dataset, show, **more)


@command(app, "dataset-rewrite-manifests")
def rewrite_manifests(reader: Reader, dataset: Dataset, dry_run: DryRun = False) -> int:
    """Put manifests together, so that fewer are opened to plan a query."""

    def show(done: dict[str, Any]) -> list[Any]:
        return [["manifests before", done["before"]], ["manifests after", done["after"]], ["entries", done["entries"]]]

    return _upkeep(reader, "rewrite manifests", "rewrite-manifests", dataset, show, dryRun=dry_run)


@command(app, "dataset-compact")
def compact(
    reader: Reader,
    dataset: Dataset,
    strategy: Annotated[str, typer.Option("--strategy", help="binpack or sort.")] = "binpack",
    sort_order: Annotated[
        str | None, typer.Option("--sort-order", help="id DESC NULLS LAST, ... or zorder(a, b); the table's own.")
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Only files that may hold such rows.")] = None,
    target: Annotated[
        int | None, typer.Option("--target-file-size-bytes", help="Wanted size of files; 512 MiB.")
    ] = None,
    rewrite_all: Annotated[bool, typer.Option("--rewrite-all", help="Also files that need it not.")] = False,
    partial: Annotated[bool, typer.Option("--partial-progress", help="Commit group by group.")] = False,
    dry_run: DryRun = False,
) -> int:
    """Rewrite data files: small ones are put together, deletes applied, rows sorted. The rows stay the same."""
    out = reader.out()
    client = reader.client()
    if strategy not in ("binpack", "sort"):
        raise fail("usage.strategy", f"--strategy {strategy} is not known", hint="binpack or sort")
    wanted = {
        "address": dataset.need(),
        "strategy": strategy,
        "sortOrder": sort_order,
        "where": where,
        "targetFileSizeBytes": target,
        "rewriteAll": rewrite_all,
        "partialProgress": partial,
        "dryRun": dry_run,
    }
    body = {key: value for key, value in wanted.items() if value is not None}

    def call() -> dict[str, Any]:
        id_ = client.json("POST", "/api/v1/datasets/compact", body=body)["id"]
        after = 0
        while True:
            found = client.json("GET", f"/api/v1/datasets/compactions/{id_}", params={"after": after})
            for line in found["log"].splitlines():
                typer.echo(line, err=True)
            after = found["next"]
            if found["state"] == "failed":
                raise DataOSError([Problem.from_json(p) for p in found["problems"]])
            if found["state"] == "done":
                done: dict[str, Any] = found["result"]
                return done
            time.sleep(_POLL_S)

    done = _logged(out, "rewrite dataset", call)
    if isinstance(done, int):
        return done
    if out.machine:
        out.data(done)
    else:
        names = {
            "filesBefore": "data files before",
            "filesAfter": "data files after",
            "bytesBefore": "bytes before",
            "bytesAfter": "bytes after",
            "filesRewritten": "files rewritten",
            "filesWritten": "files written",
            "rows": "rows written",
            "deleteFilesRemoved": "delete files removed",
            "commits": "commits",
        }
        if dry_run:  # nothing is known yet of what was not read
            names = {key: text for key, text in names.items() if key.startswith("files")}
        out.table(["WHAT", "WOULD BE" if dry_run else "DONE"], [[text, done[key]] for key, text in names.items()])
        for problem in done["failed"]:
            out.talk(problem, level="WARN")
    return ExitCode.FAILED if done["failed"] else ExitCode.OK


_POLL_S = 0.3
