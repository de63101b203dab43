"""What a stackSpec of the stack `talos` may say: a data API from a repository of SQL templates (ch09 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.manifest.stacks import Use, check_folder, check_repository

PORT = 3000
VARIABLES = ("TALOS_SCHEMA_PATH", "TALOS_BASE_PATH")


class ProjectBlock(Spec):
    """`repo`: `config.yaml` and `apis/` stand in `projectDirectory`."""

    url: Text
    """Address of the repository."""
    project_directory: Text = spelled("baseDir")
    """Folder that holds `config.yaml` and `apis`."""
    sync_flags: tuple[Text, ...] = spelled("syncFlag", default=(), lone=True)
    """Flags of the checkout, for instance --ref=main."""
    secret_id: Text | None = None
    """Secret that opens the repository."""


class StackBlock(Spec):
    """The stackSpec as written."""

    repo: ProjectBlock
    """Where the templates are."""


@dataclass(frozen=True)
class TalosSpec:
    """Where the templates are."""

    url: str
    folder: str
    sync_flags: tuple[str, ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> TalosSpec | None:
    """Canonical TalosSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    repo = block.repo
    check_repository(repo.url, repo.sync_flags, (*path, "repo"), reading)
    check_folder(repo.project_directory, (*path, "repo", "projectDirectory"), reading)
    if len(reading.problems) > before:
        return None
    return TalosSpec(repo.url.strip(), repo.project_directory.strip("/"), repo.sync_flags)


def bind(spec: TalosSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """The program listens on one port, and needs to know where its files and its public path are."""
    if use.exposure.port is not None and use.exposure.port != PORT:
        text = f"the program listens on {PORT}, not on {use.exposure.port}"
        reading.warn((*use.path, "servicePort"), text, hint=f"write {PORT}")
    for name in VARIABLES:
        if not use.may_get(name):
            hint = f"add it to `envs`: for instance {name}: {spec.folder if 'SCHEMA' in name else '/talos/public:api'}"
            reading.warn((*use.path, "envs"), f"{name} is not set", hint=hint)
    return ()
