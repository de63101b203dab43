"""Sources that answer HTTP: one client with time-outs, bounded answers and bounded retries, one table of failures.

The server's own proxy and certificate settings (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE) hold; redirects are not followed,
so that credentials stay with the host that the depot names.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from dataos.core import binaries
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.ports import DepotEntry

_MOST_BYTES = 8 << 20
_RETRIES = 2
_BUSY = (429, 500, 502, 503, 504)


async def get(
    entry: DepotEntry,
    title: str,
    addresses: Sequence[str],
    path: str,
    *,
    timeout_s: float,
    login: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    ca_pem: str | None = None,
    verify: bool = True,
    body: Any = None,
    told: Mapping[int, Exception] | None = None,
) -> Any:
    """JSON (or None) that the first address which answers gives. `told`: what to raise for a status, in place of the
    usual. Raises DataOSError `depot.*`."""
    import httpx

    context: Any = verify
    if ca_pem is not None:
        context = ssl.create_default_context(cadata=binaries.to_bytes(ca_pem).decode("ascii", "replace"))
    wait = httpx.Timeout(timeout_s * 2, connect=timeout_s)
    failure: DataOSError | None = None
    async with httpx.AsyncClient(verify=context, auth=login, headers=dict(headers or {}), timeout=wait) as client:
        for address in addresses:
            for attempt in range(_RETRIES + 1):
                try:
                    url = address.rstrip("/") + path
                    method = "GET" if body is None else "POST"
                    async with asyncio.timeout(timeout_s * 3):
                        async with client.stream(method, url, params=dict(params or {}), json=body) as answer:
                            if answer.status_code in _BUSY and attempt < _RETRIES:
                                await asyncio.sleep(0.1 * 2**attempt)
                                continue
                            content = await _content(entry, answer)
                    if told is not None and answer.status_code in told:
                        raise told[answer.status_code]
                    _refuse(entry, title, address, answer.status_code)
                    return _json(content, answer.headers.get("content-type", ""))
                except (httpx.HTTPError, TimeoutError, OSError, ssl.SSLError) as error:
                    failure = _problem(entry, title, address, error, timeout_s)
                    break  # the next address
    raise failure or fail("depot.unreachable", f"depot '{entry.name}': {title} did not answer", retry=5.0)


async def _content(entry: DepotEntry, answer: Any) -> bytes:
    content = b""
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > _MOST_BYTES:
            raise fail("depot.unsupported", f"depot '{entry.name}': the answer has more than {_MOST_BYTES >> 20} MiB")
    return content


def _json(content: bytes, kind: str) -> Any:
    if "json" not in kind:
        return None
    import json

    try:
        return json.loads(content)
    except ValueError:
        return None


def _refuse(entry: DepotEntry, title: str, where: str, status: int) -> None:
    if status < 300:
        return
    if status == 401:
        raise databases.refused_login(entry, where)
    if status == 403:
        raise databases.refused_right(entry)
    if status == 404:
        raise fail(
            "depot.path",
            f"depot '{entry.name}': {title} at {where} has nothing there",
            hint="is the address right?",
        )
    if status < 400:
        raise fail(
            "depot.unreachable",
            f"depot '{entry.name}': {title} at {where} sends elsewhere (status {status})",
            hint="name the final address",
        )
    raise fail(
        "depot.unreachable",
        f"depot '{entry.name}': {title} at {where} answers with status {status}"
        + (f", also after {_RETRIES} retries" if status in _BUSY else ""),
        hint="repeat it later, and look at the source's own log",
        retry=10.0 if status in _BUSY else None,
    )


def _problem(entry: DepotEntry, title: str, where: str, error: BaseException, timeout_s: float) -> DataOSError:
    name = type(error).__name__
    if "Timeout" in name:
        return databases.too_slow(entry, where, timeout_s * 2)
    text = f"{error} {error.__cause__ or ''}"
    if "CERTIFICATE" in text or "certificate" in text:
        problem = databases.unreachable(entry, title, where, "certificate")
        return DataOSError(problem.problems)
    return databases.unreachable(entry, title, where, text)


def addresses(nodes: Sequence[str], *, tls: bool) -> list[str]:
    """Nodes as addresses: a bare `host:port` gets a scheme."""
    scheme = "https" if tls else "http"
    return [node if "://" in node else f"{scheme}://{node}" for node in nodes]


def is_true(value: Any) -> bool:
    """`true`, `1`, `yes` of a parameter."""
    return str(value).strip().lower() in ("true", "1", "yes")
