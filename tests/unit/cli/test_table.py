"""The command table: flags anywhere, and equal to the Typer program."""

import importlib

import pytest
import typer

from dataos.cli import main, table

EXPECTED = ["get", "-t", "workflow", "-w", "public"]


@pytest.mark.acceptance("ch01-AS09")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-t", "workflow", "-w", "public", "get"], ["get"]),
        (["get", "-t", "workflow", "-w", "public"], ["get"]),
        (["resource", "get", "-t", "workflow"], ["get"]),
        (["get", "runtime", "-t", "workflow", "-n", "x"], ["get", "runtime"]),
        (["get", "-t", "workflow", "-n", "x", "runtime", "-w", "ws"], ["get", "runtime"]),
        (["runtime", "get", "-i", "a:v1:workflow"], ["get", "runtime"]),
        (["get", "-i", "runtime", " x | v1 | workflow | ws"], ["get", "runtime"]),
        (["-i", "a | v1 | workflow | public", "--node", "n1", "log"], ["log"]),
        (["logs", "-f", "-n", "get", "-t", "workflow"], ["log"]),
        (["resource", "apply", "-f", "x.yaml"], ["apply"]),
        (["admin", "reset-token"], ["admin", "reset-token"]),
        (["query", "SELECT 1", "-O", "json"], ["query"]),
    ],
)
def test_the_command_is_found_wherever_its_words_stand(argv, words):
    found = table.find(argv)
    assert found is not None
    command, normalised = found
    assert list(command.words) == words
    assert normalised[: len(words)] == words
    assert sorted(normalised[len(words) :]) == sorted(
        a for a in argv if a not in {*words, "resource", "logs"} or argv[argv.index(a) - 1] in ("-n", "-t")
    )


@pytest.mark.parametrize("argv", [["frobnicate"], ["get", "runtime", "extra", "words"], ["up", "x"]])
def test_what_fits_no_command_is_not_guessed(argv):
    assert table.find(argv) is None


@pytest.mark.parametrize("command", table.COMMANDS, ids=lambda c: " ".join(c.words))
def test_the_table_equals_the_program(command):
    module = importlib.import_module(command.module)
    program = typer.main.get_command(module.app)
    target = getattr(program, "commands", {}).get("-".join(command.words), program)
    flags = {}
    for parameter in target.params:
        if parameter.param_type_name == "option":
            for spelling in parameter.opts:
                flags[spelling] = not parameter.is_flag
    flags.pop("--help", None)
    flags.pop("--no-icons", None)
    assert flags == command.flags


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["get", "workflow"], "dataos get: these arguments do not fit: workflow\n"),
        (["query", "SELECT", "1"], 'quote the statement: dataos query "SELECT 1"\n'),
        (["aply", "-f", "x"], "there is no command `aply`\ndid you mean `apply`?\n"),
        (["admin"], "there is no command `admin`\ndid you mean `admin disable-policy`?\n"),
        (["up", "x"], "dataos up: these arguments do not fit: x\n"),
    ],
)
def test_words_that_fit_no_command_are_named_with_the_nearest(argv, said, capsys):
    assert main.run(argv) == 2
    assert said in capsys.readouterr().err


def test_h_is_help(capsys):
    assert main.run(["apply", "-h"]) == 0
    assert "--manifestFile" in capsys.readouterr().out
