"""Where the server and its clients keep their files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """`DATAOS_HOME`, else `~/.dataos/server`."""
    env = os.environ if environ is None else environ
    return Path(env.get("DATAOS_HOME") or Path.home() / ".dataos" / "server").expanduser().absolute()


def client_folder(environ: Mapping[str, str] | None = None) -> Path:
    """`DATAOS_CONFIG_DIRECTORY`, else `~/.dataos` (ch01 8.2)."""
    env = os.environ if environ is None else environ
    return Path(env.get("DATAOS_CONFIG_DIRECTORY") or Path.home() / ".dataos").expanduser().absolute()
