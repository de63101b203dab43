"""What a stackSpec of the stack `dbt` may say: a dbt project as a job of a Workflow (ch06 10).

`profiles`, `dbt_project` and `dbt_packages` become the three files that dbt reads. They are dbt's: keys that are not
checked here are kept as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any

from dataos.core import names
from dataos.manifest.annotations import Shape, Words, free, never_both, one_needed, rules
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled
from dataos.manifest.stacks import RepoBlock, check_repo, check_repository, literal_credentials, warn_literals
from dataos.stacks.dbt.projects import ProjectBlock, read_project

ADAPTERS = ("bigquery", "postgres", "redshift", "snowflake", "trino", "duckdb", "spark")
COMMANDS = ("deps", "seed", "run", "test", "build", "snapshot", "compile", "parse", "docs", "source", "ls", "list",
            "clean", "debug", "show", "run-operation", "retry", "freshness")  # fmt: skip

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_JINJA = re.compile(r"\{\{.*\}\}", re.DOTALL)
_SECRETS = frozenset({"private_key", "private_key_id", "keyfile_json", "passphrase", "private_key_passphrase", "pass"})


class OutputBlock(Spec, json_schema_extra=free()):
    """One of `outputs`: a connection. Most of its keys are the adapter's."""

    type: Annotated[Text, Words(*ADAPTERS)]
    """Adapter."""
    threads: Any = None
    """How many models are built at a time."""


class ProfileBlock(Spec):
    """One of `profiles`."""

    target: Text
    """Which of `outputs`."""
    outputs: dict[str, Annotated[dict[str, Any], Shape(OutputBlock)]]
    """Connections by name."""


class PackageBlock(Spec, json_schema_extra=rules(one_needed("git", "package"), never_both("git", "package"))):
    """One of `packages`: of a repository, or of dbt's hub."""

    git: Text | None = None
    """Address of a repository."""
    revision: Text | None = None
    """Tag or branch."""
    package: Text | None = None
    """Package of dbt's hub."""
    version: Any = None
    """Its version, or a range."""
    subdirectory: Text | None = None
    """Folder in the repository."""


class PackagesBlock(Spec):
    """`dbt_packages`."""

    packages: tuple[PackageBlock, ...] = spelled("package", default=(), lone=True)
    """Packages."""


class StackBlock(Spec):
    """The stackSpec as written."""

    profiles: dict[str, ProfileBlock]
    """Becomes profiles.yml."""
    dbt_project: Annotated[dict[str, Any], Shape(ProjectBlock)] = spelled("dbtProject", alias="dbt_project")
    """Becomes dbt_project.yml."""
    dbt_packages: PackagesBlock = spelled("dbtPackages", "packages", default=PackagesBlock(), alias="dbt_packages")
    """Becomes packages.yml."""
    repo: RepoBlock | None = None
    """Where the project is, if not in packages."""
    commands: tuple[Text, ...] = spelled("command", default=(), lone=True)
    """Commands of dbt, in order; deps, seed, run and test if none is named."""


@dataclass(frozen=True)
class DbtSpec:
    """One project. `commands` empty: deps, seed, run and test, each if there is something to do."""

    profile: str
    target: str
    adapter: str
    profiles: dict[str, Any]
    project: dict[str, Any]
    packages: tuple[PackageBlock, ...]
    repo: RepoBlock | None
    commands: tuple[tuple[str, ...], ...]
    secret_paths: tuple[Path, ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> DbtSpec | None:
    """Canonical DbtSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    adapters = {name: _profile(body, (*path, "profiles", name), reading) for name, body in block.profiles.items()}
    if not adapters:
        reading.error((*path, "profiles"), "`profiles` needs at least one profile", code="manifest.missing")
    project = read_project(block.dbt_project, (*path, "dbt_project"), reading)
    chosen = adapters.get(project.profile) if project else None
    if project is not None and adapters and project.profile not in adapters:
        text = f"`{project.profile}` is no profile of `profiles`"
        reading.error((*path, "dbt_project", "profile"), text, hint=names.did_you_mean(project.profile, adapters))
    for position, package in enumerate(block.dbt_packages.packages):
        _check_package(package, (*path, "dbt_packages", "packages", position), reading)
    if block.repo is not None:
        check_repo(block.repo, (*path, "repo"), reading)
    commands = _commands(block.commands, (*path, "commands"), reading)
    secrets = _secrets(data)
    warn_literals(data, secrets, path, reading, "write {{ env_var('NAME') }}, and list a secret below `dataosSecrets`")
    if project is None or chosen is None or len(reading.problems) > before:
        return None
    target, adapter = chosen
    return DbtSpec(
        profile=project.profile,
        target=target,
        adapter=adapter,
        profiles={name: body.model_dump(by_alias=True) for name, body in block.profiles.items()},
        project=project.content,
        packages=block.dbt_packages.packages,
        repo=block.repo,
        commands=commands,
        secret_paths=secrets,
    )


def _secrets(data: Any) -> tuple[Path, ...]:
    return tuple(
        path
        for path in literal_credentials(data, _JINJA, _SECRETS)
        if isinstance(path[0], str) and path[0].lower() == "profiles"
    )


def _profile(profile: ProfileBlock, path: Path, reading: Reading) -> tuple[str, str] | None:
    """The target and the adapter of a profile, or None after problems."""
    before = len(reading.problems)
    if not profile.outputs:
        reading.error((*path, "outputs"), "`outputs` needs at least one target", code="manifest.missing")
    elif profile.target not in profile.outputs and not _JINJA.search(profile.target):
        hint = names.did_you_mean(profile.target, profile.outputs)
        reading.error((*path, "target"), f"`{profile.target}` is no target of `outputs`", hint=hint)
    adapter = ""
    for name, output in profile.outputs.items():
        where = (*path, "outputs", name)
        found = _output(output, where, reading)
        if name == profile.target or not adapter:
            adapter = found or adapter
    return (profile.target, adapter) if len(reading.problems) == before else None


def _output(data: dict[str, Any], path: Path, reading: Reading) -> str | None:
    if data.get("type") is None:
        hint = "allowed: " + ", ".join(ADAPTERS)
        reading.error(path, "`type` is required", code="manifest.missing", hint=hint)
        return None
    threads = data.get("threads")
    if threads is None:
        reading.warn(path, "`threads` is not said: 4 models are built at a time")
    elif not re.fullmatch(r"[1-9][0-9]{0,3}", str(threads)) and not _JINJA.search(str(threads)):
        reading.error((*path, "threads"), f"`{threads}` is no number of threads", hint="write 1 to 4")
    return one_of(str(data["type"]), ADAPTERS, (*path, "type"), reading, "adapter")


def _check_package(package: PackageBlock, path: Path, reading: Reading) -> None:
    if (package.git is None) == (package.package is None):
        found = "neither" if package.git is None else "both"
        hint = "for instance git: https://git.example/retail/models.git"
        reading.error(
            path, f"a package has one of `git` and `package`, found {found}", code="manifest.missing", hint=hint
        )
    elif package.git is not None:
        if not _JINJA.search(package.git):
            before = len(reading.problems)
            check_repository(package.git, (), path, reading)
            for number in range(before, len(reading.problems)):
                problem = reading.problems[number]
                reading.problems[number] = replace(problem, path=(problem.path or "").removesuffix(".url") + ".git")
        if package.revision is None:
            reading.warn(path, "no `revision`: what is built changes when the repository does", hint="name a tag")


def _commands(commands: tuple[str, ...], path: Path, reading: Reading) -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = []
    for position, text in enumerate(commands):
        words = text.split()
        if words and words[0] == "dbt":
            words = words[1:]
        if not words or words[0] not in COMMANDS:
            shown = words[0] if words else text
            hint = names.did_you_mean(shown, COMMANDS) or "known: " + ", ".join(COMMANDS)
            reading.error((*path, position), f"`{shown}` is no command of dbt", hint=hint)
        elif any(w.startswith(("--profiles-dir", "--project-dir")) for w in words):
            text = "folders are set by the platform"
            reading.error((*path, position), text, hint="leave out --profiles-dir and --project-dir")
        found.append(tuple(words))
    return tuple(found)
