"""login, logout: as whom one works on a server (ch01 8.2)."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from dataos.cli import options, prompts, provider_login
from dataos.cli.groups import Server, command
from dataos.cli.options import NoIcons
from dataos.cli.output import Output
from dataos.client import connections
from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core import places
from dataos.core.errors import DataOSError, ExitCode, fail
from dataos.core.secrecy import Secret

app = typer.Typer(add_completion=False, rich_markup_mode=None)
User = Annotated[str | None, typer.Option("--user", help="Log in as this person, with a password.")]
Oidc = Annotated[bool, typer.Option("--oidc", help="Log in at the login provider, in a browser.")]
Device = Annotated[bool, typer.Option("--device", help="Log in at the login provider, with a code on another device.")]
Invited = Annotated[bool, typer.Option("--invitation", help="Set a password with the link of an invitation.")]
Link = Annotated[
    bool,
    typer.Option("--link", help="Print a link that opens the web app once and soon (operators; --user: for whom)."),
]
TokenStdin = Annotated[bool, typer.Option("--token-stdin", help="Read the token from standard input.")]


@command(app, "login")
def login(
    url: Annotated[
        str | None,
        typer.Option("--url", help="Address of the server (a pasted page address will do); the active context's."),
    ] = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="Name of the context; the host if left out.")] = None,
    user: User = None,
    oidc: Oidc = False,
    device: Device = False,
    invitation: Invited = False,
    token_stdin: TokenStdin = False,
    link: Link = False,
    no_icons: NoIcons = False,
) -> int:
    """Log in to a server and make it the active context: with a token or API key, a password (--user), or at the login
    provider (--oidc, --device).

    What is secret is asked for, or read from standard input: never an argument, which others can see.
    """
    out = options.output("table", no_icons)
    if sum([user is not None and not link, link, oidc, device, invitation, token_stdin]) > 1:
        raise fail(
            "usage.login", "choose one way to log in", hint="--user ID, --oidc, --device, --invitation, --link or none"
        )
    folder = places.client_folder()
    if link:
        return _print_link(out, url, name, user)
    invited = prompts.secret("link of the invitation", "dataos login --invitation").reveal() if invitation else ""
    address, context = _server(url or _server_of(invited), name)
    nobody = Client(Connection(address, Secret(""), "login"))
    out.talk("login...", "🔑")
    if invitation:
        token = _with_invitation(nobody, invited)
    elif user is not None:
        token = _with_password(nobody, user, address)
    elif device:
        token = provider_login.on_device(nobody, out)
    elif oidc or (sys.stdin.isatty() and not token_stdin and _has_provider(nobody)):
        token = provider_login.in_browser(nobody, out)
    else:
        token = prompts.secret("token", "dataos login --token-stdin", f" for {address}").reveal().strip()
    who = Client(Connection(address, Secret(token), "login")).json("GET", "/api/v1/me")
    context = context or connections.context_name(address)
    connections.save_context(folder, context, address, token, who["id"])
    out.talk(f"login...complete: {who['id']} at {address} (context {context})", "🔑")
    return ExitCode.OK


@command(app, "logout")
def logout(
    server: Server,
    all: Annotated[bool, typer.Option("-a", "--all", help="End all your sessions, everywhere.")] = False,
) -> int:
    """End the session of the active context and forget its token. An API key is only forgotten: it goes on."""
    out = server.out()
    client = server.client()
    ended = 0
    if all:
        who = client.json("GET", "/api/v1/me")["id"]
        ended = int(client.json("DELETE", f"/api/v1/users/{who}/sessions")["count"])
    else:
        try:
            client.json("POST", "/api/v1/logout")
            ended = 1
        except DataOSError as error:
            if error.problem.code not in ("login.no_session", "auth.invalid", "auth.expired", "auth.disabled"):
                raise
    context = client.connection.context
    if context and context != connections.LOCAL:
        connections.begin_context(places.client_folder(), context, client.connection.url)
    out.talk(f"logout...complete: {ended} session(s) ended", "🔑")
    return ExitCode.OK


def sign_in_link(client: Client, user: str) -> dict[str, str]:
    """A link by which a person opens the web app and sets a password: {link, expiration}. Operators only."""
    made: dict[str, str] = client.json("POST", f"/api/v1/users/{user}/invitations")
    return made


def _print_link(out: Output, url: str | None, name: str | None, user: str | None) -> int:
    client = options.client(url, name)
    who = user or client.json("GET", "/api/v1/me")["id"]
    made = sign_in_link(client, who)
    print(made["link"])
    out.talk(f"link for {who}...complete (good once, until {made['expiration']}; it asks for a password)", "🔗")
    return ExitCode.OK


def _server(url: str | None, name: str | None) -> tuple[str, str | None]:
    if url is not None:
        return connections.server_address(url), name
    folder = places.client_folder()
    known = name or connections.active_context(folder)
    if known is None:
        raise fail("usage.url", "which server?", hint="dataos login --url HOST, or dataos init before")
    return connections.context_address(folder, known), known


def _server_of(link: str) -> str | None:
    """The server that a pasted link leads to; a bare token leads to none."""
    return link if "://" in link else None


def _with_invitation(client: Client, link: str) -> str:
    token = urlsplit(link.strip()).fragment if "://" in link else link.strip()
    password = prompts.new_password("a second line of dataos login --invitation")
    body = {"token": token, "password": password.reveal()}
    return str(client.json("POST", "/api/v1/login/invitation", body=body)["token"])


def _with_password(client: Client, user: str, address: str) -> str:
    password = prompts.secret("password", f"dataos login --user {user}", f" of {user} at {address}")
    body = {"user": user, "password": password.reveal()}
    return str(client.json("POST", "/api/v1/login", body=body)["token"])


def _has_provider(client: Client) -> bool:
    try:
        return bool(client.json("GET", "/api/v1/login")["oidc"])
    except DataOSError as error:
        if error.problem.code == "request.not_found":  # an older server
            return False
        raise
