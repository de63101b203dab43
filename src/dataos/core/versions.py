"""Client and server of different versions: what each says of itself with every call, and what follows.

The API has a level, a whole number that grows when something that was there changes its meaning or goes; additions do
not move it. Each side says its level and the lowest level of the other side that it still works with. Versions are for
people: a difference in them alone is worth a notice, never a refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dataos.core.errors import Problem

API_LEVEL = 1
OLDEST_CLIENT = 1
OLDEST_SERVER = 1
CLIENT_HEADER = "DataOS-Client"
SERVER_HEADER = "DataOS-Server"

_SPOKEN = re.compile(r"(?P<version>[0-9A-Za-z.+-]{1,64}); api=(?P<level>\d{1,6}); needs=(?P<needs>\d{1,6})")


@dataclass(frozen=True)
class Side:
    """One side of a call: its version, its API level, and the lowest level of the other that it works with."""

    version: str
    level: int
    needs: int

    def __str__(self) -> str:
        """The header's form."""
        return f"{self.version}; api={self.level}; needs={self.needs}"


def parse_side(text: str | None) -> Side | None:
    """The header's value; None for a side that does not say (curl, a browser, another tool) or says it unreadably."""
    found = _SPOKEN.fullmatch(text.strip()) if text else None
    return Side(found["version"], int(found["level"]), int(found["needs"])) if found else None


def find_problem(client: Side, server: Side) -> Problem | None:
    """Why these two cannot work together: `client.too_old`, `server.too_old`; None if they can. Asked on both sides:
    the older one may not know."""
    if client.level < server.needs:
        return Problem(
            "client.too_old",
            f"this client (dataos {client.version}) is too old for the server (dataos {server.version})",
            hint=f"install dataos {server.version} where you call from; nothing was done",
        )
    if server.level < client.needs:
        return Problem(
            "server.too_old",
            f"the server (dataos {server.version}) is too old for this client (dataos {client.version})",
            hint=f"upgrade the server, or call with dataos {server.version}; nothing was done",
        )
    return None


def find_notice(client: Side, server: Side) -> str:
    """What a person should hear of two that work together: empty where they are of one version."""
    ours, theirs = _release(client.version), _release(server.version)
    if ours == theirs:
        return ""
    older, newer = ("client", "server") if ours < theirs else ("server", "client")
    return (
        f"the {newer} is newer than the {older} (client {client.version}, server {server.version}): "
        f"what is new may be missing until the {older} is upgraded"
    )


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing: `1.10.0rc1` -> (1, 10, 0)."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(n) for n in numbers.group().split(".")) if numbers else ()
