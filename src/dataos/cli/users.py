"""user and role commands (ch01 9)."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dataos.cli import options
from dataos.cli.options import Context, Format, NoIcons, Url
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.errors import ExitCode

app = typer.Typer(add_completion=False, rich_markup_mode=None)
UserId = Annotated[str | None, typer.Option("-i", "--id", help="User id; yourself if left out.")]
OfUser = Annotated[str, typer.Option("-i", "--id", help="User id.")]
OfRole = Annotated[str, typer.Option("-i", "--id", help="Role id.")]
Tags = Annotated[list[str], typer.Option("-t", "--tags", help="Tags: a,b or repeated.")]


@app.command("user-get")
def get(
    all: Annotated[bool, typer.Option("-a", "--all", help="All users.")] = False,
    id: UserId = None,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Show yourself, one user (-i) or all (-a)."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
    if all:
        items = client.json("GET", "/api/v1/users")["items"]
    else:
        items = [client.json("GET", f"/api/v1/users/{id}" if id else "/api/v1/me")]
    out.talk("user get...complete", "😃")
    if out.machine:
        out.data(items)
    else:
        rows = [[u["name"], u["id"], u["type"], u["email"], ", ".join(u["tags"])] for u in items]
        out.table(["NAME", "ID", "TYPE", "EMAIL", "TAGS"], rows)
    return ExitCode.OK


@app.command("user-create")
def create(
    name: Annotated[str, typer.Option("-n", "--name", help="Name for people.")],
    type: Annotated[str, typer.Option("-t", "--type", help="person or application.")] = "application",
    user_id: Annotated[str | None, typer.Option("-u", "--user_id", help="Id; made from the name if left out.")] = None,
    email: Annotated[str | None, typer.Option("-e", "--email", help="E-mail address.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="Tags: a,b or repeated.")] = None,
    apikey_name: Annotated[str | None, typer.Option("--apikeyName", help="Make an API key of this name too.")] = None,
    duration: Annotated[str, typer.Option("-d", "--duration", help="How long that key lasts.")] = "24h",
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Make a user. A person made here cannot log in before it has a way to (an API key)."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
    body = {"id": user_id, "name": name, "type": type, "email": email, "tags": options.comma_separated(tags)}
    made: dict[str, Any] = client.json("POST", "/api/v1/users", body=body)
    if apikey_name:
        made["apikey"] = _make_key(client, made["id"], apikey_name, duration)
    if out.machine:
        out.data(made)
        return ExitCode.OK
    out.talk("user create...complete", "😃")
    out.table(
        ["NAME", "ID", "TYPE", "EMAIL", "TAGS"],
        [[made["name"], made["id"], made["type"], made["email"], ", ".join(made["tags"])]],
    )
    if apikey_name:
        _show_key(out, made["apikey"])
    return ExitCode.OK


@app.command("user-delete")
def delete(id: OfUser, url: Url = None, context: Context = None, no_icons: NoIcons = False) -> int:
    """Remove a user who owns nothing any more, with its API keys."""
    out = options.output("table", no_icons)
    options.client(url, context).json("DELETE", f"/api/v1/users/{id}")
    out.talk(f"user {id}...deleted", "🗑")
    return ExitCode.OK


@app.command("user-tag-add")
def tag_add(
    id: OfUser,
    tags: Tags,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Give a user tags; a role is the tag roles:id:<role>."""
    out = options.output(output, no_icons)
    wanted = options.comma_separated(tags)
    body = options.client(url, context).json("PUT", f"/api/v1/users/{id}/tags", body={"tags": wanted})
    out.talk("User tag added.", "🏷")
    out.talk(f"New tags: {', '.join(wanted)}", "🏷")
    return _show_tags(out, body, "User tag added successfully.")


@app.command("user-tag-delete")
def tag_delete(
    id: OfUser,
    tags: Tags,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Take tags away from a user."""
    out = options.output(output, no_icons)
    gone = {"tags": options.comma_separated(tags)}
    body = options.client(url, context).json("POST", f"/api/v1/users/{id}/tags/remove", body=gone)
    return _show_tags(out, body, "User tag deleted successfully.")


def _show_tags(out: Output, body: dict[str, Any], text: str) -> int:
    if out.machine:
        out.data(body)
        return ExitCode.OK
    out.talk(text, "🏷")
    out.table(["ID", "TAGS"], [[body["id"], ", ".join(body["tags"])]])
    return ExitCode.OK


@app.command("user-changes-get")
def changes(
    id: UserId = None, output: Format = "table", url: Url = None, context: Context = None, no_icons: NoIcons = False
) -> int:
    """Show what happened to a user."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
    who = id or client.json("GET", "/api/v1/me")["id"]
    return _show_changes(out, client.json("GET", f"/api/v1/users/{who}/changes")["items"])


@app.command("role-changes-get")
def role_changes(
    id: OfRole, output: Format = "table", url: Url = None, context: Context = None, no_icons: NoIcons = False
) -> int:
    """Show who was given a role or lost it."""
    out = options.output(output, no_icons)
    return _show_changes(out, options.client(url, context).json("GET", f"/api/v1/roles/{id}/changes")["items"])


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


@app.command("user-apikey-create")
def key_create(
    id: UserId = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="Name of the key; made up if left out.")] = None,
    duration: Annotated[str, typer.Option("-d", "--duration", help="How long it lasts: 24h, 30d.")] = "24h",
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Make an API key. It is shown now and never again."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
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


@app.command("user-apikey-get")
def key_get(
    id: UserId = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="One key.")] = None,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """List API keys: their names and ends. A key itself is shown only when it is made."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
    who = id or client.json("GET", "/api/v1/me")["id"]
    items = [k for k in client.json("GET", f"/api/v1/users/{who}/tokens")["items"] if name in (None, k["name"])]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [[k["type"], "expired" if k["expired"] else k["expiration"] or "never", k["name"]] for k in items]
    out.table(["TYPE", "EXPIRATION", "NAME"], rows)
    return ExitCode.OK


@app.command("user-apikey-delete")
def key_delete(
    name: Annotated[str, typer.Option("-n", "--name", help="Name of the key.")],
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """End an API key; it is refused from now on."""
    out = options.output("table", no_icons)
    options.client(url, context).json("DELETE", f"/api/v1/tokens/{name}")
    out.talk(f"apikey {name}...deleted", "🔑")
    return ExitCode.OK


@app.command("role-get")
def role_get(output: Format = "table", url: Url = None, context: Context = None, no_icons: NoIcons = False) -> int:
    """List the shipped roles."""
    out = options.output(output, no_icons)
    items = options.client(url, context).json("GET", "/api/v1/roles")["items"]
    if out.machine:
        out.data(items)
    else:
        out.table(["ID", "TAG", "DESCRIPTION"], [[r["id"], r["tag"], r["description"]] for r in items])
    return ExitCode.OK
