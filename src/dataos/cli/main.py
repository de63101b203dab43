"""Entry of `dataos` (alias `dataos-ctl`): find the command in the table, load its module, let Typer parse the rest."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from dataos.cli import table
from dataos.core.errors import DataOSError, ExitCode


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    words = list(sys.argv[1:] if argv is None else argv)
    sys.exit(int(run(words)))


def run(argv: list[str]) -> int:
    """Run one command; returns the exit code."""
    if "--tls-allow-insecure" in argv:  # of every command (ch01 8.1)
        from dataos.client.api import INSECURE

        argv = [word for word in argv if word != "--tls-allow-insecure"]
        os.environ[INSECURE] = "true"
    if argv and argv[0] == "help":
        argv = [*argv[1:], "--help"]
    if not argv or argv in (["--help"], ["-h"]):
        _overview()
        return ExitCode.OK
    if argv[0] == "__complete":  # the scripts of `dataos completion` ask so
        from dataos.cli import completion

        completion.answer(argv[1:])
        return ExitCode.OK
    if argv == ["--version"]:
        argv = ["version"]
    found = table.find(argv)
    if found is None:
        return _unknown(argv)
    command, normalised = found
    try:
        module = importlib.import_module(command.module)
        return _call(module, command, normalised)
    except DataOSError as error:
        from dataos.cli.output import Output, exit_for

        for problem in error.problems:
            Output(icons="--no-icons" not in argv).problem(problem)
        return exit_for(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # `dataos get | head`
        _silence()
        return ExitCode.OK
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        print(f"⚠️  cannot read or write{place}: {error.strerror or error}", file=sys.stderr)
        _silence()
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - named boundary: a bug of ours is said in one line
        return _crashed(error)


def _silence() -> None:
    """Standard output cannot be written any more: nothing may try again, not even the interpreter at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _crashed(error: Exception) -> int:
    print(f"⚠️  the command failed inside: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
    if os.environ.get("DATAOS_LOG_LEVEL", "").upper() == "DEBUG":
        traceback.print_exception(error, file=sys.stderr)
    else:
        print("     this is a fault of DataOS: DATAOS_LOG_LEVEL=DEBUG shows where", file=sys.stderr)
    return ExitCode.FAILED


_INTERRUPTED = 130
_HOW: dict[str, Any] = {"standalone_mode": False, "help_option_names": ["-h", "--help"]}


def _call(module: object, command: table.Command, argv: list[str]) -> int:
    import typer

    # Typer carries its own copy of click and exports only the leaves of its exceptions
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    app: typer.Typer = module.app  # pyright: ignore[reportAttributeAccessIssue]
    program = typer.main.get_command(app)
    path = list(command.words)
    target = getattr(program, "commands", {}).get("-".join(path), program)
    try:
        result = target.main(argv[len(path) :], prog_name="dataos " + " ".join(path), **_HOW)
    except SystemExit as error:  # Typer's only one: the reader of a pipe has gone
        raise BrokenPipeError from error
    except typer.Exit as error:
        if error.exit_code == _INTERRUPTED:  # Typer's word for Ctrl-C
            print("interrupted", file=sys.stderr)
        return error.exit_code
    except typer.Abort:
        return _INTERRUPTED
    except usage_error as error:
        text = error.format_message() if hasattr(error, "format_message") else str(error)  # pyright: ignore[reportAttributeAccessIssue]
        print(f"dataos {' '.join(path)}: {text}\nsee: dataos {' '.join(path)} --help", file=sys.stderr)
        return ExitCode.USAGE
    sys.stdout.flush()  # here, where a full disk can still be said
    return int(result) if isinstance(result, int) else ExitCode.OK


def _overview() -> None:
    print(
        "DataOS: declare data products in YAML, apply them, ask them.\n\nUsage: dataos <command> [flags]\n\nCommands:"
    )
    width = max(len(" ".join(c.words)) for c in table.COMMANDS)
    for command in table.COMMANDS:
        print(f"  {' '.join(command.words):<{width}}  {command.summary}")
    print("\n`dataos <command> --help` shows a command's flags; --tls-allow-insecure goes with each.")
    print("Start with `dataos up`, or `dataos demo flights`.")


def _unknown(argv: list[str]) -> int:
    from dataos.core import names

    words = list(itertools.takewhile(lambda w: not w.startswith("-"), argv)) or argv
    text = words[0]
    known = [" ".join(c.words) for c in table.COMMANDS]
    named = [c for c in table.COMMANDS if c.words[0] in argv]
    exact = max(named, key=lambda c: (all(w in argv for w in c.words), len(c.words) == 1), default=None)
    if exact is not None and all(w in argv for w in exact.words):
        rest = [w for w in argv if w not in exact.words]
        print(f"dataos {' '.join(exact.words)}: these arguments do not fit: {' '.join(rest)}", file=sys.stderr)
        if exact.words == ("query",):
            print('quote the statement: dataos query "SELECT 1"', file=sys.stderr)
        print(f"see: dataos {' '.join(exact.words)} --help", file=sys.stderr)
        return ExitCode.USAGE
    print(f"dataos: there is no command `{text}`", file=sys.stderr)
    hint = f"did you mean `{' '.join(exact.words)}`?" if exact else names.did_you_mean(text, known)
    print(f"{hint or 'commands: ' + ', '.join(known)}\nsee: dataos --help", file=sys.stderr)
    return ExitCode.USAGE


if __name__ == "__main__":
    main()
