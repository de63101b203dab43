"""user passwd|invite|disable|enable|link|property: what persons and operators do with accounts (ch08 2)."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated, Any

import typer

from dataos.cli import options, prompts
from dataos.cli.groups import Reader, Server, command
from dataos.cli.login import sign_in_link
from dataos.cli.output import Output
from dataos.cli.users import OfUser, UserId
from dataos.core.errors import ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@command(app, "user-passwd")
def passwd(server: Server, id: UserId = None) -> int:
    """Set a password: your own, or a person's (operators). It is asked for, or read from standard input: for your own
    the present one first, if you have one."""
    out = server.out()
    client = server.client()
    me = client.json("GET", "/api/v1/me")["id"]
    who = id or me
    piped = f"dataos user passwd -i {who}"
    body: dict[str, Any] = {}
    if sys.stdin.isatty():
        body |= _old() if who == me else {}
        body["password"] = prompts.new_password(piped).reveal()
    else:
        *old, body["password"] = _lines(piped)
        body |= {"old": old[0]} if old else {}
    count = client.json("PUT", f"/api/v1/users/{who}/password", body=body)["count"]
    out.talk(f"password of {who}...set; {count} other session(s) ended", "🔑")
    return ExitCode.OK


def _lines(piped: str) -> list[str]:
    lines = [line.rstrip("\r\n") for line in sys.stdin][:2]
    if not lines or not lines[-1]:
        raise fail("usage.token", "no new password was given", hint=f"type it when asked, or pipe it in: {piped}")
    return lines


def _old() -> dict[str, str]:
    text = getpass.getpass("present password (empty if you have none): ")
    return {"old": text} if text else {}


@command(app, "user-invite")
def invite(reader: Reader, id: OfUser) -> int:
    """Make a link by which a person sets a password, once and soon. Hand it over on a way that nobody else reads."""
    out = reader.out()
    made = sign_in_link(reader.client(), id)
    if out.machine:
        out.data(made)
        return ExitCode.OK
    out.talk(f"invitation of {id}...complete (good once, until {made['expiration']})", "🔗")
    print(made["link"])
    return ExitCode.OK


@command(app, "user-disable")
def disable(server: Server, id: OfUser) -> int:
    """Refuse a user from now on: its tokens, what runs as it, its schedules. `user enable` takes it back."""
    return _set_state(server, id, "disabled")


@command(app, "user-enable")
def enable(server: Server, id: OfUser) -> int:
    """Let a disabled user act again. Sessions and keys that have not expired work again."""
    return _set_state(server, id, "active")


def _set_state(server: Server, id: str, state: str) -> int:
    out = server.out()
    done = server.client().json("PUT", f"/api/v1/users/{id}/state", body={"state": state})
    runs = f"; {done['stopping']} run(s) are being stopped" if done["stopping"] else ""
    out.talk(f"user {id}...{state if done['changed'] else 'unchanged'}{runs}", "👤")
    return ExitCode.OK


@command(app, "user-link")
def link(
    server: Server,
    id: OfUser,
    subject: Annotated[
        str | None, typer.Option("--subject", help="The login provider's id (`sub`) of the person.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Nobody at the provider is this user any more.")] = False,
) -> int:
    """Say which person at the login provider a user is."""
    if (subject is None) != none:
        raise fail("usage.target", "who at the login provider?", hint="--subject SUB, or --none")
    server.client().json("PUT", f"/api/v1/users/{id}/federation", body={"federated_user_id": subject})
    server.out().talk(f"user {id}...{'linked' if subject else 'link removed'}", "👤")
    return ExitCode.OK


@command(app, "user-property-set")
def property_set(
    reader: Reader,
    id: OfUser,
    properties: Annotated[list[str], typer.Option("-p", "--properties", help="key=value; repeat it for more.")],
) -> int:
    """Set properties of a user, which filters of policies may ask for."""
    given = dict(_pair(text) for text in properties)
    body = reader.client().json("PUT", f"/api/v1/users/{id}/properties", body={"properties": given})
    return _show_properties(reader.out(), body)


@command(app, "user-property-remove")
def property_remove(
    reader: Reader,
    id: OfUser,
    properties: Annotated[list[str], typer.Option("-p", "--properties", help="Keys: a,b or repeated.")],
) -> int:
    """Take properties of a user away."""
    keys = {"keys": options.comma_separated(properties)}
    body = reader.client().json("POST", f"/api/v1/users/{id}/properties/remove", body=keys)
    return _show_properties(reader.out(), body)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise fail("usage.property", f"`{text}` is no property", hint="write -p KEY=VALUE")
    return key.strip(), value


def _show_properties(out: Output, body: dict[str, Any]) -> int:
    if out.machine:
        out.data(body)
        return ExitCode.OK
    out.table(["KEY", "VALUE"], [[key, value] for key, value in sorted(body["properties"].items())])
    return ExitCode.OK
