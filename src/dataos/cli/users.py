"""user and role commands (ch01 9)."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dataos.cli import options
from dataos.cli.groups import Reader, Server, command
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.errors import ExitCode

app = typer.Typer(add_completion=False, rich_markup_mode=None)
UserId = Annotated[str | None, typer.Option("-i", "--id", help="User id; yourself if left out.")]
OfUser = Annotated[str, typer.Option("-i", "--id", help="User id.")]
OfRole = Annotated[str, typer.Option("-i", "--id", help="Role id.")]
Tags = Annotated[list[str], typer.Option("-t", "--tags", help="Tags: a,b or repeated.")]


@command(app, "user-get")
def get(
    reader: Reader, all: Annotated[bool, typer.Option("-a", "--all", help="All users.")] = False, id: UserId = None
) -> int:
    """Show yourself, one user (-i) or all (-a)."""
    out = reader.out()
    client = reader.client()
    if all:
        items = client.json("GET", "/api/v1/users")["items"]
    else:
        items = [client.json("GET", f"/api/v1/users/{id}" if id else "/api/v1/me")]
    out.talk("user get...complete", "😃")
    if out.machine:
        out.data(items)
    else:
        _show_users(out, items)
    return ExitCode.OK


def _show_users(out: Output, items: list[dict[str, Any]]) -> None:
    """A row per tag (ch08 2.4); STATE only where somebody is disabled."""
    disabled = any(u["state"] != "active" for u in items)
    rows: list[list[str]] = []
    for u in items:
        cells = [u["name"], u["id"], u["type"], u["email"], *([u["state"]] if disabled else [])]
        first, *rest = u["tags"] or [""]
        rows += [[*cells, first], *([*[""] * len(cells), tag] for tag in rest)]
    out.table(["NAME", "ID", "TYPE", "EMAIL", *(["STATE"] if disabled else []), "TAGS"], rows)


@command(app, "user-create")
def create(
    reader: Reader,
    name: Annotated[str, typer.Option("-n", "--name", help="Name for people.")],
    type: Annotated[str, typer.Option("-t", "--type", help="person or application.")] = "application",
    user_id: Annotated[str | None, typer.Option("-u", "--user_id", help="Id; made from the name if left out.")] = None,
    email: Annotated[str | None, typer.Option("-e", "--email", help="E-mail address.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="Tags: a,b or repeated.")] = None,
    apikey_name: Annotated[str | None, typer.Option("--apikeyName", help="Make an API key of this name too.")] = None,
    duration: Annotated[str, typer.Option("-d", "--duration", help="How long that key lasts.")] = "24h",
) -> int:
    """Make a user. A person made here logs in after `user invite`, at a login provider, or with a key."""
    out = reader.out()
    client = reader.client()
    body = {"id": user_id, "name": name, "type": type, "email": email, "tags": options.comma_separated(tags)}
    made: dict[str, Any] = client.json("POST", "/api/v1/users", body=body)
    if apikey_name:
        made["apikey"] = _make_key(client, made["id"], apikey_name, duration)
    if out.machine:
        out.data(made)
        return ExitCode.OK
    out.talk("user create...complete", "😃")
    _show_users(out, [made])
    if apikey_name:
        _show_key(out, made["apikey"])
    return ExitCode.OK


@command(app, "user-delete")
def delete(server: Server, id: OfUser) -> int:
    """Remove a user who owns nothing any more, with its API keys."""
    out = server.out()
    server.client().json("DELETE", f"/api/v1/users/{id}")
    out.talk(f"user {id}...deleted", "🗑")
    return ExitCode.OK


@command(app, "user-tag-add")
def tag_add(reader: Reader, id: OfUser, tags: Tags) -> int:
    """Give a user tags; a role is the tag roles:id:<role>."""
    out = reader.out()
    wanted = options.comma_separated(tags)
    body = reader.client().json("PUT", f"/api/v1/users/{id}/tags", body={"tags": wanted})
    out.talk("User tag added.", "🏷")
    out.talk(f"New tags: {', '.join(wanted)}", "🏷")
    return _show_tags(out, body, "User tag added successfully.")


@command(app, "user-tag-delete")
def tag_delete(reader: Reader, id: OfUser, tags: Tags) -> int:
    """Take tags away from a user."""
    out = reader.out()
    gone = {"tags": options.comma_separated(tags)}
    body = reader.client().json("POST", f"/api/v1/users/{id}/tags/remove", body=gone)
    return _show_tags(out, body, "User tag deleted successfully.")


def _show_tags(out: Output, body: dict[str, Any], text: str) -> int:
    if out.machine:
        out.data(body)
        return ExitCode.OK
    out.talk(text, "🏷")
    out.table(["ID", "TAGS"], [[body["id"], ", ".join(body["tags"])]])
    return ExitCode.OK


@command(app, "user-changes-get")
def changes(reader: Reader, id: UserId = None) -> int:
    """Show what happened to a user."""
    out = reader.out()
    client = reader.client()
    who = id or client.json("GET", "/api/v1/me")["id"]
    return _show_changes(out, client.json("GET", f"/api/v1/users/{who}/changes")["items"])


@command(app, "role-changes-get")
def role_changes(reader: Reader, id: OfRole) -> int:
    """Show who was given a role or lost it."""
    out = reader.out()
    return _show_changes(out, reader.client().json("GET", f"/api/v1/roles/{id}/changes")["items"])


def _show_changes(out: Output, items: list[dict[str, Any]]) -> int:
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [
        [i["at"], i["change"], i["by"], ", ".join(f"{k}={v}" for k, v in i.items() if k not in ("at", "change", "by"))]
        for i in items
    ]
    out.table(["AT", "CHANGE", "BY", "DETAILS"], rows)
    return ExitCode.OK


@command(app, "user-apikey-create")
def key_create(
    reader: Reader,
    id: UserId = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="Name of the key; made up if left out.")] = None,
    duration: Annotated[str, typer.Option("-d", "--duration", help="How long it lasts: 24h, 30d.")] = "24h",
) -> int:
    """Make an API key. It is shown now and never again."""
    out = reader.out()
    client = reader.client()
    made = _make_key(client, id or client.json("GET", "/api/v1/me")["id"], name, duration)
    if out.machine:
        out.data(made)
        return ExitCode.OK
    out.talk("apikey...complete (keep the token: it is not shown again)", "🔑")
    _show_key(out, made)
    return ExitCode.OK


def _make_key(client: Client, user: str, name: str | None, duration: str) -> dict[str, Any]:
    body = {"name": name, "duration_s": options.seconds(duration)}
    made: dict[str, Any] = client.json("POST", f"/api/v1/users/{user}/tokens", body=body)
    return made


def _show_key(out: Output, key: dict[str, Any]) -> None:
    out.table(["TOKEN", "TYPE", "EXPIRATION", "NAME"], [[key["token"], key["type"], key["expiration"], key["name"]]])


@command(app, "user-apikey-get")
def key_get(
    reader: Reader, id: UserId = None, name: Annotated[str | None, typer.Option("-n", "--name", help="One key.")] = None
) -> int:
    """List API keys: their names and ends. A key itself is shown only when it is made."""
    out = reader.out()
    client = reader.client()
    who = id or client.json("GET", "/api/v1/me")["id"]
    items = [k for k in client.json("GET", f"/api/v1/users/{who}/tokens")["items"] if name in (None, k["name"])]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [[k["type"], "expired" if k["expired"] else k["expiration"] or "never", k["name"]] for k in items]
    out.table(["TYPE", "EXPIRATION", "NAME"], rows)
    return ExitCode.OK


@command(app, "user-apikey-delete")
def key_delete(server: Server, name: Annotated[str, typer.Option("-n", "--name", help="Name of the key.")]) -> int:
    """End an API key; it is refused from now on."""
    out = server.out()
    server.client().json("DELETE", f"/api/v1/tokens/{name}")
    out.talk(f"apikey {name}...deleted", "🔑")
    return ExitCode.OK


@command(app, "role-get")
def role_get(reader: Reader) -> int:
    """List the shipped roles."""
    out = reader.out()
    items = reader.client().json("GET", "/api/v1/roles")["items"]
    if out.machine:
        out.data(items)
    else:
        out.table(["ID", "TAG", "DESCRIPTION"], [[r["id"], r["tag"], r["description"]] for r in items])
    return ExitCode.OK
