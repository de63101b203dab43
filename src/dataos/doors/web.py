"""The web app: one page for every address that no protocol claims, and the hashed files that it is made of.

The files come from web/ (`./dev setup` builds them); where they are missing the page says so. Which addresses are the
app's is not kept here: whatever a browser navigates to below a first word that no route of the server has.
"""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

FOLDER = Path(__file__).with_name("webapp")
INVITATION_PAGE, DONE_PAGE, LOGIN_PAGE = "/login/invitation", "/login/done", "/login"
NONCE = "__NONCE__"
"""Stands in the page where the nonce of the answer belongs."""
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_MISSING = (
    "The web app is not built here.\n"
    "In a checkout: ./dev setup. In an installation: reinstall the package; its wheel holds the app.\n"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".webmanifest": "application/json"}
_SHARED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def policy(nonce: str) -> str:
    """The Content-Security-Policy of one answer. The component kit writes style elements: they carry the nonce."""
    return (
        f"default-src 'self'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def routes(others: Iterable[BaseRoute], folder: Path = FOLDER) -> list[BaseRoute]:
    """The app's routes, to stand after all `others`, whose first words are never the app's."""
    taken = frozenset(_first(str(getattr(route, "path", ""))) for route in others) - {""}
    found = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    names = {f.relative_to(folder).as_posix(): f for f in found}
    files = {name: f for name, f in names.items() if f.suffix not in (".br", ".gz", ".html")}
    made: list[BaseRoute] = [
        Route(f"/{name}", partial(_file, name=name, names=names), methods=["GET", "HEAD"]) for name in sorted(files)
    ]
    return [*made, _Pages(taken, folder / "index.html")]


class _Pages(Route):
    """Answers navigations only: a program that asks for a wrong address gets the API's own 404."""

    def __init__(self, taken: frozenset[str], index: Path) -> None:
        super().__init__("/{path:path}", partial(_page, index=index), methods=["GET", "HEAD"])
        self._taken = taken

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return Match.NONE, {}
        first = _first(scope["path"])
        accepted = next((v for k, v in scope["headers"] if k == b"accept"), b"")
        if first in self._taken or (first and b"text/html" not in accepted):
            return Match.NONE, {}
        return super().matches(scope)


async def _page(_: Request, index: Path) -> Response:
    nonce = secrets.token_urlsafe(16)
    headers = {**_SHARED, "Content-Security-Policy": policy(nonce), "Cache-Control": "no-store"}
    try:
        text = index.read_text("utf-8")
    except FileNotFoundError:
        return PlainTextResponse(_MISSING, 503, headers=headers)
    return HTMLResponse(text.replace(NONCE, nonce), headers=headers)


async def _file(request: Request, name: str, names: dict[str, Path]) -> Response:
    hashed = name.startswith("assets/")
    headers: dict[str, Any] = {
        **_SHARED,
        "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    accepted = {word.partition(";")[0].strip() for word in request.headers.get("accept-encoding", "").split(",")}
    file = names[name]
    for encoding, ending in _ENCODINGS:
        if encoding in accepted and name + ending in names:
            file = names[name + ending]
            headers["Content-Encoding"] = encoding
            break
    suffix = names[name].suffix
    media_type = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    return FileResponse(file, media_type=media_type, headers=headers)


def _first(path: str) -> str:
    return path.lstrip("/").partition("/")[0]
