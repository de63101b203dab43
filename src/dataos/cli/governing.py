"""tag, grant, governance, policy and audit commands: who may see what, and why (ch08)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import quote

import typer

from dataos.cli import options
from dataos.cli.groups import Reader, Server, command
from dataos.core.errors import DataOSError, ExitCode, Problem, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Asset = Annotated[str, typer.Argument(help="dataos://depot:collection/dataset[#column]")]
Tags = Annotated[list[str], typer.Option("-t", "--tags", help="Tags: a,b or repeated.")]
OfGrant = Annotated[str, typer.Option("-i", "--id", help="Grant or request.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for who asked.")]
Kind = Annotated[str, typer.Argument(help="use-cases, providers, tag-namespaces or roles")]
YamlFile = Annotated[Path, typer.Option("-f", "--manifestFile", help="YAML file.")]


# --- tags of data -----------------------------------------------------------------------------------------------------


@command(app, "tag-get")
def tag_get(asset: Asset, reader: Reader) -> int:
    """Show the tags of a dataset with its columns, or of one column."""
    return _show_tags(reader, reader.client().json("GET", "/api/v1/asset-tags", params={"assetFqn": asset}))


@command(app, "tag-add")
def tag_add(asset: Asset, tags: Tags, reader: Reader) -> int:
    """Give a dataset or a column tags."""
    body = {"assign": [{"assetFqn": asset, "tagFqn": t} for t in options.comma_separated(tags) or []]}
    return _show_tags(reader, reader.client().json("PUT", "/api/v1/asset-tags/bulk", body=body))


@command(app, "tag-remove")
def tag_remove(asset: Asset, tags: Tags, reader: Reader) -> int:
    """Take tags off. One that a job gives comes back with its next run."""
    body = {"remove": [{"assetFqn": asset, "tagFqn": t} for t in options.comma_separated(tags) or []]}
    return _show_tags(reader, reader.client().json("PUT", "/api/v1/asset-tags/bulk", body=body))


def _show_tags(reader: Reader, body: dict[str, Any]) -> int:
    out, items = reader.out(), body["items"]
    for warning in body.get("warnings") or []:
        out.problem(Problem.from_json(warning), warning=True)
    if out.machine:
        out.data(items)
    else:
        out.table(["ASSET", "TAG", "SOURCE"], [[i["assetFqn"], i["tagFqn"], i["source"]] for i in items])
    return ExitCode.OK


# --- grants -----------------------------------------------------------------------------------------------------------


@command(app, "grant-get")
def grant_get(
    reader: Reader,
    state: Annotated[str | None, typer.Option("--state", help="requested, approved or rejected.")] = None,
) -> int:
    """List grants and requests, the newest first."""
    items = reader.client().json("GET", "/api/v1/grants", params={"state": state} if state else {})["items"]
    return _show_grants(reader, items)


@command(app, "grant-request")
def grant_request(
    reader: Reader,
    use_case: Annotated[str, typer.Option("-u", "--use-case", help="Id of the use case.")],
    subjects: Annotated[list[str] | None, typer.Option("-s", "--subjects", help="Tags; yourself if left out.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--values", help="atom:variable=value,variable=value; repeated.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    expires: Annotated[str | None, typer.Option("--expires", help="When it ends: 2026-12-31T00:00:00Z.")] = None,
) -> int:
    """Ask for a use case."""
    body = {
        "policy_use_case_id": use_case,
        "subjects": options.comma_separated(subjects) or [],
        "values": _values(values or []),
        "notes": note,
        "expires": expires,
    }
    return _show_grants(reader, [reader.client().json("POST", "/api/v1/grants", body=body)])


@command(app, "grant-approve")
def grant_approve(
    id: OfGrant,
    reader: Reader,
    reason: Reason = "",
    expires: Annotated[str | None, typer.Option("--expires", help="When it ends: 2026-12-31T00:00:00Z.")] = None,
) -> int:
    """Put a request in force."""
    body = {"reason": reason, "expires": expires}
    path = f"/api/v1/grants/{quote(id, safe='')}/approve"
    return _show_grants(reader, [reader.client().json("POST", path, body=body)])


@command(app, "grant-reject")
def grant_reject(id: OfGrant, reader: Reader, reason: Reason = "") -> int:
    """Refuse a request."""
    path = f"/api/v1/grants/{quote(id, safe='')}/reject"
    return _show_grants(reader, [reader.client().json("POST", path, body={"reason": reason})])


@command(app, "grant-delete")
def grant_delete(id: OfGrant, server: Server) -> int:
    """End a grant, or take a request back."""
    server.client().json("DELETE", f"/api/v1/grants/{quote(id, safe='')}")
    server.out().talk("grant delete...deleted", "🗑️")
    return ExitCode.OK


def _values(written: list[str]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for text in written:
        atom, sign, rest = text.partition(":")
        pairs = [pair.partition("=") for pair in rest.split(",")] if sign else []
        if not atom or not pairs or not all(key.strip() and equals for key, equals, _ in pairs):
            raise fail(
                "usage", f"`{text}` is no value", hint="write atom:variable=value, for instance ds-read:depot=lakehouse"
            )
        found.setdefault(atom.strip(), []).append({key.strip(): value.strip() for key, _, value in pairs})
    return found


def _show_grants(reader: Reader, items: list[dict[str, Any]]) -> int:
    out = reader.out()
    if out.machine:
        out.data(items)
        return ExitCode.OK
    header = ["ID", "STATE", "USE CASE", "REQUESTER", "DECISION", "SUBJECTS"]
    keys = ("id", "state", "policy_use_case_id", "requester", "decision")
    out.table(header, [[*(str(i[key] or "") for key in keys), ", ".join(i["subjects"])] for i in items])
    return ExitCode.OK


# --- use-cases, providers, tag-namespaces, roles ----------------------------------------------------------------------


@command(app, "governance-get")
def governance_get(
    kind: Kind, reader: Reader, id: Annotated[str | None, typer.Option("-i", "--id", help="One of them.")] = None
) -> int:
    """Show use cases, providers, tag-namespaces or roles."""
    client, out = reader.client(), reader.out()
    path = f"/api/v1/governance/{quote(kind, safe='')}"
    if id is not None:
        out.data(client.json("GET", f"{path}/{quote(id, safe='')}"))
        return ExitCode.OK
    items = client.json("GET", path)["items"]
    if out.machine:
        out.data(items)
    else:
        rows = [[i["id"], i["name"], "shipped" if i["shipped"] else "", i.get("description", "")] for i in items]
        out.table(["ID", "NAME", "SHIPPED", "DESCRIPTION"], rows)
    return ExitCode.OK


@command(app, "governance-create")
def governance_create(kind: Kind, file: YamlFile, server: Server) -> int:
    """Make what a YAML file says."""
    for document in _documents(file):
        made = server.client().json("POST", f"/api/v1/governance/{quote(kind, safe='')}", body=document)
        server.out().talk(f"{kind} {made['id']}...created", "✅")
    return ExitCode.OK


@command(app, "governance-delete")
def governance_delete(
    kind: Kind,
    id: Annotated[str, typer.Option("-i", "--id", help="Which one.")],
    server: Server,
    force: Annotated[bool, typer.Option("--force", help="Also if it is in use; its grants end.")] = False,
) -> int:
    """Remove a use case, provider, tag-namespace or role."""
    path = f"/api/v1/governance/{quote(kind, safe='')}/{quote(id, safe='')}"
    server.client().json("DELETE", path, params={"force": "true"} if force else {})
    server.out().talk(f"{kind} {id}...deleted", "🗑️")
    return ExitCode.OK


def _documents(file: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        found = [d for d in yaml.safe_load_all(file.read_text(encoding="utf-8")) if d is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        raise DataOSError(Problem("manifest.yaml", f"{file} is no YAML: {error}", file=str(file), line=line)) from error
    if not all(isinstance(d, dict) for d in found):
        raise fail("manifest.yaml", f"{file} holds something else than mappings", file=str(file))
    return cast("list[dict[str, Any]]", found)


# --- answers about policy ---------------------------------------------------------------------------------------------


@command(app, "policy-explain")
def policy_explain(
    reader: Reader,
    object: Annotated[str, typer.Option("--object", help="dataos://...[#column], an API path, or a tag.")],
    user: Annotated[str | None, typer.Option("--user", help="About whom; yourself if left out.")] = None,
    predicate: Annotated[str, typer.Option("--predicate", help="read, select, write, get, ...")] = "read",
) -> int:
    """Say which policies match, which one decides, and what is seen of each column."""
    body = {"user": user, "predicate": predicate, "object": object}
    found = reader.client().json("POST", "/api/v1/policy/explain", body=body)
    out = reader.out()
    if out.machine:
        out.data(found)
        return ExitCode.OK
    decided = ", ".join(found["decidedBy"]) or "no policy matches"
    may = "may" if found["allowed"] else "may not"
    print(f"{found['user']} {may} {found['predicate']} {found['object']}: {decided}")
    if found["matched"]:
        rows = [[m["policy"], "allow" if m["allow"] else "deny", m["layer"], m["origin"]] for m in found["matched"]]
        out.table(["POLICY", "EFFECT", "LAYER", "ORIGIN"], rows)
    for entry in found["filters"]:
        print(f"only rows with {entry['filter']} (policy {entry['policy']})")
    if found["columns"]:
        rows = [
            [c["column"], ", ".join(c["tags"]), c["shown"], c["mask"] or "", c["policy"] or ""]
            for c in found["columns"]
        ]
        out.table(["COLUMN", "TAGS", "SHOWN", "AS", "POLICY"], rows)
    return ExitCode.OK


@command(app, "policy-simulate")
def policy_simulate(
    reader: Reader,
    file: YamlFile,
    delete: Annotated[list[str] | None, typer.Option("--delete", help="Policies that would go: a,b.")] = None,
) -> int:
    """Say who would gain and lose what, by the statements that were asked. Nothing is stored."""
    body = {"documents": _documents(file), "delete": options.comma_separated(delete) or []}
    found = reader.client().json("POST", "/api/v1/policy/simulate", body=body)
    out = reader.out()
    if out.machine:
        out.data(found)
        return ExitCode.OK
    rows = [
        [verb, e["user"], e["dataset"], e["what"], e["before"], e["after"], str(e["statements"])]
        for verb, key in (("gains", "gains"), ("loses", "loses"))
        for e in found[key]
    ]
    if rows:
        out.table(["", "USER", "DATASET", "WHAT", "BEFORE", "AFTER", "STATEMENTS"], rows)
    else:
        print(f"no difference for any of {found['statements']} recorded reads")
    return ExitCode.OK


@command(app, "policy-coverage")
def policy_coverage(
    reader: Reader,
    dataset: Annotated[str | None, typer.Option("--dataset", help="One dataset; all if left out.")] = None,
    column: Annotated[str | None, typer.Option("--column", help="Who sees this column of it?")] = None,
) -> int:
    """Show tagged columns that somebody sees in clear, or who sees one column."""
    client, out = reader.client(), reader.out()
    if column is not None:
        if dataset is None:
            raise fail("usage", "--column needs --dataset", hint="--dataset dataos://depot:collection/dataset")
        items = client.json("GET", "/api/v1/policy/viewers", params={"dataset": dataset, "column": column})["items"]
        if out.machine:
            out.data(items)
        else:
            rows = [[i["user"], i["shown"], i["mask"] or "", i["policy"] or ""] for i in items]
            out.table(["USER", "SHOWN", "AS", "POLICY"], rows)
        return ExitCode.OK
    found = client.json("GET", "/api/v1/policy/coverage", params={"dataset": dataset} if dataset else {})
    if out.machine:
        out.data(found)
        return ExitCode.OK
    rows = [[u["dataset"], u["column"], ", ".join(u["tags"]), ", ".join(u["inClear"])] for u in found["uncovered"]]
    out.table(["DATASET", "COLUMN", "TAGS", "IN CLEAR FOR"], rows)
    print(f"{found['covered']} tagged columns are covered, {len(rows)} are not")
    return ExitCode.OK


@command(app, "policy-test")
def policy_test(reader: Reader, file: YamlFile) -> int:
    """Check expectations of a YAML file; exit code 1 if one does not hold.

    Each entry of `tests`: user, object, predicate (read), and what is expected: `allow: true|false`, `columns: {email:
    masked}` (raw, masked or denied), `policies: [..]`, `filters: [..]`."""
    client, out = reader.client(), reader.out()
    failures: list[str] = []
    count = 0
    for document in _documents(file):
        for test in cast("list[dict[str, Any]]", document.get("tests") or []):
            count += 1
            body = {key: test[key] for key in ("user", "predicate", "object") if key in test}
            found = client.json("POST", "/api/v1/policy/explain", body=body)
            label = test.get("name") or f"{test.get('user')} {test.get('predicate', 'read')} {test.get('object')}"
            failures += [f"{label}: {text}" for text in _differences(test, found)]
    for text in failures:
        print(f"✗ {text}")
    print(f"{count} tests, {len(failures)} differences")
    if count == 0:
        raise fail("usage", f"{file} holds no `tests`", hint="tests: [{user: ana, object: dataos://..., allow: true}]")
    out.talk("policy test...complete", "🧪")
    return ExitCode.FAILED if failures else ExitCode.OK


def _differences(test: dict[str, Any], found: dict[str, Any]) -> list[str]:
    said: list[str] = []
    if "allow" in test and bool(test["allow"]) is not found["allowed"]:
        said.append(
            f"expected allow: {str(test['allow']).lower()}, decided by {', '.join(found['decidedBy']) or 'nothing'}"
        )
    shown = {c["column"]: c["shown"] for c in found["columns"]}
    for column, wanted in cast("dict[str, str]", test.get("columns") or {}).items():
        if shown.get(column.lower()) != wanted:
            said.append(f"column {column} is {shown.get(column.lower(), 'not there')}, expected {wanted}")
    filters = [f["filter"] for f in found["filters"]]
    said += [f"no filter `{f}`; there are: {filters}" for f in test.get("filters") or [] if f not in filters]
    missing = set(test.get("policies") or []) - {m["policy"] for m in found["matched"]}
    said += [f"policy {name} does not match" for name in sorted(missing)]
    return said


# --- audit ------------------------------------------------------------------------------------------------------


@command(app, "audit-get")
def audit_get(
    reader: Reader,
    actor: Annotated[str | None, typer.Option("--actor", help="Of one user.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="One action, for instance query.")] = None,
    denied: Annotated[bool, typer.Option("--denied", help="Refusals only.")] = False,
    after: Annotated[int, typer.Option("--after", help="Rows after this number.")] = 0,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.")] = 1000,
) -> int:
    """Show who asked for what, and how it was decided."""
    query: dict[str, str] = {"after": str(after), "limit": str(limit)}
    query |= {key: value for key, value in (("actor", actor), ("action", action)) if value is not None}
    query |= {"allowed": "false"} if denied else {}
    items = reader.client().json("GET", "/api/v1/audit", params=query)["items"]
    out = reader.out()
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [
        [str(i["seq"]), i["at"], i["actor"], i["action"], i["object"], "yes" if i["allowed"] else "no",
         ", ".join(i["policies"])]
        for i in items
    ]  # fmt: skip
    out.table(["SEQ", "AT", "ACTOR", "ACTION", "OBJECT", "ALLOWED", "POLICIES"], rows)
    return ExitCode.OK


@command(app, "audit-verify")
def audit_verify(reader: Reader) -> int:
    """Is every row of the audit as it was written? Exit code 1 if not."""
    found = reader.client().json("GET", "/api/v1/audit/verify")
    out = reader.out()
    if out.machine:
        out.data(found)
    else:
        old = f"; {found['removed']} before them went because they were old" if found["removed"] else ""
        print(f"{found['rows']} rows are as they were written{old}" if found["ok"] else found["reason"])
    return ExitCode.OK if found["ok"] else ExitCode.FAILED


@command(app, "audit-export")
def audit_export(
    reader: Reader, after: Annotated[int, typer.Option("--after", help="Rows after this number.")] = 0
) -> int:
    """Print all rows as JSON lines."""
    import json

    while items := reader.client().json("GET", "/api/v1/audit", params={"after": str(after)})["items"]:
        for item in items:
            print(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
        after = items[-1]["seq"]
    return ExitCode.OK
