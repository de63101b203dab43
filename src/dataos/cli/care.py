"""doctor, backup, restore, home relocate, admin rotate-key.

All but doctor are done by a process on the home, with a server or without; doctor asks the server where there is one.
"""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import dataos
from dataos.cli import options
from dataos.cli.options import Context, Format, NoIcons, Url
from dataos.cli.output import Output
from dataos.cli.server import alive
from dataos.client.api import Client
from dataos.client.connections import LOCAL, active_context
from dataos.core import places
from dataos.core.errors import DataOSError, ExitCode, Problem, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)

PassphraseFile = Annotated[
    str | None,
    typer.Option("--passphrase-file", help="File whose first line is the passphrase; - reads it from standard input."),
]


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Option("--file", "-f", help="Where to write it; never over another file.")],
    passphrase_file: PassphraseFile = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Leave the keys out: no passphrase.")] = False,
    without_data: Annotated[
        bool, typer.Option("--without-data", help="Leave table files and landed files out.")
    ] = False,
    with_logs: Annotated[bool, typer.Option("--with-logs", help="Take the server's logs too.")] = False,
    output: Format = "table",
    no_icons: NoIcons = False,
) -> int:
    """Back up this machine's home into one file, while its server works or not. Keys are sealed with a passphrase."""
    out = options.output(output, no_icons)
    words = ["backup", "--file", str(file.absolute())]
    words += ["--without-data"] if without_data else []
    words += ["--with-logs"] if with_logs else []
    words += ["--without-keys"] if without_keys else []
    passphrase = None if without_keys else _passphrase(passphrase_file, new=True)
    out.talk("backup...", "💾")
    body = run(words, passphrase)
    _warn(out, body)
    for text in body["incomplete"]:
        hint = "the backup was made; this table was not whole before it"
        out.problem(Problem("backup.incomplete", f"table {text}", hint=hint))
    if out.machine:
        out.data(body)
    size = f"{body['bytes'] / (1 << 20):.1f} MiB"
    keys = "keys sealed" if body["keys"] == "sealed" else "without keys"
    data = f"{body['tables']} tables" if body["data"] else "without table files"
    out.talk(f"backup...complete: {body['file']} ({size}, {data}, {keys})", "💾")
    return ExitCode.FAILED if body["incomplete"] else ExitCode.OK


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    passphrase_file: PassphraseFile = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Restore without keys: all secrets and API keys are lost.")
    ] = False,
    output: Format = "table",
    no_icons: NoIcons = False,
) -> int:
    """Make a new home (DATAOS_HOME) from a backup, wherever it is. `dataos up` starts it then."""
    out = options.output(output, no_icons)
    place = file.absolute()
    known = run(["look", "--file", str(place)])
    sealed = known["keys"] == "sealed" and not without_keys
    words = ["restore", "--file", str(place)] + ([] if sealed else ["--without-keys"])
    passphrase = _passphrase(passphrase_file, new=False) if sealed else None
    out.talk(f"restore...{place} of {known['created']} ({known['home']})", "💾")
    body = run(words, passphrase)
    _warn(out, body)
    if out.machine:
        out.data(body)
    out.talk(f"restore...complete: {body['home']} (store: {body['store']}); start it with `dataos up`", "💾")
    return ExitCode.OK


@app.command("home-relocate")
def relocate(
    new: Annotated[
        Path | None, typer.Argument(help="The new place; left out where the home was moved by hand already.")
    ] = None,
    output: Format = "table",
    no_icons: NoIcons = False,
) -> int:
    """Move this machine's home (DATAOS_HOME), with all paths in its tables. The server is down meanwhile."""
    out = options.output(output, no_icons)
    out.talk("relocate...", "📦")
    body = run(["relocate"] + (["--to", str(new.absolute())] if new is not None else []))
    for text in body["warnings"]:
        out.problem(Problem("home.damaged", text, hint="it was so before; the rest was moved"), warning=True)
    if body["manifests"]:
        named = ", ".join(body["manifests"])
        text = f"manifests that named the old place name the new one now: {named}"
        out.problem(Problem("home.manifests", text, hint="change your own files likewise"), warning=True)
    if out.machine:
        out.data(body)
    if body["from"] == body["home"]:
        out.talk(f"relocate...nothing: the home stands at {body['home']}, where it was made", "📦")
        return ExitCode.OK
    out.talk(f"relocate...complete: {body['home']} ({body['files']} files rewritten)", "📦")
    if Path(body["home"]) != places.home_folder():
        out.talk(f"from now on: DATAOS_HOME={body['home']}", "📦")
    return ExitCode.OK


@app.command("admin-rotate-key")
def rotate_key(output: Format = "table", no_icons: NoIcons = False) -> int:
    """Replace the master key of this machine's home, and seal all secrets under the new one. Servers may run."""
    out = options.output(output, no_icons)
    body = run(["rotate-key"])
    if out.machine:
        out.data(body)
    out.talk(f"rotate-key...complete: {body['keys']} data keys are sealed under a new master key", "🔑")
    if body["servers"]:
        others = ", ".join(body["servers"])
        out.talk(f"other servers fetch it from the store within seconds, or at their start: {others}", "🔑")
    out.talk("backups made before hold the old key: make a new one", "🔑", "WARN")
    return ExitCode.OK


@app.command("doctor")
def doctor(url: Url = None, context: Context = None, output: Format = "table", no_icons: NoIcons = False) -> int:
    """Examine the server and its home: what is well, what is not, and the command that mends it. Works with the server
    down too, on its own machine. Exit code 1 if something fails."""
    out = options.output(output, no_icons)
    items = _examine(url, context)
    if out.machine:
        out.data({"items": items, "next": None})
    else:
        out.table(("STATE", "CHECK", "FINDING"), [(i["state"], i["name"], i["detail"]) for i in items])
        for item in items:
            if item["mend"]:
                out.talk(f"{item['name']}: {item['mend']}", "🩺", "ERRO" if item["state"] == "fail" else "WARN")
    return ExitCode.FAILED if any(i["state"] == "fail" for i in items) else ExitCode.OK


def _examine(url: str | None, context: str | None) -> list[dict[str, str]]:
    """Through the server where one should answer, else on the home itself."""
    home = places.home_folder()
    running = alive(home) is not None
    remote = url is not None or context not in (None, LOCAL)
    if not remote and not running:
        active = active_context(places.client_folder())
        remote = context is None and active not in (None, LOCAL) and not (home / "home.json").exists()
    if not remote and not running:
        return [_check("server", "warn", f"no server runs on {home}", "dataos up"), *_on_home(running=False)]
    try:
        client = options.client(url, context)
        items: list[dict[str, str]] = client.json("GET", "/api/v1/doctor", timeout_s=120.0)["items"]
        return [_check("server", "ok", f"answers at {client.connection.url}"), *_versions(client), *items]
    except DataOSError as error:
        if remote or error.problem.code.startswith("auth.forbidden"):
            raise
        found = _check("server", "fail", f"it runs and does not answer: {error.problem.message}", _AGAIN)
        return [found, *_on_home(running=True)]


_AGAIN = "dataos down && dataos up (jobs go on meanwhile); its log: logs/server.log"


def _on_home(*, running: bool) -> list[dict[str, str]]:
    items: list[dict[str, str]] = run(["doctor", *(["--running"] if running else [])])["items"]
    return items


def _versions(client: Client) -> list[dict[str, str]]:
    server = client.json("GET", "/api/v1/version")["version"]
    if server == dataos.__version__:
        return [_check("version", "ok", f"client and server are {server}")]
    text = f"this client is {dataos.__version__}, the server is {server}"
    return [_check("version", "warn", text, f"install dataos {server} where you call from, or upgrade the server")]


def _check(name: str, state: str, detail: str, mend: str = "") -> dict[str, str]:
    return {"name": name, "state": state, "detail": detail, "mend": mend}


def run(words: list[str], passphrase: str | None = None) -> dict[str, Any]:
    """One command of `dataos.server.care` on this machine's home. Raises DataOSError with its problems."""
    home = places.home_folder()
    done = subprocess.run(
        [sys.executable, "-m", "dataos.server.care", "--home", str(home), *words],
        input=f"{passphrase or ''}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        body: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip()[-500:]
        raise fail("server.internal", f"{words[0]} ended with code {done.returncode}: {said}") from None
    if "errors" in body:
        raise DataOSError(Problem.from_json(p) for p in body["errors"])
    return body


def _warn(out: Output, body: dict[str, Any]) -> None:
    for warning in body["warnings"]:
        out.problem(Problem.from_json(warning), warning=True)


def _passphrase(source: str | None, *, new: bool) -> str:
    """From a file, from standard input, or asked for on the terminal (twice for a new one). Never an argument."""
    if source == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if source is not None:
        lines = Path(source).read_text("utf-8").splitlines()
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise fail(
            "usage.passphrase",
            "the keys need a passphrase, and there is no terminal to ask for it",
            hint="--passphrase-file FILE (or - for standard input), or --without-keys",
        )
    first = getpass.getpass("Passphrase for the keys: ")
    if new and first != getpass.getpass("Once more: "):
        raise fail("usage.passphrase", "the two passphrases differ", hint="try again")
    return first
