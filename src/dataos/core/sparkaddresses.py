"""Addresses of Spark Connect servers: `sc://host[:port][/;use_ssl=true]` (Spark's own form)."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from dataos.core.errors import fail

DEFAULT_PORT = 15002
_FORM = re.compile(
    r"sc://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(?::(?P<port>[0-9]{1,5}))?(?P<rest>/.*)?"
)
_HINT = "an address reads sc://host:15002, with /;use_ssl=true for TLS"


@dataclass(frozen=True)
class SparkAddress:
    """Where a Spark Connect server listens. It never holds a token: that is a secret, and kept apart."""

    host: str
    port: int = DEFAULT_PORT
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> SparkAddress:
        """Parse, or raise DataOSError `flare.spark_address`. What stands behind `token=` is never repeated."""
        match = _FORM.fullmatch(text.strip())
        shown = re.sub(r"token=[^;]*", "token=***", text.strip(), flags=re.IGNORECASE)[:120]
        if match is None:
            raise fail("flare.spark_address", f"`{shown}` is no address of a Spark Connect server", hint=_HINT)
        port = int(match["port"] or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise fail("flare.spark_address", f"`{shown}`: {port} is no port", hint=_HINT)
        tls = False
        for part in (match["rest"] or "/").removeprefix("/").split(";"):
            key, _, value = part.partition("=")
            if key.lower() == "token":
                raise fail(
                    "flare.spark_address",
                    f"`{shown}` holds a token, which is a secret",
                    hint="write `compute.spark.token` in a Compute (it is sealed), or set DATAOS_FLARE__SPARK_TOKEN",
                )
            if key.lower() == "use_ssl":
                tls = value.lower() == "true"
            elif part:
                raise fail("flare.spark_address", f"`{shown}`: `{key}` is not known here", hint=_HINT)
        return cls(match["host"].lower(), port, tls)

    def __str__(self) -> str:
        return f"sc://{self.host}:{self.port}" + ("/;use_ssl=true" if self.tls else "")

    @property
    def endpoint(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Is it on this machine, so that it reads the same files? Told by the name alone."""
        name = self.host.strip("[]")
        if name in ("localhost", socket.gethostname().lower()):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False
