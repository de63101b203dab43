"""Reads a stackSpec inside a whole manifest of its host."""

from __future__ import annotations

import copy
from typing import Any

from dataos.manifest.documents import Manifest
from dataos.manifest.specs import Reading
from support.kind_reading import read as read_kind
from support.stack_samples import FORMS


def section(form: str, spec: Any = None, **more: Any) -> tuple[str, dict[str, Any]]:
    """Type and section of a manifest that holds the form; `spec` in the place of its stackSpec."""
    type_, stack, around, own = copy.deepcopy(FORMS[form])
    block = {
        "stack": stack,
        "compute": "runnable-default",
        **around,
        "stackSpec": own if spec is None else spec,
        **more,
    }
    block = {k: v for k, v in block.items() if v is not ...}  # `...`: taken away
    return type_, {"dag": [{"name": "job", "spec": block}]} if type_ == "workflow" else block


def read(form: str, spec: Any = None, **more: Any) -> tuple[Manifest | None, Reading]:
    """The manifest (None after problems) and everything found."""
    return read_kind(*section(form, spec, **more))


def good(form: str, spec: Any = None, **more: Any) -> Any:
    """The stack's canonical spec; fails with the problems if there are any."""
    return runnable(form, spec, **more).stack_model


def runnable(form: str, spec: Any = None, **more: Any) -> Any:
    """The whole Runnable."""
    manifest, reading = read(form, spec, **more)
    assert manifest is not None, reading.problems
    return manifest.spec.jobs[0].runnable if manifest.kind.type == "workflow" else manifest.spec.runnable


def prefix(form: str) -> str:
    """Where the block stands."""
    return "workflow.dag[0].spec" if FORMS[form][0] == "workflow" else FORMS[form][0]


def faults(form: str, spec: Any = None, **more: Any) -> dict[str, str]:
    """Path below the block -> message and hint of every problem."""
    manifest, reading = read(form, spec, **more)
    assert manifest is None
    start = prefix(form)
    return {(p.path or "").removeprefix(start).removeprefix("."): f"{p.message} | {p.hint}" for p in reading.problems}


def notices(form: str, spec: Any = None, **more: Any) -> list[str]:
    """Messages of the warnings; fails if there are problems."""
    manifest, reading = read(form, spec, **more)
    assert manifest is not None, reading.problems
    return [w.message for w in reading.warnings]


def spec_of(form: str) -> Any:
    """A copy of the form's stackSpec, to change."""
    return copy.deepcopy(FORMS[form][3])
