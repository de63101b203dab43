"""A table as one of its branches: `orders@audit` is `orders` with its branch `audit` in the place of `main`.

Clients that know `main` only (most engines' writers) read and write a branch under that name. Documents are translated
on their way out, commits on their way in. A table whose own name is `orders@audit` comes first.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dataos.core import names
from dataos.core.errors import DataOSError, fail
from dataos.lakehouse.files import Files
from dataos.lakehouse.views import CommitRequest, Loaded, TableRef

_MARK = "@"
_MAIN = "main"
_UNSAFE = re.compile("[^A-Za-z0-9_-]")
_SUFFIX = ".metadata.json"
_RETENTION = ("max-ref-age-ms", "max-snapshot-age-ms", "min-snapshots-to-keep")


def split(ref: TableRef) -> tuple[TableRef, str | None]:
    """The table, and the branch that its name asks for."""
    table, mark, branch = ref.name.partition(_MARK)
    return (replace(ref, name=table), branch) if mark else (ref, None)


def head(loaded: Loaded, ref: TableRef, branch: str) -> dict[str, Any]:
    """The branch as the metadata has it. Raises DataOSError `iceberg.not_found.table`."""
    return _head(json.loads(loaded.metadata), ref, branch)


def as_main(files: Files, loaded: Loaded, ref: TableRef, branch: str) -> Loaded:
    """The table's metadata with the branch as its `main`, kept as a file beside the original: some clients read that
    in place of the answer. Raises DataOSError `iceberg.not_found.table`, `iceberg.storage`."""
    metadata: dict[str, Any] = json.loads(loaded.metadata)
    found = _head(metadata, ref, branch)
    metadata |= {"refs": {_MAIN: found}, "current-snapshot-id": found["snapshot-id"], "snapshot-log": []}
    content = json.dumps(metadata).encode()
    if loaded.metadata_location is None:
        return replace(loaded, metadata=content)
    folder, _, name = loaded.metadata_location.rpartition("/")
    location = (
        f"{folder}/{name.partition('.')[0]}{_MARK}{_UNSAFE.sub('_', branch)}-{zlib.crc32(branch.encode()):08x}{_SUFFIX}"
    )
    if not files.exists(location):
        try:
            files.write_new(location, content)
        except DataOSError:
            if not files.exists(location):  # not by somebody else just now
                raise
    return Loaded(location, content)


def to_branch(request: CommitRequest, loaded: Loaded, branch: str) -> CommitRequest:
    """A commit to `main` as one to the branch, whose own retention stays. Raises DataOSError as `as_main`, and
    `iceberg.unsupported` for updates of other branches."""
    found = head(loaded, request.ref, branch)
    kept = {key: found[key] for key in _RETENTION if key in found}

    def update(one: Mapping[str, Any]) -> dict[str, Any]:
        if one.get("action") in ("set-snapshot-ref", "remove-snapshot-ref"):
            if one.get("ref-name") != _MAIN or one["action"] != "set-snapshot-ref":
                text = f"{request.ref} is its branch {branch}: other branches and tags are changed under its own name"
                raise fail("iceberg.unsupported", text)
            return {**kept, **one, "ref-name": branch}
        return dict(one)

    def requirement(one: Mapping[str, Any]) -> dict[str, Any]:
        of_main = one.get("type") == "assert-ref-snapshot-id" and one.get("ref") == _MAIN
        return {**one, "ref": branch} if of_main else dict(one)

    return CommitRequest(
        request.ref,
        tuple(requirement(r) for r in request.requirements),
        tuple(update(u) for u in request.updates),
    )


def _head(metadata: Mapping[str, Any], ref: TableRef, branch: str) -> dict[str, Any]:
    refs: dict[str, Any] = metadata.get("refs", {})
    found = refs.get(branch)
    if found is None or found.get("type") != "branch":
        known = [name for name, one in refs.items() if one.get("type") == "branch"]
        raise fail(
            "iceberg.not_found.table",
            f"table {ref} has no branch `{branch}`",
            hint=names.did_you_mean(branch, known) or "make it with dataos dataset create-branch",
        )
    return dict(found)
