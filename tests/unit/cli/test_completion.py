"""What completion offers at the cursor; the scripts themselves are tried in a real shell (tests/e2e)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.cli import completion, table
from dataos.manifest import registry

SERVER = {"workspaces": ["public", "sales"], "contexts": ["local", "work"], "names workflow sales": ["load", "loan"],
          "names workflow ": ["load", "loan", "other"]}  # fmt: skip


def offered(line: str) -> list[str]:
    """Candidates for the last word of a line; a blank at the end begins a new word."""
    *before, current = line.split(" ")
    return [c.text for c in completion.candidates(before, current, lambda what: SERVER.get(what, []))]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("app", ["apply"]),
        ("develop ", ["generate", "get", "get-stack-version", "schema", "stack", "start", "types"]),
        ("develop schema ", ["generate", "get"]),
        ("get r", ["runs", "runtime"]),
        ("resource ru", ["run", "runtime"]),
        ("get -t dep", ["depot"]),
        ("-t work", ["worker", "workflow"]),
        ("get --type lakeh", ["lakehouse"]),
        ("get -w ", ["public", "sales"]),
        ("get -t workflow -w sales -n lo", ["load", "loan"]),
        ("runtime pause -n ", ["load", "loan", "other"]),
        ("runtime p", ["pause"]),
        ("get -O ", ["table", "json", "yaml"]),
        ("query -O a", ["arrow"]),
        ("context select -n ", ["local", "work"]),
        ("workspace delete -n s", ["sales"]),
        ("workspace create -l ", ["user", "system"]),
        ("user create -t ", ["person", "application"]),
        ("develop generate -t workflow -v ", ["v1", "v1beta", "v1beta1"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("apply -f ", [completion.FILES]),
        ("apply ", [completion.FILES]),
        ("apply --dry", ["--dry-run"]),
        ("log -f --t", ["--tailLines", "--type"]),
        ("frobnicate ", []),
    ],
)
def test_what_may_stand_at_the_cursor(line, found):
    assert offered(line) == found


def test_all_commands_are_offered_and_every_flag_of_each():
    firsts = {command.words[0] for command in table.COMMANDS}
    assert firsts <= set(offered(""))
    for command in table.COMMANDS:
        flags = {f for f in command.flags if f.startswith("--")}
        assert flags <= set(offered(" ".join(command.words) + " --")), command.words


def test_types_are_those_of_the_registry_and_commands_say_what_they_do():
    assert offered("get -t ") == registry.known_kinds()
    (apply,) = completion.candidates([], "appl")
    assert apply.about == "Apply manifests: create or update Resources."


WORDS = st.sampled_from(
    [*sorted({w for c in table.COMMANDS for w in (*c.words, *c.flags)}), "", "x", "-", "--", "workflow"]
)


@given(st.lists(WORDS, max_size=6))
def test_whatever_was_typed_only_fitting_words_are_offered(words):
    *before, current = words or [""]
    for candidate in completion.candidates(before, current, lambda _: ["a", "b"]):
        assert candidate.text == completion.FILES or candidate.text.startswith(current)
        assert "\n" not in candidate.text + candidate.about
