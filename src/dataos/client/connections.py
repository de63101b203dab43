"""Which server, as whom: `--url`/`--context` > DATAOS_FQDN + USER_ID + APIKEY > active context > run/server.json.

Client files (ch01 8.2): `<client folder>/<context>/.dataos.cred.config` (JSON, 0600) and `<client folder>/active`.
The context name `server` is reserved: that folder is the default home of the server itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dataos.core import places
from dataos.core.errors import fail
from dataos.core.secrecy import Secret


@dataclass(frozen=True)
class Connection:
    """A server and the identity to use there."""

    url: str
    token: Secret
    source: str  # where it was found, for messages
    context: str = ""


CREDENTIALS = ".dataos.cred.config"
LOCAL = "local"
"""The context that `dataos up` writes: the server of this machine."""
RESERVED = frozenset({"server"})


def find_connection(
    environ: Mapping[str, str] | None = None, *, url: str | None = None, context: str | None = None
) -> Connection:
    """The connection to use. Raises DataOSError `auth.missing` listing the places tried, in order."""
    env = os.environ if environ is None else environ
    folder = places.client_folder(env)
    tried: list[str] = []
    if url:
        _check_url(url)
    if context:
        return _from_context(folder, context)
    key = env.get("APIKEY")
    if url:
        if key:
            return Connection(url.rstrip("/"), Secret(key), "--url with APIKEY")
        local = _active(folder)
        if local:
            found = _from_context(folder, local)
            return Connection(url.rstrip("/"), found.token, f"--url with the token of context {local}", local)
        raise fail("auth.missing", "no cred file, need to login", hint="set APIKEY together with --url")
    if env.get("DATAOS_FQDN") and key:
        return Connection(_url(env["DATAOS_FQDN"]), Secret(key), "DATAOS_FQDN and APIKEY")
    tried.append("DATAOS_FQDN with APIKEY (not set)")
    active = _active(folder)
    here = _of_home(places.home_folder(env)) if active in (None, LOCAL) else None
    if here is not None:
        return here
    if active:
        return _from_context(folder, active)
    tried += [f"the active context in {folder} (none)", f"a server that runs on {places.home_folder(env)} (none)"]
    raise fail(
        "auth.missing",
        "no cred file, need to login",
        hint="start a server here with `dataos up`; places tried: " + "; ".join(tried),
    )


def save_context(folder: Path, name: str, url: str, token: str, user: str) -> Path:
    """Write a context (0600) and make it active.

    Raises DataOSError `usage.context` for a reserved name, `client.unwritable`.
    """
    if name in RESERVED:
        raise fail("usage.context", f"`{name}` is reserved and cannot name a context")
    try:
        return _write_context(folder, name, url, token, user)
    except OSError as error:
        raise fail(
            "client.unwritable",
            f"cannot write to the client folder {folder}: {error.strerror}",
            hint="make it writable for you, or name another with DATAOS_CONFIG_DIRECTORY=<folder>",
        ) from error


def begin_context(folder: Path, name: str, address: str) -> None:
    """Write a context that has no token yet, and make it active: `login` comes next. Raises as `save_context`."""
    save_context(folder, name, address, "", "")


def context_address(folder: Path, name: str) -> str:
    """The address of a context, logged in or not. Raises DataOSError `auth.missing` listing the known ones."""
    return _read(folder, name)[0]


def contexts(folder: Path) -> list[Connection]:
    """All readable contexts of a client folder, by name; those without a login too."""
    found = sorted(p.parent.name for p in folder.glob(f"*/{CREDENTIALS}")) if folder.is_dir() else []
    return [Connection(*_parts(folder, name), f"context {name}", name) for name in found]


def _parts(folder: Path, name: str) -> tuple[str, Secret]:
    address, token = _read(folder, name)
    return address, Secret(token)


def active_context(folder: Path) -> str | None:
    """The name of the active context."""
    return _active(folder)


def select_context(folder: Path, name: str) -> None:
    """Make a context the active one. Raises DataOSError `auth.missing` listing the known ones."""
    _read(folder, name)
    (folder / "active").write_text(name + "\n")


def delete_context(folder: Path, name: str) -> None:
    """Remove a context; none is active then, if it was. Raises DataOSError `auth.missing`."""
    _read(folder, name)
    (folder / name / CREDENTIALS).unlink()
    with contextlib.suppress(OSError):
        (folder / name).rmdir()  # other files of the user's stay
    if _active(folder) == name:
        (folder / "active").unlink()


def server_address(text: str) -> str:
    """`host`, `https://host/` or a pasted page address as the address of a server. Raises `usage.url`."""
    return _url(text)


def host_of(address: str) -> str:
    """Host, and port where there is one, of a server's address."""
    return urlsplit(address).netloc


def context_name(address: str) -> str:
    """A context's name made of a server's address: host, and port where it is no standard one."""
    parts = urlsplit(address)
    port = f"-{parts.port}" if parts.port not in (None, 80, 443) else ""
    return re.sub(r"[^A-Za-z0-9.-]", "-", (parts.hostname or "server") + port)


def _write_context(folder: Path, name: str, url: str, token: str, user: str) -> Path:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = place / CREDENTIALS
    fresh = place / (CREDENTIALS + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({"url": url, "user": user, "token": token}, out)
    fresh.replace(file)
    (folder / "active").write_text(name + "\n")
    return file


def _active(folder: Path) -> str | None:
    try:
        return (folder / "active").read_text().strip() or None
    except OSError:
        return None


def _from_context(folder: Path, name: str) -> Connection:
    address, token = _read(folder, name)
    if not token:
        hint = "dataos login" if name == _active(folder) else f"dataos login --url {address} -n {name}"
        raise fail("auth.missing", f"no cred file for context `{name}`, need to login", hint=hint)
    return Connection(address, Secret(token), f"context {name}", name)


def _read(folder: Path, name: str) -> tuple[str, str]:
    """Address and token of a context; the token is empty before the first login."""
    file = folder / name / CREDENTIALS
    try:
        body = json.loads(file.read_text())
        return str(body["url"]), str(body["token"])
    except OSError as error:
        known = sorted(p.parent.name for p in folder.glob(f"*/{CREDENTIALS}")) if folder.is_dir() else []
        raise fail(
            "auth.missing",
            f"no cred file for context `{name}`, need to login",
            hint="known contexts: " + (", ".join(known) or "none; `dataos up` makes `local`"),
        ) from error
    except (ValueError, KeyError) as error:
        raise fail("auth.missing", f"{file} is damaged", hint="run `dataos up` again to rewrite it") from error


def _of_home(home: Path) -> Connection | None:
    """The server that runs on a home, with the administrator's token of that home if the caller may read it: several
    homes may share one client folder, whose context holds the token of the last one only."""
    running = running_server(home)
    if running is None:
        return None
    try:
        token = (home / "keys" / "admin.token").read_text().strip()
    except OSError:
        return None
    return Connection(str(running["url"]), Secret(token), f"the server that runs on {home}", LOCAL)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https", "http+unix") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise fail("usage.url", f"`{url}` is no address of a server", hint="write http://HOST:PORT or https://HOST")


def _url(fqdn: str) -> str:
    """`host`, `host/` or `https://host/page`: the scheme of a pasted address is kept, its path is dropped."""
    text = fqdn.strip()
    _check_url(text if "://" in text else f"http://{text}")
    if "://" in text:
        parts = urlsplit(text)
        return f"{parts.scheme}://{parts.netloc}"
    host = text.split("/")[0]
    local = host.split(":")[0] in ("localhost", "127.0.0.1", "[")
    return ("http://" if local else "https://") + host


def running_server(home: Path) -> dict[str, Any] | None:
    """The running server of a home as its run/server.json describes it: {url, pid, version, started}, or None."""
    try:
        body: dict[str, Any] = json.loads((home / "run" / "server.json").read_text())
    except (OSError, ValueError):
        return None
    return body if "url" in body else None
