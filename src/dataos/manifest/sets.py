"""Documents of one set: what they offer each other before any of them is stored (the Stacks that they define), and
which of them a problem is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from dataos.core.errors import Problem
from dataos.manifest import registry
from dataos.manifest.custom_stacks import CustomStack, stack_documents
from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import Document
from dataos.manifest.specs import Reading


def stacks_in(documents: Iterable[Any]) -> tuple[CustomStack, ...]:
    """Stacks that documents define, faulty ones included: their faults are reported where they stand."""
    found: list[CustomStack] = []
    for document in stack_documents(documents, _is):
        manifest = read_manifest(document, Reading())
        offered = manifest.spec.offers(manifest.meta.name) if manifest is not None else _named(document)
        if offered is not None:
            found.append(offered)
    return tuple(found)


def located_in(documents: Iterable[Document], problem: Problem) -> Problem:
    """A problem of a set names its Resource: the document that declares that one knows the line."""
    for document in documents:
        data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}
        if data.get("name") == problem.name and registry.canonical_type(str(data.get("type"))) == problem.type:
            return document.located(problem)
    return problem


def _is(document: dict[str, Any], type_: str) -> bool:
    return registry.canonical_type(str(document.get("type", ""))) == type_


def _named(document: dict[str, Any]) -> CustomStack | None:
    """A Stack with faults: that it is there is all that can be said."""
    section = next((v for k, v in document.items() if k.lower() == "stack"), None)
    block = cast("dict[str, Any]", section) if isinstance(section, dict) else {}
    name, version = block.get("name"), block.get("version")
    if not isinstance(name, str) or not name.strip():
        return None
    flavour = block.get("flavor") or block.get("flavour")
    hosts = ("workflow", "service", "worker")
    return CustomStack(
        name, str(flavour) if flavour else None, str(version or "1.0"), hosts, None, str(document.get("name")), True
    )
