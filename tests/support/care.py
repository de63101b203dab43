"""An installation with something to lose, its backup and its return."""

from __future__ import annotations

from pathlib import Path

from support.server import Installation

PASSPHRASE = "correct horse battery"
SECRET = """
name: orders
version: v1
type: secret
secret: {type: key-value, acl: r, data: {user: CANARY-VALUE}}
"""
DEPOT = """
name: landing
version: v2alpha
type: depot
layer: user
depot:
  type: FILE
  file: {path: PATH}
"""


def back_up(made: Installation, file: Path, *flags: str):
    if "--without-keys" not in flags:
        flags = (*flags, "--passphrase-file", "-")
    return made.ok("backup", "-f", str(file), *flags, "-O", "json", input=f"{PASSPHRASE}\n").json


def restore(made: Installation, file: Path, *flags: str):
    if "--without-keys" not in flags:
        flags = (*flags, "--passphrase-file", "-")
    return made.ok("restore", str(file), *flags, "-O", "json", input=f"{PASSPHRASE}\n")


def revealed(made: Installation) -> str:
    return made.ok("get", "-t", "secret", "-n", "orders", "-w", "public", "-d", "--unSanitize").out
