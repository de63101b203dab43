"""lineage, and what is known of datasets beside their rows: dataset catalog, describe, profile, quality, label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dataos.cli import options
from dataos.cli.groups import Reader, Server, command
from dataos.cli.output import Output
from dataos.core.errors import ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Address = Annotated[str | None, typer.Option("-a", "--address", help="dataos://depot:collection/dataset")]
_FORMATS = ("table", "json", "yaml", "dot")
_ENDED = {"COMPLETE": "succeeded", "FAIL": "failed", "ABORT": "aborted"}


def _need(address: str | None, verb: str) -> str:
    if not address:
        raise fail("usage.address", "name a dataset", hint=f"dataos {verb} -a dataos://depot:collection/dataset")
    return quote(address, safe="")


# --- lineage ----------------------------------------------------------------------------------------------------------


@command(app, "lineage")
def lineage(
    server: Server,
    dataset: Annotated[str | None, typer.Argument(help="The address, without -a.", show_default=False)] = None,
    address: Address = None,
    column: Annotated[str | None, typer.Option("-c", "--column", help="Only where this column goes.")] = None,
    up: Annotated[bool, typer.Option("--up", help="Only where it comes from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what is made of it.")] = False,
    depth: Annotated[int, typer.Option("--depth", help="Steps from dataset to dataset.", min=1, max=100)] = 20,
    output: Annotated[str, typer.Option("-O", "--output", help="table, json, yaml or dot (Graphviz).")] = "table",
) -> int:
    """Show where a dataset comes from and what is made of it, by the newest successful runs."""
    if output not in _FORMATS:
        raise fail("usage.output", f"output `{output}` is not allowed", hint=f"allowed: {', '.join(_FORMATS)}")
    out = options.output("table" if output == "dot" else output, server.no_icons)
    params: dict[str, Any] = {"direction": "both" if up == down else "up" if up else "down", "depth": depth}
    if column:
        params["column"] = column
    body = server.client().json("GET", f"/api/v1/lineage/{_need(address or dataset, 'lineage')}", params=params)
    if out.machine:
        out.data(body)
        return ExitCode.OK
    for line in _dot(body) if output == "dot" else _tree(body):
        print(line)
    if body["truncated"]:
        out.talk("there is more: raise --depth", level="WARN")
    return ExitCode.OK


def _tree(body: dict[str, Any]) -> Iterator[str]:
    nodes = {n["address"]: n for n in body["nodes"]}
    shown = [d for d in ("up", "down") if body["direction"] in (d, "both")]
    for number, direction in enumerate(shown):
        edges = [e for e in body["edges"] if e["direction"] == direction]
        if number:
            yield ""
        yield f"{'comes from' if direction == 'up' else 'goes into'}:"
        yield _dataset(nodes[body["address"]])
        if not edges:
            yield "└─ nothing that a job has told" if direction == "up" else "└─ nothing yet"
        yield from _branches(body["address"], direction, edges, nodes, "", {body["address"]})


def _branches(
    address: str,
    direction: str,
    edges: list[dict[str, Any]],
    nodes: dict[str, Any],
    indent: str,
    above: set[str],
) -> Iterator[str]:
    """Jobs below a dataset, and the datasets below each of them. What stands above is not walked again."""
    here, there = ("to", "from") if direction == "up" else ("from", "to")
    by_job: dict[str, list[dict[str, Any]]] = {}
    for edge in edges:
        if edge[here] == address:
            by_job.setdefault(f"{edge['job']['namespace']} {edge['job']['name']}", []).append(edge)
    for position, found in enumerate(by_job.values()):
        last = position == len(by_job) - 1
        yield f"{indent}{'└─' if last else '├─'} {_job(found[0])}"
        inner = indent + ("   " if last else "│  ")
        ends = [e for e in found if e[there] is not None]
        for number, edge in enumerate(ends):
            end = edge[there]
            final = number == len(ends) - 1
            repeated = end in above
            told = f"{_dataset(nodes[end])}{_columns(edge)}{' (above)' if repeated else ''}"
            yield f"{inner}{'└─' if final else '├─'} {told}"
            if not repeated:
                deeper = inner + ("   " if final else "│  ")
                yield from _branches(end, direction, edges, nodes, deeper, above | {end})


def _dataset(node: dict[str, Any]) -> str:
    columns = f" [{', '.join(node['columns'])}]" if node["columns"] else ""
    return node["address"] + columns


def _columns(edge: dict[str, Any]) -> str:
    """Said only where it is not known: otherwise the columns stand behind the dataset."""
    return "" if edge["resolved"] or edge.get("columns") is None or edge["columns"] else " (columns not known)"


def _job(edge: dict[str, Any]) -> str:
    job = edge["job"]
    name = f"{job['workspace']}/{job['workflow']}/{job['job']}" if job["job"] else f"{job['namespace']}/{job['name']}"
    told = [job["stack"]] if job["stack"] else []
    told.append(f"run {edge['run']}" if job["job"] else f"run {edge['run'][:8]}")
    told.append(edge["at"][:19].replace("T", " "))
    if job["lastRun"] not in (None, edge["run"]):
        told.append(f"newest run {_ENDED.get(job['state'], job['state'])}")
    reads = "" if edge["to"] is not None else ", makes no dataset"
    return f"{name} ({', '.join(told)}{reads})"


def _dot(body: dict[str, Any]) -> Iterator[str]:
    """A graph for Graphviz: datasets as boxes, jobs as ellipses."""
    yield "digraph lineage {"
    yield "  rankdir=LR;"
    for node in body["nodes"]:
        label = node["address"] + "".join(f"\\n{c}" for c in node["columns"])
        yield f"  {_quoted(node['address'])} [shape=box, label={_quoted(label)}];"
    jobs: dict[str, str] = {}
    arrows: dict[str, None] = {}
    for edge in body["edges"]:
        key = f"job {edge['job']['namespace']} {edge['job']['name']}"
        jobs[key] = edge["job"]["name"]
        arrows[f"  {_quoted(edge['from'])} -> {_quoted(key)};"] = None
        if edge["to"] is not None:
            arrows[f"  {_quoted(key)} -> {_quoted(edge['to'])};"] = None
    for key, name in jobs.items():
        yield f"  {_quoted(key)} [shape=ellipse, label={_quoted(name)}];"
    yield from arrows
    yield "}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


# --- datasets ---------------------------------------------------------------------------------------------------------


@command(app, "dataset-catalog")
def catalog(
    reader: Reader,
    query: Annotated[str | None, typer.Option("-q", "--query", help="Part of an address, title or text.")] = None,
    depot: Annotated[str | None, typer.Option("-d", "--depot", help="Of this Depot.")] = None,
    tag: Annotated[str | None, typer.Option("-t", "--tag", help="With this tag, of itself or of a column.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Of this user.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Most datasets to show.", min=1, max=100_000)] = 1000,
) -> int:
    """List the datasets that jobs read and write."""
    out, client = reader.out(), reader.client()
    wanted = {"q": query, "depot": depot, "tag": tag, "owner": owner}
    params: dict[str, Any] = {k: v for k, v in wanted.items() if v}
    items: list[dict[str, Any]] = []
    after: str | None = None
    while len(items) < limit:
        page = {**params, "limit": min(1000, limit - len(items)), **({"after": after} if after else {})}
        body = client.json("GET", "/api/v1/metadata/datasets", params=page)
        items += body["items"]
        after = body["next"]
        if after is None:
            break
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [
        [i["address"], i["title"] or i["description"], i["owner"], ", ".join(i["tags"]), _time(i["writtenAt"])]
        for i in items
    ]
    out.table(["ADDRESS", "TITLE", "OWNER", "TAGS", "WRITTEN"], rows)
    if after is not None:
        out.talk(f"only the first {len(items):,} are shown: raise --limit", level="WARN")
    return ExitCode.OK


@command(app, "dataset-describe")
def describe(reader: Reader, address: Address = None) -> int:
    """Show what is known of a dataset: columns, texts, tags, suggested tags."""
    out = reader.out()
    path = f"/api/v1/metadata/datasets/{_need(address, 'dataset describe')}"
    body = reader.client().json("GET", path)
    if out.machine:
        out.data(body)
        return ExitCode.OK
    written = body["writtenBy"]
    facts = [
        ("address", body["address"]),
        ("title", body["title"]),
        ("description", body["description"]),
        ("owner", body["owner"]),
        ("tags", ", ".join(body["tags"])),
        ("meta version", body["version"]),
        ("written", f"{_time(body['writtenAt'])} by {written['job']} (run {written['run']})" if written else ""),
        ("profile", f"{body['profile']['level']}, {_time(body['profile']['at'])}" if body["profile"] else ""),
        ("tests", f"{body['quality']['passed']} passed, {body['quality']['failed']} failed"),
    ]
    for name, value in facts:
        if value:
            print(f"{name + ':':14}{value}")
    print()
    out.table(
        ["COLUMN", "TYPE", "TAGS", "DESCRIPTION"],
        [[c["name"], c["type"], ", ".join(c["tags"]), c.get("description", "")] for c in body["columns"]],
    )
    open_ = [s for s in body["suggestions"] if s["state"] == "suggested"]
    if open_:
        print("\nsuggested tags (dataset label --accept TAG --column COLUMN):")
        out.table(["COLUMN", "TAG", "CONFIDENCE"], [[s["column"], s["tag"], f"{s['confidence']:.0%}"] for s in open_])
    return ExitCode.OK


@command(app, "dataset-profile")
def profile(
    reader: Reader,
    address: Address = None,
    column: Annotated[str | None, typer.Option("-c", "--column", help="All figures of one column.")] = None,
    days: Annotated[float, typer.Option("--days", help="How far the history of rows goes back.", min=0.01)] = 90.0,
) -> int:
    """Show the newest profile of a dataset: nulls, distinct values, spread of each column."""
    out = reader.out()
    path = f"/api/v1/metadata/datasets/{_need(address, 'dataset profile')}/profile"
    body = reader.client().json("GET", path, params={"days": days})
    if column is not None:
        body["columns"] = [c for c in body["columns"] if c["name"].lower() == column.lower()]
        if not body["columns"]:
            raise fail("metadata.column", f"the profile has no column `{column}`", hint="leave --column out to see all")
    if out.machine:
        out.data(body)
        return ExitCode.OK
    filters = f", of rows where {' and '.join(body['filters'])}" if body["filters"] else ""
    print(f"{body['address']}: {body['rows']:,} rows{filters} ({body['level']}, {_time(body['at'])})\n")
    if column is not None:
        _figures(out, body["columns"][0])
        return ExitCode.OK
    rows = [
        [c["name"], c["type"], _share(c, "nullShare"), _share(c, "distinctShare"), _share(c, "uniqueShare"),
         c.get("count"), _value(c.get("min")), _value(c.get("max")), _value(c.get("mean"))]
        for c in body["columns"]
    ]  # fmt: skip
    out.table(["COLUMN", "TYPE", "NULL", "DISTINCT", "UNIQUE", "VALUES", "MIN", "MAX", "MEAN"], rows)
    for found in body["correlations"]:
        print(f"  {found['a']} with {found['b']}: {_value(found['value'])}")
    if len(body["history"]) > 1:
        print("\nrows over time:")
        out.table(["AT", "ROWS"], [[_time(h["at"]), f"{h['rows']:,}"] for h in body["history"]])
    return ExitCode.OK


def _figures(out: Output, column: dict[str, Any]) -> None:
    rows: list[list[Any]] = []
    for name, value in column.items():
        if isinstance(value, dict):
            rows += [[f"{name} {k}", _value(v)] for k, v in value.items()]
        elif isinstance(value, list):
            rows += [
                [name, " ".join(_value(part) for part in (v.values() if isinstance(v, dict) else [v]))] for v in value
            ]
        else:
            rows.append([name, _value(value)])
    out.table(["FIGURE", "VALUE"], rows)


@command(app, "dataset-quality")
def quality(
    reader: Reader,
    address: Address = None,
    status: Annotated[str | None, typer.Option("--status", help="success or failed.")] = None,
) -> int:
    """Show the tests of a dataset with their newest results."""
    if status not in (None, "success", "failed"):
        raise fail("usage.option", f"status `{status}` is not allowed", hint="allowed: success, failed")
    out = reader.out()
    path = f"/api/v1/metadata/datasets/{_need(address, 'dataset quality')}/quality"
    items = reader.client().json("GET", path, params={"status": status} if status else None)["items"]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [
        [i["name"], i["column"], i["test"], i["status"], _value(i["value"]), _time(i["at"]),
         "".join("." if r["status"] == "success" else "F" for r in reversed(i["recent"]))] for i in items
    ]  # fmt: skip
    out.table(["NAME", "COLUMN", "TEST", "STATUS", "VALUE", "AT", "LAST RUNS"], rows)
    return ExitCode.OK


@command(app, "dataset-label")
def label(
    server: Server,
    address: Address = None,
    column: Annotated[str | None, typer.Option("-c", "--column", help="Column of the suggestion.")] = None,
    accept: Annotated[str | None, typer.Option("--accept", help="Tag that the column is to carry.")] = None,
    discard: Annotated[str | None, typer.Option("--discard", help="Tag that is not to be suggested again.")] = None,
) -> int:
    """Accept or discard a tag that a profile suggests for a column."""
    path = f"/api/v1/metadata/datasets/{_need(address, 'dataset label')}/labels"
    if column is None or (accept is None) == (discard is None):
        hint = "dataos dataset label -a ADDRESS --column COLUMN --accept TAG (or --discard TAG)"
        raise fail("usage.option", "name a column, and one tag to accept or to discard", hint=hint)
    body = {"column": column, "tag": accept or discard, "decision": "accept" if accept else "discard"}
    done = server.client().json("POST", path, body=body)
    server.out().talk(f"{done['column']}: {done['tag']} {done['state']}", "🏷")
    return ExitCode.OK


def _time(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else ""


def _share(column: dict[str, Any], key: str) -> str:
    value = column.get(key)
    return "" if value is None else f"{value:.1%}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:,.2f}"
    return "" if value is None else str(value)
