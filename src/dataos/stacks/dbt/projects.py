"""`dbt_project`: what becomes dbt_project.yml (ch06 10.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from pydantic import Field

from dataos.manifest.blocks import Whole
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, read_model, spelled, suggest

MATERIALIZATIONS = ("view", "table", "incremental", "ephemeral", "materialized_view")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATHS = {
    "model-paths": ["models"], "seed-paths": ["seeds"], "test-paths": ["tests"], "analysis-paths": ["analyses"],
    "macro-paths": ["macros"], "snapshot-paths": ["snapshots"],
}  # fmt: skip


class ProjectBlock(Spec):
    """The keys of a project. Those that are only passed through have no type here."""

    name: Text
    version: Text | None = None
    config_version: Whole | None = spelled("config_version", default=None, alias="config-version")
    require_dbt_version: Any = Field(default=None, alias="require-dbt-version")
    profile: Text
    model_paths: tuple[Text, ...] = spelled("model_paths", "source-paths", default=(), lone=True, alias="model-paths")
    seed_paths: tuple[Text, ...] = spelled("seed_paths", "data-paths", default=(), lone=True, alias="seed-paths")
    test_paths: tuple[Text, ...] = spelled("test_paths", default=(), lone=True, alias="test-paths")
    analysis_paths: tuple[Text, ...] = spelled("analysis_paths", default=(), lone=True, alias="analysis-paths")
    macro_paths: tuple[Text, ...] = spelled("macro_paths", default=(), lone=True, alias="macro-paths")
    snapshot_paths: tuple[Text, ...] = spelled("snapshot_paths", default=(), lone=True, alias="snapshot-paths")
    docs_paths: tuple[Text, ...] = spelled("docs_paths", default=(), lone=True, alias="docs-paths")
    asset_paths: tuple[Text, ...] = spelled("asset_paths", default=(), lone=True, alias="asset-paths")
    target_path: Any = spelled("target_path", default=None, alias="target-path")
    log_path: Text | None = Field(default=None, alias="log-path")
    packages_install_path: Text | None = Field(default=None, alias="packages-install-path")
    clean_targets: tuple[Text, ...] = spelled("clean_targets", default=(), lone=True, alias="clean-targets")
    models: Any = None
    seeds: Any = None
    snapshots: Any = None
    sources: Any = None
    tests: Any = spelled(default=None)
    data_tests: Any = Field(default=None, alias="data_tests")
    vars: Any = None
    flags: Any = None
    quoting: Any = None
    dispatch: Any = None
    exposures: Any = None
    metrics: Any = None
    query_comment: Any = Field(default=None, alias="query-comment")
    on_run_start: Any = Field(default=None, alias="on-run-start")
    on_run_end: Any = Field(default=None, alias="on-run-end")


@dataclass(frozen=True)
class Project:
    """A project: its profile's name, and the file's content with dbt's own spelling."""

    name: str
    profile: str
    content: dict[str, Any]


def read_project(data: Any, path: Path, reading: Reading) -> Project | None:
    """The project at `path`, or None after problems."""
    before = len(reading.problems)
    block = read_model(ProjectBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    if not _NAME.fullmatch(block.name):
        hint = "letters, digits and `_`, not beginning with a digit"
        reading.error((*path, "name"), f"`{block.name}` cannot name a dbt project", hint=hint)
    if block.version is None:
        reading.warn(path, "the project has no `version`")
    if block.config_version not in (None, 1, 2):
        text = f"config-version {block.config_version} is not known"
        reading.error((*path, "config-version"), text, hint="write 2")
    folders = {key: list(getattr(block, key.replace("-", "_"))) or default for key, default in _PATHS.items()}
    for key, names in folders.items():
        for position, folder in enumerate(names):
            if not folder.strip("/ ") or folder.startswith("/") or ".." in folder.split("/"):
                hint = "write a folder of the project, without `..`"
                reading.error((*path, key, position), f"`{folder}` is no folder of a project", hint=hint)
    for key in ("macro-paths", "snapshot-paths"):
        for shared in sorted({f.strip("/") for f in folders[key]} & {f.strip("/") for f in folders["model-paths"]}):
            reading.error((*path, key), f"`{shared}` holds models already", hint="name another folder")
    target = block.target_path
    if isinstance(target, list):
        target = cast("list[Any]", target)[0] if target else None
    if target is not None and not isinstance(target, str):
        reading.error((*path, "target-path"), "`target-path` is a folder", hint="write target")
    models = _materialized(block.models, (*path, "models"), reading)
    content = {
        k: list(cast("tuple[Any, ...]", v)) if isinstance(v, tuple) else v
        for k, v in block.model_dump(by_alias=True, exclude_none=True).items()
        if v != ()
    }
    content |= {key: value for key, value in (("models", models), ("target-path", target)) if value is not None}
    return Project(block.name, block.profile, content) if len(reading.problems) == before else None


def _materialized(models: Any, path: Path, reading: Reading) -> Any:
    """`models` as a mapping, `+materialised` as `+materialized`, its values known."""
    if isinstance(models, list):  # a page of the reference shows a list of mappings
        reading.warn(path, "`models` is a mapping of projects: the list is read as one", code="manifest.variant")
        items = cast("list[Any]", models)
        models = {k: v for item in items if isinstance(item, dict) for k, v in cast("dict[str, Any]", item).items()}
    if models is None:
        return None
    if not isinstance(models, dict):
        reading.error(path, "`models` is a mapping", hint="for instance {retail: {+materialized: view}}")
        return None
    return dict(_walk(cast("dict[str, Any]", models), path, reading))


def _walk(block: dict[str, Any], path: Path, reading: Reading) -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield key, dict(_walk(cast("dict[str, Any]", value), (*path, key), reading))
            continue
        bare = key.lstrip("+").lower()
        if bare in ("materialised", "materialized"):
            if bare == "materialised":
                reading.warn((*path, key), f"`{key}` is read as `+materialized`", code="manifest.variant")
            word = str(value)
            if "{{" not in word and choose(word, MATERIALIZATIONS) is None:
                hint = suggest(word, MATERIALIZATIONS)
                if hint.startswith("did you mean"):
                    reading.error((*path, key), f"materialization `{word}` is not known", hint=hint)
                else:
                    reading.warn((*path, key), f"materialization `{word}` is none of dbt's own", hint=hint)
            yield "+materialized", value
        else:
            yield key, value
