"""A job that is a Python program of the author's, which reads and writes with PyFlare (ch04 11, 18).

The manifest declares what it reads and writes, as that of any job does: the planner, the run's transaction and lineage
know it by that. The program stands in place of steps.
"""

from __future__ import annotations

import ast

from dataos.manifest.specs import Path, Reading
from dataos.stacks.flare.blocks import JobBlock

_MAX_SOURCE = 512 << 10
_ALONE = {
    "steps": "do it in the program, or in a job of its own",
    "streaming": "a program reads what there is; a stream is a job of its own",
    "profile": "profile the dataset in a job of its own",
    "actions": "maintain tables in a job of their own",
    "rewrite_dataset": "maintain tables in a job of their own",
    "assertions": "write them at the output (`outputs[].assertions`): they are checked before it is written",
    "udfs": "define the functions in the program: spark.udf.register",
}


def read(job: JobBlock, reading: Reading, path: Path) -> str | None:
    """The program's text, or None: there is none, or it is at fault. `path`: of `job`."""
    if job.program is None and job.program_file is None:
        return None
    before = len(reading.problems)
    if job.program is None:
        reading.error(
            (*path, "programFile"),
            f"the program `{job.program_file}` was not put into the manifest",
            hint="apply with the dataos CLI, which reads it, or write the text as `program`",
            code="flare.sql_file",
        )
        return None
    where = (*path, "program")
    for field, hint in _ALONE.items():
        if getattr(job, field):
            key = type(job).model_fields[field].alias or field
            text = f"`{key}` has no place in a job that is a program"
            reading.error((*path, key), text, hint=hint, code="flare.program")
    for number, entry in enumerate(job.inputs):
        if entry.is_stream:
            hint = "leave `isStream` out, or set it to false"
            at = (*path, "inputs", number, "isStream")
            reading.error(at, "a program reads what there is, no stream", hint=hint, code="flare.program")
    text = job.program
    if not text.strip() or len(text) > _MAX_SOURCE:
        what = "empty" if not text.strip() else f"longer than {_MAX_SOURCE >> 10} KiB"
        reading.error(where, f"the program is {what}", code="flare.program")
        return None
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        column = (error.offset or 1) if isinstance(error, SyntaxError) and line is not None else None
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        reading.error(where, f"the program is no Python: {what}", code="flare.program", line=line, column=column)
    return text if len(reading.problems) == before else None
