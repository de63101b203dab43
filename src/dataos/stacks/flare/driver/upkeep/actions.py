"""Doing Flare's maintenance actions: rewriting is done here, everything else is asked of the server, which decides what
files go. `delete_from_dataset` is SQL for the engine and no business of this module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyiceberg.table import Table

from dataos.client.api import Client
from dataos.stacks.flare.actions import Action
from dataos.stacks.flare.driver.upkeep import rewriting

_ROUTES = {"rewrite_manifest": "rewrite-manifests", "expire_snapshots": "expire", "remove_orphans": "clean-orphans"}


def run(
    action: Action,
    address: str,
    table: Callable[[], Table],
    client: Client,
    say: Callable[[str], None],
    *,
    memory_bytes: int,
    scratch: Path,
) -> dict[str, Any]:
    """Do it; returns counts. `table` loads the table as the job sees it, which also lets the server serve the job.

    Raises DataOSError `dataset.*`, `iceberg.*` (`iceberg.conflict`: somebody changed what was rewritten), `auth.*`.
    """
    loaded = table()
    if action.options is None:
        body = {"address": address, **action.body}
        done: dict[str, Any] = client.json("POST", f"/api/v1/datasets/{_ROUTES[action.name]}", body=body)
        return done
    options = replace(action.options, memory_bytes=memory_bytes, scratch=scratch)
    return rewriting.rewrite(loaded, options, committer(address, client), say).to_json()


def committer(address: str, client: Client) -> rewriting.Commit:
    """The commit of rewritten files: the server makes it."""

    def commit(base: int, added: Any, removed: Any) -> dict[str, Any]:
        asked = {
            "address": address,
            "baseSnapshot": str(base),
            "added": [{"path": path, "specId": spec} for path, spec in added],
            "removed": list(removed),
        }
        done: dict[str, Any] = client.json("POST", "/api/v1/datasets/replace-files", body=asked)
        return done

    return commit
