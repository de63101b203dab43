"""Shell completion: what may stand at the cursor. `dataos completion bash|zsh|fish` prints the script that asks.

Works on the command table and loads neither Typer nor pydantic; names of Resources and workspaces come from the server,
if it answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from dataos.cli import table
from dataos.cli.table import Command
from dataos.core.errors import DataOSError, ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
FILES = ":files"
"""In the place of candidates: the shell completes names of files."""
_WAIT_S = 0.7
_MOST = 200


@dataclass(frozen=True)
class Candidate:
    """What may be put in, and what it is."""

    text: str
    about: str = ""


@app.command("completion")
def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
    no_icons: Annotated[bool, typer.Option("--no-icons", help="Plain progress lines.")] = False,
) -> int:
    """Print the completion script of a shell: `source <(dataos completion bash)`."""
    if shell not in SCRIPTS:
        raise fail("usage.shell", f"no completion for `{shell}`", hint="allowed: " + ", ".join(SCRIPTS))
    print(SCRIPTS[shell], end="")
    return ExitCode.OK


def answer(words: list[str]) -> None:
    """Print the candidates for the last of `words` (empty: nothing is typed yet), a line each: `text<TAB>about`."""
    for found in candidates(words[:-1], words[-1] if words else ""):
        print(f"{found.text}\t{found.about}" if found.about else found.text)


def candidates(before: list[str], current: str, ask: Callable[[str], list[str]] | None = None) -> list[Candidate]:
    """What may stand at the cursor, after the words `before`. `ask`: names from the server, by `workspaces`, `contexts`
    or `names <type> <workspace>`."""
    flags, plain, waiting = _sorted(before)
    fitting = _fitting(plain)
    if waiting is not None:
        found = _values(waiting, fitting, flags, ask or _ask)
    elif current.startswith("-"):
        found = _flags(fitting, flags)
    else:
        found = _next_words(plain)
        whole = _whole(plain)
        if whole is not None and (whole.positionals or not found):
            own = _ARGUMENTS.get(whole.words)
            more = [Candidate(a) for a in own] if own else [Candidate(FILES)] if whole.positionals else []
            found = [*found, *more]
            if not found:
                found = _flags([whole], flags)
    return [c for c in found if c.text == FILES or c.text.startswith(current)]


_PLURALS = ("resources", "users", "roles")
_ARGUMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("completion",): ("bash", "zsh", "fish"),
    ("demo",): ("flights",),
    ("query",): ("-",),
}


def _sorted(words: list[str]) -> tuple[dict[str, str], list[str], str | None]:
    """Flags with their values, plain words, and the flag that waits for a value at the end."""
    takes = {flag: value for command in table.COMMANDS for flag, value in command.flags.items()}
    own = _best([w for w in words if not w.startswith("-")])
    takes |= own.flags if own is not None else {}
    flags: dict[str, str] = {}
    plain: list[str] = []
    waiting: str | None = None
    for word in words:
        if waiting is not None:
            flags[waiting] = word
            waiting = None
        elif word.startswith("-") and word != "-":
            flags[word] = ""
            waiting = word if takes.get(word, False) else None
        else:
            plain.append(word)
    return flags, plain, waiting


def _best(plain: list[str]) -> Command | None:
    """The command whose words stand first, values of flags among them or not."""
    spelled = [(words, command) for command in table.COMMANDS for words in table.spellings(command)]
    fitting = [found for found in spelled if found[0] == tuple(plain[: len(found[0])])]
    return max(fitting, key=lambda f: len(f[0]))[1] if fitting else None


def _whole(plain: list[str]) -> Command | None:
    return _best(plain) if plain else None


def _fitting(plain: list[str]) -> list[Command]:
    """Commands that the words name, or may yet come to name."""
    best = _best(plain)
    if best is not None:
        return [best]
    return [c for c in table.COMMANDS if any(words[: len(plain)] == tuple(plain) for words in table.spellings(c))]


def _next_words(plain: list[str]) -> list[Candidate]:
    found: dict[str, str] = {}
    for command in table.COMMANDS:
        for words in table.spellings(command):
            if words[0] in _PLURALS and words[0] not in plain:
                continue
            if len(words) > len(plain) and words[: len(plain)] == tuple(plain):
                rest = words[len(plain) :]
                found.setdefault(rest[0], command.summary if len(rest) == 1 else "")
                if len(rest) == 1:
                    found[rest[0]] = command.summary
    return [Candidate(text, about) for text, about in sorted(found.items())]


def _flags(fitting: Iterable[Command], given: dict[str, str]) -> list[Candidate]:
    known = {flag for command in fitting for flag in command.flags} | {"--help", "--no-icons"}
    return [Candidate(flag) for flag in sorted(known - set(given)) if flag.startswith("--") or len(flag) == 2]


def _values(
    flag: str, fitting: list[Command], flags: dict[str, str], ask: Callable[[str], list[str]]
) -> list[Candidate]:
    words = fitting[0].words if len(fitting) == 1 else ()
    if words[:1] == ("user",) or words[:1] == ("role",):
        return [Candidate("person"), Candidate("application")] if flag in ("-t", "--type") else []
    if flag in ("-t", "--type"):
        scopes = ("instance-scoped", "workspace-scoped")
        return [Candidate(s) for s in scopes] if words[-1:] == ("api",) else [Candidate(k) for k in _kinds()]
    if flag in ("-O", "--output"):
        formats = (
            ("table", "json", "yaml", "csv", "arrow", "parquet") if words == ("query",) else ("table", "json", "yaml")
        )
        return [Candidate(f) for f in formats]
    if flag in ("-w", "--workspace"):
        return [Candidate(name) for name in ask("workspaces")]
    if flag in ("-l", "--layer") and words[:1] in (("workspace",), ("maintenance",)):
        return [Candidate("user"), Candidate("system")]
    if flag == "--context" or (flag in ("-n", "--name") and words[:1] == ("context",)):
        return [Candidate(name) for name in ask("contexts")]
    if flag in ("-n", "--name"):
        if words[:1] == ("workspace",):
            return [Candidate(name) for name in ask("workspaces")]
        type_ = flags.get("-t") or flags.get("--type") or ("workflow" if words[:1] == ("runtime",) else "")
        workspace = flags.get("-w") or flags.get("--workspace") or ""
        return [Candidate(name) for name in ask(f"names {type_} {workspace}")] if type_ else []
    if flag in ("-v", "--version"):
        return [Candidate(v) for v in _versions(flags.get("-t") or flags.get("--type") or "")]
    if flag in _OF_FILES:
        return [Candidate(FILES)]
    return []


_OF_FILES = ("-f", "--manifestFile", "--file", "--allow", "-o", "--out", "-c", "--configFile", "--plan")


def _kinds() -> list[str]:
    from dataos.manifest import registry

    return registry.known_kinds()


def _versions(type_: str) -> list[str]:
    from dataos.manifest import registry

    kind = registry.find_kind(registry.canonical_type(type_))
    return list(kind.versions) if kind else []


def _ask(what: str) -> list[str]:
    """Names from the server or the client folder; none if that takes too long or fails."""
    from dataos.client.api import Client
    from dataos.client.connections import contexts, find_connection
    from dataos.core import places

    try:
        if what == "contexts":
            return [c.context for c in contexts(places.client_folder())]
        client = Client(find_connection(), timeout_s=_WAIT_S)
        if what == "workspaces":
            return sorted(w["name"] for w in client.json("GET", "/api/v1/workspaces")["items"])
        _, type_, workspace = what.split(" ")
        wanted = {"type": type_, "workspace": workspace or None, "limit": _MOST}
        return sorted({r["name"] for r in client.json("GET", "/api/v1/resources", params=wanted)["items"]})
    except (DataOSError, OSError, ValueError, KeyError):
        return []


# --- scripts ----------------------------------------------------------------------------------------------------------

BASH = r"""# bash completion of dataos; load it with: source <(dataos completion bash)
_dataos() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ "$line" == ":files" ]]; then
            type compopt &>/dev/null && compopt -o default
            continue
        fi
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _dataos dataos dataos-ctl
"""

ZSH = r"""#compdef dataos dataos-ctl
# zsh completion of dataos; load it with: source <(dataos completion zsh)
_dataos() {
    local line text about
    local -a found
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -z "$line" ]] && continue
        if [[ "$line" == ":files" ]]; then
            _files
            continue
        fi
        text="${line%%$'\t'*}"
        about="${line#*$'\t'}"
        [[ "$about" == "$line" ]] && about=""
        found+=("${text//:/\\:}${about:+:$about}")
    done
    (( ${#found} )) && _describe 'dataos' found
}
compdef _dataos dataos dataos-ctl
"""

FISH = r"""# fish completion of dataos; load it with: dataos completion fish | source
function __dataos_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c dataos -f -a '(__dataos_complete)'
complete -c dataos-ctl -f -a '(__dataos_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
