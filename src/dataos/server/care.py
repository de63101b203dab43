"""`python -m dataos.server.care`: what is done to a home by a process of its own, beside a server or without one.

The CLI starts it and never imports it. The answer is one JSON line on standard output; a passphrase comes as the first
line of standard input, never as an argument.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataos.core import logs, settings
from dataos.core.errors import DataOSError, fail
from dataos.server import archives, backups, doctor, relocations, restores, rotation
from dataos.server.home import UNWRITABLE, Home, unwritable

Checkpoint = Callable[[str], None]


def main(argv: list[str] | None = None, checkpoint: Checkpoint = lambda _: None) -> int:
    """Run one command. Returns the exit code; problems go to standard output too, for the CLI."""
    options = _parser().parse_args(argv)
    home = Home(options.home.expanduser().absolute())
    logs.configure(json=not sys.stderr.isatty())
    try:
        body = options.run(home, options, checkpoint)
    except DataOSError as error:
        _say({"errors": [p.to_json() for p in error.problems]})
        return 1
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        _say({"errors": [p.to_json() for p in unwritable(home.root, error).problems]})
        return 1
    _say(body)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dataos.server.care")
    parser.add_argument("--home", type=Path, required=True)
    commands = parser.add_subparsers(required=True)
    backup = commands.add_parser("backup")
    backup.add_argument("--file", type=Path, required=True)
    backup.add_argument("--without-data", action="store_true")
    backup.add_argument("--with-logs", action="store_true")
    backup.add_argument("--without-keys", action="store_true")
    backup.set_defaults(run=_backup)
    look = commands.add_parser("look")
    look.add_argument("--file", type=Path, required=True)
    look.set_defaults(run=_look)
    restore = commands.add_parser("restore")
    restore.add_argument("--file", type=Path, required=True)
    restore.add_argument("--without-keys", action="store_true")
    restore.set_defaults(run=_restore)
    relocate = commands.add_parser("relocate")
    relocate.add_argument("--to", type=Path)
    relocate.set_defaults(run=_relocate)
    rotate = commands.add_parser("rotate-key")
    rotate.set_defaults(run=_rotate)
    examine = commands.add_parser("doctor")
    examine.add_argument("--running", action="store_true")
    examine.set_defaults(run=_doctor)
    return parser


def _backup(home: Home, options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    passphrase = None if options.without_keys else _passphrase()
    wanted = backups.Wanted(passphrase, data=not options.without_data, logs=options.with_logs)
    return backups.write(home, _settings(home), options.file.absolute(), wanted, checkpoint=checkpoint)


def _look(home: Home, options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    """What a backup says of itself, before its passphrase is asked for. Not verified yet."""
    header = archives.peek(options.file.absolute())
    return {"keys": header.keys, "created": header.created, "home": header.home, "data": header.data}


def _restore(home: Home, options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    passphrase = None if options.without_keys else _passphrase()
    return restores.restore(
        home, options.file.absolute(), passphrase=passphrase, keys=not options.without_keys, checkpoint=checkpoint
    )


def _relocate(home: Home, options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    return relocations.relocate(home, options.to, checkpoint=checkpoint)


def _rotate(home: Home, options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    return rotation.rotate(home, _settings(home), checkpoint)


def _doctor(home: Home, options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Any]:
    return {"items": doctor.to_json(doctor.examine(home, _settings(home), running=options.running))}


def _settings(home: Home) -> settings.Settings:
    return settings.load(home.root, os.environ, {})


def _passphrase() -> str | None:
    """The first line of standard input without its line break; None if there is none."""
    line = sys.stdin.readline()
    if len(line) > 4096:
        raise fail("backup.passphrase", "the passphrase is longer than 4096 characters")
    return line.rstrip("\r\n") or None


def _say(body: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(body) + "\n")


if __name__ == "__main__":
    sys.exit(main())
