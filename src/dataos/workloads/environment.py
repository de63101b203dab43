"""What every workload finds in its environment (ch01 10, ch03 1.2), and its secrets (ch03 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from dataos.control import records
from dataos.control.generations import check_use
from dataos.core import binaries
from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import RunId, UserId
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.manifest.documents import Manifest
from dataos.manifest.runnables import Runnable, SecretUse
from dataos.manifest.specs import render


@dataclass(frozen=True)
class Injected:
    """Variables and files that carry secrets into a workload."""

    env: Mapping[str, str]
    files: Mapping[str, bytes]  # names below `secret/`


def standard(
    manifest: Manifest, runnable: Runnable, kind: str, run_id: RunId, run_as: UserId, uid: str, stamp: str, fqdn: str
) -> dict[str, str]:
    """The `DATAOS_*` variables. Values from the manifest's `envs` are added by the caller and win."""
    workspace = manifest.workspace or ""
    return {
        "DATAOS_NAME": manifest.meta.name,
        "DATAOS_TYPE": manifest.kind.type,
        "DATAOS_WORKSPACE": workspace,
        "DATAOS_TAGS": ",".join(manifest.meta.tags),
        "DATAOS_DESCRIPTION": manifest.meta.description,
        "DATAOS_RESOURCE_ID": manifest.id,
        "DATAOS_RUN_ID": run_id,
        "DATAOS_UID": uid,
        "DATAOS_STAMP": stamp,
        "DATAOS_FQDN": fqdn,
        "DATAOS_RUN_AS_USER": run_as,
        "DATAOS_LOG_LEVEL": runnable.log_level,
        "LOG_LEVEL": runnable.log_level,
        "DATAOS_IS_DRY_RUN": "true" if runnable.dry_run else "false",
        "RUNNABLE_TYPE": kind,
        "CURRENT_WORKSPACE": workspace,
    }


def secret_key(connection: sa.Connection, use: SecretUse, workspace: str | None) -> ResourceKey | None:
    """The living Secret a use means: of the named workspace; else the own workspace's, else the Instance-Secret."""
    if use.workspace:
        options = [ResourceKey("secret", use.name, use.workspace)]
    else:
        options = [ResourceKey("secret", use.name, workspace), ResourceKey("instance-secret", use.name)]
    found = [(key, records.find(connection, key)) for key in options]
    return next((key for key, row in found if row is not None and row.deleting_at is None), None)


def holders(connection: sa.Connection, runnable: Runnable, workspace: str | None) -> list[ResourceKey]:
    """The living Secrets that a workload uses."""
    found = [secret_key(connection, use, workspace) for use in runnable.secrets]
    return [key for key in dict.fromkeys(found) if key is not None]


def check_secrets(
    connection: sa.Connection, vault: Vault, runnable: Runnable, workspace: str | None, who: Principal
) -> list[Problem]:
    """Problems of `dataosSecrets`: missing secret, foreign workspace, missing key; each names all three (ch02 2.9). And
    what `who`, as whom it runs, may not read."""
    problems: list[Problem] = []
    for use in runnable.secrets:
        path = render((*runnable.stack_path[:-1], "dataosSecrets"))
        if use.workspace and use.workspace != workspace:
            problems.append(
                Problem(
                    "secret.foreign_workspace",
                    f"secret `{use.name}` of workspace `{use.workspace}` cannot be used in workspace `{workspace}`",
                    hint="apply the Secret in this workspace, or use an Instance-Secret",
                    path=path,
                )
            )
            continue
        key = secret_key(connection, use, workspace)
        if key is None:
            problems.append(
                Problem(
                    "secret.not_found",
                    f"secret `{use.name}` was not found: looked for a Secret in workspace `{workspace}`, "
                    "then for an Instance-Secret",
                    path=path,
                )
            )
            continue
        try:
            _check_use(connection, who, key)
            values = vault.reveal(connection, str(key))
        except DataOSError as error:
            problems.append(Problem(error.problem.code, error.problem.message, hint=error.problem.hint, path=path))
            continue
        problems += _check_binary(use, key, values, path)
        for wanted in _keys(use, key.name):
            if wanted not in values and wanted not in _blob_names(key):
                problems.append(
                    Problem(
                        "secret.no_key",
                        f"secret `{use.name}` (workspace `{key.workspace or 'none: an Instance-Secret'}`) "
                        f"has no key `{wanted}`",
                        hint="its keys: " + ", ".join(sorted(values)),
                        path=path,
                    )
                )
    return problems


def _check_binary(use: SecretUse, key: ResourceKey, values: Mapping[str, str], path: str) -> list[Problem]:
    """A variable holds text only."""
    if use.consumption_type in ("propFile", "file"):
        return []
    chosen = [k for k in _keys(use, key.name) if k in values] or list(values)
    return [
        Problem(
            "secret.binary",
            f"key `{k}` of secret `{use.name}` is binary: it cannot be an environment variable",
            hint="write `consumptionType: file` (a file for each key), or name other keys",
            path=path,
        )
        for k in chosen
        if binaries.is_binary(values[k])
    ]


def _check_use(connection: sa.Connection, who: Principal, key: ResourceKey) -> None:
    """Between apply and start another Secret may have come into the place of the name, or a right gone."""
    row = records.find(connection, key)
    if row is not None:
        check_use(connection, who, row)


def inject(
    connection: sa.Connection, vault: Vault, runnable: Runnable, workspace: str | None, who: Principal
) -> Injected:
    """Reveal the secrets of a workload, in the forms it asked for. Raises DataOSError `secret.*`, and `auth.forbidden`
    for one that `who`, as whom it runs, may not read."""
    env: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for use in runnable.secrets:
        key = secret_key(connection, use, workspace)
        if key is None:
            raise fail("secret.not_found", f"secret `{use.name}` was not found for workspace `{workspace}`")
        _check_use(connection, who, key)
        values = vault.reveal(connection, str(key))
        wanted = [k for k in _keys(use, key.name) if k in values] or list(values)
        chosen = {k: values[k] for k in wanted}
        match use.consumption_type:
            case "propFile":
                # what is binary is a file of its own, named by its line (ch02 2.4)
                binary = {k: f"{use.name}_{k}" for k, v in values.items() if binaries.is_binary(v)}
                blob = "".join(f"{k}={binary.get(k, v)}\n" for k, v in values.items())
                files[f"secret/{use.name}"] = blob.encode()
                files |= {f"secret/{file}": binaries.to_bytes(values[k]) for k, file in binary.items()}
            case "file":
                for name, value in chosen.items():
                    files[f"secret/{name}"] = binaries.to_bytes(value)
                    files[f"secret/{use.name}_{name}"] = binaries.to_bytes(value)
            case _:
                env.update(chosen)
    return Injected(env, files)


def files(plan: Mapping[str, bytes], injected: Injected, configs: Mapping[str, str]) -> dict[str, bytes]:
    """All files of a launch: the stack's own, those of secrets, and the manifest's `configs` (ch03 1.1).

    Raises DataOSError `stack.config_name` where a config would take the place of one of the stack's own files.
    """
    own = {f"config/{name}": content.encode() for name, content in configs.items()}
    for name in own.keys() & plan.keys():
        raise fail(
            "stack.config_name",
            f"`{name.removeprefix('config/')}` is the name of a file that this stack writes itself",
            hint="choose another name below `configs`",
        )
    return {**plan, **injected.files, **own}


def check_scratch(runnable: Runnable, limit_bytes: int) -> list[Problem]:
    """Problems of `tempVolume` as a size: this installation bounds scratch."""
    asked = runnable.scratch_bytes
    if asked is None or asked <= limit_bytes:
        return []
    return [
        Problem(
            "stack.scratch",
            f"tempVolume asks for {asked >> 20} MiB of scratch; a job may have {limit_bytes >> 20} MiB",
            hint="ask for less, or raise the setting workloads.scratch_mib",
            path=render((*runnable.stack_path[:-1], "tempVolume")),
        )
    ]


def _keys(use: SecretUse, name: str) -> list[str]:
    keys = [*use.keys, *([use.key] if use.key else [])]
    return [] if use.all_keys else keys


def _blob_names(key: ResourceKey) -> tuple[str, ...]:
    """Names under which a whole key-value-properties secret may be asked for (ch02 2.4)."""
    return (key.name, f"{key.workspace}_{key.name}") if key.workspace else (key.name,)
